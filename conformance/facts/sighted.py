"""The addresses that mail is seen to come from, with the names they greet with, where nobody declared them so."""

from __future__ import annotations

import asyncio

from conformance.facts.delivery import Delivery, delivery
from conformance.facts.store import Asker
from conformance.fleet.model import Address, Fleet, Observed, Probe
from conformance.outcome import NotApplicable, Undetermined

_LONGEST_NAME = 255


async def address(ask: Asker, fleet: Fleet, slot: Observed) -> Address:
    """Return the address that a probe came from, with its greeting.

    Raises NotApplicable when nothing came, when the inventory has that address with that greeting, and when an
    earlier probe of the host came from it.
    """
    host = fleet.by_name[slot.probe.stream.host]
    probes = tuple(probe for stream in host.streams for probe in stream.probes)
    before = probes[: probes.index(slot.probe)]
    came, *others = await asyncio.gather(*(_came(ask, probe) for probe in (slot.probe, *before)))
    if not isinstance(came, Delivery):
        raise came if isinstance(came, NotApplicable) else NotApplicable("no delivery was seen, see ip.declared")
    found = Address(host.name, came.peer, came.helo[:_LONGEST_NAME], slot.probe.stream.origin)
    for declared in host.addresses:
        if (declared.ip, declared.helo.lower()) == (found.ip, found.helo.lower()):
            raise NotApplicable(f"observed as declared: same as {declared.id}")
    for other in others:
        if isinstance(other, Delivery) and (other.peer, other.helo) == (came.peer, came.helo):
            raise NotApplicable(f"same address and greeting as {Observed(other.probe).id}")
    return found


async def _came(ask: Asker, probe: Probe) -> Delivery | NotApplicable | Undetermined:
    try:
        return await delivery(ask, probe)
    except (NotApplicable, Undetermined) as why:
        return why
