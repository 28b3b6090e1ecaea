"""A pull request that removes a selector with which captured mail is signed: seen even where it is called retired."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from conformance.lab.spec import parse_listener
from conformance.lab.world import serve_world
from tests import worlds
from tests.plugin import fleet


@pytest.mark.parametrize("state", ["signing", "retired"])
def test_a_selector_with_which_mail_was_signed(tmp_path: Path, state: str) -> None:
    good = worlds.load("good")
    selectors = [one | {"state": state} if one["selector"] == "s1" else one for one in selectors_of(good)]
    domains = {**good.domains, "example.com": {**good.domains["example.com"], "dkim": selectors}}
    good = dataclasses.replace(good, domains=domains)
    (tmp_path / "change.zone").write_text("$ORIGIN example.com.\n$TTL 300\n$DELETE s1._domainkey TXT\n")
    with serve_world(good.zones, [parse_listener(one) for one in good.listeners], good.faults) as world:
        (tmp_path / "hosts.yml").write_text(good.inventory(dict(world.ports), tmp_path))
        good.captured(tmp_path)
        command = [*fleet.COMMAND, "diff", "--json", "--inventory=hosts.yml", "--probe=none", "--rules=dkim.*"]
        command += ["--level=should", "--overlay=change.zone,mode=patch"]
        ran = fleet.run(*command, cwd=tmp_path, environ=fleet.environment(world), folder="reports/diff/after")
    assert ran.status == 1, ran.said
    document = json.loads(ran.out)
    appears = {f"{one['check']} {one['subject']}": one["seen"] for one in document["appears"]}
    assert ("dkim.key-exists example.com/s1" in appears) is (state == "signing")
    assert "no key: s1._domainkey.example.com TXT NXDOMAIN" in appears["dkim.all-valid mx1.example.com/news"]


def selectors_of(world: worlds.World) -> list[dict[str, str]]:
    found: list[dict[str, str]] = world.domains["example.com"]["dkim"]
    return found
