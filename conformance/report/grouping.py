"""What every telling needs: findings by rule, what could not be looked at by cause, the verdict in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from conformance.check import Level
from conformance.report.text import plural, printable

Results = Mapping[str, Any]
"""The content of ``results.json``."""
Result = Mapping[str, Any]
"""One element of its ``results``."""

WORST = ("fail", "undetermined", "known", "advice", "waived", "pass", "not-applicable")
"""Outcomes, worst first."""
LETTERS = {
    "fail": "F",
    "undetermined": "?",
    "known": "k",
    "advice": "a",
    "waived": "w",
    "pass": ".",
    "not-applicable": "-",
}
WORDS = {
    "fail": "failed",
    "undetermined": "undetermined",
    "known": "known",
    "advice": "advice",
    "waived": "waived",
    "pass": "passed",
    "not-applicable": "not applicable",
}

_RANK = {outcome: rank for rank, outcome in enumerate(WORST)}


def worst(outcomes: Iterable[str]) -> str:
    """Return the worst of some outcomes; ``not-applicable`` of none."""
    return min(outcomes, key=_RANK.__getitem__, default="not-applicable")


def gates(result: Result, results: Results) -> bool:
    """Whether a result is of a level that gates in this run."""
    return Level(result["level"]).rank <= Level(results["run"]["level"]).rank


@dataclass(frozen=True)
class Remedy:
    """Findings of one rule that the same thing is required of and the same fix cures."""

    required: str
    fix: str
    findings: list[Result]


@dataclass(frozen=True)
class Group:
    """What failed of one rule, worst first, or what it advises at one level. ``outcome`` and ``level`` are the worst's.

    A rule can lower the level of a finding: five domains that might publish a record are not told with the one whose
    record is broken.
    """

    check: str
    title: str
    reason: str
    sources: list[Mapping[str, Any]]
    outcome: str
    level: str
    findings: list[Result]

    @property
    def remedies(self) -> list[Remedy]:
        """The findings by what is to be done, in the order of the first of each."""
        remedies: dict[tuple[str, str], Remedy] = {}
        for finding in self.findings:
            key = finding["required"], finding["fix"]
            remedies.setdefault(key, Remedy(*key, [])).findings.append(finding)
        return list(remedies.values())

    @property
    def known(self) -> int:
        """How many of the findings the base of the run knows."""
        return sum("known_since" in finding for finding in self.findings)

    @property
    def order(self) -> tuple[int, int, int, str]:
        """Sort key: outcome, level, then most findings, then id."""
        return _RANK[self.outcome], Level(self.level).rank, -len(self.findings), self.check


@dataclass
class Cause:
    """One reason why something could not be looked at, with everything that is undetermined for it."""

    text: str
    results: list[Result] = field(default_factory=list)
    gating: int = 0

    @property
    def checks(self) -> list[str]:
        """Ids of the rules touched, each once."""
        return list(dict.fromkeys(result["check"] for result in self.results))

    @property
    def subjects(self) -> list[str]:
        """Subjects touched, each once."""
        return list(dict.fromkeys(result["subject"] for result in self.results))

    @property
    def consequence(self) -> str:
        """What it left open, for a sentence: ``leaves 12 checks undetermined, 3 of them gate``."""
        gating = f", {self.gating:,} of them gate" if self.gating else ""
        if self.gating == len(self.results):
            gating = ", which gates" if self.gating == 1 else ", all of them gate"
        elif self.gating == 1:
            gating = ", 1 of them gates"
        return f"leaves {plural(len(self.results), 'check')} undetermined{gating}"


def groups(results: Results) -> list[Group]:
    """Return what failed, was known and is advised, by rule: what gates first, then by level, then by number."""
    found: dict[tuple[str, str], list[Result]] = {}
    for result in results["results"]:
        if result["outcome"] in ("fail", "known", "advice"):
            weight = result["level"] if result["outcome"] == "advice" else ""
            found.setdefault((result["check"], weight), []).append(result)
    return sorted((_group(results, check, findings) for (check, _), findings in found.items()), key=lambda g: g.order)


def _group(results: Results, check: str, findings: list[Result]) -> Group:
    ordered = sorted(findings, key=lambda f: (_RANK[f["outcome"]], Level(f["level"]).rank))
    about = results["checks"].get(check, {})
    return Group(
        check,
        about.get("title", check),
        about.get("reason", ""),
        about.get("sources", []),
        ordered[0]["outcome"],
        ordered[0]["level"],
        ordered,
    )


def causes(results: Results) -> list[Cause]:
    """Return why something is undetermined, the cause that touches most of what gates first."""
    found: dict[str, Cause] = {}
    for result in results["results"]:
        if result["outcome"] == "undetermined":
            text = result["cause"] or result["seen"] or "no cause was given"
            cause = found.setdefault(text, Cause(text))
            cause.results.append(result)
            cause.gating += gates(result, results)
    return sorted(found.values(), key=lambda cause: (-cause.gating, -len(cause.results), cause.text))


def verdict(results: Results) -> str:
    """Return what the run says of the fleet, whatever its exit status gates."""
    run, counts = results["run"], results["counts"]
    if counts["fail"]:
        return "Does not conform"
    if run["exit"] in (3, 4):
        return "The run failed"
    if not run["complete"]:
        return "Unfinished: nothing broken seen so far"
    if not sum(counts[outcome] for outcome in WORST if outcome != "not-applicable"):
        return "Nothing was judged"
    if any(result["outcome"] == "undetermined" and gates(result, results) for result in results["results"]):
        what = "Nothing newly broken seen" if counts["known"] else "Nothing broken seen"
        return f"{what}, but not everything could be looked at"
    return "Does not conform, as was known: nothing newly broken" if counts["known"] else "Conforms"


def sentence(results: Results) -> str:
    """Return all counts as one sentence."""
    run, counts = results["run"], results["counts"]
    parts = [f"{counts[outcome]:,} {WORDS[outcome]}" for outcome in WORST if counts[outcome]]
    judged = plural(sum(counts.values()), "result")
    fleet = f"{plural(run['hosts'], 'host')} and {plural(run['domains'], 'domain')}"
    shard = f", shard {printable(str(part))} of them" if (part := run.get("extra", {}).get("shard")) else ""
    return f"{judged} on {fleet}{shard}: {', '.join(parts) or 'nothing to count'}."


def changed(results: Results) -> list[str]:
    """Return what is different from the run before, in a sentence; nothing where there was none."""
    if (changes := results.get("changes")) is None:
        return []
    fixed = len(changes["fixed"])
    parts = [f"{changes['new']:,} new", f"{fixed:,} fixed", f"{changes['known']:,} known"]
    parts += [f"{changes['flapping']:,} flapping"] if changes["flapping"] else []
    return [f"Since the run of {changes['before']}: {', '.join(parts)}."]


def inconclusive(results: Results) -> list[str]:
    """Return why a run as a whole says nothing of the fleet, in a sentence; nothing for any other run."""
    why = results["run"].get("inconclusive")
    told = "this run says nothing of the fleet, neither that something is broken nor that it is fixed"
    return [f"? {printable(why)}: {told}."] if why else []
