"""``mailconform spf``: the tree of look-ups, the fleet's addresses, and who else is authorised."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from conformance.lab.world import serve_world
from tests import worlds


def told(world: worlds.World, folder: Path, domain: str) -> tuple[int, str]:
    """Return exit status and output of the command over the DNS of a world."""
    with serve_world(world.zones, [], world.faults) as served:
        (folder / "hosts.yml").write_text(world.inventory({}, folder))
        command = [sys.executable, "-m", "conformance.cli", "spf", domain, f"--inventory={folder / 'hosts.yml'}"]
        command += [f"--resolver={served.resolver}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    return done.returncode, done.stdout + done.stderr


def test_tree_matrix_and_others(tmp_path: Path) -> None:
    status, said = told(worlds.load("spf-zone"), tmp_path, "wide-include.broken.example")
    assert status == 0, said
    assert said.splitlines() == [
        "wide-include.broken.example: 'v=spf1 ip4:203.0.113.1 include:wide-provider.broken.example ~all'",
        "  'include:wide-provider.broken.example': 1 look-up",
        "    wide-provider.broken.example: 'v=spf1 ip4:100.20.0.0/14 -all'",
        "1 look-up in the worst case, 10 are allowed. Addresses of the fleet: 1 pass, 1 softfail",
        "  mx1.example.com/203.0.113.1: pass, 'ip4:203.0.113.1' of wide-include.broken.example",
        "  second.example.com/203.0.113.2: softfail, '~all' of wide-include.broken.example",
        "  also authorised by 'ip4:100.20.0.0/14' of wide-include.broken.example > wide-provider.broken.example: "
        "262,144 IPv4 addresses",
    ]


def test_what_is_not_answered_is_unknown(tmp_path: Path) -> None:
    status, said = told(worlds.load("spf-unanswered"), tmp_path, "servfail.asked.example")
    assert status == 0, said
    assert "SERVFAIL" in said
    assert "1 unknown" in said
    assert "cannot be told by networks alone for IPv4 and IPv6" in said


def test_a_domain_that_is_not_declared(tmp_path: Path) -> None:
    status, said = told(worlds.load("spf-unanswered"), tmp_path, "nobody.example")
    assert status == 4
    assert "not a domain of the inventory" in said
