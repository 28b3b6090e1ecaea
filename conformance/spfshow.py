"""The command ``spf``: a domain's records with all that they include, and what they say of the fleet's addresses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from conformance.given import INVENTORY, fail, options, read_fleet, settled

if TYPE_CHECKING:
    from conformance.facts.spfmatrix import Row
    from conformance.facts.spftree import Node
    from conformance.fleet.model import Address, Domain
    from conformance.options import Settings

_WIDTH = 160


@click.command()
@click.argument("domain")
@options((*INVENTORY, "resolver", "dns-timeout", "dns-retries"))
def spf(domain: str, **given: Any) -> None:
    """Print the look-ups of a DOMAIN's SPF as a tree. With their costs, and the result of each address of the fleet.

    Last comes who else is authorised: addresses that no host of the inventory has, by the term that names them.
    """
    import asyncio

    from conformance.report.text import clip

    fleet = read_fleet(given)
    found = fleet.domain(domain)
    if found is None:
        fail(f"{domain} is not a domain of the inventory; see: mailconform list domains")
    try:
        row = asyncio.run(_row(found, fleet.addresses, settled(given)))
    except ValueError as error:
        fail(str(error))
    for line in (*_tree(row.root, 0), *_matrix(row, fleet.addresses), *_others(row)):
        click.echo(clip(line, _WIDTH))


async def _row(domain: Domain, addresses: Sequence[Address], settings: Settings) -> Row:
    from conformance.facts.dns import Resolver, Server, system_servers
    from conformance.facts.gather import zone_of
    from conformance.facts.live import Live
    from conformance.facts.spfmatrix import row
    from conformance.facts.spfnumbered import Numbered
    from conformance.facts.store import Store

    servers = tuple(Server.parse(text) for text in settings["resolver"]) or system_servers()
    timeout, retries = settings["dns-timeout"], int(settings["dns-retries"])
    async with Resolver(servers, timeout=timeout, retries=retries, zone_of=zone_of) as resolver:
        return await row(Live(Store(), resolver, None), domain, Numbered(addresses))


def _tree(node: Node, depth: int) -> Iterator[str]:
    """Yield a record with the terms that make receivers ask, each with what it costs in the worst case."""
    from conformance.facts.answer import Status
    from conformance.reading.excerpt import quoted
    from conformance.report.text import plural

    indent = "  " * depth
    if node.answer.status is Status.UNDETERMINED:
        yield f"{indent}{node.name}: {node.answer.describe()}"
        return
    yield f"{indent}{node.name}: {'; '.join(map(quoted, node.texts)) or node.absence}"
    for look in node.looks:
        note = ", which leads back" if look.loop else ""
        yield f"{indent}  {quoted(look.term.text)}: {plural(look.cost, 'look-up')}{note}"
        if look.node is not None:
            yield from _tree(look.node, depth + 2)


def _matrix(row: Row, addresses: Sequence[Address]) -> Iterator[str]:
    from conformance.reading.excerpt import quoted
    from conformance.report.text import look_ups

    cells = {addresses[number].ip: cell for number, cell in row.by_number.items()}
    counts = Counter(cell.result or "unknown" for cell in cells.values())
    total = ", ".join(f"{number} {result}" for result, number in counts.most_common())
    cost = look_ups(row.root.cost, row.root.is_whole)
    worst = " in the worst case" if row.root.cost or row.root.is_whole else ""
    yield f"{cost}{worst}, 10 are allowed. Addresses of the fleet: {total or 'none'}"
    for address in addresses:
        cell = cells[address.ip]
        where = f" of {' > '.join(cell.path)}" if cell.path else ""
        term = f", {quoted(cell.term)}{where}" if cell.term else ""
        yield f"  {address.id}: {cell.result or 'unknown'}{term}"


def _others(row: Row) -> Iterator[str]:
    from conformance.reading.excerpt import quoted

    missing = [f"IPv{version}" for version in (4, 6) if version not in row.by_networks]
    if missing:
        yield f"Who else is authorised cannot be told by networks alone for {' and '.join(missing)}."
    for one in sorted(row.others, key=lambda one: -one.v4):
        numbers = [f"{count:,} {family}" for count, family in ((one.v4, "IPv4"), (one.v6, "IPv6")) if count]
        yield f"  also authorised by {quoted(one.term)} of {one.record}: {' and '.join(numbers)} addresses"
