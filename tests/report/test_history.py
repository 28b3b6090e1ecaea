"""What became of findings over the runs: new, known, fixed, flapping; rebuilt from results alone."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from conformance.report import runs
from conformance.report.changes import Changes
from conformance.report.history import FILE, History
from conformance.report.reader import load
from conformance.report.results import parts
from tests.report.sample_results import result, results

KEY = ("ptr.exists", "mx1.example.net/203.0.113.1")


def night(number: int, *outcomes: str, dns: str = "live", aspect: str = "") -> dict[str, Any]:
    """Return the results of a night: one rule at subjects mx1, mx2 ... with these outcomes."""
    document = results(result(KEY[0], KEY[1]))
    template = document["results"][0]
    document["results"] = [
        template
        | {
            "check": KEY[0],
            "subject": KEY[1].replace("mx1", f"mx{place}"),
            "outcome": outcome,
            "aspect": aspect,
            "seen": "seen",
        }
        for place, outcome in enumerate(outcomes, 1)
    ]
    document["run"] |= {"started": f"2026-11-{number:02}T02:00:00+00:00", "dns": dns}
    return document


def over(history: History, *nights: dict[str, Any]) -> Changes:
    """Record all nights but the last, and compare that one."""
    for document in nights[:-1]:
        history.record(document)
    return history.changes(nights[-1])


@pytest.fixture
def history(tmp_path: Path) -> Any:
    with History(tmp_path / FILE) as made:
        yield made


def test_the_first_run_has_nothing_to_compare_with(history: History) -> None:
    document = night(1, "fail")
    assert over(history, document).told(document) == document


def test_new_known_and_fixed(history: History) -> None:
    changes = over(history, night(1, "fail", "pass", "advice"), night(2, "fail", "fail", "pass"))
    told = changes.told(night(2, "fail", "fail", "pass"))
    assert [(one.get("change"), one.get("since")) for one in told["results"]] == [
        ("known", "2026-11-01T02:00:00+00:00"),
        ("new", ""),
        (None, None),
    ]
    assert told["changes"]["new"] == told["changes"]["known"] == 1
    assert [one["subject"] for one in told["changes"]["fixed"]] == [KEY[1].replace("mx1", "mx3")]
    assert told["changes"]["before"] == "2026-11-01T02:00:00+00:00"


def test_what_could_not_be_looked_at_ends_nothing(history: History) -> None:
    dark = night(2, "undetermined", "undetermined")
    changes = over(history, night(1, "fail", "pass"), dark, night(3, "fail", "pass"))
    assert changes.since == {KEY: "2026-11-01T02:00:00+00:00"}
    assert not changes.fixed
    assert not over(history, night(4, "undetermined", "undetermined")).fixed


def test_what_counts_again_after_its_waiver_is_new(history: History) -> None:
    waived = over(history, night(1, "fail"), night(2, "waived"))
    assert waived.of(night(2, "waived")["results"][0]) == "known"
    still = over(history, night(2, "waived"), night(3, "waived"))
    assert still.of(night(3, "waived")["results"][0]) == "known"
    ended = over(history, night(3, "waived"), night(4, "fail"))
    assert ended.of(night(4, "fail")["results"][0]) == "new"
    assert over(history, night(5, "waived"), night(6, "pass")).fixed


def test_another_way_to_be_broken_is_new(history: History) -> None:
    changes = over(history, night(1, "fail", aspect="syntax"), night(2, "fail", aspect="missing"))
    assert changes.of(night(2, "fail", aspect="missing")["results"][0]) == "new"


def test_three_changes_in_ten_runs_flap_and_older_ones_do_not_count(history: History) -> None:
    turns = [night(day, "fail" if day % 2 else "pass") for day in range(1, 5)]
    assert over(history, *turns[:3]).flapping == frozenset()
    assert over(history, *turns[2:], night(5, "fail")).flapping == {KEY}
    for day in range(6, 20):
        history.record(night(day, "fail"))
    assert over(history, night(20, "pass")).flapping == frozenset()


@pytest.mark.parametrize(
    ("outcomes", "flaps"),
    [
        ("pass fail pass", False),
        ("pass fail pass fail", True),
        ("fail pass fail", False),
        ("fail pass fail pass", True),
        # The changes of the second, third and eleventh night lie within ten nights, ...
        ("fail pass fail fail fail fail fail fail fail fail pass", True),
        # ... those of the second and the twelfth do not.
        ("fail pass fail fail fail fail fail fail fail fail fail pass", False),
        # What could not be looked at is no change.
        ("fail undetermined fail undetermined fail undetermined fail", False),
    ],
)
def test_three_changes_within_ten_nights(history: History, outcomes: str, flaps: bool) -> None:
    nights = [night(number, outcome) for number, outcome in enumerate(outcomes.split(), 1)]
    assert over(history, *nights).flapping == ({KEY} if flaps else set())


def test_proposed_and_live_are_never_compared(history: History) -> None:
    assert over(history, night(1, "fail"), night(2, "fail", dns="proposed")) == Changes()


@pytest.mark.parametrize("other", [{"profiles": ["zendesk"]}, {"inventory": ["inventories/staging"]}])
def test_what_was_judged_otherwise_is_never_compared(history: History, other: dict[str, Any]) -> None:
    second = night(2, "fail")
    assert over(history, night(1, "fail"), second) != Changes()
    second["run"] |= other
    assert history.changes(second) == Changes()


def test_a_run_counts_once_and_a_steady_night_adds_no_rows(history: History, tmp_path: Path) -> None:
    for day in (1, 1, 2, 3):
        history.record(night(day, "fail", "pass"))
    with sqlite3.connect(tmp_path / FILE) as base:
        assert base.execute("SELECT count(*) FROM runs").fetchone() == (3,)
        assert base.execute("SELECT count(*) FROM spells").fetchone() == (1,)


def test_a_run_that_came_to_nothing_is_none_to_compare_with(history: History) -> None:
    changes = over(history, night(1, "fail"), night(2), night(3, "fail", "fail"))
    assert changes.before == "2026-11-01T02:00:00+00:00"


def test_it_is_made_again_from_results(tmp_path: Path) -> None:
    documents = [night(1, "fail"), night(2, "pass"), night(3, "fail")]
    for document in documents:
        folder = tmp_path / f"2026-11-{document['run']['started'][8:10]}T020000Z-fleet"
        folder.mkdir()
        counts = dict.fromkeys(document["counts"], 0) | {document["results"][0]["outcome"]: 1}
        (folder / "results.json").write_text("".join(parts(document | {"counts": counts})))
        load(folder)
    assert len(runs.all_runs(tmp_path)) == 3
    with History(tmp_path / FILE) as history:
        history.record(night(9, "pass"))
        assert history.rebuild(tmp_path) == []
        assert history.runs() == 3, "a run whose results are gone is gone"
        assert history.changes(night(4, "fail")).since == {KEY: "2026-11-03T02:00:00+00:00"}


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("no database " * 100)
    with pytest.raises(sqlite3.Error):
        History(tmp_path / FILE)
    with sqlite3.connect(tmp_path / "new.sqlite") as base:
        base.execute("PRAGMA user_version=9")
    with pytest.raises(sqlite3.Error, match="version 9"):
        History(tmp_path / "new.sqlite")
