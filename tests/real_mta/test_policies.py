"""A real Postfix obeys TLSA records that a real resolver has validated, and MTA-STS policies: the rules say so."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.real_mta import postfix, validating
from tests.real_mta.inside import ROOT

RULES = ("tls.out-dane", "tls.out-dane-over-sts", "tls.out-mtasts", "tls.out-strip")
STREAM = "pf1.example.com/news"


def run(setting: str) -> tuple[Mapping[str, str], Mapping[str, Any]]:
    """Return outcomes by rule, and trials by name."""
    # pytest's own folders are closed to other users, and Postfix has some.
    with tempfile.TemporaryDirectory(prefix="mailconform-postfix-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        command = ["unshare", "--mount", sys.executable, "-m", "tests.real_mta.validating", name, setting]
        command += ["--gate=none", "--probe=send", f"--receiver=embedded:{postfix.RECEIVER}/60"]
        command += [f"--rules={rule}" for rule in RULES]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=200)
        report = folder / "report"
        assert (report / "results.json").exists(), done.stdout + done.stderr
        results = json.loads((report / "results.json").read_text())["results"]
        trials = json.loads((report / "facts.json").read_text())["trials"]
        told = {one["check"]: one["outcome"] for one in results if one["subject"] == STREAM}
        return told, {one["name"]: one for one in trials if one["stream"] == STREAM}


def delivered(trial: Mapping[str, Any]) -> bool:
    return any(
        one["final_code"] == 250 for capture in trial.get("captures", ()) for one in capture.get("transactions", ())
    )


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("dane", ("pass", "not-applicable", "not-applicable", "pass")),
        ("ignorant", ("fail", "not-applicable", "not-applicable", "fail")),
        ("sts", ("pass", "fail", "pass", "pass")),
        ("dane-first", ("pass", "pass", "pass", "pass")),
    ],
)
def test_the_rules_say_what_postfix_does(setting: str, expected: tuple[str, ...]) -> None:
    daemon = [validating.DAEMON] if validating.SETTINGS[setting].has_daemon else []
    if why := postfix.missing("unbound", *daemon):
        pytest.skip(why)
    told, trials = run(setting)
    assert tuple(told[rule] for rule in RULES) == expected
    assert delivered(trials["dane-bad-certificate"])
    for name in ("dane-another-key", "dane-unknown-key", "dane-no-starttls"):
        assert delivered(trials[name]) is (setting == "ignorant")
    # What was put off was seen to be: TLS was asked for, and nothing was sent in it.
    if setting != "ignorant":
        assert all(capture["tls"]["version"] for capture in trials["dane-another-key"]["captures"])
