"""Which network announces an address, by a zone that is filled from route collectors."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from conformance.facts.answer import Answer
from conformance.facts.store import Asker
from conformance.fleet.model import Address, Fleet
from conformance.fleet.origin import IPAddress
from conformance.outcome import NotApplicable, Undetermined
from conformance.reading import dnsbl, routes
from conformance.reading.excerpt import listed, quoted
from conformance.reading.ranges import unreachable


@dataclass(frozen=True, slots=True)
class Origins:
    """An address, the zone that is asked for it, and the networks that may announce it (none: any)."""

    ip: IPAddress
    zone: str
    expected: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Route:
    """What a zone says of an address. ``control`` is its answer for one that is announced for certain."""

    origins: Origins
    control: Answer
    answer: Answer

    @property
    def announcements(self) -> tuple[routes.Announcement, ...]:
        """The most specific prefix around the address, with its origins; empty where none is announced.

        Raises Undetermined where the zone did not answer, or is not to be believed.
        """
        known = routes.ANNOUNCED[self.origins.ip.version]
        if not self.control.found or not any(map(routes.parse, self.control.joined)):
            text = f"{self.control.question}: {self.control.describe()}, and {known} is announced for certain"
            raise Undetermined(text, cause=f"{self.origins.zone} is not believed: it does not know of {known}")
        if not self.answer.found:
            return ()
        said = [one for text in self.answer.joined if (one := routes.parse(text))]
        around = [one for one in said if self.origins.ip in one.prefix]
        if not around:
            shown = listed(map(quoted, self.answer.joined), 2)
            raise Undetermined(f"{self.answer.question}: {shown or 'nothing'} tells of no prefix around it")
        longest = max(one.prefix.prefixlen for one in around)
        return tuple(one for one in around if one.prefix.prefixlen == longest)

    @property
    def strange(self) -> list[str]:
        """Announcements by other networks than are expected. Raises Undetermined."""
        expected = set(self.origins.expected)
        return [str(one) for one in self.announcements if expected and not expected.issuperset(one.origins)]


def origins_of(fleet: Fleet, address: Address) -> Origins:
    """Return who is asked for an address. Raises NotApplicable where nobody is."""
    host = fleet.by_name[address.host]
    zone = (host.routing.zone if address.ip.version == 4 else host.routing.zone6) if host.routing else ""
    if not zone:
        raise NotApplicable(f"mailconform_routing names no zone to be asked for IPv{address.ip.version} addresses")
    if kind := unreachable(address.ip):
        raise NotApplicable(f"{address.ip} is for nobody to announce ({kind})")
    return Origins(address.ip, zone, host.routing.origins if host.routing else ())


async def route(ask: Asker, origins: Origins) -> Route:
    """Ask for an address, and for one that is announced for certain."""
    control, answer = await asyncio.gather(
        ask.dns(f"{dnsbl.label_of(routes.ANNOUNCED[origins.ip.version])}.{origins.zone}", "TXT"),
        ask.dns(f"{dnsbl.address_label(origins.ip)}.{origins.zone}", "TXT"),
    )
    return Route(origins, control, answer)
