"""Commands that read what runs wrote: ``report`` tells it in another format, ``merge`` joins shards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import click

from conformance.report.formats import FORMATS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from conformance.merge import Merged
    from conformance.report.grouping import Results

_NAMES = ", ".join(FORMATS)


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
    """Write what RESULTS, a results.json or its folder, says in another format. Exit status 4: it cannot be read."""
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
@click.option("--report-dir", "folder", metavar="DIR", required=True, help="Folder for the joined reports.")
@click.option(
    "--format",
    "further",
    metavar="NAME[=FILE]",
    multiple=True,
    help=f"Write a further output, into the folder or to FILE: {_NAMES}. Repeatable.",
)
@click.option("-q", "--quiet", is_flag=True, help="One line, and one for each finding.")
def merge(shards: tuple[str, ...], folder: str, further: tuple[str, ...], quiet: bool) -> NoReturn:
    """Join results of shards of one fleet: RESULTS are their folders, or their results.json.

    Writes what one run would have written, and ends with the exit status that it would have had. Runs of different
    inventories, profiles, rules or versions are refused with 4.
    """
    from pathlib import Path

    from conformance.facts.snapshot import SnapshotError
    from conformance.merge import MergeError, read
    from conformance.merge import merge as join
    from conformance.report import outputs
    from conformance.report.reader import ResultsError
    from conformance.report.text import printable

    if wrong := list(outputs.problems(further)):
        raise Refused("\n".join(f"--format: {text}" for text in wrong))
    try:
        parts = [read(shard) for shard in shards]
        merged = join(parts)
    except (MergeError, ResultsError, SnapshotError) as error:
        raise Refused(str(error)) from None
    for warning in merged.warnings:
        click.echo(printable(warning, 2000), err=True)
    wanted = outputs.files(Path(folder), further)
    try:
        if (written := _write(merged, Path(folder), wanted)) != wanted:
            merged = join(parts, internal=True)
            _write(merged, Path(folder), written)
    except OSError as error:
        raise Refused(f"{folder}: cannot hold results: {error.strerror}") from None
    _say(merged.document, Path(folder), quiet)
    raise SystemExit(merged.document["run"]["exit"])


def _write(merged: Merged, folder: Path, wanted: Mapping[Path, str]) -> dict[Path, str]:
    """Write all reports; return those that could be made. Raises OSError."""
    from conformance.facts.snapshot import dump
    from conformance.report import outputs
    from conformance.report.files import write_atomic
    from conformance.report.results import parts

    folder.mkdir(parents=True, exist_ok=True)
    facts = dump(merged.store, merged.gathering)
    write_atomic(folder / "facts.json", facts)
    write_atomic(folder / "results.json", parts(merged.document))
    return outputs.write(merged.document, facts, wanted)


def _say(document: Results, folder: Path, quiet: bool) -> None:
    import shutil

    from conformance.report.terminal import lines

    width = shutil.get_terminal_size((120, 24)).columns
    for line in lines(document, quiet=quiet, width=width, report_path=folder / "report.html"):
        click.echo(line)
