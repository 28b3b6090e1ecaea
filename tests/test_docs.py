"""The documentation says what the code does: generated parts are up to date, examples load, commands exist."""

from __future__ import annotations

import configparser
import datetime
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from conformance import docs, policy
from conformance.catalogue import checks
from conformance.cli import main
from conformance.fleet import schema, waivers
from conformance.options import OPTIONS, UsageError
from conformance.report.formats import render
from tests.report.sample_results import fleet

ROOT = Path(__file__).parent.parent
PAGES = [*sorted(ROOT.glob("*.md")), ROOT / "reports" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
HINT = f"out of date, run: {docs.COMMAND}"


@dataclass(frozen=True)
class Block:
    """A fenced example of a page."""

    page: str
    language: str
    title: str
    text: str


@cache
def blocks() -> list[Block]:
    return [
        Block(path.relative_to(ROOT).as_posix(), *(part or "" for part in found))
        for path in PAGES
        for found in FENCE.findall(path.read_text("utf-8"))
    ]


def of(language: str) -> list[Block]:
    found = [block for block in blocks() if block.language == language]
    assert found
    return found


def prose() -> str:
    return "\n".join(path.read_text("utf-8") for path in PAGES)


def test_every_check_has_its_page() -> None:
    folder = ROOT / "docs" / "checks"
    wanted = docs.pages()
    assert {path.name for path in folder.glob("*.md")} == set(wanted), HINT
    stale = [name for name, text in wanted.items() if (folder / name).read_text("utf-8") != text]
    assert not stale, HINT


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_tables_are_up_to_date(path: Path) -> None:
    text = path.read_text("utf-8")
    assert docs.filled(text) == text, HINT


def test_every_table_is_shown() -> None:
    assert {name for name in docs.TABLES if f"<!-- table: {name} -->" in prose()} == set(docs.TABLES)


def test_no_check_is_left_as_it_was_begun() -> None:
    assert not [check.id for check in checks().values() if "Say here" in check.title + check.reason + check.fix]


def test_writing_brings_up_to_date_and_spares_what_others_wrote(tmp_path: Path) -> None:
    folder = tmp_path / "docs" / "checks"
    folder.mkdir(parents=True)
    (folder / "mine.md").write_text("# mine\n")
    (folder / "gone.rule.md").write_text(docs.pages()["ptr.exists.md"])
    (folder / "ptr.exists.md").write_text("stale\n")
    page, readme = folder.parent / "page.md", tmp_path / "README.md"
    page.write_text("one\n<!-- table: exits -->\nstale\n<!-- end of table -->\ntwo\n")
    readme.write_text("<!-- table: areas -->\nno end\n<!-- table: exits -->\n<!-- end of table -->\n")
    docs.write(folder)
    assert (folder / "mine.md").exists()
    assert not (folder / "gone.rule.md").exists()
    assert (folder / "ptr.exists.md").read_text() == docs.pages()["ptr.exists.md"]
    assert re.fullmatch(r"one\n<!.*\| `6` \|.*!.*>\ntwo\n", page.read_text(), re.DOTALL)
    assert "no end" in readme.read_text()
    assert docs.write(folder) == []


def test_a_page_cannot_break_out_of_its_table() -> None:
    assert docs._cell("a|b <i>`c` [d](e) *f*") == r"a\|b &lt;i>\`c\` \[d\](e) \*f\*"


def test_the_page_of_a_check() -> None:
    page = docs.page(checks()["ptr.exists"])
    assert "# ptr.exists\n\n**Every sending address has a PTR record.**" in page
    assert "Publish: <reverse name> IN PTR <proper name>." in page
    assert "| should | RFC1912 2.1 | [RFC 1912: " in page
    assert "https://www.rfc-editor.org/rfc/rfc1912#section-2.1" in page
    assert "| common | must |" in page
    assert "Judges each address: one source address" in page
    assert "- `ptr`: the PTR records of the address." in page
    assert "`test_ptr_exists` in `conformance/cases/test_ptr.py`" in page


def test_facts_are_found_by_the_subject_they_lead_to() -> None:
    assert ("ptr_names", docs.about("ptr_names")) in docs.facts_about("address")
    assert docs.subject_of("server_names") == "listener"
    assert docs.subject_of("own_domains") is None


def inventories() -> dict[tuple[str, str], dict[str, str]]:
    """Examples that are files of an inventory: by page and folder, the text by file name."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for block in of("yaml"):
        if match := re.match(r"(inventories/\w+)/", block.title):
            found.setdefault((block.page, match[1]), {})[block.title] = block.text
    return found


@pytest.mark.parametrize("where", list(inventories()), ids="-".join)
def test_inventories_of_the_documentation_load(where: tuple[str, str], tmp_path: Path) -> None:
    for name, text in inventories()[where].items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    validate(tmp_path / where[1], hosts=2)


def test_the_example_inventory_loads() -> None:
    validate(ROOT / "inventories" / "example", hosts=3)


def validate(inventory: Path, hosts: int) -> None:
    command = [sys.executable, "-m", "conformance.cli", "inventory", "validate", f"--inventory={inventory}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    told = re.match(r"valid: (\d+) mail hosts", done.stdout)
    assert told
    assert int(told[1]) >= hosts


@pytest.mark.parametrize("block", of("yaml"), ids=lambda block: f"{block.page}-{block.title}")
def test_yaml_is_yaml(block: Block) -> None:
    read = yaml.safe_load(block.text)
    assert isinstance(read, dict)
    for name in read:
        if str(name).startswith("mailconform_"):
            assert not schema.check(name, read[name])[1] or "{{" in block.text


def test_examples_are_shown_as_they_are() -> None:
    shown = [block for block in blocks() if block.title.startswith("examples/")]
    assert shown
    assert [block.title for block in shown if (ROOT / block.title).read_text("utf-8") != block.text] == []


def test_ci_recipes_keep_the_reports() -> None:
    recipes = {block.title: yaml.safe_load(block.text) for block in of("yaml") if block.page == "docs/ci.md"}
    gitlab = recipes[".gitlab-ci.yml"]["mail-conformance"]
    folder = gitlab["variables"]["MAILCONFORM_REPORT_DIR"]
    assert gitlab["artifacts"]["reports"]["junit"] == f"{folder}/junit.xml"
    assert gitlab["artifacts"]["paths"] == [f"{folder}/"]
    assert gitlab["artifacts"]["when"] == "always"
    steps = recipes[".github/workflows/mail-conformance.yml"]["jobs"]["conformance"]["steps"]
    top = next(option.default for option in OPTIONS if option.name == "reports")
    assert steps[-1]["with"]["path"] == f"{top}/latest/"
    assert steps[-1]["if"] == "always()"


@pytest.mark.parametrize("block", of("ini"), ids=lambda block: block.title)
def test_ini_files_are_ini_files(block: Block) -> None:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.read_string(block.text)
    known = {option.ini: option for option in OPTIONS}
    for key, value in parser["pytest"].items() if parser.has_section("pytest") else ():
        assert known[key].read(value, key)


def lines() -> Iterator[tuple[str, list[str]]]:
    """Every command line of mailconform in an example, with the page it stands on."""
    for block in blocks():
        if block.language in ("text", "python"):
            continue
        for line in re.split(r"\n|&&", block.text):
            if re.search(r"(^|[\s/=])mailconform\s", line):
                words = shlex.split(line, comments=True)
                names = [Path(word.rpartition("=")[2]).name for word in words]
                if "mailconform" in names:
                    arguments = words[names.index("mailconform") + 1 :]
                    yield block.page, list(takewhile(lambda word: word not in (">", ">>"), arguments))


def in_sentences() -> Iterator[tuple[str, list[str]]]:
    for path in PAGES:
        for text in re.findall(r"`mailconform ([^`\n]+)`", FENCE.sub("", path.read_text("utf-8"))):
            yield path.name, shlex.split(text)


def parse(arguments: list[str]) -> None:
    """Read a command line as the command would, down to the last subcommand. Raises click.UsageError."""
    command: click.Command = main
    name, rest = "mailconform", list(arguments)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        name, *rest = rest
        if name not in command.commands:
            raise click.UsageError(f"no command {name!r}")
        command = command.commands[name]
    with suppress(click.exceptions.Exit):
        command.make_context(name, rest)


def test_commands_exist_with_their_options() -> None:
    found = list(lines())
    assert len(found) > 25
    for page, arguments in found:
        try:
            parse(arguments)
        except (click.UsageError, UsageError) as error:
            raise AssertionError(f"{page}: mailconform {shlex.join(arguments)}: {error}") from None


def test_commands_in_sentences_exist() -> None:
    for page, arguments in in_sentences():
        try:
            parse(arguments)
        except click.MissingParameter:
            continue
        except click.UsageError as error:
            raise AssertionError(f"{page}: mailconform {shlex.join(arguments)}: {error}") from None


def test_a_wrong_command_would_be_noticed() -> None:
    for wrong in (["runn"], ["run", "--inventry", "x"], ["list", "rulez"], ["run", "--gate", "some"]):
        with pytest.raises(click.UsageError):
            parse(wrong)


def test_every_variable_of_an_inventory_is_described() -> None:
    text = (ROOT / "docs" / "inventory.md").read_text("utf-8")
    first_cells = "\n".join(re.findall(r"^\| (.+?) \|", text, re.MULTILINE))
    later = text.partition("## Read and kept for later")[2].partition("##")[0]
    described = set(re.findall(r"`(mailconform_\w+)`", first_cells + later))
    assert described == set(schema.NAMES)


@pytest.mark.parametrize(
    ("variable", "model"),
    [
        ("send_from", schema.SendFrom),
        ("listen", schema.Listen),
        ("domains", schema.DomainEntry),
        ("probe", schema.ProbeEntry),
        ("streams", schema.StreamEntry),
        ("submission", schema.SubmissionEntry),
    ],
)
def test_every_key_of_a_mapping_is_described(variable: str, model: type[schema.Part]) -> None:
    section = (ROOT / "docs" / "inventory.md").read_text("utf-8").partition(f"### mailconform_{variable}\n")[2]
    cells = re.findall(r"^\| (`.+?) \|", re.split(r"^#", section, flags=re.MULTILINE)[0], re.MULTILINE)
    wanted = {field.alias or key for key, field in model.model_fields.items()}
    assert set(re.findall(r"`(\w+)`", "".join(cells))) == wanted


@pytest.mark.parametrize(("key", "model"), [("dkim", schema.Dkim), ("spf", schema.Spf), ("dmarc", schema.Dmarc)])
def test_every_key_of_a_domain_is_described(key: str, model: type[schema.Part]) -> None:
    row = re.search(rf"^\| `{key}` \|(.*)$", (ROOT / "docs" / "inventory.md").read_text("utf-8"), re.MULTILINE)
    assert row
    assert set(re.findall(r"`(\w+)`", row[1].partition("|")[0])) == set(model.model_fields)


def test_every_name_of_ours_exists() -> None:
    metrics = re.findall(r"^mailconform_\w+", render("prometheus", fleet(1)[0]), re.MULTILINE)
    known = {*schema.NAMES, *(option.ini for option in OPTIONS), *metrics}
    assert set(re.findall(r"\bmailconform_[a-z0-9_]+", prose())) <= known
    variables = {"MAILCONFORM_CORPORA", "MAILCONFORM_SOURCE", *(option.variable for option in OPTIONS)}
    assert set(re.findall(r"\bMAILCONFORM_[A-Z_]+", prose())) <= variables


def test_every_rule_that_is_named_exists() -> None:
    areas = "|".join({check.area for check in checks().values()})
    named = set(re.findall(rf"(?<![\w.-])(?:{areas})\.[a-z0-9]+(?:-[a-z0-9]+)*(?![\w.-])", prose()))
    assert named - set(checks()) <= {"ptr.no-underscore", "parked.example"}, "but for a rule to be begun, and a domain"


def test_hosts_of_the_lab_that_are_named_exist() -> None:
    named = set(re.findall(r"[\w-]+\.example\.net", (ROOT / "docs" / "lab.md").read_text("utf-8")))
    assert len(named) > 2
    assert not [name for name in named if name not in (ROOT / "inventories" / "lab" / "hosts.yml").read_text("utf-8")]


def test_links_lead_somewhere() -> None:
    dead = [
        f"{path.name}: {target}"
        for path in PAGES
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", FENCE.sub("", path.read_text("utf-8")))
        if "://" not in target and not (path.parent / target).exists()
    ]
    assert not dead


def test_the_navigation_names_every_page() -> None:
    site: dict[str, Any] = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))
    named = {name for entry in site["nav"] for name in entry.values()}
    assert named == {path.name for path in (ROOT / "docs").glob("*.md")} | {"checks/index.md"}


def test_environments_of_tox_exist() -> None:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "tox.ini", "utf-8")
    for name in re.findall(r"tox -e (\w+)", prose()):
        assert f"testenv:{name}" in parser


def test_the_readme_holds_the_command_that_ci_runs() -> None:
    line = next(line for line in (ROOT / ".ci" / "run").read_text("utf-8").splitlines() if line.startswith("tests="))
    done = subprocess.run(["bash", "-c", f'{line}; printf %s "$tests"'], cwd=ROOT, capture_output=True, check=True)
    assert done.stdout.decode().startswith("python3 -m venv .venv && .venv/bin/pip install -q -e '.[test]' && ")
    assert "\n" not in done.stdout.decode()
    assert "pytest" in done.stdout.decode()


def test_the_program_that_reads_results_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    results, _ = fleet(20)
    (tmp_path / "reports" / "latest").mkdir(parents=True)
    (tmp_path / "reports" / "latest" / "results.json").write_text(json.dumps(results))
    monkeypatch.chdir(tmp_path)
    (block,) = of("python")
    exec(compile(block.text, block.title, "exec"), {})
    failures = [result for result in results["results"] if result["outcome"] == "fail"]
    assert failures
    assert len(capsys.readouterr().out.splitlines()) == len(failures)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (Debian: prometheus) is not installed")
def test_alert_rules_are_alert_rules(tmp_path: Path) -> None:
    (block,) = [block for block in of("yaml") if block.title == "alerts.yml"]
    (tmp_path / block.title).write_text(block.text)
    done = subprocess.run(["promtool", "check", "rules", block.title], cwd=tmp_path, check=False, timeout=30)
    assert done.returncode == 0


def test_waivers_of_the_documentation_are_valid() -> None:
    shown = [block for block in of("yaml") if block.title.endswith("waivers.yml")]
    assert shown
    for block in shown:
        found, wrong = waivers.judged(block.text, block.title, policy.rules(), datetime.date(2026, 12, 1))
        assert found
        assert not wrong
