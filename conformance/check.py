"""What a rule is: all that a case imports.

A case is a function ``test_<area>_<rest>`` under :mod:`conformance.cases`, decorated with :func:`check`. Its name
gives the id (``test_ptr_own_domain`` is ``ptr.own-domain``), its docstring the title and the reason.
"""

from __future__ import annotations

import inspect
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, cached_property
from pathlib import Path
from typing import TypeVar

from conformance.outcome import NotApplicable, Undetermined, findings
from conformance.reading.excerpt import listed

__all__ = [
    "Check",
    "Citation",
    "Level",
    "NotApplicable",
    "Seen",
    "Source",
    "Undetermined",
    "check",
    "findings",
    "first_seen",
    "listed",
    "seen",
    "sources",
]

Function = TypeVar("Function", bound=Callable[..., None])

_CITATION = re.compile(r"(?P<key>[A-Z][A-Za-z0-9-]*) ?(?P<place>[^:]*)(?:: (?P<level>must|should|info))?")


class Level(StrEnum):
    """How hard a source asks for something; also what a check weighs under a profile."""

    MUST = "must"
    SHOULD = "should"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 for must, 1 for should, 2 for info: lower is stricter."""
        return _RANKS[self]


_RANKS = {level: number for number, level in enumerate(Level)}


def strictest(levels: list[Level]) -> Level | None:
    """Return the strictest of some levels, None of none."""
    return min(levels, key=lambda level: level.rank, default=None)


@dataclass(frozen=True, slots=True)
class Source:
    """A document that asks something of senders; ``read`` is the date of the copy that was read."""

    key: str
    title: str
    address: str
    read: str


@dataclass(frozen=True, slots=True)
class Citation:
    """One place in a source, and how hard it asks there. No level: it explains without asking."""

    key: str
    place: str
    level: Level | None

    def __str__(self) -> str:
        return f"{self.key} {self.place}".strip()


@dataclass(frozen=True)
class Check:
    """A rule: its id in the catalogue, what it says, who says it, and what to do when it is broken."""

    id: str
    title: str
    reason: str
    fix: str
    citations: tuple[Citation, ...]
    subjects: tuple[str, ...]
    """Parameter names of the function: the subject and the facts it judges."""
    where: str
    waivable: bool = True
    """Whether a waiver may excuse that it is broken."""

    @cached_property
    def cited(self) -> list[str]:
        """The citations as text: one list for all results of a check."""
        return [str(citation) for citation in self.citations]

    @property
    def area(self) -> str:
        """The part of the id before the dot: ptr, helo, spf ..."""
        return self.id.partition(".")[0]


class Seen(str):
    """The text of a finding, with what may differ from the check's own words for this one finding."""

    fix: str | None = None
    at_most: Level | None = None
    aspect: str = ""


def seen(text: str, *, fix: str | None = None, at_most: str | None = None, aspect: str = "") -> Seen:
    """Say what was seen instead of what the rule asks for.

    ``fix`` replaces the check's own remedy, ``at_most`` caps the level of this finding (it never raises it),
    ``aspect`` tells apart the ways in which one rule can be broken.
    """
    finding = Seen(text)
    finding.fix = fix
    finding.at_most = Level(at_most) if at_most else None
    finding.aspect = aspect
    return finding


def first_seen(*looks: tuple[Callable[[], list[str]], Callable[[list[str]], Seen]]) -> Seen | None:
    """Return what the first of some looks finds that finds something; None where none does.

    A look is what may be found, and how that is said. One that cannot be had keeps the next ones from nothing, only
    what ``at_most`` lowers does not stand in for what is unknown. Raises as :func:`findings`.
    """
    unknown: Undetermined | None = None
    reasons: list[NotApplicable] = []
    for look, say in looks:
        try:
            found = look()
        except Undetermined as cause:
            unknown = unknown or cause
        except NotApplicable as reason:
            reasons.append(reason)
        else:
            if found and not ((said := say(found)).at_most and unknown):
                return said
    if unknown:
        raise unknown
    if len(reasons) == len(looks):
        raise reasons[0]
    return None


@cache
def sources() -> dict[str, Source]:
    """Return the documents that may be cited, by key."""
    table = tomllib.loads((Path(__file__).parent / "profiles" / "sources.toml").read_text("utf-8"))
    return {key: Source(key, row["title"], row["address"], row.get("read", "")) for key, row in table.items()}


def citation(text: str) -> Citation:
    """Read ``KEY place: level``. Raises ValueError for another form or an unknown key."""
    match = _CITATION.fullmatch(text)
    if not match:
        raise ValueError(f"citation {text!r} is not of the form 'KEY place: level'")
    if match["key"] not in sources():
        raise ValueError(f"citation {text!r}: no source {match['key']!r} in sources.toml")
    return Citation(match["key"], match["place"].strip(), Level(match["level"]) if match["level"] else None)


def check(*citations: str, fix: str, waivable: bool = True) -> Callable[[Function], Function]:
    """Declare a function to be a rule. Raises ValueError when name, docstring or citations do not fit.

    ``fix`` is filled from the subject and fleet by :meth:`str.format`: ``{address.reverse_name}``. No waiver is
    taken for what is not ``waivable``: what endangers others, or gives passwords away.
    """

    def declare(function: Function) -> Function:
        name, _, rest = function.__name__.removeprefix("test_").partition("_")
        if not function.__name__.startswith("test_") or not rest:
            raise ValueError(f"{function.__name__}: a rule is named test_<area>_<rest>")
        title, _, reason = inspect.cleandoc(function.__doc__ or "").partition("\n\n")
        if not title or not reason or not citations or not fix:
            raise ValueError(f"{function.__name__}: a rule has a title, a reason, a citation and a fix")
        code = function.__code__
        function.__dict__["check"] = Check(
            id=f"{name}.{rest.replace('_', '-')}",
            title=title,
            reason=reason,
            fix=fix,
            citations=tuple(citation(text) for text in citations),
            subjects=code.co_varnames[: code.co_argcount],
            where=f"{function.__module__}:{code.co_firstlineno}",
            waivable=waivable,
        )
        return function

    return declare
