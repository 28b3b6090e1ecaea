"""One name server: asking it over UDP and TCP, and finding out who is to blame for silence."""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
from collections.abc import Callable
from dataclasses import dataclass

import dns.asyncquery
import dns.exception
import dns.flags
import dns.name
from dns.message import Message
from dns.rcode import Rcode
from dns.rdatatype import RdataType

from conformance.facts.answer import Answer, Status
from conformance.facts.breaker import Circuit, Pace, Trouble, Zone
from conformance.facts.reply import Origin, Step, now, understand
from conformance.facts.wire import Link, Mail, MalformedError, Question, make_query, read_reply

_SOCKETS = 4
_PAUSE_IN_ROUNDS = 3
"""Time between trials of a silent server or zone, in rounds of time-outs."""

_DATAGRAMS_READ = 64
_NO_EDNS = {Rcode.FORMERR, Rcode.NOTIMP, Rcode.BADVERS}
"""Replies of servers that do not know EDNS (RFC 6891 section 7)."""


@dataclass(frozen=True, slots=True)
class Server:
    """A name server by address and port."""

    address: str
    port: int = 53

    @classmethod
    def parse(cls, text: str) -> Server:
        """Read ``ADDR``, ``ADDR:PORT``, ``[V6]`` or ``[V6]:PORT``. Raises ValueError."""
        host, port = text, "53"
        if text.startswith("["):
            host, bracket, rest = text[1:].partition("]")
            if not bracket or (rest and not rest.startswith(":")):
                raise ValueError(f"name server {text!r} is not of the form [ADDRESS]:PORT")
            port = rest[1:] if rest else port
        elif text.count(":") == 1:
            host, _, port = text.partition(":")
        if not (port.isascii() and port.isdecimal() and len(port) <= 5 and 0 < int(port) < 1 << 16):
            raise ValueError(f"name server {text!r}: {port!r} is not a port")
        try:
            return cls(str(ipaddress.ip_address(host)), int(port))
        except ValueError:
            raise ValueError(f"name server {text!r}: {host!r} is not an IP address") from None

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


@dataclass(frozen=True, slots=True)
class Limits:
    """What all servers of a resolver share: seconds a try, tries a question, queries in flight and a second."""

    timeout: float
    tries: int
    window: asyncio.Semaphore
    pace: Pace
    zone_of: Callable[[str], str]


