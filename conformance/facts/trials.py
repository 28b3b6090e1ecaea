"""The recipes of trials: what a host is given to send, how the receiver behaves, and what is waited for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from conformance.facts.trial import Trial
from conformance.receiver.capture import Ended

REQUIRETLS = "requiretls"
MANY = 12
"""Sessions of one trial after which nothing new is to be expected."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """One way to try a stream.

    ``scenario`` and ``route`` name what the receiver does (:mod:`conformance.receiver`). ``body`` names the text that
    is handed over where mailconform writes it: ``plain``, ``eight-bit``, ``long-lines``, ``dots``, ``smuggling``,
    ``large``, ``bcc``, ``utf8-address``, ``requiretls`` (MAIL asks for it), ``tls-optional`` (TLS-Required: No in the
    header). ``again`` says that a second letter follows once a session has brought the
    first, whether that was taken or not. Enough has been seen (:func:`enough`) when every recipient has been taken,
    after ``attempts`` sessions, and after ``wait`` seconds at the latest.
    """

    about: str
    scenario: str = "accept"
    route: str = "plain"
    letters: int = 1
    recipients: int = 1
    body: str = "plain"
    sender: str = "own"
    """``own`` is the stream's own envelope sender, ``null`` the empty one, ``stranger`` one that is not the fleet's.

    ``receiver`` is an address at the receiver, so that what the host sends back is seen: it has a token of its own
    (:attr:`conformance.facts.trial.Letter.return_token`) and accepts. A host that refuses such a sender, or sets its
    own, is given its own.
    """
    again: bool = False
    attempts: int = MANY
    wait: float = 60.0
    days: float = 1.0
    """How long its addresses stay open: as long as mail for them may come."""
    claims: tuple[str, ...] = ()
    """The policies that the host has to be declared to enforce (``mailconform_tls_policies``).

    That it handles ``requiretls`` may be said by its submission, too, which then offers it (RFC 8689 section 4.3).
    """
    host_writes: bool = True
    """Whether a stream whose messages are written by the host itself can do it."""


def _tempfail(step: str) -> Recipe:
    about = f"refused for the time being at {step}"
    return Recipe(about, f"tempfail-{step}", sender="receiver", wait=600)


def _busy(step: str) -> Recipe:
    return Recipe(f"421 at {step}", f"busy-{step}", sender="receiver", wait=600)


def _refuse(step: str, again: bool = False) -> Recipe:
    about = f"refused for good at {step}"
    return Recipe(about, f"refuse-{step}", sender="receiver", again=again, wait=300)


def _drop(step: str) -> Recipe:
    return Recipe(f"connection closed at {step}", f"drop-{step}", sender="receiver", wait=600)


def _tls(about: str, scenario: str, wait: float = 300) -> Recipe:
    return Recipe(about, scenario, sender="receiver", wait=wait)


def _policy(about: str, route: str) -> Recipe:
    return Recipe(about, route=route, sender="receiver", wait=180, claims=("mta-sts",))


def _dane(about: str, route: str, scenario: str = "accept", *others: str) -> Recipe:
    return Recipe(about, scenario, route, sender="receiver", wait=180, claims=("dane", *others))


def _required(about: str, body: str = "requiretls", scenario: str = "accept", route: str = "plain") -> Recipe:
    return Recipe(
        about, scenario, route, body=body, sender="receiver", wait=180, claims=(REQUIRETLS,), host_writes=False
    )


def _route(about: str, route: str, wait: float, again: bool = False) -> Recipe:
    return Recipe(about, route=route, sender="receiver", again=again, wait=wait)


_STEPS = ("banner", "ehlo", "mail", "rcpt", "data", "dot")

TRIALS: Mapping[str, Recipe] = {
    "accept": Recipe("taken at once"),
    "tls-report": Recipe("a domain that asks for TLS reports", route="tls-reports", days=7),
    "greylist": Recipe("greylisted once", "greylist-1", sender="receiver", wait=600),
    "greylist-twice": Recipe("greylisted twice", "greylist-2", sender="receiver", wait=600),
    **{f"tempfail-{step}": _tempfail(step) for step in _STEPS},
    **{f"busy-{step}": _busy(step) for step in _STEPS},
    **{f"refuse-{step}": _refuse(step, again=step == "mail") for step in _STEPS},
    **{f"drop-{step}": _drop(step) for step in (*_STEPS[:5], "body", "dot")},
    "unknown-2yz": Recipe("an unknown code of class 2", "unknown-2yz"),
    "unknown-4yz": Recipe("an unknown code of class 4", "unknown-4yz", sender="receiver", wait=600),
    "unknown-5yz": Recipe("an unknown code of class 5", "unknown-5yz", sender="receiver", wait=300),
    "rcpt-limit": Recipe("452 after two recipients", "rcpt-limit", recipients=5, wait=600, host_writes=False),
    "rcpt-mixed": Recipe(
        "250, 450 and 550 in one", "rcpt-mixed", recipients=3, sender="receiver", wait=600, host_writes=False
    ),
    "recipients": Recipe("three recipients of one domain", recipients=3, host_writes=False),
    "two-domains": Recipe("two domains with one MX", route="two-domains", recipients=2, host_writes=False),
    "ehlo-502": Recipe("HELO alone is known", "ehlo-502", sender="receiver", wait=120),
    "slow-banner": Recipe("the banner comes late", "slow-banner", wait=180),
    "multiline-banner": Recipe("the banner has several lines", "multiline-banner", wait=180),
    "slow-dot": Recipe("the last reply comes late", "slow-dot", wait=600),
    "fuzzy-replies": Recipe("right codes with odd texts", "fuzzy-replies", sender="receiver", wait=120),
    "no-starttls": Recipe("no TLS is offered", "no-starttls"),
    "starttls-454": _tls("STARTTLS is refused for the time being", "starttls-454", 600),
    "tls-12": _tls("TLS 1.2 alone", "tls-12"),
    "tls-13": _tls("TLS 1.3 alone", "tls-13"),
    "tls-10": _tls("TLS 1.0 alone", "tls-10"),
    "tls-expired": _tls("an expired certificate", "tls-expired"),
    "tls-selfsigned": _tls("a self-signed certificate", "tls-selfsigned"),
    "tls-reset": _tls("a handshake that breaks", "tls-reset", 600),
    "tls-client-cert": _tls("a client certificate is asked for", "tls-client-cert", 120),
    "no-8bitmime": Recipe("8BITMIME is not offered", "no-8bitmime", body="eight-bit"),
    "no-extensions": Recipe("no extension is offered", "no-extensions", body="eight-bit"),
    "no-pipelining": Recipe("PIPELINING is not offered", "no-pipelining"),
    "small-size": Recipe(
        "messages of 1,000 octets at most", "small-size", body="large", sender="receiver", wait=120, host_writes=False
    ),
    "no-smtputf8": Recipe(
        "SMTPUTF8 is not offered", "no-smtputf8", body="utf8-address", sender="receiver", wait=120, host_writes=False
    ),
    "null-sender": Recipe("sent with the null sender", sender="null", host_writes=False),
    "smuggling": Recipe("with line ends that smuggle", "no-extensions", body="smuggling", host_writes=False),
    "long-lines": Recipe("with lines of 1,200 octets", body="long-lines", host_writes=False),
    "dots": Recipe("with lines that begin with dots", "no-extensions", body="dots", host_writes=False),
    "bcc": Recipe("with a Bcc", body="bcc", recipients=2, host_writes=False),
    "twice": Recipe("two letters, one after the other", letters=2),
    "undeclared-author": Recipe("with a From that is not the fleet's", sender="stranger", wait=120, host_writes=False),
    "mx-two": Recipe("two MX hosts of one preference", route="mx-two", letters=10, wait=120),
    "mx-dead-first": _route("the first MX is dead", "mx-dead-first", 700),
    "mx-v6-dead": _route("IPv6 is dead, IPv4 alive", "mx-v6-dead", 600),
    "mx-null": _route("a null MX", "mx-null", 120),
    "mx-moved": _route("the MX moves between two letters", "mx-moved", 300, again=True),
    "mx-refuse-first": _route("refused at the first MX", "mx-refuse-first", 300),
    "mx-implicit": _route("no MX, an address alone", "mx-implicit", 120),
    "mx-not-a": _route("dead MX, an address alive", "mx-not-a", 600),
    "mx-cname": _route("an MX that is an alias", "mx-cname", 120),
    "sts-enforce": _policy("an enforced MTA-STS policy, and all agrees with it", "sts-enforce"),
    "sts-unlisted": _policy("an enforced MTA-STS policy that lists another exchange", "sts-unlisted"),
    "sts-mismatch": _policy("an enforced MTA-STS policy, and a certificate for another name", "sts-mismatch"),
    "sts-plain": _policy("an enforced MTA-STS policy, and no STARTTLS", "sts-plain"),
    "sts-dane": _dane(
        "TLSA records for another key, and an enforced MTA-STS policy that all agrees with",
        "sts-dane",
        "accept",
        "mta-sts",
    ),
    "sts-testing": _policy("an MTA-STS policy in testing that lists another exchange", "sts-testing"),
    "sts-missing": _policy("an MTA-STS record without a policy", "sts-missing"),
    "sts-redirect": _policy("an MTA-STS policy behind a redirect", "sts-redirect"),
    "dane-another-key": _dane("TLSA records for another key", "dane-another-key"),
    "dane-unknown-key": _dane("TLSA records that cannot be looked up", "dane-unknown-key"),
    "dane-no-starttls": _dane("TLSA records, and no STARTTLS", "dane-key", "no-starttls"),
    "dane-bad-certificate": _dane(
        "TLSA records for the key of a certificate that has expired and has another name", "dane-key", "tls-expired"
    ),
    "requiretls": _required("REQUIRETLS is asked for, and offered", scenario="requiretls"),
    "requiretls-missing": _required("REQUIRETLS is asked for, and not offered"),
    "requiretls-clear": _required("REQUIRETLS is asked for, and no TLS is offered", scenario="no-starttls"),
    "tls-optional": _required(
        "TLS-Required: No, and an enforced MTA-STS policy that the certificate does not fit",
        "tls-optional",
        route="sts-mismatch",
    ),
}
"""Recipes by name; the fixture ``trial_<name>`` gives the trial of a stream."""


def fixture_name(name: str) -> str:
    """Return the name of the fixture that gives a trial."""
    return f"trial_{name.replace('-', '_')}"


def enough(trial: Trial) -> bool:
    """Whether a trial has shown all that it can, so that nobody has to watch on until its wait is over."""
    sessions = trial.captures
    if len(sessions) >= TRIALS[trial.name].attempts:
        return True
    taken = {one.token for _, transaction in trial.accepted for one in transaction.recipients if one.code // 100 == 2}
    return trial.tokens <= taken and all(session.ended is not Ended.OPEN for session in sessions)
