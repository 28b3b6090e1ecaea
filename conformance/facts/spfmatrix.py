"""The SPF matrix: what the records of a fleet say of its addresses, and whom else they authorise."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from conformance.facts.spfcompiled import Compiled, judged_as
from conformance.facts.spfjudged import judge
from conformance.facts.spftree import Node
from conformance.facts.store import Asker
from conformance.fleet.model import Address, Domain, IPAddress


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


async def row(ask: Asker, domain: Domain, addresses: Sequence[Address]) -> Row:
    """Judge all addresses by SPF of a domain's envelope domain."""
    found = await judge(ask, domain, addresses)
    cells: dict[IPAddress, Cell] = {}
    made: dict[tuple[str, str, tuple[str, ...]], Cell] = {}
    for one, path in zip(found.results, found.paths, strict=True):
        said = ("", one.unknown.cause, ()) if one.unknown else (one.result, one.mechanism, path)
        cells[one.ip] = made.get(said) or made.setdefault(said, Cell(*said))
    own = {judged_as(address.ip) for address in addresses}
    others = tuple(_others(found.networks.values(), own))
    return Row(domain.mail_from, found.root, cells, others, tuple(sorted(found.networks)))


def _others(records: Iterable[Compiled], own: set[IPAddress]) -> list[Others]:
    counts: dict[tuple[str, str], Counter[int]] = {}
    for record in records:
        mine = sorted(int(ip) for ip in own if ip.version == record.version)
        for span in record.passing:
            foreign = span.size - (bisect_right(mine, span.last) - bisect_left(mine, span.first))
            if foreign:
                counts.setdefault((" > ".join(span.path), span.term), Counter())[record.version] += foreign
    return [Others(where, term, number[4], number[6]) for (where, term), number in counts.items()]
