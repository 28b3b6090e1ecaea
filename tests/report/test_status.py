"""The last run in one line, with the exit statuses of a monitoring plugin."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from conformance.cli import main
from conformance.report.results import parts
from conformance.report.status import status
from tests.report.sample_results import result, results

ENDED = "2026-11-24T02:05:00+00:00"
NOW = datetime.datetime(2026, 11, 24, 8, 5, tzinfo=datetime.UTC)


def written(folder: Path, *own: dict[str, Any], ended: str = ENDED, **run: Any) -> Path:
    document = results(*own, **run)
    document["run"]["ended"] = ended
    (folder / "results.json").write_text("".join(parts(document)))
    return folder


BAD = result("ptr.exists", "mx1.example.net/203.0.113.1", "fail", seen="none | x=1")
ADVISED = result("ptr.single", "mx1.example.net/203.0.113.1", "advice", level="should")
KNOWN = result("ptr.exists", "mx1.example.net/203.0.113.1", "known", known_since="2026-11-01")
DARK = result("ptr.exists", "mx1.example.net/203.0.113.1", "undetermined", seen="no answer", cause="no answer")


@pytest.mark.parametrize(
    ("own", "run", "state", "said"),
    [
        ((), {"exit": 0}, 0, "MAILCONFORM OK - "),
        ((BAD,), {"exit": 1}, 2, "MAILCONFORM CRITICAL - 1 finding of ptr.exists | fail=1 "),
        ((), {"exit": 0, "dns": "proposed"}, 3, "UNKNOWN - the last run judged proposed DNS, not what is live | "),
        ((KNOWN,), {"exit": 0}, 0, "MAILCONFORM OK - 0 checks passed, 1 finding known | "),
        ((DARK,), {"exit": 6, "inconclusive": "::1 left 60 of 60 open"}, 3, "UNKNOWN - ::1 left 60 of 60 open | "),
        ((DARK,), {"exit": 6}, 1, "MAILCONFORM WARNING - nothing broken seen, 1 gating check undetermined | "),
        ((DARK | {"level": "info"},), {"exit": 0}, 0, "MAILCONFORM OK - 0 checks passed | "),
        ((), {"exit": 1, "exit_text": "1 waiver stale (--strict-waivers)"}, 2, "CRITICAL - 1 waiver stale (--strict"),
        ((BAD | {"change": "new"}, ADVISED | {"change": "new"}), {"exit": 1}, 2, "1 finding of ptr.exists, 1 new | "),
        ((BAD,), {"exit": 2, "complete": False, "exit_text": "interrupted | yes"}, 3, "UNKNOWN - interrupted / yes | "),
    ],
)
def test_a_run_and_its_state(tmp_path: Path, own: Any, run: Any, state: int, said: str) -> None:
    found = status(written(tmp_path, *own, **run), NOW)
    assert found.state == state
    assert said in str(found)
    assert str(found).count("|") == 1
    assert " age=6.0h " in str(found)


def test_an_old_run_and_none_are_unknown(tmp_path: Path) -> None:
    assert "no results.json" in str(status(tmp_path, NOW)) or "cannot be read" in str(status(tmp_path, NOW))
    assert status(tmp_path, NOW).state == 3
    old = status(written(tmp_path, BAD, exit=1), NOW + datetime.timedelta(hours=21))
    assert (old.state, old.text) == (3, "the last run ended 27 h ago")


def test_the_folder_is_found_where_a_run_finds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "by-ini").mkdir()
    (tmp_path / "by-variable").mkdir()
    (tmp_path / "pytest.ini").write_text("[pytest]\nmailconform_reports = by-ini\n")
    written(tmp_path / "by-ini", BAD, exit=1)
    written(tmp_path / "by-variable", exit=0)
    monkeypatch.delenv("MAILCONFORM_REPORTS", raising=False)
    assert "CRITICAL" in CliRunner().invoke(main, ["status", "--max-age=1e9"]).output
    monkeypatch.setenv("MAILCONFORM_REPORTS", "by-variable")
    assert "OK" in CliRunner().invoke(main, ["status", "--max-age=1e9"]).output
    assert "by-variable/history.sqlite" in CliRunner().invoke(main, ["history", "rebuild"]).output
    assert CliRunner().invoke(main, ["history", "rebuild", "--reports=gone"]).exit_code == 4


def test_the_command_follows_latest(tmp_path: Path) -> None:
    (tmp_path / "2026-11-24T020000Z-fleet").mkdir()
    written(tmp_path / "2026-11-24T020000Z-fleet", BAD, ended="2020-01-01T02:05:00+00:00", exit=1)
    (tmp_path / "latest").symlink_to("2026-11-24T020000Z-fleet")
    ran = CliRunner().invoke(main, ["status", "--nagios", f"--reports={tmp_path}", "--max-age=1e9"])
    assert (ran.exit_code, ran.output[:24]) == (2, "MAILCONFORM CRITICAL - 1")
    assert CliRunner().invoke(main, ["status", f"--reports={tmp_path}", "--max-age=1e9"]).exit_code == 0
    assert CliRunner().invoke(main, ["status", "--nagios", f"--reports={tmp_path}"]).exit_code == 3, "too long ago"
    ran = CliRunner().invoke(main, ["history", "rebuild", f"--reports={tmp_path}"])
    assert (ran.exit_code, ran.output) == (0, f"1 run in {tmp_path / 'history.sqlite'}\n")
    (tmp_path / "history.sqlite").write_text("no database " * 100)
    assert CliRunner().invoke(main, ["history", "rebuild", f"--reports={tmp_path}"]).exit_code == 0
    (tmp_path / "2026-11-24T020000Z-fleet" / "results.json").write_text('{\n "schema": 1,\n "run": {')
    assert CliRunner().invoke(main, ["history", "rebuild", f"--reports={tmp_path}"]).exit_code == 4
