"""One result in words: what was required, what was seen, what to do, where it was declared."""

from __future__ import annotations

import datetime

from conformance.check import Level
from conformance.reading.excerpt import listed
from conformance.reading.scripts import in_both_forms
from conformance.report.grouping import WORST, Result, Results
from conformance.report.text import printable
from conformance.report.waived import lapse, why_waived

WIDE = 1000
"""Characters of one line that are shown: a record with its fix is longer than a terminal's line."""

_RANK = {outcome: rank for rank, outcome in enumerate(WORST)}


def in_words(result: Result) -> str:
    """Return a result as a few lines of plain text."""
    lines = [f"{result['check']} [{result['level']}] {result['subject']}: {result['outcome']}"]
    if (domain := result["domain"] or "") != (both := in_both_forms(domain)):
        lines.append(f"domain: {printable(both)}")
    if result["outcome"] != "undetermined":
        lines.append(f"required: {result['required']}")
    lines.append(f"seen: {result['seen']}")
    if result["cause"] and result["cause"] != result["seen"]:
        lines.append(f"cause: {result['cause']}")
    if result["fix"]:
        lines.append(f"fix: {result['fix']}")
    lines.append(f"source: {', '.join(result['sources'])}")
    if "known_since" in result:
        lines.append(f"known since: {result['known_since']}")
    if result["outcome"] == "waived":
        lines.append(f"waived: {why_waived(result)}")
    if lapsed := lapse(result):
        lines.append(lapsed)
    if result["declared_at"]:
        lines.append(f"declared at: {result['declared_at']}")
    if result["evidence"]:
        lines.append(f"evidence: {', '.join(result['evidence'])}")
    lines += way(result)
    return "\n".join(printable(line, WIDE) for line in lines)


def way(result: Result) -> list[str]:
    """Return the traceback of a result in which mailconform itself failed; nothing for any other."""
    return str(result.get("extra", {}).get("traceback", "")).splitlines()


def ordered(results: Results) -> list[Result]:
    """Return everything that is not plainly right, worst first: by outcome, level, rule, subject."""
    told = [one for one in results["results"] if one["outcome"] not in ("pass", "not-applicable")]
    return sorted(told, key=lambda one: (_RANK[one["outcome"]], Level(one["level"]).rank, one["check"], one["subject"]))


def declared(result: Result) -> tuple[str, int | None] | None:
    """Return file and line of a result's declaration; no line where it is not known, None where nothing is."""
    if not result["declared_at"]:
        return None
    path, _, line = result["declared_at"].rpartition(":")
    if path and line.isascii() and line.isdecimal() and len(line) < 10:
        return path, max(int(line), 1)
    return result["declared_at"], None


def moment(text: str) -> datetime.datetime | None:
    """Return a time of a run in UTC; None of a text that is no time."""
    try:
        return datetime.datetime.fromisoformat(text).astimezone(datetime.UTC)
    except (ValueError, OverflowError):
        return None


def proposal(results: Results) -> str:
    """Return that what was judged is not live, and what answered in its place; empty when all was live."""
    run = results["run"]
    if run["dns"] != "proposed":
        return ""
    overlays = run.get("overlays", [])
    named = f" by {listed(overlays)}" if overlays else ""
    return f"PROPOSED: DNS as changed{named}, not as it is live"


def shortfall(results: Results) -> str:
    """Return why the run as a whole cannot be relied on to have looked at everything; empty when it can."""
    run = results["run"]
    if run["complete"] and run["exit"] not in (2, 3, 4, 5):
        return ""
    missed = len(run["unreached"])
    first = f", first {run['unreached'][0]}" if missed else ""
    return f"exit {run['exit']}: {run['exit_text']}; {missed:,} not reached{first}"
