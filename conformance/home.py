"""Where the results of a run go, and what becomes of the runs before it."""

from __future__ import annotations

import datetime
import os
import sqlite3
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from conformance.fleet.model import Fleet
from conformance.options import Settings, UsageError
from conformance.report import lock, runs
from conformance.report.changes import Changes
from conformance.report.grouping import Results
from conformance.report.history import FILE, History
from conformance.report.reader import ResultsError, load

INTERRUPTED = 2
"""Exit status."""
RESUMABLE = 3600.0
"""Seconds for which facts of an interrupted run are taken for those of now."""


def make(settings: Settings, held: ExitStack) -> Path:
    """Make the folder for the results of a run and return it. ``held`` keeps other runs of the inventory away.

    Raises UsageError.
    """
    option = "report-dir" if settings["report-dir"] else "reports"
    top = Path(settings[option])
    where = settings.where.get(option, f"--{option}")
    try:
        if option == "report-dir" and top.is_symlink():
            raise UsageError(
                f"{where}: {top} leads to the results of another run: leave the option out, or name another"
            )
        top.mkdir(parents=True, exist_ok=True)
        if not os.access(top, os.W_OK | os.X_OK):
            raise UsageError(f"{where}: {top} cannot hold results: it is not writable")
        if option == "report-dir":
            held.enter_context(lock.of_folder(top, settings["lock-wait"]))
            return top
        held.enter_context(lock.of_inventory(top, settings["inventory"], settings["lock-wait"]))
        return runs.make(top, runs.name_of(settings["inventory"][0], datetime.datetime.now(datetime.UTC)))
    except lock.Locked as error:
        raise UsageError(str(error)) from None
    except OSError as error:
        raise UsageError(f"{where}: {top} cannot hold results: {error.strerror or type(error).__name__}") from None


def interrupted(top: Path, fleet: Fleet, own: Path) -> Path | None:
    """Return the facts.json of the last run below a folder, when it was interrupted within the last hour.

    It must have judged the same hosts, so that nothing is taken over from another fleet, and live DNS.
    """
    for run in reversed(runs.all_runs(top)):
        facts = run.path / "facts.json"
        if run.path == own or not facts.exists():
            continue
        with suppress(ResultsError, OSError):
            document = load(run.path)
            same = sorted(host["name"] for host in document["hosts"]) == sorted(fleet.by_name)
            fresh = time.time() - facts.stat().st_mtime < RESUMABLE
            return facts if same and fresh and _is_live(document) and not document["run"]["complete"] else None
    return None


def compare(folder: Path, document: Results) -> tuple[Changes, list[str]]:
    """Compare results with those of the runs before. Returns the changes, and why there are none to be had."""
    try:
        with History(folder.parent / FILE) as history:
            return history.changes(document), []
    except sqlite3.Error as error:
        return Changes(), [
            f"what is new is not known: {folder.parent / FILE}: {error}; see: mailconform history rebuild"
        ]


def remember(folder: Path, document: Results | None) -> None:
    """Take results into the history. One that is of no use is not made worse: it can be made again of the results."""
    with suppress(sqlite3.Error):
        if document is not None:
            with History(folder.parent / FILE) as history:
                history.record(document)


def publish(folder: Path, document: Mapping[str, Any], keep: int) -> None:
    """Let ``latest`` lead to a run of what is live that was not interrupted, and delete the oldest ones.

    Where there is no such run yet, it leads to the last one of whatever kind. Raises OSError.
    """
    latest = folder.parent / runs.LATEST
    if not latest.exists() or (
        document["run"]["exit"] != INTERRUPTED and (_is_live(document) or not _leads_to_live(latest))
    ):
        runs.publish(folder)
    runs.tidy(folder.parent, keep)


def _is_live(document: Mapping[str, Any]) -> bool:
    return bool(document["run"]["dns"] == "live")


def _leads_to_live(latest: Path) -> bool:
    try:
        return _is_live(load(latest))
    except ResultsError:
        return False
