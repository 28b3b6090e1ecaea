"""Shards of one fleet: joined they are what one run would have been."""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from click.testing import CliRunner, Result

from conformance.cli import main
from conformance.facts.snapshot import dump, load
from conformance.facts.store import Store
from conformance.merge import MergeError, Shard, merge
from conformance.report import page, schema
from tests.plugin import fleet
from tests.report.sample_results import result, results

pytest_plugins = ("pytester",)

Inside = Callable[..., fleet.Ran]

HOSTS = ("mx1.example.net", "mx2.example.net")


@pytest.fixture
def whole(inside: Inside, inventories: Path, tmp_path: Path) -> fleet.Ran:
    """One run with something of each outcome but waived."""
    folder = tmp_path / "whole"
    return inside(inventories / "dark.yml", f"--report-dir={folder}", "-p", "no:cacheprovider", folder=str(folder))


def half(ran: fleet.Ran, number: int, folder: Path) -> Path:
    """Write what a shard of every second subject would have written, with the facts that it looked at alone."""
    document = copy.deepcopy(ran.document)
    subjects = sorted({one["subject"] for one in document["results"]})[number::2]
    own = [one for one in document["results"] if one["subject"] in subjects]
    store = load(str(ran.folder / "facts.json")).store()
    answers = list(store.answers.items())
    seen = sorted({int(ref[4:]) for one in own for ref in one["evidence"] if ref.startswith("dns:")})
    part = Store({answers[place - 1][0]: answers[place - 1][1] for place in seen})
    names = {f"dns:{place}": f"dns:{new}" for new, place in enumerate(seen, 1)}
    for one in own:
        one["evidence"] = [names.get(ref, ref) for ref in one["evidence"]]
        part.sessions.update({ref[5:]: store.sessions[ref[5:]] for ref in one["evidence"] if ref[:5] == "smtp:"})
    document["results"] = own
    document["counts"] |= dict.fromkeys(document["counts"], 0) | Counter(one["outcome"] for one in own)
    checks = {one["check"] for one in own}
    document["checks"] = {name: check for name, check in document["checks"].items() if name in checks}
    folder.mkdir()
    (folder / "results.json").write_text(json.dumps(document))
    (folder / "facts.json").write_text(dump(part, load(str(ran.folder / "facts.json")).gathering()))
    return folder


def mailconform(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def read(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / "results.json").read_text("utf-8"))
    jsonschema.validate(document, schema())
    return document


def test_two_halves_are_the_whole(whole: fleet.Ran, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert {"pass", "fail", "undetermined", "not-applicable", "advice"} >= set(whole.outcomes.values())
    halves = [half(whole, number, tmp_path / f"half{number}") for number in (0, 1)]
    assert all(len(read(one)["results"]) > 20 for one in halves)
    told = tmp_path / "told"
    done = mailconform("merge", halves[1], halves[0] / "results.json", "--report-dir", told, "--format=csv")
    assert done.exit_code == whole.status == 6, done.output
    assert done.stderr == ""
    joined = read(told)
    assert fleet.told(joined) == fleet.told(whole.document)
    cited = {ref for one in whole.results for ref in one["evidence"]}
    assert f"exit 6: {whole.document['run']['exit_text']}" in done.output
    one = load(str(whole.folder / "facts.json")).store()
    both = load(str(told / "facts.json")).store()
    assert both.sessions == one.sessions
    # Every answer of this run was looked at: else the halves would lack some.
    assert {f"dns:{number}" for number in range(1, len(one.answers) + 1)} <= cited
    assert list(both.answers.items()) == list(one.answers.items())
    assert {path.name for path in told.iterdir()} == {
        "results.json",
        "facts.json",
        "report.html",
        "junit.xml",
        "findings.csv",
    }
    assert (told / "junit.xml").read_text().count("<testcase") == len(whole.results)


def test_a_whole_run_alone_stays_as_it_is(whole: fleet.Ran) -> None:
    facts = load(str(whole.folder / "facts.json"))
    merged = merge([Shard("one", whole.document, facts)])
    assert merged.document["run"] | {"facts": 0} == whole.document["run"] | {"facts": 0}
    assert merged.document == whole.document | {"run": merged.document["run"]}
    assert dump(merged.store, merged.gathering) == (whole.folder / "facts.json").read_text("utf-8")


def shard(*own: dict[str, Any], name: str = "a", **run: Any) -> Shard:
    """A shard without facts; its fleet has two hosts."""
    found = results(*own, hosts=HOSTS, **run)
    found["checks"] = dict(sorted(found["checks"].items()))
    return Shard(name, found)


def address(number: int) -> str:
    return f"mx{number}.example.net/198.51.100.25"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("inventory", ["inventories/staging"]),
        ("profiles", ["common", "zendesk"]),
        ("rules", "other"),
        ("tool", "0.2.0"),
        ("level", "should"),
        ("limit", "mx1*"),
        ("gate", "none"),
        ("dns", "proposed"),
        ("probe", "none"),
    ],
)
def test_runs_that_do_not_belong_together_are_refused(name: str, value: Any) -> None:
    one = shard(result("ptr.exists", address(1)))
    with pytest.raises(MergeError, match=f"^a and b differ in {name}: "):
        merge([one, shard(result("ptr.exists", address(2)), name="b", **{name: value})])


