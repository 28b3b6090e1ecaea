"""Commands about runs that were: ``status`` of the last one, ``history`` of them all."""

from __future__ import annotations

from pathlib import Path

import click

_REPORTS = click.option("--reports", metavar="DIR", default="reports", show_default=True, help="Folder of the runs.")


@click.command()
@_REPORTS
@click.option("--nagios", is_flag=True, help="End with 0, 1, 2, 3 for OK, WARNING, CRITICAL, UNKNOWN.")
@click.option("--max-age", type=float, default=26.0, show_default=True, help="Hours after which a run is missed.")
def status(reports: str, nagios: bool, max_age: float) -> None:
    """Say in one line what the last run came to. For people, Nagios and Icinga."""
    import datetime

    from conformance.report import status as last

    found = last.status(Path(reports), datetime.datetime.now(datetime.UTC), max_age)
    click.echo(str(found))
    raise SystemExit(found.state if nagios else 0)


@click.group()
def history() -> None:
    """Follow findings from run to run."""


@history.command()
@_REPORTS
def rebuild(reports: str) -> None:
    """Make the history anew from the results of the runs that are kept. Exit status 4: some cannot be read."""
    from conformance.report.history import FILE, History
    from conformance.report.text import plural, printable

    top = Path(reports)
    if not top.is_dir():
        click.echo(f"{printable(reports)} is no folder", err=True)
        raise SystemExit(4)
    for name in (FILE, f"{FILE}-wal", f"{FILE}-shm"):
        (top / name).unlink(missing_ok=True)
    with History(top / FILE) as made:
        wrong = made.rebuild(top)
        click.echo(f"{plural(made.runs(), 'run')} in {printable(str(top / FILE))}")
    for line in wrong:
        click.echo(printable(line, 2000), err=True)
    raise SystemExit(4 if wrong else 0)
