"""Commands that read what runs wrote: ``report`` tells it in another format, ``merge`` joins shards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import click

from conformance.given import options, settled
from conformance.report.formats import FORMATS

if TYPE_CHECKING:
    from pathlib import Path

    from conformance.options import Settings
    from conformance.report.grouping import Results


class Refused(click.ClickException):
    """What was given cannot be read or written: wrong usage, exit status 4."""

    exit_code = 4

    def show(self, file: Any = None) -> None:
        """Say what is wrong."""
        from conformance.report.text import printable

        for line in self.message.splitlines():
            click.echo(printable(line, 2000), err=True)


@click.command()
@click.argument("source", metavar="RESULTS")
@click.option("--format", "name", type=click.Choice(list(FORMATS)), required=True, help="What to write.")
@click.option("--output", metavar="FILE", help="Where to write it. [default: standard output]")
@click.option("--facts", metavar="FILE", help="The facts.json of the run: evidence for html.")
def report(source: str, name: str, output: str | None, facts: str | None) -> None:
    """Write results in another format. RESULTS: a results.json, or its folder. Exit status 4: it cannot be read."""
    from conformance.report.formats import render
    from conformance.report.reader import ResultsError, load

    if facts and name != "html":
        raise Refused(f"--facts: {name} shows no evidence, html does")
    try:
        document = load(source)
        text = render(name, document, _facts(facts) if facts else None)
    except ResultsError as error:
        raise Refused(str(error)) from None
    if output is None:
        click.echo(text.encode("utf-8", "backslashreplace"), nl=False)
        return
    _put(output, text)


def _facts(path: str) -> Any:
    import json
    from pathlib import Path

    from conformance.facts.snapshot import SnapshotError, load

    try:
        load(path)
    except SnapshotError as error:
        raise Refused(str(error)) from None
    return json.loads(Path(path).read_bytes())


def _put(path: str, text: str) -> None:
    from pathlib import Path

    from conformance.report import outputs

    try:
        outputs.put(Path(path), text)
    except OSError as error:
        raise Refused(f"{path}: cannot be written: {error.strerror}") from None


@click.command()
@click.argument("shards", metavar="RESULTS...", nargs=-1, required=True)
@options(("reports", "report-dir", "keep", "lock-wait", "quiet-ok", "notify", "format"))
@click.option("-q", "--quiet", is_flag=True, help="One line, and one for each finding.")
def merge(shards: tuple[str, ...], quiet: bool, **given: Any) -> NoReturn:
    """Join the results of shards of one fleet. RESULTS are their folders, or their results.json.

    Writes what one run would have written, in a folder below --reports with a history and what is new, or in
    --report-dir without. Ends with the exit status that one run would have had. Runs of different inventories,
    profiles, rules or versions are refused with 4.
    """
    from conformance import merging
    from conformance.facts.snapshot import SnapshotError
    from conformance.merge import MergeError, read
    from conformance.options import UsageError
    from conformance.report.reader import ResultsError
    from conformance.report.text import printable

    try:
        settings = settled(given)
        if wrong := list(merging.problems(settings)):
            raise Refused("\n".join(wrong))
        merged, folder = merging.tell([read(shard) for shard in shards], settings)
    except (MergeError, ResultsError, SnapshotError, UsageError) as error:
        raise Refused(str(error)) from None
    except OSError as error:
        raise Refused(f"{error.filename or 'the reports'}: cannot hold results: {error.strerror}") from None
    for warning in merged.warnings:
        click.echo(printable(warning, 2000), err=True)
    _say(merged.document, folder, settings, quiet)
    raise SystemExit(merged.document["run"]["exit"])


def _say(document: Results, folder: Path, settings: Settings, quiet: bool) -> None:
    import shutil

    from conformance.notify import notify
    from conformance.report import news, terminal
    from conformance.report.text import printable

    for line in notify(settings["notify"], document):
        click.echo(printable(line), err=True)
    page = folder / "report.html"
    if settings["quiet-ok"]:
        told = news.lines(document, page) if news.is_news(document) else []
    else:
        width = shutil.get_terminal_size((120, 24)).columns
        told = list(terminal.lines(document, quiet=quiet, width=width, report_path=page))
    for line in told:
        click.echo(line)
