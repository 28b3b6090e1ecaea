"""DNS messages and the UDP sockets they travel on: what is asked, and which datagram is the reply."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rdataclass
import dns.rdatatype
from dns.message import Message
from dns.name import Name
from dns.rdatatype import RdataType

PAYLOAD = 1232
"""UDP size announced by EDNS, small enough never to be fragmented (RFC 9715 section 3)."""

_LONGEST_TEXT = 4 * 255
_HEADER = 12
_BOX_SIZE = 8

Mail = bytes | OSError
"""What comes back on a socket: a datagram, or the error that stands for one."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question, the same for all spellings of its name: ``text`` is that in lower case, without final dot."""

    text: str
    rdtype: RdataType
    name: Name = field(compare=False)
    checking: bool = True
    """Whether the resolver may withhold what it cannot validate (RFC 4035 section 3.2.2)."""

    @classmethod
    def of(cls, name: Name, rdtype: RdataType, *, checking: bool = True) -> Question:
        """Return the question for records of a type at a name."""
        return cls(show_name(name).lower(), rdtype, name, checking)

    @property
    def kind(self) -> str:
        """The record type as text."""
        return dns.rdatatype.to_text(self.rdtype)

    def __str__(self) -> str:
        return f"{self.text} {self.kind}"


class MalformedError(Exception):
    """A datagram answers the query by its id but is no DNS message."""


def parse_name(text: str) -> Name:
    r"""Read a name in presentation form: ``\DDD`` escapes (RFC 1035 section 5.1), other octets as Latin-1.

    Raises ValueError, saying why, for what can be no name in the DNS (RFC 1035 section 2.3.4).
    """
    if len(text) > _LONGEST_TEXT:
        raise ValueError("not a domain name: longer than 255 octets")
    try:
        octets = text.encode("latin-1")
    except UnicodeEncodeError:
        raise ValueError("not a domain name: it holds characters that are not octets") from None
    try:
        # dnspython reads a lone @ as the origin of a zone file.
        return dns.name.from_text(b"\\@" if octets == b"@" else octets)
    except dns.name.EmptyLabel:
        why = "an empty label"
    except dns.name.LabelTooLong:
        why = "a label longer than 63 octets"
    except dns.name.NameTooLong:
        why = "longer than 255 octets"
    except dns.exception.DNSException:
        why = "a malformed escape"
    raise ValueError(f"not a domain name: {why}")


def parse_type(text: str) -> RdataType:
    """Read a record type (``TXT``, ``TYPE65``). Raises ValueError for an unknown one and for ANY and its like."""
    try:
        rdtype = dns.rdatatype.from_text(text)
    except (dns.exception.DNSException, ValueError):
        raise ValueError(f"unknown record type {text!r}") from None
    if dns.rdatatype.is_metatype(rdtype):
        raise ValueError(f"{text!r} is not a type of records")
    return rdtype


def show_name(name: Name) -> str:
    """Return a name as presentation text without its final dot, in its own case."""
    return name.to_text(omit_final_dot=True)


def make_query(question: Question, *, edns: bool, recursion: bool = True) -> Message:
    """Build a query that asks for recursion and for the AD bit (RFC 6840 section 5.7), or for neither."""
    flags = dns.flags.RD | dns.flags.AD if recursion else dns.flags.Flag(0)
    if not question.checking:
        flags |= dns.flags.CD
    if edns:
        return dns.message.make_query(question.name, question.rdtype, flags=flags, use_edns=0, payload=PAYLOAD)
    return dns.message.make_query(question.name, question.rdtype, flags=flags, use_edns=False)


def read_reply(data: bytes, query: Message) -> Message | None:
    """Return the reply to a query, None when the datagram is something else. Raises MalformedError.

    A truncated reply may end within a record (RFC 2181 section 9), so only its question is read.
    """
    if len(data) < _HEADER:
        raise MalformedError
    flags = int.from_bytes(data[2:4], "big")
    if not flags & dns.flags.QR or dns.opcode.from_flags(flags) != dns.opcode.QUERY:
        return None
    try:
        reply = dns.message.from_wire(data, question_only=bool(flags & dns.flags.TC))
    except (dns.exception.DNSException, ValueError) as error:
        raise MalformedError from error
    return reply if query.is_response(reply) else None


class Link(asyncio.DatagramProtocol):
    """A UDP socket connected to one server, shared by many queries."""

    def __init__(self) -> None:
        self._boxes: dict[int, asyncio.Queue[Mail]] = {}
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.DatagramTransport, transport)

    @contextmanager
    def mailbox(self) -> Iterator[tuple[int, asyncio.Queue[Mail]]]:
        """Reserve an unpredictable query id (RFC 5452 section 9.2) and the queue of what arrives for it."""
        while (number := secrets.randbelow(1 << 16)) in self._boxes:
            pass
        box = self._boxes[number] = asyncio.Queue(_BOX_SIZE)
        try:
            yield number, box
        finally:
            del self._boxes[number]

    def send(self, data: bytes) -> None:
        """Send a datagram. Errors arrive in the mailboxes."""
        assert self._transport is not None
        self._transport.sendto(data)

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        """Sort a datagram by its id; what nobody waits for is dropped, and so is a flood."""
        box = self._boxes.get(int.from_bytes(data[:2], "big"))
        if len(data) >= 2 and box is not None and not box.full():
            box.put_nowait(data)

    def error_received(self, exc: Exception) -> None:
        """Tell every query of this socket: the kernel does not say which of them an ICMP error is about."""
        for box in self._boxes.values():
            if isinstance(exc, OSError) and not box.full():
                box.put_nowait(exc)

    def close(self) -> None:
        """Close the socket."""
        if self._transport is not None:
            self._transport.close()
