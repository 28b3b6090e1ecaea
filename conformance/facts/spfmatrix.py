"""The SPF matrix: what the records of a fleet say of its addresses, and whom else they authorise."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from conformance.facts.answer import Status
from conformance.facts.spfcheck import SpfResult
from conformance.facts.spfcompiled import Compiled, judged_as
from conformance.facts.spfjudged import evaluate, networks
from conformance.facts.spftree import Node
from conformance.facts.store import Asker
from conformance.fleet.model import Address, Domain
from conformance.fleet.origin import IPAddress

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
    cells: Mapping[IPAddress, Cell]
    others: tuple[Others, ...]
    by_networks: tuple[int, ...]
    evaluated: int = 0
    """Addresses that pyspf judged."""


async def row(ask: Asker, domain: Domain, addresses: Sequence[Address], most: int | None = None) -> Row:
    """Judge all addresses by SPF of a domain's envelope domain; ``most`` bounds those that pyspf judges one by one.

    The first addresses are judged first. Of those that are left out the cells say so.
    """
    made = await networks(ask, domain, addresses)
    cells: dict[IPAddress, Cell] = {}
    kept: dict[int, Cell] = {}
    evaluated = 0
    alike = _refused(made.root)
    for address in addresses:
        ip = address.ip
        span = made.span(ip)
        if span is not None:
            cells[ip] = kept.get(id(span)) or kept.setdefault(id(span), Cell(span.result, span.term, span.path))
        elif text := made.dispute(ip):
            cells[ip] = Cell("", text)
        elif alike and evaluated:
            cells[ip] = next(iter(cells.values()))
        elif most is not None and evaluated >= most:
            cells[ip] = Cell("", LEFT_OUT)
        else:
            evaluated += 1
            cells[ip] = _cell(await evaluate(ask, domain, address))
    own = {judged_as(address.ip) for address in addresses}
    others = tuple(_others(made.records.values(), own))
    return Row(domain.mail_from, made.root, cells, others, tuple(sorted(made.records)), evaluated)


def _refused(root: Node) -> bool:
    """Whether no valid record stands at the domain, so that all addresses are judged alike (sections 4.5 and 4.6)."""
    return root.answer.status is not Status.UNDETERMINED and (len(root.texts) != 1 or bool(root.errors))


def _cell(said: SpfResult) -> Cell:
    return Cell("", said.unknown.cause) if said.unknown else Cell(said.result, said.mechanism or said.explanation)


def _others(records: Iterable[Compiled], own: set[IPAddress]) -> list[Others]:
    counts: dict[tuple[str, str], Counter[int]] = {}
    for record in records:
        mine = sorted(int(ip) for ip in own if ip.version == record.version)
        for span in record.passing:
            foreign = span.size - (bisect_right(mine, span.last) - bisect_left(mine, span.first))
            if foreign:
                counts.setdefault((" > ".join(span.path), span.term), Counter())[record.version] += foreign
    return [Others(where, term, number[4], number[6]) for (where, term), number in counts.items()]
