"""MAIL and RCPT commands as they were written: their syntax, what was offered for them, their length."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from conformance.reading.excerpt import quoted

LONGEST_LINE = 512
"""Octets of a command with its CRLF (RFC 5321 section 4.5.3.1.4); parameters add to it."""
_LONGEST_PATH = 256
"""Octets of a path with its brackets (RFC 5321 section 4.5.3.1.3)."""
_LONGEST_LOCAL = 64
"""Octets of a local part (RFC 5321 section 4.5.3.1.1)."""

_PATH = re.compile(r'<(?:"(?:[^"\\]|\\.)*+"|[^"<>\\ \t\r\n])*+>', re.DOTALL)
_PARAMETER = re.compile(r"(?P<keyword>[A-Za-z0-9][A-Za-z0-9-]*)(?:=(?P<value>[!-<>-~]+))?")

_EXTENSIONS = {
    "SIZE": ("SIZE",),
    "BODY": ("8BITMIME", "BINARYMIME"),
    "RET": ("DSN",),
    "ENVID": ("DSN",),
    "NOTIFY": ("DSN",),
    "ORCPT": ("DSN",),
    "BY": ("DELIVERBY",),
    "HOLDFOR": ("FUTURERELEASE",),
    "HOLDUNTIL": ("FUTURERELEASE",),
    "TRANSID": ("CHECKPOINT",),
    "SOLICIT": ("NO-SOLICITING",),
    "CONPERM": ("CONPERM",),
}
"""EHLO keywords that let a parameter be used, where they are not the parameter's own."""

_ROOM = {"SIZE": 26, "BODY": 17, "SMTPUTF8": 10, "RET": 100, "ENVID": 100, "NOTIFY": 500, "ORCPT": 500, "AUTH": 500}
"""Octets that a parameter adds to a command's limit (RFC 1870 section 3, 6152 section 2, 6531 section 3.1, 3461
section 4, 4954 section 3); any other adds 100."""


def syntax_fault(argument: str, offered: Collection[str]) -> str | None:
    """Return what is wrong with what was written after ``MAIL FROM:`` or ``RCPT TO:`` (RFC 5321 section 4.1.2).

    ``offered`` are the EHLO keywords, with or without arguments, that were offered at the time.
    """
    if argument[:1] in (" ", "\t"):
        return "a blank after the colon"
    if not argument.startswith("<"):
        return f"no brackets around the path: {quoted(argument)}"
    path = _PATH.match(argument)
    if not path:
        return f"no path in brackets: {quoted(argument)}"
    rest = argument[path.end() :]
    if rest and not rest.startswith(" "):
        return f"{quoted(rest)} after the path"
    words = rest[1:].split(" ") if rest else []
    if bad := [word for word in words if not _PARAMETER.fullmatch(word)]:
        return f"{quoted(bad[0])} where a parameter belongs"
    if strange := list(_unoffered(words, offered)):
        return f"the parameter {strange[0]}, which was not offered"
    return None


def _unoffered(words: Collection[str], offered: Collection[str]) -> Iterator[str]:
    known = {keyword.partition(" ")[0].upper() for keyword in offered}
    for word in words:
        keyword = word.partition("=")[0].upper()
        if known.isdisjoint(_EXTENSIONS.get(keyword, (keyword,))):
            yield keyword


def length_fault(command: str) -> str | None:
    """Return what is too long in a command line without its line end (RFC 5321 section 4.5.3.1)."""
    verb, colon, argument = command.partition(":")
    path = _PATH.match(argument.lstrip()) if colon and verb.upper() in ("MAIL FROM", "RCPT TO") else None
    limit = LONGEST_LINE
    if path:
        if len(path[0]) > _LONGEST_PATH:
            return f"a path of {len(path[0])} octets, more than {_LONGEST_PATH}"
        local = path[0][1:-1].rpartition("@")[0]
        if len(local) > _LONGEST_LOCAL:
            return f"a local part of {len(local)} octets, more than {_LONGEST_LOCAL}"
        words = argument.lstrip()[path.end() :].split()
        limit += sum(_ROOM.get(word.partition("=")[0].upper(), 100) for word in words)
    length = len(command) + 2
    return f"a command of {length} octets, more than {limit}" if length > limit else None
