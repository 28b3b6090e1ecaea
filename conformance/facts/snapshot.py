"""``facts.json``: everything that was observed in a run, to be judged again without a network."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from conformance.facts.answer import Answer
from conformance.facts.session import Session
from conformance.facts.store import Store

if TYPE_CHECKING:
    from pydantic import TypeAdapter

VERSION = 1


class SnapshotError(ValueError):
    """A file is no snapshot that this version can read."""


@dataclass(frozen=True)
class Snapshot:
    """The file's content. ``notes`` says what is known of how it was gathered."""

    schema: int = VERSION
    gathered: str = ""
    resolvers: tuple[str, ...] = ()
    probe: str = "connect"
    seconds: float = 0.0
    queries: int = 0
    notes: tuple[str, ...] = ()
    answers: tuple[Answer, ...] = ()
    sessions: tuple[Session, ...] = ()

    def store(self) -> Store:
        """Return the observations as a store."""
        store = Store()
        for answer in self.answers:
            store.add(answer)
        store.sessions.update((session.id, session) for session in self.sessions)
        return store


@dataclass
class Gathering:
    """How the facts of a run came about; what a snapshot says beside the facts."""

    gathered: str = ""
    resolvers: tuple[str, ...] = ()
    probe: str = "connect"
    seconds: float = 0.0
    queries: int = 0
    notes: list[str] = field(default_factory=list)


@cache
def _adapter() -> TypeAdapter[Snapshot]:
    from pydantic import TypeAdapter

    return TypeAdapter(Snapshot)


def dump(store: Store, gathering: Gathering) -> str:
    """Return a store as JSON text."""
    snapshot = Snapshot(
        gathered=gathering.gathered,
        resolvers=gathering.resolvers,
        probe=gathering.probe,
        seconds=round(gathering.seconds, 3),
        queries=gathering.queries,
        notes=tuple(gathering.notes),
        answers=tuple(store.answers.values()),
        sessions=tuple(store.sessions.values()),
    )
    return _adapter().dump_json(snapshot, exclude_defaults=True, indent=1).decode()


def load(path: str) -> Snapshot:
    """Read a snapshot. Raises SnapshotError with what is wrong with the file."""
    from pydantic import ValidationError

    try:
        snapshot = _adapter().validate_json(Path(path).read_bytes())
    except OSError as error:
        raise SnapshotError(f"{path}: cannot be read: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SnapshotError(f"{path}: is no facts.json of mailconform: {where}: {first['msg']}") from None
    if snapshot.schema != VERSION:
        raise SnapshotError(f"{path}: has schema {snapshot.schema}, this version reads {VERSION}")
    return snapshot
