"""The tour of docs/records.md: its commands run as they stand, and print what it shows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.lab.test_tour_proposed import BLOCK, ROOT, command, shows

PAGE = (ROOT / "docs" / "records.md").read_text("utf-8")


def test_the_tour_goes_as_it_is_told(tmp_path: Path, permitted: Callable[[object], None]) -> None:
    (tmp_path / "inventories").symlink_to(ROOT / "inventories")
    tour = PAGE.partition("## Set up a domain in 10 minutes\n")[2].partition("\n## ")[0]
    blocks = BLOCK.findall(tour)
    assert [title for title, _ in blocks].count("tour") == 4
    printed: list[str] = []
    for title, text in blocks:
        if title == "tour":
            printed = command(text.strip(), tmp_path, permitted)
        else:
            shows(text.splitlines(), printed)
    assert (tmp_path / "records.zone").read_text().startswith("; spf-forgets-us.example")
