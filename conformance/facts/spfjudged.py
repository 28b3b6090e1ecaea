"""SPF of one domain for many addresses: by networks where these say all, by pyspf for the rest and for a sample of all.

Where the two differ nothing is known of the addresses that the networks would have judged: none of them is believed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from conformance.facts.spfcheck import SpfResult, check_host
from conformance.facts.spfcompiled import Compiled, Span, compiled, judged_as
from conformance.facts.spftree import Node, tree
from conformance.facts.store import Asker
from conformance.fleet.model import Address, Domain
from conformance.outcome import Undetermined

SAMPLE = 2
"""Terms of each IP version for which pyspf judges one address too."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What SPF says of some addresses, in their order.

    ``networks`` holds what was compiled and agreed with, by IP version; ``paths`` the records on the way to the term
    that decides, where networks did.
    """

    root: Node
    results: tuple[SpfResult, ...]
    paths: tuple[tuple[str, ...], ...]
    networks: Mapping[int, Compiled]
    disputes: Mapping[int, str]
    """By IP version, what the two evaluations said where they differ."""


async def judge(ask: Asker, domain: Domain, addresses: Sequence[Address]) -> Judged:
    """Evaluate SPF of a domain's envelope domain for addresses."""
    root = await tree(ask, domain.mail_from)
    records = await compiled(ask, root)
    said = {version: await _dispute(ask, domain, one, addresses) for version, one in records.items()}
    disputes = {version: text for version, text in said.items() if text}
    others = [address for address in addresses if judged_as(address.ip).version not in records]
    evaluated = await asyncio.gather(*(evaluate(ask, domain, address) for address in others))
    by_pyspf = dict(zip(map(id, others), evaluated, strict=True))
    results: list[SpfResult] = []
    paths: list[tuple[str, ...]] = []
    for address in addresses:
        ip = judged_as(address.ip)
        span = records[ip.version].check(ip) if ip.version in records else None
        dispute = disputes.get(ip.version, "")
        results.append(_by_networks(root, domain, address, span, dispute) if span else by_pyspf[id(address)])
        paths.append(span.path if span and not dispute else ())
    networks = {version: one for version, one in records.items() if version not in disputes}
    return Judged(root, tuple(results), tuple(paths), networks, disputes)


async def evaluate(ask: Asker, domain: Domain, address: Address) -> SpfResult:
    """Evaluate SPF for one address by pyspf."""
    return await check_host(ask, address.ip, f"postmaster@{domain.mail_from}", address.helo)


def _by_networks(root: Node, domain: Domain, address: Address, span: Span, dispute: str) -> SpfResult:
    unknown = Undetermined(dispute) if dispute else None
    return SpfResult(
        address.ip,
        domain.mail_from,
        address.helo,
        "temperror" if unknown else span.result,
        dispute,
        "" if unknown else span.term,
        unknown,
        record=root.texts[0],
        owner=root.owner,
    )


async def _dispute(ask: Asker, domain: Domain, record: Compiled, addresses: Sequence[Address]) -> str:
    """Return what pyspf says otherwise of the first addresses that different terms decide; empty where it agrees.

    What it cannot tell is no dispute.
    """
    sample: dict[int, tuple[Address, Span]] = {}
    for address in addresses:
        ip = judged_as(address.ip)
        if len(sample) < SAMPLE and ip.version == record.version:
            span = record.check(ip)
            sample.setdefault(id(span), (address, span))
    said = await asyncio.gather(*(evaluate(ask, domain, address) for address, _ in sample.values()))
    for one, (address, span) in zip(said, sample.values(), strict=True):
        if not one.unknown and one.result != span.result:
            return (
                f"two evaluations of SPF of {domain.mail_from} differ, for {address.ip}: pyspf says {one.describe()}, "
                f"the networks of the record say {span.result}"
            )
    return ""
