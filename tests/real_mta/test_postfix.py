"""A real Postfix is made to send, by submission and by its own ``sendmail``: every row says what is true of it."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.real_mta import postfix
from tests.real_mta.inside import ROOT

BROKEN = {
    "dkim.transport-safe pf1.example.com/news": "fail",
    "dom.not-spoofing pf1.example.com/news": "fail",
}
"""Its milter signs before Postfix recodes and folds; those who may submit may write any From."""

ADVISED = {
    "dkim.key-t-s example.com/pf",
    "dom.caa example.com",
    "dom.dnssec example.com",
    "dom.ipv6 example.com",
    "dom.ns-health example.com",
    "mtasts.record example.com",
    "tlsrpt.record example.com",
    "dkim.headers pf1.example.com/news",
    "dkim.headers pf1.example.com/system",
    "dkim.oversign pf1.example.com/news",
    "dkim.oversign pf1.example.com/system",
    "msg.line-78 pf1.example.com/news",
    "msg.line-78 pf1.example.com/system",
    "queue.backoff pf1.example.com/news",
    "queue.first-retry pf1.example.com/news",
    "queue.no-retry-5xx pf1.example.com/news",
    "tls.out-ciphers pf1.example.com/news",
    "tls.out-logged pf1.example.com/news",
    "tls.out-no-old pf1.example.com/news",
    "tls.out-sni pf1.example.com/news",
}
"""True of its defaults, and of timers that are made short for the test."""


@pytest.fixture(scope="module")
def judged() -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Results and facts of a run against a Postfix in a network of its own."""
    if why := postfix.missing():
        pytest.skip(why)
    # pytest's own folders are closed to other users, and Postfix has some.
    with tempfile.TemporaryDirectory(prefix="mailconform-postfix-") as name:
        Path(name).chmod(0o755)
        yield run(Path(name))


def run(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return results and facts of a run."""
    command = ["unshare", "--mount", sys.executable, "-m", "tests.real_mta.inside", str(folder), "--gate", "none"]
    command += ["--probe", "send", "--receiver", f"embedded:{postfix.RECEIVER}/60"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    report = folder / "report"
    assert (report / "results.json").exists(), done.stdout + done.stderr
    return json.loads((report / "results.json").read_text()), json.loads((report / "facts.json").read_text())


def test_every_row_is_right(judged: tuple[dict[str, Any], dict[str, Any]]) -> None:
    results = judged[0]["results"]
    told = {f"{one['check']} {one['subject']}": one["outcome"] for one in results}
    assert {name: outcome for name, outcome in told.items() if outcome in ("fail", "undetermined")} == BROKEN
    assert {name for name, outcome in told.items() if outcome == "advice"} <= ADVISED
    for rule in ("queue.retries", "smtp.mx-lookup", "smtp.order", "tls.out-used", "dkim.valid", "spf.authorises"):
        assert told[f"{rule} pf1.example.com/news"] == "pass"
    assert told["dmarc.pass pf1.example.com/system"] == "pass"


def test_it_sent_by_both_ways_tried_again_and_followed_the_exchange(
    judged: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    trials = {(one["stream"], one["name"]): one for one in judged[1]["trials"]}
    for stream in ("news", "system"):
        captures = trials[f"pf1.example.com/{stream}", "accept"]["captures"]
        assert any(one["final_code"] == 250 for capture in captures for one in capture["transactions"])
    greylisted = trials["pf1.example.com/news", "greylist"]["captures"]
    codes = [one["recipients"][0]["code"] for capture in greylisted for one in capture["transactions"]]
    assert codes[0] == 451
    assert codes[-1] == 250
    moved = trials["pf1.example.com/news", "mx-moved"]["captures"]
    assert len({capture["exchange"] for capture in moved}) == 2
