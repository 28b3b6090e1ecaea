"""One name server: which questions are under way to it, and the quick way for those that are answered plainly."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from functools import partial

import msgspec

from conformance.facts.bounds import EARLIEST, Window
from conformance.facts.breaker import Trouble, Zone
from conformance.facts.inquiry import Box, Inquirer, Limits, Sent, Server
from conformance.facts.link import Link, Mail
from conformance.facts.plain import read_plain
from conformance.facts.reply import Origin, Step, full_step, now, plain_step
from conformance.facts.wire import Question, encode_query, question_in

_GLANCES = 8
"""Looks for what is late within the shortest time that is waited for anything."""
_MILLISECOND = 0.001

__all__ = ["Call", "Limits", "Server", "Upstream"]


class Call(msgspec.Struct, eq=False):
    """One question at one server, and those who wait for the answer. Times are those of the event loop's clock.

    It is waiting, sent, or in the hands of the inquirer.
    """

    question: Question
    upstream: Upstream
    zone: Zone
    waiters: list[asyncio.Future[Step]]
    tcp: bool = False
    over: bool = False
    twice: bool = False
    lost: bool = False
    sent_at: float = 0.0
    due: float = 0.0
    wire: bytes = b""
    number: int = -1
    link: Link | None = None
    task: asyncio.Task[Step] | None = None

    def told(self, outcome: Step | BaseException) -> None:
        """Tell all who still wait the answer, or an error of our own."""
        for waiter in self.waiters:
            if waiter.done():
                continue
            if isinstance(outcome, BaseException):
                waiter.set_exception(outcome)
            else:
                waiter.set_result(outcome)

    def heard(self, mail: Mail, at: float) -> None:
        """Take what came in under the id of the query."""
        self.upstream.heard(self, mail, at)

    def cancel(self) -> None:
        """End it without an answer."""
        self.upstream.cancel(self)


class Upstream:
    """A name server with what is known of its health. ``differences`` tells where two readers do not agree."""

    def __init__(self, server: Server, limits: Limits, *, recursion: bool = True) -> None:
        self.differences: list[str] = []
        self._limits = limits
        self._inquirer = Inquirer(server, limits, recursion=recursion)
        self._circuit = self._inquirer.circuit
        self._links = self._inquirer.links
        self._recursion = recursion
        self._name = str(server)
        self._stamped, self._stamped_at = "", -math.inf
        """The time of day as text, made once a millisecond, and when that was by the event loop's clock."""
        self._window = Window(limits.in_flight)
        self._zones: dict[str, Zone] = {}
        self._queue: deque[Call] = deque()
        self._tasks: set[asyncio.Task[Step]] = set()
        self._glance = min(EARLIEST, limits.timeout) / _GLANCES
        self._glancing: asyncio.TimerHandle | None = None
        self._late: list[Call] = []
        self._sounding: asyncio.Task[None] | None = None
        self._pacing: asyncio.TimerHandle | None = None
        self._pumping: asyncio.Handle | None = None

    @property
    def queries(self) -> int:
        """Number of messages sent."""
        return self._links.sent + self._inquirer.queries

    async def step(self, question: Question, *, tcp: bool = False) -> Step:
        """Ask one question, or say at once that asking is no use. ``tcp`` asks over TCP alone."""
        waiter: asyncio.Future[Step] = asyncio.get_running_loop().create_future()
        call = Call(question, self, self.zone(question), [waiter], tcp)
        self.submit(call)
        try:
            return await waiter
        finally:
            call.cancel()

    def zone(self, question: Question) -> Zone:
        """Return what is known of the zone of a question."""
        key = self._limits.zone_of(question.text)
        if (zone := self._zones.get(key)) is None:
            zone = self._zones[key] = Zone(key, self._limits.pause)
        return zone

    def submit(self, call: Call) -> None:
        """Ask a question as soon as there is room; it is told the answer later, soon where asking is no use."""
        self._queue.append(call)
        if self._pumping is None:
            self._pump_soon()

    def cancel(self, call: Call) -> None:
        """End a call without an answer."""
        if call.over:
            return
        call.over = True
        if call.task:
            call.task.cancel()
        elif call.link:
            self._leave(call)

    async def close(self) -> None:
        """Stop what is under way and close the sockets."""
        self._queue.clear()
        for handle in (self._pacing, self._glancing, self._pumping):
            if handle:
                handle.cancel()
        tasks = [*self._tasks, *([self._sounding] if self._sounding else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._inquirer.close()

    def heard(self, call: Call, mail: Mail, at: float) -> None:
        """Take the reply to a query if it is a plain one; the inquirer sees to all others."""
        if call.over:
            return
        delay = at - call.sent_at
        step = self._read(call, mail, delay, at) if isinstance(mail, bytes) else None
        if step is None:
            self._inquire(call, mail)
            return
        circuit, zone = self._circuit, call.zone
        circuit.answered_at = zone.answered_at = at
        if not (circuit.trusted and zone.trusted):
            circuit.answered(at)
            zone.answered(at)
        window = self._window
        if not call.twice and (delay != window.latest or not window.settled):
            window.measured(delay)
        self._inquirer.answered_before = call.question
        call.over = True
        self._leave(call)
        call.told(step)

    def _read(self, call: Call, data: bytes, delay: float, at: float) -> Step | None:
        """Return what a plain reply of a resolver says."""
        question = call.question
        if not self._recursion or question.proof or (reply := read_plain(data, question_in(call.wire))) is None:
            return None
        # To the microsecond, as round(delay * 1000, 3) but in a third of its time.
        ms = int(delay * 1_000_000 + 0.5) / 1000
        if at >= self._stamped_at + _MILLISECOND:
            self._stamped_at, self._stamped = at, now()
        step = plain_step(reply, question, self._name, ms, self._stamped)
        if not self._limits.paranoid:
            return step
        origin = Origin(self._name, "udp", ms, call.zone.key)
        full = full_step(data, question, call.number, origin)
        if not step.like(full):
            self.differences.append(f"{question}: a plain reader has {step}, a full one {full}: {data.hex()}")
        return full

    def _glanced(self) -> None:
        """See which queries are late, all at once: a timer for each would cost more than all else."""
        self._glancing = None
        now = self._now()
        waiting = [call for call in self._links.hearers() if isinstance(call, Call)]
        for call in waiting:
            if call.due <= now:
                self._overdue(call, now)
        if waiting:
            self._glance_later()

    def _glance_later(self) -> None:
        if self._glancing is None:
            self._glancing = asyncio.get_running_loop().call_later(self._glance, self._glanced)

    def _overdue(self, call: Call, now: float) -> None:
        """Send a query again early where the server has answered faster so far; then leave it to the inquirer."""
        deadline = call.sent_at + self._limits.timeout
        if call.twice or now >= deadline or call.link is None:
            self._inquire(call, None)
            return
        call.twice = True
        call.due = deadline
        if not self._limits.pace.wait(now):
            call.link.send(call.wire)
        self._late.append(call)
        if self._circuit.answered_at > call.sent_at:
            self._give_up_late()
        elif self._sounding is None:
            self._sounding = asyncio.create_task(self._inquirer.sound())
            self._sounding.add_done_callback(self._sounded)

    def _sounded(self, _: asyncio.Task[None]) -> None:
        self._sounding = None
        self._give_up_late()

    def _give_up_late(self) -> None:
        """Take late queries for lost if the server has answered since: they must not keep others waiting."""
        waiting = [call for call in self._late if not call.over]
        lost = [call for call in waiting if self._circuit.answered_at > call.sent_at]
        self._late = [call for call in waiting if self._circuit.answered_at <= call.sent_at]
        if not lost:
            return
        now = self._now()
        self._window.lost(now)
        self._window.flying -= len(lost)
        for call in lost:
            call.lost = True
        self._pump_soon()

    def _pump_soon(self) -> None:
        """Send what waits once those have had their turn whom a batch of replies wakes.

        All of a turn are sent in a row: each alone would wake the server for one question, and that takes longer than
        to answer it.
        """
        if self._pumping is None and not self._window.full:
            self._pumping = asyncio.get_running_loop().call_soon(self._pump)

    def _pump(self) -> None:
        """Send what waits, as far as there is room."""
        self._pumping = None
        now = self._now()
        queue, window, circuit, pace = self._queue, self._window, self._circuit, self._limits.pace
        due = now + min(self._limits.timeout, window.impatience())
        while queue and window.flying < window.limit:
            call = queue.popleft()
            # Where all is well, which is nearly always, there is nothing to ask of server and zone.
            if call.over or ((circuit.trouble or not call.zone.trusted) and self._held_back(call, now)):
                continue
            if wait := pace.wait(now):
                queue.appendleft(call)
                if self._pacing is None:
                    self._pacing = asyncio.get_running_loop().call_later(wait, self._paced)
                return
            self._send(call, now, due)

    def _held_back(self, call: Call, now: float) -> bool:
        """Whether a question is not sent: refused, or told to wait until its zone has a place for it."""
        if trouble := self._circuit.refuses(now) or call.zone.refuses(now):
            call.over = True
            call.told(self._unasked(call.question, trouble))
        elif call.zone.crowded(call.question.text):
            call.zone.waiting.append(call)
        else:
            return False
        return True

    def _paced(self) -> None:
        self._pacing = None
        if self._pumping is None:
            self._pump()

    def _send(self, call: Call, now: float, due: float) -> None:
        question, zone = call.question, call.zone
        if self._circuit.trouble or zone.trouble:
            self._circuit.begin(now)
            zone.begin(now)
        zone.flying[call] = question.text
        self._window.flying += 1
        call.sent_at = now
        if call.tcp:
            self._inquire(call, None)
            return
        try:
            call.link, call.number = link, number = self._links.place(call)
        except OSError:
            self._inquire(call, None)
            return
        call.wire = encode_query(question, number, recursion=self._recursion)
        call.due = due
        link.send(call.wire)
        if self._glancing is None:
            self._glance_later()

    def _inquire(self, call: Call, mail: Mail | None) -> None:
        """Leave a call to the inquirer, together with what came in for it."""
        sent = None
        if call.link:
            box = Box()
            if mail is not None:
                box.keep(mail)
            call.link.hearers[call.number] = box
            sent = Sent(call.link, call.number, box, call.sent_at, call.sent_at + self._limits.timeout)
        call.task = asyncio.create_task(self._inquirer.ask(call.question, call.zone, sent, tcp=call.tcp))
        self._tasks.add(call.task)
        call.task.add_done_callback(partial(self._inquired, call, sent))

    def _inquired(self, call: Call, sent: Sent | None, task: asyncio.Task[Step]) -> None:
        """Tell what the inquirer found, if anybody still wants to know."""
        self._tasks.discard(task)
        if sent:
            sent.link.forget(sent.number, sent.box)
        call.over = True
        if not task.cancelled():
            call.told(task.exception() or task.result())
        self._leave(call)

    def _leave(self, call: Call) -> None:
        """Give up the id of a query, and make room for others."""
        if call.link:
            call.link.forget(call.number, call)
        if not call.lost:
            self._window.flying -= 1
        zone = call.zone
        del zone.flying[call]
        if zone.waiting:
            self._queue.extendleft(reversed(zone.awakened()))
        if self._pumping is None and self._queue:
            self._pump_soon()

    def _unasked(self, question: Question, trouble: Trouble) -> Step:
        return self._inquirer.failed(question, trouble, f"not asked after repeated trouble: {trouble.text}", 0.0)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
