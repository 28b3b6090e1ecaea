"""Waivers as people write them: what is broken, why that is accepted, by whom, and until when.

A file has ``version``, ``defaults`` and a list of ``waivers``. A waiver holds through 24:00 UTC of the day that
``expires`` names.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from conformance.reading.excerpt import did_you_mean, quoted
from conformance.reading.located import Located, LocatedError, Path, read

HORIZON = 180
"""Days between issue and end of a waiver, where its file says nothing else."""
LONGEST_HORIZON = 366
"""Days between issue and end that no file can go beyond."""

_RULE = re.compile(r"[a-z*?][a-z0-9*?]*(?:\.[a-z0-9*?-]+)?")
_GLOB = re.compile(r"[*?]")
_MEMBERS = 1_000
_WIDTH = 1_000


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a file; ``line`` counts from 1."""

    text: str
    line: int | None


@dataclass(frozen=True, slots=True)
class Waiver:
    """One waiver as written. What is empty does not narrow it; all that is given must match.

    ``warn_days`` is that of its file, which is at ``path``; ``line`` is where the waiver begins.
    """

    id: str
    rules: tuple[str, ...]
    reason: str
    owner: str
    issued: date | None
    expires: date
    ticket: str = ""
    approved_by: str = ""
    hosts: str = ""
    members: tuple[str, ...] = ()
    """Hosts by name, of a waiver that stands in their variables."""
    domains: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    observed: str = ""
    aspect: str = ""
    broad: bool = False
    warn_days: int = 14
    path: str = ""
    line: int | None = None

    @property
    def globs(self) -> tuple[str, ...]:
        """The rules that are globs."""
        return tuple(rule for rule in self.rules if _GLOB.search(rule))


def expected(what: str) -> PydanticCustomError:
    """Return the error that says what was expected."""
    return PydanticCustomError("expected", "{what}", {"what": what})


def _line(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value.strip()) <= _WIDTH:
        raise expected(f"text of 1 to {_WIDTH:,} characters")
    return " ".join(value.split())


def _pattern(value: Any) -> str:
    if isinstance(value, list) and value and all(isinstance(one, str) for one in value):
        return _line(",".join(value))
    return _line(value)


