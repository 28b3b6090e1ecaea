"""Runs over DNS that is proposed: what they judge, how they say so, and what they refuse."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from conformance import home
from conformance.facts.answer import Answer, Status
from conformance.facts.health import failing
from conformance.facts.store import Store
from conformance.fleet.model import Fleet
from conformance.lab.world import World
from conformance.report import runs
from conformance.report.formats import render
from conformance.report.history import FILE, History
from conformance.report.results import parts
from tests.plugin import fleet
from tests.report.sample_results import result, results

pytest_plugins = ("pytester",)

Inside = Callable[..., fleet.Ran]
RULES = ("--rules=ptr.exists", "--rules=spf.exists", "--rules=spf.passes")
REVERSE = """$ORIGIN 113.0.203.in-addr.arpa.
$TTL 300
@ SOA ns.example.com. hostmaster.example.com. 1 3600 600 86400 60
@ NS ns.example.com.
$GENERATE 1-3 $ PTR mx$.example.com.
"""


@pytest.fixture
def reverse(tmp_path: Path) -> Path:
    path = tmp_path / "113.0.203.in-addr.arpa.zone"
    path.write_text(REVERSE)
    return path


def test_a_change_is_judged_before_it_is_live(inside: Inside, inventories: Path, reverse: Path, tmp_path: Path) -> None:
    live = inside(inventories / "broken.yml", "--rules=ptr.exists")
    assert live.outcomes["ptr.exists mx2.example.com/203.0.113.2"] == "fail"
    assert live.document["run"]["dns"] == "live"
    assert "overlays" not in live.document["run"]
    options = ("--rules=ptr.exists", f"--overlay={reverse}", f"--report-dir={tmp_path / 'told'}")
    proposed = inside(inventories / "broken.yml", *options, folder=str(tmp_path / "told"))
    assert set(proposed.outcomes.values()) == {"pass"}
    assert proposed.status == 0
    assert proposed.document["run"]["dns"] == "proposed"
    assert proposed.document["run"]["overlays"] == [str(reverse)]
    facts = json.loads((proposed.folder / "facts.json").read_text())
    layers = {answer["name"]: answer.get("layer", "live") for answer in facts["answers"]}
    assert layers["2.113.0.203.in-addr.arpa"] == f"overlay:{reverse}:5"


def test_spf_is_evaluated_over_what_is_proposed(inside: Inside, inventories: Path, tmp_path: Path) -> None:
    patch = tmp_path / "example.com.patch"
    patch.write_text('@ 300 TXT "v=spf1 include:_spf -all"\n_spf 300 TXT "v=spf1 ip4:203.0.113.99 -all"\n')
    ran = inside(inventories / "good.yml", "--rules=spf.*", f"--overlay={patch},mode=patch")
    failed = {one["check"]: one["seen"] for one in ran.results if one["outcome"] == "fail" and one["domain"]}
    assert ran.status == 1
    assert any("_spf" in seen or "-all" in seen for seen in failed.values()), failed


def test_every_output_says_that_it_is_not_live(inside: Inside, inventories: Path, reverse: Path) -> None:
    ran = inside(inventories / "good.yml", "--rules=ptr.exists", f"--overlay={reverse}")
    assert "PROPOSED" in ran.out
    for name in ("junit", "sarif", "github", "summary", "markdown", "csv", "text"):
        assert "PROPOSED" in render(name, ran.document), name
    assert 'dns="proposed"' in render("prometheus", ran.document)


def test_a_replay_of_what_was_proposed_says_so(inside: Inside, inventories: Path, reverse: Path) -> None:
    ran = inside(inventories / "good.yml", "--rules=ptr.exists", f"--overlay={reverse}")
    again = inside(
        inventories / "good.yml",
        "--rules=ptr.exists",
        f"--replay={ran.folder / 'facts.json'}",
        "--report-dir=again",
        folder="again",
    )
    assert (again.document["run"]["dns"], again.document["run"]["replay"] is not None) == ("proposed", True)
    assert again.document["run"]["overlays"] == [str(reverse)]


def test_a_malformed_file_ends_the_run_before_it_begins(inside: Inside, inventories: Path, tmp_path: Path) -> None:
    (tmp_path / "a.zone").write_text("$TTL x\na A 1.2.3\n")
    ran = inside(inventories / "good.yml", f"--overlay={tmp_path}/a.zone", f"--overlay={tmp_path}/gone.zone")
    assert ran.status == 4
    lines = [line for line in ran.err.splitlines() if str(tmp_path) in line]
    assert [line.removeprefix(str(tmp_path)).split(": ")[0] for line in lines] == [
        "/a.zone:1",
        "/a.zone:2",
        "/gone.zone",
    ]


def test_a_replay_has_no_overlay(inside: Inside, inventories: Path, reverse: Path) -> None:
    ran = inside(inventories / "good.yml", f"--overlay={reverse}", "--replay=facts.json")
    assert ran.status == 4
    assert "a replay asks no DNS" in ran.err


def test_workers_judge_the_same(world: World, inventories: Path, reverse: Path, tmp_path: Path) -> None:
    arguments = (f"--inventory={inventories / 'broken.yml'}", "--rules=ptr.exists", f"--overlay={reverse}")
    ran = fleet.run(*fleet.COMMAND, "run", *arguments, "--", "-n", "2", cwd=tmp_path, environ=fleet.environment(world))
    assert (ran.status, ran.document["run"]["dns"]) == (0, "proposed")


def test_a_plan_is_judged_before_it_is_applied(inside: Inside, inventories: Path, tmp_path: Path) -> None:
    (tmp_path / "example.com.yaml").write_text(
        "'': {type: TXT, value: v=spf1 -all}\nmx1: {type: A, value: 203.0.113.1}\n"
    )
    ran = inside(inventories / "good.yml", "--rules=spf.*", f"--overlay-plan={tmp_path}/example.com.yaml")
    assert ran.status == 1
    assert ran.document["run"]["overlays"] == [f"plan:{tmp_path}/example.com.yaml"]


def test_a_malformed_plan_ends_the_run_before_it_begins(inside: Inside, inventories: Path, tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text("{}")
    ran = inside(inventories / "good.yml", f"--overlay-plan={tmp_path}/plan.json")
    assert ran.status == 4
    assert "is neither the plan of" in ran.err


def test_nothing_proposed_and_live_is_taken_from_one_run_into_another(
    inside: Inside, inventories: Path, reverse: Path, tmp_path: Path
) -> None:
    ran = inside(inventories / "good.yml", "--rules=ptr.exists", f"--overlay={reverse}", "--resume")
    assert "a run of proposed DNS goes on with nothing that was gathered before" in ran.document["run"]["notes"]
    fleet_of = Fleet(mtas=())
    for dns, found in (("live", True), ("proposed", False)):
        top = tmp_path / dns
        run = runs.make(top, runs.name_of("hosts.yml", datetime.datetime.now(datetime.UTC)))
        document = results(result("ptr.exists", "x"), hosts=(), dns=dns, complete=False, exit=2)
        (run / "results.json").write_text("".join(parts(document)))
        (run / "facts.json").write_text("{}")
        assert (home.interrupted(top, fleet_of, tmp_path) is not None) is found


def test_what_is_proposed_does_not_stand_for_the_last_night(
    inside: Inside, inventories: Path, reverse: Path, pytester: pytest.Pytester
) -> None:
    broken, latest = inventories / "broken.yml", pytester.path / "reports" / "latest"
    proposed = ("--rules=ptr.exists", f"--overlay={reverse}")
    inside(broken, *proposed)
    assert inside(broken, *proposed).document["run"]["dns"] == "proposed", "the last one, where there is no other yet"
    gate = ("--rules=ptr.exists", "--gate=new", "--against=latest")
    first = inside(broken, *gate)
    assert (first.status, first.document["run"]["dns"]) == (1, "live")
    assert any("there is no run before" in note for note in first.document["run"]["notes"])
    night = latest.resolve()
    inside(broken, *proposed)
    with History(latest.parent / FILE) as history:
        known = history.runs()
    inside(broken, "--rules=ptr.exists", f"--replay={night / 'facts.json'}")
    assert latest.resolve() == night
    with History(latest.parent / FILE) as history:
        assert history.runs() == known, "facts that are judged again tell of no other night"
    assert len(runs.all_runs(latest.parent)) == 5
    assert inside(broken, *gate).status == 0, "the next night knows what the last one knew"


def test_what_a_proposal_leaves_open_is_no_fault_of_the_resolver() -> None:
    store = Store()
    for number in range(100):
        layer = "overlay:a.zone:1" if number else "live"
        store.add(Answer(f"a{number}.example", "A", Status.UNDETERMINED, "UNSEEN", layer=layer))
    assert failing(store) == ""
