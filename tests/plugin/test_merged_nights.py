"""Nights that several machines share: what was joined is compared, kept and told as one run is."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner, Result

from conformance.cli import main
from conformance.report import lock, schema
from conformance.report.history import History
from tests.report.sample_results import result, results

HOSTS = ("mx1.example.net", "mx2.example.net")
CHECKS = ("ptr.exists", "ptr.single", "helo.fqdn")
Night = Callable[..., tuple[Result, dict[str, Any]]]


@pytest.fixture
def night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Night:
    """Judge two hosts, each by a machine of its own, and join what they wrote.

    ``outcomes`` are those of each rule on the first host; the second conforms.
    """
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("MAILCONFORM_")]:
        monkeypatch.delenv(name)

    def judge(number: int, outcomes: Sequence[str], *options: str, **run: Any) -> tuple[Result, dict[str, Any]]:
        folders = []
        for k, host in enumerate(HOSTS, 1):
            own = outcomes if k == 1 else ["pass"] * len(CHECKS)
            found = results(
                *(result(check, f"{host}/198.51.100.25", one) for check, one in zip(CHECKS, own, strict=True)),
                hosts=HOSTS,
                started=f"2026-11-{number:02}T02:0{k}:00Z",
                ended=f"2026-11-{number:02}T02:1{k}:00Z",
                extra={"shard": f"{k}/2"},
                **run,
            )
            folder = tmp_path / "shards" / str(k)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "results.json").write_text(json.dumps(found))
            folders.append(str(folder))
        done = CliRunner().invoke(main, ["merge", *folders, *options], catch_exceptions=False)
        document = json.loads((tmp_path / "reports/latest/results.json").read_text("utf-8"))
        jsonschema.validate(document, schema())
        return done, document

    return judge


def changes(document: dict[str, Any]) -> dict[str, str]:
    return {one["check"]: one["change"] for one in document["results"] if one.get("change")}


def test_what_is_new_fixed_and_known_since_when(night: Night, tmp_path: Path) -> None:
    _, first = night(1, ["fail", "pass", "pass"])
    assert "changes" not in first or not first["changes"]["before"]
    done, second = night(2, ["fail", "fail", "pass"])
    assert done.exit_code == 1
    assert changes(second) == {"ptr.exists": "known", "ptr.single": "new"}
    assert [one["since"] for one in second["results"] if one.get("change") == "known"] == ["2026-11-01T02:01:00Z"]
    done, third = night(3, ["pass", "undetermined", "pass"])
    assert [(one["check"], one["since"]) for one in third["changes"]["fixed"]] == [
        ("ptr.exists", "2026-11-01T02:01:00Z")
    ]
    # What could not be looked at has ended nothing.
    _, fourth = night(4, ["pass", "fail", "pass"])
    assert changes(fourth) == {"ptr.single": "known"}
    assert len(list((tmp_path / "reports").glob("20*"))) == 4


def test_what_comes_and_goes_flaps(night: Night) -> None:
    for number in range(1, 5):
        night(number, ["fail" if number % 2 else "pass", "pass", "pass"])
    _, document = night(5, ["fail", "pass", "pass"])
    assert changes(document) == {"ptr.exists": "flapping"}


def test_the_history_can_be_made_again(night: Night, tmp_path: Path) -> None:
    for number in range(1, 4):
        night(number, ["fail", "fail" if number > 1 else "pass", "pass"])
    (tmp_path / "reports/history.sqlite").unlink()
    assert CliRunner().invoke(main, ["history", "rebuild"]).exit_code == 0
    _, document = night(4, ["fail", "fail", "fail"])
    assert changes(document) == {"ptr.exists": "known", "ptr.single": "known", "helo.fqdn": "new"}


def test_a_missing_machine_ends_nothing_and_does_not_become_the_last_night(night: Night, tmp_path: Path) -> None:
    night(1, ["fail", "pass", "pass"])
    # Of the second night the machine that judged the first host has left nothing.
    second = tmp_path / "shards" / "2"
    done = CliRunner().invoke(main, ["merge", str(second), "-q"])
    assert done.exit_code == 2
    assert "missing: shard 1 of 2" in done.stderr
    latest = json.loads((tmp_path / "reports/latest/results.json").read_text())
    assert latest["run"]["complete"]
    _, third = night(3, ["fail", "pass", "pass"])
    assert changes(third) == {"ptr.exists": "known"}


def test_only_news_is_said_and_told(night: Night, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mail = tmp_path / "mail"
    (tmp_path / "bin").mkdir()
    sendmail = tmp_path / "bin" / "sendmail"
    sendmail.write_text(f"#!/bin/sh\ncat >> {mail}\n")
    sendmail.chmod(0o755)
    monkeypatch.setenv("PATH", f"{sendmail.parent}:{os.environ['PATH']}")
    options = ("--quiet-ok", "--notify=mailto:ops@example.com")
    night(1, ["fail", "pass", "pass"], *options)
    mail.unlink()
    done, _ = night(2, ["fail", "pass", "pass"], *options)
    assert (done.exit_code, done.stdout, mail.exists()) == (1, "", False)
    done, _ = night(3, ["fail", "fail", "pass"], *options)
    assert "Subject: mailconform: 1 new: ptr.single mx1.example.net/198.51.100.25" in mail.read_text()
    assert "ptr.single" in done.stdout
    assert "ptr.exists" not in done.stdout


def test_runs_that_say_nothing_of_the_next_are_not_compared(night: Night, tmp_path: Path) -> None:
    night(1, ["pass", "pass", "pass"])
    _, replayed = night(2, ["fail", "pass", "pass"], replay="facts.json")
    assert "changes" not in replayed
    _, proposed = night(3, ["fail", "pass", "pass"], dns="proposed", overlays=["example.net.zone"])
    assert changes(proposed) == {}
    _, document = night(4, ["fail", "pass", "pass"])
    assert changes(document) == {"ptr.exists": "new"}
    with History(tmp_path / "reports/history.sqlite") as history:
        assert history.runs() == 3


def test_old_nights_go_and_one_at_a_time_is_joined(night: Night, tmp_path: Path) -> None:
    for number in range(1, 4):
        night(number, ["pass", "pass", "pass"], "--keep=1")
    assert len(list((tmp_path / "reports").glob("20*"))) in (1, 2)
    with lock.of_inventory(tmp_path / "reports", ["inventories/production"]):
        done, _ = night(4, ["pass", "pass", "pass"])
    assert done.exit_code == 4
    assert "another run of inventories/production goes on" in done.stderr


@pytest.mark.parametrize("option", ["--notify=ftp://example.com", "--keep=0", "--lock-wait=soon"])
def test_options_that_cannot_be_are_refused(night: Night, tmp_path: Path, option: str) -> None:
    night(1, ["pass", "pass", "pass"])
    done = CliRunner().invoke(main, ["merge", str(tmp_path / "shards" / "1"), str(tmp_path / "shards" / "2"), option])
    assert done.exit_code == 4
    assert option.partition("=")[0] in done.stderr
