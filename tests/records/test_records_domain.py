"""The command ``records``: which domain it takes a name for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from conformance.cli import main
from conformance.facts.snapshot import Gathering, dump
from conformance.facts.store import Store


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("xn--bcher-kva.example", 6),
        ("b\u00fccher.example", 6),
        ("B\u00dcCHER.Example.", 6),
        ("other.example", 4),
        ("", 4),
        ("a..b", 4),
    ],
)
def test_a_domain_as_people_write_it(name: str, status: int, tmp_path: Path) -> None:
    host = {"mailconform_role": "mta_out", "mailconform_send_from": "203.0.113.1", "mailconform_helo": "mx.example"}
    domains = {"mailconform_domains": {"b\u00fccher.example": {}}}
    (tmp_path / "hosts.yml").write_text(json.dumps({"all": {"vars": domains, "hosts": {"mx.example": host}}}))
    (tmp_path / "facts.json").write_text(dump(Store(), Gathering("")))
    given = [f"--inventory={tmp_path / 'hosts.yml'}", f"--replay={tmp_path / 'facts.json'}"]
    done = CliRunner().invoke(main, ["records", name, *given])
    assert done.exit_code == status, done.output
    if status == 6:
        assert "xn--bcher-kva.example: " in done.output
