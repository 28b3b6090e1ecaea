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
