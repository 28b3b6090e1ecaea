"""Commands about runs that were: ``status`` of the last one, ``history`` of them all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from conformance.given import fail, options, settled
from conformance.options import UsageError

_REPORTS = ("reports",)


@click.command()
@options(_REPORTS)
@click.option("--nagios", is_flag=True, help="End with 0, 1, 2, 3 for OK, WARNING, CRITICAL, UNKNOWN.")
@click.option("--max-age", type=float, default=26.0, show_default=True, help="Hours after which a run is missed.")
def status(nagios: bool, max_age: float, **given: Any) -> None:
    """Say in one line what the last run came to. For people, Nagios and Icinga."""
    import datetime

    from conformance.report import status as last

    found = last.status(_top(given), datetime.datetime.now(datetime.UTC), max_age)
    click.echo(str(found))
    raise SystemExit(found.state if nagios else 0)


@click.group()
def history() -> None:
    """Follow findings from run to run."""


@history.command()
@options(_REPORTS)
def rebuild(**given: Any) -> None:
    """Make the history anew from the results of the runs that are kept. Exit status 4: some cannot be read."""
    from conformance.report.history import FILE, History
    from conformance.report.text import plural, printable

    top = _top(given)
    if not top.is_dir():
        fail(f"{top} is no folder")
    for name in (FILE, f"{FILE}-wal", f"{FILE}-shm"):
        (top / name).unlink(missing_ok=True)
    with History(top / FILE) as made:
        wrong = made.rebuild(top)
        click.echo(f"{plural(made.runs(), 'run')} in {printable(str(top / FILE))}")
    for line in wrong:
        click.echo(printable(line, 2000), err=True)
    raise SystemExit(4 if wrong else 0)


def _top(given: dict[str, Any]) -> Path:
    """Return the folder of the runs: where a run would look for it, so that all of them find the same."""
    try:
        return Path(settled(given)["reports"])
    except UsageError as error:
        fail(str(error))
