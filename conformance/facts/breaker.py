"""When to stop asking, and how fast to ask.

A question is *unanswered* when all its tries ended without a usable reply. Any reply is a sign of life, SERVFAIL and
REFUSED too. The rule, for each name server:

1. An unanswered question does not yet accuse the server, since the fault may lie behind it. The server is accused
   when it has said nothing lately and keeps silent about one more question, one that it answered before (about the
   root when it never answered). So a live resolver in front of dead zones stays in use, even when nothing but
   questions about dead zones is under way.
2. Three distinct questions in a row that accuse the server open its circuit. While it is open, questions fail at once
   with the cause that opened it. Any reply closes it; after each pause one question is let through to see.
3. Where the server lives, the zone of the name is accused, unless the zone answered something else while the question
   waited: then it is that name's own trouble and says nothing about its neighbours. Three distinct questions about at
   least two names open the circuit of the zone.
4. A zone that has not answered yet, or has gone silent, gets at most three places among the questions in flight, two
   for one name: just what its circuit needs to open. So it costs one round of time-outs and leaves room for others.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

THRESHOLD = 3
"""Distinct questions in a row that open a circuit, and places of a zone that has not answered yet."""

_PLACES_OF_A_NAME = THRESHOLD - 1
_LOOKED_AT = 64
"""Questions that are looked at when one place becomes free."""
_REVERSE = {"in-addr": 5, "ip6": 18}
"""Labels of a network that is likely delegated by itself: /24 and /64."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why there was no usable reply: ``rcode`` stands in for the one never received, ``text`` is the cause."""

    rcode: str
    text: str


class Circuit:
    """Whether something is still worth asking. ``pause`` is the time in seconds between trials while it is open.

    Times are those of the event loop's clock, handed in by the caller.
    """

    def __init__(self, pause: float, *, names: int = 1) -> None:
        self.answered_at = -math.inf
        self.trouble: Trouble | None = None
        self.trusted = False
        """Whether it has answered, and nothing was left unanswered since."""
        self._pause = pause
        self._names = names
        self._unanswered: set[tuple[Hashable, Hashable]] = set()
        self._trial_at = -math.inf

    @property
    def has_answered(self) -> bool:
        """Whether it ever answered."""
        return self.answered_at > -math.inf

    def refuses(self, now: float) -> Trouble | None:
        """Return why nothing may be asked now, None when a question may be."""
        return self.trouble if self.trouble and now < self._trial_at else None

    def begin(self, now: float) -> None:
        """Take note that a question is sent; the only one for a while when the circuit is open."""
        if self.trouble:
            self._trial_at = now + self._pause

    def answered(self, now: float) -> None:
        """Close the circuit."""
        self.answered_at = now
        if not self.trusted:
            self.trusted = True
            self.trouble = None
            self._trial_at = -math.inf
            self._unanswered.clear()

    def unanswered(self, name: Hashable, rdtype: Hashable, trouble: Trouble, now: float) -> None:
        """Count a question; open the circuit when there are enough of them."""
        if self.trouble:
            return
        self.trusted = False
        self._unanswered.add((name, rdtype))
        if len(self._unanswered) >= THRESHOLD and len({name for name, _ in self._unanswered}) >= self._names:
            self.trouble = trouble
            self._trial_at = now + self._pause


class Zone(Circuit):
    """The circuit of one zone behind a server, which admits few questions until the zone has shown that it answers.

    ``flying`` holds the questions under way, each with the name that it is about, ``waiting`` those for which there is
    no place yet.
    """

    def __init__(self, key: str, pause: float) -> None:
        super().__init__(pause, names=2)
        self.key = key
        self.flying: dict[Hashable, Hashable] = {}
        self.waiting: deque[Any] = deque()

    def crowded(self, name: Hashable) -> bool:
        """Whether a question about a name has to wait, as long as the zone is under suspicion."""
        if self.trusted or self.trouble:
            return False
        # What was left unanswered keeps its place: another question in it would start another round of time-outs.
        places = THRESHOLD - len(self._unanswered)
        if len(self.flying) >= (places if places > 0 else THRESHOLD):
            return True
        return list(self.flying.values()).count(name) >= _PLACES_OF_A_NAME

    def awakened(self) -> list[Any]:
        """Return those who waited and may have a place now."""
        few = len(self.waiting) if self.trusted or self.trouble else min(len(self.waiting), _LOOKED_AT)
        return [self.waiting.popleft() for _ in range(few)]


def likely_zone(name: str) -> str:
    """Guess who serves a name (lower case, no final dot): its registrable domain, for reverse names the /24 or /64.

    A guess from the shape of the name, for callers without the Public Suffix List: the last two labels, three
    when they look like ``co.uk``.
    """
    labels = name.split(".")
    if labels[-1] == "arpa":
        keep = _REVERSE.get("".join(labels[-2:-1]), 2)
    elif len(labels) > 2 and len(labels[-1]) == 2 and len(labels[-2]) <= 3:
        keep = 3
    else:
        keep = 2
    return ".".join(labels[-keep:])
