"""Runs under waivers: what they excuse and what not, what they end with, and what is said of them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from conformance.cli import main
from conformance.lab.world import World
from tests.plugin import fleet

pytest_plugins = ("pytester",)

Inside = Callable[..., fleet.Ran]

QUIET = ("-p", "no:cacheprovider")
ONE, TWO, THREE = (f"mx{number}.example.com/203.0.113.{number}" for number in (1, 2, 3))
TODAY = "2026-11-24"


@pytest.fixture(autouse=True)
def day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILCONFORM_NOW", TODAY)


@pytest.fixture
def hosts(world: World, tmp_path: Path) -> Path:
    """Mx1 conforms, mx2 has no PTR record, nothing can be said of mx3."""
    return fleet.inventory(tmp_path / "hosts.yml", fleet.numbered(1, 2, 3, world=world))


def waivers(folder: Path, *rows: dict[str, Any]) -> str:
    """Write a file of waivers, which is JSON and so YAML, one on each line from the second on."""
    shown = {"rules": ["ptr.exists"], "reason": "the provider moves it", "owner": "mail-ops", "ticket": "OPS-4711"}
    dates = {"issued": "2026-11-01", "expires": "2026-12-24"}
    lines = ",\n".join(json.dumps({"id": f"W-{number}"} | shown | dates | row) for number, row in enumerate(rows, 1))
    path = folder / "waivers.yml"
    path.write_text(f'{{"waivers": [\n{lines}\n]}}\n')
    return str(path)


def test_each_outcome_under_a_waiver(inside: Inside, hosts: Path, tmp_path: Path) -> None:
    path = waivers(tmp_path, {"hosts": "all"})
    ran = inside(hosts, "--rules=ptr.exists", f"--waivers={path}", *QUIET)
    assert ran.outcomes == {
        f"ptr.exists {ONE}": "pass",
        f"ptr.exists {TWO}": "waived",
        f"ptr.exists {THREE}": "undetermined",
    }
    assert ran.status == 6
    (letters,) = re.findall(r"^test_ptr\.py (\S+)", ran.out, re.MULTILINE)
    assert sorted(letters) == sorted("sw?")
    assert "1 passed though waived" in ran.out and "stale" not in ran.out.splitlines()[-1]
    (waived,) = [one for one in ran.results if one["outcome"] == "waived"]
    assert waived["seen"]
    assert waived["fix"]
    assert waived["waiver"] == {
        "id": "W-1",
        "state": "holds",
        "reason": "the provider moves it",
        "owner": "mail-ops",
        "ticket": "OPS-4711",
        "issued": "2026-11-01",
        "expires": "2026-12-24",
        "declared_at": f"{path}:2",
    }
    (entry,) = ran.document["waivers"]
    assert entry["outcomes"] == {"pass": 1, "undetermined": 1, "waived": 1}
    assert (entry["covers"], entry["stale"], entry["state"]) == (3, False, "holds")
    (case,) = [case for (_, name), case in ran.cases.items() if name == f"ptr.exists [{TWO}]"]
    (skipped,) = case.findall("skipped")
    assert "the provider moves it (until 2026-12-24, mail-ops, OPS-4711)" in (skipped.get("message") or "")


def test_what_is_waived_does_not_count(inside: Inside, hosts: Path, tmp_path: Path) -> None:
    options = ["--rules=ptr.exists", "--limit=!mx3*", *QUIET]
    assert inside(hosts, *options).status == 1
    ran = inside(hosts, *options, f"--waivers={waivers(tmp_path, {'hosts': 'mx2*'})}")
    assert (ran.status, ran.document["counts"]["waived"]) == (0, 1)
    assert "exit 0: every check that gates conforms" in ran.out


def test_a_waiver_that_expired_last_night(hosts: Path, tmp_path: Path, world: World) -> None:
    """The night after: the run fails, and says the waiver's text, owner and ticket."""
    waivers(tmp_path, {"hosts": "mx2*", "expires": "2026-11-23"})
    options = ["run", "--inventory=hosts.yml", "--waivers=waivers.yml", "--rules=ptr.exists", "--limit=!mx3*", "-q"]
    nights = {
        day: fleet.run(
            *fleet.COMMAND, *options, "--", *QUIET, cwd=tmp_path, environ=fleet.environment(world, MAILCONFORM_NOW=day)
        )
        for day in ("2026-11-23", "2026-11-24")
    }
    assert nights["2026-11-23"].status == 0, nights["2026-11-23"].said
    night = nights["2026-11-24"]
    assert night.status == 1
    text = "waiver W-1 expired with 2026-11-23: the provider moves it (mail-ops, OPS-4711)"
    assert text in night.out
    assert ran_of(tmp_path, TWO)["outcome"] == "fail"
    for name in ("report.html", "junit.xml"):
        assert text in (latest(tmp_path) / name).read_text("utf-8")


