"""The archive: durable when it says so, no larger than it may be, many at once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from conformance.receiver.archive import Archive, Retention
from conformance.receiver.capture import Capture, Transaction
from conformance.receiver.database import DatabaseError, Full


def session(number: int, size: int = 0) -> Capture:
    transactions = (Transaction(1.0, "<a@example.com>", "a@example.com", wire="x" * size),) if size else ()
    return Capture(
        f"s{number}", "x", "192.0.2.1", number, "127.0.0.1", 25, tokens=(f"t{number}",), transactions=transactions
    )


def test_sessions_kept_at_once_are_committed_together(tmp_path: Path) -> None:
    async def go() -> None:
        archive = Archive(tmp_path / "db")
        archive.start()
        before = archive.database.commits
        await asyncio.gather(*(archive.keep(session(number), 1.0) for number in range(400)))
        assert archive.database.commits - before < 100
        page = await archive.collect([f"t{number}" for number in range(400)], 0)
        assert len(page.bodies) == 400
        archive.stop()

    asyncio.run(go())


def test_pages_are_bounded_and_complete(tmp_path: Path) -> None:
    async def go() -> None:
        archive = Archive(tmp_path / "db")
        archive.start()
        for number in range(10):
            await archive.keep(session(number, 1000), 1.0)
        tokens = [f"t{number}" for number in range(10)]
        seen, after, pages = 0, 0, 0
        while True:
            page = await archive.collect(tokens, after, octets=3500)
            assert page.bodies
            seen, after, pages = seen + len(page.bodies), page.after, pages + 1
            if not page.more:
                break
        assert (seen, pages) == (10, 5)
        assert len((await archive.collect(tokens, 0, octets=1)).bodies) == 1, (
            "one that is larger than a page still comes"
        )
        archive.stop()

    asyncio.run(go())


def test_a_full_database_refuses_and_loses_nothing(tmp_path: Path) -> None:
    async def go() -> None:
        archive = Archive(tmp_path / "db", Retention(octets=400_000))
        archive.start()
        kept = []
        for number in range(50):
            try:
                await archive.keep(session(number, 20_000), 1.0)
            except Full:
                break
            kept.append(number)
        else:
            raise AssertionError("it never was full")
        assert len(kept) > 5
        assert archive.database.broken
        with pytest.raises(Full):
            await archive.keep(session(kept[0], 100_000), 1.0)
        page = await archive.collect([f"t{number}" for number in range(50)], 0)
        assert len(page.bodies) == len(kept), "what was kept stays, also where it could not be replaced"
        await archive.drop(2.0, [])
        await archive.keep(session(99, 20_000), 3.0)
        assert not archive.database.broken
        assert (tmp_path / "db").stat().st_size <= 400_000
        archive.stop()

    asyncio.run(go())


def test_full_by_number_spoils_nothing_that_is_kept_with_it(tmp_path: Path) -> None:
    async def go() -> None:
        archive = Archive(tmp_path / "db", Retention(captures=3))
        archive.start()
        outcomes = await asyncio.gather(
            *(archive.keep(session(number), 1.0) for number in range(6)), return_exceptions=True
        )
        assert [type(one) for one in outcomes] == [type(None)] * 3 + [Full] * 3
        await archive.keep(session(1, 10), 1.0)
        with pytest.raises(Full):
            await archive.keep(session(7), 1.0)
        await archive.drop(2.0, [])
        await archive.keep(session(8), 3.0)
        archive.stop()

    asyncio.run(go())


def test_one_process_at_a_time(tmp_path: Path) -> None:
    first = Archive(tmp_path / "db")
    first.start()
    with pytest.raises(DatabaseError, match="in use"):
        Archive(tmp_path / "db").start()
    first.stop()
    second = Archive(tmp_path / "db")
    second.start()
    second.stop()


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "db").write_bytes(b"no database at all" * 100)
    with pytest.raises(DatabaseError, match="not a database"):
        Archive(tmp_path / "db").start()
    (tmp_path / "folder").mkdir()
    with pytest.raises(DatabaseError):
        Archive(tmp_path / "folder").start()


def test_a_closed_archive_says_so(tmp_path: Path) -> None:
    async def go() -> None:
        archive = Archive(tmp_path / "db")
        archive.start()
        archive.stop()
        with pytest.raises(DatabaseError, match="closed"):
            await archive.keep(session(1), 1.0)

    asyncio.run(go())
