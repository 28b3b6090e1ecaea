"""The DNS client: each question once, three answers, no exception for what a network or a name server does.

When silence counts against a name server or a zone, and how many questions may be under way, is told in
:mod:`conformance.facts.breaker`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType

import dns.resolver
from msgspec.structs import replace

from conformance.facts.anchors import Anchors
from conformance.facts.answer import CIRCLE, Answer, Status
from conformance.facts.bounds import NEAR, Pace
from conformance.facts.breaker import likely_zone
from conformance.facts.layers import Layers
from conformance.facts.reply import MAX_ALIASES, Step
from conformance.facts.store import canonical
from conformance.facts.upstream import Call, Limits, Server, Upstream
from conformance.facts.validation import Validator
from conformance.facts.wire import Question, is_plain, parse_type, show_name, shown_type

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


_Key = tuple[str, int, bool, bool]
"""What :class:`Question` compares: name, type, whether it is to be validated, and whether proofs are wanted."""


class _Flight(Call, kw_only=True):
    """A question under way, those who wait for it, and what servers have said so far that was nothing."""

    resolver: Resolver
    steps: dict[_Key, Step | _Flight]
    """Those of the resolver."""
    failed: tuple[Step, ...]

    def told(self, outcome: Step | BaseException) -> None:
        """Tell all who wait, or have the next server asked if that was nothing."""
        if isinstance(outcome, Step):
            known = outcome if outcome.usable else self.resolver.unanswered(self, outcome)
            if known is None:
                return
            self.steps[self.question.key] = outcome = known
        else:
            self.steps.pop(self.question.key, None)
        Call.told(self, outcome)


class Resolver:
    """An asynchronous context manager that asks name servers, the first that has an answer deciding.

    ``timeout`` is in seconds a try, ``retries`` are tries after the first, ``rate`` is in queries a second (retries
    included). ``in_flight`` is the largest number of questions under way to one server at once; how many of them there
    are follows from its delay. ``zone_of`` maps any name (presentation text in lower case without final dot, possibly
    hostile) to the zone it is served with. ``layers`` answer before the servers do. ``paranoid`` has all replies read
    by dnspython, and what the reader of plain ones makes of them compared with that. With ``anchors`` answers are
    validated here, and what the servers say of that does not count.
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
        paranoid: bool = False,
        anchors: Anchors | None = None,
    ) -> None:
        if not servers:
            raise ValueError("no name server to ask")
        if timeout <= 0 or retries < 0 or rate <= 0 or in_flight < 1:
            raise ValueError("time-out, rate and questions in flight must be positive, retries not negative")
        pace = Pace(rate, min(in_flight, NEAR))
        limits = Limits(timeout, 1 + retries, in_flight, pace, zone_of or likely_zone, paranoid)
        self._layers = layers
        self._upstreams = [Upstream(server, limits) for server in dict.fromkeys(servers)]
        # Each look into a table costs as much as a call: there are only two, and both hold what is still under way.
        self._answers: dict[_Key, Answer | None] = {}
        self._steps: dict[_Key, Step | _Flight] = {}
        self._closed = False
        self._validator = Validator(anchors, self._live_step) if anchors else None
        self._direct = layers is None and anchors is None

    async def __aenter__(self) -> Resolver:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed = True
        if self._validator:
            await self._validator.close()
        for flight in [step for step in self._steps.values() if isinstance(step, _Flight)]:
            flight.cancel()
            for waiter in flight.waiters:
                waiter.cancel()
        for upstream in self._upstreams:
            await upstream.close()

    @property
    def queries(self) -> int:
        """Number of messages sent, retries included."""
        return sum(upstream.queries for upstream in self._upstreams)

    @property
    def questions(self) -> int:
        """Number of distinct questions that :meth:`ask` was called with."""
        return len(self._answers)

    @property
    def differences(self) -> list[str]:
        """What two readers did not read alike."""
        return [text for upstream in self._upstreams for text in upstream.differences]

    async def ask(self, name: str, rdtype: str, *, checking: bool = True) -> Answer:
        """Return the answer to a question, the same one each time.

        ``name`` is presentation text (RFC 1035 section 5.1). What can be no name in the DNS is ``ABSENT`` with the
        rcode ``NOTANAME``. CNAME records are followed, unless the question is for them. Without ``checking`` a resolver
        is asked for what it cannot validate, too (CD, RFC 4035 section 3.2.2). Raises ValueError for an unknown record
        type and RuntimeError after closing; whatever the network does is an answer.
        """
        if self._closed:
            raise RuntimeError("the resolver is closed")
        kind = parse_type(rdtype)
        plain = is_plain(name)
        text = name if plain else canonical(name)
        key = text, int(kind), checking, False
        if (answer := self._answers.setdefault(key, None)) is not None:
            return answer
        try:
            question = Question(text, kind, key, True) if plain else Question.read(text, kind, checking=checking)
        except ValueError as error:
            answer = Answer(text, shown_type(kind), Status.ABSENT, "NOTANAME", error=str(error))
        else:
            step = await (self._live_step(question) if self._direct else self._step(question))
            as_asked = not step.chain and step.answer.name == text
            answer = step.answer if as_asked else await self._followed(text, question, step)
        # Who asked the same meanwhile may have been first.
        if (first := self._answers[key]) is not None:
            return first
        self._answers[key] = answer
        return answer

    async def _followed(self, text: str, question: Question, step: Step) -> Answer:
        """Follow the aliases that the first reply tells of, as far as there are any."""
        rdtype, checking = question.rdtype, question.checking
        steps, chain = [step], [question.name]
        while True:
            for target in steps[-1].chain:
                if target in chain:
                    return _undetermined(text, steps, CIRCLE)
                chain.append(target)
            if len(chain) > 1 + MAX_ALIASES:
                return _undetermined(text, steps, f"chain of more than {MAX_ALIASES} CNAME records")
            if not steps[-1].onward:
                return _joined(text, steps)
            steps.append(await self._step(Question.of(chain[-1], rdtype, checking=checking)))

    def _step(self, question: Question) -> Awaitable[Step]:
        # Not made once and kept: a circle would hold all answers in memory until garbage is looked for.
        live = self._judged_step if self._validator else self._live_step
        return self._layers.step(question, live) if self._layers else live(question)

    async def _judged_step(self, question: Question) -> Step:
        """Put a question to the servers, and judge the answer where that is ours."""
        if self._validator is None or not question.checking:
            return await self._live_step(question)
        if not isinstance(known := self._steps.get(question.key), Step):
            step = await self._live_step(Question.proving(question.name, question.rdtype))
            known = self._steps[question.key] = await self._validator.judged(step)
        return known

    async def _live_step(self, question: Question) -> Step:
        """Put a question to the servers, once for all who wait for it; the last who no longer waits ends it."""
        flight = self._steps.get(question.key)
        if isinstance(flight, Step):
            return flight
        if flight is None:
            flight = self._take_off(question, [], ())
        waiter: asyncio.Future[Step] = asyncio.get_running_loop().create_future()
        waiters = flight.waiters
        waiters.append(waiter)
        try:
            return await waiter
        except BaseException:
            waiters.remove(waiter)
            # Meanwhile another server may have been asked in its place.
            flight = self._steps.get(question.key)
            if not waiters and isinstance(flight, _Flight) and flight.waiters is waiters:
                del self._steps[question.key]
                flight.cancel()
            raise

    def _take_off(self, question: Question, waiters: list[asyncio.Future[Step]], failed: tuple[Step, ...]) -> _Flight:
        """Put a question to the server after those that have failed."""
        upstream = self._upstreams[len(failed)]
        zone = upstream.zone(question)
        steps = self._steps
        steps[question.key] = flight = _Flight(
            question, upstream, zone, waiters, resolver=self, steps=steps, failed=failed
        )
        upstream.submit(flight)
        return flight

    def unanswered(self, flight: _Flight, step: Step) -> Step | None:
        """Ask the next server; return what stands for all of them when none is left."""
        failed = (*flight.failed, step)
        if len(failed) == len(self._upstreams):
            return _worst(failed)
        self._take_off(flight.question, flight.waiters, failed)
        return None


def _worst(failed: Sequence[Step]) -> Step:
    """Return the step that stands for those of all servers, none of which was usable."""
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
    if len(steps) == 1 and last.name == text:
        return last
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
