"""The tour of the documentation: its commands run as they stand, and print what it shows."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.plugin import fleet

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "proposed.md").read_text("utf-8")
BLOCK = re.compile(r'^```\w+ title="([^"]+)"\n(.*?)^```$', re.MULTILINE | re.DOTALL)


def test_the_tour_goes_as_it_is_told(tmp_path: Path, permitted: Callable[[object], None]) -> None:
    (tmp_path / "inventories").symlink_to(ROOT / "inventories")
    tour = PAGE.partition("## Gate a DNS pull request in 10 minutes\n")[2].partition("\n## ")[0]
    blocks = BLOCK.findall(tour)
    assert [title for title, _ in blocks].count("tour") == 3
    printed: list[str] = []
    for title, text in blocks:
        if title.endswith(".zone"):
            (tmp_path / title).write_text(text)
        elif title == "tour":
            printed = command(text.strip(), tmp_path, permitted)
        elif title == "output":
            shows(text.splitlines(), printed)
    assert any("PROPOSED" in line for line in printed)
    assert (tmp_path / "reports" / "latest" / "report.html").exists()


def shows(wanted: list[str], printed: list[str]) -> None:
    """Assert that lines which begin so were printed, in this order."""
    rest = iter(printed)
    for line in wanted:
        assert any(one.startswith(line) for one in rest), f"{line} is not in: {printed}"


def command(line: str, folder: Path, permitted: Callable[[object], None]) -> list[str]:
    """Run a line, which may end with the status that it is to have; return what it printed."""
    # Nothing is sent: the records alone are what the tour is about.
    environ = fleet.environment(MAILCONFORM_PROBE="connect")
    found = re.search(r"# (\d)$", line)
    script = f'mailconform() {{ "{sys.executable}" -m conformance.cli "$@"; }}\n{line}'
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=environ, capture_output=True, text=True, check=False, timeout=400
    )
    if "the embedded lab cannot run here" in done.stderr:
        permitted(done.stderr)
    assert done.returncode == (int(found[1]) if found else 0), done.stdout + done.stderr
    return [line for line in done.stdout.splitlines() if line]
