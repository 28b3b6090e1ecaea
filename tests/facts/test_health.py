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
        (0, 100, ""),
    ],
)
def test_a_resolver_that_leaves_more_than_a_fifth_open(left_open: int, asked: int, said: str) -> None:
    assert failing(store(asked, left_open)) == said


@pytest.mark.parametrize(
    ("left_open", "zones", "said"),
    [
        # One zone that is dead is most of a small fleet.
        (12, ("a.example", "b.example"), ""),
        (
            12,
            ("a.example", "b.example", "113.0.203.in-addr.arpa"),
            f"{RESOLVER} left 12 of 12 questions without an answer",
        ),
        (11, ("a.example", "b.example", "113.0.203.in-addr.arpa"), ""),
    ],
)
def test_a_resolver_that_is_dead_for_a_small_fleet_too(left_open: int, zones: tuple[str, ...], said: str) -> None:
    assert failing(store(12, left_open, *zones)) == said


def store(asked: int, left_open: int, *zones: str) -> Store:
    made = Store()
    for number in range(asked):
        status = Status.UNDETERMINED if number < left_open else Status.ABSENT
        name = f"a{number}.{zones[number % len(zones)] if zones else 'example'}"
        made.add(Answer(name, "A", status, "NXDOMAIN", server=RESOLVER))
    return made
