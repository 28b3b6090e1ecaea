"""Waivers are held against rules and inventory before anything else happens."""

from __future__ import annotations

import dataclasses
import time
from datetime import UTC, date, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from conformance.fleet import waivers
from conformance.fleet.ansible import load
from conformance.fleet.errors import Problem
from conformance.fleet.model import Address, Domain, Fleet, Listener, Mta, Selector
from conformance.policy import Policy, contains, covering, today
from conformance.reading.waivers import Waiver

DAY = date(2026, 11, 24)
RULES = {"ptr.exists": True, "ptr.single": True, "spf.exists": True, "tls.in-587": False}


def mta(number: int) -> Mta:
    name = f"mx{number}.example.com"
    addresses = (Address(name, ip_address(f"203.0.113.{number}"), name),)
    return Mta(name, ("mta_out",), name, addresses, (Listener(name, 25, "starttls", "no", name),), ("example.com",))


FLEET = Fleet(
    (mta(1), mta(2)),
    (Domain("example.com", selectors=(Selector("example.com", "s1", "example.com"),)), Domain("xn--bcher-kva.example")),
    patterns={
        "all": frozenset({"mx1.example.com", "mx2.example.com", "db1"}),
        "mx1*": frozenset({"mx1.example.com"}),
        "db": frozenset({"db1"}),
        "gone": frozenset(),
    },
)


def waiver(**given: Any) -> Waiver:
    values: dict[str, Any] = {
        "id": "W",
        "rules": ("ptr.exists",),
        "reason": "r",
        "owner": "o",
        "path": "w.yml",
        "line": 3,
    }
    return Waiver(**{**values, "issued": date(2026, 11, 1), "expires": date(2026, 12, 1), **given})


def said(problems: list[Problem]) -> list[str]:
    return [str(problem) for problem in problems]


def written(folder: Path, name: str = "w.yml", **row: str) -> str:
    values = {"rules": "[ptr.exists]", "hosts": "all", "reason": "r", "owner": "o", "issued": "2026-11-01",
              "expires": "2026-12-01"} | row  # fmt: skip
    text = "waivers:\n  - " + "    ".join(f"{key}: {value}\n" for key, value in values.items())
    (folder / name).write_text(text, "utf-8")
    return name


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ({"rules": "[ptr.exist]"}, "w.yml:2: there is no rule 'ptr.exist'; did you mean ptr.exists or spf.exists?"),
        ({"rules": "[zz.y]"}, "w.yml:2: there is no rule 'zz.y'; see: mailconform list rules"),
        ({"rules": "['dkim.*']", "broad": "true"}, "w.yml:2: no rule matches 'dkim.*'"),
        ({"rules": "tls.in-587"}, "w.yml:2: tls.in-587 cannot be waived: what it asks protects others, or passwords"),
        ({"issued": "2026-11-26"}, "w.yml:2: issued 2026-11-26, which is still to come"),
        (
            {"domains": "ex ample"},
            "w.yml:2: domains: expected a domain name",
        ),
        ({"domains": "-.example"}, "w.yml:2: domains: expected a domain name"),
    ],
)
def test_what_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, row: dict[str, str], text: str) -> None:
    monkeypatch.chdir(tmp_path)
    _, wrong = waivers.load([written(tmp_path, **row)], RULES, DAY)
    assert said(wrong) == [text]


def test_what_is_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    # East of Greenwich it is tomorrow already.
    path = written(tmp_path, issued="2026-11-25", domains="[B\u00fccher.example, Example.com.]")
    ((found,), wrong) = waivers.load([path], RULES, DAY)
    assert (found.domains, wrong) == (("xn--bcher-kva.example", "example.com"), [])


def test_files_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "latin.yml").write_bytes(b"# \xe9\n")
    (tmp_path / "large.yml").write_bytes(b"#" * 5_000_000)
    _, wrong = waivers.load(["none.yml", "latin.yml", "large.yml", "."], RULES, DAY)
    assert said(wrong) == [
        "none.yml: cannot be read: No such file or directory",
        "latin.yml: is not in UTF-8",
        "large.yml: it is longer than 1,000,000 characters",
        ".: cannot be read: Is a directory",
    ]


def test_an_id_is_there_once_in_all_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    paths = [written(tmp_path, name, id="W-1") for name in ("a.yml", "b.yml")]
    assert said(waivers.load(paths, RULES, DAY)[1]) == ["b.yml:2: id W-1 is also that of a.yml:2"]


