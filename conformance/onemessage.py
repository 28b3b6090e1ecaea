"""A fleet of one host that is said to have sent one message: what ``mailconform verify`` judges."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from dataclasses import dataclass

from conformance.facts.trial import Letter, State, Trial
from conformance.facts.trials import TRIALS
from conformance.fleet.model import Address, Domain, Fleet, Mta, Selector
from conformance.fleet.origin import IPAddress
from conformance.fleet.sending import Stream
from conformance.reading.hostname import check_syntax, is_ip_text, is_qualified
from conformance.reading.mailbox import read_addresses
from conformance.reading.message import Message, read
from conformance.reading.orgdomain import registrable, to_ascii
from conformance.reading.received import read_received
from conformance.receiver.capture import Capture, Hello, Recipient, Transaction

LARGEST = 64 * 1024 * 1024
"""Octets of a file that are read."""
NAME = "message"
_MOST_SIGNATURES = 5
_RECEIVERS_OWN = ("return-path", "delivered-to", "x-original-to", "envelope-to", "delivery-date")
_LABEL = re.compile(r"[A-Za-z0-9._-]{1,63}")


@dataclass(frozen=True, slots=True)
class Told:
    """What is told of how a message came: the address and HELO name of the host, the envelope sender, its kind."""

    ip: IPAddress
    helo: str
    mail_from: str
    """Empty for the null sender."""
    kind: str = "transactional"
    path: str = ""
    at: datetime.datetime | None = None
    """When it came, where that is told."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A message as it was sent. ``came`` is when its receiver says that it came, ``notes`` what was changed."""

    octets: bytes
    came: datetime.datetime | None = None
    notes: tuple[str, ...] = ()


def as_sent(octets: bytes, ip: IPAddress) -> Sent:
    """Return a message as it was sent, out of a file as a receiver may have kept it.

    What stands above and in the Received field that names the sending address is the receiver's. A file whose lines
    end with LF throughout has it for CRLF.
    """
    notes: list[str] = []
    if octets.startswith(b"From ") and b"\n" in octets:
        octets = octets.partition(b"\n")[2]
        notes.append("left out the first line, which is a mailbox's")
    if b"\r\n" not in octets:
        octets = octets.replace(b"\n", b"\r\n")
        notes.append("LF counts as CRLF: the file has no other line ends")
    lines, came = _receivers(read(octets), str(ip))
    if lines:
        octets = _without_lines(octets, lines)
        notes.append(f"left out the first {lines} lines of the header, which the receiver wrote")
    return Sent(octets, came, tuple(notes))


def _without_lines(octets: bytes, count: int) -> bytes:
    at = 0
    for _ in range(count):
        at = octets.index(b"\n", at) + 1
    return octets[at:]


def _receivers(message: Message, ip: str) -> tuple[int, datetime.datetime | None]:
    """Return how many lines at the beginning are the receiver's, and when it says that the message came."""
    own = 0
    for number, field in enumerate(message.fields):
        after = message.fields[number + 1].line - 1 if number + 1 < len(message.fields) else message.header.count(b"\n")
        if field.key == "received":
            trace = read_received(field.text)
            if ip in trace.origins:
                return after, trace.date.moment if trace.date else None
        elif field.key in _RECEIVERS_OWN and own == field.line - 1:
            own = after
    return own, None


def fleet_of(message: Message, told: Told) -> Fleet:
    """Return the fleet that is judged: a host with one address, its stream, and the domains that the message names."""
    host = told.helo if _LABEL.fullmatch(told.helo) and not is_ip_text(told.helo) else "host"
    author = _author(message)
    envelope = _domain(told.mail_from.rpartition("@")[2])
    domain = _domain(author.rpartition("@")[2]) or envelope
    names = [domain] if domain else []
    stream = Stream(
        host=host,
        name=NAME,
        author=author or told.mail_from or f"postmaster@{domain or 'example.com'}",
        domain=domain,
        mail_from=envelope or domain,
        kind=told.kind,
        how="manual",
        sources=(told.ip,),
        trials=(),
    )
    address = Address(host, told.ip, told.helo)
    mta = Mta(host, ("mta_out",), told.helo, (address,), (), tuple(names), host, streams=(stream,))
    selectors = tuple(_selectors(message, domain)) if domain else ()
    other = envelope if envelope != domain else ""
    domains = tuple(Domain(name, envelope=other, selectors=selectors, hosts=(host,)) for name in names)
    return Fleet((mta,), domains, sources=(told.path,))


def _author(message: Message) -> str:
    """Return the address in From where it is one; empty where not."""
    found = read_addresses(message.text("From")).valid
    plain = found[0].spec if len(found) == 1 else ""
    return plain if re.fullmatch(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,253}", plain) else ""


def _domain(name: str) -> str:
    ascii_name = to_ascii(name) if name else None
    if ascii_name is None or check_syntax(ascii_name) or not is_qualified(ascii_name) or is_ip_text(ascii_name):
        return ""
    return ascii_name


def _selectors(message: Message, domain: str) -> Iterator[Selector]:
    """Yield the keys that signatures of the author's organization name (RFC 6376 section 3.5)."""
    found: set[tuple[str, str]] = set()
    for field in message.named("DKIM-Signature")[:_MOST_SIGNATURES]:
        tags = dict(re.findall(r"(?:^|;)\s*([ds])\s*=\s*([^;\s]{1,253})", field.text[:8192]))
        name, signer = tags.get("s", ""), _domain(tags.get("d", ""))
        if signer and _LABEL.fullmatch(name) and registrable(signer) == registrable(domain):
            found.add((name, signer))
    yield from (Selector(domain, name, signer) for name, signer in sorted(found))


def trials_of(fleet: Fleet, sent: Sent, told: Told) -> Iterator[Trial]:
    """Yield what there is to see of the stream: one message, and that nothing else was tried.

    It came when that is told, or its receiver says so, or else now.
    """
    stream = fleet.mtas[0].streams[0]
    came = told.at or sent.came or datetime.datetime.now(datetime.UTC)
    when = came.astimezone(datetime.UTC).isoformat(timespec="milliseconds")
    transaction = Transaction(
        at=0.0,
        argument=f"<{told.mail_from}>",
        sender=told.mail_from,
        code=250,
        recipients=(Recipient(0.0, "", "", token=NAME, code=250),),
        how="BDAT",
        wire=sent.octets.decode("latin-1"),
        size=len(sent.octets),
        final_code=250,
    )
    hello = Hello(0.0, "EHLO", told.helo, code=250)
    capture = Capture(NAME, when, str(told.ip), 0, "", 0, hellos=(hello,), transactions=(transaction,))
    letter = Letter("", told.mail_from, (), (NAME,))
    yield Trial(stream.id, "accept", letters=(letter,), captures=(capture,), until=when)
    reason = "one message does not show how its host behaves"
    yield from (Trial(stream.id, name, state=State.SKIPPED, error=reason) for name in TRIALS if name != "accept")
