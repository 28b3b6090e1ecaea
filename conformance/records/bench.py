"""Rules judged one at a time, outside a run of pytest: their fixtures are called as pytest would call them."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

from conformance import fixtures
from conformance.catalogue import checks
from conformance.check import Check, Level
from conformance.facts.gather import Gathered
from conformance.facts.plan import NAMES, Wanted, want
from conformance.facts.store import Store
from conformance.fleet.model import Fleet
from conformance.judge import Case, judge
from conformance.outcome import NotApplicable, Undetermined
from conformance.subjects import concerned, kind_of, level, place


@dataclass(frozen=True)
class Task:
    """Rules to be judged of one subject, and the record set that their findings are about."""

    rules: tuple[str, ...]
    """Ids, or globs of them."""
    kind: str
    subject: Any
    slot: tuple[str, str]
    """Name without the final dot, and type."""
    narrow: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    """By fixture: what makes the part of the fact that the record set is about."""


@dataclass(frozen=True)
class Verdict:
    """What a rule says of a subject. ``values`` are the facts that it was judged by, as far as it asked for them."""

    task: Task
    check: Check
    level: Level
    result: Mapping[str, Any]
    values: dict[str, Any]

    def fact(self, name: str) -> Any:
        """Return what a fixture gives for the subject. Raises as the fixture does."""
        return _value(name, self.values, self.task)

    @property
    def outcome(self) -> str:
        """``pass``, ``fail``, ``advice``, ``undetermined`` or ``not-applicable``."""
        return str(self.result["outcome"])

    @property
    def broken(self) -> bool:
        """Whether there is a finding."""
        return self.outcome in ("fail", "advice")

    @property
    def weighs(self) -> Level:
        """How hard the finding is, which may be less than the rule is."""
        return Level(self.result["level"])


class Bench(ExitStack):
    """Judges the rules of one fleet under some profiles. Facts of its verdicts can be asked for until it is left."""

    def __init__(self, fleet: Fleet, given: Sequence[str], default: Sequence[str]) -> None:
        super().__init__()
        self.fleet = fleet
        self._given = given
        self._default = default

    def judge(self, store: Store, tasks: Iterable[Task]) -> list[Verdict]:
        """Judge all rules of some tasks by what a store holds."""
        gathered = Gathered(store, self.fleet)
        self.callback(gathered.close)
        return [self._verdict(gathered, task, *one) for task in tasks for one in self._weighed(task)]

    def wanted(self, tasks: Iterable[Task]) -> list[Wanted]:
        """Return the facts that the rules of some tasks judge, each once."""
        found = (
            want(name, task.subject) for task in tasks for check, _ in self._weighed(task) for name in _facts(check)
        )
        return list({one.key: one for one in found}.values())

    def _weighed(self, task: Task) -> list[tuple[Check, Level]]:
        """Return the rules of a task with what each weighs, in the order of the catalogue."""
        chosen = []
        for check in _chosen(task.kind, task.rules):
            hosts = concerned(self.fleet, place(task.subject, check))
            if weighs := level(check, hosts, self._given, self._default):
                chosen.append((check, weighs))
        return chosen

    def _verdict(self, gathered: Gathered, task: Task, check: Check, weighs: Level) -> Verdict:
        values: dict[str, Any] = {"fleet": self.fleet, "gathered": gathered, "earlier": None, task.kind: task.subject}
        raised: BaseException | None = None
        try:
            function = _function(check)
            function(**{name: _value(name, values, task) for name in inspect.signature(function).parameters})
        except (AssertionError, NotApplicable, Undetermined) as error:
            raised = error
        case = Case(check, task.kind, task.subject, weighs, place(task.subject, check), _facts(check))
        return Verdict(task, check, weighs, judge(case, raised, self.fleet, Level.INFO, ()), values)


@cache
def _chosen(kind: str, rules: tuple[str, ...]) -> tuple[Check, ...]:
    every = (check for check in checks().values() if any(fnmatchcase(check.id, rule) for rule in rules))
    return tuple(check for check in every if kind_of(check) == kind)


@cache
def _function(check: Check) -> Callable[..., None]:
    module = importlib.import_module(check.where.partition(":")[0])
    # By id: whoever runs pytest in this process has imported the cases anew.
    rules = {one.check.id: one for one in vars(module).values() if isinstance(getattr(one, "check", None), Check)}
    found: Callable[..., None] = rules[check.id]
    return found


def _value(name: str, values: dict[str, Any], task: Task) -> Any:
    """Return what a fixture gives, and keep it. Raises as the fixture does."""
    if name not in values:
        function = inspect.unwrap(getattr(fixtures, name))
        needs = inspect.signature(function).parameters
        found = function(**{one: _value(one, values, task) for one in needs})
        values[name] = task.narrow[name](found) if name in task.narrow else found
    return values[name]


@cache
def _facts(check: Check) -> tuple[str, ...]:
    """Return the facts that a rule asks for, itself or through its fixtures."""
    found: dict[str, None] = {}

    def walk(name: str) -> None:
        if name in NAMES:
            found[name] = None
        fixture = getattr(fixtures, name, None)
        for one in inspect.signature(inspect.unwrap(fixture)).parameters if fixture is not None else ():
            if one != "request":
                walk(one)

    for name in check.subjects:
        walk(name)
    return tuple(found)
