"""The keys that ARC sets are sealed with: those that are declared, and those that captured mail names."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import lru_cache

from conformance.facts.delivery import delivery
from conformance.facts.dkim import KeyRecord, key_record
from conformance.facts.store import Asker
from conformance.fleet.model import Domain, Fleet, Selector
from conformance.fleet.sending import Probe
from conformance.outcome import NotApplicable, Undetermined
from conformance.reading.arckeys import sealers
from conformance.reading.message import read
from conformance.reading.orgdomain import registrable

MOST_KEYS = 10
"""Keys of one domain that are looked up."""
_LONGEST_NAME = 253


@dataclass(frozen=True, slots=True)
class Place:
    """A domain, the deliveries in which its seals may be, and the other domains of its organization."""

    domain: Domain
    probes: tuple[Probe, ...]
    relatives: tuple[str, ...]

    def owns(self, name: str) -> bool:
        """Whether a seal of a domain is this one's affair: of all that the fleet declares, it is the closest."""
        above = [one for one in (self.domain.name, *self.relatives) if name == one or name.endswith(f".{one}")]
        closest = max(above, key=len, default=min((self.domain.name, *self.relatives)))
        return registrable(name) == registrable(self.domain.name) and closest == self.domain.name


def place(fleet: Fleet, domain: Domain) -> Place:
    """Return where seals of a domain may be seen."""
    organization = registrable(domain.name)
    related = fleet.sending_below.get(organization, ()) if organization else ()
    same = (name for name in related if name != domain.name)
    return Place(domain, fleet.probes_of.get(organization, ()), tuple(same))


async def arc_keys(ask: Asker, at: Place) -> tuple[KeyRecord, ...]:
    """Look up the keys of a domain's seals. Raises NotApplicable where none is declared and none was seen."""
    seen = await asyncio.gather(*(_seals(ask, probe) for probe in at.probes))
    named = dict.fromkeys(one for found in seen for one in found if at.owns(one[1]))
    observed = (Selector(at.domain.name, name, domain, origin=at.domain.origin) for name, domain in named)
    selectors = {one.record_name: one for one in (*observed, *at.domain.arc)}
    wanted = [one for one in selectors.values() if len(one.record_name) <= _LONGEST_NAME and one.state != "retired"]
    if not wanted:
        raise NotApplicable(f"no mail was seen with an ARC seal of {at.domain.name}, and no selector for one declared")
    return tuple(await asyncio.gather(*(key_record(ask, one) for one in wanted[:MOST_KEYS])))


@lru_cache(maxsize=4096)
def _sealers(message: bytes) -> tuple[tuple[str, str], ...]:
    return sealers(read(message))


async def _seals(ask: Asker, probe: Probe) -> tuple[tuple[str, str], ...]:
    try:
        return _sealers((await delivery(ask, probe)).message)
    except (NotApplicable, Undetermined):
        return ()
