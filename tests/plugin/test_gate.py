"""``--gate new``: runs that fail on what was not known to be broken."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from conformance.cli import main
from conformance.fleet.model import Fleet
from conformance.gate import update
from conformance.lab.world import World
from conformance.options import settle
from conformance.policy import Policy
from conformance.report.base import Base
from conformance.report.results import parts
from tests.plugin import fleet
from tests.report.sample_results import result, results

pytest_plugins = ("pytester",)

Inside = Callable[..., fleet.Ran]

RULES = ("--rules=ptr.exists", "--rules=helo.not-localhost", "--level=should", "-p", "no:cacheprovider")
PTR = "ptr.exists mx2.example.com/203.0.113.2"
HELO = "helo.not-localhost mx1.example.com/203.0.113.1"


@pytest.fixture(autouse=True)
def day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILCONFORM_NOW", "2026-11-24")


@pytest.fixture
def hosts(world: World, tmp_path: Path) -> Path:
    """Mx2 has no PTR record."""
    return fleet.inventory(tmp_path / "hosts.yml", fleet.numbered(1, 2, world=world))


@pytest.fixture
def worse(hosts: Path, world: World) -> Callable[[], Path]:
    """Return a function after which mx1 greets as localhost besides."""

    def change() -> Path:
        two = fleet.numbered(2, world=world)
        return fleet.inventory(hosts, fleet.numbered(1, world=world, helo="localhost") | two)

    return change


def known(path: str) -> list[str]:
    return [f"{one['check']} {one['subject']}" for one in json.loads(Path(path).read_text())["known"]]


def test_a_baseline_begins_with_all_that_is_broken_and_counts_what_is_new(
    inside: Inside, hosts: Path, tmp_path: Path, worse: Callable[[], Path]
) -> None:
    path = str(tmp_path / "baseline.json")
    gate = [*RULES, "--gate=new", f"--baseline={path}"]
    none = inside(hosts, *gate)
    assert (none.status, f"{path}: there is no baseline yet: --update-baseline makes it" in none.err) == (4, True)
    first = inside(hosts, *gate, "--update-baseline")
    assert (first.status, first.outcomes[PTR]) == (0, "known")
    assert known(path) == [PTR]
    assert any("1 entered it" in note for note in first.document["run"]["notes"])
    again = inside(hosts, *gate)
    assert (again.status, again.outcomes[PTR]) == (0, "known")
    assert "exit 0: nothing that gates is newly broken; 1 known before (--gate new)" in again.out
    (letters,) = re.findall(r"^test_ptr\.py (\S+)", again.out, re.MULTILINE)
    assert sorted(letters) == sorted(".k")
    ran = inside(worse(), *gate, "--update-baseline")
    assert (ran.status, ran.outcomes[PTR], ran.outcomes[HELO]) == (1, "known", "fail")
    assert ran.document["run"]["base"] | {"made": ""} == {
        "kind": "baseline", "file": path, "made": "", "entries": 1, "new": 1, "known": 1, "unseen": 0, "fixed": [],
    }  # fmt: skip
    # Only what is accepted enters it.
    assert known(path) == [PTR]
    accepted = inside(hosts, *gate, "--update-baseline", "--accept-new")
    assert (accepted.status, known(path)) == (0, [HELO, PTR])
    assert inside(hosts, *gate).status == 0


def test_what_is_fixed_leaves_and_counts_when_it_comes_back(
    inside: Inside, hosts: Path, tmp_path: Path, worse: Callable[[], Path], world: World
) -> None:
    path = str(tmp_path / "baseline.json")
    gate = [*RULES, "--gate=new", f"--baseline={path}"]
    inside(worse(), *gate, "--update-baseline")
    assert known(path) == [HELO, PTR]
    fleet.inventory(hosts, fleet.numbered(1, 2, world=world))
    fixed = inside(hosts, *gate)
    assert fixed.status == 0
    assert [one["check"] for one in fixed.document["run"]["base"]["fixed"]] == ["helo.not-localhost"]
    assert "What is fixed leaves the baseline with --update-baseline" in fixed.out
    assert inside(worse(), *gate).status == 0
    fleet.inventory(hosts, fleet.numbered(1, 2, world=world))
    inside(hosts, *gate, "--update-baseline")
    assert known(path) == [PTR]
    back = inside(worse(), *gate)
    assert (back.status, back.outcomes[HELO]) == (1, "fail")


def test_what_was_not_looked_at_stays_and_what_is_gone_leaves(
    inside: Inside, hosts: Path, tmp_path: Path, worse: Callable[[], Path], world: World
) -> None:
    path = str(tmp_path / "baseline.json")
    gate = [*RULES, "--gate=new", f"--baseline={path}", "--update-baseline"]
    inside(worse(), *gate)
    fleet.inventory(hosts, fleet.numbered(1, 2, world=world))
    # helo.not-localhost is kept now, and nobody looked.
    assert inside(hosts, *gate, "-k", "ptr_exists").status == 0
    assert inside(hosts, *gate, "--limit=mx2*").status == 0
    assert known(path) == [HELO, PTR]
    fleet.inventory(hosts, fleet.numbered(1, world=world))
    assert inside(hosts, *gate, "-k", "ptr_exists").status == 0
    assert known(path) == [HELO]


def test_a_run_that_was_cut_short_changes_no_baseline(
    inside: Inside, hosts: Path, tmp_path: Path, worse: Callable[[], Path]
) -> None:
    path = tmp_path / "baseline.json"
    gate = [*RULES, "--gate=all", f"--baseline={path}", "--update-baseline"]
    ran = inside(worse(), *gate, "-x", "--maxfail=1")
    assert ran.document["run"]["complete"] is False
    assert any("stays as it was" in note for note in ran.document["run"]["notes"])
    assert not path.exists()


def test_a_baseline_in_which_nothing_changes_is_not_written_again(
    inside: Inside, hosts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "baseline.json"
    options = [*RULES, f"--baseline={path}", "--update-baseline"]
    inside(hosts, *options)
    written = path.read_text()
    monkeypatch.setenv("MAILCONFORM_NOW", "2026-11-25")
    ran = inside(hosts, *options)
    assert f"the baseline {path} stays as it was: 1 known" in ran.document["run"]["notes"]
    assert path.read_text() == written


def test_a_run_whose_resolver_failed_changes_no_baseline(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    given: dict[str, Any] = {"mailconform_baseline": str(path), "mailconform_update_baseline": True}
    chosen = settle(given.get, {}.get, {})
    policy = Policy(base=Base("baseline", str(path), "2026-11-24", accepts=True))
    for why, written in (("::1 left 60 of 60 questions without an answer", False), ("", True)):
        document = results(result("ptr.exists", "mx2/203.0.113.2", "fail", known_since="2026-11-24"), inconclusive=why)
        said = update(policy, chosen, document, Fleet(mtas=()))
        assert path.exists() is written, said
        assert ("stays as it was" in said) is not written


def test_a_base_marks_what_is_known_where_everything_gates(
    inside: Inside, hosts: Path, tmp_path: Path, worse: Callable[[], Path]
) -> None:
    path = str(tmp_path / "baseline.json")
    inside(hosts, *RULES, f"--baseline={path}", "--update-baseline")
    ran = inside(worse(), *RULES, f"--baseline={path}")
    assert ran.status == 1
    assert {one["check"]: one.get("known_since", "") for one in ran.results if one["outcome"] == "fail"} == {
        "ptr.exists": "2026-11-24",
        "helo.not-localhost": "",
    }
    assert "1 new, 1 known, 0 fixed" in ran.out


def test_against_the_last_run(inside: Inside, hosts: Path, worse: Callable[[], Path]) -> None:
    gate = [*RULES, "--gate=new", "--against=latest"]
    first = inside(hosts, *gate)
    assert first.status == 1
    assert any("there is no run before" in note for note in first.document["run"]["notes"])
    second = inside(hosts, *gate)
    assert (second.status, second.outcomes[PTR]) == (0, "known")
    third = inside(worse(), *gate)
    assert (third.status, third.outcomes[PTR], third.outcomes[HELO]) == (1, "known", "fail")
    started = first.document["run"]["started"][:10]
    assert next(one for one in third.results if one["outcome"] == "known")["known_since"] == started


def test_a_night_that_told_nothing_is_not_what_the_next_is_held_against(inside: Inside, hosts: Path) -> None:
    gate = [*RULES, "--gate=new", "--against=latest"]
    night = inside(hosts, *RULES).folder.resolve()
    dark = inside(hosts, *RULES).folder.resolve()
    document = json.loads((dark / "results.json").read_text())
    document["run"]["inconclusive"] = "192.0.2.53 left 60 of 60 questions without an answer"
    document["results"] = [one | {"outcome": "undetermined", "cause": "no answer"} for one in document["results"]]
    document["counts"] = dict.fromkeys(document["counts"], 0) | {"undetermined": len(document["results"])}
    (dark / "results.json").write_text("".join(parts(document)))
    ran = inside(hosts, *gate)
    assert (ran.status, ran.outcomes[PTR]) == (0, "known")
    assert ran.document["run"]["base"]["file"] == f"reports/{night.name}"
    said = f"reports/latest tells nothing of what is live: what is known is that of reports/{night.name}"
    assert said in ran.document["run"]["notes"]


def test_against_a_file(inside: Inside, hosts: Path, tmp_path: Path, worse: Callable[[], Path]) -> None:
    before = tmp_path / "main"
    assert inside(hosts, *RULES, f"--report-dir={before}", folder=str(before)).status == 1
    for path in (before, before / "results.json"):
        ran = inside(worse(), *RULES, "--gate=new", f"--against={path}")
        assert (ran.status, ran.outcomes[PTR], ran.outcomes[HELO]) == (1, "known", "fail")


def test_an_expired_waiver_counts_whatever_the_base_knows(
    inside: Inside, hosts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {"id": "W-1", "rules": ["ptr.exists"], "hosts": "mx2*", "reason": "moved", "owner": "ops"}
    path = tmp_path / "waivers.yml"
    path.write_text(json.dumps({"waivers": [row | {"issued": "2026-11-01", "expires": "2026-11-24"}]}))
    baseline = f"--baseline={tmp_path / 'baseline.json'}"
    inside(hosts, *RULES, baseline, "--update-baseline")
    assert inside(hosts, *RULES, "--gate=new", baseline, f"--waivers={path}").outcomes[PTR] == "waived"
    monkeypatch.setenv("MAILCONFORM_NOW", "2026-11-25")
    for known_from in (baseline, "--against=latest"):
        ran = inside(hosts, *RULES, "--gate=new", known_from, f"--waivers={path}")
        assert (ran.status, ran.outcomes[PTR]) == (1, "fail")
        assert "waiver W-1 expired with 2026-11-24: moved (ops)" in ran.out


def test_bases_of_something_else_are_refused(inside: Inside, hosts: Path, tmp_path: Path, world: World) -> None:
    path = str(tmp_path / "baseline.json")
    inside(hosts, *RULES, f"--baseline={path}", "--update-baseline")
    other = fleet.inventory(tmp_path / "staging.yml", fleet.numbered(1, world=world))
    for options, inventory, said in (
        ([f"--baseline={path}"], other, "is of another inventory"),
        ([f"--baseline={path}", "--profile=zendesk"], hosts, "is of another profile: common; this run judges zendesk"),
        ([f"--baseline={path}", "--level=must"], hosts, "is of another level: should; this run judges must"),
        ([f"--against={path}"], hosts, "is no results.json of mailconform"),
        (["--against=none.json"], hosts, "cannot be read"),
    ):
        ran = inside(inventory, *RULES, "--gate=new", *options)
        assert (ran.status, said in ran.err) == (4, True), ran.said
    results = inside(hosts, *RULES).folder / "results.json"
    assert "name them with --against" in inside(hosts, *RULES, f"--baseline={results}").err
    assert "is of another inventory" in inside(other, *RULES, f"--against={results}").err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--gate=new"], "--gate: what is known? name it: --baseline FILE, --against latest or --against RESULTS"),
        (["--gate=new", "--baseline=x", "--against=latest"], "there is a baseline already"),
        (["--update-baseline"], "--update-baseline: which one? name it: --baseline FILE"),
        (["--accept-new"], "--accept-new: goes with --update-baseline"),
        (["--update-baseline", "--baseline=/"], "--baseline: / cannot be written: it is a folder"),
        (["--update-baseline", "--baseline=x", "--overlay=y"], "--update-baseline: a proposed change is not known"),
    ],
)
def test_what_does_not_go_together(inside: Inside, hosts: Path, options: list[str], said: str) -> None:
    ran = inside(hosts, *RULES, *options)
    assert (ran.status, said in ran.err) == (4, True), ran.said


def test_workers_of_xdist_know_the_base(hosts: Path, tmp_path: Path, world: World) -> None:
    options = ["run", f"--inventory={hosts}", *RULES[:3], "--gate=new", "--baseline=b.json", "--report-dir=told"]
    for more in (["--update-baseline"], []):
        ran = fleet.run(*fleet.COMMAND, *options, *more, "--", "-p", "no:cacheprovider", "-n", "2", cwd=tmp_path,
                        environ=fleet.environment(world, MAILCONFORM_NOW="2026-11-24"), folder="told")  # fmt: skip
        assert (ran.status, ran.outcomes[PTR]) == (0, "known"), ran.said
    assert known(str(tmp_path / "b.json")) == [PTR]


def test_shards_are_held_against_one_base(
    inside: Inside, hosts: Path, tmp_path: Path, worse: Callable[[], Path]
) -> None:
    path = str(tmp_path / "baseline.json")
    inside(hosts, *RULES, f"--baseline={path}", "--update-baseline")
    worse()
    for name in ("mx1", "mx2"):
        gate = [*RULES, "--gate=new", f"--baseline={path}", f"--report-dir={tmp_path / name}", "-k", name]
        inside(hosts, *gate, folder=str(tmp_path / name))
    done = merge(tmp_path, "mx1", "mx2")
    assert done.exit_code == 1, done.output
    document = json.loads((tmp_path / "told" / "results.json").read_text("utf-8"))
    told = document["run"]["base"]
    assert (told["new"], told["known"], told["entries"]) == (1, 1, 1)
    assert document["counts"]["known"] == document["counts"]["fail"] == 1
    inside(hosts, *RULES, "--gate=new", "--against=latest", f"--report-dir={tmp_path / 'mx2'}", "-k", "mx2")
    done = merge(tmp_path, "mx1", "mx2")
    assert (done.exit_code, "differ in what was known before" in done.output) == (4, True)


def merge(folder: Path, *names: str) -> Any:
    return CliRunner().invoke(
        main, ["merge", *(str(folder / name) for name in names), f"--report-dir={folder / 'told'}"]
    )
