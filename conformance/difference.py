"""What two runs judged differently: what appears, what vanishes, what is known no longer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from conformance.report.base import BROKEN
from conformance.report.grouping import WORST, Result, Results, gates

Key = tuple[str, str, str]
_GATING = ("fail", "known")
"""Outcomes of a broken rule that gates: what the base of a run knew is as broken as what it did not."""
_RANK = {outcome: rank for rank, outcome in enumerate(WORST)} | {"known": WORST.index("fail")}
_COMPARED = ("tool", "rules", "inventory", "limit", "profiles", "level", "probe")


@dataclass(frozen=True)
class Difference:
    """Results of the later run that are new, results of the earlier one that are gone, and what nobody knows now."""

    appears: tuple[Result, ...]
    vanishes: tuple[Result, ...]
    unknown: tuple[Result, ...]
    same: int
    """Findings that both runs have."""
    gating: bool
    """Whether something that appears gates."""
    blind: bool
    """Whether something that gates is known no longer."""

    @property
    def exit(self) -> int:
        """Exit status: 1 when something that gates appears, 6 when it cannot be told, else 0."""
        return 1 if self.gating else 6 if self.blind else 0


def compare(before: Results, after: Results) -> Difference:
    """Return what differs between two runs."""
    old, new = _by_key(before), _by_key(after)
    appears = [one for key, one in new.items() if _is_bad(one) and _is_worse(one, old.get(key))]
    vanishes = [one for key, one in old.items() if _is_bad(one) and _is_gone(new.get(key))]
    unknown = [one for key, one in new.items() if _is_unknown(one) and not _is_unknown(old.get(key))]
    same = sum(1 for key, one in new.items() if _is_bad(one) and not _is_worse(one, old.get(key)))
    return Difference(
        tuple(_worst_first(appears)),
        tuple(_worst_first(vanishes)),
        tuple(_worst_first(unknown)),
        same,
        any(one["outcome"] in _GATING for one in appears),
        any(gates(one, after) for one in unknown),
    )


def unlike(before: Results, after: Results) -> Iterator[str]:
    """Say in what two runs differ besides what they found: then differences may come from that."""
    for name in _COMPARED:
        ours, theirs = before["run"].get(name), after["run"].get(name)
        if ours != theirs:
            yield f"the runs differ in {name}: {_shown(ours)} and {_shown(theirs)}"


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _by_key(results: Results) -> dict[Key, Result]:
    return {(one["check"], one["kind"], one["subject"]): one for one in results["results"]}


def _is_bad(result: Result | None) -> bool:
    return result is not None and result["outcome"] in BROKEN


def _is_unknown(result: Result | None) -> bool:
    return result is not None and result["outcome"] == "undetermined"


def _is_gone(result: Result | None) -> bool:
    return not _is_bad(result) and not _is_unknown(result)


def _is_worse(result: Result, before: Result | None) -> bool:
    """Whether a finding is new, in another aspect, or weighs more than it did."""
    if before is None or not _is_bad(before):
        return True
    return _RANK[result["outcome"]] < _RANK[before["outcome"]] or result["aspect"] != before["aspect"]


def _worst_first(results: Sequence[Result]) -> list[Result]:
    return sorted(results, key=lambda one: (_RANK[one["outcome"]], one["check"], one["subject"]))
