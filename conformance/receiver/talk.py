"""What the parts of a session share: the wire, what is written down, and how replies are given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from conformance.receiver.capture import Ended
from conformance.receiver.certificates import Certificates
from conformance.receiver.limits import Limits
from conformance.receiver.message import Budget
from conformance.receiver.recorder import Recorder
from conformance.receiver.reply import Reply
from conformance.receiver.scenario import Act, Scenario
from conformance.receiver.turns import Turns
from conformance.receiver.wire import Over, Wire

BANNER, END_OF_DATA = "banner", "."
_LAST_IN_A_GROUP = frozenset({BANNER, "EHLO", "HELO", "DATA", "STARTTLS", "QUIT", "VRFY", "EXPN", "NOOP"})
"""What a client has to wait for, PIPELINING or not (RFC 2920 section 3.1, RFC 3207 section 4)."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What all sessions of a receiver share. Pauses are divided by ``pace``."""

    limits: Limits
    certificates: Certificates
    pace: float
    name: str
    budget: Budget


class Talk:
    """One session's means. Methods that send raise Over when the connection has ended."""

    def __init__(self, wire: Wire, turns: Turns, recorder: Recorder, settings: Settings) -> None:
        self.wire = wire
        self.turns = turns
        self.recorder = recorder
        self.settings = settings
        self.greeted = False
        """Whether EHLO or HELO was answered 250, and TLS has not begun since."""
        self.offered: frozenset[str] = frozenset()
        """EHLO keywords that hold now."""
        self.odd = False
        self._replies = 0

    @property
    def scenario(self) -> Scenario:
        """What is played before a recipient is named."""
        return self.turns.scenario

    async def reply(self, reply: Reply, before: str) -> None:
        """Send a reply; ``before`` is the command that it answers, ``banner``, or a dot for the end of a message."""
        if before in _LAST_IN_A_GROUP or "PIPELINING" not in self.offered:
            await self.note_early(before)
        odd = self.odd and before not in (BANNER, "EHLO")
        self.say(reply.oddly(self._replies) if odd else self.octets(reply))
        await self.wire.drain()

    def octets(self, reply: Reply) -> bytes:
        """Return a reply as it is said here: with its enhanced code unless the scenario has none."""
        return reply.octets(enhanced="ENHANCEDSTATUSCODES" not in self.scenario.withheld)

    async def note_early(self, before: str) -> None:
        """Note what came although the client has to wait for a reply."""
        await self.wire.settle()
        for piece in self.wire.early():
            self.recorder.early(piece.at, before, piece.octets)

    def say(self, octets: bytes) -> None:
        """Send octets as they are."""
        self.wire.write(octets)
        self.recorder.line(self.wire.now, "S", octets)
        self._replies += 1

    async def play(self, act: Act, before: str, note: Callable[[Reply], None] = lambda _: None) -> None:
        """Do what a scenario wants; ``note`` is told the reply once it is sent. Raises Over where that is the end."""
        if act.reply is None:
            raise Over(Ended.DROPPED, silent=True)
        await self.reply(act.reply, before)
        note(act.reply)
        if act.close:
            raise Over(Ended.DROPPED)

    async def pause(self, seconds: float) -> None:
        """Say nothing for a time, which is divided by the pace."""
        await self.wire.pause(seconds / self.settings.pace)
