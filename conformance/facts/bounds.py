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
        self._most = most
        self._limit = float(min(most, NEAR))
        self._least_delay = math.inf
        self._smoothed = 0.0
        self._varied = 0.0
        self._cut_at = -math.inf

    @property
    def full(self) -> bool:
        """Whether no further question may be sent."""
        return self.flying >= int(self._limit)

    def measured(self, delay: float) -> None:
        """Take note of how long a reply took to a query that was sent once (RFC 6298 section 2)."""
        if self._smoothed:
            self._varied += (abs(self._smoothed - delay) - self._varied) / 4
            self._smoothed += (delay - self._smoothed) / 8
        else:
            self._smoothed, self._varied = delay, delay / 2
        self._least_delay = min(self._least_delay, delay)
        if self._limit < self._most:
            # What waits in this process makes replies seem late: the least delay is the way's own.
            useful = min(self._most, max(NEAR, _GOAL * self._least_delay))
            self._limit = min(useful, self._limit + 1 / (1 if self._cut_at == -math.inf else self._limit))

    def lost(self, now: float) -> None:
        """Take note that a query or its reply was lost where the server lives: fewer at once, halved once a delay."""
        if now >= self._cut_at + max(self._smoothed, EARLIEST):
            self._cut_at = now
            self._limit = max(min(NEAR, self._most), self._limit / 2)

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
        due = max(self._due + self._gap, now - self._slack)
        if due > now:
            return due - now
        self._due = due
        return 0.0

    async def turn(self) -> None:
        """Return when the next query may be sent."""
        now = asyncio.get_running_loop().time()
        self._due = max(self._due + self._gap, now - self._slack)
        if self._due > now:
            await asyncio.sleep(self._due - now)
