"""Pieces of hostile text for a sentence."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def quoted(text: str, limit: int = 100) -> str:
    """Return text in quotes with everything but printable ASCII escaped, cut at ``limit`` characters."""
    return ascii(text[:limit]) + ("..." if len(text) > limit else "")


def listed(names: Iterable[str], most: int = 5, *, joint: str = ", ") -> str:
    """Return names in a sentence, at most some of them: ``a, b and 3 more``."""
    known = list(names)
    shown = joint.join(known[:most])
    return shown if len(known) <= most else f"{shown} and {len(known) - most} more"


def did_you_mean(word: str, known: Iterable[str], most: int = 1) -> str:
    """Return a hint at the known words that resemble one, empty if none does."""
    close = get_close_matches(word, known, n=most)
    return f"did you mean {' or '.join(close)}?" if close else ""
