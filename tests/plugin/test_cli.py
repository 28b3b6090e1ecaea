"""The command: what is not a test, and what it hands to pytest."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest
from click.testing import CliRunner, Result

from conformance import profiles
from conformance.catalogue import checks
from conformance.cli import main
from conformance.options import OPTIONS
from tests.plugin import fleet

SECONDS = 0.6
"""CPU time in which the command must be up, with room for a slow machine; 0.3 is the aim."""


def groups(command: click.Group) -> Iterator[click.Group]:
    yield command
    for own in command.commands.values():
        if isinstance(own, click.Group):
            yield from groups(own)


def test_lists_of_commands_say_whole_sentences() -> None:
    cut = [
        line
        for group in groups(main)
        for line in CliRunner().invoke(group, ["--help"], terminal_width=80).output.splitlines()
        if line.startswith("  ") and line.endswith("...")
    ]
    assert cut == []


def mailconform(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(autouse=True)
def away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder without any settings."""
    for name in os.environ:
        if name.startswith("MAILCONFORM_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fleet")
    domains: dict[str, Any] = {"example.com": {"dkim": [{"selector": "s1"}]}, "example.org": {"no_mail": True}}
    return fleet.inventory(folder / "hosts.yml", fleet.numbered(1, 2, listen=[{"port": 25}]), domains=domains)


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["explain", "ptr.exists"]], ids=" ".join)
def test_nothing_heavy_is_imported_to_say_a_few_words(away: Path, arguments: list[str]) -> None:
    command = [sys.executable, "-X", "importtime", *fleet.COMMAND, *arguments]
    # Time to compile is not time to run.
    environ = fleet.environment(PYTHONPYCACHEPREFIX=str(away / "cache"))
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    subprocess.run(command, env=environ, check=True, capture_output=True)
    with (away / "err").open("w+") as err:
        child = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=err)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        err.seek(0)
        imported = {line.rpartition("|")[2].strip() for line in err}
    assert status == 0
    sys.stdout.write(f"{' '.join(arguments)}: {used.ru_utime + used.ru_stime:.3f} s of CPU\n")
    assert used.ru_utime + used.ru_stime < SECONDS
    assert "click" in imported
    heavy = {
        "pytest",
        "_pytest",
        "dns",
        "pydantic",
        "cryptography",
        "spf",
        "jinja2",
        "aiosmtplib",
        "asyncio",
        "ansible",
    }
    assert not heavy & imported


def test_help_names_every_option() -> None:
    said = mailconform("run", "--help").output
    for option in OPTIONS:
        assert option.switch in said
    assert "Exit status" in said


def test_explain() -> None:
    done = mailconform("explain", "ptr.exists")
    assert done.exit_code == 0
    assert checks()["ptr.exists"].title in done.output
    assert "RFC1912" in done.output.replace(" ", "")
    done = mailconform("explain", "ptr.exist")
    assert done.exit_code == 4
    assert "did you mean ptr.exists" in done.stderr


def test_lists_of_rules_and_profiles() -> None:
    lines = mailconform("list", "rules").output.splitlines()
    assert [line.split()[1] for line in lines] == list(checks())
    zendesk = {
        line.split()[1]: line.split()[0]
        for line in mailconform("list", "rules", "--profile=zendesk").output.splitlines()
    }
    assert zendesk == {name: profiles.level(check, ["zendesk"]) or "-" for name, check in checks().items()}
    assert "-" in zendesk.values()
    done = mailconform("list", "rules", "--profile=gogle")
    assert (done.exit_code, "zendesk" in done.stderr) == (4, True)
    lines = mailconform("list", "profiles").output.splitlines()
    assert [line.split()[0] for line in lines] == list(profiles.names())
    gmx = next(line for line in lines if line.startswith("gmx "))
    named = gmx.partition("; harder than common: ")[2].split(", ")
    assert named == profiles.beyond("gmx", checks().values())
    assert not profiles.beyond("common", checks().values())
    assert {"google", "yahoo", "microsoft", "apple", "t-online", "comcast", "internetnl", "m3aawg"} < {
        *profiles.names()
    }


