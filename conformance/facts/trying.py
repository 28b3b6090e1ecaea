"""Makes trials: opens addresses at the receiver, makes a stream send to them, watches what comes."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import functools
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

from conformance.facts.ledger import Ledger
from conformance.facts.letter import Order, strange_author
from conformance.facts.observed import peer_address
from conformance.facts.sending import Sender, Sent, uses_sender
from conformance.facts.store import Store, key_of
from conformance.facts.submission import Taken
from conformance.facts.trial import Letter, State, Trial
from conformance.facts.trials import REQUIRETLS, TRIALS, Recipe, enough
from conformance.fleet.model import Fleet
from conformance.fleet.sending import Probe
from conformance.receiver.announcement import Announcement, Busy, ReceiverError, Unavailable, token_of
from conformance.receiver.capture import Capture
from conformance.receiver.client import Receiver

DAY = 86_400.0
"""Seconds of a day. Addresses stay open for one at least: as long as a host may have the mail in its queue."""
LEAST_WAIT = 20.0
"""Seconds that a host has for a delivery, however fast the receiver is."""
_BUSY_STEP = 0.2
_LONGEST_BUSY_STEP = 5.0
_FAREWELL = 10.0
_TELLING = 10.0
"""Seconds of difference between two clocks that are told."""

UNFINISHED = "the run ended before its watch was over"


class Clock:
    """The receiver's time, told by this machine's clock and the difference between the two."""

    def __init__(self, offset: datetime.timedelta = datetime.timedelta()) -> None:
        self._offset = offset

    @classmethod
    def of(cls, said: str) -> Clock:
        """Return a clock that shows a time now; this machine's where the text is no time."""
        try:
            then = datetime.datetime.fromisoformat(said).astimezone(datetime.UTC)
        except ValueError:
            return cls()
        return cls(then - datetime.datetime.now(datetime.UTC))

    def told(self) -> str:
        """Return a sentence about a difference that is worth knowing; empty where there is none."""
        seconds = self._offset.total_seconds()
        if abs(seconds) < _TELLING:
            return ""
        ahead = "ahead of" if seconds > 0 else "behind"
        return f"the receiver's clock is {abs(seconds):.0f} s {ahead} this machine's; times of mail are told by it"

    def now(self) -> datetime.datetime:
        """Return the time, in UTC."""
        return datetime.datetime.now(datetime.UTC) + self._offset

    def text(self) -> str:
        """Return the time as captures write it."""
        return self.now().isoformat(timespec="milliseconds")


@dataclass(frozen=True, slots=True)
class _Opened:
    """Addresses for one trial: those of all letters, and those for what comes back, one a letter or none."""

    addresses: tuple[str, ...]
    returns: tuple[str, ...]

    @property
    def tokens(self) -> tuple[str, ...]:
        return tuple(map(token_of, self.addresses))

    @property
    def everything(self) -> tuple[str, ...]:
        return tuple(map(token_of, (*self.addresses, *self.returns)))


