"""The sections of the page about hosts and domains as plain data, so that the templates only lay them out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from markupsafe import Markup

from conformance.reading.scripts import in_both_forms
from conformance.report.evidence import Evidence, Section
from conformance.report.findings import LINK, Finding, Link, finding
from conformance.report.grouping import WORST, Result, Results, gates
from conformance.report.matrix import anchor, area_title, by_area, tally

_ROWS = 60
_SMALL_FLEET = 200
"""Sections up to which rules that passed are named; above that they are counted."""


@dataclass(frozen=True)
class Details:
    """A host or domain: what is declared of it, its findings or only their rules, what passed, and the evidence."""

    name: str
    anchor: str
    clean: bool
    tally: list[tuple[str, int]]
    about: list[tuple[str, list[Link]]]
    findings: list[Finding]
    more: int
    brief: list[tuple[str, str]]
    undetermined: list[tuple[str, str]]
    passed: str
    skipped: str
    evidence: Markup | None
    left_out: bool


def declared_hosts(results: Results) -> dict[str, list[tuple[str, list[Link]]]]:
    """Return by host what the inventory declares of it, in words."""
    return {
        host["name"]: [
            (
                "Sends from",
                [Link(f"{a['address']} as {a['helo']}", "", a["declared_at"] or "") for a in host["addresses"]],
            ),
            ("Listens on port", [Link(listener.removeprefix(f"{host['name']}:")) for listener in host["listeners"]]),
            ("Sends for", [Link(in_both_forms(name), f"#{anchor('d', name)}") for name in host["sends_for"]]),
        ]
        for host in results["hosts"]
    }


def declared_domains(results: Results) -> dict[str, list[tuple[str, list[Link]]]]:
    """Return by domain what the inventory declares of it, in words."""
    return {
        domain["name"]: [
            ("Declared", [Link("never sends mail")] if domain["no_mail"] else []),
            ("Selectors", [Link(selector) for selector in domain["selectors"]]),
            ("Sent for by", [Link(host, f"#{anchor('h', host)}") for host in domain["hosts"]]),
        ]
        for domain in results["domains"]
    }


class Judged:
    """The results of a run by host and by domain, with the sections that tell of them."""

    def __init__(self, results: Results) -> None:
        self.results = results
        self.hosts: dict[str, list[Result]] = {host["name"]: [] for host in results["hosts"]}
        self.domains: dict[str, list[Result]] = {domain["name"]: [] for domain in results["domains"]}
        self.fleet: list[Result] = []
        self.brief: set[Section] = set()
        for result in results["results"]:
            if result["host"]:
                self.hosts.setdefault(result["host"], []).append(result)
            if result["domain"]:
                self.domains.setdefault(result["domain"], []).append(result)
            if not result["host"] and not result["domain"]:
                self.fleet.append(result)

    @cached_property
    def sections(self) -> dict[Section, list[Result]]:
        """Every section with its results, those with most to look at first."""
        every: list[tuple[Section, list[Result]]] = [(("d", name), own) for name, own in self.domains.items()]
        every += [(("h", name), own) for name, own in self.hosts.items()]
        every.append((("h", ""), self.fleet))
        return dict(sorted(every, key=lambda pair: _weight(pair[1])))

    def shorten(self, room: int) -> None:
        """Have the sections with the least to look at name only the rules that were broken, beyond ``room`` characters.

        *What to do* and ``results.json`` have the findings themselves.
        """
        for section, own in self.sections.items():
            room -= sum(LINK + len(result["seen"]) for result in _told(own)[:_ROWS])
            if room < 0:
                self.brief.add(section)

    def host_details(self, evidence: Evidence) -> list[Details]:
        """Return the hosts, and the fleet as a whole where something was judged of it."""
        about = declared_hosts(self.results)
        found = [self._details(("h", name), own, about, evidence) for name, own in self.hosts.items()]
        if any(result["outcome"] != "not-applicable" for result in self.fleet):
            found.append(self._details(("h", ""), self.fleet, {}, evidence))
        return found

    def domain_details(self, evidence: Evidence) -> list[Details]:
        """Return the domains."""
        about = declared_domains(self.results)
        return [self._details(("d", name), own, about, evidence) for name, own in self.domains.items()]

    def _details(
        self,
        section: Section,
        own: Sequence[Result],
        declared: Mapping[str, list[tuple[str, list[Link]]]],
        evidence: Evidence,
    ) -> Details:
        kind, name = section
        small = len(self.hosts) + len(self.domains) <= _SMALL_FLEET
        told = _told(own)
        shown = [] if section in self.brief else told[:_ROWS]
        return Details(
            name or "The whole fleet",
            anchor(kind, name),
            all(result["outcome"] in ("pass", "not-applicable") for result in own),
            tally(own),
            [(label, links) for label, links in declared.get(name, []) if links],
            [finding(result, evidence, name) for result in shown],
            len(told) - len(shown),
            _by_outcome(told) if section in self.brief else [],
            _by_cause(own, small),
            _passed(own, small),
            _skipped(own, small),
            evidence.shown.get(section),
            section in evidence.left_out,
        )

    def score(self, level: str) -> tuple[int, int]:
        """Return how many results of a level passed, of how many that apply; waived and undetermined do not pass."""
        applied = [r["outcome"] for r in self.results["results"] if r["level"] == level]
        applied = [outcome for outcome in applied if outcome != "not-applicable"]
        return applied.count("pass"), len(applied)

    def gating_undetermined(self) -> int:
        """Return how many results that gate are undetermined."""
        results = self.results["results"]
        return sum(r["outcome"] == "undetermined" and gates(r, self.results) for r in results)


def _weight(own: Sequence[Result]) -> tuple[int, ...]:
    counts = dict.fromkeys(WORST, 0)
    for result in own:
        counts[result["outcome"]] += 1
    return tuple(-counts[outcome] for outcome in WORST[:5])


def _told(own: Sequence[Result]) -> list[Result]:
    return [r for outcome in ("fail", "known", "advice", "waived") for r in own if r["outcome"] == outcome]


def _by_outcome(told: Sequence[Result]) -> list[tuple[str, str]]:
    """Return the rules that findings were about, by outcome."""
    return _rules_by(lambda result: result["outcome"], told, named=True)


def _by_cause(own: Sequence[Result], named: bool) -> list[tuple[str, str]]:
    """Return what could not be looked at: cause, and the rules or how many an area."""
    unseen = [result for result in own if result["outcome"] == "undetermined"]
    return _rules_by(lambda result: result["cause"] or result["seen"], unseen, named)


def _rules_by(key: Callable[[Result], Any], own: Sequence[Result], named: bool) -> list[tuple[str, str]]:
    found: dict[str, dict[str, None]] = {}
    for result in own:
        found.setdefault(key(result), {})[result["check"]] = None
    return [
        (name, "; ".join(_area(area, kept, str(len(kept)), named) for area, kept in by_area(checks).items()))
        for name, checks in found.items()
    ]


def _area(area: str, checks: Sequence[str], number: str, named: bool) -> str:
    names = ", ".join(check.partition(".")[2] for check in checks)
    return f"{area_title(area)} {(names if named else number) or 'none'}"


def _passed(own: Sequence[Result], named: bool) -> str:
    """Return by area what held for every subject of a section: the rules, or how many of those that apply."""
    whole: dict[str, bool] = {}
    for result in own:
        if result["outcome"] != "not-applicable":
            whole[result["check"]] = whole.get(result["check"], True) and result["outcome"] == "pass"
    lines = []
    for area, checks in by_area(whole).items():
        kept = [check for check in checks if whole[check]]
        lines.append(_area(area, kept, f"{len(kept)} of {len(checks)}", named))
    return "; ".join(lines)


def _skipped(own: Sequence[Result], named: bool) -> str:
    """Return the rules that applied to no subject of a section; the matrix has them where they are not named."""
    applied = {result["check"] for result in own if result["outcome"] != "not-applicable"}
    return ", ".join(dict.fromkeys(r["check"] for r in own if r["check"] not in applied)) if named else ""
