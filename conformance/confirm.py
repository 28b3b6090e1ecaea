"""A second look at what is newly broken, before anybody is woken for it: what two looks disagree about is unknown."""

from __future__ import annotations

import time
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

from conformance import home
from conformance.facts.store import Store
from conformance.item import case_of
from conformance.run import Run, facts_of

MOST = 500
"""Findings that are looked at again: where more are new at once, something bigger has happened."""
_SENT = ("stream", "probe")
"""Kinds of subjects that are seen by having mail sent, which is not done twice."""


def confirm(run: Run, items: list[pytest.Item], pause: float) -> None:
    """Ask again, after some seconds, for the facts of each rule that was kept in the run before and is broken now.

    A finding that is not seen again becomes undetermined. Without a run before there is nothing that is new.
    """
    if run.results is None or not run.keeps_history or run.shared is not None:
        return
    changes, _ = home.compare(run.folder, run.results.document(0))
    doubtful = [item for item in items if _is_new(run, changes, item)]
    if not changes.before or not 0 < len(doubtful) <= MOST:
        return
    time.sleep(pause)
    cases = [case for item in doubtful if (case := case_of(item))]
    store = Store()
    run.gather_into(store, [one for case in cases for one in facts_of(case)])
    with run.gathered.seeing(store):
        for item in doubtful:
            _look_again(run, item)


def _is_new(run: Run, changes: Any, item: pytest.Item) -> bool:
    case = case_of(item)
    result = run.results.of(item.nodeid) if run.results is not None and case else None
    if case is None or result is None or case.kind in _SENT:
        return False
    return result["outcome"] == "fail" and bool(changes.of(result) == "new")


def _look_again(run: Run, item: pytest.Item) -> None:
    assert run.results is not None
    first = run.results.of(item.nodeid)
    reports: list[Any] = runtestprotocol(item, log=False, nextitem=None)
    second = next((found for one in reports if (found := getattr(one, "conformance", None))), None)
    if first is None or second is None or second["outcome"] == first["outcome"]:
        return
    then = second["seen"] or second["outcome"]
    text = f"two looks disagree: first {first['seen']}; a little later {then}"
    cause = f"two looks at {first['subject']} disagree"
    run.results.add(item.nodeid, first | {"outcome": "undetermined", "seen": text, "cause": cause, "fix": ""})
