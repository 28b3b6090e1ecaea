"""What pytest's own ways to choose do to a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from conformance.lab.world import World
from tests.plugin import fleet

pytest_plugins = ("pytester",)

Inside = Callable[..., fleet.Ran]


def test_a_run_asks_what_the_selected_checks_need_and_no_more(inside: Inside, world: World, inventories: Path) -> None:
    contacts, queries = len(world.contacts()), len(world.queries())
    ran = inside(inventories / "good.yml", "-k", "ptr", "-p", "no:cacheprovider")
    assert ran.status == 0, ran.said
    assert "ptr.exists mx1.example.com/203.0.113.1" in ran.outcomes
    assert len(world.contacts()) == contacts
    assert {query.rdtype for query in world.queries()[queries:]} <= {"PTR", "A", "AAAA", "TXT", "NS", "SOA", "DS"}
    inside(inventories / "good.yml", "--rules=srv.*", "-p", "no:cacheprovider")
    assert len(world.contacts()) > contacts


def test_marks_are_levels_and_areas(inside: Inside, inventories: Path) -> None:
    ran = inside(inventories / "good.yml", "-m", "must and ptr", "-p", "no:cacheprovider")
    assert ran.results
    assert {(one["level"], one["check"].partition(".")[0]) for one in ran.results} == {("must", "ptr")}


def test_the_first_failure_may_end_a_run(inside: Inside, inventories: Path) -> None:
    ran = inside(inventories / "broken.yml", "--rules=ptr.*", "-x", "-p", "no:cacheprovider")
    assert ran.status == 1
    assert not ran.document["run"]["complete"]
    assert ran.document["counts"]["fail"] == 1
    unreached = set(ran.document["run"]["unreached"])
    assert unreached
    assert unreached.isdisjoint(ran.outcomes)
    assert "Unfinished" in ran.out


def test_a_run_that_ends_at_something_undetermined_does_not_conform(inside: Inside, inventories: Path) -> None:
    must = inside(inventories / "dark.yml", "--rules=ptr.exists", "-x", "-p", "no:cacheprovider")
    assert must.status == 6
    # What was undetermined does not gate, but neither was everything looked at.
    options = ["--rules=ptr.single", "--rules=ptr.not-ip", "-x", "-p", "no:cacheprovider"]
    info = inside(inventories / "dark.yml", *options)
    assert [one["level"] for one in info.results if one["outcome"] == "undetermined"] == ["info"]
    assert info.document["run"]["unreached"]
    assert info.status == 6


def test_last_failed(inside: Inside, inventories: Path) -> None:
    first = inside(inventories / "broken.yml", "--rules=ptr.exists", "--rules=ptr.single")
    assert len(first.results) == 4
    again = inside(inventories / "broken.yml", "--rules=ptr.exists", "--rules=ptr.single", "--lf")
    assert again.status == 1, again.said
    assert again.outcomes == {"ptr.exists mx2.example.com/203.0.113.2": "fail"}


def test_collecting_gathers_nothing_and_writes_nothing(
    inside: Inside, world: World, inventories: Path, pytester: pytest.Pytester
) -> None:
    queries, contacts = len(world.queries()), len(world.contacts())
    ran = inside(inventories / "good.yml", "--collect-only", "-q", "-p", "no:cacheprovider")
    assert ran.status == 0
    assert "test_ptr.py::test_ptr_exists[mx1.example.com/203.0.113.1]" in ran.out
    assert (len(world.queries()), len(world.contacts())) == (queries, contacts)
    assert not list(pytester.path.iterdir())


def test_a_run_needs_no_terminal_no_junit_and_no_capture(inside: Inside, inventories: Path) -> None:
    plain = ["-p", "no:terminal", "-p", "no:junitxml", "-p", "no:cacheprovider", "-s"]
    ran = inside(inventories / "broken.yml", "--rules=ptr.exists", *plain)
    assert ran.status == 1
    assert ran.document["counts"]["fail"] == 1
    assert not ran.said.strip()
