"""What two runs judged differently, and what goes wrong on the way from one state of DNS to the other."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.difference import compare, unlike
from conformance.facts.answer import Answer, Status
from conformance.facts.store import Store
from conformance.hazards import State, hazards
from tests.report.sample_results import result, results

ONE = "mx1.example.net/198.51.100.1"


def single(outcome: str, **more: Any) -> dict[str, Any]:
    return results(result("ptr.exists", ONE, outcome, **more))


@pytest.mark.parametrize(
    ("before", "after", "found", "status"),
    [
        (single("pass"), single("fail"), "appears", 1),
        (single("fail"), single("fail", seen="another value"), "same", 0),
        (single("fail", aspect="none"), single("fail", aspect="two"), "appears", 1),
        (single("advice"), single("fail"), "appears", 1),
        (single("fail"), single("advice"), "same", 0),
        (single("known"), single("fail"), "same", 0),
        (single("fail"), single("known"), "same", 0),
        (single("known"), single("pass"), "vanishes", 0),
        (single("advice"), single("known"), "appears", 1),
        (single("waived"), single("waived"), "same", 0),
        (single("waived"), single("pass"), "vanishes", 0),
        (single("pass"), single("waived"), "appears", 0),
        (single("pass"), single("advice", level="should"), "appears", 0),
        (single("fail"), single("pass"), "vanishes", 0),
        (single("fail"), single("not-applicable"), "vanishes", 0),
        (single("fail"), results(), "vanishes", 0),
        (single("fail"), single("undetermined"), "unknown", 6),
        (single("pass"), single("undetermined", level="info"), "unknown", 0),
        (single("undetermined"), single("undetermined"), "", 0),
        (single("undetermined"), single("pass"), "", 0),
    ],
)
def test_what_becomes_of_a_finding(before: dict[str, Any], after: dict[str, Any], found: str, status: int) -> None:
    told = compare(before, after)
    counts = {name: len(getattr(told, name)) for name in ("appears", "vanishes", "unknown")} | {"same": told.same}
    assert {name for name, number in counts.items() if number} == ({found} if found else set())
    assert told.exit == status


def test_what_appears_is_worst_first() -> None:
    rows = [result("b.b", ONE, "advice"), result("c.c", ONE, "fail"), result("a.a", ONE, "fail")]
    assert [one["check"] for one in compare(results(), results(*rows)).appears] == ["a.a", "c.c", "b.b"]


def test_runs_that_are_unlike_say_in_what() -> None:
    other = results(profiles=["zendesk", "rfc"], level="should")
    assert list(unlike(results(), results())) == []
    assert list(unlike(results(), other)) == [
        f"the runs differ in profiles: {', '.join(results()['run']['profiles'])} and zendesk, rfc",
        "the runs differ in level: must and should",
    ]


def state(*answers: Answer) -> State:
    store = Store()
    for one in answers:
        store.add(one)
    return State(results(), store)


REVERSE = "1.100.51.198.in-addr.arpa"


def found(name: str, rdtype: str, *records: Any, layer: str = "live") -> Answer:
    return Answer(name, rdtype, Status.FOUND, "NOERROR", records=records, ttl=7200, layer=layer)


def test_a_name_that_leads_back_before_may_be_the_name_at_once() -> None:
    old = state(found(REVERSE, "PTR", "old.example.net"), found("new.example.net", "A", "198.51.100.1"))
    changed = found("new.example.net", "A", "198.51.100.1", "198.51.100.2", layer="overlay:a.zone:2")
    proposed = found(REVERSE, "PTR", "new.example.net", layer="overlay:a.zone:1")
    assert hazards(old, state(proposed, changed)) == []
    not_yet = state(found(REVERSE, "PTR", "old.example.net"), found("new.example.net", "A", "192.0.2.1"))
    assert [one.kind for one in hazards(not_yet, state(proposed, changed))] == ["PTR before address"]


def test_what_was_not_answered_is_no_change() -> None:
    dark = Answer("example.net", "MX", Status.UNDETERMINED, "SERVFAIL")
    old, new = found("example.net", "MX", (10, "old.example.net")), found("example.net", "MX", (10, "new.example.net"))
    assert [one.kind for one in hazards(state(old), state(new))] == ["MX moved"]
    assert hazards(state(dark), state(new)) == hazards(state(old), state(dark)) == []
    unseen = Answer(REVERSE, "PTR", Status.UNDETERMINED, "SERVFAIL")
    leads = found("new.example.net", "A", "198.51.100.1", layer="overlay:a.zone:2")
    assert hazards(state(unseen), state(found(REVERSE, "PTR", "new.example.net"), leads)) == []
