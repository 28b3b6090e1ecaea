"""One record set as it is told: what stands there, what should, and who says so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from conformance.reading.zonetext import Data, quoted_string
from conformance.records.change import kind_of


class State(StrEnum):
    """What is to be said of a record set. UNKNOWN: nobody could look."""

    RIGHT = "right"
    WRONG = "wrong"
    MISSING = "missing"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Entry:
    """A record set of a domain. ``wanted`` is None where the data cannot be told; ``source`` says where it is taken."""

    name: str
    rdtype: str
    purpose: str
    state: State
    now: tuple[Data, ...] = ()
    wanted: tuple[Data, ...] | None = None
    findings: tuple[Mapping[str, Any], ...] = ()
    """What rules find, strictest first, as results have it."""
    source: str = ""
    notes: tuple[str, ...] = ()
    cause: str = ""
    """Why nobody could look."""
    zone: str = ""
    """The zone that it belongs to, as far as the name tells."""
    kind: str = ""
    """Of TXT records, which of those at the name are meant; empty: all."""

    @property
    def kept(self) -> tuple[Data, ...]:
        """What stands at the name and is none of its business."""
        return tuple(one for one in self.now if self.kind and kind_of(one) != self.kind)

    def meant(self, data: Iterable[Data] | None) -> tuple[Data, ...]:
        """Return those of some records that this is about."""
        return tuple(one for one in data or () if one not in self.kept)


def shown(rdtype: str, data: Data) -> str:
    """Return record data as a zone file takes it; names end in a dot."""
    if isinstance(data, str):
        return data if rdtype in ("A", "AAAA") else _absolute(data)
    if len(data) == 2 and isinstance(data[0], int):
        return f"{data[0]} {_absolute(str(data[1]))}"
    return " ".join(quoted_string(str(one)) for one in data)


def whole(data: Data) -> str:
    """Return record data as a web form takes it: a text in one piece, names without the final dot."""
    if isinstance(data, str):
        return data
    if len(data) == 2 and isinstance(data[0], int):
        return f"{data[0]} {data[1]}"
    return "".join(map(str, data))


def _absolute(name: str) -> str:
    return name if name.endswith(".") else f"{name}."
