"""``facts.json``: everything that was observed in a run, to be judged again without a network."""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import msgspec

from conformance.facts.answer import Answer
from conformance.facts.keyhistory import Sighting, united
from conformance.facts.page import Page
from conformance.facts.session import Session
from conformance.facts.store import Store
from conformance.facts.trial import Trial

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, TypeAdapter
    from pydantic_core import core_schema

VERSION = 1


class AsFields:
    """Has pydantic read and write a struct of msgspec as what its fields hold, without those that have their default.

    What msgspec itself reads are no unions of tuples, which records are.
    """

    def __get_pydantic_core_schema__(
        self, source: type[msgspec.Struct], handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Return how a struct is read and written."""
        from pydantic_core import core_schema

        fields = msgspec.structs.fields(source)
        named = core_schema.typed_dict_schema(
            {
                field.name: core_schema.typed_dict_field(handler.generate_schema(field.type), required=field.required)
                for field in fields
            }
        )

        def written(one: msgspec.Struct) -> dict[str, Any]:
            return {field.name: value for field in fields if (value := getattr(one, field.name)) != field.default}

        return core_schema.no_info_after_validator_function(
            lambda read: source(**read),
            named,
            serialization=core_schema.plain_serializer_function_ser_schema(written),
        )


_Answer = Annotated[Answer, AsFields()]


class SnapshotError(ValueError):
    """A file is no snapshot that this version can read."""


@dataclass(frozen=True)
class Snapshot:
    """The file's content. ``notes`` and ``defects`` say what is known of how it was gathered."""

    # Any other JSON, results.json for one, would pass for a snapshot without facts.
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    schema: int
    gathered: str
    resolvers: tuple[str, ...] = ()
    probe: str = "connect"
    seconds: float = 0.0
    queries: int = 0
    notes: tuple[str, ...] = ()
    defects: tuple[str, ...] = ()
    overlays: tuple[str, ...] = ()
    """What was proposed and answered before live DNS; empty when all was live."""
    authoritative: bool = False
    """Whether authoritative servers were asked as well."""
    answers: tuple[_Answer, ...] = ()
    sessions: tuple[Session, ...] = ()
    trials: tuple[Trial, ...] = ()
    pages: tuple[Page, ...] = ()
    keys: tuple[Sighting, ...] = ()
    """DKIM keys that earlier runs saw; those of this run stand in its answers."""

    def store(self) -> Store:
        """Return the observations as a store."""
        store = Store(authoritative=self.authoritative, keys=united(self.keys))
        for answer in self.answers:
            store.add(answer)
        store.sessions.update((session.id, session) for session in self.sessions)
        store.trials.update((trial.key, trial) for trial in self.trials)
        store.pages.update((page.host, page) for page in self.pages)
        return store

    def gathering(self) -> Gathering:
        """Return how the observations came about."""
        return Gathering(
            self.gathered,
            self.resolvers,
            self.probe,
            self.seconds,
            self.queries,
            list(self.notes),
            list(self.defects),
            self.overlays,
            self.authoritative,
        )


@dataclass
class Gathering:
    """How the facts of a run came about; what a snapshot says beside the facts."""

    gathered: str = ""
    resolvers: tuple[str, ...] = ()
    probe: str = "connect"
    seconds: float = 0.0
    queries: int = 0
    notes: list[str] = field(default_factory=list)
    defects: list[str] = field(default_factory=list)
    """Facts that an error in mailconform kept from being gathered, each with that error."""
    overlays: tuple[str, ...] = ()
    authoritative: bool = False


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


class Told(Sequence[Any]):
    """Observations of one kind as ``facts.json`` tells them, each made when it is read: there may be a million."""

    def __init__(self, kind: Any, observed: Sequence[Any]) -> None:
        self._adapter: TypeAdapter[Any] = _adapter(kind)
        self._observed = observed

    def __len__(self) -> int:
        return len(self._observed)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return [self[number] for number in range(*place.indices(len(self)))]
        return self._adapter.dump_python(self._observed[place], mode="json", exclude_defaults=True)


def told(store: Store) -> Mapping[str, Sequence[Any]]:
    """Return what ``facts.json`` tells of a store."""
    keys = [one for seen in store.keys.values() for one in seen]
    return {
        "answers": Told(_Answer, list(store.answers.values())),
        "sessions": Told(Session, list(store.sessions.values())),
        "trials": Told(Trial, list(store.trials.values())),
        "pages": Told(Page, list(store.pages.values())),
        "keys": Told(Sighting, keys),
    }


def dump(store: Store, gathering: Gathering) -> str:
    """Return a store as JSON text."""
    return "".join(parts(store, gathering))


def parts(store: Store, gathering: Gathering) -> Iterator[str]:
    """Yield a store as JSON text, in ASCII: a terminal that is shown the file must not obey it."""
    snapshot = Snapshot(
        schema=VERSION,
        gathered=gathering.gathered,
        resolvers=gathering.resolvers,
        probe=gathering.probe,
        seconds=round(gathering.seconds, 3),
        queries=gathering.queries,
        notes=tuple(gathering.notes),
        defects=tuple(gathering.defects),
        overlays=gathering.overlays,
        authoritative=gathering.authoritative,
    )
    whole = json.dumps(_adapter(Snapshot).dump_python(snapshot, mode="json", exclude_defaults=True), indent=1)
    yield whole.removesuffix("\n}")
    for name, observed in told(store).items():
        separator = f',\n "{name}": [\n  '
        for one in observed:
            yield separator + json.dumps(one, indent=1).replace("\n", "\n  ")
            separator = ",\n  "
        yield "\n ]" if observed else ""
    yield "\n}"


def _octets(path: Path) -> bytes:
    """Return the content of a file, unpacked where its name ends in ``.xz``. Raises OSError and LZMAError."""
    return lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()


def load(path: str) -> Snapshot:
    """Read a snapshot. Raises SnapshotError with what is wrong with the file."""
    from pydantic import ValidationError

    try:
        snapshot: Snapshot = _adapter(Snapshot).validate_json(_octets(Path(path)))
    except OSError as error:
        raise SnapshotError(f"{path}: cannot be read: {error.strerror}") from None
    except lzma.LZMAError as error:
        raise SnapshotError(f"{path}: is no file of xz: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SnapshotError(f"{path}: is no facts.json of mailconform: {where}: {first['msg']}") from None
    if snapshot.schema != VERSION:
        raise SnapshotError(f"{path}: has schema {snapshot.schema}, this version reads {VERSION}")
    return snapshot
