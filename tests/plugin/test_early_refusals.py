"""What is told before anything heavy is loaded or started: what is wrong with waivers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.plugin import fleet

HEAVY = {"conformance.run", "conformance.facts", "conformance.fleet.build", "dns", "ansible"}
DOORS = {
    "run": ("-m", "conformance.cli", "run"),
    "pytest": ("-m", "pytest", "--pyargs", "conformance.cases", "-p", "conformance.plugin"),
}
WRONG = [
    ("waivers: [", "waivers.yml:2: is no YAML"),
    ({"rules": ["ptr.exist"]}, "waivers.yml:2: there is no rule 'ptr.exist'"),
    ({"rules": ["tls.in-587"]}, "waivers.yml:2: tls.in-587 cannot be waived"),
    ({"expires": "2027-12-24"}, "waivers.yml:2: expires 418 days after its issue"),
]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with an inventory, and with an interpreter for Ansible that only leaves a trace."""
    fleet.inventory(tmp_path / "hosts.yml", fleet.numbered(1))
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n: > {tmp_path / 'started'}\nexit 1\n")
    python.chmod(0o755)
    return tmp_path


def write(place: Path, waiver: str | dict[str, Any]) -> None:
    """Write the file of waivers: as text, or with one waiver on its second line."""
    whole = {"id": "W-1", "rules": ["ptr.exists"], "hosts": "all", "reason": "moved", "owner": "mail-ops"}
    dates = {"issued": "2026-11-01", "expires": "2026-12-24"}
    text = waiver if isinstance(waiver, str) else f'{{"waivers": [\n{json.dumps(whole | dates | waiver)}]}}'
    (place / "waivers.yml").write_text(text)


def refused(place: Path, door: str, *options: str, **environ: str) -> tuple[fleet.Ran, set[str]]:
    """Return a run that ended with 4, and all modules that it loaded."""
    settled = {"MAILCONFORM_INVENTORY": "hosts.yml", "MAILCONFORM_NOW": "2026-11-24", "PYTHONPROFILEIMPORTTIME": "1"}
    ran = fleet.run(*DOORS[door], *options, cwd=place, environ=fleet.environment(**settled, **environ))
    assert ran.status == 4, ran.said
    assert not (place / "reports").exists()
    assert "test session starts" not in ran.out
    return ran, {line.rpartition("|")[2].strip() for line in ran.err.splitlines() if line.startswith("import time:")}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(("waiver", "text"), WRONG, ids=[text.split(": ", 1)[1][:20] for _, text in WRONG])
def test_wrong_waivers_are_told_before_anything_heavy(
    place: Path, door: str, waiver: str | dict[str, Any], text: str
) -> None:
    write(place, waiver)
    ran, loaded = refused(place, door, "--waivers=waivers.yml", "--ansible-python=./python")
    assert text in ran.err
    assert "conformance.reading.waivers" in loaded
    assert not loaded & HEAVY
    assert ("pytest" in loaded) == (door == "pytest")
    assert not (place / "started").exists()


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("setting", ["environment", "pytest.ini", "pyproject.toml", "arguments"])
def test_wherever_they_are_named(place: Path, door: str, setting: str) -> None:
    write(place, {"owner": ""})
    environ, options = {}, ["--ansible-python=./python"]
    if setting == "environment":
        environ["MAILCONFORM_WAIVERS"] = "waivers.yml"
    elif setting == "pytest.ini":
        (place / "pytest.ini").write_text("[pytest]\nmailconform_waivers = waivers.yml\n")
    elif setting == "pyproject.toml":
        (place / "pyproject.toml").write_text('[tool.pytest.ini_options]\nmailconform_waivers = ["waivers.yml"]\n')
    else:
        options += ["--", "--waivers", "waivers.yml"] if door == "run" else ["--waivers", "waivers.yml"]
    ran, loaded = refused(place, door, *options, **environ)
    assert "waivers.yml:2: owner is empty" in ran.err
    assert not loaded & HEAVY
    assert not (place / "started").exists()


def test_every_file_of_the_arguments_is_read(place: Path) -> None:
    write(place, {"owner": ""})
    ran, _ = refused(place, "run", "--waivers=waivers.yml", "--waivers=none.yml", "--", "--waivers", "more.yml")
    said = [line for line in ran.err.splitlines() if not line.startswith("import time:")]
    assert said == [
        "more.yml: cannot be read: No such file or directory",
        "none.yml: cannot be read: No such file or directory",
        "waivers.yml:2: owner is empty",
    ]


def test_a_file_that_the_run_does_not_use_refuses_nothing(place: Path) -> None:
    (place / "pytest.ini").write_text("[pytest]\nmailconform_waivers = none.yml\n")
    write(place, {})
    ran, _ = refused(place, "run", "--waivers=waivers.yml", "--ansible-python=./python")
    assert "none.yml" not in ran.err
    assert "the inventory could not be read" in ran.err
    assert (place / "started").exists()


def test_a_pattern_that_matches_no_host_is_told_before_the_run_is_loaded(place: Path) -> None:
    write(place, {"hosts": "mx9*"})
    ran, loaded = refused(place, "run", "--waivers=waivers.yml")
    assert "waivers.yml:2: hosts: the pattern 'mx9*' matches no host of the inventory" in ran.err
    assert "conformance.fleet.build" in loaded
    assert not loaded & {"conformance.run", "conformance.reporting", "ansible"}


def test_a_day_that_is_none_is_told_once(place: Path) -> None:
    write(place, {})
    ran = fleet.run(
        *DOORS["run"], "--waivers=waivers.yml", cwd=place, environ=fleet.environment(MAILCONFORM_NOW="yesterday")
    )
    assert (ran.status, ran.err) == (4, "MAILCONFORM_NOW: 'yesterday' is no day\n")
