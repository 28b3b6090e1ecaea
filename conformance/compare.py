"""``mailconform diff``: two states of DNS judged, and what differs between them in words."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from conformance.difference import Difference, compare, unlike
from conformance.diffing import NOT_OF_A_DIFF
from conformance.facts.snapshot import SnapshotError
from conformance.facts.snapshot import load as load_facts
from conformance.facts.store import Store
from conformance.hazards import Hazard, State, hazards
from conformance.options import OPTIONS, Settings
from conformance.report.grouping import LETTERS, Result
from conformance.report.reader import ResultsError, load, place
from conformance.report.results import EXITS
from conformance.report.text import plural, printable
from conformance.report.words import proposal

MOST = 200
"""Entries of a kind that are told; the rest is counted."""
_PYTEST = ("-m", "pytest", "--pyargs", "conformance.cases", "-p", "conformance.plugin")
_PROPOSED = ("overlay", "overlay-plan")
_LEFT_OUT = (*_PROPOSED, *NOT_OF_A_DIFF)
_ENDED = (0, 1, 6)
_MEANING = {
    0: "nothing that gates appears",
    1: "something that gates appears",
    6: "nothing that gates appears, but something that gates is known no longer",
}


class SideError(Exception):
    """A side of the comparison cannot be read or is not named rightly: exit status 4."""


@dataclass(frozen=True)
class Sides:
    """What is compared: ``live``, ``overlay`` or results of a run. ``arguments`` are those of both runs."""

    before: str
    after: str
    folder: str
    arguments: tuple[str, ...]
    settings: Settings

    def check(self) -> None:
        """Raise SideError for sides that make no sense, before anything is run."""
        if self.before == self.after:
            raise SideError(f"--before and --after are both {self.before}: nothing can differ")
        given = any(self.settings[name] for name in _PROPOSED)
        if "overlay" in (self.before, self.after) and not given:
            raise SideError("overlay: nothing is proposed; name it with --overlay or --overlay-plan")
        if "overlay" not in (self.before, self.after) and given:
            raise SideError("--overlay and --overlay-plan are given, and neither --before nor --after is overlay")


def diff(sides: Sides, as_json: bool) -> int:
    """Judge both sides, say what differs and return the exit status. Raises SideError."""
    sides.check()
    before, after = (_state(sides, name, getattr(sides, name)) for name in ("before", "after"))
    found = compare(before.results, after.results)
    minded = hazards(before, after)
    notes = list(unlike(before.results, after.results))
    if as_json:
        click.echo(json.dumps(_document(sides, before, after, found, minded, notes), indent=1))
    else:
        for line in _lines(before, after, found, minded, notes):
            click.echo(printable(line, 2000))
    return found.exit


def _state(sides: Sides, name: str, side: str) -> State:
    """Return the results and facts of one side, judged now where it is none that was. Raises SideError."""
    path = Path(sides.folder) / name if side in ("live", "overlay") else Path(side)
    if side in ("live", "overlay"):
        _run(sides, side, path)
    try:
        results = load(path)
        facts = place(path).with_name("facts.json")
        return State(results, load_facts(str(facts)).store() if facts.exists() else Store())
    except (ResultsError, SnapshotError) as error:
        raise SideError(f"--{name}: {error}") from None


def _run(sides: Sides, side: str, folder: Path) -> None:
    """Judge one side into a folder. Ends this process as the run does when it comes to no results."""
    names = {f"--{name}" for name in _PROPOSED} if side == "live" else set()
    arguments = [one for one in sides.arguments if one.partition("=")[0] not in names]
    left_out = [option for option in OPTIONS if option.name in _LEFT_OUT]
    if side == "overlay":
        arguments += [
            f"--{name}={one}"
            for name in _PROPOSED
            for one in sides.settings[name]
            if f"--{name}={one}" not in arguments
        ]
    unset = [part for option in left_out for part in ("-o", f"{option.ini}=")]
    environ = {key: value for key, value in os.environ.items() if key not in {one.variable for one in left_out}}
    command = [sys.executable, *_PYTEST, *arguments, f"--report-dir={folder}", "-qq", *unset]
    done = subprocess.run(command, env=environ, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode not in _ENDED:
        click.echo(f"{side}: the run ended with {done.returncode}: {EXITS.get(done.returncode, '')}", err=True)
        for line in done.stdout.splitlines()[-20:]:
            click.echo(printable(line, 2000), err=True)
        raise SystemExit(done.returncode if done.returncode > 0 else 2)


def _lines(before: State, after: State, found: Difference, minded: list[Hazard], notes: list[str]) -> Iterator[str]:
    yield f"before: {_about(before)}"
    yield f"after:  {_about(after)}"
    yield from (f"note: {note}" for note in notes)
    for title, results in (
        ("appears", found.appears),
        ("known no longer", found.unknown),
        ("vanishes", found.vanishes),
    ):
        if results:
            yield ""
            yield f"{title}:"
        for one in results[:MOST]:
            yield from _entry(one, with_fix=title == "appears")
        if len(results) > MOST:
            yield f"  and {len(results) - MOST:,} more"
    if minded:
        yield ""
        yield "order and TTL:"
    for hazard in minded[:MOST]:
        yield f"! {hazard.kind} [{hazard.subject}]: {hazard.what}"
        yield f"      first: {hazard.order}"
    if len(minded) > MOST:
        yield f"  and {len(minded) - MOST:,} more"
    yield ""
    yield (
        f"{len(found.appears):,} appear, {len(found.vanishes):,} vanish, {len(found.unknown):,} known no longer, "
        f"{found.same:,} stay; {plural(len(minded), 'hazard')} of order and TTL"
    )
    yield f"exit {found.exit}: {_MEANING[found.exit]}"


def _about(state: State) -> str:
    run = state.results["run"]
    return proposal(state.results) or f"{run['dns']} DNS, {', '.join(run['inventory'])}, {run['started']}"


def _entry(one: Result, *, with_fix: bool) -> Iterator[str]:
    place_of = f" ({one['declared_at']})" if one["declared_at"] else ""
    seen = one["seen"] or one["cause"] or ""
    yield f"{LETTERS[one['outcome']]} {one['level'].upper():<6} {one['check']} [{one['subject']}]: {seen}{place_of}"
    if with_fix and one["fix"]:
        first, *rest = one["fix"].splitlines()
        yield f"      fix: {first}"
        yield from (f"           {line}" for line in rest)


def _document(
    sides: Sides, before: State, after: State, found: Difference, minded: list[Hazard], notes: list[str]
) -> Mapping[str, Any]:
    return {
        "schema": 1,
        "before": {"side": sides.before, "run": before.results["run"]},
        "after": {"side": sides.after, "run": after.results["run"]},
        "notes": notes,
        "appears": list(found.appears),
        "vanishes": list(found.vanishes),
        "unknown": list(found.unknown),
        "same": found.same,
        "hazards": [asdict(hazard) for hazard in minded],
        "exit": found.exit,
        "exit_text": _MEANING[found.exit],
    }
