"""The two answers besides pass and fail: *could not be determined* and *does not apply*."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

Item = TypeVar("Item")
Found = TypeVar("Found")


class Undetermined(Exception):
    """A fact could not be observed, so nothing may be said about it.

    ``cause`` is the same text for everything that failed for one reason (a silent name server, a refused
    connection), so that reports can fold a thousand consequences into one entry.
    """

    def __init__(self, text: str, *, cause: str | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.cause = cause or text

    def __copy__(self) -> Undetermined:
        return Undetermined(self.text, cause=self.cause)


class NotApplicable(Exception):
    """The rule has nothing to judge here, for the reason given."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __copy__(self) -> NotApplicable:
        return NotApplicable(self.reason)


def findings(items: Iterable[Item], judge: Callable[[Item], Found | None], *, enough: int = 1) -> list[Found]:
    """Return what a judge finds at some items, without what is empty.

    A finding holds whatever the rest is. So an item that could not be observed matters only when fewer than
    ``enough`` were found: then Undetermined is raised. NotApplicable is raised when no item can be judged.
    """
    found: list[Found] = []
    unknown: Undetermined | None = None
    reasons: list[NotApplicable] = []
    judged = 0
    for item in items:
        try:
            one = judge(item)
        except Undetermined as cause:
            unknown = unknown or cause
        except NotApplicable as reason:
            reasons.append(reason)
        else:
            judged += 1
            found += [one] if one else []
    if unknown and len(found) < enough:
        raise unknown
    if reasons and not judged:
        raise reasons[0]
    return found
