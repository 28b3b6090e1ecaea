"""What is known from a baseline or from another run, and how a baseline turns from run to run."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest

from conformance.report import page, schema
from conformance.report.base import Base, BaseError, of_results, read, sentences, text, united
from conformance.report.formats import FORMATS, render
from conformance.report.grouping import verdict
from conformance.report.reader import load
from conformance.report.terminal import lines
from tests.report.sample_results import result, results

ONE, TWO, THREE = (f"mx{number}.example.net/198.51.100.{number}" for number in (1, 2, 3))
OWN = {"inventory": ["inventories/production"], "profiles": ["common"], "level": "must"}
TODAY = "2026-11-24"


def base(*keys: tuple[str, str], aspect: str = "", **more: Any) -> Base:
    since = {(check, subject, aspect): "2026-11-01" for check, subject in keys}
    return Base("baseline", "base.json", "2026-11-02", since, **more)


def written(folder: Path, one: Base, **changes: Any) -> str:
    path = folder / "base.json"
    document = json.loads(text(one, OWN, TODAY)) | changes
    path.write_text(json.dumps(document))
    return str(path)


def test_a_baseline_is_read_as_it_was_written(tmp_path: Path) -> None:
    one = base(("ptr.exists", TWO), ("ptr.exists", ONE), ("helo.fqdn", ONE))
    path = tmp_path / "base.json"
    path.write_text(text(one, OWN, "2026-11-02"))
    assert read(str(path), OWN) == Base("baseline", str(path), "2026-11-02", one.since)
    rows = [line.strip() for line in path.read_text().splitlines() if '"check"' in line]
    assert rows[0] == f'{{"check": "helo.fqdn", "subject": "{ONE}", "aspect": "", "since": "2026-11-01"}},'
    assert len(rows) == 3
    empty = tmp_path / "empty.json"
    empty.write_text(text(base(), OWN, TODAY))
    assert read(str(empty), OWN).since == {}


def test_a_baseline_holds_no_values(tmp_path: Path) -> None:
    seen = result("ptr.exists", ONE, "fail", seen="answered SECRET", fix="FIX", known_since=TODAY)
    turned = base(accepts=True).turned([seen], TODAY)
    written = text(turned, OWN, TODAY)
    assert "SECRET" not in written
    assert "FIX" not in written
    assert turned.since == {("ptr.exists", ONE, ""): TODAY}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"inventory": ["inventories/staging"]},
            "is of another inventory: inventories/staging; this run judges inventories/production",
        ),
        ({"profiles": ["zendesk"]}, "is of another profile: zendesk; this run judges common"),
        ({"level": "should"}, "is of another level: should; this run judges must"),
        ({"baseline": 2}, "is no baseline of mailconform"),
        ({"known": [{"check": "x"}]}, "is no baseline of mailconform"),
        (
            {"known": [{"check": "x", "subject": "y", "aspect": "", "since": "long ago"}]},
            "is no baseline of mailconform",
        ),
        ({"results": []}, "is no baseline but results: name them with --against"),
    ],
)
def test_a_baseline_of_something_else_is_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(BaseError, match=said):
        read(written(tmp_path, base(), **changes), OWN)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000, b"[]", b"1", b'"\\ud800"'])
def test_what_is_no_baseline_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "base.json"
    path.write_bytes(content)
    with pytest.raises(BaseError, match="is no baseline of mailconform"):
        read(str(path), OWN)
    with pytest.raises(BaseError, match="cannot be read"):
        read(str(tmp_path), OWN)


@pytest.mark.parametrize(
    ("place", "same"),
    [
        ("/srv/mail/inventories/production", True),
        ("inventories/production/", True),
        ("/srv/inventories/staging", False),
        ("production", False),
        ("other/production", False),
    ],
)
def test_the_same_inventory_may_lie_elsewhere(tmp_path: Path, place: str, same: bool) -> None:
    path = written(tmp_path, base(), inventory=[place])
    if same:
        assert read(path, OWN)
    else:
        with pytest.raises(BaseError, match="is of another inventory"):
            read(path, OWN)
    with pytest.raises(BaseError, match="is of another inventory"):
        read(written(tmp_path, base(), inventory=[place, "x/y"]), OWN)


def test_a_finding_is_known_by_rule_subject_and_aspect() -> None:
    one = base(("ptr.exists", ONE), aspect="none")
    assert one.known(result("ptr.exists", ONE, "fail", aspect="none", seen="anything"), TODAY) == "2026-11-01"
    for other in (
        result("ptr.exists", ONE, "fail", aspect="two"),
        result("ptr.exists", TWO, "fail", aspect="none"),
        result("ptr.single", ONE, "fail", aspect="none"),
    ):
        assert one.known(other, TODAY) == ""


@pytest.mark.parametrize(
    ("outcome", "more", "stays", "fixed"),
    [
        ("fail", {}, True, False),
        ("known", {}, True, False),
        ("advice", {}, True, False),
        ("undetermined", {}, True, False),
        ("pass", {}, False, True),
        ("not-applicable", {}, False, True),
        ("fail", {"aspect": "another"}, False, True),
        ("waived", {}, False, False),
        ("fail", {"waiver": {"id": "W", "state": "expired"}}, False, False),
        (None, {}, True, False),
    ],
)
def test_the_ratchet(outcome: str | None, more: dict[str, Any], stays: bool, fixed: bool) -> None:
    one = base(("ptr.exists", ONE))
    found = [result("ptr.exists", ONE, outcome, **more)] if outcome else []
    assert bool(one.turned(found, TODAY).since) is stays
    assert bool(one.told(found)["fixed"]) is fixed


def test_only_what_is_accepted_enters() -> None:
    found = [result("ptr.exists", ONE, "fail"), result("ptr.exists", TWO, "known", known_since="2026-11-01")]
    assert base().turned(found, TODAY).since == {}
    accepting = base(accepts=True)
    assert accepting.known(found[0], TODAY) == TODAY
    now_known = [found[0] | {"known_since": TODAY}, found[1]]
    assert set(accepting.turned(now_known, TODAY).since.values()) == {TODAY, "2026-11-01"}


def test_what_is_not_there_any_more_leaves() -> None:
    one = base(("ptr.exists", ONE), ("ptr.exists", TWO))
    assert set(one.turned([], TODAY, exists={("ptr.exists", ONE)}).since) == {("ptr.exists", ONE, "")}
    assert one.turned([], TODAY).since == one.since


def test_what_another_run_knew() -> None:
    found = results(
        result("ptr.exists", ONE, "fail"),
        result("ptr.exists", TWO, "known", known_since="2026-10-01"),
        result("ptr.exists", THREE, "undetermined"),
        result("helo.fqdn", ONE, "waived"),
        result("helo.fqdn", TWO, "advice"),
        result("helo.fqdn", THREE, "pass"),
        result("helo.resolves", ONE, "fail", waiver={"id": "W", "state": "expired"}),
    )
    one = of_results(found, "results.json")
    assert one.since == {
        ("ptr.exists", ONE, ""): "2026-11-24",
        ("ptr.exists", TWO, ""): "2026-10-01",
        ("helo.fqdn", TWO, ""): "2026-11-24",
    }
    told = one.told([result("ptr.exists", THREE, "fail"), result("helo.fqdn", THREE, "fail")])
    assert (told["new"], told["unseen"]) == (2, 1)
    found["run"]["dns"] = "proposed"
    with pytest.raises(BaseError, match="proposed change"):
        of_results(found, "results.json")


def told() -> dict[str, Any]:
    rows = [
        result("ptr.exists", ONE, "fail"),
        result("ptr.exists", TWO, "known", known_since="2026-11-01"),
        result("helo.fqdn", TWO, "known", known_since="2026-10-01"),
        result("helo.resolves", ONE, "pass"),
    ]
    account = base(("ptr.exists", TWO), ("helo.fqdn", TWO), ("helo.resolves", ONE)).told(rows)
    found = results(*rows, base=account, gate="new")
    jsonschema.validate(found, schema())
    return found


SENTENCE = "Against base.json of 2026-11-02: 1 new, 2 known, 1 fixed."


def test_how_a_run_stands_to_its_base() -> None:
    assert sentences(told())[0] == SENTENCE
    assert "leaves the baseline with --update-baseline" in sentences(told())[1]
    assert sentences(results()) == []
    halves = [dict(told()["run"]["base"]), dict(told()["run"]["base"])]
    both = united(halves)
    assert (both["new"], both["known"], len(both["fixed"]), both["entries"]) == (2, 4, 1, 3)


def test_the_verdict_is_no_praise() -> None:
    known = results(result("ptr.exists", ONE, "known", known_since=TODAY), result("ptr.exists", TWO))
    assert verdict(known) == "Does not conform, as was known: nothing newly broken"
    dark = results(result("ptr.exists", ONE, "known", known_since=TODAY), result("ptr.exists", TWO, "undetermined"))
    assert verdict(dark).startswith("Nothing newly broken seen, but not everything")
    assert verdict(told()) == "Does not conform"


def test_the_terminal() -> None:
    shown = "\n".join(lines(told(), width=160))
    assert "F MUST    ptr.exists: Every sending address has a PTR record. (2 subjects, 1 known)" in shown
    assert "k MUST    helo.fqdn: " in shown
    assert "(known since 2026-10-01)" in shown
    assert SENTENCE in shown


def test_the_page() -> None:
    shown = page.render(told())
    assert SENTENCE in shown
    assert "known since 2026-11-01" in shown
    assert '<h3 id="known">' in shown
    assert "Known before" not in page.render(results(result("ptr.exists", ONE)))


@pytest.mark.parametrize("name", ["markdown", "summary", "github", "text"])
def test_what_is_said_of_the_base(name: str) -> None:
    assert SENTENCE in render(name, told())


@pytest.mark.parametrize("name", ["markdown", "summary"])
def test_what_was_known_has_a_section(name: str) -> None:
    known = render(name, told()).partition("### Known before\n")[2].partition("\n### ")[0]
    assert "helo.fqdn" in known
    assert "known since 2026-10-01" in known


def test_junit() -> None:
    cases = {case.get("name"): case for case in ElementTree.fromstring(render("junit", told())).iter("testcase")}
    assert cases[f"ptr.exists [{ONE}]"].find("failure") is not None
    (skipped,) = cases[f"ptr.exists [{TWO}]"]
    assert (skipped.tag, skipped.get("type")) == ("skipped", "known")
    assert (skipped.get("message") or "").startswith("known since 2026-11-01: ")


def test_sarif() -> None:
    found = json.loads(render("sarif", told()))["runs"][0]["results"]
    states = {(one["ruleId"], one["properties"]["subject"]): one.get("baselineState") for one in found}
    assert states == {
        ("ptr.exists", ONE): "new",
        ("ptr.exists", TWO): "unchanged",
        ("helo.fqdn", TWO): "unchanged",
    }
    alone = json.loads(render("sarif", results(result("ptr.exists", ONE, "fail"))))["runs"][0]["results"]
    assert "baselineState" not in alone[0]


def test_annotations_are_errors_for_what_is_new_alone() -> None:
    shown = render("github", told()).splitlines()
    assert sum(line.startswith("::error") for line in shown) == 1
    assert any(line.startswith("::notice title=helo.fqdn [must%2C known since 2026-10-01]") for line in shown)


def test_csv_and_metrics() -> None:
    rows = {(row["check"], row["subject"]): row for row in csv.DictReader(io.StringIO(render("csv", told())))}
    assert rows["ptr.exists", TWO]["outcome"] == "known"
    assert rows["ptr.exists", TWO]["known_since"] == "2026-11-01"
    assert rows["ptr.exists", ONE]["known_since"] == ""
    shown = render("prometheus", told())
    for name, number in (("new", 1), ("known", 2), ("fixed", 1)):
        assert f',base="{name}"}} {number}\n' in shown
    assert 'rule="helo.fqdn",level="must",outcome="known"} 1\n' in shown
    assert ',base="' not in render("prometheus", results())


def test_results_of_before_there_was_a_base_are_read(tmp_path: Path) -> None:
    old = results(result("ptr.exists", ONE, "fail"))
    del old["counts"]["known"]
    (tmp_path / "results.json").write_text(json.dumps(old))
    document = load(tmp_path)
    assert document["counts"]["known"] == 0
    for name in FORMATS:
        render(name, document)