class Tries:
    """Makes the trials of a run with one receiver, as many at once as hosts and receiver allow.

    ``wait`` is the longest that is waited for one trial, and for an address to play it, in seconds. What is known of
    a trial is kept in the store all the time, so that it is there when the run is interrupted.
    """

    def __init__(
        self,
        receiver: Receiver,
        said: Announcement,
        clock: Clock,
        sender: Sender,
        fleet: Fleet,
        store: Store,
        *,
        run: str,
        wait: float,
        ledger: Ledger | None,
    ) -> None:
        self.begun = self.ended = 0
        self._receiver = receiver
        self._said = said
        self._clock = clock
        self._sender = sender
        self._fleet = fleet
        self._store = store
        self._run = run
        self._wait = wait
        self._ledger = ledger
        self._spare: dict[str, asyncio.Semaphore] = {}

    async def trial(self, probe: Probe, name: str) -> Trial:
        """Make one trial. Raises nothing for what hosts, network and receiver do."""
        trial = Trial(*key_of(probe, name), pace=self._said.pace)
        if why := self._hindrance(probe, name):
            return replace(trial, state=State.SKIPPED, error=why)
        self.begun += 1
        try:
            async with self._turn(probe.stream.host, TRIALS[name].scenario):
                opened = await self._open(probe, TRIALS[name])
                try:
                    return await self._made(_Try(probe, name, opened), trial)
                finally:
                    await self._give_back(opened)
        except (Unavailable, Busy) as error:
            return replace(trial, state=State.UNAVAILABLE, error=f"the receiver cannot play it: {error}")
        except ReceiverError as error:
            known = self._store.trials.get(trial.key, trial)
            text = f"the receiver: {error}"
            return replace(known, state=State.UNREACHED, error=text, cause=text)
        finally:
            self.ended += 1

    @contextlib.asynccontextmanager
    async def _turn(self, host: str, scenario: str) -> AsyncIterator[None]:
        """Wait until it is a host's turn to be shown this scenario at one of the spare addresses. Raises Busy.

        An address plays for several hosts at once where it can tell them apart by their own.
        """
        if scenario not in self._said.exclusive:
            yield
            return
        apart = host if self._fleet.by_name[host].addresses else ""
        spare = self._spare.setdefault(apart, asyncio.Semaphore(max(self._said.spare, 1)))
        try:
            async with asyncio.timeout(self._wait):
                await spare.acquire()
        except TimeoutError:
            text = f"all {self._said.spare} spare addresses were in use for {self._wait:.0f} s"
            raise Busy(f"{text}: more of them, or a longer --probe-wait") from None
        try:
            yield
        finally:
            spare.release()

    def _hindrance(self, probe: Probe, name: str) -> str:
        """Say why this stream is not tried in this way."""
        recipe, mta, how = TRIALS[name], self._fleet.by_name[probe.stream.host], probe.stream.how
        if mta.probe.level != "send":
            return f"mailconform_probe.level of {mta.name} is {mta.probe.level}: it is not made to send"
        if not recipe.host_writes and how not in ("submission", "sendmail"):
            return f"the host writes the messages of {probe.stream.id} itself (how: {how})"
        if REQUIRETLS in recipe.claims and recipe.body == REQUIRETLS and how != "submission":
            return "no program but one that speaks SMTP can ask for REQUIRETLS (how: submission)"
        if recipe.again and how == "manual":
            return "it needs a second message at the right moment, which is not sent by hand"
        return ""

    async def _open(self, probe: Probe, recipe: Recipe) -> _Opened:
        """Open addresses. Raises ReceiverError; Busy when no address for the scenario became free in time."""
        letters = recipe.letters + recipe.again
        expires = min(recipe.days * DAY, self._said.longest or DAY)
        peers = [str(address.ip) for address in self._fleet.by_name[probe.stream.host].addresses]
        want = functools.partial(self._receiver.open, recipe.scenario, recipe.route, letters * recipe.recipients)
        addresses = await self._granted(functools.partial(want, expires, peers=peers))
        if recipe.sender != "receiver" or not uses_sender(probe.stream):
            return _Opened(addresses, ())
        try:
            return _Opened(addresses, await self._receiver.open("accept", "plain", letters, expires))
        except BaseException:
            await self._give_back(_Opened(addresses, ()))
            raise

    async def _granted(self, want: Callable[[], Awaitable[tuple[str, ...]]]) -> tuple[str, ...]:
        """Return addresses, as soon as the receiver has some to give. Raises ReceiverError."""
        loop, step = asyncio.get_running_loop(), _BUSY_STEP
        end = loop.time() + self._wait
        while True:
            try:
                return await want()
            except Busy as error:
                if loop.time() >= end:
                    raise Busy(f"{error} for {self._wait:.0f} s") from None
            await asyncio.sleep(min(step, max(0.0, end - loop.time())))
            step = min(step * 1.5, _LONGEST_BUSY_STEP)

    async def _made(self, one: _Try, trial: Trial) -> Trial:
        """Send the letters and watch. Raises ReceiverError."""
        trial = await self._hand(one, trial, one.recipe.letters)
        if not any(letter.taken for letter in trial.letters):
            return await self._untaken(one, trial)
        if one.recipe.again:
            trial = await self._watch(one, trial, first=True)
            if not trial.captures:
                return await self._explained(one, trial)
            if one.recipe.route == "mx-moved":
                await self._receiver.move(one.opened.tokens[0])
            trial = await self._hand(one, trial, 1)
        return await self._explained(one, self._played(one, await self._watch(one, trial)))

    async def _hand(self, one: _Try, trial: Trial, letters: int) -> Trial:
        """Hand so many further letters over, and keep that they were, also for a later run."""
        for _ in range(letters):
            letter, outcome = await self._handed(one, len(trial.letters))
            one.outcomes.append(outcome)
            trial = self._keep(replace(trial, letters=(*trial.letters, letter)))
        if self._ledger is not None and any(letter.taken for letter in trial.letters):
            self._ledger.add(trial)
        return trial

    def _keep(self, trial: Trial) -> Trial:
        """Keep what is known so far, as a trial that is not over; return the trial."""
        known = replace(trial, state=State.UNREACHED, error=UNFINISHED, until=self._clock.text())
        self._store.trials[trial.key] = known
        return trial

    async def _handed(self, one: _Try, number: int) -> tuple[Letter, Taken]:
        """Hand one letter over; where the host refuses an address at the receiver as sender, from its own.

        What was tried to be delivered meanwhile is not sent again: that would look like the host's second attempt.
        """
        size = one.recipe.recipients
        addresses = one.opened.addresses[number * size : (number + 1) * size]
        returns = one.opened.returns[number] if one.opened.returns else ""
        order = self._order(one, addresses, returns)
        # An address that plays this part alone is held meanwhile, and others wait for it.
        urgent = one.recipe.scenario in self._said.exclusive
        sent = await self._sender.send(order, returns, urgent=urgent)
        if returns and sent.handed.sender_refused and not await self._receiver.collect(order.tokens):
            again = await self._sender.send(replace(order, sender=one.probe.stream.sender), urgent=urgent)
            if again.handed.taken is Taken.YES:
                sent, returns = again, ""
        return self._letter(sent, returns), sent.handed.taken

    def _order(self, one: _Try, addresses: Sequence[str], returns: str) -> Order:
        stream = one.probe.stream
        own = frozenset(self._fleet.catalogue) | {stream.domain, stream.mail_from}
        return Order(
            probe=one.probe,
            trial=one.name,
            sender="" if one.recipe.sender == "null" else returns or stream.sender,
            recipients=tuple(addresses),
            tokens=tuple(map(token_of, addresses)),
            author=strange_author(own) if one.recipe.sender == "stranger" else stream.author,
            run=self._run,
            written=self._clock.now(),
        )

    def _letter(self, sent: Sent, returns: str) -> Letter:
        return Letter(
            handed=sent.order.written.isoformat(timespec="milliseconds"),
            sender=sent.order.sender,
            recipients=sent.order.recipients,
            tokens=sent.order.tokens,
            taken=sent.handed.taken is Taken.YES,
            reply=sent.handed.reply,
            message=sent.message.decode("latin-1"),
            return_token=token_of(returns) if returns else "",
            lacking=sent.handed.lacking,
        )

    async def _untaken(self, one: _Try, trial: Trial) -> Trial:
        """Return a trial of which the host took nothing: a refusal for good is an answer, all else is none.

        Software without a queue tries to deliver before it answers, so that sessions may have come all the same.
        """
        captures = await self._receiver.collect(one.opened.tokens)
        trial = replace(trial, captures=captures, until=self._clock.text())
        if all(outcome is Taken.NO for outcome in one.outcomes):
            return trial
        reply = next((letter.reply for letter in trial.letters if letter.reply), "it said nothing")
        text = f"the host could not be made to send: {reply}"
        return replace(trial, state=State.UNSENT, error=text, cause=f"{trial.stream}: {text}")

    async def _watch(self, one: _Try, trial: Trial, first: bool = False) -> Trial:
        """Watch until enough was seen, or until the first session where that is all that is waited for."""
        more = float(one.probe.stream.settings.get("wait", 0.0))
        seconds = min(self._wait, max(LEAST_WAIT, (one.recipe.wait + more) / self._said.pace))

        def satisfied(captures: tuple[Capture, ...]) -> bool:
            now = self._keep(replace(trial, captures=captures))
            return bool(captures) if first else enough(now)

        captures = await self._receiver.wait(one.opened.tokens, seconds, satisfied)
        returns: tuple[Capture, ...] = ()
        if tokens := [letter.return_token for letter in trial.letters if letter.return_token]:
            returns = await self._receiver.collect(tokens)
        return replace(trial, captures=captures, returns=returns, until=self._clock.text())

    def _played(self, one: _Try, trial: Trial) -> Trial:
        """Return the trial, as none where the receiver played its part for nobody: the host came as a stranger."""
        declared = {address.ip for address in self._fleet.by_name[one.probe.stream.host].addresses}
        peers = {peer_address(capture.peer) for capture in trial.captures}
        if one.recipe.scenario not in self._said.exclusive or not peers or not declared or declared & peers:
            return trial
        came = ", ".join(sorted(map(str, peers)))
        text = f"the receiver plays {one.recipe.scenario} for declared addresses alone, and the mail came from {came}"
        return replace(trial, state=State.UNAVAILABLE, error=text, cause=f"{trial.stream}: {text}")

    async def _explained(self, one: _Try, trial: Trial) -> Trial:
        """Add what the host's queue says, where mail that is usually taken at once did not come."""
        if one.name != "accept" or trial.captures:
            return trial
        said = await self._sender.queued(one.probe.stream, one.opened.tokens)
        return replace(trial, letters=tuple(replace(letter, queue=said) for letter in trial.letters))

    async def _give_back(self, opened: _Opened) -> None:
        """Give addresses back, also when the run is interrupted; mail that still comes for them is taken."""
        with contextlib.suppress(ReceiverError, TimeoutError):
            async with asyncio.timeout(_FAREWELL):
                await asyncio.shield(self._receiver.close(opened.everything))


