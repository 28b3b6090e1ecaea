"""SPF of one domain for many addresses: by networks where these say all, by pyspf for the rest and for a sample of all.

Where the two differ nothing is known of the addresses that the networks would have judged: none of them is believed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

from conformance.facts.spfcheck import SpfResult, check_host
from conformance.facts.spfcompiled import VERSIONS, Compiled, Span, compiled, judged_as
from conformance.facts.spftree import Node, tree
from conformance.facts.store import Asker
from conformance.fleet.model import Address, Domain
from conformance.fleet.origin import IPAddress
from conformance.outcome import Undetermined

SAMPLE = 2
"""Terms of each IP version for which pyspf judges one address too."""


@dataclass(frozen=True, slots=True)
class Networks:
    """The record of a domain as networks by IP version, where these say all and pyspf agreed on a sample.

    ``disputes`` has, for the versions where the two differ, what each of them said.
    """

    root: Node
    records: Mapping[int, Compiled]
    disputes: Mapping[int, str]

    def span(self, ip: IPAddress) -> Span | None:
        """Return what decides for an address; None where pyspf has to, or nothing does."""
        seen = judged_as(ip)
        return self.records[seen.version].check(seen) if seen.version in self.records else None

    def dispute(self, ip: IPAddress) -> str:
        """Return why nothing is known of an address; empty where the two evaluations do not differ."""
        return self.disputes.get(judged_as(ip).version, "")


@dataclass(frozen=True, slots=True)
class Judged:
    """What SPF says of some addresses, in their order, and by which networks."""

    networks: Networks
    results: tuple[SpfResult, ...]


async def networks(
    ask: Asker, domain: Domain, addresses: Callable[[Compiled], Iterable[Address]], versions: Set[int] = VERSIONS
) -> Networks:
    """Compile SPF of a domain's envelope domain, and have pyspf judge some of its ``addresses`` too."""
    root = await tree(ask, domain.mail_from)
    records = await compiled(ask, root, versions)
    said = {version: await _dispute(ask, domain, one, addresses(one)) for version, one in records.items()}
    disputes = {version: text for version, text in said.items() if text}
    return Networks(root, {version: one for version, one in records.items() if version not in disputes}, disputes)


async def judge(ask: Asker, domain: Domain, addresses: Sequence[Address]) -> Judged:
    """Evaluate SPF of a domain's envelope domain for addresses."""
    made = await networks(ask, domain, lambda _: addresses, {judged_as(address.ip).version for address in addresses})
    return Judged(made, tuple(await asyncio.gather(*(_judge(ask, made, domain, address) for address in addresses))))


async def evaluate(ask: Asker, domain: Domain, address: Address) -> SpfResult:
    """Evaluate SPF for one address by pyspf."""
    return await check_host(ask, address.ip, f"postmaster@{domain.mail_from}", address.helo)


async def _judge(ask: Asker, made: Networks, domain: Domain, address: Address) -> SpfResult:
    at = address.ip, domain.mail_from, address.helo
    if text := made.dispute(address.ip):
        return SpfResult(*at, "temperror", text, "", Undetermined(text))
    span = made.span(address.ip)
    if span is None:
        return await evaluate(ask, domain, address)
    return SpfResult(*at, span.result, "", span.include or span.term, record=made.root.texts[0], owner=made.root.owner)


async def _dispute(ask: Asker, domain: Domain, record: Compiled, addresses: Iterable[Address]) -> str:
    """Return what pyspf says otherwise of the first addresses that different terms decide; empty where it agrees.

    What it cannot tell is no dispute.
    """
    sample: dict[int, tuple[Address, Span]] = {}
    for address in addresses:
        ip = judged_as(address.ip)
        if ip.version == record.version:
            span = record.check(ip)
            sample.setdefault(id(span), (address, span))
        if len(sample) == SAMPLE:
            break
    said = await asyncio.gather(*(evaluate(ask, domain, address) for address, _ in sample.values()))
    for one, (address, span) in zip(said, sample.values(), strict=True):
        if not one.unknown and one.result != span.result:
            return (
                f"two evaluations of SPF of {domain.mail_from} differ, for {address.ip}: pyspf says {one.describe()}, "
                f"the networks of the record say {span.result}"
            )
    return ""
