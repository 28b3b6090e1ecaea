"""What became of each finding over the runs: new, known since when, fixed, flapping. SQLite, made of results alone.

Only changes are written: a run in which nothing changed adds one row. Whatever is lost can be made again from the
``results.json`` of the runs that are kept (:meth:`History.rebuild`).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

from conformance.report.changes import Changes, Fixed, Key, is_bad
from conformance.report.grouping import Result, Results
from conformance.report.reader import ResultsError, load
from conformance.report.runs import all_runs

FILE = "history.sqlite"
FLAPS = 3
"""Changes within :data:`WINDOW` runs from which on a finding flaps."""
WINDOW = 10
VERSION = 1

_TABLES = """
CREATE TABLE IF NOT EXISTS runs (
  number INTEGER PRIMARY KEY, scope TEXT NOT NULL, started TEXT NOT NULL, finished INTEGER NOT NULL,
  counts TEXT NOT NULL,
  UNIQUE (scope, started));
CREATE TABLE IF NOT EXISTS spells (
  scope TEXT NOT NULL, rule TEXT NOT NULL, subject TEXT NOT NULL, state TEXT NOT NULL,
  first INTEGER NOT NULL REFERENCES runs, PRIMARY KEY (scope, rule, subject, first)) WITHOUT ROWID;
"""


def _state(result: Result) -> str:
    """Return what is compared from run to run: the way in which a rule is broken or waived, ``ok``, or ``?``."""
    if is_bad(result):
        return f"{'waived' if result['outcome'] == 'waived' else 'broken'} {result['aspect']}".rstrip()
    return "?" if result["outcome"] == "undetermined" else "ok"


def scope_of(results: Results) -> str:
    """Return what tells the runs that may be compared from others: what was judged, and live or proposed DNS."""
    run = results["run"]
    return json.dumps([run["dns"], sorted(run["inventory"]), sorted(run["profiles"])])


class History:
    """The history in a file. Raises sqlite3.Error, also where the file is no history."""

    def __init__(self, path: Path) -> None:
        self._base = sqlite3.connect(path, timeout=30.0, isolation_level=None)
        (version,) = self._base.execute("PRAGMA user_version").fetchone()
        if version not in (0, VERSION):
            self._base.close()
            raise sqlite3.DatabaseError(f"{path} is a history of version {version}, this one reads {VERSION}")
        self._base.executescript(f"PRAGMA journal_mode=WAL; {_TABLES} PRAGMA user_version={VERSION};")

    def __enter__(self) -> History:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._base.close()

    def changes(self, results: Results) -> Changes:
        """Compare results with the runs before them."""
        scope = scope_of(results)
        query = "SELECT min(number), max(started) FROM runs WHERE scope = ?"
        first_run, last = self._base.execute(query, (scope,)).fetchone()
        if first_run is None:
            return Changes()
        spells = self._spells(scope)
        recent = self._recent(scope)
        since: dict[Key, str] = {}
        flapping: set[Key] = set()
        fixed: list[Fixed] = []
        for result in results["results"]:
            key = result["check"], result["subject"]
            known = spells.get(key, ())
            state, began = _settled(known)
            now = _state(result)
            excused = now.startswith("waived") and state.startswith("broken")
            if is_bad(result) and (state == now or excused):
                since[key] = began
            if now == "ok" and state.startswith(("broken", "waived")):
                fixed.append(Fixed(*key, began))
            changed = now not in ("?", state)
            # What the first run of all found was no change.
            if sum(first >= recent and first > first_run for _, first, _ in known) + changed >= FLAPS:
                flapping.add(key)
        return Changes(last, since, frozenset(flapping), tuple(fixed))

    def record(self, results: Results) -> None:
        """Take the results of a run in, once; a run that is known already, or came to none, changes nothing."""
        if not results["results"]:
            return
        scope, run = scope_of(results), results["run"]
        self._base.execute("BEGIN IMMEDIATE")
        try:
            row = (scope, run["started"], int(run["complete"]), json.dumps(results["counts"]))
            added = self._base.execute(
                "INSERT OR IGNORE INTO runs (scope, started, finished, counts) VALUES (?, ?, ?, ?)", row
            )
            if added.rowcount:
                rows = self._new_spells(scope, results, int(added.lastrowid or 0))
                self._base.executemany("INSERT INTO spells VALUES (?, ?, ?, ?, ?)", rows)
        except BaseException:
            self._base.execute("ROLLBACK")
            raise
        self._base.execute("COMMIT")

    def rebuild(self, top: Path) -> list[str]:
        """Make the history anew from the runs that are kept. Returns what could not be read."""
        self._base.executescript("DELETE FROM spells; DELETE FROM runs;")
        wrong = []
        for folder in all_runs(top):
            try:
                self.record(load(folder.path))
            except ResultsError as error:
                wrong.append(str(error))
        return wrong

    def runs(self) -> int:
        """Return how many runs it knows."""
        (number,) = self._base.execute("SELECT count(*) FROM runs").fetchone()
        return int(number)

    def _new_spells(self, scope: str, results: Results, number: int) -> Iterator[tuple[str, str, str, str, int]]:
        """Yield what changed. What could not be looked at ends nothing that was known."""
        spells = self._spells(scope)
        for result in results["results"]:
            key, state = (result["check"], result["subject"]), _state(result)
            known = spells.get(key)
            before = known[-1][0] if known else "ok"
            if state not in (before, "?"):
                yield scope, *key, state, number

    def _spells(self, scope: str) -> dict[Key, list[tuple[str, int, str]]]:
        """Return, by rule and subject, each state with the number and time of the run in which it began."""
        found: dict[Key, list[tuple[str, int, str]]] = {}
        query = (
            "SELECT rule, subject, state, first, started FROM spells JOIN runs ON number = first WHERE spells.scope = ?"
        )
        for rule, subject, state, first, started in self._base.execute(f"{query} ORDER BY first", (scope,)):
            found.setdefault((rule, subject), []).append((state, first, started))
        return found

    def _recent(self, scope: str) -> int:
        """Return the number of the first of the last runs."""
        query = "SELECT number FROM runs WHERE scope = ? ORDER BY number DESC LIMIT ?"
        return min(int(number) for (number,) in self._base.execute(query, (scope, WINDOW - 1)))


def _settled(spells: Sequence[tuple[str, int, str]]) -> tuple[str, str]:
    """Return the last state and when it began; what was always right has no spell."""
    return (spells[-1][0], spells[-1][2]) if spells else ("ok", "")
