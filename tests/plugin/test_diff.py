"""``mailconform diff``: what a change makes appear and vanish, and what to mind on the way."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from conformance.lab.world import World
from tests.plugin import fleet
from tests.worlds import keys

ZONES = {
    "example.com.": fleet.ZONES["example.com."].replace("MX   10 mx1", "7200 MX 10 mx1")
    + 's1._domainkey TXT "v=DKIM1; k=ed25519; p={key}"\n'.format(key=keys()["ed25519"])
    + "new 300 A 203.0.113.9\n",
    "113.0.203.in-addr.arpa.": fleet.ZONES["113.0.203.in-addr.arpa."],
}
DOMAINS = {"example.com": {"dkim": [{"selector": "s1", "state": "signing"}]}}
RULES = ("--rules=ptr.exists", "--rules=dkim.key-exists", "--rules=spf.all-inventory", "--rules=dom.mx-*")
Diff = Callable[..., fleet.Ran]


@pytest.fixture(scope="module")
def served() -> Iterator[World]:
    with fleet.served(ZONES, ()) as world:
        yield world


@pytest.fixture
def diff(served: World, tmp_path: Path) -> Diff:
    """Return a function that compares live DNS with a patch, or whatever it is told to compare."""
    inventory = fleet.inventory(tmp_path / "hosts.yml", fleet.numbered(1, 2), domains=DOMAINS)

    def run(patch: str = "", *arguments: str, **variables: str) -> fleet.Ran:
        command = [*fleet.COMMAND, "diff", f"--inventory={inventory}", *RULES, "--probe=none"]
        if patch:
            (tmp_path / "change.zone").write_text(f"$ORIGIN example.com.\n$TTL 300\n{patch}")
            command += ["--overlay=change.zone,mode=patch"]
        environ = fleet.environment(served, **variables)
        return fleet.run(*command, *arguments, cwd=tmp_path, environ=environ, folder="reports/diff/after")

    return run


def told(ran: fleet.Ran) -> dict[str, Any]:
    assert ran.out.startswith("{"), ran.said
    document: dict[str, Any] = json.loads(ran.out)
    assert document["exit"] == ran.status
    return document


def names(results: list[dict[str, Any]]) -> list[str]:
    return [f"{one['check']} {one['subject']}" for one in results]


def test_a_pull_request_that_removes_a_selector_in_use(diff: Diff) -> None:
    ran = diff("$DELETE s1._domainkey TXT\n")
    assert ran.status == 1, ran.said
    lines = ran.out.splitlines()
    assert lines[0].startswith("before: live DNS")
    assert lines[1].startswith("after:  PROPOSED: DNS as changed by change.zone,mode=patch")
    (appears,) = [line for line in lines if line.startswith("F ")]
    assert appears.startswith("F MUST   dkim.key-exists [example.com/s1]: ")
    (hazard,) = [line for line in lines if line.startswith("! ")]
    assert hazard.startswith("! key removed [example.com/s1]: the key at s1._domainkey.example.com goes while")
    assert lines[-1] == "exit 1: something that gates appears"
    assert "ptr.exists" not in ran.out, "what stays is only counted"
    assert ran.document["run"]["dns"] == "proposed"


def test_a_change_that_mends_makes_something_vanish(diff: Diff) -> None:
    document = told(diff("2.113.0.203.in-addr.arpa. PTR mx2.example.com.\n", "--json"))
    assert names(document["vanishes"]) == ["ptr.exists mx2.example.com/203.0.113.2"]
    assert (document["appears"], document["unknown"], document["exit"]) == ([], [], 0)


def test_what_can_no_longer_be_seen_is_neither_there_nor_gone(diff: Diff) -> None:
    document = told(diff("_domainkey NS ns.elsewhere.example.\n", "--json"))
    assert names(document["unknown"]) == ["dkim.key-exists example.com/s1"]
    assert (document["appears"], document["exit"]) == ([], 6)


@pytest.mark.parametrize(
    ("patch", "kind", "subject", "order"),
    [
        (
            '@ TXT "v=spf1 ip4:203.0.113.2 -all"\n',
            "SPF dropped",
            "example.com",
            "stop sending from it, let its queue run empty",
        ),
        ("@ MX 10 new\n", "MX moved", "example.com", "lower the TTL first, or let mx1.example.com accept mail"),
        (
            "1.113.0.203.in-addr.arpa. PTR mail.example.com.\nmail A 203.0.113.1\n",
            "PTR before address",
            "203.0.113.1",
            "publish mail.example.com A 203.0.113.1 first, wait",
        ),
        (
            "1.113.0.203.in-addr.arpa. PTR new.example.com.\nmx1 A 203.0.113.80\n",
            "address before PTR",
            "203.0.113.1",
            "change PTR, wait",
        ),
        (
            's1._domainkey TXT "v=DKIM1; k=rsa; p={}"\n'.format(keys()["rsa1024"].replace('" "', "")[:200]),
            "key removed",
            "example.com/s1",
            "let hosts sign with another selector",
        ),
        (
            's1._domainkey TXT "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="\n',
            "key replaced",
            "example.com/s1",
            "publish the new key under a new selector",
        ),
    ],
)
def test_order_and_ttl(diff: Diff, patch: str, kind: str, subject: str, order: str) -> None:
    document = told(diff(patch, "--json", "--rules=ptr.*"))
    found = {one["kind"]: one for one in document["hazards"]}
    assert kind in found, document["hazards"]
    assert subject in found[kind]["subject"]
    assert found[kind]["order"].startswith(order)


def test_what_comes_has_its_order_too_and_what_is_kept_for_minutes_needs_none(diff: Diff) -> None:
    told(diff('$DELETE s1._domainkey TXT\n@ TXT "v=spf1 ip4:203.0.113.2 -all"\n@ MX 10 new\n', "--json"))
    back = told(diff("", "--before=reports/diff/after", "--after=reports/diff/before", "--json"))
    orders = {(one["kind"], one["subject"]): one["order"] for one in back["hazards"]}
    assert orders == {
        (
            "SPF added",
            "mx1.example.com/203.0.113.1/example.com",
        ): "publish it, wait at least 300 s, then send from there",
        (
            "key added",
            "example.com/s1",
        ): "publish it, wait as long as its absence is cached, then let hosts sign with it",
    }


def test_what_is_usual_for_runs_is_not_for_the_two_of_a_comparison(diff: Diff, tmp_path: Path) -> None:
    usual = "mailconform_overlay = usual.zone,mode=patch\nmailconform_gate = new\nmailconform_baseline = known.json\n"
    (tmp_path / "pytest.ini").write_text(f"[pytest]\n{usual}mailconform_update_baseline = yes\n")
    (tmp_path / "usual.zone").write_text("$ORIGIN example.com.\n$DELETE s1._domainkey TXT\n")
    ran = diff("", MAILCONFORM_FORMAT="markdown")
    assert ran.status == 1, ran.said
    assert ran.out.splitlines()[0].startswith("before: live DNS")
    assert not list(tmp_path.rglob("report.md"))
    assert not (tmp_path / "known.json").exists(), "a comparison writes no baseline"


def test_runs_of_before_are_compared_too(diff: Diff, tmp_path: Path) -> None:
    assert diff("$DELETE s1._domainkey TXT\n").status == 1
    again = diff("", "--before=reports/diff/before", "--after=reports/diff/after/results.json")
    assert again.status == 1
    assert "F MUST   dkim.key-exists [example.com/s1]: " in again.out
    assert "! key removed" in again.out
    back = diff("", "--before=reports/diff/after", "--after=reports/diff/before")
    assert back.status == 0
    assert "1 vanish" in back.out


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--before=live", "--after=live"), "are both live: nothing can differ"),
        ((), "nothing is proposed; name it with --overlay or --overlay-plan"),
        (("--overlay=x", "--after=results.json"), "neither --before nor --after is overlay"),
        (("--before=gone.json", "--after=results.json"), "--before: gone.json: cannot be read"),
    ],
)
def test_sides_that_make_no_sense(diff: Diff, arguments: tuple[str, ...], why: str) -> None:
    ran = diff("", *arguments)
    assert ran.status == 4
    assert why in ran.err


def test_a_run_that_comes_to_nothing_ends_the_comparison(diff: Diff, tmp_path: Path) -> None:
    ran = diff("a A 1.2.3\n")
    assert ran.status == 4
    assert "overlay: the run ended with 4: wrong usage" in ran.err
    assert "change.zone:3" in ran.err
