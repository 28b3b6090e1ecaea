"""What a run has to say that the run before had not: for mail from cron, for notifications."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from conformance.report.grouping import WORST, Result, Results, causes, changed, inconclusive, verdict
from conformance.report.text import clip, plural, printable
from conformance.report.waived import lapse
from conformance.report.words import proposal

MOST = 20
"""Findings of a kind that are named."""
_WIDTH = 300
_MARKS = {"fail": "F", "advice": "a"}


def new_findings(results: Results) -> list[Result]:
    """Return the findings that are new, worst first; all that fail where there was no run before."""
    if results["run"].get("inconclusive"):
        return []
    compared = "changes" in results
    wanted = ("change", "new") if compared else ("outcome", "fail")
    found = [one for one in results["results"] if one.get(wanted[0]) == wanted[1]]
    return sorted(found, key=lambda one: (WORST.index(one["outcome"]), one["check"], one["subject"]))


def fixed(results: Results) -> Sequence[Mapping[str, str]]:
    """Return the findings of earlier runs that are none any more."""
    told: Sequence[Mapping[str, str]] = results.get("changes", {}).get("fixed", ())
    return told


def is_news(results: Results) -> bool:
    """Whether there is anything to say: something new or fixed, or a run that does not know what it should."""
    if results["run"]["exit"] not in (0, 1):
        return True
    return bool(new_findings(results) or fixed(results))


def subject(results: Results) -> str:
    """Return the news in one line: numbers, and the worst rule."""
    if results["run"].get("inconclusive"):
        return "mailconform: the run is undetermined"
    found, gone = new_findings(results), fixed(results)
    worst = f": {found[0]['check']} {found[0]['subject']}" if found else ""
    numbers = ", ".join(filter(None, (f"{len(found)} new" if found else "", f"{len(gone)} fixed" if gone else "")))
    proposed = "PROPOSED: " if proposal(results) else ""
    return clip(printable(f"mailconform: {proposed}{numbers or verdict(results)}{worst}"), 200)


def lines(results: Results, report: str | os.PathLike[str] | None = None) -> list[str]:
    """Return the news as lines of text without control characters."""
    if dark := inconclusive(results):
        return [subject(results), *dark, *_ending(results, report)]
    out = [subject(results), *([f"{printable(told)}."] if (told := proposal(results)) else []), *changed(results)]
    found, gone = new_findings(results), fixed(results)
    out += [f"{_MARKS.get(one['outcome'], '-')} {_about(one)}" for one in found[:MOST]]
    out += [f"and {len(found) - MOST:,} more that are new"] if len(found) > MOST else []
    out += [f"+ fixed: {printable(one['check'])} {printable(one['subject'])}" for one in gone[:MOST]]
    out += [f"and {len(gone) - MOST:,} more that are fixed"] if len(gone) > MOST else []
    if results["run"]["exit"] == 6:
        gating = [cause for cause in causes(results) if cause.gating]
        out += [f"? {clip(printable(one.text), _WIDTH)} ({plural(len(one.results), 'check')})" for one in gating[:MOST]]
    return [*out, *_ending(results, report)]


def _ending(results: Results, report: str | os.PathLike[str] | None) -> list[str]:
    run = results["run"]
    where = [f"Report: {printable(os.fspath(report), 4096)}"] if report is not None else []
    return [*where, f"exit {run['exit']}: {printable(run['exit_text'])}"]


def _about(one: Result) -> str:
    where = f" ({one['declared_at']})" if one["declared_at"] else ""
    lapsed = f"; {lapse(one)}" if lapse(one) else ""
    text = f"{one['level'].upper()} {one['check']} {one['subject']}: {one['seen']}{where}"
    return clip(printable(text), _WIDTH) + printable(lapsed, 1000)


def payload(results: Results) -> dict[str, Any]:
    """Return the news for programs: the text, the counts, and what is new and fixed."""
    keys = ("check", "level", "subject", "outcome", "seen", "fix", "declared_at")
    run = {key: results["run"][key] for key in ("started", "inventory", "dns", "exit", "exit_text")}
    return {
        "text": "\n".join(lines(results)),
        "run": run,
        "counts": results["counts"],
        "new": [{key: one[key] for key in keys} for one in new_findings(results)[:MOST]],
        "fixed": list(fixed(results))[:MOST],
    }
