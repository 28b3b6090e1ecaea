"""What a run ends with."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conformance.check import Level
from conformance.fleet.model import Fleet
from conformance.lab.world import World
from conformance.report.results import Results
from tests.plugin import fleet

pytest_plugins = ("pytester",)

Inside = Callable[..., fleet.Ran]

QUIET = ("-p", "no:cacheprovider")


@pytest.mark.parametrize(
    ("outcomes", "ended", "status"),
    [
        ([("pass", "must"), ("not-applicable", "must")], 0, 0),
        ([("pass", "must"), ("advice", "should")], 0, 0),
        ([("pass", "must"), ("undetermined", "should")], 1, 0),
        ([("pass", "must"), ("undetermined", "must")], 1, 6),
        ([("fail", "must"), ("undetermined", "must")], 1, 1),
        ([("not-applicable", "must")], 0, 5),
        ([], 5, 5),
        ([("undetermined", "must")], 1, 6),
        ([("pass", "must")], 2, 2),
        ([("fail", "must")], 2, 2),
        ([("pass", "must")], 3, 3),
        ([("pass", "must")], 4, 4),
    ],
)
def test_statuses(tmp_path: Path, outcomes: list[tuple[str, str]], ended: int, status: int) -> None:
    results = Results(tmp_path, Fleet(mtas=()), {}, Level.MUST)
    for number, (outcome, level) in enumerate(outcomes):
        results.add(str(number), {"outcome": outcome, "level": level, "check": "x.y", "kind": "mta", "subject": "a"})
    assert results.exit_status(ended, gate_none=False) == status
    assert results.exit_status(ended, gate_none=True) == (status if status in (2, 3, 4, 5) else 0)
    results.expected["next"] = "x.z", "a"
    assert results.exit_status(ended, gate_none=False) == (status or 6)
    results.internal = True
    assert results.exit_status(ended, gate_none=True) == (status if status in (2, 4) else 3)


def test_the_level_decides_what_gates(inside: Inside, inventories: Path, tmp_path: Path, world: World) -> None:
    hosts = fleet.numbered(1, world=world, send_from=["203.0.113.1"], levels={"ptr.matches-helo": "should"})
    hosts["mx1.example.com"]["mailconform_helo"] = "other.example.com"
    path = fleet.inventory(tmp_path / "hosts.yml", hosts)
    options = ["--rules=ptr.matches-helo", *QUIET]
    must = inside(path, *options)
    assert (must.status, must.results[0]["outcome"]) == (0, "advice")
    should = inside(path, *options, "--level=should")
    assert (should.status, should.results[0]["outcome"]) == (1, "fail")
    (case,) = should.cases.values()
    assert case.find("failure") is not None
    none = inside(path, *options, "--level=should", "--gate=none")
    assert (none.status, none.results[0]["outcome"]) == (0, "fail")


def test_nothing_to_judge_is_never_green(inside: Inside, inventories: Path) -> None:
    good = inventories / "good.yml"
    unmatched = inside(good, "-k", "nonesuch", *QUIET)
    assert unmatched.status == 5
    assert unmatched.results == []
    assert "exit 5: nothing was checked" in unmatched.out
    inapplicable = inside(good, "--rules=ptr.ipv6", "--gate=none", *QUIET)
    assert inapplicable.status == 5
    assert [one["outcome"] for one in inapplicable.results] == ["not-applicable"]
    assert inside(good, "--rules=ptr.*", "--skip-rules=*", *QUIET).status == 5


@pytest.mark.parametrize("level", ["1", "2"])
def test_python_without_assertions_is_refused(inventories: Path, tmp_path: Path, level: str) -> None:
    environ = fleet.environment(PYTHONOPTIMIZE=level)
    options = [f"--inventory={inventories / 'good.yml'}"]
    ran = fleet.run("-m", "pytest", "-p", "conformance.plugin", "--pyargs", "conformance.cases", *options,
                    cwd=tmp_path, environ=environ)  # fmt: skip
    assert ran.status == 4
    assert "PYTHONOPTIMIZE" in ran.err
    assert not ran.folder.exists()


@pytest.fixture
def silence() -> Iterator[str]:
    """A name server that never answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{udp.getsockname()[1]}"


def test_a_silent_resolver_says_nothing_about_the_fleet(tmp_path: Path, silence: str) -> None:
    listen = [{"port": 25, "tls": "starttls"}]
    hosts = fleet.numbered(*range(1, 51), listen=listen)
    dkim = {"dkim": [{"selector": "s1"}]}
    fleet.inventory(tmp_path / "hosts.yml", hosts, domains={"example.com": dkim, "example.org": {"no_mail": True}})
    environ = fleet.environment(MAILCONFORM_DNS_TIMEOUT="", MAILCONFORM_DNS_RETRIES="", MAILCONFORM_SMTP_TIMEOUT="")
    options = ["run", "--inventory=hosts.yml", f"--resolver={silence}", *("--", *QUIET)]
    ran = fleet.run(*fleet.COMMAND, *options, cwd=tmp_path, environ=environ)
    assert ran.status == 6, ran.said
    assert ran.document["run"]["seconds"] < 30
    assert ran.document["run"]["facts"]["seconds"] < 20
    told = {one["check"]: one for one in ran.results if one["outcome"] in ("fail", "advice")}
    # Declared names are judged as they are written; whatever asks a name server knows nothing.
    assert not told, told
    unknown = [one for one in ran.results if one["outcome"] == "undetermined"]
    assert {"mta", "address", "listener", "domain", "selector", "sender"} - {one["kind"] for one in unknown} <= {"mta"}
    assert {one["cause"] for one in unknown} == {f"no answer from {silence}"}
    assert ran.out.count("this run says nothing of the fleet") == 1
    assert not [word for word in ("missing", "NXDOMAIN", "NODATA") if word in ran.out]
