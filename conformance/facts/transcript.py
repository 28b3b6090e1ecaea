"""What was said on one line of communication, both ways, with times: bounded, and safe to keep."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime

from conformance.facts.session import Line, Reply

LINE_LIMIT = 4096
"""Octets of a line that are kept; RFC 5321 section 4.5.3.1.5 allows a reply line 512."""
SESSION_LIMIT = 65_536
"""Octets from the server that are kept."""
LINES_LIMIT = 1000
"""Lines from the server that are kept: empty ones cost memory too."""

_REPLY_LINE = re.compile(r"(?P<code>[2-5][0-9]{2})(?:(?P<mark>[ -])(?P<text>.*))?", re.DOTALL)
_REPLY_BEGIN = re.compile(r"|[2-5]|[2-5][0-9]|[2-5][0-9]{2}(?:[ -].*)?", re.DOTALL)


class NotAReplyError(ValueError):
    """Text from a server that is no SMTP reply (RFC 5321 section 4.2)."""


def is_last(line: str) -> bool:
    """Say whether a line ends a reply. Raises NotAReplyError when it cannot be part of one."""
    if not (match := _REPLY_LINE.fullmatch(line)):
        raise NotAReplyError(f"no SMTP reply: {quoted(line)}")
    return match["mark"] != "-"


def could_begin_reply(text: str) -> bool:
    """Say whether an unfinished line may still become a line of a reply."""
    return _REPLY_BEGIN.fullmatch(text) is not None


def read_reply(lines: list[str]) -> Reply:
    """Read the lines of one whole reply; the code is the last line's. Raises NotAReplyError."""
    matches = [_REPLY_LINE.fullmatch(line) for line in lines]
    if not matches or not all(matches):
        raise NotAReplyError(f"no SMTP reply: {quoted(lines[0]) if lines else 'nothing'}")
    found = [match for match in matches if match]
    return Reply(int(found[-1]["code"]), tuple(match["text"] or "" for match in found))


def quoted(text: str, limit: int = 80) -> str:
    """Return text in quotes with everything but printable ASCII escaped, cut at ``limit`` characters."""
    return ascii(text[:limit]) + ("..." if len(text) > limit else "")


class Transcript:
    """The lines of one listener's connections, in order.

    Octets are decoded as Latin-1, so that each stays what it was. Of what the server sends at most
    LINE_LIMIT octets a line, SESSION_LIMIT octets and LINES_LIMIT lines are kept; ``truncated`` says that more came.
    ``started`` is the time of :meth:`begin`, ISO 8601 in UTC.
    """

    def __init__(self) -> None:
        self._began: float | None = None
        self._lines: list[Line] = []
        self._partial = bytearray()
        self._octets = 0
        self._count = 0
        self.started = ""
        self.truncated = False

    def begin(self) -> None:
        """Let time run from now, unless it runs: a listener waits for its turn before it is dialled."""
        if self._began is None:
            self._began = time.monotonic()
            self.started = datetime.now(UTC).isoformat(timespec="milliseconds")

    @property
    def lines(self) -> tuple[Line, ...]:
        """What was kept so far."""
        return tuple(self._lines)

    @property
    def milliseconds(self) -> float:
        """Time since the transcript began, 0 before."""
        return 0.0 if self._began is None else round((time.monotonic() - self._began) * 1000, 1)

    @property
    def unfinished(self) -> str:
        """The line from the server whose end has not come."""
        return self._partial.decode("latin-1")

    def note(self, text: str) -> None:
        """Keep a remark of our own."""
        self.flush()
        self._lines.append(Line(self.milliseconds, "*", text))

    def sent(self, data: bytes) -> None:
        """Keep a command of the client."""
        self.flush()
        self._lines.append(Line(self.milliseconds, "C", data.decode("latin-1").removesuffix("\r\n")))

    def received(self, data: bytes) -> list[str]:
        """Keep what the server sent, and return the lines that it completes, each cut at LINE_LIMIT."""
        *ended, rest = data.split(b"\n")
        lines = []
        for piece in ended:
            self._extend(piece)
            lines.append(self._end_line())
        self._extend(rest)
        return lines

    def flush(self) -> None:
        """Keep an unfinished line as it is: its end will not come, or something else came between."""
        if self._partial:
            self._end_line()

    def _extend(self, piece: bytes) -> None:
        room = LINE_LIMIT - len(self._partial)
        self._partial += piece[:room]
        if len(piece.removesuffix(b"\r")) > room:
            self.truncated = True

    def _end_line(self) -> str:
        text = self._partial.removesuffix(b"\r").decode("latin-1")
        self._partial.clear()
        self._octets += len(text)
        self._count += 1
        if self._octets > SESSION_LIMIT or self._count > LINES_LIMIT:
            self.truncated = True
        else:
            self._lines.append(Line(self.milliseconds, "S", text))
        return text
