"""Trials in a file: deliveries that were captured before, to be judged like those of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from conformance.facts.trial import Trial

if TYPE_CHECKING:
    from pydantic import TypeAdapter

VERSION = 1
LARGEST = 256 * 1024 * 1024


class CapturedError(ValueError):
    """A file holds no trials that this version can read."""


@dataclass(frozen=True)
class Captured:
    """The file's content."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    schema: int
    trials: tuple[Trial, ...]


@cache
def _adapter() -> TypeAdapter[Captured]:
    from pydantic import TypeAdapter

    return TypeAdapter(Captured)


def dump(trials: tuple[Trial, ...]) -> bytes:
    """Return trials as JSON, in ASCII."""
    return _adapter().dump_json(Captured(VERSION, trials), exclude_defaults=True, indent=1, ensure_ascii=True)


@cache
def load(path: str) -> Mapping[tuple[str, str, str], Trial]:
    """Return the trials in a file by their key. Raises CapturedError with what is wrong with the file."""
    from pydantic import ValidationError

    try:
        if Path(path).stat().st_size > LARGEST:
            raise CapturedError(f"{path}: is larger than {LARGEST >> 20} MiB")
        read = _adapter().validate_json(Path(path).read_bytes())
    except OSError as error:
        raise CapturedError(f"{path}: cannot be read: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise CapturedError(f"{path}: holds no captured deliveries: {where}: {first['msg']}") from None
    if read.schema != VERSION:
        raise CapturedError(f"{path}: has schema {read.schema}, this version reads {VERSION}")
    return {trial.key: trial for trial in read.trials}
