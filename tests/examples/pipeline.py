"""Commands as pipelines run them."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

Repository = tuple[Path, dict[str, str]]
"""Its folder, and the environment of its pipeline."""


def steps(commands: Sequence[str], cwd: Path, environ: Mapping[str, str], *statuses: int) -> str:
    """Run commands as a step of a pipeline does: one after the other, until one fails."""
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", "\n".join(commands)],
        cwd=cwd,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode in (statuses or (0,)), done.stdout + done.stderr
    return done.stdout
