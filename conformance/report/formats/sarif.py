"""SARIF 2.1.0 (OASIS), for code scanning: one result for everything that is not plainly right.

What could not be looked at is a result of kind ``open``: without it a reader would take the finding of the last run
for fixed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from conformance.report.grouping import Result, Results, causes
from conformance.report.text import place_address, plural, printable
from conformance.report.waived import lapse, why_waived
from conformance.report.words import declared, moment, ordered, proposal, shortfall

MOST = 5_000
"""Results. GitHub takes 25,000 and shows 5,000."""

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {"must": "error", "should": "warning", "info": "note"}
_CAUSES = 100
_LONGEST = 2000
_IN_ADDRESSES = ":/?#[]@!$&'()*+,;=%~"


def render(results: Results) -> str:
    """Return a log with one run. A finding keeps its fingerprints for as long as rule, subject and aspect do."""
    found = ordered(results)
    rules = list(dict.fromkeys(one["check"] for one in found[:MOST]))
    places = {check: number for number, check in enumerate(rules)}
    log = {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "mailconform",
                        "semanticVersion": printable(results["run"]["tool"]),
                        "rules": [_rule(check, results) for check in rules],
                        "notifications": [{"id": name} for name in ("cause", "left-out", "proposed", "shortfall")],
                    }
                },
                "invocations": [_invocation(results, max(len(found) - MOST, 0))],
                # GitHub keeps what is proposed apart from what is live by this (SARIF 2.1.0 section 3.17).
                **({"automationDetails": {"id": "proposed/"}} if proposal(results) else {}),
                "columnKind": "utf16CodeUnits",
                "results": [_result(one, places[one["check"]], results) for one in found[:MOST]],
            }
        ],
    }
    return json.dumps(log, indent=1) + "\n"


def _rule(check: str, results: Results) -> dict[str, Any]:
    about = results["checks"].get(check, {"title": check, "reason": "", "fix": "", "level": "must", "sources": []})
    asked = "; ".join(source["cite"] for source in about["sources"])
    addresses = [place_address(source["address"], source["cite"]) for source in about["sources"]]
    help_text = f"{about['reason']}\n\nHow to comply: {about['fix']}\n\nSources: {asked}"
    rule: dict[str, Any] = {
        "id": check,
        "shortDescription": {"text": _text(about["title"])},
        "fullDescription": {"text": _text(about["reason"] or about["title"])},
        "help": {"text": _text(help_text)},
        "defaultConfiguration": {"level": _LEVELS[about["level"]]},
        "properties": {"tags": ["mail", check.partition(".")[0]]},
    }
    address = next(filter(None, addresses), None)
    return rule | ({"helpUri": quote(address, safe=_IN_ADDRESSES, errors="backslashreplace")} if address else {})


def _result(result: Result, rule: int, results: Results) -> dict[str, Any]:
    undetermined = result["outcome"] == "undetermined"
    told: dict[str, Any] = {
        "ruleId": result["check"],
        "ruleIndex": rule,
        "kind": "open" if undetermined else "fail",
        "level": "none" if undetermined else _LEVELS[result["level"]],
        "message": {"text": _text(_message(result))},
        "locations": [_location(result, results)],
        "partialFingerprints": {
            # GitHub knows a result by this one alone. One rule says one thing of a subject, or that it is unknown.
            "primaryLocationLineHash": f"{_digest(result['check'], result['subject'])[:16]}:1",
            "mailconform/v1": _digest(result["check"], result["subject"], result["aspect"]),
        },
        "properties": {"outcome": result["outcome"], "level": result["level"], "subject": _shown(result["subject"])},
    }
    if "base" in results["run"] and not undetermined:
        told["baselineState"] = "unchanged" if "known_since" in result else "new"
    if result["outcome"] == "waived":
        why = _shown(why_waived(result))
        told["suppressions"] = [{"kind": "external", "status": "accepted", "justification": why}]
    return told


def _message(result: Result) -> str:
    if result["outcome"] == "undetermined":
        return f"{result['subject']}: could not look: {result['seen'] or result['cause']}"
    fix = f"\nfix: {result['fix']}" if result["fix"] else ""
    lapsed = lapse(result)
    return f"{result['subject']}: {printable(result['seen'], _LONGEST)}{fix}{f'{chr(10)}{lapsed}' if lapsed else ''}"


def _location(result: Result, results: Results) -> dict[str, Any]:
    """Return where it was declared, or else the inventory: readers drop a result without a location."""
    inventory = next(iter(results["run"]["inventory"]), "inventory")
    path, line = declared(result) or (inventory, None)
    logical = {"name": _shown(result["subject"]), "kind": "resource"}
    physical = {"artifactLocation": {"uri": _uri(path)}, "region": {"startLine": line or 1}}
    return {"physicalLocation": physical, "logicalLocations": [logical]}


def _uri(path: str) -> str:
    quoted = quote(path, safe="/", errors="backslashreplace")
    return f"file://{quoted}" if path.startswith("/") else quoted


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "backslashreplace")).hexdigest()


def _invocation(results: Results, left_out: int) -> dict[str, Any]:
    run = results["run"]
    told: dict[str, Any] = {
        "executionSuccessful": run["complete"] and run["exit"] in (0, 1, 6),
        "exitCode": run["exit"],
        "exitCodeDescription": _shown(run["exit_text"]),
        "toolExecutionNotifications": list(_notifications(results, left_out)),
    }
    times = {"startTimeUtc": _time(run["started"]), "endTimeUtc": _time(run["ended"])}
    return told | {name: time for name, time in times.items() if time}


def _notifications(results: Results, left_out: int) -> Iterator[dict[str, Any]]:
    if why := shortfall(results):
        yield _notification("shortfall", "error", why)
    if told := proposal(results):
        yield _notification("proposed", "note", told)
    if left_out:
        yield _notification("left-out", "warning", f"{plural(left_out, 'result')} left out here, see report.html")
    reasons = causes(results)
    for cause in reasons[:_CAUSES]:
        text = f"could not look: {cause.text}: {plural(len(cause.results), 'check')} undetermined"
        yield _notification("cause", "warning", text)
    if len(reasons) > _CAUSES:
        yield _notification("left-out", "warning", f"{plural(len(reasons) - _CAUSES, 'cause')} left out here")


def _notification(name: str, level: str, text: str) -> dict[str, Any]:
    return {"descriptor": {"id": name}, "level": level, "message": {"text": _text(text)}}


def _time(text: str) -> str | None:
    """Return a time in UTC as SARIF writes it (section 3.9); None of a text that is no time."""
    time = moment(text)
    return time.strftime("%Y-%m-%dT%H:%M:%SZ") if time else None


def _shown(text: str) -> str:
    return printable(text, _LONGEST, newlines=True)


def _text(text: str) -> str:
    """Return a text as a message that holds neither placeholders (section 3.11.5) nor links (section 3.11.6)."""
    return _shown(text).replace("{", "{{").replace("}", "}}").replace("](", "] (")
