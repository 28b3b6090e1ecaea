"""Messages on the wire: where they end, in which chunks they came, and how much of them is kept."""

from __future__ import annotations

from dataclasses import dataclass, field

from conformance.receiver.capture import Chunk
from conformance.receiver.limits import Limits
from conformance.receiver.wire import Wire

_END = b"\r\n.\r\n"
_MARGIN = 64 * 1024
"""Octets that are kept beyond the limit: doubled dots do not count towards a message's size (RFC 1870 section 5)."""


class Budget:
    """Octets of messages that all sessions of a receiver may hold together."""

    def __init__(self, octets: int) -> None:
        self._left = octets

    def take(self, octets: int) -> bool:
        """Take some of them; whether they were there."""
        if octets > self._left:
            return False
        self._left -= octets
        return True

    def give(self, octets: int) -> None:
        """Give some back."""
        self._left += octets


@dataclass(slots=True)
class Body:
    """A message as it comes in. Of one that is much larger than ``limit`` octets the beginning is kept."""

    limit: int
    limits: Limits
    budget: Budget
    octets: bytearray = field(default_factory=bytearray)
    chunks: list[Chunk] = field(default_factory=list)
    size: int = 0
    starved: bool = False
    """Whether the receiver had no room for all of it."""

    @property
    def truncated(self) -> bool:
        """Whether not all of it was kept."""
        return self.size > len(self.octets)

    def too_large(self, how: str) -> bool:
        """Whether the message, which came with DATA or BDAT, is larger than the limit."""
        dots = self.octets.count(b"\r\n.") + self.octets.startswith(b".") if how == "DATA" else 0
        return self.truncated or len(self.octets) - dots - (2 if dots else 0) > self.limit

    def add(self, at: float, octets: bytes) -> None:
        """Take octets that came at once."""
        self.size += len(octets)
        room = max(self.limit + _MARGIN - len(self.octets), 0) if self.limit and not self.starved else 0
        kept = octets[:room]
        if self.budget.take(len(kept)):
            self.octets += kept
        else:
            self.starved = True
        chunk = Chunk(at, self.size)
        if len(self.chunks) < self.limits.chunks:
            self.chunks.append(chunk)
        else:
            self.chunks[-1] = chunk


async def read_data(wire: Wire, body: Body) -> None:
    """Read a message after DATA up to CRLF.CRLF; nothing else ends it (RFC 5321 section 4.1.1.4). Raises Over."""
    tail = b"\r\n"
    while True:
        piece = await wire.piece()
        window = tail + piece.octets
        found = window.find(_END)
        if found >= 0:
            used = found + len(_END) - len(tail)
            body.add(piece.at, piece.octets[:used])
            wire.unread(piece, piece.octets[used:])
            return
        body.add(piece.at, piece.octets)
        tail = window[-(len(_END) - 1) :]


async def read_chunk(wire: Wire, body: Body, size: int) -> None:
    """Read so many octets after BDAT (RFC 3030 section 2). Raises Over."""
    while size:
        piece = await wire.piece()
        taken = piece.octets[:size]
        body.add(piece.at, taken)
        wire.unread(piece, piece.octets[size:])
        size -= len(taken)
