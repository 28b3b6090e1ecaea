"""Findings and links as the parts of the page show them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from conformance.reading.scripts import id_in_both_forms
from conformance.report.evidence import Evidence
from conformance.report.grouping import Result
from conformance.report.matrix import anchor
from conformance.report.text import place_address
from conformance.report.waived import lapse

LINK = 120
"""Characters of a link to a host or domain, and of the mark-up of a finding in its section."""


@dataclass(frozen=True)
class Link:
    """A text that leads somewhere, or nowhere when ``href`` is empty."""

    text: str
    href: str = ""
    note: str = ""


@dataclass(frozen=True)
class Finding:
    """One finding as it is shown: what was judged, what was seen, where it was declared, what proves it."""

    outcome: str
    level: str
    check: Link
    subject: Link
    seen: str
    declared_at: str
    aspect: str
    evidence: list[Link]
    waiver: str
    lapsed: str
    known: str


def rule_link(check: str) -> Link:
    """Return the link to what to do about a rule."""
    return Link(check, f"#{anchor('r', check)}")


def sources(cited: Iterable[Mapping[str, Any]]) -> list[Link]:
    """Return citations as links to the place, with how hard it asks."""
    return [Link(s["cite"], place_address(s["address"], s["cite"]) or "", s["level"] or "explains") for s in cited]


def finding(result: Result, evidence: Evidence, within: str = "") -> Finding:
    """Return a result as a finding to be shown; ``within`` is the host or domain in whose section it stands."""
    return Finding(
        result["outcome"],
        result["level"],
        rule_link(result["check"]),
        Link(id_in_both_forms(_short(result["subject"], within)), home(result)),
        result["seen"],
        result["declared_at"] or "",
        result["aspect"],
        [Link(ref, where and f"#{where}") for where, ref in evidence.links(result["evidence"])],
        waiver_text(result["waiver"]),
        lapse(result),
        result.get("known_since", ""),
    )


def _short(subject: str, within: str) -> str:
    return "" if subject == within else subject.removeprefix(f"{within}/") if within else subject


def subject_link(result: Result) -> Link:
    """Return the link to the host or domain of a result."""
    return Link(id_in_both_forms(result["subject"]), home(result))


def waiver_text(waiver: Mapping[str, Any] | None) -> str:
    """Return what a waiver says as ``key: value``, in its own order."""
    return "; ".join(f"{key}: {value}" for key, value in (waiver or {}).items() if value not in (None, "", []))


def home(result: Result) -> str:
    """Return where the host or else the domain of a result stands on the page; empty for the fleet's own."""
    if result["host"]:
        return f"#{anchor('h', result['host'])}"
    return f"#{anchor('d', result['domain'])}" if result["domain"] else ""
