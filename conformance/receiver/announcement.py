"""What a receiver says of itself, what it hands out, and why it may not: shared by both sides of its interface."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_TOKEN = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_LONGEST_DOMAIN = 190
"""Octets that leave room for a label and an exchange before the probe domain, and for a local part in a path of 256."""


class ReceiverError(Exception):
    """The receiver did not do what it was asked; the message says why."""


class Unavailable(ReceiverError):
    """It cannot play this part at all: it does not know it, or has no address for it."""


class Busy(ReceiverError):
    """It cannot play this part now: all addresses for it are in use. Later it may."""


class Denied(ReceiverError):
    """It does not accept the bearer token."""


class NoSuchToken(ReceiverError):
    """It knows no such token, or that token is somebody else's."""


class Unkept(ReceiverError):
    """Sessions of these tokens could not be kept, and were answered 451: what it has of them is not all that came."""


class Unreached(ReceiverError):
    """It could not be asked, or its answer is of no use."""


class Foreign(ReceiverError):
    """It handed out an address that is no plain mailbox in its probe domain: nothing may be sent there."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """What a receiver is and can do."""

    domain: str
    """The probe domain, in lower case without a final dot: every address that is handed out lies below it."""
    time: str
    """The receiver's clock, ISO 8601 in UTC: captures are stamped by it."""
    pace: float = 1.0
    """Its pauses are divided by this; times of captures count so many times as long."""
    ttl: int = 5
    """Seconds for which caches may remember where a domain's mail goes."""
    scenarios: tuple[str, ...] = ()
    """Scenarios that it can play."""
    routes: tuple[str, ...] = ()
    """Routes that it has the addresses for."""
    exclusive: tuple[str, ...] = ()
    """Those scenarios that begin before a recipient is named: each needs an address of its own while it is open."""
    spare: int = 0
    """How many of these may be open at once."""
    recipients: int = 100
    """Most addresses of one opening."""
    octets: int = 0
    """The largest message that it takes."""
    longest: float = 0.0
    """Seconds for which an address may be open at most."""
    ds: tuple[str, ...] = ()
    """Data of the DS records that the zone above the probe domain needs; none: the probe domain is not signed."""


def probe_domain(text: str) -> str:
    """Return a probe domain in lower case without a final dot. Raises ValueError."""
    name = text.removesuffix(".").lower()
    labels = name.split(".")
    if len(name) > _LONGEST_DOMAIN or len(labels) < 2 or not all(map(_LABEL.fullmatch, labels)):
        raise ValueError(f"{text!r} is no domain such as conform.example.net of at most {_LONGEST_DOMAIN} octets")
    return name


def token_of(address: str) -> str:
    """Return the token in an address that was handed out."""
    return address.partition("@")[0]


def checked(addresses: Sequence[str], domain: str, count: int) -> tuple[str, ...]:
    """Return addresses as they are when each is a plain mailbox one label below the probe domain.

    What a host is made to send to comes from the receiver alone, so a receiver in false hands could point hosts at
    strangers: this is what keeps it from that. Raises Foreign.
    """
    if len(addresses) != count or len(set(addresses)) != count:
        raise Foreign(f"{count} addresses were asked for, and the receiver gave others")
    for address in addresses:
        local, at, host = address.partition("@")
        label, dot, parent = host.partition(".")
        if not (at and dot and _TOKEN.fullmatch(local) and _LABEL.fullmatch(label) and parent == domain):
            raise Foreign(f"{address[:254]!r} is no plain mailbox below {domain}")
    return tuple(addresses)
