"""Where runs leave their results: a folder each, ``latest`` that leads to the last whole one, and what may go."""

from __future__ import annotations

import datetime
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

LATEST = "latest"
MONTHS = 12
"""Months of which the last run is kept longer."""

_NAME = re.compile(r"(?P<time>\d{4}-\d\d-\d\dT\d{6}Z)-[a-z0-9._-]{1,60}")
_UNFIT = re.compile(r"[^a-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Folder:
    """The folder of one run, below the folder of all."""

    path: Path

    @property
    def month(self) -> str:
        """The month of the run, as ``2026-11``."""
        return self.path.name[:7]


def name_of(inventory: str, began: datetime.datetime) -> str:
    """Return the name of a run's folder: when it began, in UTC, and what it judged."""
    path = Path(inventory)
    said = path.stem if path.suffix else path.name
    if said in ("hosts", "inventory") and path.parent.name:
        said = path.parent.name
    fit = _UNFIT.sub("-", said.lower()).strip("-.")[:40] or "run"
    return f"{began.astimezone(datetime.UTC):%Y-%m-%dT%H%M%SZ}-{fit}"


def make(top: Path, name: str) -> Path:
    """Make the folder of a run and return it. Raises OSError."""
    top.mkdir(parents=True, exist_ok=True)
    for candidate in (name, *(f"{name}-{secrets.token_hex(2)}" for _ in range(10))):
        with suppress(FileExistsError):
            (top / candidate).mkdir()
            return top / candidate
    raise FileExistsError(f"{top / name} exists")


def publish(folder: Path) -> None:
    """Let ``latest`` lead to a run, in one step. A folder of that name, from before there were runs, becomes one.

    Raises OSError.
    """
    top = folder.parent
    link, draft = top / LATEST, top / f".{LATEST}.{secrets.token_hex(4)}"
    if link.is_dir() and not link.is_symlink():
        then = datetime.datetime.fromtimestamp(link.stat().st_mtime, datetime.UTC)
        link.rename(top / f"{name_of('before', then)}-{secrets.token_hex(2)}")
    draft.symlink_to(folder.name, target_is_directory=True)
    try:
        draft.replace(link)
    except OSError:
        draft.unlink()
        raise


def all_runs(top: Path) -> list[Folder]:
    """Return the folders of finished runs, the oldest first."""
    return [Folder(path) for path in sorted(_runs(top))]


def _runs(top: Path) -> Iterator[Path]:
    for path in top.iterdir() if top.is_dir() else ():
        if _NAME.fullmatch(path.name) and not path.is_symlink() and _is_ours(path / "results.json"):
            yield path


def _is_ours(results: Path) -> bool:
    """Whether a file begins as our results do: whatever else lies there is nobody's to delete."""
    try:
        with results.open(encoding="utf-8") as file:
            head = file.read(4096)
    except (OSError, UnicodeDecodeError):
        return False
    return re.match(r'\{\s*"schema": 1,\s*"run": \{', head) is not None


def tidy(top: Path, keep: int) -> list[Path]:
    """Delete runs but the last ``keep`` and the last one of each of twelve months. Returns what was deleted.

    What ``latest`` leads to stays. What cannot be deleted stays too.
    """
    runs = all_runs(top)
    monthly = {run.month: run for run in runs}
    kept = {run.path for run in runs[len(runs) - keep if keep < len(runs) else 0 :]}
    kept |= {monthly[month].path for month in sorted(monthly)[-MONTHS:]}
    with suppress(OSError):
        kept.add((top / LATEST).resolve(strict=True))
    gone = [run.path for run in runs if run.path not in kept and run.path.resolve() not in kept]
    for path in gone:
        shutil.rmtree(path, ignore_errors=True)
    return gone
