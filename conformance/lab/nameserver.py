"""An authoritative name server for the lab and the worlds: several zones, UDP and TCP, faults on request.

Zone files are master files (RFC 1035 section 5). A zone without SOA or NS is given plain ones, and 60 seconds is
the TTL where none is stated. A comment line asks for a fault::

    ;fault NAME [TYPE] KIND [subtree]

NAME is relative to the origin (``@`` is the origin itself), TYPE a record type (any, when left out), ``subtree``
takes in all names below. KIND is one of:

* ``servfail``, ``refused``, ``nxdomain``, ``formerr``: the answer is that code and no records;
* ``drop``: no answer at all;
* ``truncate``: over UDP only an empty answer with TC set; TCP answers as usual;
* ``delay:SECONDS``: the true answer, late;
* ``badid``: first an answer with another message id, then the true one.

A file's name is its origin with ``.zone`` behind it; ``root.zone`` is the root.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
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

from conformance.lab.zone import MAX_DELAY, Fault, Result, Zone, ZoneError, ancestors

Transport = Literal["udp", "tcp"]

MAX_UDP = 1232
"""Octets of the largest answer over UDP, whatever the client offers (the DNS flag day's figure)."""
MAX_TCP = 65535
MAX_ALIASES = 16
MAX_LOG = 100_000
MAX_TCP_SESSIONS = 256
MAX_TCP_QUESTIONS = 1000
TCP_IDLE = 10.0
"""Seconds that a TCP session may be quiet."""

_RCODES: dict[str, dns.rcode.Rcode] = {
    "servfail": dns.rcode.SERVFAIL,
    "refused": dns.rcode.REFUSED,
    "nxdomain": dns.rcode.NXDOMAIN,
    "formerr": dns.rcode.FORMERR,
}


@dataclass(frozen=True, slots=True)
class Query:
    """One question that was received. ``at`` is Unix time; ``rcode`` says ``DROP`` when it was not answered."""

    at: float
    transport: Transport
    client: str
    name: str
    rdtype: str
    rcode: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What to send: ``wire`` after ``delay`` seconds (nothing when None), and before it ``decoy`` if there is one."""

    wire: bytes | None
    delay: float = 0.0
    decoy: bytes | None = None


class Authority:
    """The zones, the faults and the log of one server. Belongs to one event loop or thread."""

    def __init__(self) -> None:
        self.log: deque[Query] = deque(maxlen=MAX_LOG)
        self._zones: dict[dns.name.Name, Zone] = {}
        self._faults: dict[tuple[dns.name.Name, int | None], Fault] = {}
        self._subtrees: dict[tuple[dns.name.Name, int | None], Fault] = {}

    def load(self, origin: str, text: str, filename: str | None = None) -> None:
        """Load a zone, or replace it; faults asked for earlier stay. Raises ZoneError with file and line."""
        filename = filename or f"zone {origin}"
        zone = Zone.parse(origin, text, filename)
        self._link(zone)
        self._load_faults(zone.origin, text, filename)

    def load_file(self, path: Path) -> None:
        """Load ``ORIGIN.zone``. Raises ZoneError, also when it cannot be read."""
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ZoneError(f"{path}: {error}") from error
        stem = path.name.removesuffix(".zone")
        self.load("." if stem == "root" else stem, text, path.name)

    def fault(self, name: str, kind: str, rdtype: str | None = None, *, subtree: bool = False) -> None:
        """Answer questions for a name with a fault (see the module's text). Raises ZoneError."""
        self._add_fault(dns.name.root, name, kind, rdtype, subtree)

    def fault_line(self, line: str, origin: dns.name.Name = dns.name.root) -> None:
        """Ask for a fault as ``NAME [TYPE] KIND [subtree]``. Raises ZoneError."""
        words = line.split()
        subtree = words[-1:] == ["subtree"]
        words = words[:-1] if subtree else words
        if len(words) not in {2, 3}:
            raise ZoneError(f"{line!r}: expected NAME [TYPE] KIND [subtree]")
        self._add_fault(origin, words[0], words[-1], words[1] if len(words) == 3 else None, subtree)

    def answer(self, wire: bytes, transport: Transport, client: str) -> Reply:
        """Return what the server says to one message, which may be anything at all."""
        if len(wire) < 12 or wire[2] & 0x80:
            return Reply(None)
        query = _read(wire)
        if isinstance(query, dns.rcode.Rcode):
            return Reply(_bare(wire, query))
        question = query.question[0]
        result = self._judge(query, question)
        fault = self._fault_for(result.names, question.rdtype)
        if fault and fault.kind in _RCODES:
            result = self._failed(question, _RCODES[fault.kind])
        kind = fault.kind if fault else None
        rcode = "DROP" if kind == "drop" else dns.rcode.to_text(result.rcode)
        rdtype = dns.rdatatype.to_text(question.rdtype)
        self.log.append(Query(time.time(), transport, client, question.name.to_text(), rdtype, rcode))
        if kind == "drop":
            return Reply(None)
        answer = _encode(query, result, transport, truncate=kind == "truncate")
        decoy = bytes((answer[0] ^ 0xFF, *answer[1:])) if kind == "badid" else None
        return Reply(answer, fault.delay if fault else 0.0, decoy)

    def _link(self, loaded: Zone) -> None:
        """Let the names between a zone and a zone inside it exist in the outer one (RFC 8020)."""
        self._zones[loaded.origin] = loaded
        for zone in self._zones.values():
            for outer, inner in ((loaded, zone), (zone, loaded)):
                if len(inner.origin) > len(outer.origin) and inner.origin.is_subdomain(outer.origin):
                    outer.add_empty(inner.origin)

    def _load_faults(self, origin: dns.name.Name, text: str, filename: str) -> None:
        for number, line in enumerate(text.splitlines(), 1):
            if line.startswith(";fault "):
                try:
                    self.fault_line(line.removeprefix(";fault "), origin)
                except ZoneError as error:
                    raise ZoneError(f"{filename}:{number}: {error}") from error

    def _add_fault(self, origin: dns.name.Name, name: str, kind: str, rdtype: str | None, subtree: bool) -> None:
        fault = Fault.parse(kind)
        try:
            key = dns.name.from_text(name, origin), dns.rdatatype.from_text(rdtype) if rdtype else None
        except (dns.exception.DNSException, ValueError) as error:
            raise ZoneError(f"fault at {name!r} {rdtype or ''}: {str(error) or type(error).__name__}") from error
        (self._subtrees if subtree else self._faults)[key] = fault

    def _fault_for(self, names: Iterable[dns.name.Name], rdtype: int) -> Fault | None:
        for name in names:
            for key in ((name, rdtype), (name, None)):
                if fault := self._faults.get(key):
                    return fault
            for above in ancestors(name) if self._subtrees else ():
                if fault := self._subtrees.get((above, rdtype)) or self._subtrees.get((above, None)):
                    return fault
        return None

    def _zone_for(self, name: dns.name.Name, rdtype: int) -> Zone | None:
        zones = (zone for above in ancestors(name) if (zone := self._zones.get(above)))
        zone = next(zones, None)
        if zone and rdtype == dns.rdatatype.DS and zone.origin == name:
            # DS lives on the parent's side of the cut (RFC 4035 section 3.1.4.1).
            return next(zones, zone)
        return zone

    def _resolve(self, name: dns.name.Name, rdtype: int) -> Result:
        result = Result()
        while name not in result.names and len(result.names) <= MAX_ALIASES:
            result.names.append(name)
            zone = self._zone_for(name, rdtype)
            if zone is None:
                if not result.answer:
                    result.rcode, result.authoritative = dns.rcode.REFUSED, False
                return result
            target = zone.look(name, rdtype, result)
            if target is None:
                return result
            name = target
        # A loop: the code that a resolver would pass on.
        return Result(dns.rcode.SERVFAIL, authoritative=False, names=result.names)

    def _failed(self, question: dns.rrset.RRset, rcode: dns.rcode.Rcode) -> Result:
        """Return an answer of a code alone; NXDOMAIN is believed with an SOA record only (RFC 2308 section 2.1)."""
        zone = self._zone_for(question.name, question.rdtype)
        soa = [zone.soa] if zone and rcode == dns.rcode.NXDOMAIN else []
        return Result(rcode, authoritative=bool(soa), authority=soa)

    def _judge(self, query: dns.message.Message, question: dns.rrset.RRset) -> Result:
        if query.edns > 0:
            return Result(dns.rcode.BADVERS, authoritative=False)
        if question.rdclass != dns.rdataclass.IN or question.rdtype in {dns.rdatatype.AXFR, dns.rdatatype.IXFR}:
            return Result(dns.rcode.REFUSED, authoritative=False)
        return self._resolve(question.name, question.rdtype)


def _read(wire: bytes) -> dns.message.Message | dns.rcode.Rcode:
    """Return a query of one question, or the code that anything else deserves."""
    if (wire[2] >> 3) & 0xF != dns.opcode.QUERY:
        return dns.rcode.NOTIMP
    try:
        query = dns.message.from_wire(wire, ignore_trailing=True)
    except (dns.exception.DNSException, ValueError):
        return dns.rcode.FORMERR
    return query if len(query.question) == 1 else dns.rcode.FORMERR


def _bare(wire: bytes, rcode: dns.rcode.Rcode) -> bytes:
    """Return a reply of a header alone: id, opcode and RD are the query's."""
    return wire[:2] + bytes((0x80 | wire[2] & 0x79, rcode)) + bytes(8)


def _encode(query: dns.message.Message, result: Result, transport: Transport, *, truncate: bool) -> bytes:
    response = dns.message.make_response(query, our_payload=MAX_UDP, pad=0)
    response.set_rcode(result.rcode)
    if result.authoritative:
        response.flags |= dns.flags.AA
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
    def __init__(self, authority: Authority) -> None:
        self._authority = authority
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        reply = self._authority.answer(data, "udp", addr[0])
        if reply.delay:
            asyncio.get_running_loop().call_later(reply.delay, self._send, reply, addr)
        else:
            self._send(reply, addr)

    def _send(self, reply: Reply, addr: tuple[str, int]) -> None:
        for wire in (reply.decoy, reply.wire):
            if wire is not None and self._transport and not self._transport.is_closing():
                self._transport.sendto(wire, addr)


async def _hold_session(authority: Authority, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer the messages of one TCP connection, each with its length before it (RFC 1035 section 4.2.2)."""
    client = writer.get_extra_info("peername")[0]
    for _ in range(MAX_TCP_QUESTIONS):
        length = int.from_bytes(await asyncio.wait_for(reader.readexactly(2), TCP_IDLE), "big")
        message = await asyncio.wait_for(reader.readexactly(length), TCP_IDLE)
        reply = authority.answer(message, "tcp", client)
        if reply.wire is None:
            # A dropped question leaves the client waiting, as it does over UDP.
            await asyncio.wait_for(reader.read(1), MAX_DELAY)
            return
        await asyncio.sleep(reply.delay)
        for wire in (reply.decoy, reply.wire):
            if wire is not None:
                writer.write(len(wire).to_bytes(2, "big") + wire)
        await asyncio.wait_for(writer.drain(), TCP_IDLE)


async def serve(authority: Authority, host: str, port: int = 0) -> Running:
    """Listen on UDP and TCP at one address; port 0 takes a port that is free for both. Raises OSError."""
    sessions: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = cast("asyncio.Task[None]", asyncio.current_task())
        sessions.add(task)
        try:
            if len(sessions) <= MAX_TCP_SESSIONS:
                await _hold_session(authority, reader, writer)
        except (asyncio.IncompleteReadError, TimeoutError, OSError):
            pass
        finally:
            sessions.discard(task)
            writer.close()

    attempts = 0 if port else 20
    while True:
        server = await asyncio.start_server(connected, host, port)
        chosen = server.sockets[0].getsockname()[1]
        try:
            udp, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                lambda: _Datagrams(authority), local_addr=(host, chosen)
            )
        except OSError:
            server.close()
            if attempts == 0:
                raise
            attempts -= 1
        else:
            return Running(chosen, server, udp, sessions)


async def _run(authority: Authority, host: str, port: int) -> None:
    running = await serve(authority, host, port)
    sys.stderr.write(f"listening on {host} port {running.port}\n")
    await asyncio.Event().wait()


def main() -> None:
    """Serve zone files until interrupted: ``python -m conformance.lab.nameserver --listen ADDRESS:PORT FILE...``."""
    parser = argparse.ArgumentParser(prog="python -m conformance.lab.nameserver", description="Serve zone files.")
    parser.add_argument("--listen", default="127.0.0.1:5353", metavar="ADDRESS:PORT")
    parser.add_argument("files", nargs="+", type=Path, metavar="ORIGIN.zone")
    options = parser.parse_args()
    host, _, port = options.listen.rpartition(":")
    authority = Authority()
    try:
        for path in options.files:
            authority.load_file(path)
        asyncio.run(_run(authority, host.strip("[]"), int(port)))
    except (ZoneError, OSError, ValueError) as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
