"""Streams of one host beside each other: which addresses they share."""

from __future__ import annotations

import asyncio
import copy
from dataclasses import dataclass

from conformance.facts.delivery import Delivery, delivery
from conformance.facts.store import Asker
from conformance.fleet.model import Fleet
from conformance.fleet.sending import Probe
from conformance.outcome import NotApplicable, Undetermined

_BULK = ("bulk", "list")


@dataclass(frozen=True, slots=True)
class Place:
    """A probe, and those of the same host's streams of the other class: bulk and lists, or all else."""

    probe: Probe
    others: tuple[Probe, ...]
    addresses: int
    """How many addresses the host has."""


def place(fleet: Fleet, probe: Probe) -> Place:
    """Return a probe in its place."""
    host = fleet.by_name[probe.stream.host]
    bulk = probe.stream.kind in _BULK
    others = tuple(one for stream in host.streams if (stream.kind in _BULK) is not bulk for one in stream.probes)
    return Place(probe, others, len(host.addresses))


@dataclass(frozen=True, slots=True)
class Neighbours:
    """A delivery beside those of other classes of mail; one that did not come stands there as the reason why."""

    delivery: Delivery
    others: tuple[Delivery | NotApplicable | Undetermined, ...]
    addresses: int

    @property
    def sharing(self) -> list[str]:
        """The streams that came from the same address. Raises Undetermined when there may be some."""
        came = [one for one in self.others if isinstance(one, Delivery)]
        shared = [one.probe.stream.name for one in came if one.peer == self.delivery.peer]
        missing = [one for one in self.others if isinstance(one, Undetermined)]
        if not shared and missing:
            raise copy.copy(missing[0])
        return list(dict.fromkeys(shared))


async def neighbours(ask: Asker, where: Place) -> Neighbours:
    """Gather the deliveries of a place. Raises like :func:`delivery`, NotApplicable where there is nothing beside."""
    if not where.others:
        raise NotApplicable("the host has no stream of the other class: bulk and list, or all else")
    own, *others = await asyncio.gather(*(_held(ask, one) for one in (where.probe, *where.others)))
    if not isinstance(own, Delivery):
        raise own
    return Neighbours(own, tuple(others), where.addresses)


async def _held(ask: Asker, probe: Probe) -> Delivery | NotApplicable | Undetermined:
    try:
        return await delivery(ask, probe)
    except (NotApplicable, Undetermined) as why:
        return why
