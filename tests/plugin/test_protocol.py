"""Checks are run with one report each, and as pytest runs tests where anybody else has a hand in it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conformance.judge import Case
from tests.plugin import fleet

pytest_plugins = ("pytester",)

Inside = Callable[..., fleet.Ran]

QUIET = "-p", "no:cacheprovider"
PARTAKERS = {
    "a hook": "def pytest_runtest_call(item): TOLD.append(item.name)",
    "a fixture": "TOLD.append('there')\n@pytest.fixture\ndef ptr(): pass",
    "an autouse fixture": "@pytest.fixture(autouse=True)\ndef mine(): TOLD.append('mine'); yield",
    "reports": "def pytest_runtest_logreport(report): TOLD.append(report.when)",
}


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What pytest is told of each test, from the next run on."""
    made: list[Any] = []
    new = pytest.TestReport.__init__

    def init(report: Any, *given: Any, **named: Any) -> None:
        new(report, *given, **named)
        if "test_protocol.py" not in report.nodeid:
            made.append(report)

    monkeypatch.setattr(pytest.TestReport, "__init__", init)
    return made


def _plugin(pytester: pytest.Pytester, text: str) -> list[Any]:
    """Write a plugin ``partaker`` and return what it will tell."""
    pytester.makepyfile(partaker=f"import pytest\nTOLD = []\n{text}\n")
    pytester.syspathinsert()
    import importlib

    found: list[Any] = importlib.import_module("partaker").TOLD
    return found


def test_each_check_makes_one_report(inside: Inside, inventories: Path, reports: list[Any]) -> None:
    ran = inside(inventories / "dark.yml", *QUIET)
    assert ran.status == 6, ran.said
    assert {one["outcome"] for one in ran.results} >= {"pass", "undetermined", "not-applicable", "advice"}
    assert len(reports) == len(ran.results)
    assert set(Counter(report.nodeid for report in reports).values()) == {1}


@pytest.mark.parametrize("text", PARTAKERS.values(), ids=PARTAKERS)
def test_whoever_takes_part_is_asked_and_the_verdicts_stay(
    inside: Inside, inventories: Path, pytester: pytest.Pytester, reports: list[Any], text: str
) -> None:
    alone = inside(inventories / "broken.yml", "--rules=ptr.*", "--rules=dom.*", *QUIET, "--report-dir=alone")
    quick = len(reports)
    assert alone.status == 1
    told = _plugin(pytester, text)
    options = ("--rules=ptr.*", "--rules=dom.*", *QUIET, "-p", "partaker", "--report-dir=with")
    ran = inside(inventories / "broken.yml", *options, folder="with")
    assert told
    assert len(reports) - quick > quick
    known = fleet.Ran(1, "", "", pytester.path / "alone")
    assert ran.results == known.results


def test_a_mark_to_skip_is_heeded(inside: Inside, inventories: Path, pytester: pytest.Pytester) -> None:
    _plugin(pytester, _marking('pytest.mark.skip(reason="not today")'))
    ran = inside(inventories / "good.yml", "--rules=ptr.*", "--rules=spf.*", *QUIET, "-p", "partaker")
    skipped = [one for one in ran.results if "not today" in one["seen"]]
    assert [one["check"].partition(".")[0] for one in skipped] == ["ptr", "spf"]


def test_both_protocols_mix(inside: Inside, inventories: Path, pytester: pytest.Pytester, reports: list[Any]) -> None:
    _plugin(pytester, _marking('pytest.mark.usefixtures("nothing")'))
    ran = inside(inventories / "good.yml", "--rules=ptr.*", "--rules=spf.*", *QUIET, "-p", "partaker")
    assert ran.status == 0, ran.said
    assert "not torn down" not in ran.said
    assert 2 <= len(reports) - len(ran.results) <= 4


def _marking(mark: str) -> str:
    """A plugin that marks a check in the midst of each of two files."""
    return f"""
@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    for area in ("ptr", "spf"):
        found = [item for item in items if f"test_{{area}}.py" in item.nodeid]
        found[len(found) // 2].add_marker({mark})
"""


def test_an_error_of_our_own_in_a_fact_is_told_with_the_way_to_it(
    inside: Inside, inventories: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Case, "result", _failing(Case.result))
    ran = inside(inventories / "good.yml", "--rules=ptr.exists", *QUIET)
    assert ran.status == 3
    assert "internal error in ptr.exists: ZeroDivisionError" in ran.said


def _failing(result: Callable[..., Any]) -> Callable[..., Any]:
    def broken(case: Case, outcome: str, **more: Any) -> Any:
        return result(case, outcome, **more) if "extra" in more else 1 / 0

    return broken


@pytest.mark.parametrize("style", ["times", "count", "progress"])
def test_every_way_to_show_progress(inside: Inside, inventories: Path, style: str) -> None:
    ran = inside(inventories / "good.yml", "--rules=ptr.*", *QUIET, "-o", f"console_output_style={style}")
    assert ran.status == 0, ran.said
    assert "INTERNALERROR" not in ran.said


def test_an_end_before_all_was_judged(inside: Inside, inventories: Path, pytester: pytest.Pytester) -> None:
    text = """
def pytest_sessionfinish(session):
    TOLD.extend(item.name for item in session.items)
"""
    told = _plugin(pytester, text)
    ran = inside(inventories / "broken.yml", "--rules=ptr.*", "-x", *QUIET, "-p", "partaker")
    assert ran.status == 1
    # Whoever looks at the items in the end finds all of them as they are.
    assert len(told) == len(ran.results) + len(ran.document["run"]["unreached"])


def test_how_long_each_took_is_still_known(inside: Inside, inventories: Path) -> None:
    ran = inside(inventories / "good.yml", "--rules=ptr.exists", "--durations=3", "--durations-min=0", "-rA", *QUIET)
    assert re.search(r"^[0-9.]+s call +\S*test_ptr_exists", ran.out, re.MULTILINE)
    assert re.search(r"^PASSED \S*test_ptr_exists", ran.out, re.MULTILINE)
