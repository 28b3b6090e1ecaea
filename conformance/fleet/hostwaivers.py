"""Makes waivers out of what the inventory says of hosts."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from conformance.fleet.model import Mta
from conformance.reading.waivers import Waiver

if TYPE_CHECKING:
    from conformance.fleet.reader import Reader
    from conformance.fleet.values import Host
    from conformance.fleet.waive import WaiveEntry

VARIABLE = "mailconform_waive"


def waivers_of(host: Host, reader: Reader) -> Iterator[Waiver]:
    """Yield the waivers in the variables of a host."""
    value = host.variables.get(VARIABLE)
    entries: list[WaiveEntry] = reader.get(host, VARIABLE)
    for number, entry in enumerate(entries):
        origin = value.origin((number,)) if value else None
        path, line = (origin.path, origin.line) if origin else (f"{VARIABLE} of {host.name}", None)
        given = entry.model_dump(exclude={"rules", "issued", "id"})
        yield Waiver(
            **given,
            id=entry.id or (f"{path}:{line}" if line else f"{host.name} {VARIABLE}[{number}]"),
            rules=tuple(entry.rules),
            issued=entry.issued,
            members=(host.name,),
            path=path,
            line=line,
        )


def inline(mtas: Iterable[Mta]) -> list[Waiver]:
    """Return the waivers of hosts; one in the variables of a group is one waiver for all of its hosts."""
    found: dict[Waiver, tuple[str, ...]] = {}
    for mta in mtas:
        for waiver in mta.waivers:
            text = dataclasses.replace(waiver, members=())
            found[text] = (*found.get(text, ()), *waiver.members)
    return [dataclasses.replace(text, members=members) for text, members in found.items()]
