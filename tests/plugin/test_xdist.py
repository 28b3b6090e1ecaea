"""Runs on several processes of pytest-xdist."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from conformance.lab.world import World
from tests.plugin import fleet
from tests.plugin.test_outputs import blob

pytest.importorskip("xdist")

RULES = ("--rules=ptr.*", "--rules=srv.*", "--rules=helo.fqdn")

PLUGIN = """
import os

def pytest_runtest_call(item):
    if "test_ptr_single" in item.nodeid and "PYTEST_XDIST_WORKER" in os.environ:
        os._exit(1)
"""
"""Takes its process down in the midst of a check."""


@pytest.fixture(scope="module")
def alone_and_contacts(
    world: World, inventories: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[fleet.Ran, int]:
    """A run in one process, and how many connections it made."""
    folder = tmp_path_factory.mktemp("alone")
    options = [f"--inventory={inventories / 'dark.yml'}", *RULES]
    before = len(world.contacts())
    ran = fleet.run(*fleet.COMMAND, "run", *options, cwd=folder, environ=fleet.environment(world))
    return ran, len(world.contacts()) - before


def test_workers_judge_what_one_of_them_gathered(
    world: World, inventories: Path, alone_and_contacts: tuple[fleet.Ran, int], tmp_path: Path
) -> None:
    alone, needed = alone_and_contacts
    since, contacts = len(world.queries()), len(world.contacts())
    environ = fleet.environment(world, TMPDIR=str(tmp_path))
    options = [f"--inventory={inventories / 'dark.yml'}", *RULES, "--report-dir=told", "--"]
    options += ["-n", "2", "-p", "no:cacheprovider", "--html=page.html", "--self-contained-html"]
    ran = fleet.run(*fleet.COMMAND, "run", *options, cwd=tmp_path, environ=environ, folder="told")
    assert ran.status == alone.status == 6
    assert fleet.told(ran.document) == fleet.told(alone.document)
    assert ran.document["run"]["notes"] == alone.document["run"]["notes"]
    assert ran.document["run"]["facts"]["questions"] == alone.document["run"]["facts"]["questions"]
    asked = Counter((query.name, query.rdtype) for query in world.queries()[since:])
    # What is silent makes the resolver ask again for something that it knows; two gatherings would double everything.
    assert 0 < asked.total() < 2 * len(asked)
    assert len(world.contacts()) - contacts == needed
    assert ran.cases.keys() == alone.cases.keys()
    page = (ran.folder / "report.html").read_text("utf-8")
    assert "1.113.0.203.in-addr.arpa PTR" in page
    logs = [
        test["log"] for tests in blob((tmp_path / "page.html").read_text("utf-8"))["tests"].values() for test in tests
    ]
    assert len(logs) == len(ran.results)
    assert any("1.113.0.203.in-addr.arpa PTR: mx1.example.com (127.0.0.1:" in log for log in logs)
    assert not list(tmp_path.glob("mailconform-*"))


def test_a_worker_that_dies_is_an_internal_error(
    alone_and_contacts: tuple[fleet.Ran, int], inventories: Path, tmp_path: Path
) -> None:
    alone, _ = alone_and_contacts
    (tmp_path / "crashing.py").write_text(PLUGIN)
    path = os.pathsep.join([str(fleet.ROOT), str(tmp_path)])
    environ = fleet.environment(PYTHONPATH=path, TMPDIR=str(tmp_path))
    options = [f"--inventory={inventories / 'good.yml'}", "--rules=ptr.*", f"--replay={alone.folder / 'facts.json'}"]
    options += ["--", "-n", "1", "-p", "crashing", "-p", "no:cacheprovider"]
    ran = fleet.run(*fleet.COMMAND, "run", *options, cwd=tmp_path, environ=environ)
    assert ran.status == 3, ran.said
    assert ran.document["run"]["unreached"] == ["ptr.single mx1.example.com/203.0.113.1"]
    assert ran.document["run"]["complete"] is False
    assert ran.document["counts"]["pass"] > 10
    assert ran.document["run"]["facts"] == alone.document["run"]["facts"]
    known = {name: outcome for name, outcome in alone.outcomes.items() if "ptr." in name and "mx1" in name}
    assert ran.outcomes == {name: known[name] for name in known if "ptr.single" not in name}
