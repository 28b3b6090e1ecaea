"""The recipes of trials: what a host is given to send, how the receiver behaves, and what is waited for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Recipe:
    """One way to try a stream.

    ``scenario`` and ``route`` name what the receiver does (:mod:`conformance.receiver`). ``body`` names the text that
    is handed over where mailconform writes it: ``plain``, ``eight-bit``, ``long-lines``, ``dots``, ``smuggling``,
    ``large``, ``bcc``, ``utf8-address``. ``again`` says that a second letter follows once the first has come.
    ``attempts`` and ``wait`` (seconds) say when enough has been seen: so many sessions, or so much time.
    """

    about: str
    scenario: str = "accept"
    route: str = "plain"
    letters: int = 1
    recipients: int = 1
    body: str = "plain"
    sender: str = "own"
    """``own`` is the stream's own envelope sender, ``null`` the empty one."""
    again: bool = False
    attempts: int = 1
    wait: float = 60.0
    host_writes: bool = True
    """Whether a stream whose messages are written by the host itself can do it."""


def _tempfail(step: str) -> Recipe:
    return Recipe(f"refused for the time being at {step}", f"tempfail-{step}", attempts=2, wait=600)


def _busy(step: str) -> Recipe:
    return Recipe(f"421 at {step}", f"busy-{step}", attempts=2, wait=600)


def _refuse(step: str) -> Recipe:
    return Recipe(f"refused for good at {step}", f"refuse-{step}", attempts=2, wait=300)


def _drop(step: str) -> Recipe:
    return Recipe(f"connection closed at {step}", f"drop-{step}", attempts=2, wait=600)


_STEPS = ("banner", "ehlo", "mail", "rcpt", "data", "dot")

TRIALS: Mapping[str, Recipe] = {
    "accept": Recipe("taken at once"),
    "greylist": Recipe("greylisted once", "greylist-1", attempts=2, wait=600),
    "greylist-twice": Recipe("greylisted twice", "greylist-2", attempts=3, wait=600),
    **{f"tempfail-{step}": _tempfail(step) for step in _STEPS},
    **{f"busy-{step}": _busy(step) for step in _STEPS},
    **{f"refuse-{step}": _refuse(step) for step in _STEPS},
    **{f"drop-{step}": _drop(step) for step in (*_STEPS[:5], "body", "dot")},
    "unknown-2yz": Recipe("an unknown code of class 2", "unknown-2yz"),
    "unknown-4yz": Recipe("an unknown code of class 4", "unknown-4yz", attempts=2, wait=600),
    "unknown-5yz": Recipe("an unknown code of class 5", "unknown-5yz", attempts=2, wait=300),
    "rcpt-limit": Recipe(
        "452 after two recipients", "rcpt-limit", recipients=5, attempts=3, wait=600, host_writes=False
    ),
    "rcpt-mixed": Recipe(
        "250, 450 and 550 in one", "rcpt-mixed", recipients=3, attempts=2, wait=600, host_writes=False
    ),
    "recipients": Recipe("three recipients of one domain", recipients=3, host_writes=False),
    "two-domains": Recipe("two domains with one MX", route="two-domains", recipients=2, host_writes=False),
    "ehlo-502": Recipe("HELO alone is known", "ehlo-502"),
    "slow-banner": Recipe("the banner comes late", "slow-banner", wait=180),
    "multiline-banner": Recipe("the banner has several lines", "multiline-banner", wait=180),
    "slow-dot": Recipe("the last reply comes late", "slow-dot", wait=300),
    "fuzzy-replies": Recipe("right codes with odd texts", "fuzzy-replies"),
    "no-starttls": Recipe("no TLS is offered", "no-starttls"),
    "starttls-454": Recipe("STARTTLS is refused for the time being", "starttls-454", attempts=2, wait=600),
    "tls-12": Recipe("TLS 1.2 alone", "tls-12", attempts=2, wait=300),
    "tls-13": Recipe("TLS 1.3 alone", "tls-13", attempts=2, wait=300),
    "tls-10": Recipe("TLS 1.0 alone", "tls-10", attempts=2, wait=300),
    "tls-expired": Recipe("an expired certificate", "tls-expired", attempts=2, wait=300),
    "tls-selfsigned": Recipe("a self-signed certificate", "tls-selfsigned", attempts=2, wait=300),
    "tls-reset": Recipe("a handshake that breaks", "tls-reset", attempts=2, wait=600),
    "tls-client-cert": Recipe("a client certificate is asked for", "tls-client-cert"),
    "no-8bitmime": Recipe("8BITMIME is not offered", "no-8bitmime", body="eight-bit"),
    "no-extensions": Recipe("no extension is offered", "no-extensions", body="eight-bit"),
    "no-pipelining": Recipe("PIPELINING is not offered", "no-pipelining"),
    "small-size": Recipe("messages of 1,000 octets at most", "small-size", body="large", wait=120, host_writes=False),
    "no-smtputf8": Recipe("SMTPUTF8 is not offered", "no-smtputf8", body="utf8-address", wait=120, host_writes=False),
    "null-sender": Recipe("sent with the null sender", sender="null", host_writes=False),
    "smuggling": Recipe("with line ends that smuggle", body="smuggling", host_writes=False),
    "long-lines": Recipe("with lines of 1,200 octets", body="long-lines", host_writes=False),
    "dots": Recipe("with lines that begin with dots", body="dots", host_writes=False),
    "bcc": Recipe("with a Bcc", body="bcc", recipients=2, host_writes=False),
    "twice": Recipe("two letters, one after the other", letters=2, attempts=2),
    "undeclared-author": Recipe("with a From that is not the fleet's", sender="stranger", wait=120, host_writes=False),
    "mx-two": Recipe("two MX hosts of one preference", route="mx-two", letters=6, attempts=6, wait=120),
    "mx-dead-first": Recipe("the first MX is dead", route="mx-dead-first", wait=300),
    "mx-v6-dead": Recipe("IPv6 is dead, IPv4 alive", route="mx-v6-dead", wait=300),
    "mx-null": Recipe("a null MX", route="mx-null", wait=120),
    "mx-moved": Recipe("the MX moves between two letters", route="mx-moved", again=True, attempts=2, wait=300),
    "mx-refuse-first": Recipe("refused at the first MX", route="mx-refuse-first", attempts=2, wait=300),
    "mx-implicit": Recipe("no MX, an address alone", route="mx-implicit", wait=120),
    "mx-not-a": Recipe("dead MX, an address alive", route="mx-not-a", wait=120),
    "mx-cname": Recipe("an MX that is an alias", route="mx-cname", wait=120),
}
"""Recipes by name; the fixture ``trial_<name>`` gives the trial of a stream."""


def fixture_name(name: str) -> str:
    """Return the name of the fixture that gives a trial."""
    return f"trial_{name.replace('-', '_')}"
