"""From what pytest saw of one check to the outcome that is told."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conformance.check import Check, Level, NotApplicable, Seen, Undetermined
from conformance.fleet.model import Address, Fleet, Selector
from conformance.subjects import KINDS, Nobody, Place

_TRACEBACK = 10_000
"""Characters of a traceback that are kept, the last ones."""


@dataclass(frozen=True, slots=True)
class Case:
    """One check of one subject, as it was selected. ``kind`` is the fixture that gives the subject."""

    check: Check
    kind: str
    subject: Any
    level: Level
    place: Place
    facts: tuple[str, ...]
    """Names of the facts it judges, of this subject."""
    observed: Address | Selector | None = None
    """What a subject that was not known before turned out to be."""

    @property
    def subject_id(self) -> str:
        """The subject's id; ``fleet`` for a check of the whole fleet. One text, however many checks judge it."""
        return sys.intern(self.subject.id) if self.subject is not None else "fleet"

    def result(self, outcome: str, **more: Any) -> dict[str, Any]:
        """Return a result for ``results.json``."""
        return {
            "check": self.check.id,
            "level": self.level.value,
            "subject": self.subject_id,
            "kind": KINDS[self.kind].called if self.kind in KINDS else "fleet",
            "host": self.place.host,
            "domain": self.place.domain,
            "outcome": outcome,
            "seen": "",
            "required": self.check.title,
            "fix": "",
            "sources": self.check.cited,
            "declared_at": sys.intern(str(self.place.origin)) if self.place.origin else None,
            "evidence": [],
            "cause": None,
            "aspect": "",
            "waiver": None,
            "why": "",
        } | more


def filled(template: str, case: Case, fleet: Fleet) -> str:
    """Fill a remedy from the subject. Text from a network is in it only where mail used it."""
    names: dict[str, Any] = {case.kind: case.observed or case.subject, "fleet": fleet}
    if case.kind == "sender":
        names |= {"address": case.subject.address, "domain": case.subject.domain}
    if case.kind == "probe":
        names["stream"] = case.subject.stream
    if case.kind == "parked_domain":
        names["domain"] = case.subject
    return template.format(**names)


def judge(
    case: Case, raised: BaseException | None, fleet: Fleet, gate: Level, evidence: Sequence[str]
) -> dict[str, Any]:
    """Return the result of a case: of what its function raised, or of nothing raised.

    An exception that is neither a finding nor one of the two other answers is a defect, see :func:`defect`.
    """
    if isinstance(case.subject, Nobody):
        return case.result("not-applicable", why=case.subject.reason)
    match raised:
        case None:
            return case.result("pass", evidence=list(evidence))
        case NotApplicable():
            return case.result("not-applicable", why=raised.reason, evidence=list(evidence))
        case Undetermined():
            return case.result("undetermined", seen=raised.text, cause=raised.cause, evidence=list(evidence))
        case AssertionError() if _is_finding(raised, case.check):
            return _finding(case, raised, fleet, gate, evidence)
        case _:
            return defect(case, raised)


def defect(case: Case, error: BaseException) -> dict[str, Any]:
    """Return the result of a case in which mailconform itself failed: undetermined, with the way to the error."""
    text = f"internal error in {case.check.id}: {type(error).__name__}: {error}"
    way = "".join(traceback.format_exception(error))[-_TRACEBACK:]
    return case.result("undetermined", seen=text, cause=text, extra={"traceback": way})


def is_defect(result: Mapping[str, Any]) -> bool:
    """Whether a result says that mailconform itself failed."""
    return "traceback" in result.get("extra", ())


def _is_finding(raised: AssertionError, check: Check) -> bool:
    """Whether an assertion is one of the check's own, not one that broke in the code below it."""
    if raised.args and isinstance(raised.args[0], Seen):
        return True
    frames = [frame for frame, _ in traceback.walk_tb(raised.__traceback__)]
    return bool(frames) and frames[-1].f_globals.get("__name__") == check.where.partition(":")[0]


def _finding(case: Case, raised: AssertionError, fleet: Fleet, gate: Level, evidence: Sequence[str]) -> dict[str, Any]:
    said = raised.args[0] if raised.args else ""
    finding = said if isinstance(said, Seen) else Seen(str(said).partition("\nassert ")[0] or "not so")
    level = max(case.level, finding.at_most or case.level, key=lambda one: one.rank)
    return case.result(
        "fail" if level.rank <= gate.rank else "advice",
        level=level.value,
        seen=str(finding),
        fix=finding.fix if finding.fix is not None else filled(case.check.fix, case, fleet),
        aspect=finding.aspect,
        evidence=list(evidence),
    )
