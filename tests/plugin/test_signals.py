"""Runs that are interrupted or killed, while facts are gathered and while checks are judged."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from conformance.lab.world import World
from conformance.report import schema
from tests.plugin import fleet

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
PHASES = ("gathering", "judging", "gathering in a worker")

PLUGIN = """
import os, pathlib, time

seen = []

def pytest_runtest_call(item):
    seen.append(item)
    if len(seen) == 3 and os.environ["HOLD"] == "judging":
        pathlib.Path("held").touch()
        time.sleep(60)
"""
"""Stays at the third check."""


@pytest.fixture(scope="module")
def slow() -> Iterator[World]:
    """A fleet whose addresses are known at once, whose names take a while."""
    with fleet.served(faults=["example.com. delay:50 subtree"]) as world:
        yield world


@dataclass
class Held:
    """A run that waits for its signal."""

    process: subprocess.Popen[str]
    folder: Path
    phase: str

    def wait(self, world: World, before: int) -> None:
        """Wait until the run is where it is to be interrupted."""
        end = time.monotonic() + 60
        while time.monotonic() < end and self.process.poll() is None:
            if (self.folder / "told" / "results.json").exists() and self._there(world, before):
                return
            time.sleep(0.02)
        pytest.fail("".join(self.process.communicate(timeout=5)))

    def _there(self, world: World, before: int) -> bool:
        if self.phase == "judging":
            return (self.folder / "held").exists()
        return any(query.name.startswith("mx1.example.com") for query in world.queries()[before:])


def hold(folder: Path, world: World, phase: str, *, background: bool) -> Held:
    """Start a run that stops on its way."""
    (folder / "holding.py").write_text(PLUGIN)
    fleet.inventory(folder / "hosts.yml", fleet.numbered(1, 2, world=world))
    path = os.pathsep.join([str(fleet.ROOT), str(folder)])
    environ = fleet.environment(world, PYTHONPATH=path, HOLD=phase, MAILCONFORM_DNS_TIMEOUT="60")
    rules = ["--rules=ptr.exists", "--rules=ptr.single"] if phase == "judging" else ["--rules=ptr.*"]
    wanted = ["--inventory=hosts.yml", "--report-dir=told", "--format=prometheus", "--format=sarif=scan/out.sarif"]
    options = ["run", *wanted, *rules, "--", "-p", "holding", "-s"]
    options += ["-n", "1"] if "worker" in phase else []
    environ["TMPDIR"] = str(folder)
    return Held(fleet.start([*fleet.COMMAND, *options], folder, environ, background=background), folder, phase)


@pytest.mark.parametrize("phase", PHASES)
def test_a_signal_leaves_results_that_say_what_is_left_to_do(slow: World, tmp_path: Path, phase: str) -> None:
    # One run after the other begins, so that each one's first question tells where it is.
    runs: dict[signal.Signals, Held] = {}
    for number in SIGNALS if phase != PHASES[2] else SIGNALS[:1]:
        before = len(slow.queries())
        (folder := tmp_path / number.name).mkdir()
        runs[number] = hold(folder, slow, phase, background=number is signal.SIGTERM)
        runs[number].wait(slow, before)
        runs[number].process.send_signal(number)
    for number, held in runs.items():
        ran = fleet.ended(held.process, held.folder / "told", timeout=30)
        judged = 2 if phase == "judging" and number is not signal.SIGKILL else 0
        document = killed(ran) if number is signal.SIGKILL else interrupted(ran)
        assert (document["run"]["complete"], document["run"]["exit"]) == (False, 2)
        assert len(document["results"]) == judged
        known = {f"{one['check']} {one['subject']}" for one in document["results"]}
        assert len(document["run"]["unreached"]) == (4 if phase == "judging" else 44) - judged
        assert known.isdisjoint(document["run"]["unreached"])
        assert "ptr.single mx2.example.com/203.0.113.2" in document["run"]["unreached"]
        if number is not signal.SIGKILL and "worker" not in phase:
            assert document["run"]["resolvers"] == [slow.resolver]
            assert json.loads((ran.folder / "facts.json").read_text("utf-8"))["answers"]


def killed(ran: fleet.Ran) -> dict[str, Any]:
    assert ran.status == -signal.SIGKILL
    document: dict[str, Any] = json.loads((ran.folder / "results.json").read_text("utf-8"))
    jsonschema.validate(document, schema())
    return document


def interrupted(ran: fleet.Ran) -> dict[str, Any]:
    assert ran.status == 2, ran.said
    assert "Traceback" not in ran.said
    assert "never retrieved" not in ran.said
    assert "exit 2: the run was interrupted" in ran.out
    page = (ran.folder / "report.html").read_text("utf-8")
    assert page.rstrip().endswith("</html>")
    assert "the run was interrupted" in page
    metrics = (ran.folder / "mailconform.prom").read_text("utf-8")
    assert re.search(r"^mailconform_run_complete\{.*\} 0$", metrics, re.MULTILINE)
    log = json.loads((ran.folder.parent / "scan" / "out.sarif").read_text("utf-8"))
    assert log["runs"][0]["invocations"][0]["executionSuccessful"] is False
    return ran.document


def test_an_interrupt_before_the_fleet_is_known(tmp_path: Path) -> None:
    script = tmp_path / "inventory.py"
    script.write_text(f"#!{sys.executable}\nimport pathlib, time\npathlib.Path('held').touch()\ntime.sleep(60)\n")
    script.chmod(0o755)
    process = fleet.start([*fleet.COMMAND, "run", "--inventory=inventory.py"], tmp_path, fleet.environment())
    end = time.monotonic() + 60
    while not list(tmp_path.rglob("held")) and time.monotonic() < end:
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    ran = fleet.ended(process, tmp_path / "told", timeout=30)
    assert ran.status == 2, ran.said
    assert "interrupted" in ran.err
    assert "Traceback" not in ran.said


ENDING = """
import pathlib, time
from conformance.report import outputs

