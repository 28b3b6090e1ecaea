"""*What to do* and what could not be looked at, as plain data for the templates."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup

from conformance.reading.scripts import id_in_both_forms
from conformance.report.evidence import Evidence
from conformance.report.findings import (
    LINK,
    Finding,
    Link,
    finding,
    home,
    rule_link,
    sources,
    subject_link,
    waiver_text,
)
from conformance.report.grouping import Cause, Group, Remedy, Result
from conformance.report.matrix import anchor
from conformance.report.text import plural, printable

_REMEDIES = 5
_ROOM = 350_000
"""Characters that *what to do* may take; every rule has its first remedies with a few findings all the same."""
_FINDINGS = 100
_LEAST_FINDINGS = 3
_WAIVED = 1_000
"""Subjects of waived findings that are named, ten of each rule at least."""
_FIX = 2_000
_LINE_END, _BLANK_LINE = Markup("\n"), Markup("\n\n")


@dataclass(frozen=True)
class RemedyBlock:
    """Findings that one fix cures; ``more`` is how many of them are not written out."""

    required: str
    fix: str
    findings: list[Finding]
    more: int


@dataclass(frozen=True)
class Block:
    """One rule of *what to do*: the first remedies in full, of others the subjects and fixes, the rest counted."""

    anchor: str
    check: str
    title: str
    reason: str
    outcome: str
    level: str
    count: str
    sources: list[Link]
    remedies: list[RemedyBlock]
    folded: list[Link]
    fixes: Markup
    more: int


@dataclass(frozen=True)
class CauseBlock:
    """One reason why nothing could be seen, and what it left undetermined."""

    anchor: str
    text: str
    count: int
    gating: int
    checks: list[Link]
    subjects: list[Link]
    more: int


def waivers(results: Iterable[Result]) -> list[tuple[Link, str, list[Link], int]]:
    """Return waived results by rule and waiver: rule, what the waiver says, the first subjects, how many more."""
    found: dict[tuple[str, str], list[Link]] = {}
    for result in results:
        key = result["check"], waiver_text(result["waiver"])
        found.setdefault(key, []).append(subject_link(result))
    room = max(_WAIVED // max(len(found), 1), 10)
    return [
        (rule_link(check), waiver, subjects[:room], len(subjects) - len(subjects[:room]))
        for (check, waiver), subjects in found.items()
    ]


def blocks(found: Iterable[Group], evidence: Evidence) -> list[Block]:
    """Return groups of findings as *what to do*, which is bounded over all of them, the worst first."""
    room = _ROOM
    told: dict[str, Block] = {}
    for group in found:
        place = anchor("r", group.check)
        place = f"{place}.{group.level}" if place in told else place
        told[place], room = _block(group, place, evidence, room)
    return list(told.values())


def _block(group: Group, place: str, evidence: Evidence, room: int) -> tuple[Block, int]:
    """Return what to do about a group, and how many characters of ``room`` it left."""
    remedies = group.remedies
    first = []
    for remedy in remedies[:_REMEDIES]:
        told, room = _remedy(remedy, evidence, room)
        first.append(told)
    rest = [(remedy.fix, result) for remedy in remedies[_REMEDIES:] for result in remedy.findings]
    folded: list[Link] = []
    texts: dict[str, str] = {}
    for fix, result in rest:
        text = "" if fix in texts else printable(fix, _FIX, newlines=True)
        if len(text) + LINK > room:
            break
        room -= len(text) + LINK
        texts.setdefault(fix, text)
        folded.append(subject_link(result))
    fixes = list(dict.fromkeys(text for text in texts.values() if text))
    block = Block(
        place,
        group.check,
        group.title,
        group.reason,
        group.outcome,
        group.level,
        plural(len(group.findings), "subject"),
        sources(group.sources),
        first,
        folded,
        _BLANK_LINE.join(fixes) if any("\n" in fix for fix in fixes) else _LINE_END.join(fixes),
        len(rest) - len(folded),
    )
    return block, room


def _remedy(remedy: Remedy, evidence: Evidence, room: int) -> tuple[RemedyBlock, int]:
    """Return a remedy with its findings, and how many characters of ``room`` it left."""
    room -= len(remedy.required) + len(remedy.fix)
    shown: list[Finding] = []
    for result in remedy.findings[:_FINDINGS]:
        if len(shown) >= _LEAST_FINDINGS and room < 0:
            break
        room -= 2 * LINK + len(result["seen"])
        shown.append(finding(result, evidence))
    return RemedyBlock(remedy.required, remedy.fix, shown, len(remedy.findings) - len(shown)), room


def cause_block(number: int, cause: Cause) -> CauseBlock:
    """Return a cause with the rules and the first subjects it touches."""
    subjects = {result["subject"]: home(result) for result in cause.results}
    shown = list(subjects.items())[:12]
    return CauseBlock(
        f"cause-{number}",
        cause.text,
        len(cause.results),
        cause.gating,
        [rule_link(check) for check in cause.checks],
        [Link(id_in_both_forms(subject), home) for subject, home in shown],
        len(subjects) - len(shown),
    )
