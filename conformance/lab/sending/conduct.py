"""What a simulated host does wrong when it sends."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address
from typing import Any, ClassVar


class Wrong(StrEnum):
    """One way in which a host sends wrongly."""

    # The greeting.
    HELO_PARROTS = "helo-parrots"
    """Greets with the name that the receiver's banner gives."""
    HELO_CHANGES = "helo-changes"
    """Greets with another name every second time."""
    HELO_CHANGES_IN_TLS = "helo-changes-in-tls"
    # The session.
    TALKS_EARLY = "talks-early"
    """Does not wait for the banner."""
    PIPELINES_UNASKED = "pipelines-unasked"
    PIPELINES_STARTTLS = "pipelines-starttls"
    BLANK_AFTER_COLON = "blank-after-colon"
    NO_BRACKETS = "no-brackets"
    PARAMETERS_UNASKED = "parameters-unasked"
    NO_HELO = "no-helo"
    """Knows EHLO alone."""
    EXACT_CODES = "exact-codes"
    """Takes a code that it does not know for a failure."""
    NO_QUIT = "no-quit"
    BARE_LF = "bare-lf"
    NO_DOT_STUFFING = "no-dot-stuffing"
    JUST_SENDS_8BIT = "just-sends-8bit"
    JUST_SENDS_UTF8 = "just-sends-utf8"
    IMPATIENT = "impatient"
    """Gives up on the last reply after a few seconds, and sends again."""
    # TLS.
    NO_TLS = "no-tls"
    TLS_12_ONLY = "tls-12-only"
    TLS_11_ONLY = "tls-11-only"
    NO_SNI = "no-sni"
    REFUSES_EXPIRED = "refuses-expired"
    """Sends nothing to a server whose certificate has expired."""
    BROKEN_TLS_IS_FINAL = "broken-tls-is-final"
    FORGETS_REQUIRETLS = "forgets-requiretls"
    """Offers REQUIRETLS, and sends such messages like all others."""
    IGNORES_POLICIES = "ignores-policies"
    """Fetches MTA-STS policies and sends all the same."""
    IGNORES_TLSA = "ignores-tlsa"
    """Looks TLSA records up and sends all the same."""
    POLICY_OVER_TLSA = "policy-over-tlsa"
    """Leaves TLSA records aside where there is an MTA-STS policy."""
    # The queue.
    NO_RETRY = "no-retry"
    """Takes a reply of class 4 for final."""
    RETRIES_AT_ONCE = "retries-at-once"
    RETRIES_ELSEWHERE = "retries-elsewhere"
    """Tries again from an address of another network, under another name."""
    RETRIES_REFUSED = "retries-refused"
    """Tries again after 5yz."""
    REFUSED_TO_NEXT_MX = "refused-to-next-mx"
    SILENT_ABOUT_FAILURE = "silent-about-failure"
    """Sends no bounce."""
    BOUNCES_WITH_SENDER = "bounces-with-sender"
    BOUNCES_IN_PROSE = "bounces-in-prose"
    ONE_COPY_EACH = "one-copy-each"
    ALL_OR_NOTHING = "all-or-nothing"
    """Sends to all recipients again when one of them was deferred."""
    MIXES_DOMAINS = "mixes-domains"
    # The way.
    RESOLVES_ONCE = "resolves-once"
    FIRST_MX_ONLY = "first-mx-only"
    NO_OTHER_FAMILY = "no-other-family"
    FALLS_BACK_TO_A = "falls-back-to-a"
    IGNORES_NULL_MX = "ignores-null-mx"
    NEEDS_MX = "needs-mx"
    """Does not know that a domain without MX is its own exchanger."""
    # The message.
    FROM_TWICE = "from-twice"
    NO_DATE = "no-date"
    WRONG_CLOCK = "wrong-clock"
    SAME_MESSAGE_ID = "same-message-id"
    NO_MESSAGE_ID = "no-message-id"
    NO_RECEIVED = "no-received"
    KEEPS_BCC = "keeps-bcc"
    KEEPS_RETURN_PATH = "keeps-return-path"
    ANY_AUTHOR = "any-author"
    """Takes any From from those who may submit."""
    UNSIGNED = "unsigned"
    SIGNATURE_BREAKS = "signature-breaks"
    """Changes the body after it has signed."""
    SIGNS_BEFORE_RECODING = "signs-before-recoding"
    SIGNS_PART = "signs-part"
    """Signs with l=, so that anything may be added."""
    SIGNS_LITTLE = "signs-little"
    """Signs From alone."""
    SIGNS_FOREIGN = "signs-foreign"
    """Signs with the domain of the host, which is not that of From."""


@dataclass(frozen=True, slots=True)
class Conduct:
    """How a host sends: ``[host.sends]`` in hosts.toml.

    ``domains`` are those that it may use in From, and signs for with the lab's key at ``selector``. ``sources``
    (default: the host's addresses) are the addresses it sends from, ``helo`` (default: its name) what it greets with.
    ``user`` and ``password`` are those of its submission; without them anybody may submit.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    domains: tuple[str, ...]
    selector: str = "lab"
    helo: str = ""
    sources: tuple[IPv4Address | IPv6Address, ...] = ()
    wrong: tuple[Wrong, ...] = ()
    user: str = ""
    password: str = ""
    requiretls: bool = False
    """Whether its submission offers REQUIRETLS."""
    mta_sts: bool = False
    """Whether it fetches MTA-STS policies."""
    dane: bool = False
    """Whether it looks up TLSA records."""
    bounces_as: str = ""
    """Domain of the bounces' From; default: the first of ``domains``."""

    def does(self, wrong: Wrong) -> bool:
        """Whether the host does this wrong."""
        return wrong in self.wrong
