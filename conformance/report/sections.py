"""The parts of the page as plain data, so that the templates only lay them out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from conformance.report.evidence import Evidence, Section
from conformance.report.grouping import WORST, Cause, Group, Remedy, Result, Results, gates
from conformance.report.matrix import anchor, area_title, by_area, tally
from conformance.report.text import place_address, plural, printable

_REMEDIES = 5
_TO_DO = 350_000
"""Characters that *what to do* may take; every rule has its first remedies with a few findings all the same."""
_LINK = 120
"""Characters of a link to a host or domain, and of the mark-up of a finding in its section."""
_FINDINGS = 100
_LEAST_FINDINGS = 3
_WAIVED = 1_000
"""Subjects of waived findings that are named, ten of each rule at least."""
_FIX = 2_000
_ROWS = 60
_LINE_END, _BLANK_LINE = Markup("\n"), Markup("\n\n")
_SMALL_FLEET = 200
"""Sections up to which rules that passed are named; above that they are counted."""


@dataclass(frozen=True)
class Link:
    """A text that leads somewhere, or nowhere when ``href`` is empty."""

    text: str
    href: str = ""
    note: str = ""


@dataclass(frozen=True)
class Finding:
    """One finding as it is shown: what was judged, what was seen, where it was declared, what proves it."""

    outcome: str
    level: str
    check: Link
    subject: Link
    seen: str
    declared_at: str
    aspect: str
    evidence: list[Link]
    waiver: str


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


def rule_link(check: str) -> Link:
    """Return the link to what to do about a rule."""
    return Link(check, f"#{anchor('r', check)}")


def sources(cited: Iterable[Mapping[str, Any]]) -> list[Link]:
    """Return citations as links to the place, with how hard it asks."""
    return [Link(s["cite"], place_address(s["address"], s["cite"]) or "", s["level"] or "explains") for s in cited]


def finding(result: Result, evidence: Evidence, within: str = "") -> Finding:
    """Return a result as a finding to be shown; ``within`` is the host or domain in whose section it stands."""
    return Finding(
        result["outcome"],
        result["level"],
        rule_link(result["check"]),
        Link(_short(result["subject"], within), _home(result)),
        result["seen"],
        result["declared_at"] or "",
        result["aspect"],
        [Link(ref, where and f"#{where}") for where, ref in evidence.links(result["evidence"])],
        waiver_text(result["waiver"]),
    )


def _short(subject: str, within: str) -> str:
    return "" if subject == within else subject.removeprefix(f"{within}/") if within else subject


def waivers(results: Iterable[Result]) -> list[tuple[Link, str, list[Link], int]]:
    """Return waived results by rule and waiver: rule, what the waiver says, the first subjects, how many more."""
    found: dict[tuple[str, str], list[Link]] = {}
    for result in results:
        key = result["check"], waiver_text(result["waiver"])
        found.setdefault(key, []).append(Link(result["subject"], _home(result)))
    room = max(_WAIVED // max(len(found), 1), 10)
    return [
        (rule_link(check), waiver, subjects[:room], len(subjects) - len(subjects[:room]))
        for (check, waiver), subjects in found.items()
    ]


def waiver_text(waiver: Mapping[str, Any] | None) -> str:
    """Return what a waiver says as ``key: value``, in its own order."""
    return "; ".join(f"{key}: {value}" for key, value in (waiver or {}).items() if value not in (None, "", []))


def blocks(found: Iterable[Group], evidence: Evidence) -> list[Block]:
    """Return groups of findings as *what to do*, which is bounded over all of them, the worst first."""
    room = _TO_DO
    told = []
    for group in found:
        block, room = _block(group, evidence, room)
        told.append(block)
    return told


def _block(group: Group, evidence: Evidence, room: int) -> tuple[Block, int]:
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
        if len(text) + _LINK > room:
            break
        room -= len(text) + _LINK
        texts.setdefault(fix, text)
        folded.append(Link(result["subject"], _home(result)))
    fixes = list(dict.fromkeys(text for text in texts.values() if text))
    block = Block(
        anchor("r", group.check),
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
        room -= 2 * _LINK + len(result["seen"])
        shown.append(finding(result, evidence))
    return RemedyBlock(remedy.required, remedy.fix, shown, len(remedy.findings) - len(shown)), room


def cause_block(number: int, cause: Cause) -> CauseBlock:
    """Return a cause with the rules and the first subjects it touches."""
    subjects = {result["subject"]: _home(result) for result in cause.results}
    shown = list(subjects.items())[:12]
    return CauseBlock(
        f"cause-{number}",
        cause.text,
        len(cause.results),
        cause.gating,
        [rule_link(check) for check in cause.checks],
        [Link(subject, home) for subject, home in shown],
        len(subjects) - len(shown),
    )


def _home(result: Result) -> str:
    if result["host"]:
        return f"#{anchor('h', result['host'])}"
    return f"#{anchor('d', result['domain'])}" if result["domain"] else ""


def declared_hosts(results: Results) -> dict[str, list[tuple[str, list[Link]]]]:
    """Return by host what the inventory declares of it, in words."""
    return {
        host["name"]: [
            (
                "Sends from",
                [Link(f"{a['address']} as {a['helo']}", "", a["declared_at"] or "") for a in host["addresses"]],
            ),
            ("Listens on port", [Link(listener.removeprefix(f"{host['name']}:")) for listener in host["listeners"]]),
            ("Sends for", [Link(name, f"#{anchor('d', name)}") for name in host["sends_for"]]),
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

    def sections(self) -> list[Section]:
        """Return every section, those with most to look at first."""
        every: list[tuple[Section, list[Result]]] = [(("d", name), own) for name, own in self.domains.items()]
        every += [(("h", name), own) for name, own in self.hosts.items()]
        every.append((("h", ""), self.fleet))
        return [section for section, own in sorted(every, key=lambda pair: _weight(pair[1]))]

    def shorten(self, room: int) -> None:
        """Have the sections with the least to look at name only the rules that were broken, beyond ``room`` characters.

        *What to do* and ``results.json`` have the findings themselves.
        """
        for kind, name in self.sections():
            own = (self.hosts.get(name, self.fleet) if kind == "h" else self.domains[name]) if name else self.fleet
            room -= sum(_LINK + len(result["seen"]) for result in _told(own)[:_ROWS])
            if room < 0:
                self.brief.add((kind, name))

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
    return tuple(-counts[outcome] for outcome in WORST[:4])


def _told(own: Sequence[Result]) -> list[Result]:
    return [r for outcome in ("fail", "advice", "waived") for r in own if r["outcome"] == outcome]


def _by_outcome(told: Sequence[Result]) -> list[tuple[str, str]]:
    """Return the rules that findings were about, by outcome."""
    found: dict[str, dict[str, None]] = {}
    for result in told:
        found.setdefault(result["outcome"], {})[result["check"]] = None
    return [
        (outcome, "; ".join(_area(area, kept, "", named=True) for area, kept in by_area(checks).items()))
        for outcome, checks in found.items()
    ]


def _by_cause(own: Sequence[Result], named: bool) -> list[tuple[str, str]]:
    """Return what could not be looked at: cause, and the rules or how many an area."""
    found: dict[str, dict[str, None]] = {}
    for result in own:
        if result["outcome"] == "undetermined":
            found.setdefault(result["cause"] or result["seen"], {})[result["check"]] = None
    return [
        (cause, "; ".join(_area(area, kept, str(len(kept)), named) for area, kept in by_area(checks).items()))
        for cause, checks in found.items()
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
