"""Waivers in words: why something is waived, why something is not any more, and what to do about the waivers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from conformance.report.grouping import Result, Results
from conformance.report.text import plural

_OUTCOMES = {"other": "broken in another way", "not-applicable": "not applicable", "pass": "passed"}


def why_waived(result: Result) -> str:
    """Return why a result is waived, until when, and who answers for it; empty where no waiver applies."""
    waiver = result["waiver"] or {}
    until = [f"until {waiver['expires']}"] if waiver.get("expires") else []
    about = ", ".join([*until, *_people(waiver)])
    return f"{waiver.get('reason', '')}{f' ({about})' if about else ''}" if waiver else ""


def lapse(result: Result) -> str:
    """Return what a broken rule's waiver said and why it does not count; empty where none was ever given."""
    waiver = result["waiver"]
    if not waiver or result["outcome"] not in ("fail", "advice"):
        return ""
    about = ", ".join(_people(waiver))
    said = f": {waiver.get('reason', '')}{f' ({about})' if about else ''}"
    if waiver.get("state") == "expired":
        return f"waiver {waiver.get('id')} expired with {waiver.get('expires')}{said}"
    narrow = [f"{name} {waiver[name]!r}" for name in ("observed", "aspect") if waiver.get(name)]
    return f"waiver {waiver.get('id')} does not hold for this, only for {' and '.join(narrow)}{said}"


def _people(waiver: Mapping[str, Any]) -> list[str]:
    return [waiver[name] for name in ("owner", "ticket") if waiver.get(name)]


@dataclass(frozen=True)
class Notice:
    """Something to do about a waiver: it ends soon, or nobody needs it. ``place`` is file and line."""

    kind: str
    text: str
    place: str


def notices(results: Results) -> list[Notice]:
    """Return what is to be done about waivers: what ends soon first, the soonest at the head."""
    register = results.get("waivers", [])
    soon = sorted((one for one in register if one["state"] == "expiring"), key=lambda one: str(one["expires"]))
    ending = [(one, "ends soon", f"ends with {one['expires']}") for one in soon]
    idle = [(one, "stale", "is stale, nothing that it is for is broken") for one in register if one["stale"]]
    return [
        Notice(kind, f"waiver {one['id']} {text}: {_said(one)}", one["declared_at"])
        for one, kind, text in ending + idle
    ]


def by_need(results: Results) -> list[Mapping[str, Any]]:
    """Return the register of waivers, those first that there is something to do about."""
    ranks = {"expiring": 1, "expired": 2, "holds": 3}
    register = results.get("waivers", [])
    return sorted(register, key=lambda one: (0 if one["stale"] else ranks[one["state"]], one["expires"], one["id"]))


def _said(entry: Mapping[str, Any]) -> str:
    about = ", ".join(_people(entry))
    return f"{entry['reason']}{f' ({about})' if about else ''}"


def came_of(entry: Mapping[str, Any]) -> str:
    """Return what came of all that a waiver is for: ``3 waived, 1 passed``."""
    return ", ".join(f"{number:,} {_OUTCOMES.get(name, name)}" for name, number in entry["outcomes"].items())


def sentence_of(results: Results) -> str:
    """Return how many waivers there are and how they stand; empty of none."""
    register = results.get("waivers", [])
    if not register:
        return ""
    counted = {
        "ending soon": sum(one["state"] == "expiring" for one in register),
        "expired": sum(one["state"] == "expired" for one in register),
        "stale": sum(one["stale"] for one in register),
    }
    parts = [f"{number:,} {name}" for name, number in counted.items() if number]
    return f"{plural(len(register), 'waiver')}{': ' if parts else ''}{', '.join(parts)}."
