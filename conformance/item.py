"""The items of a large fleet, of which there may be a million: each holds what it is judged by and no more.

pytest's own item takes 2 kB, most of it empty lists and dictionaries. Here all that is the same for every subject of a
check is held once. An item becomes pytest's own as soon as anybody asks for what only that has.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from conformance.asked import CASE

if TYPE_CHECKING:
    from _pytest.fixtures import FuncFixtureInfo

    from conformance.judge import Case


_OLDEST = len(gc.get_count()) - 1
"""The generation with which all are looked at."""


@dataclass(frozen=True, slots=True)
class _Shared:
    """What all items of one check have in common."""

    function: Any
    name: str
    fixtures: FuncFixtureInfo
    marks: tuple[pytest.Mark, ...]
    calls: dict[Any, Any]
    """Parameters of all checks, each once: they are the same for each check of one kind of subject."""

    def parameters(self, item: pytest.Function) -> Any:
        """Return the parameters of an item, the same object for the same parameters; None where it has none."""
        if (given := getattr(item, "callspec", None)) is None:
            return None
        known = self.calls.setdefault((*given.params, given.id), given)
        return known if known == given else given


class Light(pytest.Function):
    """One check of one subject, until somebody asks for more than pytest needs to select it and we to judge it."""

    shared: _Shared
    parameters: Any
    case: Case | None = None
    """What it judges; None until it is selected."""

    def __getattr__(self, name: str) -> Any:
        if name == "callspec" and self.parameters is not None:
            return self.parameters
        if name == "callspec" or name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._complete(), name)

    def _complete(self) -> pytest.Function:
        """Become the item that pytest would have made, with the marks and properties of the check."""
        shared, given, case, item = self.shared, self.parameters, self.case, self
        parent: Any = self.parent
        vars(item).clear()
        item.__class__ = pytest.Function  # type: ignore[assignment]
        name = shared.name if given is None else f"{shared.name}[{given.id}]"
        keywords = {} if given is None else {given.id: True}
        pytest.Function.__init__(
            item, name, parent, callspec=given, fixtureinfo=shared.fixtures, keywords=keywords, originalname=shared.name
        )
        # As pytest leaves one that was run: what it needs for that is made when it is run again.
        item._request, item.funcargs = False, None  # type: ignore[assignment]
        if case is not None:
            equip(item, case)
        return item

    def __repr__(self) -> str:
        return f"<Function {self.name}>"

    @property
    def name(self) -> str:  # type: ignore[override]
        """Name of the function with the subject's id."""
        return self.shared.name if self.parameters is None else f"{self.shared.name}[{self.parameters.id}]"

    @property
    def nodeid(self) -> str:
        """The id by which pytest knows the item."""
        assert self.parent is not None
        return f"{self.parent.nodeid}::{self.name}"

    @property
    def id(self) -> Any:
        """The id by which pytest 9.2 knows the item."""
        assert self.parent is not None
        return self.parent.id.child(self.shared.name).with_params(self.parameters and self.parameters.id)

    @property
    def obj(self) -> Any:
        """The check."""
        return self.shared.function

    @obj.setter
    def obj(self, value: Any) -> None:
        self._complete().obj = value

    @property
    def function(self) -> Any:
        """The check."""
        return self.shared.function

    @property
    def fixturenames(self) -> Sequence[str]:  # type: ignore[override]
        """All that it asks for, itself or by what it asks for."""
        return self.shared.fixtures.names_closure

    @property
    def _fixtureinfo(self) -> FuncFixtureInfo:  # type: ignore[override]
        return self.shared.fixtures

    def add_marker(self, marker: str | pytest.MarkDecorator, append: bool = True) -> None:
        """Add a mark to this item alone."""
        self._complete().add_marker(marker, append)

    def iter_markers_with_node(self, name: str | None = None) -> Iterator[tuple[Any, pytest.Mark]]:
        """Yield marks with their nodes: own ones, then those of what is above."""
        assert self.parent is not None
        own = (*self.shared.marks, *(mark.mark for mark in marks(self.case))) if self.case else self.shared.marks
        yield from ((self, mark) for mark in own if name in (None, mark.name))
        yield from self.parent.iter_markers_with_node(name)

    def listextrakeywords(self) -> set[str]:
        """Return keywords that are neither names nor marks: it has none of its own."""
        assert self.parent is not None
        return self.parent.listextrakeywords()


@contextmanager
def unwatched() -> Iterator[None]:
    """Look for no garbage while the items of a check are made, most of which goes at once.

    Each look takes the longer, the more items there are: together they grew with the square of a fleet.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def stay(config: pytest.Config) -> None:
    """Have the collector of garbage look no more at what is there by now, and once at what comes: it all stays."""
    gc.freeze()
    gc.callbacks.append(_stays)
    config.add_cleanup(_unfrozen)


def _unfrozen() -> None:
    gc.callbacks.remove(_stays)
    gc.unfreeze()


def _stays(phase: str, found: dict[str, int]) -> None:
    if phase == "stop" and found["generation"] == _OLDEST:
        gc.freeze()


class Lightener:
    """Makes the items of a session light."""

    def __init__(self) -> None:
        self._calls: dict[Any, Any] = {}

    def __call__(self, items: Iterable[Any]) -> list[Any]:
        """Return items of one check as light ones; those that are not as pytest makes them stay as they are."""
        made: list[Any] = []
        shared: _Shared | None = None
        for item in items:
            if type(item) is not pytest.Function or _is_marked(item):
                made.append(item)
                continue
            if shared is None or shared.fixtures is not item._fixtureinfo:
                shared = _Shared(
                    item.function, item.originalname, item._fixtureinfo, tuple(item.own_markers), self._calls
                )
            made.append(_light(item, shared))
        return made


def _is_marked(item: pytest.Function) -> bool:
    """Whether a subject brought marks of its own."""
    given = getattr(item, "callspec", None)
    return given is not None and bool(given.marks)


def _light(item: pytest.Function, shared: _Shared) -> Light:
    light = Light.__new__(Light)
    light.parent, light.config, light.session, light.path = item.parent, item.config, item.session, item.path
    light.shared, light.parameters = shared, shared.parameters(item)
    # It stands in a circle with its request and its keywords, and is to go at once.
    vars(item).clear()
    return light


def case_of(item: pytest.Item | None) -> Case | None:
    """Return the case of an item, None of one that is no selected check."""
    if isinstance(item, Light):
        return item.case
    return item.stash.get(CASE, None) if item is not None else None


def select(item: pytest.Function, case: Case) -> None:
    """Have an item judge a case."""
    if isinstance(item, Light):
        item.case = case
    else:
        equip(item, case)


def equip(item: pytest.Function, case: Case) -> None:
    """Give an item of pytest the marks and properties of a check."""
    item.stash[CASE] = case
    for mark in marks(case):
        item.add_marker(mark)
    item.user_properties += properties(case)


def marks(case: Case) -> tuple[pytest.MarkDecorator, ...]:
    """Return what a check is marked with: its level and its area."""
    return _mark(case.level.value), _mark(case.check.area)


def properties(case: Case) -> list[tuple[str, object]]:
    """Return what JUnit tells of a check."""
    return [("check", case.check.id), ("level", case.level.value), ("subject", case.subject_id)]


@cache
def _mark(name: str) -> pytest.MarkDecorator:
    return getattr(pytest.mark, name)  # type: ignore[no-any-return]
