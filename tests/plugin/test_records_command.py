"""``mailconform records``: what a domain should publish, from live and proposed DNS and from facts."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from conformance.lab.world import serve_world
from tests import worlds
from tests.plugin import fleet


@dataclass(frozen=True)
class Command:
    """The command over the DNS of a world, in a folder of its own."""

    folder: Path
    resolver: str

    def __call__(self, domain: str, *options: str, name: str = "records") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "conformance.cli", name, *([domain] if domain else []), *options]
        command += [f"--inventory={self.folder / 'hosts.yml'}", f"--resolver={self.resolver}"]
        return subprocess.run(
            command,
            cwd=self.folder,
            env=fleet.environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def states(self, *options: str) -> dict[str, str]:
        done = self("example.com", "--format=json", *options)
        document: dict[str, Any] = json.loads(done.stdout)
        assert document["exit"] == done.returncode
        return {f"{one['name']} {one['type']}": one["state"] for one in document["records"]}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    """The fleet that conforms to everything."""
    world, folder = worlds.load("good"), tmp_path_factory.mktemp("good")
    with serve_world(world.zones, [], world.faults) as served:
        world.captured(folder)
        (folder / "hosts.yml").write_text(world.inventory({}, folder))
        yield Command(folder, served.resolver)


def test_what_is_right_stays_as_it_is(good: Command) -> None:
    done = good("example.com")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[0].endswith(" right")
    assert (
        '  now:     "v=spf1 ip4:203.0.113.1 ip6:2001:db8::1 include:spf.example.net -all"' in done.stdout.splitlines()
    )
    assert "publish:" not in done.stdout


def test_what_is_proposed_is_judged(good: Command) -> None:
    (good.folder / "fix.zone").write_text('$ORIGIN example.com.\n$TTL 60\n@ TXT "v=spf1 -all"\n$DELETE _dmarc TXT\n')
    done = good("example.com", "--overlay=fix.zone,mode=patch")
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout.startswith("PROPOSED: example.com: ")
    states = good.states("--overlay=fix.zone,mode=patch")
    assert states["_dmarc.example.com TXT"] == "missing"
    printed = good("example.com", "--overlay=fix.zone,mode=patch", "--format=zone")
    (good.folder / "again.zone").write_text(printed.stdout)
    again = good("example.com", "--overlay=again.zone,mode=patch")
    assert again.returncode == 0, again.stdout + again.stderr


def test_facts_of_a_run_are_looked_at_again(good: Command) -> None:
    ran = good("", "--rules=spf.*", "--rules=dkim.*", "--probe=none", "--report-dir=report", name="run")
    facts = good.folder / "report" / "facts.json"
    assert facts.exists(), ran.stdout + ran.stderr
    states = good.states(f"--replay={facts}")
    assert states["example.com TXT"] == "right"
    assert states["s1._domainkey.example.com TXT"] == "right"
    assert states["_dmarc.example.com TXT"] == "unknown"
    assert good("example.com", f"--replay={facts}").returncode == 6


def test_a_resolver_that_says_nothing(good: Command) -> None:
    silent = Command(good.folder, "127.0.0.1:9")
    states = silent.states("--dns-timeout=0.2", "--dns-retries=0")
    assert set(states.values()) == {"unknown"}


@pytest.mark.parametrize(
    ("domain", "options", "said"),
    [
        ("nobody.example", (), "not a domain of the inventory"),
        ("example.com", ("--format=paper",), "'paper' is not one of"),
        ("example.com", ("--replay=missing.json",), "cannot be read"),
        ("example.com", ("--overlay=missing.zone",), "cannot be read"),
        ("example.com", ("--replay=a.json", "--overlay=b.zone"), "a replay asks no DNS"),
        ("example.com", ("--profile=nobody",), "no profile 'nobody'"),
    ],
)
def test_wrong_usage_is_4(good: Command, domain: str, options: tuple[str, ...], said: str) -> None:
    done = good(domain, *options)
    assert done.returncode == 4, done.stdout + done.stderr
    assert said in done.stderr
