"""What the helper process answered: hosts, and the values of their variables with the places they were written at."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from conformance.fleet.origin import Origin

Parts = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """A part of a value that has no result. ``kind`` is vault, template or type; ``text`` is Ansible's."""

    path: Parts
    kind: str
    text: str
    template: str


@dataclass(frozen=True)
class Value:
    """One value of the table. ``has_data`` is false when nothing is left of it."""

    number: int
    data: Any
    has_data: bool
    origins: Mapping[Parts, Origin]
    secrets: frozenset[Parts]
    faults: tuple[Fault, ...]

    def origin(self, path: Parts = ()) -> Origin | None:
        """Return the place that a part was written at, or else that of the nearest part around it."""
        return next((self.origins[above] for above in _upwards(path) if above in self.origins), None)

    def is_secret(self, path: Parts = ()) -> bool:
        """Say whether a part, or one around it or in it, was encrypted."""
        return any(above in self.secrets for above in _upwards(path)) or any(
            secret[: len(path)] == path for secret in self.secrets
        )


@dataclass(frozen=True, slots=True)
class Host:
    """A selected host: its groups and its ``mailconform_*`` and connection variables, by name."""

    name: str
    origin: Origin | None
    groups: tuple[str, ...]
    variables: Mapping[str, Value]


class Answer:
    """The helper's answer. ``hosts`` are sorted by name."""

    def __init__(self, answer: Mapping[str, Any]) -> None:
        self.ansible: str = answer["ansible"]
        self.total: int = answer["total"]
        self.patterns: Mapping[str, list[str]] = answer["patterns"]
        self.locked: tuple[str, ...] = tuple(map(shown_path, answer["locked"]))
        self._places = Places(answer["files"])
        self._rows: list[str] = answer["values"]
        self._table: dict[int, Value] = {}
        self._groups = [tuple(group) for group in answer["groups"]]
        self._hosts = answer["hosts"]

    @cached_property
    def hosts(self) -> tuple[Host, ...]:
        """The hosts that were selected."""
        return tuple(self._host(*row) for row in sorted(self._hosts, key=lambda row: str(row[0])))

    def _host(self, name: str, place: Any, group: int, variables: Mapping[str, int]) -> Host:
        values = {variable: self._value(number) for variable, number in variables.items()}
        return Host(name, self._places.origin(place), self._groups[group], values)

    def _value(self, number: int) -> Value:
        if number not in self._table:
            row = json.loads(self._rows[number])
            self._table[number] = Value(
                number=number,
                data=row.get("v"),
                has_data="v" in row,
                origins={tuple(path): self._places.origin(place) for path, place in row.get("o", ())},  # type: ignore[misc]
                secrets=frozenset(tuple(path) for path in row.get("s", ())),
                faults=tuple(Fault(tuple(path), *rest) for path, *rest in row.get("f", ())),
            )
        return self._table[number]


class Places:
    """Turns the helper's positions into origins."""

    def __init__(self, files: list[str]) -> None:
        self._files = [shown_path(described(file)) for file in files]

    def origin(self, place: list[Any] | None) -> Origin | None:
        """Return the origin for a file's number, line and column."""
        return Origin(self._files[place[0]], place[1], place[2]) if place else None


def described(file: str) -> str:
    """Return the path that Ansible's description of a source speaks of; a path as it is."""
    source = re.search(r"(?:from|with source) '(/[^']+)'", file) if file.startswith("<") else None
    return source[1] if source else file


def shown_path(path: str) -> str:
    """Return a path relative to the current directory when it lies below it."""
    for here in _here():
        if path.startswith(here + os.sep):
            return path[len(here) + 1 :]
    return path


def _here() -> Iterator[str]:
    yield str(Path.cwd())
    yield os.environ.get("PWD", str(Path.cwd()))


def _upwards(path: Parts) -> Iterator[Parts]:
    return (path[:length] for length in range(len(path), -1, -1))


def label(name: str, path: Parts = ()) -> str:
    """Return how a part of a variable is called in a message: ``mailconform_listen[0].port``."""
    shown: Callable[[str | int], str] = lambda part: (  # noqa: E731
        f"[{part}]" if isinstance(part, int) else f".{part}" if re.fullmatch(r"\w+", part) else f'["{part}"]'
    )
    return name + "".join(map(shown, path))
