"""Master files (RFC 1035 section 5, RFC 2308 section 4, with BIND's $GENERATE), and what patches of zones add to them.

A patch may hold ``$DELETE NAME [TYPE ...]``: the record sets, or all that stands at the name, are taken away.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import dns.exception
import dns.name
import dns.rdata
import dns.rdatatype
import dns.tokenizer
import dns.ttl
from dns.name import Name
from dns.rdata import Rdata
from dns.rdataclass import RdataClass
from dns.rdatatype import RdataType

from conformance.reading.excerpt import quoted
from conformance.reading.zone import RecordSet, ZoneError

MOST_RECORDS = 1_000_000
_MOST_GENERATED = 1 << 16
_DEEPEST_INCLUDE = 8
_MOST_PROBLEMS = 50

_OWNER = re.compile(r'(?:\\.|[^\s;()"\\])+', re.DOTALL)
_RANGE = re.compile(r"(\d{1,10})-(\d{1,10})(?:/(\d{1,10}))?")
_NUMBER = re.compile(r"\\.|\$\$|\$(?:\{([+-]?\d{1,9})(?:,(\d{1,3})(?:,([doxXnN]))?)?\}|(?!\{))", re.DOTALL)
"""What $GENERATE puts a number in place of, and what it leaves as it is: ``$``, ``${offset,width,base}``."""
_MARK = re.compile(r'\\.|["();]', re.DOTALL)

Include = Callable[[str, str], tuple[str, str]]
"""Takes a file's name and the file that includes it; returns its own name and text, or raises OSError or ValueError."""


def no_includes(name: str, _file: str) -> tuple[str, str]:
    """Refuse to include anything."""
    raise ValueError(f"{name} cannot be included here")


@dataclass(frozen=True)
class ZoneFile:
    """The content of a master file with all that it includes. ``gone`` are whole names that are taken away."""

    sets: dict[tuple[Name, RdataType], RecordSet]
    gone: dict[Name, str]


def read_zone_file(text: str, file: str, origin: Name | None = None, include: Include = no_includes) -> ZoneFile:
    """Read a master file. ``origin`` is that of relative names until the file says something else.

    Raises ZoneError with everything that is wrong, each with file and line.
    """
    reader = _Reader(origin, include)
    reader.read(text, file, 0)
    if reader.problems:
        raise ZoneError(reader.problems)
    return ZoneFile(reader.sets, reader.gone)


def first_origin(text: str) -> Name | None:
    """Return the absolute name of an $ORIGIN that stands before every record; None where there is none."""
    for _, entry in _entries(text):
        words = entry.split()
        if not words or words[0].upper() != "$ORIGIN":
            if words and words[0].startswith("$"):
                continue
            return None
        try:
            name = dns.name.from_text(words[1], None)
        except (IndexError, dns.exception.DNSException, ValueError):
            return None
        return name if name.is_absolute() else None
    return None


