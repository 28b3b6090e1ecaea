"""The receiver as a run sees it: what it can do, addresses to send to, and the sessions that came."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from conformance.receiver.announcement import Announcement, Unreached
from conformance.receiver.capture import Capture

LONGEST = 3600.0
"""Seconds for which an address is open unless more or less is asked for."""
PATIENCE = 120.0
"""Seconds for which a receiver may be out of reach while its sessions are waited for."""

LONGEST_STEPS = 8.0
"""How much longer the wait between two looks becomes in the end."""

Predicate = Callable[[tuple[Capture, ...]], bool]


class Receiver(Protocol):
    """A receiver. Every method raises ReceiverError (see :mod:`conformance.receiver.announcement`)."""

    async def announce(self) -> Announcement:
        """Return what the receiver is and can do."""
        ...

    async def open(
        self, scenario: str, route: str = "plain", n: int = 1, expires: float = LONGEST, *, peers: Sequence[str] = ()
    ) -> tuple[str, ...]:
        """Return ``n`` addresses of one domain (of two by turns with the route ``two-domains``), open for so long.

        ``expires`` is in seconds. ``peers`` are the addresses that the host sends from, where they are known: what a
        scenario does before a recipient is named is then done to them alone, and a stranger who happens to connect
        uses none of it up. Raises Unavailable, Busy and Foreign, which stands for an address outside the probe domain.
        """
        ...

    async def collect(self, tokens: Sequence[str]) -> tuple[Capture, ...]:
        """Return the sessions that concern tokens so far, in the order in which they began.

        Raises NoSuchToken, and Unkept where some could not be kept.
        """
        ...

    async def move(self, token: str) -> None:
        """Let the domain of a token of the route ``mx-moved`` lead to the other exchange.

        Returns when caches that honour the TTL have forgotten the old one. Raises NoSuchToken and Unavailable.
        """
        ...

    async def close(self, tokens: Sequence[str]) -> None:
        """Give back what is held for tokens: an address that plays their scenario alone. Their sessions stay.

        Mail for them is accepted from now on until they expire, so that the host's queue empties. Raises NoSuchToken.
        """
        ...

    async def wait(self, tokens: Sequence[str], until: float, predicate: Predicate) -> tuple[Capture, ...]:
        """Collect until what has come satisfies the predicate, at most ``until`` seconds from now; return what came."""
        ...


@dataclass(slots=True)
class Collection:
    """What was collected of a set of tokens so far, and where to go on."""

    captures: dict[str, Capture] = field(default_factory=dict)
    """Sessions by id, each as it was when it was seen last."""
    after: int = 0
    octets: int = 0

    def take(self, captures: Iterable[Capture]) -> None:
        """Take sessions in, in place of what was known of them."""
        self.captures.update((capture.id, capture) for capture in captures)

    @property
    def sessions(self) -> tuple[Capture, ...]:
        """The sessions in the order in which they began."""
        return tuple(sorted(self.captures.values(), key=lambda capture: (capture.started, capture.id)))


async def watch(
    receiver: Receiver, tokens: Sequence[str], until: float, predicate: Predicate, step: float
) -> tuple[Capture, ...]:
    """Collect until the predicate holds or ``until`` seconds have passed: after ``step`` seconds, then ever less often.

    A run watches hundreds of trials at once, most of them for minutes. A receiver that cannot be asked for a while,
    such as one that is started anew, is asked on: what hosts sent it is not lost. Raises Unreached after PATIENCE
    seconds of that, or when it goes on at the end.
    """
    end = time.monotonic() + until
    heard = time.monotonic()
    longest = LONGEST_STEPS * step
    while True:
        try:
            captures = await receiver.collect(tokens)
        except Unreached:
            now = time.monotonic()
            if now >= end or now - heard > PATIENCE:
                raise
        else:
            heard = time.monotonic()
            if heard >= end or predicate(captures):
                return captures
        await asyncio.sleep(max(0.0, min(step, end - time.monotonic())))
        step = min(step * 1.25, longest)
