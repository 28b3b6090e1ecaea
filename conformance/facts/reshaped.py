"""Whether signatures survive what happens to a message between the signer and the wire."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from conformance.facts.authentication import Authentication, authenticate, authentication
from conformance.facts.delivery import first_of
from conformance.facts.store import Asker
from conformance.facts.trials import TRIALS
from conformance.facts.tried import refused_as_such
from conformance.fleet.sending import Probe, Stream
from conformance.outcome import NotApplicable, Undetermined, findings


@dataclass(frozen=True, slots=True)
class Reshaped:
    """One trial with a message that is hard to sign for good, and what came of its signatures."""

    name: str
    came: Authentication | None
    missing: Undetermined | NotApplicable | None = None
    """Why it did not come."""

    @property
    def about(self) -> str:
        """What the trial is, in words."""
        return TRIALS[self.name].about

    @property
    def broken(self) -> str:
        """What became of the signatures when none holds, else empty. Raises Undetermined and NotApplicable."""
        if self.came is None:
            assert self.missing is not None
            raise self.missing
        if not self.came.signatures:
            raise NotApplicable("the message is not signed, see dkim.signed")
        if findings(self.came.signatures, lambda one: one.passes):
            return ""
        self.came.all_verified()
        return "; ".join(one.describe() for one in self.came.signatures)


async def converted(ask: Asker, stream: Stream) -> tuple[Reshaped, ...]:
    """Try messages that some host on the way has to rewrite. Raises NotApplicable where plain ones do not hold."""
    return await _reshaped(ask, stream, ("no-8bitmime", "long-lines"))


async def transcribed(ask: Asker, stream: Stream) -> tuple[Reshaped, ...]:
    """Try messages whose lines SMTP writes otherwise. Raises NotApplicable where plain ones do not hold."""
    return await _reshaped(ask, stream, ("dots", "smuggling"))


async def _reshaped(ask: Asker, stream: Stream, names: Sequence[str]) -> tuple[Reshaped, ...]:
    probe = stream.probes[0]
    others = asyncio.gather(*(_one(ask, probe, name) for name in names))
    plain, found = await asyncio.gather(authentication(ask, probe), others)
    if not plain.signatures:
        raise NotApplicable("the stream's mail is not signed, see dkim.signed")
    if not findings(plain.signatures, lambda one: one.passes):
        raise NotApplicable("no signature of a plain message holds, see dkim.valid")
    return tuple(found)


async def _one(ask: Asker, probe: Probe, name: str) -> Reshaped:
    try:
        trial = (await ask.trial(probe, name)).watched()
        if not trial.accepted and (refused := refused_as_such(trial)):
            raise refused
        return Reshaped(name, await authenticate(ask, first_of(probe, trial)))
    except (NotApplicable, Undetermined) as why:
        return Reshaped(name, None, why)
