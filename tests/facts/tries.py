"""Trials written down in the words of worlds (:mod:`tests.worlds.captures`), and what is said of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from conformance.facts.trial import Trial
from conformance.facts.tried import Missing, Tried
from conformance.outcome import NotApplicable, Undetermined
from tests.worlds.captures import Maker

View = TypeVar("View", bound=Tried)

AGAIN = 600.0
ENDLESS = 100_000.0
"""Seconds after which nothing more comes."""


def trial(name: str, **changes: Any) -> Trial:
    """Return a trial of a host that conforms, with some changes."""
    settings = {"from": "news@example.com", "envelope": "bounce.example.com"}
    return Maker("mx1/news", settings, "203.0.113.1", "mx1.example.com").trial(name, changes)


def view(kind: type[View], *trials: Trial, missing: dict[str, Missing] | None = None) -> View:
    """Return a view of trials."""
    return kind({one.name: one for one in trials} | (missing or {}))


def said(look: Callable[[], list[str]]) -> str:
    """Return what is found, ``undetermined: why`` or ``not applicable: why``; empty where nothing is found."""
    try:
        return "; ".join(look())
    except Undetermined as why:
        return f"undetermined: {why.text}"
    except NotApplicable as why:
        return f"not applicable: {why.reason}"
