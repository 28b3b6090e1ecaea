"""One report a check. pytest makes three, each by way of all plugins, which is most of what judging a fleet takes.

What a check asks for is resolved here as pytest would: its subject, and the facts of it. Whatever could make a
difference is left to pytest's own protocol: a fixture or an autouse fixture of somebody else, a mark to skip, a plugin
that takes part in how tests are run, an option that shows how they are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from _pytest.fixtures import FixtureDef

from conformance import fixtures
from conformance.item import Light, case_of, properties
from conformance.reporting import adds_up_times, tell

if TYPE_CHECKING:
    from conformance.run import Run

_OURS = fixtures.__name__
_HOOKS = (
    "pytest_runtest_protocol",
    "pytest_runtest_setup",
    "pytest_runtest_call",
    "pytest_runtest_teardown",
    "pytest_runtest_makereport",
    "pytest_runtest_logreport",
    "pytest_pyfunc_call",
    "pytest_fixture_setup",
    "pytest_exception_interact",
)
"""By these a plugin takes part in how a test is run."""
_AFTERWARDS = ("pytest_sessionfinish", "pytest_terminal_summary", "pytest_unconfigure")
"""By these a plugin may look at tests that have been run."""
_BYSTANDERS = ("_pytest", "conformance", "xdist", "pytest_html", "testinfra", "anyio", "_hypothesis_pytestplugin")
"""Packages of plugins that change nothing about a check: where one does, an option of it says so."""
_OPTIONS = ("usepdb", "trace", "setuponly", "setupshow", "setupplan", "htmlpath")
"""What is to be seen of each step of a test, or between two."""
_MARKS = frozenset(("skip", "skipif", "xfail", "usefixtures"))

Definitions = Mapping[str, FixtureDef[Any]]


def of(config: pytest.Config, run: Run) -> Protocol | None:
    """Return the protocol for the checks of a session; None where all is left to pytest's own."""
    if any(getattr(config.option, name, None) for name in _OPTIONS) or adds_up_times(config):
        return None
    if _others(config, _HOOKS):
        return None
    return Protocol(run, forgets=run.worker is None and not _others(config, _AFTERWARDS))


def _others(config: pytest.Config, hooks: tuple[str, ...]) -> bool:
    """Whether anybody but bystanders has one of some hooks."""
    found = (one.function.__module__ for name in hooks for one in getattr(config.hook, name).get_hookimpls())
    return any(module.partition(".")[0] not in _BYSTANDERS for module in found)


@dataclass(frozen=True, slots=True)
class _Request:
    """What the fixtures of checks use of pytest's request."""

    config: pytest.Config
    function: Callable[..., None]
    param: Any


@dataclass
class Protocol:
    """How checks are run.

    ``forgets``: nobody wants the items of checks that have been judged; of a large fleet they take most of the memory.
    """

    run: Run
    forgets: bool = False
    _plans: dict[Callable[..., None], Definitions | None] = field(default_factory=dict)
    _kept: dict[str, Any] = field(default_factory=dict)
    """Values of fixtures of the session."""
    _places: dict[Callable[..., None], tuple[str, int | None, str]] = field(default_factory=dict)
    """File and line of each check, which pytest would look up for every subject."""
    _at: int = 0
    """How far items have been let go."""
    _done: pytest.Item | None = None
    """What has been judged, while other plugins may still look at it."""

    def of(self, item: pytest.Item) -> Definitions | None:
        """Return the fixtures of an item by name; None where it is not for us to run."""
        if not isinstance(item, pytest.Function) or case_of(item) is None:
            return None
        if item.function not in self._plans:
            above = _MARKS.intersection(mark.name for node in item.listchain()[:-1] for mark in node.own_markers)
            self._plans[item.function] = None if above else _definitions(item)
        own = item.shared.marks if isinstance(item, Light) else item.own_markers
        if not _MARKS.isdisjoint(mark.name for mark in own):
            return None
        return self._plans[item.function]

    def judge(self, item: pytest.Function, definitions: Definitions) -> None:
        """Judge one check and tell everybody. What tests before it have left to be torn down is."""
        self._forget()
        item.session._setupstate.teardown_exact(item)
        hook, where, nodeid, case = item.ihook, self._where(item), item.nodeid, case_of(item)
        assert case is not None
        hook.pytest_runtest_logstart(nodeid=nodeid, location=where)
        begun = time.time()
        start = time.perf_counter()
        raised = self._raised(item, definitions)
        took = time.perf_counter() - start
        told = properties(case) if isinstance(item, Light) else item.user_properties
        report = pytest.TestReport(nodeid, where, {}, "passed", None, "call", (), took, begun, begun + took, told)
        result = self.run.judge(case, raised)
        tell(report, result)
        hook.pytest_runtest_logreport(report=report)
        hook.pytest_runtest_logfinish(nodeid=nodeid, location=where)
        # What fails may be looked at twice.
        if self.forgets and result["outcome"] != "fail":
            self._done = item

    def _forget(self) -> None:
        if self._done is None:
            return
        items: list[Any] = self._done.session.items
        while items[self._at] is not self._done:
            self._at += 1
        items[self._at] = None
        if not isinstance(self._done, Light):
            # It leads to itself in many ways, and the collector of garbage does not look at it any more.
            vars(self._done).clear()
        self._done = None

    def _where(self, item: pytest.Function) -> tuple[str, int | None, str]:
        if item.function not in self._places:
            self._places[item.function] = item.location
        path, line, _ = self._places[item.function]
        return path, line, item.name

    def _raised(self, item: pytest.Function, definitions: Definitions) -> BaseException | None:
        """Return what the check or one of its facts raised."""
        values: dict[str, Any] = {}

        def value(name: str) -> Any:
            kept = values if definitions[name].scope == "function" else self._kept
            if name not in kept:
                kept[name] = call(definitions[name].func, definitions[name].argnames, name)
            return kept[name]

        def call(function: Callable[..., Any], names: tuple[str, ...], name: str) -> Any:
            given = {one: request(name) if one == "request" else value(one) for one in names}
            return function(**given)

        def request(name: str) -> _Request:
            callspec = getattr(item, "callspec", None)
            return _Request(item.config, item.function, callspec.params.get(name) if callspec else None)

        try:
            for name in item.fixturenames:
                if name != "request":
                    value(name)
            item.function(**{name: values.get(name, self._kept.get(name)) for name in item._fixtureinfo.argnames})
        except (KeyboardInterrupt, pytest.exit.Exception):
            raise
        except BaseException as error:
            return error
        return None


def _definitions(item: pytest.Function) -> Definitions | None:
    """Return what defines each fixture of an item, None unless all are ours and as we wrote them."""
    found: dict[str, FixtureDef[Any]] = {}
    for name in item.fixturenames:
        if name == "request":
            continue
        defined = item._fixtureinfo.name2fixturedefs.get(name, ())
        if len(defined) != 1 or not defined[0].func.__module__.startswith(_OURS):
            return None
        if defined[0].scope not in ("function", "session"):
            return None
        found[name] = defined[0]
    return found
