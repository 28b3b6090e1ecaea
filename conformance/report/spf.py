"""The section of the page about SPF as plain data: addresses by domains, who else is authorised, the look-up trees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conformance.reading.numbering import count, numbers
from conformance.reading.scripts import in_both_forms
from conformance.report.grouping import Results
from conformance.report.matrix import anchor
from conformance.report.text import look_ups, printable

ALLOWED = 10
"""Look-ups that a record may cost (RFC 7208 section 4.6.4)."""
_ROWS = 120
_COLUMNS = 60
_NAMES = 12
_TERMS = 8
_TICKS = 30
_ROOM = 300_000
"""Characters that the domains may take."""
_CELL = 170
"""Characters of a cell with its evidence."""
_LINE = 260
"""Characters of the mark-up around a term."""
_WIDE = 10**7

_UNTOLD: Mapping[str, Any] = {"result": "", "term": "not told", "path": []}
CELLS = {"in": "✓", "spare": "+", "out": "✗", "unseen": "?", "unknown": "?", "none": "·"}
"""The marks of the matrix by kind."""
_KINDS = ("out", "unseen", "in", "spare", "unknown", "none")
"""Kinds as they are told, what is to be looked at first."""


@dataclass(frozen=True)
class Column:
    """Addresses of which every domain says the same; ``title`` has their names."""

    label: str
    more: int
    title: str


@dataclass(frozen=True)
class Mark:
    """What a domain says of the addresses of a column: a kind, as it is styled, a letter and the evidence."""

    kind: str
    letter: str
    title: str


@dataclass(frozen=True)
class Row:
    """A domain of the matrix; ``anchor`` is where it is told, here or with what the rules say of it."""

    name: str
    anchor: str
    marks: list[Mark]


@dataclass(frozen=True)
class Said:
    """What one term decides: the result, the term, its record, and which addresses."""

    kind: str
    result: str
    term: str
    record: str
    names: list[str]
    more: int


@dataclass(frozen=True)
class Included:
    """Whom the terms of one record authorise that no host is: the way to it, the counts, the terms with theirs."""

    record: str
    count: str
    terms: list[tuple[str, str]]
    more: int


@dataclass(frozen=True)
class Domain:
    """A domain with all that is told of its SPF."""

    name: str
    anchor: str
    home: str
    mail_from: str
    lookups: int
    cost: str
    badge: str
    ticks: list[str]
    own: str
    tone: str
    others: str
    unknown_versions: str
    said: list[Said]
    included: list[Included]
    more_others: int
    tree: Mapping[str, Any]


@dataclass(frozen=True)
class _Spread:
    """Which cell of a domain holds an address: ``usual`` the one with most, ``apart`` those of all other cells.

    Cells are numbered; -1 is none.
    """

    usual: int
    apart: Mapping[int, int]

    def of(self, number: int) -> int:
        """Return the cell that holds an address."""
        return self.apart.get(number, self.usual)


def _spread(domain: Mapping[str, Any], total: int) -> _Spread:
    sizes = [count(cell["at"]) for cell in domain["cells"]]
    usual = max(range(len(sizes)), key=sizes.__getitem__, default=-1)
    apart = {
        number: place for place, cell in enumerate(domain["cells"]) if place != usual for number in numbers(cell["at"])
    }
    if sum(sizes) < total:
        held = {number for cell in domain["cells"] for number in numbers(cell["at"])}
        apart |= {number: -1 for number in range(total) if number not in held}
    return _Spread(usual, apart)


class Spf:
    """What the page tells of SPF; empty where results tell nothing."""

    def __init__(self, results: Results) -> None:
        told: Mapping[str, Any] = results.get("spf") or {"addresses": [], "domains": []}
        self.addresses: Sequence[str] = told["addresses"]
        self._own = {domain["domain"]: frozenset(numbers(domain["sent_from"])) for domain in told["domains"]}
        self._cells = {domain["domain"]: _spread(domain, len(self.addresses)) for domain in told["domains"]}
        domains = sorted(told["domains"], key=self._weight)
        groups = self._groups()
        self.columns = [self._column(group) for group in groups[:_COLUMNS]]
        self.more_columns = sum(map(len, groups[_COLUMNS:]))
        self.domains: list[Domain] = []
        room = _ROOM
        for domain in domains:
            room -= _size(domain)
            if room < 0:
                break
            self.domains.append(self._domain(domain))
        self.more_domains = len(domains) - len(self.domains)
        most = min(_ROWS, _ROOM // (_CELL * max(len(self.columns), 1)))
        self.rows = [self._row(domain, groups[:_COLUMNS]) for domain in domains[:most]]
        self.more_rows = len(domains) - len(self.rows)

    def _groups(self) -> list[list[int]]:
        """Return the addresses of which every domain says the same, and which send for the same domains.

        An address is told by the domains that do not say of it what they say of most.
        """
        apart: list[list[tuple[str, int, bool]]] = [[] for _ in self.addresses]
        for name, spread in self._cells.items():
            own = self._own[name]
            for number in sorted(own.union(spread.apart)):
                if number < len(apart) and (number in own or spread.of(number) != spread.usual):
                    apart[number].append((name, spread.of(number), number in own))
        found: dict[tuple[tuple[str, int, bool], ...], list[int]] = {}
        for number, said in enumerate(apart):
            found.setdefault(tuple(said), []).append(number)
        return list(found.values())

    def _column(self, group: Sequence[int]) -> Column:
        names = [self.addresses[number] for number in group]
        more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
        return Column(names[0], len(names) - 1, ", ".join(names[:_NAMES]) + more)

    def _weight(self, domain: Mapping[str, Any]) -> tuple[Any, ...]:
        kinds = [self._kind(domain, number) for number in self._own[domain["domain"]]]
        return -kinds.count("out"), -kinds.count("unseen"), domain["lookups"] <= ALLOWED, domain["domain"]

    def _kind(self, domain: Mapping[str, Any], number: int) -> str:
        place = self._cells[domain["domain"]].of(number)
        result = domain["cells"][place]["result"] if place >= 0 else ""
        own = number in self._own[domain["domain"]]
        if not result:
            return "unseen" if own else "unknown"
        if result == "pass":
            return "in" if own else "spare"
        return "out" if own else "none"

    def _row(self, domain: Mapping[str, Any], groups: Sequence[Sequence[int]]) -> Row:
        marks = [self._mark(domain, group[0]) for group in groups]
        place = anchor("spf", domain["domain"])
        shown = any(one.anchor == place for one in self.domains)
        return Row(in_both_forms(domain["domain"]), place if shown else anchor("d", domain["domain"]), marks)

    def _mark(self, domain: Mapping[str, Any], number: int) -> Mark:
        kind = self._kind(domain, number)
        place = self._cells[domain["domain"]].of(number)
        cell: Mapping[str, Any] = domain["cells"][place] if place >= 0 else _UNTOLD
        where = f" of {' > '.join(cell['path'])}" if cell["path"] else ""
        term = printable(cell["term"], 80)
        return Mark(kind, CELLS[kind], f"{cell['result'] or 'not known'}: {term or 'no term'}{where}"[:_CELL])

    def _domain(self, domain: Mapping[str, Any]) -> Domain:
        kinds = [self._kind(domain, number) for number in self._own[domain["domain"]]]
        passing, unseen = kinds.count("in"), kinds.count("unseen")
        own = f"{passing:,} of {len(kinds):,} own addresses pass" if kinds else "nobody sends for it"
        foreign = sum(one["v4"] for one in domain["others"]), sum(one["v6"] for one in domain["others"])
        known = domain.get("lookups_known", True)
        missing = [f"IPv{version}" for version in (4, 6) if version not in domain["by_networks"]]
        return Domain(
            in_both_forms(domain["domain"]),
            anchor("spf", domain["domain"]),
            f"#{anchor('d', domain['domain'])}",
            domain["mail_from"] if domain["mail_from"] != domain["domain"] else "",
            domain["lookups"],
            look_ups(domain["lookups"], known),
            str(domain["lookups"]) if known or domain["lookups"] else "?",
            _ticks(domain["lookups"]),
            f"{own}{f', {unseen} not known' if unseen else ''}",
            "fail" if "out" in kinds else "undetermined" if unseen else "pass" if kinds else "not-applicable",
            _count(*foreign),
            " and ".join(missing),
            self._said(domain),
            _included(domain["others"]),
            domain["more_others"],
            domain["tree"],
        )

    def _said(self, domain: Mapping[str, Any]) -> list[Said]:
        """Return what each term decides, of the addresses that send for the domain and of the others apart."""
        own = self._own[domain["domain"]]
        told = []
        for cell in domain["cells"]:
            held = [number for number in numbers(cell["at"]) if number < len(self.addresses)]
            parts = [number for number in held if number in own], [number for number in held if number not in own]
            told += [
                Said(
                    self._kind(domain, part[0]),
                    cell["result"] or "not known",
                    cell["term"],
                    " > ".join(cell["path"]),
                    [self.addresses[number] for number in part[:_NAMES]],
                    max(len(part) - _NAMES, 0),
                )
                for part in parts
                if part
            ]
        return sorted(told, key=lambda one: _KINDS.index(one.kind))


def _ticks(lookups: int) -> list[str]:
    """Return a mark for each look-up, and for each that is left: ``on``, ``over``, ``off``."""
    shown = max(min(lookups, _TICKS), ALLOWED)
    return ["off" if tick >= lookups else "on" if tick < ALLOWED else "over" for tick in range(shown)]


def _included(others: Sequence[Mapping[str, Any]]) -> list[Included]:
    """Return whom records authorise besides, by record, those with most addresses first."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for one in others:
        found.setdefault(one["record"], []).append(one)
    told = []
    for record, own in found.items():
        total = _count(sum(one["v4"] for one in own), sum(one["v6"] for one in own))
        terms = [(one["term"], _count(one["v4"], one["v6"])) for one in own[:_TERMS]]
        told.append(Included(record, total, terms, len(own) - len(terms)))
    return told


def _count(v4: int, v6: int) -> str:
    parts = [f"{_number(number)} {family}" for number, family in ((v4, "IPv4"), (v6, "IPv6")) if number]
    return " and ".join(parts)


def _number(number: int) -> str:
    """Return a number as people read it: large ones as a power of two, which is what networks are made of."""
    return f"{number:,}" if number < _WIDE else f"about 2^{number.bit_length() - 1}"


def _size(domain: Mapping[str, Any]) -> int:
    """Return about how many characters a domain takes on the page."""
    cells = sum(2 * (_LINE + len(cell["term"]) + 40 * _NAMES) for cell in domain["cells"])
    others = sum(_LINE // 2 + len(one["term"]) + len(one["record"]) for one in domain["others"])
    return 2 * _LINE + cells + others + _tree_size(domain["tree"])


def _tree_size(node: Mapping[str, Any]) -> int:
    below = (_tree_size(look["node"]) if look["node"] else 0 for look in node["looks"])
    terms = sum(_LINE + len(look["term"]) + len(look["leads"]) for look in node["looks"])
    return _LINE + len(node["text"]) + len(node["absence"]) + terms + sum(below)