def test_another_fleet_under_the_same_name_is_refused() -> None:
    one, other = shard(result("ptr.exists", address(1))), shard(result("ptr.exists", address(2)), name="b")
    other.document["hosts"][0]["addresses"][0]["address"] = "198.51.100.99"
    with pytest.raises(MergeError, match=r"a and b are of different inventories: see mx1\.example\.net"):
        merge([one, other])


def test_what_two_judged_alike_counts_once_and_otherwise_is_refused() -> None:
    nobody = result("ptr.ipv6", "none", "not-applicable")
    one = shard(nobody, result("ptr.exists", address(1)))
    merged = merge([one, shard(nobody, result("ptr.exists", address(2)), name="b")])
    assert merged.document["counts"]["not-applicable"] == 1
    with pytest.raises(MergeError, match=r"a and b judged ptr\.exists of mx1\S+ differently"):
        merge([one, shard(nobody, result("ptr.exists", address(1), "fail"), name="b")])


def test_the_strictest_level_of_a_rule_is_the_one_that_is_told() -> None:
    one = shard(result("ptr.exists", address(1), "advice", level="should"))
    merged = merge([one, shard(result("ptr.exists", address(2)), name="b")])
    assert merged.document["checks"]["ptr.exists"]["level"] == "must"


@pytest.mark.parametrize(
    ("outcomes", "run", "status"),
    [
        (("pass", "pass"), {}, 0),
        (("pass", "fail"), {}, 1),
        (("pass", "fail"), {"gate": "none"}, 0),
        (("undetermined", "pass"), {}, 6),
        (("undetermined", "fail"), {}, 1),
        (("not-applicable", "not-applicable"), {}, 5),
        (("not-applicable", "pass"), {}, 0),
    ],
)
def test_the_exit_status_is_that_of_one_run(outcomes: tuple[str, str], run: dict[str, Any], status: int) -> None:
    shards = [shard(result("ptr.exists", address(n), one), name=str(n), **run) for n, one in enumerate(outcomes, 1)]
    merged = merge(shards)
    assert merged.document["run"]["exit"] == status
    assert merged.document["run"]["complete"] is True
    jsonschema.validate(merged.document, schema())


@pytest.mark.parametrize(("ended", "status"), [(2, 2), (3, 3), (4, 4), (1, 1)])
def test_how_a_shard_ended_is_not_forgotten(ended: int, status: int) -> None:
    one = shard(result("ptr.exists", address(1)), exit=ended, complete=ended != 2)
    merged = merge([one, shard(result("ptr.exists", address(2)), name="b")])
    assert merged.document["run"]["exit"] == status


def test_an_unfinished_shard_says_what_is_missing() -> None:
    left = ["ptr.exists mx2.example.net/198.51.100.25", "ptr.single mx2.example.net/198.51.100.25"]
    one = shard(result("ptr.exists", address(1)), complete=False, exit=2, unreached=left)
    again = shard(result("ptr.exists", address(2)), name="b")
    merged = merge([one, again])
    run = merged.document["run"]
    assert (run["exit"], run["complete"], run["unreached"]) == (2, False, left[1:])
    assert f"a is unfinished: 2 not reached, first {left[0]}" in merged.warnings
    assert set(merged.warnings) <= set(run["notes"])


