from __future__ import annotations

import stat
from pathlib import Path

import pytest

from conformance.report.files import write_atomic


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    target = tmp_path / "results.json"
    write_atomic(target, "old")
    with target.open() as reader:
        write_atomic(target, "new\n")
        assert reader.read() == "old"
    assert target.read_text() == "new\n"
    assert list(tmp_path.iterdir()) == [target]


def test_a_new_file_is_readable_as_the_umask_says(tmp_path: Path) -> None:
    ordinary = tmp_path / "ordinary"
    ordinary.write_text("")
    write_atomic(tmp_path / "report.html", "")
    assert stat.S_IMODE((tmp_path / "report.html").stat().st_mode) == stat.S_IMODE(ordinary.stat().st_mode)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "results.json"
    target.write_text("old")

    def full(_: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="no space"):
        write_atomic(target, "new")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_lone_surrogates_do_not_stop_a_report(tmp_path: Path) -> None:
    write_atomic(tmp_path / "x", "\udcff")
    assert (tmp_path / "x").read_text() == "\\udcff"


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_atomic(tmp_path / "none" / "x", "")
