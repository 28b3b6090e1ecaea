"""Findings as comma-separated values (RFC 4180), safe to be opened in a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence

from conformance.report.grouping import Result, Results
from conformance.report.text import printable
from conformance.report.waived import lapse, why_waived
from conformance.report.words import ordered, proposal, shortfall

ROWS = 1_000_000
"""Rows below the heading. A spreadsheet takes 1,048,576 in all."""

COLUMNS = (
    "outcome",
    "level",
    "check",
    "subject",
    "kind",
    "host",
    "domain",
    "seen",
    "required",
    "fix",
    "cause",
    "waiver",
    "sources",
    "declared_at",
    "aspect",
    "known_since",
)
_LONGEST = 4000

_FORMULA = re.compile("(^|;)(\\s*)(?=[=+\\-@\uff1d\uff0b\uff0d\uff20])")
"""What a spreadsheet would calculate: at the beginning of a cell, or after what some of them split at."""


def render(results: Results) -> str:
    """Return a heading and one row for everything that neither passes nor is not applicable, worst first."""
    text = io.StringIO()
    # What is no number is quoted: no reader then takes a part of a text for a cell of its own.
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    found = ordered(results)
    writer.writerows(_row(result) for result in found[:ROWS])
    if len(found) > ROWS:
        writer.writerow(_note(f"{len(found) - ROWS:,} more results are left out of this file"))
    if told := proposal(results):
        writer.writerow(_note(told, "proposed"))
    if why := shortfall(results):
        writer.writerow(_note(why))
    return text.getvalue()


def _row(result: Result) -> list[str]:
    values = {**result, "sources": ", ".join(result["sources"]), "waiver": lapse(result) or _waived(result)}
    return [_cell(values.get(column) or "") for column in COLUMNS]


def _waived(result: Result) -> str:
    return why_waived(result) if result["outcome"] == "waived" else ""


def _note(text: str, outcome: str = "incomplete") -> Sequence[str]:
    return [_cell({"outcome": outcome, "seen": text}.get(column, "")) for column in COLUMNS]


def _cell(text: str) -> str:
    """Return a text as a cell that is only ever text."""
    return _FORMULA.sub(r"\1\2'", printable(text, _LONGEST))
