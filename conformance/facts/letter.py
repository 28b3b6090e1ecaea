"""The messages that mailconform writes itself: they say what they are, and hold what a trial is to provoke."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import format_datetime

from conformance.facts.trials import TRIALS, Recipe
from conformance.fleet.sending import Probe, Stream

RUN = "Mailconform-Run"
"""Header field that names the run which a message belongs to."""
TRIAL = "Mailconform-Trial"

_LONG_LINE = 1200
_LARGE = 6000
_STRANGERS = ("example.com", "example.org", "example.net")
"""Domains that exist, are nobody's mail domain (RFC 2606 section 3), and say so in their SPF and MX records."""


@dataclass(frozen=True, slots=True)
class Order:
    """One message that a host is to send. ``tokens`` stand in ``recipients`` in the same order."""

    probe: Probe
    trial: str
    sender: str
    """The address for MAIL FROM; empty for the null sender."""
    recipients: tuple[str, ...]
    tokens: tuple[str, ...]
    author: str
    """The address for From."""
    run: str
    written: datetime.datetime

    @property
    def stream(self) -> Stream:
        """The stream it is sent by."""
        return self.probe.stream

    @property
    def recipe(self) -> Recipe:
        """The recipe of the trial."""
        return TRIALS[self.trial]


def strange_author(own: frozenset[str]) -> str:
    """Return an address that is none of the fleet's. ``own`` are the domains that it sends for."""
    fit = (name for name in _STRANGERS if not any(name == one or one.endswith(f".{name}") for one in own))
    return f"mailconform-probe@{next(fit, 'iana.org')}"


def compose(order: Order) -> bytes:
    """Return the message as it goes over the wire before dots are doubled: lines end with CRLF."""
    eight_bit = order.recipe.body == "eight-bit"
    header = [
        ("Date", format_datetime(order.written)),
        ("From", order.author),
        ("To", ",\r\n ".join(order.recipients[:1] if order.recipe.body == "bcc" else order.recipients)),
        *([("Bcc", ",\r\n ".join(order.recipients[1:]))] if order.recipe.body == "bcc" else ()),
        ("Subject", f"mailconform probe: {order.recipe.about}"),
        ("Message-ID", f"<{order.tokens[0]}@{order.author.rpartition('@')[2]}>"),
        *([("Reply-To", f"<prüfung-{order.author.lstrip('.')}>")] if order.recipe.body == "utf8-address" else ()),
        ("Auto-Submitted", "auto-generated"),
        *([("TLS-Required", "No")] if order.recipe.body == "tls-optional" else ()),
        (RUN, order.run),
        (TRIAL, f"{order.stream.id} {order.trial}"),
        ("MIME-Version", "1.0"),
        ("Content-Type", f"text/plain; charset={'utf-8' if eight_bit else 'us-ascii'}"),
        ("Content-Transfer-Encoding", "8bit" if eight_bit else "7bit"),
    ]
    text = "".join(f"{name}: {value}\r\n" for name, value in header)
    return text.encode() + b"\r\n" + b"".join(_body(order))


def _body(order: Order) -> Iterator[bytes]:
    yield (
        "This message is a conformance probe. mailconform made the mail host\r\n"
        f"{order.stream.host} send it to a receiver that records how mail arrives.\r\n"
        "It was asked for by the people who run that host. Nobody reads it.\r\n\r\n"
        f"Run: {order.run}\r\nStream: {order.stream.id}\r\nTrial: {order.trial}, {order.recipe.about}\r\n"
    ).encode("ascii")
    yield from _PROVOCATIONS.get(order.recipe.body, ())


_AFTER = b"This line belongs to the same message.\r\n"

_PROVOCATIONS = {
    "eight-bit": ("\r\nThese are eight-bit characters: Grüße, 日本語, ѝ.\r\n".encode(),),
    "long-lines": (b"\r\nA line of more than 998 octets follows.\r\n", b"mailconform " * (_LONG_LINE // 12), b"\r\n"),
    "dots": (b"\r\nLines that begin with dots follow.\r\n.\r\n..\r\n.one\r\n..two\r\n...\r\n", _AFTER),
    "smuggling": (
        b"\r\nLine ends follow that end no message.",
        *(end + _AFTER.removesuffix(b"\r\n") for end in (b"\n.\n", b"\r.\r", b"\n.\r\n", b"\r.\r\n", b"\r\n.\n")),
        b"\r\n",
    ),
    "large": (b"\r\n", b"This line makes the message larger.\r\n" * (_LARGE // 37)),
}
"""What a body holds beyond the text, by its name in a recipe."""


def stuffed(message: bytes) -> bytes:
    """Return a message as it goes over the wire after DATA (RFC 5321 section 4.5.2): only CRLF ends a line."""
    doubled = re.sub(rb"(\A|\r\n)\.", rb"\1..", message)
    return doubled + (b"" if doubled.endswith(b"\r\n") else b"\r\n") + b".\r\n"
