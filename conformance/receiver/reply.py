"""Replies of the receiver (RFC 5321 section 4.2)."""

from __future__ import annotations

from dataclasses import dataclass

_ODD = (
    ("{code}-", "{code} "),
    (
        "{code}-{other} 5.1.1 User unknown",
        "{code}-<this text says nothing>",
        "{code} {klass}.999.999 try 421 later",
    ),
    ("{code} ",),
    ("{code}-{klass}.0.0 550", "{code} {other} ... {code}"),
)
"""Texts that mean nothing: only the digits count (RFC 5321 section 4.2)."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A code of three digits, an enhanced code (RFC 3463) or none, and lines of text."""

    code: int
    enhanced: str
    lines: tuple[str, ...]

    @classmethod
    def of(cls, code: int, enhanced: str, *lines: str) -> Reply:
        """Return a reply."""
        return cls(code, enhanced, lines)

    @property
    def text(self) -> str:
        """The last line, code and all."""
        return " ".join(filter(None, (str(self.code), self.enhanced, self.lines[-1])))

    def octets(self, *, enhanced: bool = True) -> bytes:
        """Return it as it goes over the wire; all lines but the last carry a hyphen."""
        words = f"{self.enhanced} " if enhanced and self.enhanced else ""
        marks = ["-"] * (len(self.lines) - 1) + [" "]
        rows = (f"{self.code}{mark}{words}{line}\r\n" for mark, line in zip(marks, self.lines, strict=True))
        return "".join(rows).encode("latin-1", "replace")

    def oddly(self, number: int) -> bytes:
        """Return its digits with a text that means nothing: one of several, by number."""
        klass = self.code // 100
        words = {"code": self.code, "klass": klass, "other": 250 if klass != 2 else 550}
        return "".join(f"{row.format(**words)}\r\n" for row in _ODD[number % len(_ODD)]).encode("ascii")