def test_lists_of_hosts_and_domains(hosts: Path) -> None:
    lines = mailconform("list", "hosts", "--inventory", hosts).output.splitlines()
    assert [line.split()[0] for line in lines] == ["mx1.example.com", "mx2.example.com"]
    assert "203.0.113.1 as mx1.example.com" in lines[0]
    lines = mailconform("list", "domains", "--inventory", hosts, "--limit=mx1.example.com").output.splitlines()
    assert [line.split()[0] for line in lines] == ["example.com", "example.org"]
    assert "s1 (signing); sent by: 1 hosts" in lines[0]
    assert "sends no mail" in lines[1]


def test_inventory_commands(hosts: Path, away: Path) -> None:
    done = mailconform("inventory", "validate", "--inventory", hosts)
    assert (done.exit_code, done.output) == (0, "valid: 2 mail hosts, 2 sending addresses, 2 domains\n")
    done = mailconform("inventory", "show", "--inventory", hosts, "mx1.example.com")
    assert done.exit_code == 0
    assert "203.0.113.1" in done.output
    assert "hosts.yml" in done.output
    assert "203.0.113.2" not in done.output
    done = mailconform("inventory", "show", "--inventory", hosts, "mx7.example.com")
    assert (done.exit_code, "mx2.example.com" in done.stderr) == (4, True)
    schema = json.loads(mailconform("inventory", "schema").output)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert "mailconform_send_from" in json.dumps(schema)


def test_an_inventory_that_is_wrong_ends_with_4(away: Path) -> None:
    fleet.inventory(away / "hosts.yml", fleet.numbered(1, send_form=["203.0.113.1"]))
    done = mailconform("inventory", "validate", "--inventory=hosts.yml")
    assert done.exit_code == 4
    assert "hosts.yml: unknown variable mailconform_send_form" in done.stderr
    assert mailconform("inventory", "validate", "--inventory=nowhere.yml").exit_code == 4
    done = mailconform("list", "hosts")
    assert (done.exit_code, "MAILCONFORM_INVENTORY" in done.stderr) == (4, True)


def test_the_nearest_ini_file_counts_as_for_pytest(hosts: Path, away: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (away / "pytest.ini").write_text(f"[pytest]\nmailconform_inventory = {hosts}\n")
    (away / "near").mkdir()
    monkeypatch.chdir(away / "near")
    assert len(mailconform("list", "hosts").output.splitlines()) == 2
    (away / "near" / "pyproject.toml").write_text(
        "[tool.pytest.ini_options]\nmailconform_inventory = ['nowhere.yml']\n"
    )
    done = mailconform("list", "hosts")
    assert (done.exit_code, "nowhere.yml" in done.stderr) == (4, True)
    assert len(mailconform("list", "hosts", "--inventory", hosts).output.splitlines()) == 2
    (away / "near" / "pyproject.toml").write_text("[tool.pytest.ini_options\n")
    assert mailconform("list", "hosts").exit_code == 4


@pytest.mark.parametrize("arguments", [["run", "--bogus"], ["run", "--level=shall"], ["nonesuch"], ["explain"], []])
def test_wrong_usage_is_4(arguments: list[str]) -> None:
    assert mailconform(*arguments).exit_code == 4


def test_an_interrupt_is_2(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_name: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(profiles, "load", interrupted)
    assert mailconform("list", "profiles").exit_code == 2


def test_run_says_which_pytest_it_becomes() -> None:
    given = ["--inventory=a b.yml", "--inventory=c", "--rules=ptr.*", "--no-secrets", "--dns-rate=1234567.5", "-q"]
    done = mailconform("run", *given, "--print-command", "--", "-k", "ptr and exists", "-x")
    assert done.exit_code == 0
    words = shlex.split(done.output)
    assert words[:5] == [sys.executable, "-m", "pytest", "--pyargs", "conformance.cases"]
    assert [word for word in words if word.startswith("--inventory")] == ["--inventory=a b.yml", "--inventory=c"]
    assert {"--rules=ptr.*", "--no-secrets", "--dns-rate=1234567.5", "-q"} <= set(words)
    assert words[-3:] == ["-k", "ptr and exists", "-x"]


def test_validate_refuses_what_a_run_would_refuse(away: Path) -> None:
    hosts = fleet.numbered(2, profile="zendsk", levels={"ptr.exsts": "must"})
    fleet.inventory(away / "hosts.yml", hosts)
    done = mailconform("inventory", "validate", "--inventory=hosts.yml")
    assert done.exit_code == 4
    assert "no profile 'zendsk'" in done.stderr
    assert "did you mean ptr.exists" in done.stderr
