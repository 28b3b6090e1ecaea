"""When a resolver is not to be believed: one that leaves many of enough questions open."""

from __future__ import annotations

import pytest

from conformance.facts.answer import Answer, Status
from conformance.facts.health import failing
from conformance.facts.store import Store

RESOLVER = "192.0.2.53"


@pytest.mark.parametrize(
    ("left_open", "asked", "said"),
    [
        (11, 50, f"{RESOLVER} left 11 of 50 questions without an answer"),
        (10, 50, ""),
        # One zone that is dead is most of a small fleet.
        (49, 49, ""),
        (0, 100, ""),
    ],
)
def test_a_resolver_that_leaves_more_than_a_fifth_open(left_open: int, asked: int, said: str) -> None:
    store = Store()
    for number in range(asked):
        status = Status.UNDETERMINED if number < left_open else Status.ABSENT
        store.add(Answer(f"a{number}.example", "A", status, "NXDOMAIN", server=RESOLVER))
    assert failing(store) == said
