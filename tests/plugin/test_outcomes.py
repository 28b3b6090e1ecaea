"""Each outcome in pytest's terms, in words and in JUnit; and what happens when mailconform itself fails."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conformance.facts import plan
from conformance.facts.live import Live
from conformance.lab.world import World
from tests.plugin import fleet

pytest_plugins = ("pytester",)

Inside = Callable[..., fleet.Ran]

OPTIONS = ("--rules=ptr.*", "--skip-rules=ptr.answers", "-p", "no:cacheprovider")


@pytest.fixture
def mixed(world: World, tmp_path: Path) -> Path:
    """An inventory in which every outcome occurs, waivers apart."""
    hosts = fleet.numbered(1, 2, 3, world=world)
    hosts["mx1.example.com"]["mailconform_helo"] = "other.example.com"
    return fleet.inventory(tmp_path / "hosts.yml", hosts)


def subject(number: int) -> str:
    return f"mx{number}.example.com/203.0.113.{number}"


def test_outcomes_in_words_and_numbers(inside: Inside, mixed: Path) -> None:
    ran = inside(mixed, *OPTIONS, "-v")
    assert ran.status == 1
    seen = {
        f"ptr.syntax {subject(1)}": ("pass", "PASSED"),
        f"ptr.exists {subject(2)}": ("fail", "FAILED"),
        f"ptr.matches-helo {subject(1)}": ("advice", "ADVICE"),
        f"ptr.exists {subject(3)}": ("undetermined", "UNDETERMINED"),
        f"ptr.ipv6 {subject(1)}": ("not-applicable", "NOT APPLICABLE"),
    }
    words = dict(re.findall(r"::(test_\S+\[\S+\]) ([A-Z]+(?: [A-Z]+)*) +\[", ran.out))
    for name, (outcome, word) in seen.items():
        check, about = name.split()
        assert ran.outcomes[name] == outcome
        assert words[f"test_{check.replace('.', '_').replace('-', '_')}[{about}]"] == word
    counted = {outcome: list(ran.outcomes.values()).count(outcome) for outcome in set(ran.outcomes.values())}
    assert ran.document["counts"] == {**dict.fromkeys(ran.document["counts"], 0), **counted}
    last = ran.out.splitlines()[-1]
    assert f"{counted['fail']} failed" in last
    assert f"{counted['undetermined']} undetermined" in last
    assert "exit 1: a check that gates is broken" in ran.out


def test_outcomes_in_letters(inside: Inside, mixed: Path) -> None:
    ran = inside(mixed, "--rules=ptr.exists", "--rules=ptr.matches-helo", "--rules=ptr.ipv6", *OPTIONS[1:])
    (letters,) = re.findall(r"^test_ptr\.py (\S+)", ran.out, re.MULTILINE)
    assert sorted(letters) == sorted(".a-F--??-")


def test_outcomes_in_junit(inside: Inside, mixed: Path) -> None:
    ran = inside(mixed, *OPTIONS)

    def case(check: str, number: int) -> tuple[list[str], str]:
        found = ran.cases[f"mx{number}.example.com", f"{check} [{subject(number)}]"]
        told = [child for child in found if child.tag not in ("properties", "system-out", "system-err")]
        return [child.tag for child in told], " ".join(f"{child.get('message')}\n{child.text}" for child in told)

    assert case("ptr.syntax", 1) == ([], "")
    tags, text = case("ptr.exists", 2)
    assert tags == ["failure"]
    assert "2.113.0.203.in-addr.arpa. IN PTR mx2.example.com." in text
    tags, text = case("ptr.matches-helo", 1)
    assert tags == ["skipped"]
    assert "other.example.com" in text
    assert "fix: " in text
    tags, text = case("ptr.exists", 3)
    assert tags == ["error"]
    assert "3.113.0.203.in-addr.arpa PTR" in text
    tags, text = case("ptr.ipv6", 1)
    assert tags == ["skipped"]
    assert "the address is IPv4" in text
    assert len(ran.cases) == len(ran.results)


def test_consequences_of_one_cause_are_told_once(inside: Inside, mixed: Path) -> None:
    ran = inside(mixed, *OPTIONS)
    undetermined = [one for one in ran.results if one["outcome"] == "undetermined"]
    assert len(undetermined) > 5
    assert {one["cause"] for one in undetermined} == {undetermined[0]["cause"]}
    assert ran.out.count("could not look") == 1
    assert f"leaves {len(undetermined)} checks undetermined" in ran.out
    assert "Traceback" not in ran.said
    assert "missing" not in ran.said


BROKEN = '''
"""PYTEST_DONT_REWRITE"""
from conformance.check import check, seen

@check("Z PTR: must", fix="Publish {address.ip}.")
def test_own_error(ptr, address):
    """It fails.

    It is broken.
    """
    raise KeyError("zonk")

@check("Z PTR: must", fix="Publish {address.nothing}.")
def test_own_fix(ptr, address):
    """Its remedy is broken.

    It names what is not there.
    """
    assert False, seen("something else")

def judge(names):
    assert not names, "inside the judge"

@check("Z PTR: must", fix="Publish {address.ip}.")
def test_own_plain(ptr):
    """A plain assertion of its own is a finding.

    It is one.
    """
    assert ptr.names == ("mx9.example.com",), "it is another name"
'''


def defects(ran: fleet.Ran) -> dict[str, dict[str, Any]]:
    return {one["check"]: one for one in ran.results if "traceback" in one.get("extra", {})}


def test_an_error_in_a_check_is_an_internal_error(inside: Inside, inventories: Path, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_broken=BROKEN)
    options = ["-k", "own_ or ptr_exists", "-p", "no:cacheprovider", "test_broken.py"]
    ran = inside(inventories / "good.yml", *options)
    assert ran.status == 3
    assert ran.outcomes[f"own.plain {subject(1)}"] == "fail"
    assert ran.outcomes[f"ptr.exists {subject(1)}"] == "pass"
    found = defects(ran)
    assert found.keys() == {"own.error", "own.fix"}
    assert found["own.error"]["outcome"] == "undetermined"
    assert "KeyError: 'zonk'" in found["own.error"]["cause"]
    for place in (found["own.error"]["extra"]["traceback"], ran.out):
        assert 'raise KeyError("zonk")' in place
    assert "AttributeError" in ran.out
    assert "exit 3: mailconform itself failed" in ran.out
    (error,) = ran.cases["mx1.example.com", f"own.error [{subject(1)}]"].findall("error")
    assert "test_broken.py" in (error.text or "")
    assert inside(inventories / "good.yml", *options, "--gate=none").status == 3


def test_an_error_in_a_fact_concerns_its_checks_alone(
    inside: Inside, inventories: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_ask: Any, _subject: Any) -> None:
        assert not _subject, "not what it should be"

    monkeypatch.setitem(plan.FACTS, "forward", replace(plan.FACTS["forward"], build=broken))
    ran = inside(inventories / "good.yml", "--rules=ptr.*", "-p", "no:cacheprovider")
    assert ran.status == 3
    assert {"ptr.forward-confirms", "ptr.target-not-cname"} <= defects(ran).keys()
    assert ran.outcomes[f"ptr.exists {subject(1)}"] == "pass"
    assert "not what it should be" in ran.err
    (note,) = [note for note in ran.document["run"]["notes"] if "internal error" in note]
    assert "forward of mx1.example.com" in note


def test_an_error_while_gathering_is_not_taken_for_a_silent_network(
    inside: Inside, inventories: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise TypeError("no session today")

    monkeypatch.setattr(Live, "smtp", broken)
    ran = inside(inventories / "good.yml", "--rules=srv.esmtp-ok", "--rules=ptr.exists", "-p", "no:cacheprovider")
    assert ran.status == 3
    assert ran.outcomes == {
        "srv.esmtp-ok mx1.example.com:25": "undetermined",
        f"ptr.exists {subject(1)}": "pass",
    }
    assert "no session today" in ran.err


def test_a_page_that_cannot_be_written_is_an_internal_error(
    inside: Inside, inventories: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> str:
        raise ZeroDivisionError("no page today")

    monkeypatch.setattr("conformance.report.page.render", broken)
    ran = inside(inventories / "good.yml", "--rules=ptr.exists", "-p", "no:cacheprovider")
    assert ran.status == 3
    assert "no page today" in ran.err
    assert ran.document["run"]["exit"] == 3


def test_an_error_before_anything_starts_is_not_a_finding(
    inside: Inside, inventories: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_run: Any) -> None:
        raise RuntimeError("cannot even begin")

    monkeypatch.setattr("conformance.run.Run.validate", broken)
    ran = inside(inventories / "good.yml")
    assert ran.status == 3
    assert "cannot even begin" in ran.err


def test_tests_of_others_beside_the_checks_count_too(
    inside: Inside, inventories: Path, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(test_mine="def test_fine(): pass\ndef test_wrong(): assert 1 == 2\n")
    options = ["--rules=ptr.exists", "-p", "no:cacheprovider", "test_mine.py"]
    ran = inside(inventories / "good.yml", *options)
    assert ran.outcomes == {f"ptr.exists {subject(1)}": "pass"}
    assert ran.status == 1
    assert inside(inventories / "good.yml", *options, "-k", "not wrong").status == 0