write = outputs.write

def slow(*given):
    pathlib.Path("held").touch()
    time.sleep(3)
    return write(*given)

outputs.write = slow
"""
"""Takes its time to write reports."""
BEGINNING = """
import pathlib, time

pathlib.Path("held").touch()
time.sleep(60)
"""
"""A plugin that is long in coming."""


def stopped(folder: Path, plugin: str, *numbers: signal.Signals) -> fleet.Ran:
    """Run with a plugin that touches ``held``, and send signals then."""
    (folder / "holding.py").write_text(plugin)
    fleet.inventory(folder / "hosts.yml", fleet.numbered(1, 2))
    environ = fleet.environment(PYTHONPATH=os.pathsep.join([str(fleet.ROOT), str(folder)]))
    facts = folder / "facts.json"
    facts.write_text('{"schema": 1, "gathered": "2026-11-24T02:00:00+00:00"}')
    options = ["run", "--inventory=hosts.yml", "--rules=ptr.exists", f"--replay={facts}", "--report-dir=told"]
    process = fleet.start([*fleet.COMMAND, *options, "--", "-p", "holding"], folder, environ)
    end = time.monotonic() + 60
    while not (folder / "held").exists() and time.monotonic() < end and process.poll() is None:
        time.sleep(0.02)
    for number in numbers:
        process.send_signal(number)
        time.sleep(0.2)
    return fleet.ended(process, folder / "told", timeout=60)


def test_what_was_found_is_written_whole_whoever_is_impatient(tmp_path: Path) -> None:
    ran = stopped(tmp_path, ENDING, signal.SIGINT, signal.SIGTERM, signal.SIGINT)
    assert ran.status == 6, ran.said
    assert ran.err.count("the run is about to end: its reports are being written") == 3
    assert "Traceback" not in ran.said
    assert ran.document["run"]["complete"]
    assert (ran.folder / "report.html").read_text("utf-8").rstrip().endswith("</html>")


def test_an_interrupt_before_pytest_listens(tmp_path: Path) -> None:
    ran = stopped(tmp_path, BEGINNING, signal.SIGINT)
    assert (ran.status, ran.err) == (2, "interrupted\n")
    assert not ran.folder.exists()
