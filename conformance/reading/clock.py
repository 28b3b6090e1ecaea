"""How far a date in a message lies from when the message was given to the host and when it came."""

from __future__ import annotations

import datetime

__all__ = ["HOUR", "distance", "told"]

HOUR = 3600.0


def distance(date: datetime.datetime, handed: str, came: str) -> float:
    """Return the seconds by which a date lies before hand-over (negative) or after arrival; 0 between them.

    ``handed`` and ``came`` are ISO 8601; an empty ``handed`` bounds nothing, since mail may have waited in a queue.
    """
    after = (date - datetime.datetime.fromisoformat(came)).total_seconds() if came else 0.0
    before = (date - datetime.datetime.fromisoformat(handed)).total_seconds() if handed else 0.0
    return max(after, 0.0) or min(before, 0.0)


def told(seconds: float) -> str:
    """Return a span of time in words."""
    hours = abs(seconds) / HOUR
    return f"{hours:.1f} hours" if hours < 48 else f"{hours / 24:.0f} days"
