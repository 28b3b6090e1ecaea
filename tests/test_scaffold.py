"""A check that was begun fails until it is written, and then it passes: tried in a copy of the checkout."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conformance.scaffold import ScaffoldError, scaffold, with_imports
from conformance.subjects import KINDS

ROOT = Path(__file__).parent.parent
RULE, WORLD = "ptr.no-seven", "ptr-no-seven"
WRITTEN = '''

@check(
    "RFC5321: must",
    fix="Publish another name: {address.reverse_name} IN PTR {address.proper_name}.",
)
def test_ptr_no_seven(ptr_names: tuple[str, ...], address: Address) -> None:
    """No PTR name holds a seven.

    It is only an example.
    """
    assert not any("7" in name for name in ptr_names), seen(f"{address.ip}: {listed(ptr_names)}")
'''
CHANGED = """\
about: A PTR name holds a seven.
options: ["--rules=ptr.no-*"]
changes:
  1.113.0.203.in-addr.arpa PTR: [mx7.example.com.]
  mx7.example.com A: [203.0.113.1]
reports:
  - "ptr.no-seven mx1.example.com/203.0.113.1: must fail"
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what a checkout needs to begin a check and to try it."""
    shutil.copytree(ROOT / "conformance", tmp_path / "conformance")
    (tmp_path / "tests" / "worlds").mkdir(parents=True)
    for name in ("pyproject.toml", "pytest.ini", "tests/__init__.py", "tests/test_worlds.py"):
        shutil.copy(ROOT / name, tmp_path / name)
    for path in (*(ROOT / "tests" / "worlds").glob("*.py"), ROOT / "tests" / "worlds" / "good.yml"):
        shutil.copy(path, tmp_path / "tests" / "worlds" / path.name)
    return tmp_path


def run(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False, timeout=120)


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_begun_fails_and_written_passes(checkout: Path) -> None:
    begun = run(checkout, "conformance.cli", "scaffold", RULE, "--subject", "address")
    assert begun.returncode == 0, begun.stderr
    case, world = checkout / "conformance/cases/test_ptr.py", checkout / f"tests/worlds/{WORLD}.yml"
    for told in (f"pytest -q tests/test_worlds.py -k 'good or {WORLD}'", "ptr_names", "mailconform docs docs/checks"):
        assert told in begun.stdout
    world.write_text(world.read_text() + 'options: ["--rules=ptr.no-*"]\n')
    try_it = ("pytest", "-q", "-p", "no:cacheprovider", "tests/test_worlds.py", "-k", WORLD)

    tried = run(checkout, *try_it)
    assert "1 failed" in tried.stdout
    assert "not written yet" in tried.stdout

    before = case.read_text().partition('\n\n@check(\n    "RFC5321: must",\n    fix="Say here')[0]
    case.write_text(before + WRITTEN)
    world.write_text(CHANGED)
    tried = run(checkout, *try_it)
    assert "1 passed" in tried.stdout, tried.stdout
    assert run(checkout, "conformance.cli", "explain", RULE).stdout.startswith(f"{RULE}: No PTR name holds a seven.")


def test_a_new_area_for_each_kind_of_subject(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conformance.scaffold.checkout", lambda: checkout)
    for kind in KINDS:
        scaffold(f"novel.of-{kind.replace('_', '-')}", kind)
    listed = run(checkout, "conformance.cli", "list", "rules").stdout
    assert listed.count("novel.of-") == len(KINDS)
    with pytest.raises(ScaffoldError, match=r"novel-of-mta\.yml exists already"):
        scaffold("novel.of-mta", "mta")


@pytest.mark.parametrize(
    ("rule", "kind", "why"),
    [
        ("ptr.exists", "address", "exists already"),
        ("ptr.Exists", "address", "is no id"),
        ("../ptr.exists", "address", "is no id"),
        ("ptr", "address", "is no id"),
        (RULE, "host", "there are address, blocklist, domain"),
    ],
)
def test_what_cannot_be_begun(checkout: Path, monkeypatch: pytest.MonkeyPatch, rule: str, kind: str, why: str) -> None:
    monkeypatch.setattr("conformance.scaffold.checkout", lambda: checkout)
    before = files(checkout)
    with pytest.raises(ScaffoldError, match=why):
        scaffold(rule, kind)
    assert files(checkout) == before


def test_an_installed_package_is_no_checkout(checkout: Path) -> None:
    (checkout / "pyproject.toml").unlink()
    begun = run(checkout, "conformance.cli", "scaffold", RULE, "--subject", "address")
    assert begun.returncode == 4
    assert "is no checkout" in begun.stderr


SOURCE = """\
from typing import TYPE_CHECKING

from conformance.check import check

if TYPE_CHECKING:
    from conformance.facts.reverse import ReverseName
"""


def test_imports_are_added_once_and_in_order() -> None:
    once = with_imports(SOURCE, "conformance.check", ("seen", "NotApplicable"))
    assert "from conformance.check import NotApplicable, check, seen\n" in once
    assert with_imports(once, "conformance.check", ("check", "seen")) == once
    typed = with_imports(once, "conformance.fleet.model", ("Address",), typing=True)
    assert typed.endswith("import ReverseName\n    from conformance.fleet.model import Address\n")
    many = with_imports(SOURCE, "conformance.check", [f"quite_a_long_name_{number}" for number in range(9)])
    assert "from conformance.check import (\n    check,\n    quite_a_long_name_0,\n" in many
    compile(many, "many", "exec")


def test_a_file_without_a_place_for_imports_is_refused() -> None:
    with pytest.raises(ScaffoldError, match="TYPE_CHECKING"):
        with_imports("from x import y\n", "conformance.fleet.model", ("Address",), typing=True)