class Upstream:
    """A name server with its sockets and what is known of its health. ``queries`` counts what was sent."""

    def __init__(self, server: Server, limits: Limits, *, recursion: bool = True) -> None:
        self.server = server
        self._recursion = recursion
        self.queries = 0
        self._limits = limits
        self._pause = _PAUSE_IN_ROUNDS * limits.timeout * limits.tries
        self._circuit = Circuit(self._pause)
        self._tcp = Circuit(self._pause)
        self._zones: dict[str, Zone] = {}
        self._links: list[Link] = []
        self._opening = asyncio.Lock()
        self._canary: asyncio.Task[Message | Trouble] | None = None
        self._answered_before = Question.of(dns.name.root, RdataType.NS)

    async def step(self, question: Question, *, tcp: bool = False) -> Step:
        """Ask one question, or say at once that asking is no use. ``tcp`` asks over TCP alone."""
        zone = self._zone(question)
        async with zone.place(question.text):
            if trouble := self._refuses(zone):
                return self._unasked(question, trouble)
            async with self._limits.window:
                if trouble := self._refuses(zone):
                    return self._unasked(question, trouble)
                self._circuit.begin(_clock())
                zone.begin(_clock())
                return await self._ask(question, zone, tcp)

    async def close(self) -> None:
        """Stop what is under way and close the sockets."""
        if self._canary:
            self._canary.cancel()
            await asyncio.gather(self._canary, return_exceptions=True)
        for link in self._links:
            link.close()

    def _zone(self, question: Question) -> Zone:
        key = self._limits.zone_of(question.text)
        if key not in self._zones:
            self._zones[key] = Zone(key, self._pause)
        return self._zones[key]

    def _refuses(self, zone: Zone) -> Trouble | None:
        return self._circuit.refuses(_clock()) or zone.refuses(_clock())

    async def _ask(self, question: Question, zone: Zone, tcp: bool) -> Step:
        start = _clock()
        transport, reply = await self._exchange(question, edns=True, tcp=tcp)
        if isinstance(reply, Message) and reply.rcode() in _NO_EDNS:
            transport, reply = await self._exchange(question, edns=False, tcp=tcp)
        ms = round((_clock() - start) * 1000, 3)
        if isinstance(reply, Trouble) and transport == "udp":
            blamed = await self._blame(question, zone, reply, start)
            waited = f" in {self._limits.tries} x {self._limits.timeout:g} s" if reply.rcode == "TIMEOUT" else ""
            return self._failed(question, blamed, f"{reply.text}{waited}", ms)
        zone.answered(_clock())
        if isinstance(reply, Trouble):
            return self._failed(question, reply, reply.text, ms)
        step = understand(reply, question, Origin(str(self.server), transport, ms, zone.key, not self._recursion))
        if step.usable:
            self._answered_before = question
        return step

    async def _exchange(self, question: Question, *, edns: bool, tcp: bool) -> tuple[str, Message | Trouble]:
        """Return the reply, or why there is none, and the transport that decided it."""
        query = make_query(question, edns=edns, recursion=self._recursion)
        if tcp:
            return "tcp", await self._stream(query, question)
        reply = await self._datagrams(query, self._limits.tries)
        if isinstance(reply, Message) and reply.flags & dns.flags.TC:
            return "tcp", await self._stream(query, question)
        return "udp", reply

    async def _datagrams(self, query: Message, tries: int) -> Message | Trouble:
        """Send a query until it is answered. A late reply to an earlier try is as good."""
        try:
            link = await self._link()
        except OSError as error:
            return self._unreachable(error)
        trouble = self._silence()
        with link.mailbox() as (query.id, box):
            data = query.to_wire()
            for _ in range(tries):
                if trouble.rcode == "UNREACHABLE":
                    # A server that is just being restarted gets a moment.
                    await asyncio.sleep(self._limits.timeout / 8)
                await self._limits.pace.turn()
                self.queries += 1
                link.send(data)
                heard = await self._listen(box, query)
                if isinstance(heard, Message):
                    self._circuit.answered(_clock())
                    return heard
                if trouble.rcode != "MALFORMED":
                    trouble = heard
        return trouble

    async def _listen(self, box: asyncio.Queue[Mail], query: Message) -> Message | Trouble:
        """Wait for the right reply and for no other; count what was read, so that a flood ends too."""
        trouble = self._silence()
        deadline = _clock() + self._limits.timeout
        for _ in range(_DATAGRAMS_READ):
            try:
                async with asyncio.timeout_at(deadline):
                    mail = await box.get()
            except TimeoutError:
                # What arrived while this process was busy is in time all the same.
                if box.empty():
                    break
                mail = box.get_nowait()
            if isinstance(mail, OSError):
                return self._unreachable(mail)
            try:
                if reply := read_reply(mail, query):
                    return reply
            except MalformedError:
                trouble = Trouble("MALFORMED", f"malformed answer from {self.server}")
        return trouble

    async def _link(self) -> Link:
        async with self._opening:
            loop = asyncio.get_running_loop()
            while len(self._links) < _SOCKETS:
                remote = self.server.address, self.server.port
                _, link = await loop.create_datagram_endpoint(Link, remote_addr=remote)
                self._links.append(link)
        return secrets.choice(self._links)

    async def _stream(self, query: Message, question: Question) -> Message | Trouble:
        """Ask over TCP, which has a circuit of its own: a filter may let UDP pass alone."""
        if refused := self._tcp.refuses(_clock()):
            return refused
        self._tcp.begin(_clock())
        trouble = Trouble("TIMEOUT", f"no answer over TCP from {self.server}")
        for _ in range(self._limits.tries):
            await self._limits.pace.turn()
            self.queries += 1
            try:
                reply = await dns.asyncquery.tcp(
                    query, self.server.address, timeout=self._limits.timeout, port=self.server.port
                )
            except dns.exception.Timeout:
                continue
            except (OSError, EOFError) as error:
                trouble = Trouble("UNREACHABLE", f"no answer over TCP from {self.server}: {_reason(error)}")
                continue
            except (dns.exception.DNSException, ValueError):
                trouble = Trouble("MALFORMED", f"malformed answer over TCP from {self.server}")
                continue
            if reply.flags & dns.flags.TC:
                return Trouble("MALFORMED", f"truncated answer over TCP from {self.server}")
            self._tcp.answered(_clock())
            self._circuit.answered(_clock())
            return reply
        self._tcp.unanswered(question.text, question.rdtype, trouble, _clock())
        return trouble

    async def _blame(self, question: Question, zone: Zone, trouble: Trouble, start: float) -> Trouble:
        """Accuse the server, the zone or the question alone of silence, and return the trouble that says so."""
        if not await self._alive():
            self._circuit.unanswered(question.text, question.rdtype, trouble, _clock())
            return trouble
        about_zone = Trouble(trouble.rcode, f"{trouble.text} about {zone.key}")
        if zone.answered_at < start:
            zone.unanswered(question.text, question.rdtype, about_zone, _clock())
            if zone.trouble or not zone.has_answered:
                return about_zone
        return Trouble(trouble.rcode, f"{trouble.text} about {question}")

    async def _alive(self) -> bool:
        """Whether the server has said anything lately, if need be to a question that it answered before."""
        recent = _clock() - self._limits.timeout / 2
        if self._circuit.answered_at >= recent:
            return True
        if self._circuit.trouble:
            return False
        if self._canary is None or self._canary.done():
            query = make_query(self._answered_before, edns=True, recursion=self._recursion)
            self._canary = asyncio.create_task(self._datagrams(query, 1))
        await asyncio.shield(self._canary)
        return self._circuit.answered_at >= recent

    def _unasked(self, question: Question, trouble: Trouble) -> Step:
        return self._failed(question, trouble, f"not asked after repeated trouble: {trouble.text}", 0.0)

    def _failed(self, question: Question, trouble: Trouble, error: str, ms: float) -> Step:
        return Step(
            Answer(
                name=question.text,
                rdtype=question.kind,
                status=Status.UNDETERMINED,
                rcode=trouble.rcode,
                server=str(self.server),
                ms=ms,
                at=now(),
                error=error,
                cause=trouble.text,
            )
        )

    def _silence(self) -> Trouble:
        return Trouble("TIMEOUT", f"no answer from {self.server}")

    def _unreachable(self, error: OSError) -> Trouble:
        if isinstance(error, ConnectionRefusedError):
            return Trouble("UNREACHABLE", f"no answer from {self.server}: connection refused")
        return Trouble("UNREACHABLE", f"no answer from {self.server}: {_reason(error)}")


def _reason(error: OSError | EOFError) -> str:
    if isinstance(error, EOFError):
        return "connection closed"
    return (error.strerror or type(error).__name__).lower()


def _clock() -> float:
    return asyncio.get_running_loop().time()
