"""What every output says of waivers: of those that hold, that hold no longer, that end soon and that nobody needs."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest

from conformance.report import page, schema
from conformance.report.formats import FORMATS, render
from conformance.report.register import settled, united
from conformance.report.terminal import lines
from tests.report.sample_results import result, results
from tests.report.told import HOSTILE

ONE, TWO, THREE = (f"mx{number}.example.net/198.51.100.{number}" for number in (1, 2, 3))
PEOPLE = {"owner": "mail-ops", "ticket": "OPS-7"}


def entry(name: str, state: str = "holds", *, stale: bool = False, **more: Any) -> dict[str, Any]:
    return {
        "id": name,
        "state": state,
        "rules": ["ptr.exists"],
        "reason": f"reason of {name}",
        **PEOPLE,
        "approved_by": "",
        "issued": "2026-11-01",
        "expires": "2026-12-01",
        "declared_at": "waivers.yml:4",
        "covers": 1,
        "limited": False,
        "outcomes": {"pass": 1} if stale else {"waived": 1},
        "stale": stale,
    } | more


def of(name: str, state: str, **more: str) -> dict[str, str]:
    return {"id": name, "state": state, "reason": f"reason of {name}", **PEOPLE, "expires": "2026-11-23", **more}


def told() -> dict[str, Any]:
    found = results(
        result("ptr.exists", ONE, "fail", waiver=of("W-1", "expired")),
        result("ptr.exists", TWO, "fail", waiver=of("W-2", "other", observed="x.example.")),
        result("ptr.exists", THREE, "waived", waiver=of("W-3", "holds")),
        result("ptr.single", ONE, "advice", level="should", waiver=of("W-4", "expired")),
    )
    found["waivers"] = [
        entry("W-1", "expired", outcomes={"fail": 1}),
        entry("W-3", "expiring"),
        entry("W-5", stale=True),
    ]
    jsonschema.validate(found, schema())
    return found


EXPIRED = "waiver W-1 expired with 2026-11-23: reason of W-1 (mail-ops, OPS-7)"
OTHER = "waiver W-2 does not hold for this, only for observed 'x.example.': reason of W-2 (mail-ops, OPS-7)"
WAIVED = "reason of W-3 (until 2026-11-23, mail-ops, OPS-7)"
SOON = "waiver W-3 ends with 2026-12-01: reason of W-3 (mail-ops, OPS-7)"
STALE = "waiver W-5 is stale, nothing that it is for is broken: reason of W-5 (mail-ops, OPS-7)"


def plain(text: str) -> str:
    """Return a text without what a format escapes or wraps."""
    return " ".join(text.replace("&#39;", "'").replace("&apos;", "'").split())


@pytest.mark.parametrize("name", ["junit", "sarif", "github", "summary", "markdown", "csv", "html"])
def test_what_no_longer_holds_is_said_with_the_finding(name: str) -> None:
    text = plain(render(name, told()))
    assert EXPIRED in text
    assert OTHER in text


@pytest.mark.parametrize("name", ["junit", "sarif", "summary", "markdown", "csv"])
def test_why_something_is_waived(name: str) -> None:
    assert WAIVED in plain(render(name, told()))


@pytest.mark.parametrize("name", ["github", "summary", "markdown", "text"])
def test_what_is_to_be_done_about_waivers(name: str) -> None:
    text = plain(render(name, told())).lower()
    assert SOON.lower() in text
    assert STALE.lower() in text


def test_the_terminal() -> None:
    text = "\n".join(lines(told(), width=200))
    assert f"          {EXPIRED} (and 1 other waiver)\n" in text
    assert "          waiver W-4 expired with" in text
    assert "3 waivers: 1 ending soon, 1 expired, 1 stale.\n" in text
    quiet = "\n".join(lines(told(), quiet=True, width=200))
    assert EXPIRED in quiet
    assert OTHER in quiet


def test_junit_knows_waived_from_expired() -> None:
    cases = {case.get("name"): case for case in ElementTree.fromstring(render("junit", told())).iter("testcase")}
    (failure,) = cases[f"ptr.exists [{ONE}]"]
    assert failure.tag == "failure"
    assert EXPIRED in (failure.get("message") or "")
    (skipped,) = cases[f"ptr.exists [{THREE}]"]
    assert (skipped.tag, skipped.get("type")) == ("skipped", "waived")


def test_sarif_suppresses_what_is_waived_and_nothing_else() -> None:
    found = json.loads(render("sarif", told()))["runs"][0]["results"]
    assert [one["properties"]["subject"] for one in found if "suppressions" in one] == [THREE]


def test_csv_has_the_waiver_in_its_column() -> None:
    rows = {(row["check"], row["subject"]): row for row in csv.DictReader(io.StringIO(render("csv", told())))}
    assert rows["ptr.exists", ONE]["waiver"] == EXPIRED
    assert rows["ptr.exists", THREE]["waiver"] == WAIVED


def test_annotations_lead_to_the_waiver() -> None:
    assert "::warning title=waiver%3A ends soon,file=waivers.yml,line=4::waiver W-3 ends with" in render(
        "github", told()
    )


def test_metrics_count_waivers() -> None:
    text = render("prometheus", told())
    counted = dict(re.findall(r'mailconform_waivers\{.*state="(\w+)"\} (\d+)', text))
    assert counted == {"holds": "1", "expiring": "1", "expired": "1", "stale": "1"}
    # 24:00 UTC of 2026-12-01.
    assert re.search(r"mailconform_waivers_next_end_timestamp_seconds\{.*\} 1796169600\.0\n", text)


def test_the_page_has_a_register() -> None:
    text = page.render(told())
    order = [text.index(f"<td>{name} <small>") for name in ("W-5", "W-3", "W-1")]
    assert order == sorted(order)


@pytest.mark.parametrize("name", FORMATS)
def test_hostile_waivers(name: str) -> None:
    found = told()
    texts = dict.fromkeys(("id", "reason", "owner", "ticket", "expires", "declared_at"), HOSTILE)
    found["waivers"] = [one | texts | {"rules": [HOSTILE]} for one in found["waivers"]]
    for one in found["results"]:
        one["waiver"] = dict.fromkeys(one["waiver"], HOSTILE) | {"state": one["waiver"]["state"]}
    text = render(name, found)
    assert "\x1b" not in text
    if name in ("html", "junit"):
        assert "<script>alert(1)" not in text
    if name == "github":
        assert all(line.startswith("::") for line in text.splitlines())


def test_old_results_have_no_waivers() -> None:
    found = results(result("ptr.exists", ONE))
    assert "waiver" not in "\n".join(lines(found))
    for name in FORMATS:
        render(name, found)


def test_registers_of_shards_are_one() -> None:
    whole = settled(entry("W", covers=2) | {"limited": False}, {"pass": 2})
    halves = [[settled(entry("W", covers=2), {"pass": 1})], [settled(entry("W", covers=2), {"pass": 1})]]
    assert [one["stale"] for half in halves for one in half] == [False, False]
    assert united(halves) == [whole]
    assert whole["stale"]
