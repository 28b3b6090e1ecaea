"""How many questions may be under way to one server, and how fast they may follow each other."""

from __future__ import annotations

import asyncio
import math

NEAR = 64
"""Questions under way to a server nearby. More overrun what it can receive while it is not running."""

_GOAL = 25_000.0
"""Questions a second for which a server far away is allowed more of them under way."""
EARLIEST = 0.25
"""Seconds before a query is sent again at the earliest (RFC 8085 section 3.1.1 would have a second for strangers)."""


class Window:
    """Bounds the questions under way to one server by its delay: ``most`` of them, fewer when it is near or loses some.

    Times are those of the event loop's clock, in seconds.
    """

    def __init__(self, most: int) -> None:
        self.flying = 0
        self.limit = min(most, NEAR)
        """How many may be under way now."""
        self.latest = 0.0
        """The delay that was measured last: what was sent at once and came at once says the same once."""
        self.settled = False
        """Whether the bound stays as it is until something changes."""
        self._most = most
        self._exact = float(self.limit)
        self._useful = float(most)
        self._least_delay = math.inf
        self._smoothed = 0.0
        self._varied = 0.0
        self._cut_at = -math.inf

    @property
    def full(self) -> bool:
        """Whether no further question may be sent."""
        return self.flying >= self.limit

    def measured(self, delay: float) -> None:
        """Take note of how long a reply took to a query that was sent once (RFC 6298 section 2)."""
        self.latest = delay
        if self._smoothed:
            off = delay - self._smoothed
            self._varied += (abs(off) - self._varied) / 4
            self._smoothed += off / 8
        else:
            self._smoothed, self._varied = delay, delay / 2
        if delay < self._least_delay:
            # What waits in this process makes replies seem late: the least delay is the way's own.
            self._least_delay = delay
            self._useful = min(self._most, max(NEAR, _GOAL * delay))
        self.settled = self._exact >= self._most or self._exact == self._useful
        if not self.settled:
            more = 1 / (1 if self._cut_at == -math.inf else self._exact)
            self._bound(min(self._useful, self._exact + more))

    def lost(self, now: float) -> None:
        """Take note that a query or its reply was lost where the server lives: fewer at once, halved once a delay."""
        if now >= self._cut_at + max(self._smoothed, EARLIEST):
            self._cut_at = now
            self.settled = False
            self._bound(max(min(NEAR, self._most), self._exact / 2))

    def _bound(self, exact: float) -> None:
        self._exact, self.limit = exact, int(exact)

    def impatience(self) -> float:
        """Return the seconds after which a query seems lost; infinite while nothing is known of the server."""
        return max(EARLIEST, self._smoothed + 4 * self._varied) if self._smoothed else math.inf


class Pace:
    """At most ``rate`` turns a second, with up to ``burst`` of them at once after a rest."""

    def __init__(self, rate: float, burst: int) -> None:
        self._gap = 1 / rate
        self._slack = (burst - 1) / rate
        self._due = -math.inf

    def wait(self, now: float) -> float:
        """Take the next turn if it has come, and return 0; otherwise the seconds until it comes."""
        due, earliest = self._due + self._gap, now - self._slack
        if due > now:
            return due - now
        self._due = due if due > earliest else earliest
        return 0.0

    async def turn(self) -> None:
        """Return when the next query may be sent."""
        now = asyncio.get_running_loop().time()
        self._due = max(self._due + self._gap, now - self._slack)
        if self._due > now:
            await asyncio.sleep(self._due - now)
