"""The ledger of what was handed over and may still come, so that a later run can collect it."""

from __future__ import annotations

import datetime
import json
import os
import time
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from conformance.facts.trial import Trial, parse_time

if TYPE_CHECKING:
    from pydantic import TypeAdapter

VERSION = 1
LARGEST = 64 * 1024 * 1024
MOST = 20_000
"""Trials that are kept at most, the last ones."""
KEPT = datetime.timedelta(days=14)
EVERY = 2.0
"""Seconds between two times that the file is written."""


class LedgerError(ValueError):
    """A ledger cannot be read."""


@dataclass(frozen=True)
class _Content:
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    schema: int
    receiver: str
    trials: tuple[Trial, ...]


@cache
def _adapter() -> TypeAdapter[_Content]:
    from pydantic import TypeAdapter

    return TypeAdapter(_Content)


class Ledger:
    """A file of trials that wait, with the receiver they wait at. Only its owner can read it: tokens stand in it."""

    def __init__(self, path: Path, receiver: str) -> None:
        """Read the file. Raises LedgerError."""
        self.trouble = ""
        """Why it could not be written, if it could not."""
        self._path = path
        self._receiver = receiver
        self._written = -EVERY
        self._known = {trial.key: trial for trial in self._load() if _is_fresh(trial)}

    def trials(self) -> tuple[Trial, ...]:
        """Return the trials that wait at this receiver."""
        return tuple(self._known.values())

    def add(self, trial: Trial) -> None:
        """Keep a trial, in place of an earlier one of the same kind. The file has it soon; :meth:`save` makes sure."""
        self._known.pop(trial.key, None)
        self._known[trial.key] = replace(trial, captures=(), returns=())
        if time.monotonic() - self._written >= EVERY:
            self.save()

    def save(self) -> None:
        """Write the file; what keeps it from that is noted."""
        content = _Content(VERSION, self._receiver, tuple(self._known.values())[-MOST:])
        text = json.dumps(_adapter().dump_python(content, mode="json", exclude_defaults=True))
        draft = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                file.write(text)
            draft.replace(self._path)
        except OSError as error:
            self.trouble = f"{self._path} cannot be written: {error.strerror}: nothing can be collected later"
        self._written = time.monotonic()

    def _load(self) -> tuple[Trial, ...]:
        from pydantic import ValidationError

        try:
            if self._path.stat().st_size > LARGEST:
                raise LedgerError(f"{self._path} is larger than {LARGEST >> 20} MiB")
            read = _adapter().validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise LedgerError(f"{self._path} cannot be read: {error.strerror}") from None
        except ValidationError:
            raise LedgerError(f"{self._path} holds no ledger of probes") from None
        if read.schema != VERSION:
            raise LedgerError(f"{self._path} has schema {read.schema}, this version reads {VERSION}")
        return read.trials if read.receiver == self._receiver else ()


def _is_fresh(trial: Trial) -> bool:
    """Whether mail of a trial may still come."""
    last = max((letter.handed for letter in trial.letters), default="")
    try:
        return datetime.datetime.now(datetime.UTC) - parse_time(last) < KEPT
    except (ValueError, TypeError):
        return False
