"""The SPF matrix: what the records of a fleet say of its addresses, and whom else they authorise."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from conformance.facts.spfcheck import check_host
from conformance.facts.spfcompiled import Compiled, compiled
from conformance.facts.spftree import Node, tree
from conformance.facts.store import Asker
from conformance.fleet.model import Address, Domain, IPAddress

SAMPLE = 1
"""Addresses of each IP version for which pyspf judges a compiled record too."""


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

    ``by_networks`` holds the IP versions for which the record was compiled: pyspf decided the cells of the others, and
    agreed on a sample of these.
    """

    domain: str
    root: Node
    cells: Mapping[IPAddress, Cell]
    others: tuple[Others, ...]
    by_networks: tuple[int, ...]


async def row(ask: Asker, domain: Domain, addresses: Sequence[Address]) -> Row:
    """Judge all addresses by SPF of a domain's envelope domain."""
    root = await tree(ask, domain.mail_from)
    records = await compiled(ask, root)
    trusted = {version: one for version, one in records.items() if await _agrees(ask, domain, one, addresses)}
    cells: dict[IPAddress, Cell] = {}
    made: dict[int, Cell] = {}
    for address in addresses:
        ip = address.ip
        record = trusted.get(ip.version)
        if record is None:
            cells[ip] = await _evaluated(ask, domain, address)
        else:
            span = record.check(ip)
            cells[ip] = made.get(id(span)) or made.setdefault(id(span), Cell(span.result, span.term, span.path))
    own = {address.ip for address in addresses}
    return Row(domain.mail_from, root, cells, tuple(_others(trusted.values(), own)), tuple(sorted(trusted)))


async def _agrees(ask: Asker, domain: Domain, record: Compiled, addresses: Iterable[Address]) -> bool:
    """Whether pyspf says the same of the first addresses, as far as it can tell."""
    sample = [address for address in addresses if address.ip.version == record.version][:SAMPLE]
    said = [(await _evaluated(ask, domain, one), record.check(one.ip)) for one in sample]
    return all(cell.result in ("", span.result) for cell, span in said)


async def _evaluated(ask: Asker, domain: Domain, address: Address) -> Cell:
    said = await check_host(ask, address.ip, f"postmaster@{domain.mail_from}", address.helo)
    return Cell("", said.unknown.cause) if said.unknown else Cell(said.result, said.mechanism)


def _others(records: Iterable[Compiled], own: set[IPAddress]) -> list[Others]:
    counts: dict[tuple[str, str], Counter[int]] = {}
    for record in records:
        mine = sorted(int(ip) for ip in own if ip.version == record.version)
        for span in record.passing:
            foreign = span.size - (bisect_right(mine, span.last) - bisect_left(mine, span.first))
            if foreign:
                counts.setdefault((" > ".join(span.path), span.term), Counter())[record.version] += foreign
    return [Others(where, term, number[4], number[6]) for (where, term), number in counts.items()]