@dataclass
class _Reader:
    origin: Name | None
    include: Include
    sets: dict[tuple[Name, RdataType], RecordSet] = field(default_factory=dict)
    gone: dict[Name, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    owner: Name | None = None
    default_ttl: int | None = None
    last_ttl: int | None = None
    records: int = 0

    def read(self, text: str, file: str, depth: int) -> None:
        """Read one file, entry by entry, so that one wrong line hides no other."""
        for line, entry in _entries(text):
            if len(self.problems) >= _MOST_PROBLEMS:
                return
            try:
                self._entry(entry, file, line, depth)
            except (dns.exception.DNSException, ValueError, OverflowError) as error:
                why = " ".join(str(error).split()).rstrip(".") or type(error).__name__
                self.problems.append(f"{file}:{line}: {why}: {quoted(entry.strip(), 60)}")

    def _entry(self, entry: str, file: str, line: int, depth: int) -> None:
        if entry.startswith("$"):
            words = _words(entry)
            if (name := words[0].upper()) not in ("$GENERATE", "$INCLUDE"):
                self._directive(name, words[1:], f"{file}:{line}")
            elif name == "$GENERATE":
                self._generate(words[1:], f"{file}:{line}")
            else:
                self._include(words[1:], file, depth)
            return
        if not entry[0].isspace():
            if (found := _OWNER.match(entry)) is None:
                raise ValueError("this begins with no name")
            self.owner = self._name(found[0])
            entry = entry[found.end() :]
        if self.owner is None:
            raise ValueError("no name to which this record belongs")
        ttl, rdata = self._record(dns.tokenizer.Tokenizer(entry))
        self.last_ttl = ttl
        self._add(self.owner, ttl, rdata, f"{file}:{line}")

    def _record(self, tokens: dns.tokenizer.Tokenizer) -> tuple[int, Rdata]:
        """Read TTL and class, which may be left out and stand in any order, type and data."""
        ttl: int | None = None
        word = tokens.get_identifier()
        for _ in range(2):
            if word.upper() in ("IN", "CLASS1"):
                word = tokens.get_identifier()
            elif word[:1].isdecimal():
                ttl = dns.ttl.from_text(word)
                word = tokens.get_identifier()
        rdtype = _type(word)
        rdata = dns.rdata.from_text(RdataClass.IN, rdtype, tokens, self.origin, relativize=False)
        if ttl is None:
            ttl = self.default_ttl if self.default_ttl is not None else self.last_ttl
        if ttl is None and rdtype == RdataType.SOA:
            ttl = int(rdata.minimum)  # type: ignore[attr-defined]
        if ttl is None:
            raise ValueError("no TTL: write one, or $TTL before")
        return ttl, rdata

    def _name(self, text: str) -> Name:
        if text == "@" and self.origin is None:
            raise ValueError("@ stands for the zone's name, which is not known: begin the file with $ORIGIN")
        name = dns.name.from_text(text, self.origin)
        if not name.is_absolute():
            raise ValueError(f"{quoted(text)} is relative to a name that is not known: begin the file with $ORIGIN")
        return name

    def _directive(self, name: str, words: list[str], place: str) -> None:
        match name, words:
            case "$ORIGIN", [text]:
                self.origin = self._name(text)
            case "$TTL", [text]:
                self.default_ttl = dns.ttl.from_text(text)
            case "$DELETE", [owner, *types]:
                self._delete(self._name(owner), [_type(text) for text in types], place)
            case (("$ORIGIN" | "$TTL" | "$DELETE"), _):
                raise ValueError(f"{name} takes {'a name and types' if name == '$DELETE' else 'one value'}")
            case _:
                raise ValueError(f"unknown directive {quoted(name)}")

    def _delete(self, name: Name, types: list[RdataType], place: str) -> None:
        if not types:
            self.gone.setdefault(name, place)
        for rdtype in types:
            if (known := self.sets.get((name, rdtype))) is not None:
                raise ValueError(f"{name} {rdtype.name} is set at {known.place} already")
            self.sets[name, rdtype] = RecordSet(name, rdtype, 0, (), place)

    def _generate(self, words: list[str], place: str) -> None:
        found = _RANGE.fullmatch(words[0]) if words else None
        if found is None:
            raise ValueError("$GENERATE takes a range such as 1-254 or 0-100/2")
        first, last, step = int(found[1]), int(found[2]), int(found[3] or 1)
        if step < 1 or first > last or (last - first) // step >= _MOST_GENERATED:
            raise ValueError(f"$GENERATE {words[0]} is no range of at most {_MOST_GENERATED:,} numbers")
        if len(words) < 4:
            raise ValueError("$GENERATE takes a range, a name, a type and data")
        owner, *head, data = words[1:]
        _type(head[-1])
        for number in range(first, last + 1, step):
            text = f"{' '.join(head)} {_numbered(data, number)}"
            ttl, rdata = self._record(dns.tokenizer.Tokenizer(text))
            self._add(self._name(_numbered(owner, number)), ttl, rdata, place)

    def _include(self, words: list[str], file: str, depth: int) -> None:
        if not 1 <= len(words) <= 2:
            raise ValueError("$INCLUDE takes a file and maybe a name")
        if depth >= _DEEPEST_INCLUDE:
            raise ValueError(f"files include one another more than {_DEEPEST_INCLUDE} deep")
        try:
            name, text = self.include(words[0], file)
        except OSError as error:
            raise ValueError(f"{words[0]} cannot be read: {error.strerror}") from None
        # RFC 1035 section 5.1: the origin is that of the including file again afterwards.
        origin, owner = self.origin, self.owner
        if len(words) == 2:
            self.origin = self._name(words[1])
        self.read(text, name, depth + 1)
        self.origin, self.owner = origin, owner

    def _add(self, name: Name, ttl: int, rdata: Rdata, place: str) -> None:
        if self.records >= MOST_RECORDS:
            raise ValueError(f"more than {MOST_RECORDS:,} records")
        self.records += 1
        known = self.sets.get((name, rdata.rdtype))
        if known is None:
            self.sets[name, rdata.rdtype] = RecordSet(name, rdata.rdtype, ttl, (rdata,), place)
        elif known.deleted:
            raise ValueError(f"{name} {rdata.rdtype.name} is deleted at {known.place}")
        elif rdata not in known.rdatas:
            # One TTL a set (RFC 2181 section 5.2): that of its first record, as servers take it.
            self.sets[name, rdata.rdtype] = RecordSet(
                name, rdata.rdtype, known.ttl, (*known.rdatas, rdata), known.place
            )


def _entries(text: str) -> Iterator[tuple[int, str]]:
    """Yield entries with the number of their first line; lines within parentheses are one entry."""
    begun, line, depth = 1, 0, 0
    held: list[str] = []
    for line, physical in enumerate(text.split("\n"), 1):
        if not held:
            begun = line
        held.append(physical)
        depth = max(0, depth + _depth(physical))
        if depth:
            continue
        entry = "\n".join(held).rstrip("\r")
        held = []
        if entry.strip() and not entry.lstrip().startswith(";"):
            yield begun, entry
    if held:
        yield begun, "\n".join(held)


def _depth(line: str) -> int:
    """Return how many parentheses a line leaves open, less those that it closes."""
    depth, in_quotes = 0, False
    for mark in _MARK.findall(line):
        if mark == '"':
            in_quotes = not in_quotes
        elif in_quotes or len(mark) > 1:
            continue
        elif mark == ";":
            break
        else:
            depth += 1 if mark == "(" else -1
    return depth


def _words(entry: str) -> list[str]:
    tokens = dns.tokenizer.Tokenizer(entry, "<input>")
    found: list[str] = []
    while not (token := tokens.get()).is_eol_or_eof():
        found.append(token.value)
    return found


def _numbered(text: str, number: int) -> str:
    r"""Return a text of $GENERATE with a number in its places. Raises ValueError.

    Data of several words stands in quotes, which are no part of it: those of a text are written as ``\"``.
    """

    def put(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        return found[0].replace('\\"', '"') if found[0][0] == "\\" else _formatted(number, found)

    if "${" in _NUMBER.sub("", text):
        raise ValueError(f"{quoted(text)} has a place for a number that is not ${{offset,width,base}}")
    return _NUMBER.sub(put, text)


def _formatted(number: int, found: re.Match[str]) -> str:
    """Return a number as BIND writes it: decimal, octal, hexadecimal, or as nibbles with the last one first."""
    value, width, base = number + int(found[1] or 0), int(found[2] or 0), found[3] or "d"
    if value < 0:
        raise ValueError(f"{found[0]} makes {number} less than 0")
    if base not in ("n", "N"):
        return format(value, base).zfill(width)
    nibbles = ".".join(reversed(format(value, "x" if base == "n" else "X")))
    return (nibbles + ".0" * width)[: max(width, len(nibbles))]


def _type(text: str) -> RdataType:
    try:
        return dns.rdatatype.from_text(text)
    except (dns.exception.DNSException, ValueError):
        raise ValueError(f"unknown record type {quoted(text)}") from None
