"""The step summary on GitHub: Markdown under 1 MiB, since a longer one is refused as a whole."""

from __future__ import annotations

from conformance.report.formats.markdown import page
from conformance.report.grouping import Results

LIMIT = 900_000
"""Octets."""
_FINDINGS = 50


def render(results: Results) -> str:
    """Return verdict, counts and all rules with their findings, the worst first."""
    return page(results, LIMIT, _FINDINGS)