def latest(folder: Path) -> Path:
    return folder / "reports" / "latest"


def ran_of(folder: Path, subject: str) -> dict[str, Any]:
    document = json.loads((latest(folder) / "results.json").read_text("utf-8"))
    found: dict[str, Any] = next(one for one in document["results"] if one["subject"] == subject)
    return found


def test_a_waiver_is_for_what_was_seen_when_it_was_written(inside: Inside, hosts: Path, tmp_path: Path) -> None:
    options = ["--rules=ptr.exists", "--limit=mx2*", *QUIET]
    seen = inside(hosts, *options).results[0]["seen"]
    for observed, status in ((seen, 0), ("NXDOMAIN", 0), ("NXDOMAI", 1), ("NOERROR", 1)):
        ran = inside(hosts, *options, f"--waivers={waivers(tmp_path, {'hosts': 'mx2*', 'observed': observed})}")
        assert ran.status == status, observed
    assert "waiver W-1 does not hold for this, only for observed 'NOERROR': the provider moves it" in ran.out


def test_stale_waivers_gate_when_asked(inside: Inside, hosts: Path, tmp_path: Path) -> None:
    path = waivers(tmp_path, {"hosts": "mx1*"}, {"hosts": "mx2*"}, {"hosts": "mx1*,mx2*"}, {"hosts": "mx1*,mx3*"})
    options = ["--rules=ptr.exists", f"--waivers={path}", *QUIET]
    ran = inside(hosts, *options)
    assert ran.status == 6
    assert [one["id"] for one in ran.document["waivers"] if one["stale"]] == ["W-1"]
    assert (
        "Waiver W-1 is stale, nothing that it is for is broken: the provider moves it (mail-ops, OPS-4711)" in ran.out
    )
    strict = inside(hosts, *options, "--strict-waivers")
    assert strict.status == 1
    assert "exit 1: 1 waiver stale (--strict-waivers)" in strict.out
    assert inside(hosts, *options, "--strict-waivers", "--gate=none").status == 0
    # What was not looked at might need it.
    unreached = inside(hosts, *options, "--strict-waivers", "-k", "mx2")
    assert unreached.status == 0
    assert not [one for one in unreached.document["waivers"] if one["stale"]]
    assert inside(hosts, *options, "--strict-waivers", "--limit=mx1*").status == 0


def test_waivers_that_end_soon_are_listed(inside: Inside, hosts: Path, tmp_path: Path) -> None:
    rows = [{"hosts": "mx2*", "expires": "2026-12-08"}, {"hosts": "mx2*", "expires": "2026-12-09"}]
    ran = inside(hosts, "--rules=ptr.exists", f"--waivers={waivers(tmp_path, *rows)}", *QUIET)
    assert "2 waivers: 1 ending soon." in ran.out
    assert re.findall(r"Waiver (\S+) ends with", ran.out) == ["W-1"]


