"""One run behind three doors; and none at all where nobody asked for one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from conformance.lab.world import World
from tests.plugin import fleet

pytest_plugins = ("pytester",)

RULES = ("--rules=ptr.*", "--rules=srv.esmtp-ok")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A path that lets Python find the package as if it were installed."""
    folder = tmp_path_factory.mktemp("site")
    about = folder / "mailconform-0.0.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: mailconform\nVersion: 0.0.0\n")
    (about / "entry_points.txt").write_text("[pytest11]\nconformance.plugin = conformance.plugin\n")
    return os.pathsep.join([str(fleet.ROOT), str(folder)])


@pytest.fixture(scope="module")
def runs(
    world: World, inventories: Path, installed: str, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, fleet.Ran]:
    """The same run by each door, all at the same time."""
    inventory = f"--inventory={inventories / 'dark.yml'}"
    environ = fleet.environment(world, PYTHONPATH=installed)
    folders = {door: tmp_path_factory.mktemp("door") for door in ("command", "checkout", "installed")}
    told = {door: f"--report-dir={folder / 'told'}" for door, folder in folders.items()}
    quiet = ("-p", "no:cacheprovider")
    arguments = {
        "command": ["-m", "conformance.cli", "run", inventory, *RULES, told["command"], "--", *quiet],
        "checkout": ["-m", "pytest", "conformance", inventory, *RULES, told["checkout"], *quiet],
        "installed": ["-m", "pytest", "--pyargs", "conformance.cases", inventory, *RULES, told["installed"], *quiet],
    }
    places = folders | {"checkout": fleet.ROOT}
    started = {door: fleet.start(argument, places[door], environ) for door, argument in arguments.items()}
    return {door: fleet.ended(process, folders[door] / "told") for door, process in started.items()}


def test_every_door_leads_to_the_same_results(runs: dict[str, fleet.Ran]) -> None:
    assert {door: ran.status for door, ran in runs.items()} == dict.fromkeys(runs, 6)
    command = fleet.told(runs["command"].document)
    assert command["counts"]["pass"] > 10
    assert fleet.told(runs["checkout"].document) == command
    assert fleet.told(runs["installed"].document) == command


def test_junit_names_are_the_same_everywhere(runs: dict[str, fleet.Ran]) -> None:
    names = runs["command"].cases.keys()
    assert ("mx1.example.com", "ptr.exists [mx1.example.com/203.0.113.1]") in names
    assert ("mx1.example.com", "srv.esmtp-ok [mx1.example.com:25]") in names
    assert len(names) == len(runs["command"].results)
    assert runs["checkout"].cases.keys() == names
    assert runs["installed"].cases.keys() == names


def test_a_run_leaves_its_reports_and_nothing_else(runs: dict[str, fleet.Ran]) -> None:
    for ran in runs.values():
        assert {path.name for path in ran.folder.iterdir()} == {
            "results.json",
            "facts.json",
            "report.html",
            "junit.xml",
        }
        assert "ptr.exists" in (ran.folder / "report.html").read_text("utf-8")
    assert {path.name for path in runs["command"].folder.parent.iterdir()} == {"told"}


def test_the_cases_without_an_inventory_are_wrong_usage(tmp_path: Path) -> None:
    ran = fleet.run("-m", "pytest", "conformance", cwd=fleet.ROOT, environ=fleet.environment())
    assert ran.status == 4
    assert "--inventory" in ran.err
    assert "MAILCONFORM_INVENTORY" in ran.err
    assert "Traceback" not in ran.said


def test_nobody_else_notices_the_plugin(tmp_path: Path, installed: str) -> None:
    (tmp_path / "test_mine.py").write_text("def test_mine(): pass\n\ndef test_wrong(): assert 0\n")
    environ = fleet.environment(PYTHONPATH=installed, MAILCONFORM_INVENTORY="nowhere.yml")
    environ["PYTEST_ADDOPTS"] += " -p no:cacheprovider"
    ran = fleet.run("-X", "importtime", "-m", "pytest", "-v", cwd=tmp_path, environ=environ)
    assert ran.status == 1
    assert "1 failed, 1 passed" in ran.out
    assert "plugins: mailconform" in ran.out
    ours = [line for line in ran.out.splitlines() if "conform" in line]
    assert all(line.startswith(("plugins:", "metadata:")) for line in ours)
    assert {path.name for path in tmp_path.iterdir()} <= {"test_mine.py", "__pycache__"}
    imported = {line.rpartition("|")[2].strip() for line in ran.err.splitlines()}
    assert "conformance.asked" in imported
    assert not imported & {"conformance.run", "conformance.fleet", "conformance.facts", "dns", "pydantic"}


@pytest.mark.parametrize("link", [False, True], ids=["package", "link"])
def test_a_tree_with_the_package_is_not_a_reason_to_collect_it(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, link: bool
) -> None:
    monkeypatch.delenv("MAILCONFORM_INVENTORY", raising=False)
    pytester.makepyfile(test_mine="def test_mine(): pass")
    if link:
        (pytester.path / "conformance").symlink_to(fleet.ROOT / "conformance")
        tree = ["."]
    else:
        tree = [str(pytester.path), str(fleet.ROOT / "conformance" / ".." / "conformance" / "..")]
        tree += [f"--ignore={fleet.ROOT / 'tests'}", f"--ignore={fleet.ROOT / 'bench'}", "-c", "tox.ini"]
        pytester.makefile(".ini", tox="[pytest]")
    done = pytester.runpytest_inprocess("-p", "conformance.plugin", "-p", "no:cacheprovider", *tree)
    done.assert_outcomes(passed=1)
    assert done.ret == 0
    assert "mailconform:" not in done.stdout.str()
    assert "conformance" not in done.stdout.str().replace(str(fleet.ROOT), "")


def test_a_checkout_behind_a_link_is_a_checkout(inventories: Path, pytester: pytest.Pytester) -> None:
    (pytester.path / "conformance").symlink_to(fleet.ROOT / "conformance")
    done = pytester.runpytest_inprocess("-p", "conformance.plugin", "-p", "no:cacheprovider", "conformance")
    assert done.ret == 4
    assert "no inventory" in done.stderr.str()