@dataclass(frozen=True, slots=True)
class _Try:
    """One trial that is being made. ``outcomes`` are those of its letters, in their order."""

    probe: Probe
    name: str
    opened: _Opened
    outcomes: list[Taken] = field(default_factory=list)

    @property
    def recipe(self) -> Recipe:
        return TRIALS[self.name]


class Collecting:
    """Takes up trials that an earlier run began, and sends nothing."""

    def __init__(self, receiver: Receiver, said: Announcement, clock: Clock, ledger: Ledger) -> None:
        self.begun = self.ended = 0
        self._receiver = receiver
        self._said = said
        self._clock = clock
        self._known = {trial.key: trial for trial in ledger.trials()}

    async def trial(self, probe: Probe, name: str) -> Trial:
        """Return what has come of a trial by now. Raises nothing for what network and receiver do."""
        trial = Trial(*key_of(probe, name), pace=self._said.pace)
        if (begun := self._known.get(trial.key)) is None:
            return replace(trial, state=State.SKIPPED, error="no message of it waits to be collected (--probe send)")
        self.begun += 1
        tokens = [token for letter in begun.letters for token in letter.tokens]
        backs = [letter.return_token for letter in begun.letters if letter.return_token]
        try:
            captures = await self._receiver.collect(tokens)
            returns = await self._receiver.collect(backs) if backs else ()
        except ReceiverError as error:
            text = f"the receiver: {error}"
            return replace(begun, state=State.UNREACHED, error=text, cause=text)
        finally:
            self.ended += 1
        return replace(begun, captures=captures, returns=returns, until=self._clock.text())


def new_run() -> str:
    """Return a name for a run, to be written into its messages."""
    return f"{datetime.datetime.now(datetime.UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