@pytest.mark.parametrize("zone", ["here-14", "there+12"], ids=["east", "west"])
def test_the_day_is_that_of_utc(monkeypatch: pytest.MonkeyPatch, zone: str) -> None:
    """At any time it is another day at one of the two places."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        before, found, after = datetime.now(UTC).date(), today({}), datetime.now(UTC).date()
        assert before <= found <= after
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("day", "state"),
    [
        (date(2026, 11, 16), "holds"),
        (date(2026, 11, 17), "expiring"),
        (date(2026, 12, 1), "expiring"),
        (date(2026, 12, 2), "expired"),
    ],
)
def test_a_waiver_holds_through_its_last_day(day: date, state: str) -> None:
    assert waivers.state(waiver(), day) == state


def test_its_file_says_how_long_before_its_end_a_waiver_is_listed() -> None:
    assert waivers.state(waiver(warn_days=7), date(2026, 11, 23)) == "holds"
    assert waivers.state(waiver(warn_days=7), date(2026, 11, 24)) == "expiring"


@pytest.mark.parametrize(
    ("given", "keys"),
    [
        ({"hosts": "all"}, {"mx1.example.com/203.0.113.1", "mx2.example.com/203.0.113.2"}),
        ({"hosts": "mx1*"}, {"mx1.example.com/203.0.113.1"}),
        ({"addresses": ("203.0.113.2",)}, {"mx2.example.com/203.0.113.2"}),
        ({"subjects": ("mx2.example.com/203.0.113.2",)}, {"mx2.example.com/203.0.113.2"}),
        ({"rules": ("spf.exists",), "domains": ("example.com",)}, {"example.com"}),
        ({"rules": ("spf.exists",), "subjects": ("example.com",)}, {"example.com"}),
        ({"rules": ("dkim.key-1024",), "domains": ("example.com",)}, {"example.com/s1"}),
        (
            {"rules": ("spf.all-inventory",), "domains": ("example.com",), "hosts": "mx1*"},
            {"mx1.example.com/203.0.113.1/example.com"},
        ),
    ],
)
def test_whom_a_waiver_is_for(given: dict[str, Any], keys: set[str]) -> None:
    covered, problems = covering([waiver(**given)], FLEET, limited=False)
    assert {subject for _, subject in covered} == keys
    assert problems == []


def test_globs_are_for_all_that_may_be_waived() -> None:
    fleet = dataclasses.replace(FLEET, patterns={"all": frozenset({"mx1.example.com"})})
    covered, problems = covering([waiver(rules=("tls.*",), broad=True, hosts="all")], fleet, limited=False)
    assert {rule for rule, _ in covered} >= {"tls.in-cert", "tls.in-starttls"}
    assert "tls.in-587" not in {rule for rule, _ in covered}
    assert problems == []


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"hosts": "gone"}, "hosts: the pattern 'gone' matches no host of the inventory"),
        ({"hosts": "db"}, "hosts: the pattern 'db' matches db1: no mail host in scope"),
        ({"domains": ("example.org",)}, "domains: the inventory declares no 'example.org'; did you mean example.com?"),
        (
            {"addresses": ("203.0.113.3",)},
            "addresses: the inventory declares no '203.0.113.3'; did you mean 203.0.113.2?",
        ),
        ({"subjects": ("example.com/s2",)}, "subjects: there is no 'example.com/s2'; did you mean example.com/s1?"),
        (
            {"rules": ("spf.exists",), "hosts": "all"},
            "hosts: spf.exists judges the domain, which has no host of its own; name domains or subjects",
        ),
        (
            {"domains": ("example.com",)},
            "domains: ptr.exists judges the address, which has no domain of its own; name hosts or subjects",
        ),
        (
            {"hosts": "mx1*", "addresses": ("203.0.113.2",)},
            "nothing that ptr.exists judges matches all that the waiver names",
        ),
    ],
)
def test_a_waiver_for_nothing_is_wrong(given: dict[str, Any], text: str) -> None:
    _, problems = covering([waiver(**given)], FLEET, limited=False)
    assert f"w.yml:3: {text}" in said(problems)


def test_what_a_limited_inventory_cannot_know_is_not_wrong() -> None:
    found = [waiver(domains=("example.org",), rules=("spf.exists",)), waiver(hosts="db"), waiver(subjects=("x",))]
    assert covering(found, FLEET, limited=True) == ({}, [])
    _, problems = covering([waiver(hosts="gone")], FLEET, limited=True)
    assert said(problems) == ["w.yml:3: hosts: the pattern 'gone' matches no host of the inventory"]


def test_ansible_itself_matches_patterns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    hosts = "".join(
        f"        mx{n}: {{mailconform_send_from: 203.0.113.{n}, mailconform_helo: mx{n}.example.com}}\n"
        for n in (1, 2, 3)
    )
    Path("hosts.yml").write_text(
        f"all:\n  children:\n    mta_out:\n      hosts:\n{hosts}    fra: {{hosts: {{mx2: , mx3: , db1: }}}}\n"
    )
    wanted = {"mta_out:&fra": {"mx2", "mx3"}, "all:!fra": {"mx1"}, "~mx[13]": {"mx1", "mx3"}, "mta_out[0]": {"mx1"},
              "mx1,db1": {"mx1", "db1"}, "none*": set(), "@hosts.yml": set()}  # fmt: skip
    fleet = load(["hosts.yml"], limit="mx1", patterns=list(wanted))
    assert [one.name for one in fleet.mtas] == ["mx1"]
    assert fleet.patterns == wanted
    assert not fleet.warnings


@pytest.mark.parametrize(
    ("seen", "value", "there"),
    [
        ("PTR is 198-51-100-77.isp.example.", "198-51-100-77.isp.example.", True),
        ("PTR is 198-51-100-77.isp.example.", "198-51-100-77.isp.example", True),
        ("PTR is a.isp.example.com.", "a.isp.example", False),
        ("PTR is a.isp.example.", "isp.example.", False),
        ("PTR is x-isp.example.", "isp.example.", False),
        ("from 198.51.100.77", "198.51.100.7", False),
        ("from 198.51.100.7; and", "198.51.100.7", True),
        ("it ends with a.example. Next", "a.example", True),
        ('TXT "v=spf1 ?all"', '"v=spf1 ?all"', True),
        ('TXT "v=spf1 ?all -x"', "v=spf1 ?all", True),
        ("1024 bits", "102", False),
        ("a.example and aa.example", "a.example", True),
        ("aa.example and a.example", "a.example", True),
        ("two  words\nhere", "two words here", True),
        ("", "x", False),
    ],
)
def test_an_observed_value_is_a_whole_one(seen: str, value: str, there: bool) -> None:
    assert contains(seen, value) is there


def result(outcome: str, **more: Any) -> dict[str, Any]:
    subject = "mx1.example.com/203.0.113.1"
    return {
        "check": "ptr.exists",
        "subject": subject,
        "outcome": outcome,
        "seen": "a b",
        "aspect": "",
        "waiver": None,
    } | more


def weighed(outcome: str, *given: dict[str, Any], **more: Any) -> tuple[str, str, str]:
    """Return outcome, id of the waiver and its state, of a result that waivers with these fields are for."""
    found = tuple(waiver(id=f"W-{number}", **one) for number, one in enumerate(given))
    policy = Policy(DAY, found, {("ptr.exists", "mx1.example.com/203.0.113.1"): tuple(range(len(found)))})
    told = policy.weigh(result(outcome, **more))
    return told["outcome"], (told["waiver"] or {}).get("id", ""), (told["waiver"] or {}).get("state", "")


PAST = {"expires": date(2026, 11, 23)}


@pytest.mark.parametrize(
    ("outcome", "given", "came"),
    [
        ("fail", [{}], ("waived", "W-0", "holds")),
        ("advice", [{}], ("waived", "W-0", "holds")),
        ("undetermined", [{}], ("undetermined", "", "")),
        ("not-applicable", [{}], ("not-applicable", "", "")),
        ("pass", [{}], ("pass", "W-0", "unneeded")),
        ("pass", [PAST], ("pass", "", "")),
        ("fail", [], ("fail", "", "")),
        ("fail", [PAST], ("fail", "W-0", "expired")),
        ("fail", [PAST, {}], ("waived", "W-1", "holds")),
        ("fail", [{"expires": DAY}], ("waived", "W-0", "holds")),
        ("fail", [{"observed": "b"}], ("waived", "W-0", "holds")),
        ("fail", [{"observed": "c"}], ("fail", "W-0", "other")),
        ("fail", [{"observed": "c"}, {"observed": "a b"}], ("waived", "W-1", "holds")),
        ("fail", [{"observed": "c"}, PAST], ("fail", "W-1", "expired")),
        ("fail", [{"aspect": "none"}], ("fail", "W-0", "other")),
    ],
)
def test_only_what_is_broken_is_waived(outcome: str, given: list[dict[str, Any]], came: tuple[str, str, str]) -> None:
    assert weighed(outcome, *given) == came


def test_an_aspect_is_one_way_to_break_a_rule() -> None:
    assert weighed("fail", {"aspect": "none"}, aspect="none") == ("waived", "W-0", "holds")
    assert weighed("fail", {"aspect": "none"}, aspect="two") == ("fail", "W-0", "other")


@pytest.mark.parametrize(
    ("outcomes", "given", "stale"),
    [
        (["pass", "pass"], {}, True),
        (["pass", "not-applicable"], {}, True),
        (["pass"], {}, False),
        (["pass", "undetermined"], {}, False),
        (["pass", "fail"], {}, False),
        (["not-applicable", "not-applicable"], {}, False),
        (["pass", "pass"], PAST, False),
    ],
)
def test_a_waiver_is_stale_once_all_that_it_is_for_was_looked_at(
    outcomes: list[str], given: dict[str, Any], stale: bool
) -> None:
    subjects = ("a", "b")
    policy = Policy(DAY, (waiver(**given),), {("ptr.exists", one): (0,) for one in subjects})
    told = [policy.weigh(result(outcome, subject=one)) for outcome, one in zip(outcomes, subjects, strict=False)]
    (entry,) = policy.register(told)
    assert entry["stale"] is stale
    assert entry["covers"] == 2
    limited = dataclasses.replace(policy, limited=True)
    assert limited.register(told)[0]["stale"] is False
