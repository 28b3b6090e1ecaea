"""The sender's postal address in bulk mail: the one that the inventory declares, or what looks like one."""

from __future__ import annotations

from dataclasses import dataclass

from conformance.facts.message import of_kind, parts
from conformance.facts.store import Asker
from conformance.fleet.sending import Probe
from conformance.outcome import Undetermined
from conformance.reading import postal

_of_many = of_kind("bulk", "list")


@dataclass(frozen=True, slots=True)
class Imprint:
    """The texts that people are shown. ``declared`` is ``postal_address`` of the stream; empty: nobody declared one."""

    declared: str
    texts: tuple[str, ...]
    cut: str = ""
    """Why there may be more text than was read."""

    @property
    def missing(self) -> list[str]:
        """The pieces of the declared address that are not shown. Raises Undetermined where not all was read."""
        return self._whole(postal.lacking(self.declared, list(self.texts)))

    @property
    def unrecognised(self) -> list[str]:
        """Why no address is seen where none is declared. Raises Undetermined where not all was read."""
        if postal.recognised(list(self.texts)):
            return []
        return self._whole(["no postal address was recognised in the text" if any(self.texts) else "it shows no text"])

    def _whole(self, lacking: list[str]) -> list[str]:
        if lacking and self.cut:
            raise Undetermined(f"the text was not read to its end: {self.cut}")
        return lacking


async def imprint(ask: Asker, probe: Probe) -> Imprint:
    """Return what a message of kind bulk or list says of its sender, if the host wrote it."""
    await _of_many(ask, probe)
    read = await parts(ask, probe)
    shown = tuple(postal.shown(read))
    cut = read.cut or ("" if all(whole for _, whole in shown) else f"a part has more than {postal.LARGEST} characters")
    return Imprint(probe.stream.settings.get("postal_address", ""), tuple(text for text, _ in shown), cut)
