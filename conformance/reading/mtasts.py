"""MTA-STS: the record at ``_mta-sts`` and the policy that a domain publishes over HTTPS (RFC 8461 section 3)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from conformance.reading import fields
from conformance.reading.excerpt import quoted
from conformance.reading.servername import covered

VERSION = "STSv1"
MODES = ("enforce", "testing", "none")
MOST_SECONDS = 31_557_600
"""A year, the longest that a policy may be kept (section 3.2)."""
WEEK = 604_800
LARGEST = 64 * 1024
"""Octets of a policy that senders read at least (section 3.3)."""

_ID = re.compile(r"[A-Za-z0-9]{1,32}")
_AGE = re.compile(r"[0-9]{1,10}")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_PATTERN = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*")
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}")
_MOST_LINES = 1000


@dataclass(frozen=True, slots=True)
class Record:
    """A record that says that there is a policy, and which: ``id`` changes with the policy (section 3.1)."""

    text: str
    id: str
    problems: tuple[str, ...] = ()


def parse(text: str) -> Record:
    """Read a record; ``problems`` is empty when it is valid."""
    found = fields.read(text)
    problems = list(found.problems)
    name = found.get("id")
    if name is None:
        problems.append("it has no id=")
    elif not _ID.fullmatch(name):
        problems.append(f"id={quoted(name, 60)} is not 1 to 32 letters and digits")
    return Record(text, name or "", tuple(problems))


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy: ``mode`` (enforce, testing, none), ``max_age`` in seconds, the patterns of its MX hosts.

    ``problems`` keep senders from using it; ``notes`` do not.
    """

    version: str = ""
    mode: str = ""
    max_age: int | None = None
    mx: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def left_out(self, hosts: Iterable[str]) -> list[str]:
        """Return the mail exchangers that no pattern stands for; ``*`` is one label (section 4.1)."""
        named = list(dict.fromkeys(hosts))
        known = set(covered(self.mx, named))
        return [host for host in named if host not in known]


def parse_policy(text: str) -> Policy:
    """Read a policy, lines of ``name: value`` (section 3.2). Unknown fields are ignored, blank lines too."""
    values: dict[str, str] = {}
    mx: list[str] = []
    problems: list[str] = []
    notes: list[str] = []
    lines = text.split("\n")
    for line in lines[:_MOST_LINES]:
        bare = line.removesuffix("\r").rstrip(" ")
        name, colon, rest = bare.partition(":")
        value = rest.strip(" \t")
        if not bare:
            continue
        if not colon or not _KEY.fullmatch(name):
            problems.append(f"{quoted(bare, 60)} is not of the form name: value")
        elif name == "mx":
            mx.append(value)
        elif name in values:
            notes.append(f"{name} is given twice: only the first counts")
        else:
            values[name] = value
    if len(lines) > _MOST_LINES:
        problems.append(f"it has more than {_MOST_LINES} lines")
    problems += _faults(values, mx)
    age = values.get("max_age", "")
    known = int(age) if _AGE.fullmatch(age) else None
    if values.get("mode") == "enforce" and known is not None and known < WEEK:
        notes.append(f"max_age is {known} seconds, less than a week: an attacker need only wait")
    return Policy(values.get("version", ""), values.get("mode", ""), known, tuple(mx), tuple(problems), tuple(notes))


def _faults(values: dict[str, str], mx: list[str]) -> list[str]:
    found = [f"it has no {name}" for name in ("version", "mode", "max_age") if name not in values]
    if values.get("version", VERSION) != VERSION:
        found.append(f"version is {quoted(values['version'], 60)} and not {VERSION}")
    if values.get("mode", "none") not in MODES:
        found.append(f"mode is {quoted(values['mode'], 60)} and not one of {', '.join(MODES)}")
    age = values.get("max_age", "0")
    if not _AGE.fullmatch(age):
        found.append(f"max_age is {quoted(age, 60)} and not a number of seconds")
    elif int(age) > MOST_SECONDS:
        found.append(f"max_age is {int(age)} seconds, more than {MOST_SECONDS}")
    if not mx and values.get("mode") != "none":
        found.append("it names no mx")
    bad = [pattern for pattern in mx if not _PATTERN.fullmatch(pattern)]
    return [*found, *(f"mx {quoted(pattern, 60)} is no host name, nor one with *. before it" for pattern in bad[:5])]
