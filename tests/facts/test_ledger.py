"""What was handed over is remembered until it is collected."""

from __future__ import annotations

import datetime
import json
import stat
from pathlib import Path

import pytest

from conformance.facts import ledger as module
from conformance.facts.ledger import Ledger, LedgerError
from conformance.facts.trial import Letter, State, Trial
from conformance.receiver.capture import Capture

URL = "https://conform.example.net"


def trial(name: str = "accept", days: float = 0.0) -> Trial:
    handed = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=days)
    letter = Letter(handed.isoformat(timespec="milliseconds"), "a@b.example", ("t@l.conform.example.net",), ("t",))
    session = Capture("1", letter.handed, "203.0.113.1", 1, "198.51.100.1", 25)
    return Trial("mx1/news", name, state=State.WATCHED, letters=(letter,), captures=(session,))


def test_what_is_added_is_there_later_and_for_the_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "probes.json"
    ledger = Ledger(path, URL)
    for one in (trial(), trial("greylist"), trial("accept")):
        ledger.add(one)
    ledger.save()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    later = Ledger(path, URL).trials()
    assert [one.name for one in later] == ["greylist", "accept"]
    assert not later[0].captures
    assert later[0].letters[0].tokens == ("t",)
    assert [one.name for one in tmp_path.iterdir()] == ["probes.json"]


def test_another_receivers_and_old_ones_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "probes.json"
    ledger = Ledger(path, URL)
    ledger.add(trial("greylist", days=30))
    ledger.add(trial())
    ledger.save()
    assert [one.name for one in Ledger(path, URL).trials()] == ["accept"]
    assert Ledger(path, "https://other.example.net").trials() == ()


def test_it_is_written_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EVERY", 0.0)
    Ledger(tmp_path / "probes.json", URL).add(trial())
    assert len(Ledger(tmp_path / "probes.json", URL).trials()) == 1


def test_what_cannot_be_written_is_noted(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "none" / "probes.json", URL)
    ledger.add(trial())
    assert "cannot be written: No such file" in ledger.trouble


@pytest.mark.parametrize("text", ["", "[]", '{"schema": 1}', json.dumps({"schema": 9, "receiver": "", "trials": []})])
def test_what_is_no_ledger_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "probes.json").write_text(text)
    with pytest.raises(LedgerError, match=r"probes.json (holds no ledger|has schema 9)"):
        Ledger(tmp_path / "probes.json", URL)
