"""An SQLite database that one thread owns, with group commit.

What comes in while it commits is committed together next, so that many parallel sessions cost few synchronisations of
the disk. A job's answer is given after its commit, never before.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

_BATCH = 1000
_PAGE = 4096

_T = TypeVar("_T")
Job = Callable[[sqlite3.Connection], _T]


class DatabaseError(Exception):
    """The database cannot be used; the message says why."""


class Full(DatabaseError):
    """There is no room: as much is kept as is allowed, or the disk is full."""


@dataclass(slots=True)
class _Pending:
    job: Job[Any]
    done: Callable[[Any, BaseException | None], None]
    result: Any = None
    error: BaseException | None = None


def _ignore(_result: Any, _error: BaseException | None) -> None:
    """Take no notice of how a job went."""


class Database:
    """The database at ``path``, of ``octets`` at most; None keeps it in memory. ``schema`` is executed when it is new.

    ``version`` stands in the file: another version is refused. Jobs run in the thread, in the order they were given.
    """

    def __init__(self, path: Path | None, octets: int, schema: str, version: int) -> None:
        self._path = path
        self._octets = octets
        self._schema = schema
        self._version = version
        self._jobs: queue.SimpleQueue[_Pending | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = -1
        self.commits = 0
        self.broken = ""
        """Why the latest commit failed; empty: it did not."""

    def start(self) -> None:
        """Open the file, made if it is not there, and begin to work. Raises DatabaseError."""
        connection = self._open()
        self._thread = threading.Thread(target=self._work, args=(connection,), name="database", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Do what was asked for so far, and close."""
        if self._thread:
            self._jobs.put(None)
            self._thread.join()
            self._thread = None
        self._release()

    async def run(self, job: Job[_T]) -> _T:
        """Do something in the database; it is durable when this returns. Raises DatabaseError and what the job does."""
        if self._thread is None:
            raise DatabaseError("the database is closed")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[_T] = loop.create_future()

        def settle(result: Any, error: BaseException | None) -> None:
            if future.done():
                return
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

        def done(result: Any, error: BaseException | None) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(settle, result, error)

        self._jobs.put(_Pending(job, done))
        return await future

    def post(self, job: Job[Any]) -> None:
        """Do something before whatever is asked for later, without waiting for it."""
        self._jobs.put(_Pending(job, _ignore))

    def _open(self) -> sqlite3.Connection:
        try:
            if self._path:
                self._claim(self._path)
            connection = sqlite3.connect(self._path or ":memory:", isolation_level=None, check_same_thread=False)
            for pragma in (
                f"page_size = {_PAGE}",
                "journal_mode = WAL",
                "synchronous = FULL",
                "journal_size_limit = 67108864",
                f"max_page_count = {max(16, self._octets // _PAGE)}",
            ):
                connection.execute(f"PRAGMA {pragma}")
            self._found(connection)
        except (OSError, sqlite3.Error) as error:
            self._release()
            raise DatabaseError(f"{self._path}: {error}") from error
        except DatabaseError:
            self._release()
            raise
        return connection

    def _claim(self, path: Path) -> None:
        """Make sure that nobody else works on the file, and that nobody else reads it."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DatabaseError(f"{path}: is in use by another process") from None
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))

    def _release(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _found(self, connection: sqlite3.Connection) -> None:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version == 0:
            connection.executescript(f"BEGIN; {self._schema} PRAGMA user_version = {self._version}; COMMIT;")
        elif version != self._version:
            raise DatabaseError(f"{self._path}: has version {version}, this program reads {self._version}")

    def _work(self, connection: sqlite3.Connection) -> None:
        while True:
            batch = self._batch()
            over = batch[-1] is None
            if jobs := [pending for pending in batch if pending is not None]:
                self._commit(connection, jobs)
            if over:
                connection.close()
                return

    def _batch(self) -> list[_Pending | None]:
        """Return what is waiting, None at the end when there will be no more."""
        batch = [self._jobs.get()]
        while batch[-1] is not None and len(batch) < _BATCH:
            try:
                batch.append(self._jobs.get_nowait())
            except queue.Empty:
                break
        return batch

    def _commit(self, connection: sqlite3.Connection, batch: Sequence[_Pending]) -> None:
        """Commit jobs together; where the database fails, each by itself, so that one does not spoil the others."""
        try:
            connection.execute("BEGIN IMMEDIATE")
            for pending in batch:
                _do(connection, pending)
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            if len(batch) > 1:
                for pending in batch:
                    self._commit(connection, [pending])
                return
            self.broken = str(error)
            batch[0].error = _understood(error)
        else:
            self.commits += 1
            self.broken = ""
        for pending in batch:
            pending.done(pending.result, pending.error)


def _do(connection: sqlite3.Connection, pending: _Pending) -> None:
    """Do one job; what it raises undoes this job alone. Raises sqlite3.Error."""
    connection.execute("SAVEPOINT job")
    try:
        pending.result, pending.error = pending.job(connection), None
    except sqlite3.Error:
        raise
    except Exception as error:
        connection.execute("ROLLBACK TO job")
        pending.error = error
    connection.execute("RELEASE job")


def _understood(error: sqlite3.Error) -> DatabaseError:
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
        return Full("the disk or the database is full")
    return DatabaseError(str(error))
