"""Received fields (RFC 5321 section 4.4), and the other forms that mail software writes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from types import MappingProxyType

from conformance.reading.maildate import DateError, MailDate, read_date

__all__ = ["Received", "read_received"]

_LONGEST = 8_192
_CLAUSES = ("from", "by", "via", "with", "id", "for")
_TOKEN = re.compile(r"[ \t\r\n]+|\"(?:[^\"\\]|\\.)*\"|<[^<>]*>|[^ \t\r\n()\"<]+|.", re.DOTALL)
_PARENTHESIS = re.compile(r"\\.|[()]", re.DOTALL)
_ADDRESS = re.compile(r"[0-9A-Fa-f:.]*[.:][0-9A-Fa-f:.]*[0-9A-Fa-f]")


@dataclass(frozen=True, slots=True)
class Received:
    """One Received field. ``clauses`` by keyword with their first word, ``comments`` what follows it.

    ``faults`` say in what it differs from RFC 5321.
    """

    text: str
    clauses: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    comments: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    date: MailDate | None = None
    faults: tuple[str, ...] = ()

    @property
    def origins(self) -> frozenset[str]:
        """The IP addresses in its from clause, as text in their shortest form."""
        said = f"{self.clauses.get('from', '')} {self.comments.get('from', '')}"
        return frozenset(filter(None, map(_address, _ADDRESS.findall(said.replace("IPv6:", " ").replace("[", " ")))))


def _address(text: str) -> str:
    try:
        return str(ip_address(text[:45].strip(".")))
    except ValueError:
        return ""


def read_received(text: str) -> Received:
    """Read an unfolded field body."""
    shown = text[:_LONGEST]
    trace, semicolon, when = shown.rpartition(";")
    faults = ["it is longer than can be read"] if len(text) > _LONGEST else []
    date: MailDate | None = None
    if not semicolon:
        trace = shown
        faults.append("it has no date after a semicolon")
    else:
        try:
            date = read_date(when)
        except DateError as error:
            faults.append(f"its date {when.strip()[:60]!a} cannot be read: {error}")
        else:
            faults += [f"its date: {slip}" for slip in date.obsolete]
    clauses, comments = _clauses(trace)
    faults += [] if "by" in clauses else ["it does not say by whom"]
    return Received(text, MappingProxyType(clauses), MappingProxyType(comments), date, tuple(faults))


def _words(trace: str) -> Iterator[str]:
    """Yield words, blanks and comments; a comment with all that nests in it is one, unless it does not end."""
    ends: dict[int, int] = {}
    begun: list[int] = []
    for found in _PARENTHESIS.finditer(trace):
        if found[0] == "(":
            begun.append(found.start())
        elif found[0] == ")" and begun:
            ends[begun.pop()] = found.end()
    at = 0
    while (match := _TOKEN.match(trace, at)) is not None:
        end = ends.get(at, match.end())
        yield trace[at:end]
        at = end


def _clauses(trace: str) -> tuple[dict[str, str], dict[str, str]]:
    clauses: dict[str, str] = {}
    comments: dict[str, str] = {}
    current = ""
    for word in _words(trace):
        if word.isspace():
            continue
        if word.startswith("("):
            comments[current] = f"{comments.get(current, '')} {word}".strip()
        elif word.lower() in _CLAUSES and word.lower() not in clauses and (not current or clauses.get(current)):
            current = word.lower()
            clauses[current] = ""
        elif current and not clauses[current]:
            clauses[current] = word
        elif current:
            comments[current] = f"{comments.get(current, '')} {word}".strip()
    return clauses, comments
