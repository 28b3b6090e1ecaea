"""Further outputs of a run, and those that are made of its results later."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from conformance.cli import main
from conformance.report import formats
from conformance.report.formats import FORMATS
from tests.plugin import fleet
from tests.report.sample_results import fleet as sample
from tests.report.told import HOSTILE, mixed

pytest_plugins = ("pytester",)

Inside = Callable[..., fleet.Ran]

QUIET = ("-p", "no:cacheprovider")


def mailconform(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_told_in_a_line(inside: Inside, inventories: Path) -> None:
    ran = inside(inventories / "good.yml", "--rules=ptr.exists", "--format=csv=/dev/full")
    assert ran.status == 3
    assert "csv could not be written to /dev/full: No space left on device" in ran.said
    assert "Traceback" not in ran.said


def test_no_room_for_results_is_told_in_a_line(
    inside: Inside, inventories: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("conformance.report.results.write_atomic", full)
    ran = inside(inventories / "good.yml", "--rules=ptr.exists")
    assert ran.status == 3
    assert "the results of this run cannot be written: No space left on device" in ran.said
    assert "Traceback" not in ran.said and "INTERNALERROR" not in ran.said


@pytest.fixture
def results(tmp_path: Path) -> Path:
    path = tmp_path / "results.json"
    path.write_text(json.dumps(mixed()))
    return path


def test_a_run_writes_what_it_is_asked_for(inside: Inside, inventories: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "new" / "folder" / "fleet.prom"
    wanted = ["--format=sarif", "--format=csv", "--format=junit=units.xml", f"--format=prometheus={elsewhere}"]
    ran = inside(inventories / "broken.yml", "--rules=ptr.*", *wanted, *QUIET)
    assert ran.status == 1
    beside = {"results.json", "facts.json", "report.html", "junit.xml", "results.sarif", "findings.csv"}
    assert {path.name for path in ran.folder.iterdir()} == beside
    own = {"sarif": ran.folder / "results.sarif", "csv": ran.folder / "findings.csv", "prometheus": elsewhere}
    own |= {"junit": ran.folder.parents[1] / "units.xml"}
    for name, path in own.items():
        assert path.read_bytes() == formats.render(name, ran.document).encode(), name
    assert (ran.folder / "junit.xml").read_bytes() == own["junit"].read_bytes()


def test_formats_in_the_environment_stand_on_lines(
    inside: Inside, inventories: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAILCONFORM_FORMAT", "csv\nmarkdown\n")
    ran = inside(inventories / "good.yml", "--rules=ptr.exists", *QUIET)
    assert {"findings.csv", "report.md"} < {path.name for path in ran.folder.iterdir()}


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("sarf", "--format: no format 'sarf'; there are junit, sarif, "),
        ("csv=.", "--format: . cannot be written: it is a folder"),
        ("csv=hosts.yml/x.csv", "--format: hosts.yml/x.csv cannot be written: "),
        (f"csv={'x' * 300}", "cannot be written: File name too long"),
    ],
)
def test_a_wrong_format_ends_before_anything_starts(
    inside: Inside, inventories: Path, wanted: str, said: str, pytester: pytest.Pytester
) -> None:
    (pytester.path / "hosts.yml").touch()
    ran = inside(inventories / "good.yml", f"--format={wanted}", *QUIET)
    assert ran.status == 4
    assert said in ran.err
    assert not ran.folder.exists()


def test_an_output_that_fails_is_an_internal_error_in_all_others(
    inside: Inside, inventories: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> str:
        raise ZeroDivisionError("no summary today")

    monkeypatch.setattr("conformance.report.formats.summary.render", broken)
    ran = inside(inventories / "good.yml", "--rules=ptr.exists", "--format=summary", "--format=prometheus", *QUIET)
    assert ran.status == ran.document["run"]["exit"] == 3
    assert ran.err.count("ZeroDivisionError: no summary today") == 1
    assert not (ran.folder / "summary.md").exists()
    assert "mailconform_run_exit_status" in (ran.folder / "mailconform.prom").read_text()
    assert (ran.folder / "mailconform.prom").read_text() == formats.render("prometheus", ran.document)


def test_junit_of_pytest_has_the_same_names(inside: Inside, inventories: Path) -> None:
    ran = inside(inventories / "broken.yml", "--rules=ptr.*", "--junitxml=theirs.xml", *QUIET)
    theirs = ElementTree.parse(ran.folder.parents[1] / "theirs.xml")
    assert {(case.attrib["classname"], case.attrib["name"]) for case in theirs.iter("testcase")} == ran.cases.keys()


@pytest.mark.parametrize("name", FORMATS)
def test_report_tells_results_again(results: Path, tmp_path: Path, name: str) -> None:
    wanted = formats.render(name, mixed()).encode()
    done = mailconform("report", results, "--format", name)
    assert (done.exit_code, done.stdout_bytes) == (0, wanted)
    done = mailconform("report", tmp_path, "--format", name, "--output", tmp_path / "out")
    assert (done.exit_code, done.stdout_bytes, (tmp_path / "out").read_bytes()) == (0, b"", wanted)


def test_report_shows_evidence_where_facts_are_given(tmp_path: Path) -> None:
    found, facts = sample(2)
    facts["gathered"] = "2026-11-24T02:00:00Z"
    (tmp_path / "results.json").write_text(json.dumps(found))
    (tmp_path / "facts.json").write_text(json.dumps(facts))
    arguments = ["report", tmp_path / "results.json", "--format=html"]
    done = mailconform(*arguments, "--facts", tmp_path / "facts.json")
    assert (done.exit_code, done.output) == (0, formats.render("html", found, facts))
    assert "198.51.0.1" in done.output
    assert mailconform(*arguments).output != done.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--format=csv"], "nowhere.json: cannot be read: No such file or directory\n"),
        (["--format=pdf"], "'pdf' is not one of 'junit', 'sarif'"),
        ([], "Missing option '--format'"),
    ],
)
def test_report_says_what_is_wrong(tmp_path: Path, arguments: list[str], said: str) -> None:
    done = mailconform("report", tmp_path / "nowhere.json", *arguments)
    assert done.exit_code == 4
    assert said in done.stderr
    assert done.stdout == ""


def test_report_refuses_facts_that_are_none(results: Path) -> None:
    for facts, name, said in (
        (results, "html", "is no facts.json"),
        ("none.json", "html", "cannot be read"),
        (results, "csv", "shows no evidence"),
    ):
        done = mailconform("report", results, f"--format={name}", f"--facts={facts}")
        assert done.exit_code == 4
        assert said in done.stderr


def test_a_hostile_file_cannot_write_to_the_terminal(tmp_path: Path) -> None:
    for change in ({"schema": HOSTILE}, {HOSTILE: 1}, {"counts": HOSTILE}):
        (tmp_path / "results.json").write_text(json.dumps(mixed() | change))
        done = mailconform("report", tmp_path, "--format=text")
        assert done.exit_code == 4
        assert done.stderr.rstrip("\n").isprintable()
        assert len(done.stderr) < 4000


def test_an_output_that_cannot_be_written(results: Path, tmp_path: Path) -> None:
    done = mailconform("report", results, "--format=csv", "--output", results / "x.csv")
    assert (done.exit_code, "cannot be written" in done.stderr) == (4, True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results.json"]


def test_what_is_no_ordinary_file_stays_what_it_is(results: Path, tmp_path: Path) -> None:
    (tmp_path / "real.csv").write_text("old")
    (tmp_path / "link.csv").symlink_to(tmp_path / "real.csv")
    assert mailconform("report", results, "--format=csv", "--output", tmp_path / "link.csv").exit_code == 0
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "real.csv").read_bytes() == formats.render("csv", mixed()).encode()
    os.mkfifo(tmp_path / "pipe")
    command = [sys.executable, *fleet.COMMAND, "report", str(results), "--format=csv", f"--output={tmp_path / 'pipe'}"]
    with subprocess.Popen(command, env=fleet.environment(), cwd=tmp_path) as child:
        assert (tmp_path / "pipe").read_bytes() == formats.render("csv", mixed()).encode()
        assert child.wait(timeout=30) == 0
    assert (tmp_path / "pipe").is_fifo()
