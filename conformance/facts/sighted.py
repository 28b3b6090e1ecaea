"""What mail is seen to use where nobody declared it: addresses with their greetings, selectors of signatures."""

from __future__ import annotations

import asyncio
from typing import Any

from conformance.facts.delivery import Delivery, delivery
from conformance.facts.store import Asker
from conformance.fleet.model import Address, Fleet, Selector
from conformance.fleet.sending import Probe
from conformance.fleet.slots import MOST_SIGNATURES, Observed, Signing
from conformance.outcome import NotApplicable, Undetermined
from conformance.reading.dkimsig import Signature, read_signature
from conformance.reading.message import read
from conformance.reading.orgdomain import registrable

_LONGEST_NAME = 255


async def resolved(ask: Asker, fleet: Fleet, subject: Any) -> Any:
    """Return a subject itself, or what stands in its place once mail has come. Raises NotApplicable without it."""
    match subject:
        case Observed():
            return await address(ask, fleet, subject)
        case Signing():
            return await selector(ask, fleet, subject)
        case _:
            return subject


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


async def selector(ask: Asker, fleet: Fleet, slot: Signing) -> Selector:
    """Return the selector that a signature of a probe's message names.

    Raises NotApplicable when there is no such signature, when it is another organization's, and when the inventory
    has its selector, or an earlier signature of the message names it.
    """
    came = await _came(ask, slot.probe)
    if not isinstance(came, Delivery):
        raise came if isinstance(came, NotApplicable) else NotApplicable("no delivery was seen, see ip.declared")
    fields = read(came.message).named("dkim-signature")
    found = [read_signature(field) for field in fields[:MOST_SIGNATURES]]
    if len(found) < slot.place:
        raise NotApplicable("the message has no such signature")
    signature = found[slot.place - 1]
    if not signature.key_name:
        raise NotApplicable("the signature names no key, see dkim.sig-tags")
    stream = slot.stream
    if registrable(signature.domain) != registrable(stream.domain):
        raise NotApplicable(f"the signature is of {signature.domain}, not of {stream.domain}")
    for declared in fleet.selectors:
        if (declared.name.lower(), declared.signing_domain) == (signature.selector, signature.domain):
            raise NotApplicable(f"signed as declared: same as {declared.id}")
    if _names(signature) in map(_names, found[: slot.place - 1]):
        raise NotApplicable("an earlier signature names the same selector")
    return Selector(stream.domain, signature.selector, signature.domain, origin=stream.origin)


def _names(signature: Signature) -> str:
    return signature.key_name


async def _came(ask: Asker, probe: Probe) -> Delivery | NotApplicable | Undetermined:
    try:
        return await delivery(ask, probe)
    except (NotApplicable, Undetermined) as why:
        return why
