"""Commands about waivers: hold them against rules and inventory, list them, write and remove them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from conformance.given import INVENTORY, fail, options, read_fleet, settled

if TYPE_CHECKING:
    import datetime

    from conformance.fleet.errors import Problem
    from conformance.options import Settings
    from conformance.reading.waivers import Waiver

_FILES = click.argument("files", metavar="[FILE]...", nargs=-1)
_FILE = click.argument("file", metavar="FILE")


@click.group()
def waivers() -> None:
    """Accept for a while what is broken: why, by whom, until when.

    FILE is one or more files of waivers; none: those of MAILCONFORM_WAIVERS or mailconform_waivers in pytest.ini.
    """


@waivers.command()
@_FILES
@options(INVENTORY)
def lint(files: tuple[str, ...], **given: Any) -> None:
    """Say everything that is wrong with waivers. Exit status 4 when something is.

    With an inventory also whether it has the hosts, domains and addresses that they name.
    """
    from conformance.report.text import plural

    chosen, found, wrong = _read(files, given)
    held = "held against the inventory" if chosen["inventory"] else "not held against an inventory"
    _refuse(wrong)
    click.echo(f"valid: {plural(len(found), 'waiver')}, {held}")


@waivers.command("list")
@_FILES
@options(INVENTORY)
@click.option("--json", "as_json", is_flag=True, help="As JSON, for other programs.")
def list_them(files: tuple[str, ...], as_json: bool, **given: Any) -> None:
    """Every waiver with its state, the soonest to end first. With an inventory also those in its variables."""
    import json

    from conformance.fleet.waivers import state
    from conformance.policy import today
    from conformance.report.register import entry

    found = _valid(files, given)
    if as_json:
        rows = [entry(one, state(one, today()), 0, False) for one in found]
        kept = [{name: value for name, value in row.items() if name not in ("covers", "limited")} for row in rows]
        click.echo(json.dumps(kept, indent=1))
        return
    _say(found, today())


@waivers.command()
@_FILES
@options(INVENTORY)
@click.option("--days", type=click.IntRange(0), help="Within so many days. [default: warn_days of the file]")
def expiring(files: tuple[str, ...], days: int | None, **given: Any) -> None:
    """Waivers that end soon or have ended. Says nothing where there is none: cron then sends no mail."""
    from datetime import timedelta

    from conformance.policy import today

    day = today()
    soon = [
        one
        for one in _valid(files, given)
        if one.expires - day <= timedelta(days=one.warn_days if days is None else days) or one.expires < day
    ]
    _say(soon, day)


@waivers.command()
def schema() -> None:
    """Print the JSON Schema of a file of waivers, for editors."""
    import json

    from conformance.reading.waivers import json_schema

    click.echo(json.dumps(json_schema(), indent=2))


@waivers.command()
@_FILE
@click.option("--rule", "rules", multiple=True, required=True, help="Id of a rule that may be broken. Repeatable.")
@click.option("--hosts", metavar="PATTERN", help="Hosts: an Ansible pattern.")
@click.option("--domain", "domains", multiple=True, help="A domain of the catalogue. Repeatable.")
@click.option("--address", "addresses", multiple=True, help="A sending address. Repeatable.")
@click.option("--subject", "subjects", multiple=True, help="A subject, as reports name it. Repeatable.")
@click.option("--observed", metavar="TEXT", help="Waive only this: what reports say was seen, or words of it.")
@click.option("--observed-in", metavar="RESULTS", help="Waive only what a results.json says was seen of the subject.")
@click.option("--aspect", help="Waive only this way to break the rule.")
@click.option("--reason", required=True, help="Why it is accepted for now.")
@click.option("--owner", required=True, help="Who answers for it.")
@click.option("--ticket", help="Where the work on it is followed.")
@click.option("--approved-by", help="Who agreed.")
@click.option("--expires", metavar="DAY", required=True, help="The last day it holds, until 24:00 UTC: 2027-01-31.")
@click.option("--id", "name", help="What reports call it. [default: W- and the day and a number]")
def add(file: str, name: str | None, observed_in: str | None, **given: Any) -> None:
    """Write a waiver to FILE, issued today. All else in it stays as it is. Exit status 4: it would not be valid."""
    from conformance.fleet.waivers import judged, place
    from conformance.policy import rules, today
    from conformance.reading.waiverfile import EditError, added

    day = today()
    before = _text(file) if Path(file).exists() else ""
    known, _ = judged(before, file, rules(), day)
    if observed_in:
        given["observed"] = _observed(observed_in, given["rules"], given["subjects"])
    row = _row(name or _free([one.id for one in known], day), day, given)
    try:
        text = added(before, row)
    except EditError as error:
        fail(f"{file}: {error}")
    found, wrong = judged(text, file, rules(), day)
    _refuse(wrong)
    if len({one.id for one in found}) < len(found):
        fail(f"{file}: there is a waiver {row['id']} already")
    _write(file, text)
    click.echo(f"written: {place(found[-1])}: {found[-1].id}")


@waivers.command()
@_FILE
@click.option("--results", metavar="RESULTS", help="Also what a results.json says is stale.")
@click.option("--dry-run", is_flag=True, help="Only say which.")
def prune(file: str, results: str | None, dry_run: bool) -> None:
    """Take out of FILE what has expired, with the comments above. All else in it stays as it is."""
    from conformance.fleet.waivers import EXPIRED, judged, state
    from conformance.policy import rules, today
    from conformance.reading.waiverfile import EditError, pruned
    from conformance.report.text import printable

    text = _text(file)
    found, wrong = judged(text, file, rules(), today())
    _refuse(wrong)
    idle = _stale(results) if results else set()
    gone = [(one, "expired") for one in found if state(one, today()) == EXPIRED]
    gone += [(one, "stale") for one in found if one.id in idle and state(one, today()) != EXPIRED]
    try:
        left = pruned(text, {one.line for one, _ in gone if one.line})
    except EditError as error:
        fail(f"{file}: {error}")
    if gone and not dry_run:
        _write(file, left)
    for one, why in gone:
        click.echo(printable(f"{'would go' if dry_run else 'gone'}: {one.id}, {why}: {one.reason}", 2000))


def _read(files: Sequence[str], given: dict[str, Any]) -> tuple[Settings, list[Waiver], list[Problem]]:
    """Return the waivers of files and, where an inventory is named, of its hosts, and what is wrong with them."""
    from conformance import policy
    from conformance.fleet import waivers as filed
    from conformance.fleet.hostwaivers import inline
    from conformance.options import UsageError

    try:
        chosen = settled(given)
        day = policy.today()
    except UsageError as error:
        fail(str(error))
    paths = files or chosen["waivers"]
    if not paths and not chosen["inventory"]:
        fail("no waivers: name a FILE, or set MAILCONFORM_WAIVERS or mailconform_waivers")
    found, wrong = filed.load(paths, policy.rules(), day)
    if chosen["inventory"]:
        fleet = read_fleet(given, filed.patterns(found))
        found += inline(fleet.mtas)
        wrong += [*filed.of_hosts(fleet, policy.rules(), day), *filed.twice(found)]
        wrong += policy.covering(found, fleet, limited=bool(chosen["limit"]))[1]
    return chosen, found, wrong


def _valid(files: Sequence[str], given: dict[str, Any]) -> list[Waiver]:
    _, found, wrong = _read(files, given)
    _refuse(wrong)
    return sorted(found, key=lambda one: (one.expires, one.id))


def _refuse(wrong: Sequence[Problem]) -> None:
    from conformance.fleet.errors import by_place

    if wrong:
        fail("\n".join(map(str, dict.fromkeys(sorted(wrong, key=by_place)))))


def _say(found: Sequence[Waiver], day: datetime.date) -> None:
    from conformance.report.text import printable

    for one in found:
        for line in _lines(one, day):
            click.echo(printable(line, 2000))


def _lines(waiver: Waiver, day: datetime.date) -> Iterator[str]:
    from conformance.fleet.waivers import place, state

    left = (waiver.expires - day).days
    when = f"{left} days left" if left > 1 else ["ends today", "ends tomorrow"][left] if left >= 0 else ""
    yield f"{waiver.id}  {state(waiver, day)}  {waiver.expires}{f', {when}' if when else ''}  {place(waiver)}"
    whom = [waiver.hosts, *waiver.members, *waiver.domains, *waiver.addresses, *waiver.subjects]
    yield f"    {', '.join(waiver.rules)} of {'; '.join(filter(None, whom))}"
    yield f"    {waiver.reason} ({', '.join(filter(None, (waiver.owner, waiver.ticket)))})"


def _row(name: str, day: datetime.date, given: dict[str, Any]) -> dict[str, Any]:
    """Return a waiver as it is written, without what was not given."""
    import datetime

    values = {"id": name, **given, "issued": day}
    try:
        values["expires"] = datetime.date.fromisoformat(given["expires"])
    except ValueError:
        fail(f"--expires: {given['expires']!r} is no day, such as 2027-01-31")
    if any(mark in rule for rule in given["rules"] for mark in "*?"):
        values["broad"] = True
    order = ("id", "rules", "broad", "hosts", "domains", "addresses", "subjects", "observed", "aspect", "reason",
             "owner", "ticket", "approved_by", "issued", "expires")  # fmt: skip
    lists = {key: list(value) for key, value in values.items() if isinstance(value, tuple)}
    return {key: {**values, **lists}[key] for key in order if {**values, **lists}.get(key)}


def _free(known: Sequence[str], day: datetime.date) -> str:
    numbered = (f"W-{day:%Y%m%d}-{number}" for number in range(1, len(known) + 2))
    return next(name for name in numbered if name not in known)


def _observed(path: str, rules: Sequence[str], subjects: Sequence[str]) -> str:
    """Return what a run saw of the one rule and subject that are given."""
    from conformance.report.base import BROKEN

    seen = {
        one["seen"]
        for one in _results(path)["results"]
        if one["check"] in rules and one["subject"] in subjects and one["outcome"] in BROKEN
    }
    if len(seen) != 1:
        fail(f"--observed-in: {path} has {len(seen)} findings of these rules and subjects, and must have one")
    return str(seen.pop())


def _stale(path: str) -> set[str]:
    from conformance.report.register import stale

    return {str(one["id"]) for one in stale(_results(path).get("waivers", []))}


def _results(path: str) -> dict[str, Any]:
    from conformance.report.reader import ResultsError, load

    try:
        return load(path)
    except ResultsError as error:
        fail(str(error))


def _text(file: str) -> str:
    from conformance.fleet.waivers import WaiversError, read_file

    try:
        return read_file(file)
    except WaiversError as error:
        fail(f"{file}: {error}")


def _write(file: str, text: str) -> None:
    from conformance.report.outputs import put

    try:
        put(Path(file), text)
    except OSError as error:
        _unwritten(file, error)


def _unwritten(file: str, error: OSError) -> NoReturn:
    fail(f"{file}: cannot be written: {error.strerror or type(error).__name__}")
