"""The files that are made from ``results.json``: by a run, by a merge, and on request."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from conformance.report.files import write_atomic
from conformance.report.formats import FORMATS, render
from conformance.report.grouping import Results

ALWAYS = ("html", "junit")
"""Formats that every run writes into its folder."""


def problems(wanted: Iterable[str]) -> Iterator[str]:
    """Say what is wrong with each ``NAME[=FILE]`` that was asked for."""
    for text in wanted:
        name, _, file = text.partition("=")
        if name not in FORMATS:
            yield f"no format {name!r}; there are {', '.join(FORMATS)}"
        elif file and (why := obstacle(Path(file))):
            yield f"{file} cannot be written: {why}"


def obstacle(path: Path) -> str:
    """Return why a file can neither be written nor made, as far as that can be told beforehand; empty if it can."""
    try:
        if path.is_dir():
            return "it is a folder"
        above = next(folder for folder in path.absolute().parents if folder.exists())
        special = path.exists() and not path.is_file()
        fit = os.access(path, os.W_OK) if special else above.is_dir() and os.access(above, os.W_OK | os.X_OK)
    except OSError as error:
        return error.strerror or type(error).__name__
    return "" if fit else f"{path if special else above} is no place to write to"


def files(folder: Path, wanted: Iterable[str]) -> dict[Path, str]:
    """Return the format of each file to write: ``FILE`` as it was named, else the format's own name in the folder."""
    asked = {folder / FORMATS[name].file: name for name in ALWAYS}
    for text in wanted:
        name, _, file = text.partition("=")
        asked[Path(file) if file else folder / FORMATS[name].file] = name
    return asked


def write(results: Results, facts: Mapping[str, Any], wanted: Mapping[Path, str]) -> dict[Path, str]:
    """Write files in their formats and return those that could be written; of the others the error is shown.

    ``facts`` is the content of ``facts.json``.
    """
    written = {}
    for path, name in wanted.items():
        try:
            put(path, render(name, results, facts))
        except OSError as error:
            sys.stderr.write(f"{name} could not be written to {path}: {error.strerror or type(error).__name__}\n")
        except Exception:
            sys.stderr.write(f"{name} could not be written:\n")
            traceback.print_exc()
        else:
            written[path] = name
    return written


def put(path: Path, text: str) -> None:
    """Write a text whole or not at all; into what is no ordinary file, such as a pipe, as it comes. Raises OSError."""
    if path.exists() and not path.is_file():
        with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as stream:
            stream.write(text)
    else:
        # A link stays one: what it leads to is replaced.
        target = path.resolve()
        target.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(target, text)
