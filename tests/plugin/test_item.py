"""Items that hold little are to everybody what pytest's own would be."""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from conformance import item
from conformance.item import Light
from tests.plugin import fleet

pytest_plugins = ("pytester",)

Inside = Callable[..., fleet.Ran]
RULES = ("--rules=ptr.*", "--rules=dom.*", "-p", "no:cacheprovider", "-p", "looker")
LOOKER = """
import pytest
SEEN = []

@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    SEEN.append(list(items))
"""


@pytest.fixture
def looked(
    inside: Inside, inventories: Path, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[fleet.Ran, list[Any]]]:
    """Run checks with some options and return what was collected as well; ``whole``: with pytest's own items."""
    pytester.makepyfile(looker=LOOKER)
    pytester.syspathinsert()
    seen: list[list[Any]] = import_module("looker").SEEN

    def run(*options: str, whole: bool = False, folder: str = "run") -> tuple[fleet.Ran, list[Any]]:
        with monkeypatch.context() as patch:
            if whole:
                patch.setattr(item, "_light", lambda one, shared: one)
            ran = inside(inventories / "broken.yml", *RULES, *options, f"--report-dir={folder}", folder=folder)
        return ran, seen.pop()

    return run


def _told(one: Any) -> dict[str, Any]:
    given = getattr(one, "callspec", None)
    return {
        "id": one.nodeid,
        "name": one.name,
        "names": one.listnames(),
        "shown": repr(one),
        "marks": [mark.name for mark in one.iter_markers()],
        "closest": one.get_closest_marker("must"),
        "extra": one.listextrakeywords(),
        "fixtures": list(one.fixturenames),
        "parameters": given and (dict(given.params), dict(given.indices), given.id),
        "function": one.function.__qualname__,
        "location": one.location,
        "keywords": sorted(one.keywords),
        "own": [mark.name for mark in one.own_markers],
        "properties": one.user_properties,
    }


def test_it_tells_what_pytests_own_would(looked: Callable[..., Any]) -> None:
    ran, light = looked("--collect-only")
    assert ran.status == 0, ran.said
    _, whole = looked("--collect-only", whole=True, folder="whole")
    assert {type(one) for one in light} == {Light}
    assert {type(one) for one in whole} == {pytest.Function}
    for one, other in zip(light, whole, strict=True):
        for name, value in _told(other).items():
            assert _told(one)[name] == value, (name, other.nodeid)


def test_only_what_is_the_same_for_all_is_shared(looked: Callable[..., Any]) -> None:
    _, items = looked("--collect-only")
    first, second, *_ = (one for one in items if one.name.startswith("test_ptr_exists["))
    before = first.nodeid
    first.add_marker("spf")
    first.user_properties.append(("own", 1))
    assert (type(first), type(second)) == (pytest.Function, Light)
    assert first.nodeid == before
    assert first.get_closest_marker("spf")
    assert not second.get_closest_marker("spf")
    assert ("own", 1) not in second.user_properties


def test_a_check_takes_little_memory(looked: Callable[..., Any]) -> None:
    _, items = looked("--collect-only")
    one = next(one for one in items if "203.0" in one.name)
    own = [vars(one)] if hasattr(one, "__dict__") else []
    size = sys.getsizeof(one) + sum(map(sys.getsizeof, own)) + sys.getsizeof(one.case)
    assert type(one) is Light
    assert size < 600
    assert len(gc.get_referents(one)) < 20


def test_the_items_of_pytest_go_at_once(looked: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[weakref.ref[pytest.Function]] = []
    light = item._light

    def watched(one: pytest.Function, shared: Any) -> Light:
        assert not gc.isenabled()
        made.append(weakref.ref(one))
        return light(one, shared)

    monkeypatch.setattr(item, "_light", watched)
    _, items = looked("--collect-only")
    assert gc.isenabled()
    assert len(made) > len(items) > 10
    assert [one for one in made if one() is not None] == []


@pytest.mark.parametrize(
    "options",
    [("-k", "ptr_exists"), ("-k", "must and not dom"), ("-m", "must"), ("-m", "not ptr"), ("-k", "203.0.113.2")],
    ids=" ".join,
)
def test_the_same_is_selected(looked: Callable[..., Any], options: tuple[str, ...]) -> None:
    ran, light = looked(*options)
    _, whole = looked(*options, whole=True, folder="whole")
    assert 0 < len(light) == len(whole)
    assert [one["subject"] for one in ran.results]
    assert {type(one) for one in light} == {Light}


def test_junit_is_the_same(looked: Callable[..., Any], pytester: pytest.Pytester) -> None:
    files = [pytester.path / name for name in ("light.xml", "whole.xml")]
    looked(f"--junitxml={files[0]}")
    looked(f"--junitxml={files[1]}", whole=True, folder="whole")
    one, other = (
        [(case.attrib["classname"], case.attrib["name"], [part.tag for part in case]) for case in root.iter("testcase")]
        for root in (ElementTree.fromstring(file.read_text()) for file in files)
    )
    assert one == other
    assert ("mx2.example.com", "ptr.exists [mx2.example.com/203.0.113.2]", ["failure"]) in one


def test_what_stays_is_looked_at_once(inside: Inside, inventories: Path, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        watcher="""
        import gc
        SEEN = []

        def pytest_terminal_summary():
            gc.collect()
            SEEN.append((len(gc.get_objects(2)), gc.get_freeze_count()))
        """
    )
    pytester.syspathinsert()
    seen = import_module("watcher").SEEN
    before = len(gc.callbacks), gc.get_freeze_count()
    inside(inventories / "broken.yml", *RULES[:-2], "-p", "watcher", folder="run")
    ((looked_at, frozen),) = seen
    assert looked_at < 100
    assert frozen > 10_000
    assert (len(gc.callbacks), gc.get_freeze_count()) == before
