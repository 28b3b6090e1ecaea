"""Outputs that are made from ``results.json`` alone, one module a format, each a pure function ``render``.

Everything that came from outside passes :func:`conformance.report.text.printable` on its way, and then the escaping of
the format. Each output is bounded, and says what it leaves out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conformance.report.grouping import Results


@dataclass(frozen=True, slots=True)
class Format:
    """A format by its name, which is also that of its module; ``file`` is what a run calls it in its folder."""

    name: str
    file: str
    readers: str
    bounds: str


FORMATS: Mapping[str, Format] = {
    one.name: one
    for one in (
        Format(
            "junit",
            "junit.xml",
            "GitLab, Jenkins, actions that read JUnit on GitHub; every run writes it",
            "28 MB; what passes or does not apply is left out first, and a test case says so",
        ),
        Format(
            "sarif",
            "results.sarif",
            "GitHub code scanning, SARIF 2.1.0 viewers",
            "5,000 results, as many as GitHub shows; worst first, a notification says how many are left out",
        ),
        Format(
            "github",
            "annotations.txt",
            "GitHub annotations, where a step prints them",
            "10 errors, 10 warnings, 10 notices, as many as GitHub shows; the last of each says how many are left out",
        ),
        Format("summary", "summary.md", "GitHub step summary", "900 kB; 50 findings a rule, worst rules first"),
        Format(
            "markdown",
            "report.md",
            "comments of merge requests, chat",
            "15,000 octets; 3 findings a rule, worst rules first",
        ),
        Format(
            "csv",
            "findings.csv",
            "spreadsheets; RFC 4180, no cell is a formula",
            "1,000,000 rows; all that neither passes nor is not applicable",
        ),
        Format(
            "prometheus",
            "mailconform.prom",
            "the node exporter's textfile collector",
            "7 series a rule, whatever the size of the fleet",
        ),
        Format("text", "report.txt", "people, logs: the words of the terminal", "8 lines a rule, 20 causes"),
        Format("html", "report.html", "people: the page of a run; every run writes it", "about 4 MB at 1,000 hosts"),
    )
}
"""Every format by name."""


def render(name: str, results: Results, facts: Mapping[str, Any] | None = None) -> str:
    """Return the content of ``results.json`` in a format. ``facts`` is the content of ``facts.json``, for the page."""
    if name == "html":
        from conformance.report import page

        return page.render(results, facts)
    text: str = import_module(f"{__name__}.{name}").render(results)
    return text
