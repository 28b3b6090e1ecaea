"""Asking one name server with patience: every try, TCP, without EDNS, and finding out who is to blame for silence."""

from __future__ import annotations

import asyncio
import ipaddress
import os
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
from conformance.facts.bounds import Pace
from conformance.facts.breaker import Circuit, Trouble, Zone
from conformance.facts.link import Link, Links, Mail
from conformance.facts.reply import Origin, Step, now, understand
from conformance.facts.wire import MalformedError, Question, make_query, read_reply

_PAUSE_IN_ROUNDS = 3
"""Time between trials of a silent server or zone, in rounds of time-outs."""

_DATAGRAMS_READ = 64
_BOX_SIZE = 8
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
    """How servers are asked: seconds a try, tries a question, and for each server queries in flight.

    ``pace`` is that of all servers of a resolver together. ``paranoid`` has every reply read by dnspython too.
    """

    timeout: float
    tries: int
    in_flight: int
    pace: Pace
    zone_of: Callable[[str], str]
    paranoid: bool = False

    @property
    def pause(self) -> float:
        """Seconds between trials of what is silent."""
        return _PAUSE_IN_ROUNDS * self.timeout * self.tries


class Box:
    """A few datagrams that wait to be read; a flood is dropped."""

    def __init__(self) -> None:
        self._mail: asyncio.Queue[Mail] = asyncio.Queue(_BOX_SIZE)

    def heard(self, mail: Mail, at: float) -> None:
        """Keep a datagram or an error, whenever it came."""
        self.keep(mail)

    def keep(self, mail: Mail) -> None:
        """Keep a datagram or an error."""
        if not self._mail.full():
            self._mail.put_nowait(mail)

    async def take(self, deadline: float) -> Mail | None:
        """Return the next one, None at the deadline, a time of the event loop's clock."""
        try:
            async with asyncio.timeout_at(deadline):
                return await self._mail.get()
        except TimeoutError:
            # What arrived while this process was busy is in time all the same.
            return None if self._mail.empty() else self._mail.get_nowait()


@dataclass(frozen=True, slots=True)
class Sent:
    """A query that is under way already: where, under which id, and until when a reply is in time."""

    link: Link
    number: int
    box: Box
    start: float
    deadline: float


