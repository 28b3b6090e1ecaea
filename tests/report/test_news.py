"""What a run has to say that the one before had not, as mail and as JSON."""

from __future__ import annotations

from typing import Any

from conformance.report import news
from tests.report.sample_results import result, results

BROKEN = [result("ptr.exists", f"mx{number}.example.net/198.51.100.{number}", "fail") for number in range(1, 26)]


def later(**run: Any) -> dict[str, Any]:
    """Return the results of a night: one finding is new, one known, one fixed."""
    rows = [BROKEN[0] | {"change": "new", "since": ""}, BROKEN[1] | {"change": "known", "since": "2026-11-23"}]
    fixed = [{"check": "spf.exists", "subject": "example.com", "since": "2026-11-20"}]
    changes = {"before": "2026-11-23T02:00:00+00:00", "new": 1, "known": 1, "flapping": 0, "fixed": fixed}
    return results(*rows, exit=1, **run) | {"changes": changes}


def test_the_difference_and_nothing_else() -> None:
    told = "\n".join(news.lines(later()))
    assert told.startswith("mailconform: 1 new, 1 fixed: ptr.exists mx1.example.net/198.51.100.1\n")
    assert "+ fixed: spf.exists example.com" in told
    assert "mx2.example.net" not in told
    payload = news.payload(later())
    assert [one["subject"] for one in payload["new"]] == ["mx1.example.net/198.51.100.1"]
    assert [one["subject"] for one in payload["fixed"]] == ["example.com"]
    assert payload["run"]["dns"] == "live"


def test_a_run_that_tells_nothing_has_nothing_new() -> None:
    dark = results(*BROKEN, exit=6, inconclusive="192.0.2.53 left 60 of 90 questions without an answer")
    assert news.payload(dark)["new"] == []
    assert news.subject(dark) == "mailconform: the run is undetermined"
    assert not [line for line in news.lines(dark) if "ptr.exists" in line]


def test_what_is_only_proposed_says_so() -> None:
    proposed = later(dns="proposed", overlays=["example.com.zone"])
    assert news.subject(proposed).startswith("mailconform: PROPOSED: 1 new, 1 fixed: ")
    assert "PROPOSED: DNS as changed by example.com.zone, not as it is live." in news.payload(proposed)["text"]


def test_of_many_findings_the_first_are_named_and_the_rest_is_counted() -> None:
    told = news.lines(results(*BROKEN, exit=1))
    assert sum(line.startswith("F MUST ptr.exists ") for line in told) == news.MOST
    assert f"and {len(BROKEN) - news.MOST} more that are new" in told
    assert len(news.payload(results(*BROKEN, exit=1))["new"]) == news.MOST
