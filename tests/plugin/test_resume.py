"""What an interrupted run has gathered is gone on with: of the same fleet, and not for long."""

from __future__ import annotations

import datetime
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conformance import home
from conformance.fleet.model import Fleet
from conformance.lab.world import World
from conformance.report import runs
from conformance.report.results import parts
from tests.plugin import fleet
from tests.report.sample_results import result, results

pytest_plugins = ("pytester",)


@pytest.mark.parametrize(
    ("age", "hosts", "run", "taken"),
    [
        (0, (), {}, True),
        (home.RESUMABLE - 60, (), {}, True),
        (home.RESUMABLE + 60, (), {}, False),
        (0, ("mx1.example.net",), {}, False),
        (0, (), {"complete": True, "exit": 0}, False),
        (0, (), {"dns": "replay"}, False),
    ],
)
def test_which_run_is_gone_on_with(
    tmp_path: Path, age: float, hosts: tuple[str, ...], run: dict[str, Any], taken: bool
) -> None:
    folder = runs.make(tmp_path, runs.name_of("hosts.yml", datetime.datetime.now(datetime.UTC)))
    document = results(result("ptr.exists", "x"), hosts=hosts, **{"complete": False, "exit": 2, **run})
    (folder / "results.json").write_text("".join(parts(document)))
    facts = folder / "facts.json"
    facts.write_text("{}")
    os.utime(facts, (then := time.time() - age, then))
    assert home.interrupted(tmp_path, Fleet(mtas=()), tmp_path) == (facts if taken else None)


def test_what_could_not_be_looked_at_is_asked_again(
    inside: Callable[..., fleet.Ran], inventories: Path, world: World
) -> None:
    first = inside(inventories / "dark.yml", "--rules=ptr.exists")
    document = json.loads((first.folder / "results.json").read_text())
    document["run"] |= {"complete": False, "exit": 2}
    (first.folder / "results.json").write_text("".join(parts(document)))
    before = len(world.queries())
    inside(inventories / "dark.yml", "--rules=ptr.exists", "--resume")
    asked = {query.name for query in world.queries()[before:]}
    assert "3.113.0.203.in-addr.arpa." in asked
    assert "1.113.0.203.in-addr.arpa." not in asked
