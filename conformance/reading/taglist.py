"""Tag lists, ``name=value; name=value``, as DKIM and DMARC records write them (RFC 6376 section 3.2)."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_VALUE = re.compile(r"(?:[\t\x20-\x3a\x3c-\x7e]|\r\n[ \t])*")
_BLANKS = " \t\r\n"


@dataclass(frozen=True, slots=True)
class Tag:
    """One ``name=value``. Positions are offsets in the whole text, from 0; the value has no blanks around it."""

    name: str
    value: str
    position: int
    value_position: int


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: where (offset from 0), the text there, and why in a few words."""

    position: int
    text: str
    why: str


def read(text: str, *, fold_case: bool = False) -> tuple[tuple[Tag, ...], tuple[Problem, ...]]:
    """Return the well-formed tags of a text in order, and what was wrong with the others.

    The first of several tags with one name is kept. ``fold_case`` makes names lower case before they are compared.
    """
    tags: dict[str, Tag] = {}
    problems: list[Problem] = []
    start = 0
    for part in text.split(";"):
        last = start + len(part) == len(text)
        found = _read_one(part, start)
        start += len(part) + 1
        if found is None:
            if not last:
                problems.append(Problem(start - 1, ";", "a semicolon follows no tag"))
        elif isinstance(found, Problem):
            problems.append(found)
        else:
            name = found.name.lower() if fold_case else found.name
            if name in tags:
                problems.append(Problem(found.position, found.name, f"the tag {name}= is given twice"))
            else:
                tags[name] = Tag(name, found.value, found.position, found.value_position)
    return tuple(tags.values()), tuple(problems)


def _read_one(part: str, start: int) -> Tag | Problem | None:
    """Read what stands between two semicolons; None when that is blank."""
    bare = part.strip(_BLANKS)
    if not bare:
        return None
    position = start + len(part) - len(part.lstrip(_BLANKS))
    written, equals, rest = bare.partition("=")
    name = written.rstrip(_BLANKS)
    if not equals:
        return Problem(position, bare, "this is not of the form name=value")
    if not _NAME.fullmatch(name):
        return Problem(position, bare, f"{name!r} is not a tag name")
    value = rest.lstrip(_BLANKS)
    value_position = position + len(bare) - len(value)
    match = _VALUE.match(value)
    end = match.end() if match else 0
    if end < len(value):
        return Problem(
            value_position + end, bare, f"the character {value[end]!r} may not stand in the value of {name}="
        )
    return Tag(name, value, position, value_position)