def test_waivers_reach_the_workers_of_xdist(hosts: Path, tmp_path: Path, world: World) -> None:
    path = waivers(tmp_path, {"hosts": "mx2*"})
    options = [
        "run",
        f"--inventory={hosts}",
        f"--waivers={path}",
        "--rules=ptr.exists",
        "--limit=!mx3*",
        "--report-dir=told",
    ]
    ran = fleet.run(*fleet.COMMAND, *options, "--", *QUIET, "-n", "2", cwd=tmp_path,
                    environ=fleet.environment(world, MAILCONFORM_NOW=TODAY), folder="told")  # fmt: skip
    assert ran.status == 0, ran.said
    assert ran.outcomes[f"ptr.exists {TWO}"] == "waived"
    assert ran.document["waivers"][0]["outcomes"] == {"waived": 1}


WRONG = [
    ({"hosts": "mx2*", "rules": ["ptr.exist"]}, "2: there is no rule 'ptr.exist'; did you mean"),
    ({"hosts": "mx2*", "rules": ["tls.in-587"]}, "2: tls.in-587 cannot be waived"),
    ({"hosts": "mx9*"}, "2: hosts: the pattern 'mx9*' matches no host of the inventory"),
    ({"hosts": "mx2*", "expires": "2027-12-24"}, "2: expires 418 days after its issue: max_days allows 180"),
    ({"hosts": "mx2*", "owner": ""}, "2: owner is empty"),
    ({"hosts": "mx2*", "whence": "x"}, "2: unknown key 'whence'"),
    ({"hosts": "mx2*", "rules": ["ptr.*"]}, "2: 'ptr.*' is a glob"),
    ({}, "2: says not whom it is for"),
]


@pytest.mark.parametrize(("row", "text"), WRONG, ids=[text[:30] for _, text in WRONG])
def test_a_wrong_waiver_ends_the_run_before_it_begins(
    inside: Inside, hosts: Path, tmp_path: Path, row: dict[str, Any], text: str
) -> None:
    path = waivers(tmp_path, row)
    ran = inside(hosts, f"--waivers={path}", *QUIET)
    assert ran.status == 4
    assert f"{path}:{text}" in ran.err
    assert "test session starts" not in ran.out
    assert not ran.folder.exists()


def test_all_that_is_wrong_is_said_at_once(inside: Inside, tmp_path: Path, hosts: Path) -> None:
    path = waivers(tmp_path, *(row for row, _ in WRONG))
    ran = inside(hosts, f"--waivers={path}", "--waivers=none.yml", *QUIET)
    for number, (_, text) in enumerate(WRONG, 2):
        by_itself = "matches no host" not in text
        assert (f"{path}:{number}: {text.partition(': ')[2]}" in ran.err) == by_itself
    assert "none.yml: cannot be read: No such file or directory" in ran.err
    bad = fleet.inventory(tmp_path / "bad.yml", fleet.numbered(1, helo=""))
    both = inside(bad, f"--waivers={path}", *QUIET)
    assert (both.status, f"{path}:2: there is no rule" in both.err) == (4, True)
    assert "bad.yml:" not in both.err
    nothing = fleet.inventory(tmp_path / "nothing.yml", fleet.numbered(1, enabled=False))
    assert inside(nothing, *QUIET).status == 5
    empty = inside(nothing, f"--waivers={path}", *QUIET)
    assert (empty.status, f"{path}:2: there is no rule" in empty.err) == (4, True)


