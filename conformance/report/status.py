"""The last run in one line, as monitoring systems read it (the plugin interface of Nagios and Icinga)."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

from conformance.report.grouping import WORDS, Results, gates
from conformance.report.reader import ResultsError, load
from conformance.report.runs import LATEST
from conformance.report.text import clip, plural, printable
from conformance.report.words import moment

OK, WARNING, CRITICAL, UNKNOWN = range(4)
STATES = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
MAX_AGE = 26.0
"""Hours after which a nightly run is missed."""
_WIDTH = 200


@dataclass(frozen=True, slots=True)
class Status:
    """A state (0 to 3, the exit status of a plugin), and why."""

    state: int
    text: str
    figures: str = ""

    def __str__(self) -> str:
        figures = f" | {self.figures}" if self.figures else ""
        # What stands behind a bar would be read as figures.
        return f"MAILCONFORM {STATES[self.state]} - {self.text.replace('|', '/')}{figures}"


def status(folder: Path, now: datetime.datetime, max_age: float = MAX_AGE) -> Status:
    """Return what the last run below a folder came to; one older than ``max_age`` hours says nothing any more."""
    try:
        document = load(folder / LATEST if (folder / LATEST).exists() else folder)
    except ResultsError as error:
        return Status(UNKNOWN, clip(printable(str(error)), _WIDTH))
    ended = moment(document["run"].get("ended", "")) or moment(document["run"]["started"])
    hours = (now - ended).total_seconds() / 3600 if ended else float("inf")
    figures = _figures(document, hours)
    if hours > max_age:
        return Status(UNKNOWN, f"the last run ended {hours:.0f} h ago", figures)
    state, text = _judged(document)
    return Status(state, text, figures)


def _judged(document: Results) -> tuple[int, str]:
    run, counts = document["run"], document["counts"]
    if run["exit"] in (2, 3, 4, 5) or not run["complete"]:
        return UNKNOWN, f"{run['exit_text']}"
    if run["dns"] == "proposed":
        return UNKNOWN, "the last run judged proposed DNS, not what is live"
    if run.get("inconclusive"):
        return UNKNOWN, clip(printable(run["inconclusive"]), _WIDTH)
    if counts["fail"]:
        failed = [result for result in document["results"] if result["outcome"] == "fail"]
        rules = dict.fromkeys(result["check"] for result in failed)
        # What is advised may be new, too, and wakes nobody.
        fresh = sum(result.get("change") == "new" for result in failed)
        new = f", {fresh:,} new" if fresh else ""
        return CRITICAL, clip(f"{plural(len(failed), 'finding')} of {', '.join(rules)}{new}", _WIDTH)
    if run["exit"] == 1:
        return CRITICAL, clip(printable(run["exit_text"]), _WIDTH)
    blind = sum(result["outcome"] == "undetermined" and gates(result, document) for result in document["results"])
    if run["exit"] == 6 or blind:
        return WARNING, f"nothing broken seen, {plural(blind, 'gating check')} undetermined"
    known = f", {plural(counts['known'], 'finding')} known" if counts["known"] else ""
    return OK, f"{plural(counts['pass'], 'check')} passed{known}"


def _figures(document: Results, hours: float) -> str:
    figures = [f"{outcome.replace('-', '_')}={document['counts'][outcome]}" for outcome in WORDS]
    age = f"{hours:.1f}h" if hours < 1e6 else "U"
    return " ".join([*figures, f"age={age}", f"time={document['run']['seconds']:g}s"])
