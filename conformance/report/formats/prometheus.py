"""Metrics for the node exporter's textfile collector, in the text format of Prometheus.

Series are counted by rule, never by host: their number does not grow with the fleet. A series that is zero is written,
so that an alert can tell nothing found from nothing known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from conformance.report.grouping import Results
from conformance.report.results import OUTCOMES
from conformance.report.text import printable
from conformance.report.words import moment

Labels = Mapping[str, str]
Sample = tuple[Labels, float]


def render(results: Results) -> str:
    """Return gauges about the run as a whole, and one for each rule and outcome."""
    run = results["run"]
    common = {
        "inventory": " ".join(run["inventory"]),
        "profile": ",".join(run["profiles"]),
        "dns": run["dns"],
    }
    info = {"version": run["tool"], "rules": run["rules"]}
    families: list[tuple[str, str, Iterable[Sample]]] = [
        ("run_info", "What the run was made with.", [(info, 1)]),
        ("run_started_timestamp_seconds", "When the run began.", _time(run["started"])),
        ("run_ended_timestamp_seconds", "When the run ended.", _time(run["ended"])),
        ("run_duration_seconds", "How long the run took.", [({}, run["seconds"])]),
        ("run_complete", "Whether the run looked at everything.", [({}, int(run["complete"]))]),
        ("run_exit_status", "Exit status of the run.", [({}, run["exit"])]),
        ("run_unreached", "What an unfinished run did not come to.", [({}, len(run["unreached"]))]),
        ("hosts", "Hosts in scope.", [({}, run["hosts"])]),
        ("domains", "Domains in scope.", [({}, run["domains"])]),
        ("base_findings", "Findings that gate, by whether the base of the run knows them.", _based(results)),
        ("waivers", "Waivers by state; stale ones are counted in their state too.", _waivers(results)),
        ("waivers_next_end_timestamp_seconds", "When the next waiver that holds ends.", _next_end(results)),
        ("results", "Results by rule, its level in the run, and outcome.", _counted(results)),
    ]
    lines = (line for family in families for line in _family(*family, common))
    return "\n".join([*lines, ""])


def _family(name: str, about: str, samples: Iterable[Sample], common: Labels) -> Iterator[str]:
    yield f"# HELP mailconform_{name} {about}"
    yield f"# TYPE mailconform_{name} gauge"
    for labels, value in samples:
        told = ",".join(f'{key}="{_value(text)}"' for key, text in {**common, **labels}.items())
        yield f"mailconform_{name}{{{told}}} {value}"


def _counted(results: Results) -> Iterator[Sample]:
    counted = Counter((result["check"], result["outcome"]) for result in results["results"])
    levels = {check: about["level"] for check, about in results["checks"].items()}
    for result in results["results"]:
        levels.setdefault(result["check"], result["level"])
    for check, level in levels.items():
        for outcome in OUTCOMES:
            yield {"rule": check, "level": level, "outcome": outcome}, counted[check, outcome]


def _based(results: Results) -> Iterator[Sample]:
    """Yield nothing where no base was named."""
    if told := results["run"].get("base"):
        for name in ("new", "known"):
            yield {"base": name}, told[name]
        yield {"base": "fixed"}, len(told["fixed"])


def _waivers(results: Results) -> Iterator[Sample]:
    register = results.get("waivers", [])
    counted = Counter(one["state"] for one in register)
    for state in ("holds", "expiring", "expired"):
        yield {"state": state}, counted[state]
    yield {"state": "stale"}, sum(one["stale"] for one in register)


def _next_end(results: Results) -> Iterator[Sample]:
    """Yield 24:00 UTC of the last day of the waiver that ends next; nothing where none holds."""
    days = sorted(one["expires"] for one in results.get("waivers", []) if one["state"] != "expired")
    for day in days[:1]:
        if found := moment(f"{day}T00:00:00+00:00"):
            yield {}, found.timestamp() + 86_400


def _time(text: str) -> list[Sample]:
    """Return a time as seconds since 1970; nothing of a text that is no time."""
    time = moment(text)
    return [({}, time.timestamp())] if time else []


def _value(text: str) -> str:
    return printable(text).replace("\\", "\\\\").replace('"', '\\"')
