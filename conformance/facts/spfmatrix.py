"""The SPF matrix: what the records of a fleet say of its addresses, and whom else they authorise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass

from conformance.facts.answer import Status
from conformance.facts.spfcheck import SpfResult
from conformance.facts.spfcompiled import VERSIONS, Compiled, Span, judged_as
from conformance.facts.spfjudged import Networks, evaluate, networks
from conformance.facts.spfnumbered import Numbered
from conformance.facts.spftree import Node
from conformance.facts.store import Asker
from conformance.fleet.model import Domain
from conformance.fleet.origin import IPAddress
from conformance.reading.numbering import first, numbers, others, ranges

LEFT_OUT = "not evaluated: networks alone do not decide it, and too many addresses are like that"


@dataclass(frozen=True, slots=True)
class Cell:
    """What SPF of a domain says of an address: the result and the term that decides it.

    ``result`` is empty where it is not known, with the cause in ``term``.
    """

    result: str
    term: str
    path: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Others:
    """Authorised addresses that no host of the fleet has: the record that names them, and how many of each version."""

    record: str
    term: str
    v4: int
    v6: int


@dataclass(frozen=True, slots=True)
class Row:
    """A domain of the matrix: its records, a cell for each address, and whom its terms authorise besides.

    ``by_networks`` holds the IP versions for which the record was compiled, and pyspf agreed on a sample: of the others
    it decided the cells, or nothing is known of them.
    """

    domain: str
    root: Node
    cells: tuple[tuple[Cell, str], ...]
    """Each with the numbers of the addresses that it tells of as ranges, by the first of them."""
    others: tuple[Others, ...]
    by_networks: tuple[int, ...]
    evaluated: int = 0
    """Addresses that pyspf judged."""

    @property
    def by_number(self) -> dict[int, Cell]:
        """The cell of each address, in the order of the addresses."""
        found = {number: cell for cell, at in self.cells for number in numbers(at)}
        return {number: found[number] for number in sorted(found)}


async def row(ask: Asker, domain: Domain, addresses: Numbered, most: int | None = None) -> Row:
    """Judge all addresses by SPF of a domain's envelope domain; ``most`` bounds those that pyspf judges one by one.

    Those that send for the domain are judged first. Of those that are left out the cells say so.
    """
    made = await networks(ask, domain, lambda record: addresses.told_apart(domain, record))
    found: dict[Cell, list[int]] = {}
    whole = _by_networks(made, addresses, found)
    for version, text in made.disputes.items():
        if numbers_of := addresses.of(version):
            found.setdefault(Cell("", text), []).extend(numbers_of)
    undecided = {one for one in VERSIONS.difference(made.records, made.disputes) if addresses.of(one)}
    evaluated = await _one_by_one(ask, domain, made, addresses, undecided, most, found) if undecided else 0
    return Row(
        domain.mail_from,
        made.root,
        _ranged(found, whole, len(addresses.addresses)),
        tuple(_others(made.records.values(), addresses)),
        tuple(sorted(made.records)),
        evaluated,
    )


def _by_networks(made: Networks, addresses: Numbered, found: dict[Cell, list[int]]) -> Cell | None:
    """Find the addresses of each cell that networks decide, but for the one with the most, which is returned.

    Of a large fleet nearly all addresses lie in what a record has to say of everybody.
    """
    spans: dict[Cell, list[tuple[int, Span]]] = {}
    counts: Counter[Cell] = Counter()
    for version, record in made.records.items():
        for span in record.spans:
            if count := addresses.count(version, span.first, span.last):
                cell = Cell(span.result, span.term, span.path)
                spans.setdefault(cell, []).append((version, span))
                counts[cell] += count
    whole = counts.most_common(1)[0][0] if counts else None
    for cell, own in spans.items():
        if cell != whole:
            found[cell] = [
                number for version, span in own for number in addresses.within(version, span.first, span.last)
            ]
    return whole


async def _one_by_one(
    ask: Asker,
    domain: Domain,
    made: Networks,
    addresses: Numbered,
    versions: Set[int],
    most: int | None,
    found: dict[Cell, list[int]],
) -> int:
    """Have pyspf judge the addresses of some versions, as many as are allowed; return how many it judged."""
    evaluated = 0
    before: Cell | None = None
    said: dict[IPAddress, Cell] = {}
    alike = _refused(made.root)
    for number in addresses.own_first(domain):
        address = addresses.addresses[number]
        if judged_as(address.ip).version not in versions:
            continue
        cell = before if alike and before else said.get(address.ip)
        if cell is None and most is not None and evaluated >= most:
            cell = Cell("", LEFT_OUT)
        elif cell is None:
            evaluated += 1
            cell = said[address.ip] = _cell(await evaluate(ask, domain, address))
        before = before or cell
        found.setdefault(cell, []).append(number)
    return evaluated


def _ranged(found: Mapping[Cell, list[int]], whole: Cell | None, total: int) -> tuple[tuple[Cell, str], ...]:
    """Return cells with ranges of numbers, in the order of their first; ``whole`` has all that no other has."""
    told = {cell: ranges(sorted(numbers)) for cell, numbers in found.items() if cell != whole}
    if whole is not None:
        told[whole] = others(sorted(number for cell in told for number in found[cell]), total)
    return tuple(sorted(told.items(), key=lambda pair: first(pair[1])))


def _refused(root: Node) -> bool:
    """Whether no valid record stands at the domain, so that all addresses are judged alike (sections 4.5 and 4.6)."""
    return root.answer.status is not Status.UNDETERMINED and (len(root.texts) != 1 or bool(root.errors))


def _cell(said: SpfResult) -> Cell:
    return Cell("", said.unknown.cause) if said.unknown else Cell(said.result, said.mechanism or said.explanation)


def _others(records: Iterable[Compiled], addresses: Numbered) -> list[Others]:
    counts: dict[tuple[str, str], Counter[int]] = {}
    for record in records:
        for span in record.passing:
            foreign = span.size - addresses.distinct(record.version, span.first, span.last)
            if foreign:
                counts.setdefault((" > ".join(span.path), span.term), Counter())[record.version] += foreign
    return [Others(where, term, number[4], number[6]) for (where, term), number in counts.items()]
