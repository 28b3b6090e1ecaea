"""Whose rules count: profiles are lists of source keys, each with the strictest level it can give."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from conformance.check import Check, Level, strictest

_FOLDER = Path(__file__).parent


class UnknownProfile(ValueError):
    """No profile of that name exists."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile: ``caps`` maps source keys (or a prefix and ``*``) to the strictest level they can give."""

    name: str
    title: str
    caps: Mapping[str, Level]
    levels: Mapping[str, Level | None] = field(default_factory=dict)
    """Overrides by check id; None for a check that the profile leaves out."""

    def cap(self, key: str) -> Level | None:
        """Return the strictest level that a source can give here, None when it does not count.

        The longest matching key decides.
        """
        if key in self.caps:
            return self.caps[key]
        prefixes = [p for p in self.caps if p.endswith("*") and key.startswith(p[:-1])]
        return self.caps[max(prefixes, key=len)] if prefixes else None

    def level(self, check: Check) -> Level | None:
        """Return the level of a check under this profile: the strictest that one of its sources gives it."""
        if check.id in self.levels:
            return self.levels[check.id]
        given = []
        for cited in check.citations:
            cap = self.cap(cited.key)
            if cited.level and cap:
                given.append(max(cited.level, cap, key=lambda level: level.rank))
        return strictest(given)


def files() -> list[Path]:
    """Return the files of profiles and sources, in a stable order."""
    return sorted(_FOLDER.glob("*.toml"))


def names() -> tuple[str, ...]:
    """Return the names of all profiles, the default first."""
    found = [path.stem for path in files() if path.stem != "sources"]
    return ("common", *(name for name in found if name != "common"))


@cache
def load(name: str) -> Profile:
    """Return a profile by name. Raises UnknownProfile."""
    if name not in names():
        raise UnknownProfile(f"no profile {name!r}; there are {', '.join(names())}")
    table = tomllib.loads((_FOLDER / f"{name}.toml").read_text("utf-8"))
    return Profile(
        name=name,
        title=table["title"],
        caps={key: Level(cap) for key, cap in table["sources"].items()},
        levels={check: None if level == "off" else Level(level) for check, level in table.get("levels", {}).items()},
    )


def level(check: Check, profiles: Iterable[str]) -> Level | None:
    """Return the strictest level that some profiles give a check; None when none of them selects it."""
    return strictest([found for name in profiles if (found := _level(check, name))])


@cache
def _level(check: Check, name: str) -> Level | None:
    return load(name).level(check)


def beyond(name: str, checks: Iterable[Check]) -> list[str]:
    """Return the ids of the checks that a profile takes harder than the default one does, or alone selects."""
    mine, common = load(name), load("common")
    levels = ((one.id, mine.level(one), common.level(one)) for one in checks)
    return [check for check, level, usual in levels if level and (usual is None or level.rank < usual.rank)]
