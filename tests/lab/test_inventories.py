"""The inventories that people read and copy are valid."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("lab", "valid: 125 mail hosts, 118 sending addresses, 65 domains"),
        ("example", "valid: 3 mail hosts, 3 sending addresses, 3 domains"),
    ],
)
def test_inventory_is_valid(name: str, said: str) -> None:
    command = [sys.executable, "-m", "conformance.cli", "inventory", "validate", f"--inventory=inventories/{name}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, said, "")
