"""Several trials of one stream, judged together: a finding in one holds, whatever the others are."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from conformance.facts.delivery import nothing_came
from conformance.facts.store import Asker
from conformance.facts.trial import State, Trial
from conformance.facts.trials import REQUIRETLS, TRIALS
from conformance.fleet.sending import Stream
from conformance.outcome import NotApplicable, Undetermined, findings

Missing = NotApplicable | Undetermined


async def made(ask: Asker, stream: Stream, name: str) -> Trial:
    """Make a trial of a stream. Raises NotApplicable where it is not to be made, Undetermined where it came to nothing.

    Letters that the host did not take are worth judging too, and so are sessions that came of them.
    """
    if not stream.tries(name):
        raise NotApplicable(f"the trial {name} is not among the trials of the stream in mailconform_streams")
    missing = [claim for claim in TRIALS[name].claims if claim not in stream.claims]
    if missing and (missing != [REQUIRETLS] or stream.how != "submission"):
        raise NotApplicable(_unclaimed(stream, missing[0]))
    trial = await ask.trial(stream.probes[0], name)
    if missing and any(letter.lacking for letter in trial.letters):
        raise NotApplicable(f"{_unclaimed(stream, REQUIRETLS)}, and its submission offers no {REQUIRETLS.upper()}")
    return trial if trial.state is State.UNSENT and trial.letters else trial.watched()


def _unclaimed(stream: Stream, claim: str) -> str:
    return f"mailconform_tls_policies of {stream.host} does not name {claim}: nothing is claimed"


def refused_as_such(trial: Trial) -> NotApplicable | None:
    """Return the exception for a message that the host refused for good because of what it is, as it may; else None."""
    special = TRIALS[trial.name].body != "plain" or TRIALS[trial.name].sender not in ("own", "receiver")
    letters = trial.letters
    if not special or trial.state is not State.WATCHED or not letters or any(letter.taken for letter in letters):
        return None
    return NotApplicable(f"the host refuses to send such a message: {letters[0].reply[:200]}")


@dataclass(frozen=True, slots=True)
class Tried:
    """Trials of one stream by their names; for one that could not be made stands the reason why."""

    trials: Mapping[str, Trial | Missing]

    @classmethod
    def of(cls, *names: str) -> Callable[[Asker, Stream], Coroutine[Any, Any, Self]]:
        """Return the builder of the fact that holds these trials."""

        async def build(ask: Asker, stream: Stream) -> Self:
            held = await asyncio.gather(*(_held(ask, stream, name) for name in names))
            return cls(dict(zip(names, held, strict=True)))

        return build

    def __getitem__(self, name: str) -> Trial:
        """Return a trial, whether anything came of it or not. Raises what kept it from being made."""
        one = self.trials[name]
        if not isinstance(one, Trial):
            raise copy.copy(one)
        return one

    def seen(self, name: str) -> Trial:
        """Return a trial to which sessions came. Raises Undetermined, or what kept it from being made.

        Raises NotApplicable where the host refused the message for good because of what it is.
        """
        if (trial := self[name]).captures:
            return trial
        raise refused_as_such(trial) or nothing_came(trial)

    def find(self, judge: Callable[[Trial], Iterable[str]]) -> list[str]:
        """Return all that a judge finds in trials to which sessions came. Raises like :func:`findings`."""
        return [text for texts in findings(self.trials, lambda name: list(judge(self.seen(name)))) for text in texts]

    def known(self) -> Iterator[Trial]:
        """Yield the trials to which sessions came."""
        return (one for one in self.trials.values() if isinstance(one, Trial) and one.captures)


async def _held(ask: Asker, stream: Stream, name: str) -> Trial | Missing:
    try:
        return await made(ask, stream, name)
    except (NotApplicable, Undetermined) as why:
        return why
