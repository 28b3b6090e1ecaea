"""A name server on loopback that answers as its handler says."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import cast

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
from dns.message import Message

from conformance.facts.answer import Answer, Status
from conformance.facts.dns import Resolver, Server


@dataclass(frozen=True)
class Asked:
    """One query as it arrived."""

    query: Message
    transport: str

    @property
    def name(self) -> str:
        return self.query.question[0].name.to_text(omit_final_dot=True).lower()

    @property
    def rdtype(self) -> str:
        return dns.rdatatype.to_text(self.query.question[0].rdtype)


Reply = Message | bytes | list[bytes] | None
Handler = Callable[[Asked], Reply]


@dataclass
class NameServer:
    """What runs: its address, the queries it got, and the handler, which may be changed on the way."""

    handler: Handler
    port: int
    log: list[Asked] = field(default_factory=list)

    @property
    def address(self) -> Server:
        return Server("127.0.0.1", self.port)

    def __str__(self) -> str:
        return str(self.address)

    @property
    def names(self) -> list[str]:
        return [f"{asked.name} {asked.rdtype}" for asked in self.log]

    def answer(self, data: bytes, transport: str) -> list[bytes]:
        asked = Asked(dns.message.from_wire(data), transport)
        self.log.append(asked)
        replies = self.handler(asked)
        if replies is None:
            return []
        if isinstance(replies, Message):
            return [replies.to_wire(max_size=65535)]
        return [replies] if isinstance(replies, bytes) else replies


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: NameServer, delay: float) -> None:
        self.server = server
        self.delay = delay

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        for reply in self.server.answer(data, "udp"):
            asyncio.get_running_loop().call_later(self.delay, self.transport.sendto, reply, addr)


def _listening(kind: socket.SocketKind, port: int = 0) -> socket.socket:
    listener = socket.socket(socket.AF_INET, kind)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.setblocking(False)
    return listener


def _both() -> tuple[socket.socket, socket.socket]:
    """Return a TCP and a UDP socket on one port that both had free."""
    for _ in range(20):
        tcp = _listening(socket.SOCK_STREAM)
        try:
            return tcp, _listening(socket.SOCK_DGRAM, tcp.getsockname()[1])
        except OSError:
            tcp.close()
    raise OSError("no port is free for TCP and UDP")


def closed_port() -> Server:
    """Return an address where nothing listens."""
    with _listening(socket.SOCK_DGRAM) as bound:
        return Server("127.0.0.1", bound.getsockname()[1])


@contextlib.asynccontextmanager
async def serving(handler: Handler, *, delay: float = 0.0, over_tcp: bool = True) -> AsyncIterator[NameServer]:
    """Run a name server over UDP and TCP, or UDP alone, ``delay`` in seconds before each datagram."""
    tcp, udp = _both()
    server = NameServer(handler, tcp.getsockname()[1])

    async def stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            size = int.from_bytes(await reader.readexactly(2), "big")
            for reply in server.answer(await reader.readexactly(size), "tcp"):
                writer.write(len(reply).to_bytes(2, "big") + reply)
            await reader.read()
        writer.close()

    listener = await asyncio.start_server(stream, sock=tcp)
    if not over_tcp:
        listener.close()
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Datagrams(server, delay), sock=udp
    )
    try:
        yield server
    finally:
        transport.close()
        listener.close()
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def asking(
    handler: Handler, *, delay: float = 0.0, over_tcp: bool = True, **options: object
) -> AsyncIterator[tuple[NameServer, Resolver]]:
    """Run a name server and a resolver with short time-outs that asks it."""
    settings: dict[str, object] = {"timeout": 0.1, "retries": 1} | options
    async with (
        serving(handler, delay=delay, over_tcp=over_tcp) as server,
        Resolver([server.address], **settings) as resolver,  # type: ignore[arg-type]
    ):
        yield server, resolver


def reply(
    asked: Asked, *records: str, rcode: str = "NOERROR", authority: tuple[str, ...] = (), flags: int = dns.flags.AA
) -> Message:
    """Return a reply; records are zone file lines with a TTL and absolute names."""
    message = dns.message.make_response(asked.query)
    message.flags |= flags
    message.set_rcode(dns.rcode.from_text(rcode))
    for section, lines in ((message.answer, records), (message.authority, authority)):
        for line in lines:
            name, ttl, rdtype, rdata = line.split(" ", 3)
            rrset = dns.rrset.from_text(name, int(ttl), "IN", rdtype, rdata)
            present = message.get_rrset(section, rrset.name, rrset.rdclass, rrset.rdtype)
            section.append(rrset) if present is None else present.add(rrset[0])
    return message


SOA = "example.org. 900 SOA ns.example.org. hostmaster.example.org. 1 7200 3600 86400 300"


def address(asked: Asked) -> Message:
    """Answer any question for an A record, deny the others."""
    if asked.rdtype == "A":
        return reply(asked, f"{asked.query.question[0].name} 300 A 192.0.2.1")
    return reply(asked, authority=(SOA,))


def silent(asked: Asked) -> None:
    """Answer nothing."""


def ask(handler: Handler, name: str, rdtype: str, **options: object) -> tuple[Answer, NameServer]:
    """Return the answer to one question put to a server that does as the handler says."""

    async def run() -> tuple[Answer, NameServer]:
        async with asking(handler, **options) as (server, resolver):  # type: ignore[arg-type]
            return await resolver.ask(name, rdtype), server

    return asyncio.run(run())


def table(**replies: tuple[str, ...]) -> Handler:
    """Answer by question name from zone file lines, NODATA for the others."""

    def handler(asked: Asked) -> dns.message.Message:
        records = replies.get(asked.name.partition(".")[0], ())
        return reply(asked, *records, authority=() if records else (SOA,))

    return handler


async def ask_all(resolver: Resolver, wanted: list[tuple[str, str]]) -> list[Answer]:
    """Ask everything at once."""
    return await asyncio.gather(*(resolver.ask(*question) for question in wanted))


def statuses(answers: list[Answer]) -> Counter[Status]:
    return Counter(answer.status for answer in answers)
