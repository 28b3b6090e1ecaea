"""The words of the terminal, for logs and for people without a browser."""

from __future__ import annotations

from conformance.report.grouping import Results
from conformance.report.terminal import lines


def render(results: Results) -> str:
    """Return what a run says in the end."""
    return "\n".join([*lines(results), ""])
