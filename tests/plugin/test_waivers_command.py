"""``mailconform waivers``: hold them against rules and inventory, list, add and prune them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from click.testing import CliRunner, Result

from conformance.cli import main
from conformance.reading.waivers import waivers
from tests.plugin import fleet
from tests.report.sample_results import result, results

FILE = """\
# waivers of the fleet
waivers:
  # the provider is slow
  - id: W-1
    rules: [ptr.exists]
    hosts: mx2*
    reason: moved in December
    owner: mail-ops
    ticket: OPS-1
    issued: 2026-11-01
    expires: 2026-11-23

  - {id: W-2, rules: [ptr.single], hosts: all, reason: soon, owner: me, issued: 2026-11-01, expires: 2026-12-01}
  - {id: W-3, rules: [ptr.syntax], hosts: all, reason: later, owner: me, issued: 2026-11-01, expires: 2027-02-01}
"""

Command = Callable[..., Result]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run ``mailconform waivers`` in a folder with a file of waivers and an inventory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAILCONFORM_NOW", "2026-11-24")
    for name in ("MAILCONFORM_INVENTORY", "MAILCONFORM_WAIVERS"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "w.yml").write_text(FILE)
    fleet.inventory(tmp_path / "hosts.yml", fleet.numbered(1, 2))
    return lambda *arguments: CliRunner().invoke(main, ["waivers", *arguments])


def test_lint(command: Command) -> None:
    done = command("lint", "w.yml")
    assert (done.exit_code, done.output) == (0, "valid: 3 waivers, not held against an inventory\n")
    done = command("lint", "w.yml", "--inventory=hosts.yml")
    assert (done.exit_code, done.output) == (0, "valid: 3 waivers, held against the inventory\n")
    done = command("lint", "w.yml", "--inventory=none.yml")
    assert (done.exit_code, "there is no such inventory" in done.stderr) == (4, True)


def test_lint_says_all_that_is_wrong(command: Command) -> None:
    Path("w.yml").write_text(FILE.replace("mx2*", "mx9*").replace("ptr.single", "ptr.singel").replace("later", ""))
    done = command("lint", "w.yml", "none.yml", "--inventory=hosts.yml")
    assert done.exit_code == 4
    assert done.stderr.splitlines() == [
        "none.yml: cannot be read: No such file or directory",
        "w.yml:4: hosts: the pattern 'mx9*' matches no host of the inventory",
        "w.yml:13: there is no rule 'ptr.singel'; did you mean ptr.single or spf.single or dmarc.single?",
        "w.yml:14: reason is empty",
    ]


def test_files_of_the_ini_file(command: Command) -> None:
    done = command("lint")
    assert (done.exit_code, "no waivers: name a FILE" in done.stderr) == (4, True)
    Path("pytest.ini").write_text("[pytest]\nmailconform_waivers = w.yml\nmailconform_inventory = hosts.yml\n")
    assert command("lint").output == "valid: 3 waivers, held against the inventory\n"


def test_list(command: Command) -> None:
    done = command("list", "w.yml")
    assert done.output.splitlines() == [
        "W-1  expired  2026-11-23  w.yml:4",
        "    ptr.exists of mx2*",
        "    moved in December (mail-ops, OPS-1)",
        "W-2  expiring  2026-12-01, 7 days left  w.yml:13",
        "    ptr.single of all",
        "    soon (me)",
        "W-3  holds  2027-02-01, 69 days left  w.yml:14",
        "    ptr.syntax of all",
        "    later (me)",
    ]
    told = json.loads(command("list", "w.yml", "--json").output)
    assert [(one["id"], one["state"]) for one in told] == [("W-1", "expired"), ("W-2", "expiring"), ("W-3", "holds")]
    assert not {"covers", "limited"} & set(told[0]), "what only a run knows"


@pytest.mark.parametrize(
    ("options", "names"), [((), ["W-1", "W-2"]), (("--days=6",), ["W-1"]), (("--days=100",), ["W-1", "W-2", "W-3"])]
)
def test_expiring(command: Command, options: tuple[str, ...], names: list[str]) -> None:
    done = command("expiring", "w.yml", *options)
    assert [line.split()[0] for line in done.output.splitlines() if line.startswith("W-")] == names


def test_nothing_is_said_when_nothing_expires(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILCONFORM_NOW", "2026-11-02")
    done = command("expiring", "w.yml")
    assert (done.exit_code, done.output) == (0, "")


@pytest.mark.parametrize(("day", "when"), [("2026-12-01", "ends today"), ("2026-11-30", "ends tomorrow")])
def test_the_last_days(command: Command, monkeypatch: pytest.MonkeyPatch, day: str, when: str) -> None:
    monkeypatch.setenv("MAILCONFORM_NOW", day)
    assert f"W-2  expiring  2026-12-01, {when}  w.yml:13" in command("list", "w.yml").output


def test_the_schema(command: Command) -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(command("schema").output))


GIVEN = ("--reason=until: the 'new' relay # soon", "--owner=ops", "--expires=2027-01-31")


def rows(path: str = "w.yml") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(Path(path).read_text())["waivers"]
    return found


def test_add(command: Command) -> None:
    done = command("add", "w.yml", "--rule=ptr.exists", "--rule=ptr.single", "--hosts=mx1*", *GIVEN, "--ticket=OPS-2")
    assert (done.exit_code, done.output) == (0, "written: w.yml:15: W-20261124-1\n")
    text = Path("w.yml").read_text()
    assert text.startswith(FILE)
    found, wrong = waivers(text)
    assert wrong == []
    assert found[-1].rules == ("ptr.exists", "ptr.single")
    assert (found[-1].hosts, found[-1].reason) == ("mx1*", "until: the 'new' relay # soon")
    assert (str(found[-1].issued), str(found[-1].expires)) == ("2026-11-24", "2027-01-31")
    assert command("add", "w.yml", "--rule=ptr.*", "--hosts=mx1*", *GIVEN).output.endswith(": W-20261124-2\n")
    assert rows()[-1]["broad"] is True


def test_add_to_a_file_that_is_not_there(command: Command) -> None:
    done = command("add", "new.yml", "--rule=spf.exists", "--domain=example.com", "--id=W-9", *GIVEN)
    assert done.exit_code == 0, done.output
    assert rows("new.yml")[0]["domains"] == ["example.com"]
    assert command("lint", "new.yml", "--inventory=hosts.yml").exit_code == 0


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--rule=ptr.exist", "--hosts=all"), "there is no rule 'ptr.exist'"),
        (("--rule=tls.in-587", "--hosts=all"), "cannot be waived"),
        (("--rule=ptr.exists",), "says not whom it is for"),
        (("--rule=ptr.exists", "--address=mx1"), "expected an IPv4 or IPv6 address"),
        (("--rule=ptr.exists", "--hosts=all", "--expires=2028-01-01"), "max_days allows 180"),
        (("--rule=ptr.exists", "--hosts=all", "--expires=soon"), "--expires: 'soon' is no day"),
        (("--rule=ptr.exists", "--hosts=all", "--id=W-1"), "there is a waiver W-1 already"),
    ],
)
def test_nothing_wrong_is_added(command: Command, options: tuple[str, ...], text: str) -> None:
    done = command("add", "w.yml", *GIVEN, *options)
    assert done.exit_code == 4
    assert text in done.stderr
    assert Path("w.yml").read_text() == FILE


def test_add_what_was_observed(command: Command) -> None:
    found = results(
        result("ptr.exists", "mx1/198.51.100.1", "fail", seen="answered NXDOMAIN"),
        result("ptr.exists", "mx2/198.51.100.2", "pass"),
        result("ptr.single", "mx1/198.51.100.1", "fail", seen="two names"),
    )
    Path("results.json").write_text(json.dumps(found))
    options = ("w.yml", "--rule=ptr.exists", "--observed-in=results.json", *GIVEN)
    assert command("add", *options, "--subject=mx1/198.51.100.1").exit_code == 0
    assert rows()[-1]["observed"] == "answered NXDOMAIN"
    assert "has 0 findings" in command("add", *options, "--subject=mx2/198.51.100.2").stderr
    two = command("add", *options, "--rule=ptr.single", "--subject=mx1/198.51.100.1")
    assert "has 2 findings of these rules and subjects, and must have one" in two.stderr
    assert command("add", *options, "--observed-in=none.json", "--subject=mx2/198.51.100.2").exit_code == 4


def test_prune(command: Command) -> None:
    done = command("prune", "w.yml", "--dry-run")
    assert done.output == "would go: W-1, expired: moved in December\n"
    assert Path("w.yml").read_text() == FILE
    assert command("prune", "w.yml").output == "gone: W-1, expired: moved in December\n"
    head, tail = FILE.index("  # the provider"), FILE.index("  - {id: W-2")
    assert Path("w.yml").read_text() == FILE[:head] + FILE[tail:]
    assert command("prune", "w.yml").output == ""


def test_prune_what_a_run_found_stale(command: Command) -> None:
    stale = {"rules": [], "reason": "", "owner": "", "ticket": "", "approved_by": "", "issued": "", "expires": "",
             "declared_at": "", "covers": 1, "limited": False, "outcomes": {"pass": 1}, "state": "holds"}  # fmt: skip
    found = results(result("ptr.exists", "mx1/198.51.100.1"))
    found["waivers"] = [stale | {"id": "W-2", "stale": False}, stale | {"id": "W-3", "stale": True}]
    Path("results.json").write_text(json.dumps(found))
    done = command("prune", "w.yml", "--results=results.json")
    assert done.output == "gone: W-1, expired: moved in December\ngone: W-3, stale: later\n"
    assert [row["id"] for row in rows()] == ["W-2"]


def test_a_file_that_cannot_be_changed_is_left_alone(command: Command) -> None:
    text = json.dumps({"waivers": yaml.safe_load(FILE)["waivers"]}, default=str)
    Path("w.yml").write_text(text)
    done = command("prune", "w.yml")
    assert (done.exit_code, "w.yml: the file is not written as keys with a line each" in done.stderr) == (4, True)
    assert Path("w.yml").read_text() == text
