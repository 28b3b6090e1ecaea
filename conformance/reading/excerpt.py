"""Pieces of hostile text for a sentence."""

from __future__ import annotations

from collections.abc import Sequence

_MOST = 8
"""Items of a list that a sentence names."""


def quoted(text: str, limit: int = 100) -> str:
    """Return text in quotes with everything but printable ASCII escaped, cut at ``limit`` characters."""
    return ascii(text[:limit]) + ("..." if len(text) > limit else "")


def listed(items: Sequence[str], joint: str = ", ") -> str:
    """Return items in a row, the first few of many and how many more there are."""
    more = [f"and {len(items) - _MOST} more"] if len(items) > _MOST else []
    return joint.join([*items[:_MOST], *more])
