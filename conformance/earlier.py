"""What the last run observed, for rules about what should not change unannounced."""

from __future__ import annotations

from pathlib import Path

from conformance.facts.snapshot import SnapshotError, load
from conformance.facts.store import Store
from conformance.gate import LATEST
from conformance.options import Settings
from conformance.report import runs

FACTS = "facts.json"


def facts_before(settings: Settings) -> Path | None:
    """Return the facts of the run that this one is compared with: that of --against, or else the last one.

    None where there is none. A run that judges old facts again has none before it: the last one may be later.
    """
    if settings["replay"]:
        return None
    against = settings["against"]
    if against and against != LATEST:
        place = Path(against)
        found = (place if place.is_dir() else place.parent) / FACTS
    elif settings["report-dir"]:
        return None
    else:
        found = Path(settings["reports"]) / runs.LATEST / FACTS
    return found if found.exists() else None


def before(settings: Settings) -> Store | None:
    """Return what that run observed; None where that is not known, or was not live."""
    path = facts_before(settings)
    try:
        snapshot = load(str(path)) if path else None
    except SnapshotError:
        return None
    return snapshot.store() if snapshot and not snapshot.overlays else None
