"""How far a run is: one line on a terminal, a line each half minute elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TextIO

_EVERY = 30.0


class Ticker:
    """Shows a changing text. On a terminal the line is overwritten and wiped in the end."""

    def __init__(self, stream: TextIO, what: str) -> None:
        self._stream = stream
        self._what = what
        self._terminal = stream.isatty()
        self._began = self._last = time.monotonic()

    def __enter__(self) -> Ticker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._terminal:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def __call__(self, text: str) -> None:
        """Show how far it is."""
        now = time.monotonic()
        if self._terminal:
            self._stream.write(f"\r\x1b[K{self._what}: {text}")
            self._stream.flush()
        elif now - self._last >= _EVERY:
            self._last = now
            self._stream.write(f"{self._what} for {now - self._began:.0f} s: {text}\n")
            self._stream.flush()
