"""Hosts by rules as lines of letters, and domains by areas."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from markupsafe import Markup

from conformance.report.grouping import LETTERS, WORDS, WORST, Result, Results, worst

_LONGEST_NAME = 300
_UNSAFE = re.compile(r"[^A-Za-z0-9._:@/-]")
_AREAS = {
    "dom": "Domain",
    "helo": "HELO",
    "ip": "Address",
    "mtasts": "MTA-STS",
    "dane": "DANE",
    "parked": "Parked",
    "srv": "SMTP",
    "tlsrpt": "TLS-RPT",
}
_HOST_AREAS: Sequence[str] = ("ptr", "helo", "ip", "srv", "tls")
_DOMAIN_AREAS: Sequence[str] = ("spf", "dkim", "dmarc", "mtasts", "tlsrpt", "dane", "dom")
_TAGS = {"undetermined": "u", "waived": "s", "not-applicable": "i"}
"""Short elements for runs of letters: a matrix has a hundred thousand of them."""
_LINKED = ("fail", "known", "advice")
_LINKS = 3_000
"""Letters that lead to what to do; where there are more of them, the heads of the columns do it alone."""


def anchor(kind: str, name: str) -> str:
    """Return the id of a section: ``r`` a rule, ``h`` a host, ``d`` a domain. Safe to stand in HTML and a URL."""
    safe = _UNSAFE.sub(lambda match: f"~{ord(match[0]):x}", name[:_LONGEST_NAME])
    return f"{kind}-{safe.replace('.', '-') if kind == 'r' else safe}"


def area_title(area: str) -> str:
    """Return how an area is headed: ``PTR``, ``SPF``, ``Domain``."""
    return _AREAS.get(area, area.upper())


def by_area(checks: Iterable[str]) -> dict[str, list[str]]:
    """Return rule ids by area, areas and rules in the order of their first."""
    areas: dict[str, list[str]] = {}
    for check in checks:
        areas.setdefault(check.partition(".")[0], []).append(check)
    return areas


@dataclass(frozen=True)
class Column:
    """An area of the matrix with the rules that are its letters, in order."""

    title: str
    rules: list[tuple[str, str, str]]
    """Anchor, label without the area, title."""


@dataclass(frozen=True)
class Row:
    """A host: one text of letters an area. ``clean`` when there is nothing to look at."""

    name: str
    anchor: str
    cells: list[Markup]
    clean: bool


@dataclass(frozen=True)
class Mark:
    """A worst outcome of a domain's area or selector, in words."""

    outcome: str
    label: str


@dataclass(frozen=True)
class DomainRow:
    """A domain with its marks by area."""

    name: str
    anchor: str
    cells: list[list[Mark]]


def hosts_matrix(results: Results, hosts: Mapping[str, Sequence[Result]]) -> tuple[list[Column], list[Row]]:
    """Return hosts by rules; a host's letter is the worst of its addresses. Rules that never applied are left out."""
    grid: dict[str, dict[str, str]] = {}
    applied: set[str] = set()
    for host, own in hosts.items():
        line = grid.setdefault(host, {})
        for result in own:
            check, outcome = result["check"], result["outcome"]
            line[check] = worst((line[check], outcome)) if check in line else outcome
            if outcome != "not-applicable":
                applied.add(check)
    found = by_area(_known(results, applied))
    areas = {area: found[area] for area in [a for a in _HOST_AREAS if a in found] + list(found)}
    linked = sum(outcome in _LINKED for line in grid.values() for outcome in line.values()) <= _LINKS
    columns = [Column(area_title(area), [_rule(results, c) for c in checks]) for area, checks in areas.items()]
    rows = [
        Row(
            host,
            anchor("h", host),
            [letters(checks, line, linked) for checks in areas.values()],
            all(outcome in ("pass", "not-applicable") for outcome in line.values()),
        )
        for host, line in grid.items()
    ]
    return columns, rows


def _known(results: Results, applied: set[str]) -> list[str]:
    return [check for check in results["checks"] if check in applied] + sorted(applied - set(results["checks"]))


def _rule(results: Results, check: str) -> tuple[str, str, str]:
    about = results["checks"].get(check, {})
    return anchor("r", check), check.partition(".")[2], about.get("title", check)


def letters(checks: Sequence[str], outcomes: Mapping[str, str], linked: bool = True) -> Markup:
    """Return one letter a rule; what is broken may link to what to do. A rule without a result is a space."""
    parts = []
    for outcome, run in groupby(checks, key=lambda check: outcomes.get(check, "")):
        same = list(run)
        letter = LETTERS.get(outcome, " ")
        if outcome in _LINKED and not linked:
            parts.append(f'<a class="{letter}">{letter * len(same)}</a>')
        elif outcome in _LINKED:
            parts += [f'<a class="{letter}" href="#{anchor("r", check)}">{letter}</a>' for check in same]
        elif tag := _TAGS.get(outcome):
            parts.append(f"<{tag}>{letter * len(same)}</{tag}>")
        else:
            parts.append(letter * len(same))
    return Markup("".join(parts))  # noqa: S704 - only letters and anchors, which hold nothing but safe characters


def domains_table(domains: Mapping[str, Sequence[Result]]) -> tuple[list[str], list[DomainRow]]:
    """Return areas and domains by them: worst outcome an area, DKIM one a selector."""
    found = by_area(r["check"] for own in domains.values() for r in own if r["outcome"] != "not-applicable")
    areas: list[str] = [area for area in _DOMAIN_AREAS if area in found]
    areas += sorted(set(found) - set(areas) - {"parked"}) + (["parked"] if "parked" in found else [])
    rows = []
    for name, own in domains.items():
        split: dict[str, list[Result]] = {area: [] for area in areas}
        for result in own:
            if result["outcome"] != "not-applicable":
                split[result["check"].partition(".")[0]].append(result)
        rows.append(DomainRow(name, anchor("d", name), [_marks(name, mine) for mine in split.values()]))
    return [area_title(area) for area in areas], rows


def _marks(domain: str, own: Sequence[Result]) -> list[Mark]:
    selectors: dict[str, list[Result]] = {}
    for result in own:
        label = result["subject"].removeprefix(f"{domain}/") if result["kind"] == "selector" else ""
        selectors.setdefault(label, []).append(result)
    return [_mark(label, results) for label, results in selectors.items()]


def _mark(label: str, own: Sequence[Result]) -> Mark:
    outcome = worst(result["outcome"] for result in own)
    number = sum(result["outcome"] == outcome for result in own)
    text = WORDS[outcome] if outcome == "pass" else f"{number} {WORDS[outcome]}"
    return Mark(outcome, f"{label} {text}".strip())


def tally(own: Iterable[Result]) -> list[tuple[str, int]]:
    """Return how often each outcome occurs, worst first, without what passed or did not apply."""
    counts = dict.fromkeys(WORST, 0)
    for result in own:
        counts[result["outcome"]] += 1
    return [(outcome, number) for outcome, number in counts.items() if number and outcome not in WORST[-2:]]
