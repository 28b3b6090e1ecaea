"""Each exit status of the table in the documentation, by a run that ends with it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from conformance.cli import main
from conformance.lab.world import World
from conformance.report import page
from tests.plugin import fleet

pytest_plugins = ("pytester",)

Inside = Callable[..., fleet.Ran]

QUIET = ("-p", "no:cacheprovider")
PTR = ("--rules=ptr.exists", *QUIET)
TABLE = re.compile(r"<!-- table: exits -->\n(.*?)<!-- end of table -->", re.DOTALL)


def documented() -> dict[int, str]:
    text = (fleet.ROOT / "docs" / "outcomes.md").read_text("utf-8")
    (table,) = TABLE.findall(text)
    return {int(number): said for number, said in re.findall(r"^\| `(\d)` \| (.+) \|$", table, re.MULTILINE)}


def test_0_what_conforms(inside: Inside, inventories: Path) -> None:
    ran = inside(inventories / "good.yml", *PTR)
    assert ran.status == 0
    assert set(ran.outcomes.values()) == {"pass"}


def test_1_what_is_broken(inside: Inside, inventories: Path) -> None:
    ran = inside(inventories / "broken.yml", *PTR)
    assert (ran.status, ran.document["counts"]["fail"]) == (1, 1)
    assert inside(inventories / "broken.yml", *PTR, "--gate=none").status == 0


def test_2_what_is_out_of_its_budget(world: World, inventories: Path, tmp_path: Path) -> None:
    options = ["run", f"--inventory={inventories / 'dark.yml'}", "--budget=4s", "--gate=none", "--report-dir=told"]
    environ = fleet.environment(world, MAILCONFORM_DNS_TIMEOUT="60")
    ran = fleet.run(*fleet.COMMAND, *options, cwd=tmp_path, environ=environ, folder="told")
    assert ran.status == 2, ran.said
    assert ran.document["run"]["complete"] is False


def test_3_what_is_a_mistake_of_our_own(inside: Inside, inventories: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> str:
        raise RuntimeError("no page today")

    monkeypatch.setattr(page, "render", broken)
    ran = inside(inventories / "good.yml", *PTR, "--gate=none")
    assert (ran.status, ran.document["counts"]["fail"]) == (3, 0)


@pytest.mark.parametrize("option", ["--inventory=nowhere.yml", "--limit=mx9.example.com", "--waivers=none.yml"])
def test_4_what_cannot_be_read(inventories: Path, tmp_path: Path, option: str) -> None:
    options = ["run", f"--inventory={inventories / 'good.yml'}", option, "--rules=ptr.exists", "--gate=none"]
    ran = fleet.run(*fleet.COMMAND, *options, cwd=tmp_path, environ=fleet.environment())
    assert ran.status == 4, ran.said
    assert option.partition("=")[2] in ran.err
    assert not ran.folder.exists()


def test_4_what_is_no_option() -> None:
    assert CliRunner().invoke(main, ["run", "--inventry", "x"]).exit_code == 4


def test_5_what_checks_nothing(inside: Inside, inventories: Path) -> None:
    assert inside(inventories / "good.yml", *PTR, "-k", "nonesuch", "--gate=none").status == 5


def test_6_what_could_not_be_looked_at(inside: Inside, inventories: Path) -> None:
    ran = inside(inventories / "dark.yml", *PTR)
    assert (ran.status, ran.document["counts"]["undetermined"]) == (6, 1)
    assert inside(inventories / "dark.yml", *PTR, "--gate=none").status == 0


def test_the_table_and_the_help_name_each_of_these() -> None:
    tried = {int(found[1]) for name in globals() if (found := re.match(r"test_(\d)_", name))}
    assert set(documented()) == tried == set(range(7))
    told = " ".join(CliRunner().invoke(main, ["run", "--help"]).output.split())
    listed = told.partition("Exit status: ")[2].partition("Options:")[0]
    assert {int(number) for number in re.findall(r"\b(\d) ", listed)} == tried
