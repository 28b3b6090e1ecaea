"""What is different from the runs before: which findings are new, known since when, fixed, flapping."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from conformance.report.base import BROKEN
from conformance.report.grouping import Result

Key = tuple[str, str]
"""Rule and subject."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """A finding of an earlier run that is none any more. ``since`` is when it was first seen."""

    check: str
    subject: str
    since: str


@dataclass(frozen=True)
class Changes:
    """What is different from the runs before. ``before`` is when the last one began; empty: there was none."""

    before: str = ""
    since: Mapping[Key, str] = field(default_factory=dict)
    """When each finding was first seen, of those that are known from earlier runs."""
    flapping: frozenset[Key] = frozenset()
    fixed: tuple[Fixed, ...] = ()

    def of(self, result: Result) -> str:
        """Return ``new``, ``known`` or ``flapping`` of a finding; nothing of other results, or without a run before."""
        if not self.before or not is_bad(result):
            return ""
        key = result["check"], result["subject"]
        return "flapping" if key in self.flapping else "known" if key in self.since else "new"

    def told(self, document: dict[str, Any]) -> dict[str, Any]:
        """Return a document that tells the changes: of the run, and with each finding."""
        if not self.before:
            return document
        counted = Counter(change for result in document["results"] if (change := self.of(result)))
        fixed = [{"check": one.check, "subject": one.subject, "since": one.since} for one in self.fixed]
        whole = {
            "before": self.before,
            **{name: counted[name] for name in ("new", "known", "flapping")},
            "fixed": fixed,
        }
        return document | {"changes": whole, "results": [self._told(result) for result in document["results"]]}

    def _told(self, result: dict[str, Any]) -> dict[str, Any]:
        change = self.of(result)
        if not change:
            return result
        return result | {"change": change, "since": self.since.get((result["check"], result["subject"]), "")}


def is_bad(result: Result) -> bool:
    """Whether a rule is broken, whatever that weighs."""
    return result["outcome"] in BROKEN
