"""A message as it came over the wire: strict where libraries are lenient (RFC 5322 section 2).

Structure is read as receivers do that take a bare LF for a line end; that it is none is counted beside it. Any octets
are read, in linear time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

__all__ = ["LARGEST_HEADER", "MOST_FIELDS", "Fault", "Field", "LineEnds", "Message", "header_of", "line_ends", "read"]

LARGEST_HEADER = 1 << 20
"""Octets of a header that are read as fields."""
MOST_FIELDS = 5_000

_END_OF_HEADER = re.compile(rb"(?:\A|\n)(\r?\n)")
_FIELD = re.compile(rb"([!-9;-~]+)([ \t]*):(.*)", re.DOTALL)
_FOLD = re.compile(rb"\r?\n(?=[ \t])")
_CONTROL = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")
_FAULTS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a line of the header; ``line`` counts from 1. ``obsolete``: RFC 5322 section 4 knows it."""

    line: int
    text: str
    obsolete: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """A header field as it was written. ``raw`` is all of it without its last line end; ``line`` counts from 1."""

    name: str
    raw: bytes
    line: int

    @property
    def key(self) -> str:
        """The name as it is compared."""
        return self.name.lower()

    @property
    def body(self) -> bytes:
        """The octets after the colon, unfolded (RFC 5322 section 2.2.3)."""
        return _FOLD.sub(b"", self.raw.partition(b":")[2])

    @property
    def text(self) -> str:
        """The body without blanks around it: UTF-8 where it is that (RFC 6532), else Latin-1."""
        octets = self.body
        try:
            return octets.decode("utf-8").strip(" \t\r\n")
        except UnicodeDecodeError:
            return octets.decode("latin-1").strip(" \t\r\n")

    @property
    def is_ascii(self) -> bool:
        """Whether all of its octets are US-ASCII."""
        return self.raw.isascii()

    @property
    def control(self) -> int | None:
        """The first octet that is a control character, blanks and the line ends of folding apart."""
        found = _CONTROL.search(self.raw.replace(b"\r\n", b"\n"))
        return found[0][0] if found else None


@dataclass(frozen=True, slots=True)
class LineEnds:
    """How lines end on the wire: how many CR and LF stand alone, and how long lines are between CRLF.

    ``longest`` is in octets without CRLF, ``over`` counts the lines that are longer than 998 of them.
    """

    bare_cr: int
    bare_lf: int
    first_bare: int
    """The line of the first of them, lines counted by CRLF from 1; 0 for none."""
    longest: int
    longest_at: int
    over: int


@dataclass(frozen=True, slots=True)
class Message:
    """A message. ``incomplete`` says why its header was not read to the end, empty where it was."""

    octets: bytes = field(repr=False)
    header: bytes = field(repr=False)
    body: bytes = field(repr=False)
    """What follows the empty line."""
    fields: tuple[Field, ...]
    faults: tuple[Fault, ...] = ()
    incomplete: str = ""

    def named(self, name: str) -> tuple[Field, ...]:
        """Return the fields of a name, in order."""
        return tuple(one for one in self.fields if one.key == name.lower())

    def first(self, name: str) -> Field | None:
        """Return the first field of a name."""
        return next(iter(self.named(name)), None)

    def text(self, name: str) -> str:
        """Return the text of the first field of a name; empty where there is none."""
        found = self.first(name)
        return found.text if found else ""


def read(octets: bytes) -> Message:
    """Read a message."""
    header, body = header_of(octets)
    incomplete = ""
    if len(header) > LARGEST_HEADER:
        incomplete = f"the header has {len(header)} octets, of which {LARGEST_HEADER} are read"
    fields: list[Field] = []
    faults: list[Fault] = []
    for line, raw in _unfolded(header[:LARGEST_HEADER]):
        if len(fields) >= MOST_FIELDS:
            incomplete = f"the header has more than {MOST_FIELDS} fields"
            break
        if (match := _FIELD.match(raw)) is None:
            faults.append(_no_field(raw, line))
            continue
        name = match[1].decode("ascii")
        if match[2]:
            faults.append(Fault(line, f"{name} is followed by a blank before its colon", obsolete=True))
        if any(not one.strip() for one in raw.split(b"\n")[1:]):
            faults.append(Fault(line, f"{name} has a folded line of nothing but blanks", obsolete=True))
        fields.append(Field(name, raw, line))
    return Message(octets, header, body, tuple(fields), tuple(faults[:_FAULTS_SHOWN]), incomplete)


def header_of(octets: bytes) -> tuple[bytes, bytes]:
    """Return the header with its last line end, and the body after the empty line."""
    end = _END_OF_HEADER.search(octets)
    return (octets[: end.start(1)], octets[end.end() :]) if end else (octets, b"")


def _unfolded(header: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield each line with those that continue it, and the number of its first."""
    begun, held = 1, list[bytes]()
    lines = header.split(b"\n")
    for number, line in enumerate(lines[:-1] if lines[-1] == b"" else lines, 1):
        if held and not line.startswith((b" ", b"\t")):
            yield begun, b"\n".join(held).removesuffix(b"\r")
            held = []
        if not held:
            begun = number
        held.append(line)
    if held:
        yield begun, b"\n".join(held).removesuffix(b"\r")


def _no_field(raw: bytes, line: int) -> Fault:
    shown = ascii(raw[:60].decode("latin-1"))
    if raw.startswith((b" ", b"\t")):
        return Fault(line, f"{shown} continues no field")
    return Fault(line, f"{shown} is no field: it has no name of printable US-ASCII before a colon")


def line_ends(octets: bytes) -> LineEnds:
    """Count line ends and lengths of lines."""
    pairs = octets.count(b"\r\n")
    bare_cr, bare_lf = octets.count(b"\r") - pairs, octets.count(b"\n") - pairs
    longest = longest_at = over = first_bare = 0
    for number, line in enumerate(octets.split(b"\r\n"), 1):
        size = len(line)
        if size > longest:
            longest, longest_at = size, number
        over += size > 998
        if not first_bare and (bare_cr or bare_lf) and (b"\r" in line or b"\n" in line):
            first_bare = number
    return LineEnds(bare_cr, bare_lf, first_bare, longest, longest_at, over)
