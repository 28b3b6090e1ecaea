"""Which sending systems sign with the key of a selector: as declared, and as captured mail shows."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

from conformance.facts.delivery import delivery
from conformance.facts.store import Asker
from conformance.fleet.model import Fleet, Mta, Selector
from conformance.fleet.sending import Probe
from conformance.outcome import NotApplicable, Undetermined
from conformance.reading.dkimsig import read_signature
from conformance.reading.message import read
from conformance.reading.orgdomain import registrable

_EVERYWHERE = frozenset(("all", "ungrouped"))


@dataclass(frozen=True, slots=True)
class Place:
    """A selector with the hosts that are declared to sign with it, and the deliveries that may show more of them."""

    selector: Selector
    declared: tuple[Mta, ...]
    probes: tuple[Probe, ...]
    hosts: Mapping[str, Mta]


@dataclass(frozen=True, slots=True)
class KeyUsers:
    """The hosts that sign with the key of a selector, as far as that is known."""

    hosts: tuple[Mta, ...]

    @property
    def strangers(self) -> tuple[str, ...]:
        """The first two hosts that belong to two sending systems; none where all are of one."""
        pairs = combinations(self.hosts, 2)
        return next(((one.name, other.name) for one, other in pairs if _apart(one, other)), ())


def _apart(one: Mta, other: Mta) -> bool:
    """Whether two hosts are two systems: both are in groups of the inventory, and none of these is common to both."""
    mine, theirs = set(one.groups) - _EVERYWHERE, set(other.groups) - _EVERYWHERE
    return bool(mine) and bool(theirs) and mine.isdisjoint(theirs)


def place(fleet: Fleet, selector: Selector) -> Place:
    """Return a selector with those who may sign with it.

    Declared is that the hosts of a domain do, if they are one system: of several systems not all need sign alike.
    """
    name = selector.record_name
    declared: list[Mta] = []
    for domain in fleet.signers.get(name, ()):
        hosts = _by_groups(fleet.by_name[host] for host in domain.hosts if host in fleet.by_name)
        declared += hosts if not any(_apart(*pair) for pair in combinations(hosts, 2)) else ()
    probes = fleet.probes_of.get(registrable(selector.signing_domain), ())
    return Place(selector, tuple(declared), probes, fleet.by_name)


def _by_groups(hosts: Iterable[Mta]) -> list[Mta]:
    """Return one host for each set of groups: what the others are apart from, it is."""
    found: dict[tuple[str, ...], Mta] = {}
    for host in hosts:
        found.setdefault(host.groups, host)
    return list(found.values())


async def key_users(ask: Asker, at: Place) -> KeyUsers:
    """Return who signs with the key of a selector: what nobody sees sign is not among them."""
    name = at.selector.record_name.rstrip(".").lower()
    signed = await asyncio.gather(*(_signs(ask, probe, name) for probe in at.probes))
    seen = (at.hosts[probe.stream.host] for probe, signs in zip(at.probes, signed, strict=True) if signs)
    return KeyUsers(tuple(_by_groups((*at.declared, *seen))))


async def _signs(ask: Asker, probe: Probe, name: str) -> bool:
    try:
        return name in key_names((await delivery(ask, probe)).message)
    except (NotApplicable, Undetermined):
        return False


@lru_cache(maxsize=4096)
def key_names(message: bytes) -> frozenset[str]:
    """Return where the keys of the DKIM signatures of a message stand, without final dot."""
    return frozenset(read_signature(field).key_name for field in read(message).named("dkim-signature"))
