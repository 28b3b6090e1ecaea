"""What a run judges that is not live yet: zones and patches that answer before live DNS."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from conformance.facts.overlays import PLAN, load
from conformance.facts.snapshot import Gathering
from conformance.options import Settings
from conformance.reading.zone import ZoneError


def overlays(settings: Settings) -> tuple[str, ...]:
    """Return all that is laid over live DNS in a run."""
    return (*settings["overlay"], *(f"{PLAN}{path}" for path in settings["overlay-plan"]))


def problems(settings: Settings) -> Iterator[str]:
    """Say what is wrong with what is proposed, each with file and line where there is one."""
    if overlays(settings) and settings["replay"]:
        where = settings.where.get("overlay") or settings.where["overlay-plan"]
        yield f"{where}: a replay asks no DNS, so that nothing can answer before it"
        return
    try:
        load(overlays(settings))
    except ZoneError as error:
        yield from error.problems


def told(settings: Settings, gathering: Gathering) -> dict[str, Any]:
    """Return what results tell of it: facts that were proposed are told as such when they are judged again, too."""
    found = gathering.overlays or overlays(settings)
    return {"dns": "proposed", "overlays": list(found)} if found else {}
