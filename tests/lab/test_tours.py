"""The tours of the documentation, command by command as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab.lab_run import ROOT

COMMANDS = re.compile(r'```sh title="(?P<title>[^"]*)"\n(?P<text>.*?)```', re.DOTALL)


@pytest.fixture
def tour(tmp_path: Path) -> dict[str, subprocess.CompletedProcess[str]]:
    """What each command of docs/nightly.md came to, in an empty folder with the inventories beside it."""
    (tmp_path / "inventories").symlink_to(ROOT / "inventories")
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "mailconform"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m conformance.cli "$@"\n')
    command.chmod(0o755)
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("MAILCONFORM_", "PYTEST_"))}
    environ |= {
        "PYTHONPATH": str(ROOT),
        "MAILCONFORM_RULES": "ptr.*",
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
    }
    done = {}
    for found in COMMANDS.finditer((ROOT / "docs" / "nightly.md").read_text("utf-8")):
        done[found["title"]] = subprocess.run(
            ["sh", "-ec", found["text"]],
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=200,
        )
    return done


def test_nightly_in_ten_minutes(tour: dict[str, subprocess.CompletedProcess[str]], tmp_path: Path) -> None:
    assert list(tour) == ["two nights", "notify", "status", "rebuild"]
    for title, done in tour.items():
        assert done.returncode == (2 if title == "status" else 0), done.stdout + done.stderr
    assert tour["status"].stdout.count("MAILCONFORM CRITICAL - ") == 2
    assert tour["rebuild"].stdout == "3 runs in reports/history.sqlite\n"
    assert len(list(tmp_path.glob("reports/20*"))) == 3
