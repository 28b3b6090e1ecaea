"""The folders of runs: names, the link to the last one, what is kept, and the lock."""

from __future__ import annotations

import datetime
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from conformance.report import lock, runs

WHEN = datetime.datetime(2026, 11, 24, 3, 0, 5, tzinfo=datetime.timezone(datetime.timedelta(hours=1)))
RESULTS = '{\n "schema": 1,\n "run": {\n'


def run_at(top: Path, when: datetime.datetime) -> Path:
    folder = runs.make(top, runs.name_of("inventories/production", when))
    (folder / "results.json").write_text(RESULTS)
    return folder


@pytest.mark.parametrize(
    ("inventory", "name"),
    [
        ("inventories/production", "production"),
        ("inventories/production/hosts.yml", "production"),
        ("fleet.ini", "fleet"),
        ("/", "run"),
        ("../été & hiver.yml", "t-hiver"),
        (".", "run"),
    ],
)
def test_a_folder_is_named_for_when_and_what(inventory: str, name: str) -> None:
    assert runs.name_of(inventory, WHEN) == f"2026-11-24T020005Z-{name}"


def test_latest_leads_to_the_run_and_an_older_folder_becomes_one(tmp_path: Path) -> None:
    (tmp_path / "latest").mkdir()
    (tmp_path / "latest" / "results.json").write_text(RESULTS)
    first = run_at(tmp_path, WHEN)
    runs.publish(first)
    assert str((tmp_path / "latest").readlink()) == first.name
    second = run_at(tmp_path, WHEN)
    assert second.name.startswith(first.name) and second != first
    runs.publish(second)
    assert (tmp_path / "latest").resolve() == second
    assert len(runs.all_runs(tmp_path)) == 3
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_link_that_cannot_be_changed_leads_where_it_led(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = run_at(tmp_path, WHEN), run_at(tmp_path, WHEN + datetime.timedelta(days=1))
    runs.publish(first)

    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="no space"):
        runs.publish(second)
    assert (tmp_path / "latest").resolve() == first
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_old_runs_go_and_everything_else_stays(tmp_path: Path) -> None:
    nights = [run_at(tmp_path, WHEN - datetime.timedelta(days=day)) for day in range(500)]
    runs.publish(nights[450])
    stranger = tmp_path / "2020-01-01T000000Z-mine"
    stranger.mkdir()
    (stranger / "results.json").write_text("my own notes")
    (tmp_path / "notes").mkdir()
    gone = runs.tidy(tmp_path, keep=35)
    kept = {folder.path for folder in runs.all_runs(tmp_path)}
    assert set(nights[:35]) < kept
    assert {path.name[:7] for path in kept - set(nights[:35]) - {nights[450]}} == {
        *(f"2026-{month:02}" for month in range(1, 10)),
        "2025-12",
    }
    assert nights[450] in kept
    assert len(kept) + len(gone) == 500
    assert stranger.exists() and (tmp_path / "notes").exists()
    assert runs.tidy(tmp_path, keep=35) == []


@pytest.mark.parametrize(
    ("call", "told"),
    [
        ("of_inventory(top, ['hosts.yml']", "another run of hosts.yml goes on: process {pid}, for"),
        ("of_folder(top", "another run writes to"),
    ],
)
def test_a_second_run_is_told_of_the_first(tmp_path: Path, call: str, told: str) -> None:
    # It holds on for a while after it was told to let go, so that somebody has to wait.
    code = f"""import sys, time; from pathlib import Path; from conformance.report.lock import *
top = Path(sys.argv[1])
with {call}):
    print("held", flush=True); sys.stdin.read(); time.sleep(0.7)"""
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdin and other.stdout

    def held(wait: float) -> AbstractContextManager[None]:
        if "inventory" in call:
            return lock.of_inventory(tmp_path, ["hosts.yml"], wait)
        return lock.of_folder(tmp_path, wait)

    with other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(lock.Locked, match=told.format(pid=other.pid)), held(0):
            pass
        with lock.of_inventory(tmp_path, ["other.yml"]):
            pass
        other.stdin.close()
        with held(30):
            pass