def _word(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[!-~]{1,255}", value):
        raise expected("a word of printable ASCII characters")
    return value


def _rule(value: Any) -> str:
    if not isinstance(value, str) or not _RULE.fullmatch(value):
        raise expected("the id of a rule, such as ptr.exists")
    return value


def day(value: Any) -> date:
    """Take a day, such as 2027-01-31, as text or as YAML's own."""
    if type(value) is date:
        return value
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        raise expected("a day, such as 2027-01-31")
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise expected("a day that there is, such as 2027-01-31") from None


def _address(value: Any) -> str:
    try:
        if not isinstance(value, str) or "%" in value:
            raise ValueError
        return str(ipaddress.ip_address(value))
    except ValueError:
        raise expected("an IPv4 or IPv6 address") from None


def _domain(value: Any) -> str:
    word = _line(value).lower().removesuffix(".")
    if not word:
        raise expected("a domain of the catalogue")
    return word


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _number(value: Any) -> int:
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{1,4}", value):
        raise expected("a whole number of days")
    return int(value)


def _yes(value: Any) -> bool:
    if value not in ("true", "false"):
        raise expected("true or false")
    return bool(value == "true")


def _version(value: Any) -> int:
    if value != "1":
        raise expected("1, the version that is read here")
    return 1


_LISTED = BeforeValidator(_listed, json_schema_input_type=str | list[str])
_MOST = Field(max_length=_MEMBERS)

Line = Annotated[str, BeforeValidator(_line)]
Day = Annotated[date, BeforeValidator(day)]
Days = Annotated[int, BeforeValidator(_number)]
Rules = Annotated[list[Annotated[str, BeforeValidator(_rule)]], _LISTED, _MOST]
Words = Annotated[list[Annotated[str, BeforeValidator(_word)]], _LISTED, _MOST]
Domains = Annotated[list[Annotated[str, BeforeValidator(_domain)]], _LISTED, _MOST]
Addresses = Annotated[list[Annotated[str, BeforeValidator(_address)]], _LISTED, _MOST]
Pattern = Annotated[str, BeforeValidator(_pattern, json_schema_input_type=str | list[str])]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Entry(_Part):
    """One waiver: at least one of hosts, domains, addresses and subjects; all that is given must match."""

    id: Annotated[str, BeforeValidator(_word)] = Field("", description="What reports call it; each is there once.")
    rules: Rules = Field(
        validation_alias=AliasChoices("rules", "rule"),
        min_length=1,
        description="Ids of the rules that may be broken; globs only with broad.",
    )
    broad: Annotated[bool, BeforeValidator(_yes)] = Field(False, description="Take globs such as ptr.* as rules.")
    hosts: Pattern = Field("", description="Hosts: an Ansible pattern.")
    domains: Domains = Field([], description="Domains of the catalogue.")
    addresses: Addresses = Field([], description="Sending addresses.")
    subjects: Words = Field([], description="Subjects, as reports name them.")
    observed: Line = Field("", description="Waives only this: words of what reports say was seen, or all of them.")
    aspect: Annotated[str, BeforeValidator(_word)] = Field("", description="Waives only this way to break the rule.")
    reason: Line = Field(description="Why this is accepted for now.")
    owner: Line = Field(description="Who answers for it.")
    ticket: Line = Field("", description="Where the work on it is followed.")
    approved_by: Line = Field("", description="Who agreed.")
    issued: Day = Field(description="The day it was written.")
    expires: Day = Field(description="The last day it holds, until 24:00 UTC.")


class Defaults(_Part):
    """What holds for all waivers of a file."""

    max_days: Days = Field(default=HORIZON, description="Days that a waiver may hold from its issue, at most.")
    warn_days: Days = Field(default=14, description="Days before its end from which on reports list it as expiring.")


class File(_Part):
    """A file of waivers."""

    version: Annotated[int, BeforeValidator(_version)] = 1
    defaults: Defaults = Defaults()
    waivers: list[Entry] = []


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a file, for editors."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return head | File.model_json_schema(by_alias=True) | {"title": "mailconform waivers"}


def waivers(text: str, path: str = "") -> tuple[list[Waiver], list[Fault]]:
    """Return the waivers of a file that are well-formed, and everything that is wrong with the file. Never raises.

    ``path`` is what the file is called. A waiver without an id is called by its place.
    """
    try:
        located = read(text)
    except LocatedError as error:
        return [], [Fault(str(error), error.line)]
    data = located.data if located.data != "" else {}
    if not isinstance(data, Mapping):
        return [], [Fault("found no mapping, expected version, defaults and waivers", located.line(()))]
    rows = data.get("waivers", [])
    rows = rows if isinstance(rows, list) else [] if rows == "" else rows
    faults = list(_faults({**data, "waivers": [] if isinstance(rows, list) else rows}, File, (), located))
    defaults = _defaults(data)
    if not isinstance(rows, list):
        return [], faults
    if defaults.max_days > LONGEST_HORIZON:
        faults.append(Fault(f"max_days is more than {LONGEST_HORIZON}", located.line(("defaults", "max_days"))))
    found = []
    for number, row in enumerate(rows):
        own = list(_row_faults(row, ("waivers", number), located, defaults))
        faults += own
        if not own:
            found.append(_waiver(Entry.model_validate(row), defaults, path, located.line(("waivers", number))))
    return found, sorted(faults, key=lambda fault: fault.line or 0)


def _defaults(data: Mapping[str, Any]) -> Defaults:
    given = data.get("defaults", {})
    try:
        return Defaults.model_validate(given)
    except ValidationError as error:
        # What is wrong is told; the rest holds, so that waivers are held against it at once.
        wrong = {one["loc"][0] for one in error.errors() if one["loc"]}
        kept = given.items() if isinstance(given, Mapping) else ()
        return Defaults.model_validate({name: value for name, value in kept if name not in wrong})


def _row_faults(row: Any, path: Path, located: Located, defaults: Defaults) -> Iterator[Fault]:
    """Yield what is wrong with one waiver, all of it at once."""
    if not isinstance(row, Mapping):
        yield Fault("found no mapping, expected a waiver", located.line(path))
        return
    yield from _faults(row, Entry, path, located)
    if not any(row.get(name) for name in ("hosts", "domains", "addresses", "subjects")):
        text = "says not whom it is for: hosts (an Ansible pattern), domains, addresses or subjects"
        yield Fault(text, located.line(path))
    rules = _listed(row.get("rules", row.get("rule")))
    for number, rule in enumerate(rules if isinstance(rules, list) else ()):
        if isinstance(rule, str) and _GLOB.search(rule) and _RULE.fullmatch(rule) and row.get("broad") != "true":
            yield Fault(f"{rule!r} is a glob: name the rules, or say broad: true", _of_rule(located, path, number))
    try:
        issued, expires = day(row.get("issued")), day(row.get("expires"))
    except PydanticCustomError:
        return
    if (days := (expires - issued).days) > defaults.max_days:
        text = f"expires {days:,} days after its issue: max_days allows {defaults.max_days}"
        yield Fault(text, located.line((*path, "expires")))
    if days < 0:
        yield Fault(f"expires {expires}, before it is issued", located.line((*path, "expires")))


def _of_rule(located: Located, path: Path, number: int) -> int | None:
    key = "rules" if (*path, "rules") in located.lines else "rule"
    return located.line((*path, key, number))


def _faults(data: Any, model: type[BaseModel], path: Path, located: Located) -> Iterator[Fault]:
    try:
        model.model_validate(data)
    except ValidationError as error:
        for one in error.errors(include_url=False, include_context=False):
            place = (*path, *one["loc"])
            yield Fault(_said(one, model), located.line(place))


def _said(error: Any, model: type[BaseModel]) -> str:
    """Return one of pydantic's errors in our words."""
    name = ".".join(str(part) for part in error["loc"])
    if error["type"] == "missing":
        return f"{name} is missing"
    if error["type"] == "extra_forbidden":
        hint = did_you_mean(str(error["loc"][-1]), (*Entry.model_fields, *Defaults.model_fields, *File.model_fields))
        return f"unknown key {quoted(name)}{'; ' if hint else ''}{hint}"
    if error["type"] == "too_short" or error["input"] == "":
        return f"{name} is empty"
    found = error["input"]
    shown = quoted(found) if isinstance(found, str) else "a list" if isinstance(found, list) else "a mapping"
    wanted = error["msg"] if error["type"] == "expected" else _KINDS.get(error["type"], error["msg"])
    return f"{name}: found {shown}, expected {wanted}"


_KINDS = {
    "list_type": "a list",
    "model_type": "a mapping",
    "dict_type": "a mapping",
    "too_long": f"at most {_MEMBERS:,} members",
}


def _waiver(entry: Entry, defaults: Defaults, path: str, line: int | None) -> Waiver:
    given = entry.model_dump()
    lists = {name: tuple(given[name]) for name in ("rules", "domains", "addresses", "subjects")}
    more = {"id": entry.id or f"{path}:{line}", "warn_days": defaults.warn_days, "path": path, "line": line}
    return Waiver(**{**given, **lists, **more})
