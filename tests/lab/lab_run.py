"""Runs of the embedded lab, in a process of their own.

``python -m tests.lab.lab_run`` writes anew what the lab's tests compare with: the facts that are shipped for machines
without namespaces, and the closed list. Read the difference before it is committed.
"""

from __future__ import annotations

import json
import lzma
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FACTS = ROOT / "conformance" / "lab" / "facts.json.xz"
REPORTED = Path(__file__).with_name("reported.txt")
TOLD = ("fail", "advice", "undetermined")


@dataclass(frozen=True)
class Finished:
    """A run that ended: exit status, results.json, what it printed, and the folder with its reports."""

    status: int
    document: dict[str, Any]
    output: str
    folder: Path

    @property
    def reported(self) -> list[str]:
        """What is told as not conforming, a line each."""
        told = (one for one in self.document["results"] if one["outcome"] in TOLD)
        return sorted(f"{one['check']} {one['subject']}: {one['level']} {one['outcome']}" for one in told)

    @property
    def notes(self) -> str:
        """What the run says about itself."""
        return "\n".join(self.document["run"]["notes"])


def run_lab(folder: Path, *arguments: str, plugin: str = "") -> Finished:
    """Judge the lab. ``plugin`` is Python code that pytest loads before anything else."""
    after: list[str] = []
    if plugin:
        (folder / "lab_conditions.py").write_text(plugin)
        after = ["--", "-p", "lab_conditions"]
    reports = folder / "report"
    command = [sys.executable, "-m", "conformance.cli", "run", "--inventory=inventories/lab", "--gate=none"]
    command += [f"--report-dir={reports}", *arguments, *after]
    environ = {key: value for key, value in os.environ.items() if not key.startswith("MAILCONFORM_")}
    environ["PYTHONPATH"] = os.pathsep.join([str(folder), str(ROOT)])
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False, timeout=300)
    output = done.stdout + done.stderr
    results = reports / "results.json"
    assert results.exists(), output
    return Finished(done.returncode, json.loads(results.read_text()), output, reports)


def refresh() -> None:
    """Write the shipped facts and the closed list anew."""
    with tempfile.TemporaryDirectory() as name:
        ran = run_lab(Path(name))
        if ran.status or not ran.document["run"]["notes"][0].startswith("this run looked at the embedded lab"):
            sys.exit(f"{ran.output}\n{ran.notes}\nthe lab did not run here to its end: nothing is written")
        FACTS.write_bytes(lzma.compress((ran.folder / "facts.json").read_bytes(), preset=9))
        REPORTED.write_text("".join(f"{line}\n" for line in ran.reported))


if __name__ == "__main__":
    refresh()
