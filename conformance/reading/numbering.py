"""Rising numbers as a short text of ranges: ``0-3 7``."""

from __future__ import annotations

from collections.abc import Iterable


def numbers(ranges: str) -> list[int]:
    """Return the numbers of a text of ranges: ``0-3 7``."""
    found: list[int] = []
    for part in ranges.split():
        first, _, last = part.partition("-")
        found.extend(range(int(first), int(last or first) + 1))
    return found


def ranges(rising: Iterable[int]) -> str:
    """Return rising numbers as text: ``0-3 7``."""
    found: list[list[int]] = []
    for number in rising:
        if found and found[-1][1] == number - 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return " ".join(f"{first}-{last}" if first != last else str(first) for first, last in found)


def others(rising: Iterable[int], total: int) -> str:
    """Return the numbers from 0 to below ``total`` that are not among some, as text: all but 4 of 8 are ``0-3 5-7``."""
    found: list[str] = []
    at = 0
    for number in (*rising, total):
        if number > at:
            found.append(f"{at}-{number - 1}" if number - 1 != at else str(at))
        at = number + 1
    return " ".join(found)


def first(ranges: str) -> int:
    """Return the first number of a text of ranges, which is not empty."""
    return int(ranges.partition(" ")[0].partition("-")[0])


def count(ranges: str) -> int:
    """Return how many numbers a text of ranges holds."""
    parts = (part.partition("-") for part in ranges.split())
    return sum(int(last or first) - int(first) + 1 for first, _, last in parts)
