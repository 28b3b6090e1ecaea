"""MTA-STS of a domain: its record, that of its parent, the policy that it serves, and its mail exchangers."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import lru_cache

from conformance.facts.answer import Answer
from conformance.facts.policyrecord import PolicyRecord
from conformance.facts.store import Asker
from conformance.fleet.model import Domain
from conformance.outcome import NotApplicable
from conformance.reading import mtasts
from conformance.reading.orgdomain import registrable

_parse = lru_cache(maxsize=1024)(mtasts.parse)


@dataclass(frozen=True, slots=True)
class StrictTransport:
    """The record at ``_mta-sts`` of a domain, and at that of the domain it belongs to (RFC 8461 section 3.1)."""

    domain: Domain
    published: PolicyRecord
    parent: str = ""
    """The domain above that was registered; empty for that domain itself."""
    above: Answer | None = None

    @property
    def faults(self) -> list[str]:
        """What keeps the record from being used. Raises Undetermined."""
        return self.published.faults(lambda text: _parse(text).problems)

    @property
    def record(self) -> mtasts.Record:
        """The record that senders use. Raises Undetermined, and NotApplicable without one."""
        records = self.published.records
        if len(records) != 1 or (record := _parse(records[0])).problems:
            raise NotApplicable(f"{self.domain.name} has no usable record of MTA-STS, see mtasts.record")
        return record

    @property
    def parent_record(self) -> str:
        """The record of the parent, for a domain that takes mail; empty without one. Raises Undetermined.

        Raises NotApplicable for a domain without a parent of its own and for one with a record.
        """
        if self.above is None:
            raise NotApplicable(f"{self.domain.name} is no subdomain")
        if self.published.records:
            raise NotApplicable(f"{self.domain.name} has a record of its own")
        self.published.need_mail()
        return next((text for text in self.above.joined if mtasts.is_record(text)), "")


async def strict_transport(ask: Asker, domain: Domain) -> StrictTransport:
    """Look the record up, and that of the domain above."""
    parent = registrable(domain.name, private=True) or domain.name
    names = dict.fromkeys((domain.name, parent))
    mx, own, *above = await asyncio.gather(
        ask.dns(domain.name, "MX"), *(ask.dns(f"_mta-sts.{name}", "TXT") for name in names)
    )
    published = PolicyRecord(own, mx, mtasts.is_record, mtasts.near_miss)
    return StrictTransport(domain, published, parent if above else "", above[0] if above else None)
