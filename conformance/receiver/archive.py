"""What has to outlive the process: openings, tallies and sessions, in SQLite."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from conformance.receiver.database import Database, DatabaseError, Full

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    from conformance.receiver.capture import Capture
    from conformance.receiver.opening import Opening

VERSION = 1
PAGE_OCTETS = 4 * 1024 * 1024
"""Octets after which a page of captures ends."""

_SCHEMA = """
CREATE TABLE opening (label TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE tally (token TEXT, what TEXT, count INTEGER NOT NULL, PRIMARY KEY (token, what)) WITHOUT ROWID;
CREATE TABLE capture (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, kept REAL NOT NULL, body BLOB NOT NULL
);
CREATE INDEX capture_kept ON capture (kept);
CREATE TABLE concerns (token TEXT, id TEXT, PRIMARY KEY (token, id)) WITHOUT ROWID;
CREATE INDEX concerns_id ON concerns (id);
CREATE TABLE held (count INTEGER NOT NULL);
INSERT INTO held VALUES (0);
"""
_COLLECT = """
SELECT seq, body FROM capture
WHERE seq > ? AND id IN (SELECT id FROM concerns WHERE token IN (SELECT value FROM json_each(?))) ORDER BY seq
"""


@dataclass(frozen=True, slots=True)
class Retention:
    """What is kept: ``seconds`` for which, ``captures`` how many, ``octets`` of the database on disk.

    What is younger than ``seconds`` is never dropped to make room: new mail is refused for the time being instead.
    """

    seconds: float = 30 * 86400.0
    captures: int = 200_000
    octets: int = 4 * 1024**3


@dataclass(frozen=True, slots=True)
class Page:
    """Some sessions as JSON, in the order in which they were kept. ``after`` asks for what follows."""

    bodies: tuple[bytes, ...]
    after: int
    more: bool


class Archive:
    """The archive in the file ``path``; None keeps it in memory."""

    def __init__(self, path: Path | None, retention: Retention | None = None) -> None:
        self.retention = retention or Retention()
        self.database = Database(path, self.retention.octets, _SCHEMA, VERSION)
        self.trouble = ""
        """Why the latest session could not be kept, or the next one cannot; empty: there is room."""

    def start(self) -> None:
        """Open the file. Raises DatabaseError."""
        self.database.start()

    def stop(self) -> None:
        """Do what was asked for so far, and close the file."""
        self.database.stop()

    async def keep(self, capture: Capture, now: float) -> None:
        """Keep a session under its tokens, in place of one of the same id. Raises Full and DatabaseError."""

        def job(connection: sqlite3.Connection) -> int:
            replaced = connection.execute("DELETE FROM capture WHERE id = ?", (capture.id,)).rowcount
            if not replaced and _count(connection) >= self.retention.captures:
                raise Full(self._most)
            body = _captures().dump_json(capture, exclude_defaults=True)
            connection.execute("INSERT INTO capture (id, kept, body) VALUES (?, ?, ?)", (capture.id, now, body))
            connection.executemany(
                "INSERT OR IGNORE INTO concerns VALUES (?, ?)", ((token, capture.id) for token in capture.tokens)
            )
            connection.execute("UPDATE held SET count = count + 1 - ?", (replaced,))
            return _count(connection)

        try:
            held = await self.database.run(job)
        except DatabaseError as error:
            self.trouble = str(error)
            raise
        self.trouble = self._trouble(held)

    def _trouble(self, held: int) -> str:
        return self._most if held >= self.retention.captures else ""

    @property
    def _most(self) -> str:
        return f"{self.retention.captures} sessions are kept, which is all that may be"

    async def collect(self, tokens: Sequence[str], after: int, octets: int = PAGE_OCTETS) -> Page:
        """Return sessions of tokens that were kept after a place in the order of keeping."""
        wanted = json.dumps(tokens)

        def job(connection: sqlite3.Connection) -> Page:
            bodies: list[bytes] = []
            last, size = after, 0
            for seq, body in connection.execute(_COLLECT, (after, wanted)):
                if bodies and size + len(body) > octets:
                    return Page(tuple(bodies), last, more=True)
                bodies.append(body)
                last, size = seq, size + len(body)
            return Page(tuple(bodies), last, more=False)

        return await self.database.run(job)

    async def save(self, opening: Opening) -> None:
        """Keep an opening, in place of what was kept of it."""
        body = _openings().dump_json(opening)

        def job(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT OR REPLACE INTO opening VALUES (?, ?)", (opening.labels[0], body))

        await self.database.run(job)

    async def load(self) -> tuple[tuple[Opening, ...], dict[tuple[str, str], int]]:
        """Return all openings and tallies."""

        def job(connection: sqlite3.Connection) -> tuple[tuple[Opening, ...], dict[tuple[str, str], int]]:
            self.trouble = self._trouble(_count(connection))
            openings = connection.execute("SELECT body FROM opening").fetchall()
            tallies = connection.execute("SELECT token, what, count FROM tally").fetchall()
            return (
                tuple(_openings().validate_json(body) for (body,) in openings),
                {(token, what): count for token, what, count in tallies},
            )

        return await self.database.run(job)

    def tally(self, token: str, what: str, count: int) -> None:
        """Note how often something happened; durable with whatever is kept next."""
        self.database.post(
            lambda connection: connection.execute("INSERT OR REPLACE INTO tally VALUES (?, ?, ?)", (token, what, count))
        )

    async def drop(self, before: float, openings: Iterable[Opening]) -> None:
        """Forget openings with their tallies, and sessions that were kept before a time."""
        gone = tuple(openings)
        tokens = [(token,) for opening in gone for token in opening.tokens]

        def job(connection: sqlite3.Connection) -> int:
            connection.executemany("DELETE FROM opening WHERE label = ?", [(opening.labels[0],) for opening in gone])
            connection.executemany("DELETE FROM tally WHERE token = ?", tokens)
            connection.execute("DELETE FROM concerns WHERE id IN (SELECT id FROM capture WHERE kept < ?)", (before,))
            dropped = connection.execute("DELETE FROM capture WHERE kept < ?", (before,)).rowcount
            connection.execute("UPDATE held SET count = count - ?", (dropped,))
            return int(dropped)

        if await self.database.run(job):
            self.trouble = ""


def _count(connection: sqlite3.Connection) -> int:
    (count,) = connection.execute("SELECT count FROM held").fetchone()
    return int(count)


@cache
def _captures() -> TypeAdapter[Capture]:
    from pydantic import TypeAdapter

    from conformance.receiver.capture import Capture

    return TypeAdapter(Capture)


@cache
def _openings() -> TypeAdapter[Opening]:
    from pydantic import TypeAdapter

    from conformance.receiver.opening import Opening

    return TypeAdapter(Opening)
