"""DKIM keys from night to night: what a run saw at a selector is what the runs after it know."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from conformance.lab.world import World
from tests import worlds
from tests.plugin import fleet

UNIQUE, ROTATION = "dkim.selector-unique example.com", "dkim.rotation example.com"
Night = Callable[..., fleet.Ran]


def strings(key: str) -> str:
    """Return a public key as the strings of a TXT record."""
    text = worlds.keys()[key]
    return " ".join(f'"{text[at : at + 200]}"' for at in range(0, len(text), 200))


def zone(changed: str, steady: str) -> str:
    """Return the zone with keys at two selectors."""
    keys = {"changed": changed, "steady": steady}
    return fleet.ZONES["example.com."] + "".join(
        f'{selector}._domainkey TXT "v=DKIM1; p=" {strings(key)}\n' for selector, key in keys.items()
    )


@pytest.fixture
def served() -> Iterator[World]:
    """Serve the first night's keys."""
    with fleet.served({**fleet.ZONES, "example.com.": zone("rsa1024", "rsa2048")}) as world:
        yield world


@pytest.fixture
def night(served: World, tmp_path: Path) -> Night:
    """Judge the keys that stand in DNS now."""
    selectors = [{"selector": "changed"}, {"selector": "steady"}]
    fleet.inventory(tmp_path / "hosts.yml", fleet.numbered(1), domains={"example.com": {"dkim": selectors}})
    options = (
        "run",
        "--inventory=hosts.yml",
        "--rules=dkim.selector-unique",
        "--rules=dkim.rotation",
        "--rules=dkim.key-exists",
    )

    def judge(*more: str) -> fleet.Ran:
        environ = fleet.environment(served)
        ran = fleet.run(*fleet.COMMAND, *options, *more, cwd=tmp_path, environ=environ)
        assert ran.status in (0, 6), ran.said
        return ran

    return judge


def seen(ran: fleet.Ran, name: str) -> str:
    """Return what was seen of one result."""
    return str(next(one["seen"] for one in ran.results if f"{one['check']} {one['subject']}" == name))


def aged(tmp_path: Path, days: int) -> None:
    """Let the last night be so many days ago."""
    path = tmp_path / "reports/latest/facts.json"
    facts = json.loads(path.read_text())
    past = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=days)
    facts["gathered"] = past.isoformat(timespec="seconds")
    path.write_text(json.dumps(facts))


def test_another_key_at_a_selector_is_told_and_the_same_key_is_not(night: Night, served: World, tmp_path: Path) -> None:
    first = night()
    assert first.outcomes[f"{UNIQUE}/changed"] == first.outcomes[f"{ROTATION}/steady"] == "not-applicable"
    served.load("example.com.", zone("rsa2048", "rsa2048"))
    second = night()
    assert second.outcomes[f"{UNIQUE}/changed"] == "advice"
    assert second.outcomes[f"{UNIQUE}/steady"] == "pass"
    assert re.search(r"earlier runs saw another one there: [0-9a-f]{16} \(from ", seen(second, f"{UNIQUE}/changed"))
    # The night after that compares with all nights, not with the last.
    assert night().outcomes[f"{UNIQUE}/changed"] == "advice"


def test_how_long_a_key_has_been_there_is_counted_over_nights(night: Night, served: World, tmp_path: Path) -> None:
    night()
    aged(tmp_path, days=200)
    served.load("example.com.", zone("rsa2048", "rsa2048"))
    second = night()
    assert second.outcomes[f"{ROTATION}/steady"] == "advice"
    assert "the key has been there for 200 days at least" in seen(second, f"{ROTATION}/steady")
    assert second.outcomes[f"{ROTATION}/changed"] == "pass"


def test_a_night_of_proposed_or_silent_dns_neither_teaches_nor_forgets(
    night: Night, served: World, tmp_path: Path
) -> None:
    night()
    (tmp_path / "planned.zone").write_text(
        f'changed._domainkey.example.com. 60 TXT "v=DKIM1; p=" {strings("rsa2048")}\n'
    )
    planned = night("--overlay=planned.zone,mode=patch")
    # latest is the run of what is live still.
    (folder,) = {path.parent for path in tmp_path.glob("reports/*/results.json")} - {
        planned.folder,
        planned.folder.resolve(),
    }
    planned = replace(planned, folder=folder)
    assert planned.outcomes[f"{UNIQUE}/changed"] == "advice"
    night("--resolver=127.0.0.1:9")
    after = night()
    assert after.outcomes[f"{UNIQUE}/changed"] == after.outcomes[f"{UNIQUE}/steady"] == "pass"
