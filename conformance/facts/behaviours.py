"""What trials of a stream show together: which trials, and what they are looked at for, by fixtures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from conformance.facts.daneclient import Dane
from conformance.facts.greetings import Greetings
from conformance.facts.handshakes import Handshakes
from conformance.facts.manners import Manners
from conformance.facts.outcomes import Outcomes
from conformance.facts.patience import Patience
from conformance.facts.policies import Policies
from conformance.facts.required import Required
from conformance.facts.routes import Routes
from conformance.facts.tried import Tried

_AFTER_GREETING = ("mail", "rcpt", "data", "dot")
_STEPS = ("banner", "ehlo", *_AFTER_GREETING)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One view of some trials: ``kind`` makes it of them, ``about`` says what it shows."""

    kind: type[Tried]
    about: str
    trials: tuple[str, ...]


BEHAVIOURS: Mapping[str, Behaviour] = {
    "greetings": Behaviour(Greetings, "How sessions of the stream greet.", ("accept", "twice", "greylist")),
    "plain_greetings": Behaviour(Greetings, "How the stream greets a receiver that knows HELO alone.", ("ehlo-502",)),
    "openings": Behaviour(
        Manners, "How sessions begin, also with slow and long banners.", ("slow-banner", "multiline-banner", "accept")
    ),
    "dialogues": Behaviour(
        Manners, "How commands are written, whatever is offered.", ("accept", "no-pipelining", "no-extensions")
    ),
    "closings": Behaviour(Manners, "How sessions go and end in which all is accepted.", ("accept", "twice")),
    "line_ends": Behaviour(Manners, "How lines end on the wire.", ("accept", "dots", "smuggling")),
    "smuggled": Behaviour(Manners, "What leaves of a message with line ends that smuggle.", ("smuggling",)),
    "questions": Behaviour(Manners, "What is asked without mail.", ("accept", "recipients", "greylist")),
    "callouts": Behaviour(Manners, "What is asked about senders.", ("refuse-rcpt", "greylist", "tempfail-rcpt")),
    "dots": Behaviour(Outcomes, "What becomes of lines that begin with a dot.", ("dots",)),
    "odd_replies": Behaviour(Outcomes, "How mail fares with right codes and odd texts.", ("fuzzy-replies",)),
    "unknown_success": Behaviour(Outcomes, "What an unknown code of class 2 leads to.", ("unknown-2yz",)),
    "unknown_deferral": Behaviour(Patience, "What an unknown code of class 4 leads to.", ("unknown-4yz",)),
    "unknown_refusal": Behaviour(Patience, "What an unknown code of class 5 leads to.", ("unknown-5yz", "greylist")),
    "slow_replies": Behaviour(Outcomes, "How long the stream waits for replies.", ("slow-banner", "slow-dot")),
    "slow_end": Behaviour(Outcomes, "What a slow reply to the end of the message leads to.", ("slow-dot",)),
    "broken_sessions": Behaviour(
        Outcomes,
        "What becomes of mail when sessions break off at some step.",
        (*(f"{what}-{step}" for what in ("busy", "drop") for step in _STEPS), "drop-body"),
    ),
    "seven_bit": Behaviour(Outcomes, "What is sent without 8BITMIME.", ("no-8bitmime", "no-extensions")),
    "ascii_only": Behaviour(Outcomes, "What is sent without SMTPUTF8.", ("no-smtputf8",)),
    "size_limit": Behaviour(Outcomes, "What is sent beyond a small SIZE.", ("small-size",)),
    "two_domains": Behaviour(Outcomes, "How recipients of two domains are sent.", ("two-domains",)),
    "copies": Behaviour(Outcomes, "How several recipients of one domain are sent.", ("recipients",)),
    "recipient_limit": Behaviour(Patience, "What becomes of recipients beyond a limit.", ("rcpt-limit",)),
    "deferrals": Behaviour(
        Patience, "What 4yz leads to at each step.", ("greylist", *(f"tempfail-{step}" for step in _STEPS))
    ),
    "greylisted": Behaviour(Patience, "How greylisted mail is tried again.", ("greylist",)),
    "greylisted_twice": Behaviour(
        Patience, "How mail that was greylisted twice is tried again.", ("greylist", "greylist-twice")
    ),
    "refusals": Behaviour(
        Patience, "What 5yz leads to at each step.", (*(f"refuse-{step}" for step in _AFTER_GREETING), "greylist")
    ),
    "early_refusals": Behaviour(Patience, "What 5yz to a greeting leads to.", ("refuse-banner", "refuse-ehlo")),
    "refused_exchange": Behaviour(Patience, "What 5yz by the first MX leads to.", ("mx-refuse-first", "refuse-rcpt")),
    "refused_mail": Behaviour(Patience, "What 5yz to MAIL means for later letters.", ("refuse-mail",)),
    "pushed_back": Behaviour(Patience, "What 421 leads to.", ("busy-banner", "busy-ehlo", "busy-mail")),
    "mixed_replies": Behaviour(Patience, "What 250, 450 and 550 in one transaction lead to.", ("rcpt-mixed",)),
    "bounces": Behaviour(Patience, "What is sent back for a recipient that was refused.", ("refuse-rcpt", "accept")),
    "exchanges_used": Behaviour(Routes, "Which exchanges are used.", ("accept", "mx-two", "mx-dead-first", "mx-moved")),
    "implicit_exchange": Behaviour(
        Routes, "What is made of a domain without a living MX.", ("accept", "mx-implicit", "mx-not-a")
    ),
    "null_exchange": Behaviour(Routes, "What is made of a null MX.", ("accept", "mx-null")),
    "alias_exchange": Behaviour(Routes, "What is made of an MX that is an alias.", ("accept", "mx-cname")),
    "dead_ipv6": Behaviour(Routes, "What is made of an exchange with dead IPv6.", ("accept", "mx-v6-dead")),
    "encryption": Behaviour(Handshakes, "What TLS is asked for and offered.", ("accept",)),
    "tls_12": Behaviour(Handshakes, "What is made of TLS 1.2 alone.", ("tls-12", "accept")),
    "tls_13": Behaviour(Handshakes, "What is made of TLS 1.3 alone.", ("tls-13",)),
    "tls_10": Behaviour(Handshakes, "What is made of TLS 1.0 alone.", ("tls-10",)),
    "broken_tls": Behaviour(Handshakes, "What broken TLS leads to.", ("starttls-454", "tls-reset")),
    "untrusted_tls": Behaviour(
        Handshakes, "What a certificate that nobody can verify leads to.", ("tls-expired", "tls-selfsigned")
    ),
    "obeyed_policies": Behaviour(
        Policies,
        "What becomes of mail for domains with an MTA-STS policy.",
        ("sts-enforce", "sts-unlisted", "sts-mismatch", "sts-testing", "sts-missing", "sts-redirect"),
    ),
    "stripped_tls": Behaviour(
        Dane,
        "What is made of a missing STARTTLS where a policy or TLSA records ask for TLS.",
        ("sts-enforce", "sts-plain", "dane-no-starttls"),
    ),
    "obeyed_keys": Behaviour(
        Dane,
        "What becomes of mail for exchanges with TLSA records.",
        ("dane-another-key", "dane-unknown-key", "dane-bad-certificate"),
    ),
    "keys_before_policies": Behaviour(
        Dane, "What TLSA records count for beside an MTA-STS policy.", ("sts-dane", "dane-another-key")
    ),
    "required_tls": Behaviour(
        Required,
        "What is made of messages that ask for TLS, or for none.",
        ("accept", "requiretls", "requiretls-missing", "requiretls-clear"),
    ),
    "optional_tls": Behaviour(Required, "What is made of messages that say TLS-Required: No.", ("tls-optional",)),
    "client_certificate": Behaviour(Handshakes, "What asking for a client certificate leads to.", ("tls-client-cert",)),
}
"""Views by the names of their fixtures."""
