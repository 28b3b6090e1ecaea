"""Several runs of one inventory: one at a time, so many kept, and what was mended is said."""

from __future__ import annotations

import signal
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from conformance import home
from conformance.lab.world import World
from conformance.options import UsageError, settle
from tests.plugin import fleet

OPTIONS = ("-m", "conformance.cli", "run", "--rules=ptr.exists")


def test_what_is_mended_is_news(tmp_path: Path) -> None:
    fleet.inventory(tmp_path / "hosts.yml", fleet.numbered(1, 2))
    options = (*OPTIONS, "--inventory=hosts.yml", "--quiet-ok")
    with fleet.served() as world:
        environ = fleet.environment(world)
        assert fleet.run(*options, cwd=tmp_path, environ=environ).status == 1
        world.load("113.0.203.in-addr.arpa.", "1 PTR mx1.example.com.\n2 PTR mx2.example.com.")
        mended = fleet.run(*options, cwd=tmp_path, environ=environ)
        steady = fleet.run(*options, cwd=tmp_path, environ=environ)
    assert mended.status == 0
    assert "+ fixed: ptr.exists mx2.example.com/203.0.113.2" in mended.out, mended.said
    assert (steady.status, steady.out) == (0, "")


def test_so_many_runs_are_kept(world: World, inventories: Path, tmp_path: Path) -> None:
    options = (*OPTIONS, f"--inventory={inventories / 'good.yml'}", "--keep=2")
    kept = []
    for _ in range(4):
        assert fleet.run(*options, cwd=tmp_path, environ=fleet.environment(world)).status == 0
        kept.append(len(list(tmp_path.glob("reports/20*"))))
    # The last of a month stays beside those: on the first of a month that is one more.
    assert kept[:2] == [1, 2]
    assert kept[2] == kept[3] in (2, 3)
    assert (tmp_path / "reports" / "latest" / "results.json").exists()


def test_one_run_at_a_time_writes_to_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "told"
    chosen = settle({"mailconform_report_dir": str(folder)}.get, {}.get, {})
    with ExitStack() as held, ExitStack() as other:
        assert home.make(chosen, held) == folder
        with pytest.raises(UsageError, match="another run writes to"):
            home.make(chosen, other)
    with ExitStack() as held:
        assert home.make(chosen, held) == folder


def test_one_run_at_a_time(world: World, inventories: Path, tmp_path: Path) -> None:
    inventory = f"--inventory={inventories / 'dark.yml'}"
    before = len(world.queries())
    first = fleet.start((*OPTIONS, inventory), tmp_path, fleet.environment(world, MAILCONFORM_DNS_TIMEOUT="300"))
    try:
        end = time.monotonic() + 90
        while len(world.queries()) == before and first.poll() is None and time.monotonic() < end:
            time.sleep(0.05)
        second = fleet.run(*OPTIONS, inventory, cwd=tmp_path, environ=fleet.environment(world))
        assert second.status == 4
        assert f"goes on: process {first.pid}, for " in second.err
        third = fleet.start((*OPTIONS, inventory, "--lock-wait=300"), tmp_path, fleet.environment(world))
        time.sleep(1)
        first.send_signal(signal.SIGTERM)
        assert fleet.ended(first, tmp_path / "reports/latest").status == 2
        assert fleet.ended(third, tmp_path / "reports/latest").status == 6
    finally:
        first.kill()
        first.wait()
