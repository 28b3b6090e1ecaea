"""What is wrong with an inventory: all of it at once, each with the place it was written at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from conformance.fleet.origin import Origin

USAGE = 4
NOTHING_TO_CHECK = 5


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to put right. ``hint`` says how."""

    text: str
    origin: Origin | None = None
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.origin}: " if self.origin else ""
        return printable(f"{place}{self.text}{f' ({self.hint})' if self.hint else ''}")


def by_place(problem: Problem) -> tuple[str, int, str]:
    """Return what sorts problems by file and line; those without a place come last."""
    origin = problem.origin or Origin("\U0010ffff")
    return origin.path, origin.line or 0, problem.text


class InventoryError(Exception):
    """The inventory cannot be judged; ``exit_code`` is 4 (it is wrong) or 5 (it declares nothing to check)."""

    def __init__(self, problems: Iterable[Problem], exit_code: int = USAGE) -> None:
        self.problems = tuple(problems)
        self.exit_code = exit_code
        super().__init__("\n".join(map(str, self.problems)))


def printable(text: str) -> str:
    """Return a text on one line, with what a terminal would not print escaped."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)
