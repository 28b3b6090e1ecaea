"""Lines of a client -> commands, paths and parameters (RFC 5321 section 4.1). No I/O, takes any octets."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\x80-\xff-]+"
_QUOTED = r'"(?:[\x20\x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\x20-\x7e])*"'
_LABEL = r"[A-Za-z0-9\x80-\xff](?:[A-Za-z0-9_\x80-\xff-]*[A-Za-z0-9\x80-\xff])?"
_DOMAIN = rf"{_LABEL}(?:\.{_LABEL})*"
_LITERAL = r"\[[\x21-\x5a\x5e-\x7e]+\]"
_MAILBOX = re.compile(rf"(?:{_ATOM}(?:\.{_ATOM})*|{_QUOTED})@(?:{_DOMAIN}|{_LITERAL})")
_PATH = re.compile(rf" *(<(?:@{_DOMAIN}(?:,@{_DOMAIN})*:)?((?:{_QUOTED}|[^\x00-\x20<>\x7f\"])*)>)(?: +(.*))?")
_PARAMETER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([\x21-\x3c\x3e-\x7e\x80-\xff]+))?")
_LONGEST_MAILBOX = 320
"""Longer ones are no mailboxes (RFC 5321 section 4.5.3.1): a bound for the pattern."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command line: ``verb`` in capitals, ``argument`` as written, without the line end."""

    verb: str
    argument: str


@dataclass(frozen=True, slots=True)
class Path:
    """The argument of MAIL or RCPT: ``argument`` after the colon as written, ``address`` without brackets and route."""

    argument: str
    address: str
    parameters: tuple[str, ...]


class CommandSyntaxError(ValueError):
    """The argument is not of the form that RFC 5321 section 4.1.1 demands."""


def read_command(octets: bytes) -> Command:
    """Return the command in a line."""
    verb, _, argument = octets.decode("latin-1").rstrip("\r\n").partition(" ")
    return Command(verb.upper(), argument)


def argument_after(keyword: str, argument: str) -> str:
    """Return what was written after ``FROM:`` or ``TO:``. Raises CommandSyntaxError where that is missing."""
    if argument[: len(keyword)].upper() != keyword:
        raise CommandSyntaxError(f"no {keyword}")
    return argument[len(keyword) :]


def read_path(argument: str) -> Path:
    """Return a path with its parameters; blanks before it are let pass, as receivers do. Raises CommandSyntaxError."""
    read = _PATH.fullmatch(argument)
    if not read:
        raise CommandSyntaxError("no path in angle brackets")
    return Path(argument, read[2], tuple((read[3] or "").split()))


def is_mailbox(address: str) -> bool:
    """Whether it is a mailbox in the syntax of RFC 5321 section 4.1.2 (RFC 6531 section 3.3)."""
    return len(address) <= _LONGEST_MAILBOX and _MAILBOX.fullmatch(address) is not None


def read_parameter(parameter: str) -> tuple[str, str]:
    """Return keyword in capitals and value of a parameter. Raises CommandSyntaxError."""
    read = _PARAMETER.fullmatch(parameter)
    if not read:
        raise CommandSyntaxError("no parameter")
    return read[1].upper(), read[2] or ""