class Inquirer:
    """Asks one server. ``queries`` counts what it sent over TCP, ``links`` what was sent over UDP."""

    def __init__(self, server: Server, limits: Limits, *, recursion: bool = True) -> None:
        self.server = server
        self.recursion = recursion
        self.queries = 0
        self.links = Links(server.address, server.port)
        self.circuit = Circuit(limits.pause)
        self.answered_before = Question.of(dns.name.root, RdataType.NS)
        self._limits = limits
        self._tcp = Circuit(limits.pause)
        self._canary: asyncio.Task[Message | Trouble] | None = None

    async def close(self) -> None:
        """Stop what is under way and close the sockets."""
        if self._canary:
            self._canary.cancel()
            await asyncio.gather(self._canary, return_exceptions=True)
        self.links.close()

    async def ask(self, question: Question, zone: Zone, sent: Sent | None, *, tcp: bool = False) -> Step:
        """Ask one question until it is answered or all tries are used up; ``sent`` is the first of them.

        ``tcp`` asks over TCP alone.
        """
        start = sent.start if sent else _clock()
        transport, reply = await self._exchange(question, sent, edns=True, tcp=tcp)
        if isinstance(reply, Message) and reply.rcode() in _NO_EDNS:
            transport, reply = await self._exchange(question, None, edns=False, tcp=tcp)
        ms = round((_clock() - start) * 1000, 3)
        if isinstance(reply, Trouble) and transport == "udp":
            blamed = await self._blame(question, zone, reply, start)
            waited = f" in {self._limits.tries} x {self._limits.timeout:g} s" if reply.rcode == "TIMEOUT" else ""
            return self.failed(question, blamed, f"{reply.text}{waited}", ms)
        zone.answered(_clock())
        if isinstance(reply, Trouble):
            return self.failed(question, reply, reply.text, ms)
        step = understand(reply, question, Origin(str(self.server), transport, ms, zone.key, not self.recursion))
        if step.usable:
            self.answered_before = question
        return step

    def failed(self, question: Question, trouble: Trouble, error: str, ms: float) -> Step:
        """Return what is known of a question that got no usable reply."""
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

    async def _exchange(
        self, question: Question, sent: Sent | None, *, edns: bool, tcp: bool
    ) -> tuple[str, Message | Trouble]:
        """Return the reply, or why there is none, and the transport that decided it."""
        query = make_query(question, edns=edns, recursion=self.recursion)
        if tcp:
            return "tcp", await self._stream(query, question)
        reply = await self._datagrams(query, self._limits.tries, sent)
        if isinstance(reply, Message) and reply.flags & dns.flags.TC:
            return "tcp", await self._stream(query, question)
        return "udp", reply

    async def _datagrams(self, query: Message, tries: int, sent: Sent | None = None) -> Message | Trouble:
        """Send a query until it is answered. A late reply to an earlier try is as good."""
        if sent is None:
            box = Box()
            try:
                link, query.id = self.links.place(box)
            except OSError as error:
                return self._unreachable(error)
        else:
            link, box, query.id = sent.link, sent.box, sent.number
        try:
            return await self._tries(query, tries, link, box, sent.deadline if sent else None)
        finally:
            link.forget(query.id, box)

    async def _tries(
        self, query: Message, tries: int, link: Link, box: Box, deadline: float | None
    ) -> Message | Trouble:
        """Send a query and wait, as often as allowed; ``deadline`` is that of the first try if that is sent already."""
        trouble = self._silence()
        data = query.to_wire()
        for _ in range(tries):
            if trouble.rcode == "UNREACHABLE":
                # A server that is just being restarted gets a moment.
                await asyncio.sleep(self._limits.timeout / 8)
            if deadline is None:
                await self._limits.pace.turn()
                link.send(data)
                deadline = _clock() + self._limits.timeout
            heard = await self._listen(box, query, deadline)
            deadline = None
            if isinstance(heard, Message):
                self.circuit.answered(_clock())
                return heard
            if trouble.rcode != "MALFORMED":
                trouble = heard
        return trouble

    async def _listen(self, box: Box, query: Message, deadline: float) -> Message | Trouble:
        """Wait for the right reply and for no other; count what was read, so that a flood ends too."""
        trouble = self._silence()
        for _ in range(_DATAGRAMS_READ):
            mail = await box.take(deadline)
            if mail is None:
                break
            if isinstance(mail, OSError):
                return self._unreachable(mail)
            try:
                if reply := read_reply(mail, query):
                    return reply
            except MalformedError:
                trouble = Trouble("MALFORMED", f"malformed answer from {self.server}")
        return trouble

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
            self.circuit.answered(_clock())
            return reply
        self._tcp.unanswered(question.text, question.rdtype, trouble, _clock())
        return trouble

    async def _blame(self, question: Question, zone: Zone, trouble: Trouble, start: float) -> Trouble:
        """Accuse the server, the zone or the question alone of silence, and return the trouble that says so."""
        if not await self._alive():
            self.circuit.unanswered(question.text, question.rdtype, trouble, _clock())
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
        if self.circuit.answered_at >= recent:
            return True
        if self.circuit.trouble:
            return False
        await self.sound()
        return self.circuit.answered_at >= recent

    async def sound(self) -> None:
        """Ask once more what was answered before, for a sign of life that the circuit takes note of."""
        if self._canary is None or self._canary.done():
            query = make_query(self.answered_before, edns=True, recursion=self.recursion)
            self._canary = asyncio.create_task(self._datagrams(query, 1))
        await asyncio.shield(self._canary)

    def _silence(self) -> Trouble:
        return Trouble("TIMEOUT", f"no answer from {self.server}")

    def _unreachable(self, error: OSError) -> Trouble:
        if isinstance(error, ConnectionRefusedError):
            return Trouble("UNREACHABLE", f"no answer from {self.server}: connection refused")
        return Trouble("UNREACHABLE", f"no answer from {self.server}: {_reason(error)}")


def _reason(error: OSError | EOFError) -> str:
    if isinstance(error, EOFError):
        return "connection closed"
    # asyncio puts words of its own in place of the system's.
    return (os.strerror(error.errno) if error.errno else type(error).__name__).lower()


def _clock() -> float:
    return asyncio.get_running_loop().time()
