"""The two answers besides pass and fail: *could not be determined* and *does not apply*."""

from __future__ import annotations


class Undetermined(Exception):
    """A fact could not be observed, so nothing may be said about it.

    ``cause`` is the same text for everything that failed for one reason (a silent name server, a refused
    connection), so that reports can fold a thousand consequences into one entry.
    """

    def __init__(self, text: str, *, cause: str | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.cause = cause or text


class NotApplicable(Exception):
    """The rule has nothing to judge here, for the reason given."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
