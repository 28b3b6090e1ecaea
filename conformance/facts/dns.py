"""The DNS client: each question once, three answers, no exception for what a network or a name server does.

When silence counts against a name server or a zone, and how many questions may be under way, is told in
:mod:`conformance.facts.breaker`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import TracebackType

import dns.rdatatype
import dns.resolver
from dns.rdatatype import RdataType

from conformance.facts.answer import Answer, Status
from conformance.facts.breaker import Pace, likely_zone
from conformance.facts.layers import Layers
from conformance.facts.reply import MAX_ALIASES, Step
from conformance.facts.store import canonical
from conformance.facts.upstream import Limits, Server, Upstream
from conformance.facts.wire import Question, parse_name, parse_type, show_name

__all__ = ["Resolver", "Server", "system_servers"]


def system_servers() -> tuple[Server, ...]:
    """Return the name servers of ``/etc/resolv.conf``. Raises ValueError when it names none."""
    try:
        configured = dns.resolver.Resolver().nameservers
    except dns.resolver.NoResolverConfiguration:
        configured = []
    if not configured:
        raise ValueError("/etc/resolv.conf names no name server")
    return tuple(Server(str(address)) for address in configured)


@dataclass
class _Flight:
    """A question under way and the number of those who wait for it."""

    task: asyncio.Task[Step]
    waiting: int = 0


class Resolver:
    """An asynchronous context manager that asks name servers, the first that has an answer deciding.

    ``timeout`` is in seconds a try, ``retries`` are tries after the first, ``rate`` is in queries a second (retries
    included) with bursts up to ``in_flight``, the number of questions under way at once. ``zone_of`` maps any name
    (presentation text in lower case without final dot, possibly hostile) to the zone it is served with. ``layers``
    answer before the servers do.
    Raises ValueError for limits that make no sense and for no server at all.
    """

    def __init__(
        self,
        servers: Sequence[Server],
        *,
        timeout: float = 2.0,
        retries: int = 1,
        rate: float = 1000.0,
        in_flight: int = 64,
        zone_of: Callable[[str], str] | None = None,
        layers: Layers | None = None,
    ) -> None:
        if not servers:
            raise ValueError("no name server to ask")
        if timeout <= 0 or retries < 0 or rate <= 0 or in_flight < 1:
            raise ValueError("time-out, rate and questions in flight must be positive, retries not negative")
        limits = Limits(
            timeout, 1 + retries, asyncio.Semaphore(in_flight), Pace(rate, in_flight), zone_of or likely_zone
        )
        self._layers = layers
        self._upstreams = [Upstream(server, limits) for server in dict.fromkeys(servers)]
        self._answers: dict[tuple[str, RdataType, bool], Answer] = {}
        self._asked: set[tuple[str, RdataType, bool]] = set()
        self._steps: dict[Question, Step] = {}
        self._flights: dict[Question, _Flight] = {}
        self._tasks: set[asyncio.Task[Step]] = set()
        self._closed = False

    async def __aenter__(self) -> Resolver:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for upstream in self._upstreams:
            await upstream.close()
        # Transports say goodbye in the next turn of the event loop.
        await asyncio.sleep(0)

    @property
    def queries(self) -> int:
        """Number of messages sent, retries included."""
        return sum(upstream.queries for upstream in self._upstreams)

    @property
    def questions(self) -> int:
        """Number of distinct questions that :meth:`ask` was called with."""
        return len(self._asked)

    async def ask(self, name: str, rdtype: str, *, checking: bool = True) -> Answer:
        """Return the answer to a question, the same one each time.

        ``name`` is presentation text (RFC 1035 section 5.1). What can be no name in the DNS is ``ABSENT`` with the
        rcode ``NOTANAME``. CNAME records are followed, unless the question is for them. Without ``checking`` a resolver
        is asked for what it cannot validate, too (CD, RFC 4035 section 3.2.2). Raises ValueError for an
        unknown record type and RuntimeError after closing; whatever the network does is an answer.
        """
        if self._closed:
            raise RuntimeError("the resolver is closed")
        key = canonical(name), parse_type(rdtype), checking
        self._asked.add(key)
        if key not in self._answers:
            answer = await self._answer(*key)
            self._answers.setdefault(key, answer)
        return self._answers[key]

    async def _answer(self, text: str, rdtype: RdataType, checking: bool) -> Answer:
        try:
            chain = [parse_name(text)]
        except ValueError as error:
            shown = dns.rdatatype.to_text(rdtype)
            return Answer(text, shown, Status.ABSENT, "NOTANAME", error=str(error))
        steps: list[Step] = []
        while True:
            steps.append(await self._step(Question.of(chain[-1], rdtype, checking=checking)))
            for target in steps[-1].chain:
                if target in chain:
                    return _undetermined(text, steps, "CNAME loop")
                chain.append(target)
            if len(chain) > 1 + MAX_ALIASES:
                return _undetermined(text, steps, f"chain of more than {MAX_ALIASES} CNAME records")
            if not steps[-1].onward:
                return _joined(text, steps)

    async def _step(self, question: Question) -> Step:
        """Answer a question by what is proposed, or else by what is live."""
        return await self._layers.step(question, self._live_step) if self._layers else await self._live_step(question)

    async def _live_step(self, question: Question) -> Step:
        """Put a question to the servers, once for all who wait for it and only as long as somebody does."""
        if (known := self._steps.get(question)) is not None:
            return known
        if (flight := self._flights.get(question)) is None:
            flight = self._flights[question] = _Flight(asyncio.create_task(self._try_servers(question)))
            self._tasks.add(flight.task)
            flight.task.add_done_callback(self._tasks.discard)
        flight.waiting += 1
        try:
            self._steps[question] = await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if not flight.waiting:
                flight.task.cancel()
                del self._flights[question]
        return self._steps[question]

    async def _try_servers(self, question: Question) -> Step:
        failed: list[Step] = []
        for upstream in self._upstreams:
            step = await upstream.step(question)
            if step.usable:
                return step
            failed.append(step)
        # A server that says SERVFAIL tells more than one that says nothing.
        replied = [step for step in failed if step.answer.transport]
        if replied or len(failed) == 1:
            return (replied or failed)[0]
        answers = [step.answer for step in failed]
        error = "; ".join(answer.error for answer in answers)
        cause = "; ".join(answer.cause for answer in answers)
        return Step(replace(answers[-1], error=error, cause=cause, ms=sum(answer.ms for answer in answers)))


def _joined(text: str, steps: Sequence[Step]) -> Answer:
    """Make one answer of the questions along a chain of aliases; the last one decides."""
    answers = [step.answer for step in steps]
    last = answers[-1]
    return replace(
        last,
        name=text,
        aliases=tuple(show_name(target) for step in steps for target in step.chain),
        ttl=min((a.ttl for a in answers if a.ttl is not None), default=None),
        ms=round(sum(a.ms for a in answers), 3),
        authenticated=all(a.authenticated for a in answers),
        layer=" -> ".join(dict.fromkeys(a.layer for a in answers)),
        error=f"at its alias {last.name}: {last.error}" if last.error and len(steps) > 1 else last.error,
    )


def _undetermined(text: str, steps: Sequence[Step], why: str) -> Answer:
    joined = _joined(text, steps)
    error = f"{why}: {' -> '.join((text, *joined.aliases))}"
    return replace(joined, status=Status.UNDETERMINED, records=(), ttl=None, error=error, cause=f"{why} at {text}")
