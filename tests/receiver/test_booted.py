"""The units that we ship, under a real systemd."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.receiver import booted


def test_the_shipped_units_serve_unprivileged_and_come_back_when_killed() -> None:
    if why := booted.missing():
        pytest.skip(why)
    # pytest's own folders are closed to other users, and the service has one.
    with tempfile.TemporaryDirectory(prefix="mailconform-booted-") as name:
        Path(name).chmod(0o755)
        command = ["unshare", "--net", "--mount", sys.executable, "-m", "tests.receiver.booted", name]
        done = subprocess.run(command, cwd=booted.ROOT, capture_output=True, text=True, check=False, timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr
    seen = json.loads(done.stdout)
    assert seen["udp"] == seen["tcp"] == f"10 mx1.{booted.DOMAIN}."
    assert seen["subjects"] == [booted.MAIN, booted.SPARE, booted.ADDRESSES[-1], "again"]
    assert seen["stopped"] == ["success", "inactive"]
    process = seen["process"]
    assert re.fullmatch(r"(6[1-5]\d{3})(\t\1){3}", process["Uid"]), "a user of DynamicUser="
    assert int(process["CapEff"], 16) == int(process["CapBnd"], 16) == 0
    assert (process["NoNewPrivs"], process["Seccomp"]) == ("1", "2")
    assert "ro" in seen["mounts"]["/"], "ProtectSystem=strict"
    assert "rw" in seen["mounts"]["/var/lib/private/mailconform-receiver"]
