"""JUDGED: one short function a rule, one file an area, or several of a big one: ``test_<area>_<part>.py``."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent


def files() -> list[Path]:
    """Return the files of cases, in a stable order."""
    return sorted(FOLDER.glob("test_*.py"))
