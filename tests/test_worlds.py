"""Every world, through the real cases and the real plugin: it reports its closed list and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from conformance.catalogue import checks
from conformance.lab.spec import parse_listener, parse_policy
from conformance.lab.world import serve_world
from tests import worlds


def run(world: worlds.World, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[int, list[dict[str, Any]]]:
    """Run the checks against a world. Returns exit status and results."""
    listeners = [parse_listener(one) for one in world.listeners]
    policies = [parse_policy(one) for one in world.policies]
    with serve_world(world.zones, listeners, world.faults, world.servers, policies) as served:
        (folder / "hosts.yml").write_text(world.inventory(dict(served.ports), folder, served.policy_port))
        world.captured(folder)
        monkeypatch.setenv("SSL_CERT_FILE", str(served.ca_file))
        command = [sys.executable, "-m", "conformance.cli", "run", f"--inventory={folder / 'hosts.yml'}"]
        command += [f"--resolver={served.resolver}", "--ehlo=probe.example.com", "--dns-paranoid"]
        if world.is_later:
            world.remembered(folder / "runs")
            command += [f"--reports={folder / 'runs'}", "--confirm=0"]
        else:
            command += [f"--report-dir={folder / 'report'}"]
        command += ["--dns-timeout=1", "--dns-retries=0", "--smtp-timeout=2", *world.options]
        if world.servers:
            command += ["--authoritative", f"--authoritative-port={served.resolver.rpartition(':')[2]}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    results = folder / ("runs/latest" if world.is_later else "report") / "results.json"
    assert results.exists(), done.stdout + done.stderr
    return done.returncode, json.loads(results.read_text())["results"]


@pytest.mark.parametrize("name", worlds.names())
def test_world(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = worlds.load(name)
    status, results = run(world, tmp_path, monkeypatch)
    reported = [result for result in results if result["outcome"] in worlds.REPORTED]
    told = {f"{one['check']} {one['subject']}: {one['level']} {one['outcome']}": one["seen"] for one in reported}
    assert sorted(told) == sorted(world.reports), "\n".join(f"{key}: {seen}" for key, seen in told.items())
    passed = {result["check"] for result in results if result["outcome"] == "pass"}
    expected = set(checks()) - set(world.never_applicable) if world.passes == "all" else set(world.passes)
    assert expected <= passed, f"not passed: {sorted(expected - passed)}"
    gates = any(": must " in line for line in world.reports)
    assert status == (world.exit if world.exit is not None else int(gates))