def test_the_day_is_in_the_notes_when_a_test_says_it(
    inside: Inside, hosts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = inside(hosts, "--rules=ptr.single", *QUIET)
    assert any("2026-11-24" in note for note in ran.document["run"]["notes"])
    monkeypatch.setenv("MAILCONFORM_NOW", "yesterday")
    wrong = inside(hosts, "--rules=ptr.single", *QUIET)
    assert (wrong.status, wrong.err.strip()) == (4, "MAILCONFORM_NOW: 'yesterday' is no day")


def test_a_waiver_in_the_ini_file(inside: Inside, hosts: Path, tmp_path: Path, pytester: pytest.Pytester) -> None:
    pytester.makeini(f"[pytest]\nmailconform_waivers = {waivers(tmp_path, {'hosts': 'mx2*'})}\n")
    assert inside(hosts, "--rules=ptr.exists", *QUIET).outcomes[f"ptr.exists {TWO}"] == "waived"


def test_shards_know_together_which_waivers_are_stale(
    inside: Inside, hosts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = waivers(tmp_path, {"hosts": "mx1*"}, {"hosts": "mx1*,mx2*"}, {"addresses": ["203.0.113.1"]})
    parts = []
    for one in ("mx1", "mx2"):
        options = ["--rules=ptr.exists", f"--waivers={path}", "--strict-waivers", f"--report-dir={tmp_path / one}"]
        parts.append(inside(hosts, *options, "-k", one, *QUIET, folder=str(tmp_path / one)))
    assert [part.status for part in parts] == [1, 0]
    done = merge(tmp_path, "mx1", "mx2")
    assert done.exit_code == 1, done.output
    document = json.loads((tmp_path / "told" / "results.json").read_text("utf-8"))
    assert [one["id"] for one in document["waivers"] if one["stale"]] == ["W-1", "W-3"]
    assert document["waivers"][1]["outcomes"] == {"pass": 1, "waived": 1}
    assert document["run"]["exit_text"] == "2 waivers stale (--strict-waivers)"
    waivers(tmp_path, {"hosts": "mx2*"})
    other = inside(hosts, *options, "-k", "mx2", *QUIET, folder=str(tmp_path / "mx2"))
    assert other.status == 0
    done = merge(tmp_path, "mx1", "mx2")
    assert done.exit_code == 4
    assert "differ in their waivers" in done.output


def merge(folder: Path, *names: str) -> Any:
    return CliRunner().invoke(
        main, ["merge", *(str(folder / name) for name in names), f"--report-dir={folder / 'told'}"]
    )


def test_cron_hears_of_a_waiver_that_expired(hosts: Path, tmp_path: Path, world: World) -> None:
    """With --quiet-ok a night without news says nothing: this is news, once."""
    waivers(tmp_path, {"hosts": "mx2*", "expires": "2026-11-23"})
    options = [
        "run",
        "--inventory=hosts.yml",
        "--waivers=waivers.yml",
        "--rules=ptr.exists",
        "--limit=!mx3*",
        "--quiet-ok",
    ]
    said = [
        fleet.run(
            *fleet.COMMAND, *options, "--", *QUIET, cwd=tmp_path, environ=fleet.environment(world, MAILCONFORM_NOW=day)
        )
        for day in ("2026-11-22", "2026-11-23", "2026-11-24", "2026-11-25")
    ]
    assert [one.status for one in said] == [0, 0, 1, 1]
    assert "waiver W-1 expired with 2026-11-23: the provider moves it (mail-ops, OPS-4711)" in said[2].out
    assert said[1].said == said[3].said == ""


def in_yaml(path: Path) -> Path:
    """Write an inventory again, in what has lines to Ansible."""
    path.write_text(yaml.safe_dump(json.loads(path.read_text())))
    return path


INLINE = {"rule": "ptr.exists", "reason": "moved", "owner": "ops", "ticket": "OPS-1", "expires": "2026-12-01"}


def test_a_waiver_in_the_variables_of_a_host(inside: Inside, tmp_path: Path, world: World) -> None:
    hosts = fleet.numbered(1, world=world) | fleet.numbered(2, waive=[INLINE])
    path = in_yaml(fleet.inventory(tmp_path / "hosts.yml", hosts))
    ran = inside(path, "--rules=ptr.exists", *QUIET)
    assert (ran.status, ran.outcomes[f"ptr.exists {TWO}"]) == (0, "waived")
    (entry,) = ran.document["waivers"]
    assert re.fullmatch(rf"{re.escape(str(path))}:\d+", entry["declared_at"])
    assert (entry["covers"], entry["issued"], entry["state"]) == (1, "", "expiring")
    late = fleet.inventory(path, fleet.numbered(2, waive=[INLINE | {"expires": "2026-11-23"}]))
    ran = inside(late, "--rules=ptr.exists", *QUIET)
    assert ran.status == 1
    assert "expired with 2026-11-23: moved (ops, OPS-1)" in ran.out


def test_a_waiver_in_the_variables_of_a_group_is_one(inside: Inside, tmp_path: Path, world: World) -> None:
    path = in_yaml(fleet.inventory(tmp_path / "hosts.yml", fleet.numbered(1, 2, world=world), waive=[INLINE]))
    ran = inside(path, "--rules=ptr.exists", *QUIET)
    (entry,) = ran.document["waivers"]
    assert (entry["covers"], entry["outcomes"]) == (2, {"pass": 1, "waived": 1})
    two = fleet.numbered(1, world=world, waive=[INLINE]) | fleet.numbered(2, waive=[INLINE | {"reason": "another"}])
    unlined = inside(fleet.inventory(path, two), "--rules=ptr.exists", *QUIET)
    assert [(one["id"], one["covers"], one["reason"]) for one in unlined.document["waivers"]] == [
        ("mx1.example.com mailconform_waive[0]", 1, "moved"),
        ("mx2.example.com mailconform_waive[0]", 1, "another"),
    ]


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ({"rule": "ptr.exist"}, "there is no rule 'ptr.exist'"),
        ({"rule": "tls.in-587"}, "tls.in-587 cannot be waived"),
        ({"rule": "spf.exists"}, "hosts: spf.exists judges the domain"),
        ({"expires": "2027-12-01"}, "waives for 372 days: at most 180"),
        ({"expires": "2026-10-01", "issued": "2026-10-02"}, "expires 2026-10-01, before it is issued"),
        ({"owner": ""}, "expected text of 1 to 255 octets"),
        ({"hosts": "mx1"}, "unknown key mailconform_waive[0].hosts"),
    ],
)
def test_a_wrong_waiver_of_a_host_is_refused(inside: Inside, tmp_path: Path, row: dict[str, str], text: str) -> None:
    path = fleet.inventory(tmp_path / "hosts.yml", fleet.numbered(2, waive=[INLINE | row]))
    ran = inside(path, "--rules=ptr.exists", *QUIET)
    assert (ran.status, text in ran.err) == (4, True), ran.said
    done = CliRunner().invoke(main, ["inventory", "validate", f"--inventory={path}"])
    assert (done.exit_code, text in done.stderr) == (4, True), done.output
    assert str(path) in done.stderr


def test_the_command_knows_the_waivers_of_hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    fleet.inventory(tmp_path / "hosts.yml", fleet.numbered(2, waive=[INLINE | {"id": "W-9"}]))
    options = ["--inventory=hosts.yml"]
    assert "W-9  expiring  2026-12-01" in CliRunner().invoke(main, ["waivers", "list", *options]).output
    assert "of mx2.example.com" in CliRunner().invoke(main, ["waivers", "expiring", *options]).output
    assert CliRunner().invoke(main, ["waivers", "lint", *options]).output.startswith("valid: 1 waiver,")
    waivers(tmp_path, {"id": "W-9", "hosts": "mx2*"})
    done = CliRunner().invoke(main, ["waivers", "lint", "waivers.yml", *options])
    assert (done.exit_code, "id W-9 is also that of" in done.stderr) == (4, True)
    shown = CliRunner().invoke(main, ["inventory", "show", "mx2.example.com", *options]).output
    assert "ptr.exists until 2026-12-01: moved" in shown
