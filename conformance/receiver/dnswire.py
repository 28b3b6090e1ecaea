"""DNS over UDP and TCP (RFC 1035 section 4.2): reads questions, writes answers, serves them. Bounded throughout."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal, cast

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

Transport = Literal["udp", "tcp"]

MAX_UDP = 1232
"""Octets of the largest answer over UDP, whatever the client offers (the DNS flag day's figure)."""
MAX_TCP = 65535
MAX_TCP_SESSIONS = 256
MAX_TCP_QUESTIONS = 1000
TCP_IDLE = 10.0
"""Seconds that a TCP session may be quiet."""
MAX_DELAY = 60.0
"""Seconds that an answer may be held back, and a session without an answer open."""


@dataclass(slots=True)
class Result:
    """An answer in the making. ``names`` are the question's name and the aliases that led on from it."""

    rcode: dns.rcode.Rcode = dns.rcode.NOERROR
    authoritative: bool = True
    authentic: bool = False
    """Whether the answer says that it was validated (AD)."""
    answer: list[dns.rrset.RRset] = field(default_factory=list)
    authority: list[dns.rrset.RRset] = field(default_factory=list)
    additional: list[dns.rrset.RRset] = field(default_factory=list)
    denied: list[tuple[dns.name.Name, tuple[str, ...] | None]] = field(default_factory=list)
    """Names of which something is not there, each with the types that it has; None: there is no such name."""
    names: list[dns.name.Name] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Reply:
    """What to send: ``wire`` after ``delay`` seconds (nothing when None), and before it ``decoy`` if there is one.

    ``fetch`` gives the wire where it has to be had from elsewhere first.
    """

    wire: bytes | None
    delay: float = 0.0
    decoy: bytes | None = None
    fetch: Callable[[], Awaitable[bytes | None]] | None = None

    async def fetched(self) -> Reply:
        """Return the reply with its wire."""
        return self if self.fetch is None else Reply(await self.fetch())


Answer = Callable[[bytes, Transport, str], Reply]
"""Says what to send to one message, which may be anything at all: octets, transport, address of the client."""


def read(wire: bytes) -> dns.message.Message | Reply:
    """Return a query of one question, or what anything else deserves: silence, or a code alone."""
    if len(wire) < 12 or wire[2] & 0x80:
        return Reply(None)
    if (wire[2] >> 3) & 0xF != dns.opcode.QUERY:
        return _bare(wire, dns.rcode.NOTIMP)
    try:
        query = dns.message.from_wire(wire, ignore_trailing=True)
    except (dns.exception.DNSException, ValueError):
        return _bare(wire, dns.rcode.FORMERR)
    return query if len(query.question) == 1 else _bare(wire, dns.rcode.FORMERR)


def _bare(wire: bytes, rcode: dns.rcode.Rcode) -> Reply:
    """Return a reply of a header alone: id, opcode and RD are the query's."""
    return Reply(wire[:2] + bytes((0x80 | wire[2] & 0x79, rcode)) + bytes(8))


def refused(query: dns.message.Message) -> Result | None:
    """Return the answer to a question that no zone has to be asked about: another EDNS or class, a transfer."""
    question = query.question[0]
    if query.edns > 0:
        return Result(dns.rcode.BADVERS, authoritative=False)
    if question.rdclass != dns.rdataclass.IN or question.rdtype in {dns.rdatatype.AXFR, dns.rdatatype.IXFR}:
        return Result(dns.rcode.REFUSED, authoritative=False)
    return None


def asks_for_signatures(query: dns.message.Message) -> bool:
    """Return whether a client wants what DNSSEC adds (DO, RFC 3225); the answer says so too."""
    return query.edns >= 0 and bool(query.ednsflags & dns.flags.DO)


def encode(query: dns.message.Message, result: Result, transport: Transport, *, truncate: bool = False) -> bytes:
    """Return an answer in wire format, with TC set and no records where it does not fit the transport."""
    response = dns.message.make_response(query, our_payload=MAX_UDP, pad=0)
    response.set_rcode(result.rcode)
    if asks_for_signatures(query):
        response.ednsflags |= dns.flags.DO
    if result.authoritative:
        response.flags |= dns.flags.AA
    if result.authentic:
        response.flags |= dns.flags.AD
    limit = MAX_TCP if transport == "tcp" else 512
    if transport == "udp" and query.edns >= 0:
        limit = min(max(query.payload, 512), MAX_UDP)
    if not (truncate and transport == "udp"):
        response.answer, response.authority, response.additional = result.answer, result.authority, result.additional
        with suppress(dns.exception.TooBig):
            return response.to_wire(max_size=limit, want_shuffle=False)
        response.answer, response.authority, response.additional = [], [], []
    response.flags |= dns.flags.TC
    return response.to_wire(max_size=limit, want_shuffle=False)


@dataclass(slots=True)
class Running:
    """A server that listens on ``port``. Use it from its own event loop."""

    port: int
    _server: asyncio.Server
    _udp: asyncio.DatagramTransport
    _sessions: set[asyncio.Task[None]]

    def close(self) -> None:
        """Stop listening and drop open connections."""
        self._server.close()
        self._udp.close()
        for session in self._sessions:
            session.cancel()  # Its end closes the connection.


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._transport: asyncio.DatagramTransport | None = None
        self._fetching: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        reply = self._answer(data, "udp", addr[0])
        if reply.fetch:
            task = asyncio.create_task(self._fetch(reply, addr))
            self._fetching.add(task)
            task.add_done_callback(self._fetching.discard)
        elif reply.delay:
            asyncio.get_running_loop().call_later(reply.delay, self._send, reply, addr)
        else:
            self._send(reply, addr)

    async def _fetch(self, reply: Reply, addr: tuple[str, int]) -> None:
        self._send(await reply.fetched(), addr)

    def _send(self, reply: Reply, addr: tuple[str, int]) -> None:
        for wire in (reply.decoy, reply.wire):
            if wire is not None and self._transport and not self._transport.is_closing():
                self._transport.sendto(wire, addr)


async def _hold_session(answer: Answer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer the messages of one TCP connection, each with its length before it (RFC 1035 section 4.2.2)."""
    client = writer.get_extra_info("peername")[0]
    for _ in range(MAX_TCP_QUESTIONS):
        length = int.from_bytes(await asyncio.wait_for(reader.readexactly(2), TCP_IDLE), "big")
        message = await asyncio.wait_for(reader.readexactly(length), TCP_IDLE)
        reply = await answer(message, "tcp", client).fetched()
        if reply.wire is None:
            # A dropped question leaves the client waiting, as it does over UDP.
            await asyncio.wait_for(reader.read(1), MAX_DELAY)
            return
        await asyncio.sleep(reply.delay)
        for wire in (reply.decoy, reply.wire):
            if wire is not None:
                writer.write(len(wire).to_bytes(2, "big") + wire)
        await asyncio.wait_for(writer.drain(), TCP_IDLE)


def bind(host: str, port: int) -> tuple[socket.socket, socket.socket]:
    """Return a UDP and a TCP socket of one address; port 0 takes a port that is free for both. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for last in (*([False] * 19 if not port else ()), True):
        tcp = socket.create_server((host, port), family=family)
        udp = socket.socket(family, socket.SOCK_DGRAM)
        if family == socket.AF_INET6:
            udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            udp.bind((host, tcp.getsockname()[1]))
        except OSError:
            udp.close()
            tcp.close()
            if last:
                raise
        else:
            return udp, tcp
    raise AssertionError


async def serve(answer: Answer, host: str, port: int = 0) -> Running:
    """Listen on UDP and TCP at one address; port 0 takes a port that is free for both. Raises OSError."""
    return await serve_on(answer, *bind(host, port))


async def serve_on(answer: Answer, udp: socket.socket, tcp: socket.socket) -> Running:
    """Listen on two sockets that are bound already."""
    sessions: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = cast("asyncio.Task[None]", asyncio.current_task())
        sessions.add(task)
        try:
            if len(sessions) <= MAX_TCP_SESSIONS:
                await _hold_session(answer, reader, writer)
        except (asyncio.IncompleteReadError, TimeoutError, OSError, asyncio.CancelledError):
            pass  # Cancelled by close() alone, and nobody waits for this task.
        finally:
            sessions.discard(task)
            writer.close()

    for each in (udp, tcp):
        each.setblocking(False)
    server = await asyncio.start_server(connected, sock=tcp)
    datagrams, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: _Datagrams(answer), sock=udp)
    return Running(tcp.getsockname()[1], server, datagrams, sessions)
