"""Writes down a session as it goes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from conformance.receiver.capture import Capture, Early, Ended, Hello, Line, Recipient, Tls, Transaction
from conformance.receiver.limits import Limits

_EARLY = 100
"""Times that something came too early and is told."""


class Recorder:
    """What is known of a session so far; :meth:`capture` gives it."""

    def __init__(self, capture: Capture, limits: Limits) -> None:
        self._capture = capture
        self._limits = limits
        self._lines: list[Line] = []
        self._early: list[Early] = []
        self._tokens: dict[str, None] = {}
        self._transactions: list[Transaction] = []
        self._truncated = False

    @property
    def id(self) -> str:
        """The id of the capture."""
        return self._capture.id

    def capture(self, ms: float, ended: Ended = Ended.OPEN, error: str = "") -> Capture:
        """Return the session as it is after so many milliseconds."""
        return replace(
            self._capture,
            ms=ms,
            ended=ended,
            error=error,
            tokens=tuple(self._tokens),
            transactions=tuple(self._transactions),
            early=tuple(self._early),
            lines=tuple(self._lines),
            truncated=self._truncated,
        )

    def line(self, at: float, side: str, octets: bytes) -> None:
        """Note what went over the wire."""
        if len(self._lines) < self._limits.lines:
            self._lines.append(Line(at, side, octets[: self._limits.shown].decode("latin-1")))
        else:
            self._truncated = True

    def note(self, at: float, text: str) -> None:
        """Note what is not a line."""
        self.line(at, "*", text.encode("latin-1", "replace"))

    def early(self, at: float, before: str, octets: bytes) -> None:
        """Note what came too early."""
        if len(self._early) < _EARLY:
            self._early.append(Early(at, before, octets[: self._limits.shown].decode("latin-1")))

    def token(self, token: str, scenario: str) -> None:
        """Note a token that the session is about; the first one names the session's scenario."""
        self._tokens[token] = None
        if not self._capture.scenario:
            self.set(scenario=scenario)

    def set(self, **fields: Any) -> None:
        """Set fields of the capture."""
        self._capture = replace(self._capture, **fields)

    def hello(self, hello: Hello) -> None:
        """Note a greeting."""
        self.set(hellos=(*self._capture.hellos, hello))

    def last_hello(self, **fields: Any) -> None:
        """Set fields of the greeting that was noted last."""
        *before, last = self._capture.hellos
        self.set(hellos=(*before, replace(last, **fields)))

    def tls(self, tls: Tls) -> None:
        """Note what is known of a handshake."""
        self.set(tls=tls)

    def begin(self, transaction: Transaction) -> None:
        """Note a new transaction."""
        self._transactions.append(transaction)

    def transaction(self, **fields: Any) -> None:
        """Set fields of the transaction that was begun last."""
        self._transactions[-1] = replace(self._transactions[-1], **fields)

    def recipient(self, recipient: Recipient) -> None:
        """Note a recipient of the transaction that was begun last."""
        self.transaction(recipients=(*self._transactions[-1].recipients, recipient))

    def last_recipient(self, **fields: Any) -> None:
        """Set fields of the recipient that was noted last."""
        *before, last = self._transactions[-1].recipients
        self.transaction(recipients=(*before, replace(last, **fields)))
