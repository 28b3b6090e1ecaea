"""What the last run observed, for rules about what should not change unannounced."""

from __future__ import annotations

from pathlib import Path

from conformance.facts.keyhistory import Sightings, known_after
from conformance.facts.snapshot import Snapshot, SnapshotError, load
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
    snapshot = _snapshot(settings)
    return snapshot.store() if snapshot and not snapshot.overlays else None


def keys_before(settings: Settings) -> Sightings:
    """Return the DKIM keys that earlier runs saw. A run of proposed DNS passes on what it was told, and no more."""
    snapshot = _snapshot(settings)
    return known_after(snapshot) if snapshot else {}


def _snapshot(settings: Settings) -> Snapshot | None:
    path = facts_before(settings)
    try:
        return load(str(path)) if path else None
    except SnapshotError:
        return None
