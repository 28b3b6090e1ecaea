"""Where hosts are dialled, what a run shows of its progress, and in which order facts are kept."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import io
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from conformance import progress
from conformance.facts.answer import Answer, Status
from conformance.facts.gather import Limits, gather
from conformance.facts.snapshot import Gathering
from conformance.facts.store import Store
from conformance.fleet.model import Fleet
from conformance.lab.world import World
from tests.plugin import fleet

pytest_plugins = ("pytester",)

Inside = Callable[..., fleet.Ran]


def test_names_are_dialled_where_the_resolver_of_the_run_says(
    inside: Inside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zones = fleet.ZONES | {"dial.test.": "here A 127.0.0.1\nloop AAAA ::1\nloop A 127.0.0.1\nlate A 127.0.0.1"}
    with fleet.served(zones, ["late.dial.test. drop"]) as world:
        monkeypatch.setenv("MAILCONFORM_RESOLVER", world.resolver)
        hosts = {
            f"{name}.example.com": fleet.host(1, world, connect_to=target)
            for name, target in {
                "named": "here.dial.test",
                "both": "loop.dial.test",
                "short": "localhost",
                "gone": "gone.dial.test",
                "late": "late.dial.test",
            }.items()
        }
        path = fleet.inventory(tmp_path / "hosts.yml", hosts)
        ran = inside(path, "--rules=srv.esmtp-ok", "-p", "no:cacheprovider")
    outcomes = {one["host"].partition(".")[0]: one["outcome"] for one in ran.results}
    assert outcomes == {
        "named": "pass",
        "both": "pass",
        "short": "pass",
        "gone": "undetermined",
        "late": "undetermined",
    }
    causes = {one["host"].partition(".")[0]: one["cause"] for one in ran.results}
    assert "no address" in causes["gone"]
    assert world.resolver in causes["late"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_on_a_terminal_is_one_line_that_goes_away() -> None:
    stream = Terminal()
    with progress.Ticker(stream, "gathering") as ticker:
        ticker("1 of 2")
        ticker("2 of 2")
    assert stream.getvalue() == "\r\x1b[Kgathering: 1 of 2\r\x1b[Kgathering: 2 of 2\r\x1b[K"


def test_progress_elsewhere_is_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("conformance.progress.time", SimpleNamespace(monotonic=lambda: clock[0]))
    stream = io.StringIO()
    with progress.Ticker(stream, "gathering") as ticker:
        for second in range(70):
            clock[0] = float(second)
            ticker(f"{second} of 70")
    assert stream.getvalue() == "gathering for 30 s: 30 of 70\ngathering for 60 s: 60 of 70\n"


def test_evidence_keeps_its_numbers_whoever_answers_first() -> None:
    answers = [Answer(name, "A", Status.ABSENT, "NXDOMAIN") for name in ("b.test", "a.test", "c.test")]
    stores = Store(), Store()
    for store, order in zip(stores, (answers, reversed(answers)), strict=True):
        for answer in order:
            store.add(answer)
        store.sort()
    assert list(stores[0].answers) == list(stores[1].answers)
    assert len(stores[0].answers) == 3


def test_the_same_run_twice_tells_the_same(inside: Inside, inventories: Path, world: World) -> None:
    options = ["--rules=ptr.*", "--rules=spf.*", "-p", "no:cacheprovider"]
    first, second = (inside(inventories / "broken.yml", *options) for _ in range(2))
    assert fleet.told(first.document) == fleet.told(second.document)


def test_an_interrupt_in_a_task_that_nobody_waits_for_is_told_by_nobody_else(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def interrupted() -> None:
        raise KeyboardInterrupt

    @contextlib.asynccontextmanager
    async def beside(*_: Any) -> AsyncIterator[None]:
        task = asyncio.create_task(interrupted())
        await asyncio.sleep(1)
        yield
        await task

    monkeypatch.setattr("conformance.facts.gather._trier", beside)
    with contextlib.suppress(KeyboardInterrupt):
        gather([], Fleet(()), Store(), Limits(resolvers=("127.0.0.1:9",)), Gathering(), lambda _: None)
    gc.collect()
    assert caplog.records == []
