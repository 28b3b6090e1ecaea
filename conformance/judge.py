"""From what pytest saw of one check to the outcome that is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from conformance.check import Check, Level, NotApplicable, Seen, Undetermined
from conformance.fleet.model import Fleet
from conformance.subjects import KINDS, Nobody, Place


@dataclass(frozen=True, slots=True)
class Case:
    """One check of one subject, as it was selected. ``kind`` is the fixture that gives the subject."""

    check: Check
    kind: str
    subject: Any
    level: Level
    gates: bool
    place: Place
    facts: tuple[str, ...]
    """Names of the facts it judges, of this subject."""

    @property
    def subject_id(self) -> str:
        """The subject's id; ``fleet`` for a check of the whole fleet."""
        return self.subject.id if self.subject is not None else "fleet"

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
            "sources": [str(cited) for cited in self.check.citations],
            "declared_at": str(self.place.origin) if self.place.origin else None,
            "evidence": [],
            "cause": None,
            "aspect": "",
            "waiver": None,
            "why": "",
        } | more


def filled(template: str, case: Case, fleet: Fleet) -> str:
    """Fill a remedy from the subject. Only attributes of declared values are reached, never text from a network."""
    names: dict[str, Any] = {case.kind: case.subject, "fleet": fleet}
    if case.kind == "sender":
        names |= {"address": case.subject.address, "domain": case.subject.domain}
    if case.kind == "parked_domain":
        names["domain"] = case.subject
    return template.format(**names)


def judge(
    case: Case, raised: BaseException | None, fleet: Fleet, gate: Level, evidence: Sequence[str]
) -> dict[str, Any]:
    """Return the result of a case: of what its function raised, or of nothing raised.

    An exception that is neither a finding nor one of the two other answers is a defect of the check: the result
    is undetermined and ``cause`` says so.
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
        case AssertionError():
            return _finding(case, raised, fleet, gate, evidence)
        case _:
            text = f"internal error in {case.check.id}: {type(raised).__name__}: {raised}"
            return case.result("undetermined", seen=text, cause=text, evidence=list(evidence))


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