def test_a_shard_that_is_missing_is_named() -> None:
    parts = [shard(result("ptr.exists", address(n)), name=str(n), extra={"shard": f"{n}/3"}) for n in (1, 2)]
    merged = merge(parts)
    run = merged.document["run"]
    assert (run["exit"], run["complete"], run["unreached"]) == (2, False, ["shard 3 of 3"])
    assert "missing: shard 3 of 3" in merged.warnings
    assert merged.document["run"]["exit_text"] == "shard 3 of 3 is missing: these results are partial"
    assert run["extra"] == {}
    for other, said in (("2/3", "are both shard 2 of 3"), ("3/4", "is one of 4 shards"), ("4/3", "is no K/N")):
        with pytest.raises(MergeError, match=said):
            merge([*parts, shard(name="x", extra={"shard": other})])
    complete = merge([*parts, shard(name="3", extra={"shard": "3/3"})])
    assert (complete.document["run"]["exit"], complete.document["run"]["complete"]) == (0, True)


def test_a_subject_that_nobody_judged_is_named() -> None:
    (*_, warning) = merge([shard(result("ptr.exists", address(1)))]).warnings
    assert warning == "nothing was judged of 1 address, first mx2.example.net/198.51.100.25: are all shards named?"


def test_without_facts_there_is_no_evidence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = shard(result("ptr.exists", address(1), evidence=["dns:1", "smtp:mx1.example.net:25"]))
    merged = merge([one])
    assert merged.document["results"][0]["evidence"] == []
    assert "a has no facts.json beside it: what it found is told without evidence" in merged.warnings


def test_answers_that_differ_are_told(whole: fleet.Ran) -> None:
    from conformance.facts.answer import Status
    from conformance.facts.joined import joined

    store = load(str(whole.folder / "facts.json")).store()
    dark = {key: one for key, one in store.answers.items() if one.status is Status.UNDETERMINED}
    key = next(iter(dark))
    seen = msgspec.structs.replace(dark[key], status=Status.ABSENT, rcode="NXDOMAIN")
    both, differing = joined([store, Store({key: seen})])
    assert both.answers[key] == seen
    assert differing == [seen.question]
    later = msgspec.structs.replace(seen, ttl=1, ms=9.0, server="192.0.2.54")
    assert joined([Store({key: seen}), Store({key: later})]) == (Store({key: seen}), [])


def test_merge_refuses_what_it_cannot_read(tmp_path: Path) -> None:
    done = mailconform("merge", tmp_path / "none", "--report-dir", tmp_path / "told")
    assert (done.exit_code, "cannot be read" in done.stderr) == (4, True)
    (tmp_path / "results.json").write_text(json.dumps(shard(result("ptr.exists", address(1))).document))
    (tmp_path / "facts.json").write_text("{}")
    done = mailconform("merge", tmp_path, "--report-dir", tmp_path / "told")
    assert (done.exit_code, "is no facts.json" in done.stderr) == (4, True)
    done = mailconform("merge", tmp_path, "--report-dir", tmp_path / "told", "--format=pdf")
    assert (done.exit_code, "no format 'pdf'" in done.stderr) == (4, True)
    assert not (tmp_path / "told").exists()
    assert mailconform("merge", "--report-dir", tmp_path).exit_code == 4


def test_a_page_that_cannot_be_made_is_an_internal_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> str:
        raise ZeroDivisionError("no page today")

    monkeypatch.setattr(page, "render", broken)
    (tmp_path / "results.json").write_text(json.dumps(shard(result("ptr.exists", address(1))).document))
    done = mailconform("merge", tmp_path, "--report-dir", tmp_path / "told")
    assert done.exit_code == 3
    assert "no page today" in done.stderr
    assert read(tmp_path / "told")["run"]["exit"] == 3
    assert 'message="exit 3: ' in (tmp_path / "told" / "junit.xml").read_text()
