"""Every check is complete; what it lacks is said in one sentence each."""

from __future__ import annotations

import importlib
import inspect
import ipaddress
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from conformance import fixtures
from conformance.catalogue import checks
from conformance.check import Check, Level
from conformance.fleet.model import Address, Blocklist, Domain, Fleet, Listener, Mta, Selector, Sender
from conformance.fleet.sending import Probe, Stream
from conformance.judge import Case, filled
from conformance.subjects import KINDS, place
from tests import worlds

ID = re.compile(r"[a-z]+\.[a-z0-9]+(-[a-z0-9]+)*")
REPORT = re.compile(r"(?P<check>\S+) .+: (?P<level>must|should|info) (?P<outcome>\S+)")

ADDRESS = Address("mx1.example.com", ipaddress.ip_address("203.0.113.1"), "mx1.example.com")
LISTENER = Listener("mx1.example.com", 25, "starttls", "no", "mx1.example.com")
SELECTOR = Selector("example.com", "s1", "example.com")
DOMAIN = Domain("example.com", envelope="bounce.example.com", selectors=(SELECTOR,), hosts=("mx1.example.com",))
PARKED = Domain("example.org", no_mail=True)
MTA = Mta("mx1.example.com", ("mta_out",), "mx1.example.com", (ADDRESS,), (LISTENER,), ("example.com",))
FLEET = Fleet((MTA,), (DOMAIN, PARKED))
STREAM = Stream("mx1.example.com", "news", "news@example.com", "example.com", "bounce.example.com")
SUBJECTS: dict[str, Any] = {
    "mta": MTA,
    "address": ADDRESS,
    "listener": LISTENER,
    "domain": DOMAIN,
    "parked_domain": PARKED,
    "blocklist": Blocklist("bl.test"),
    "selector": SELECTOR,
    "stream": STREAM,
    "probe": Probe(STREAM),
    "sender": Sender(ADDRESS, DOMAIN),
    "fleet": None,
}


def kind_of(check: Check) -> str:
    """Return the kind of subject that a check judges, itself or through the facts it asks for."""
    asked = list(check.subjects)
    for name in asked:
        if name in KINDS:
            return name
        if fixture := getattr(fixtures, name, None):
            asked += [parameter for parameter in inspect.signature(fixture).parameters if parameter not in asked]
    return "fleet"


@cache
def reported_and_passed() -> tuple[frozenset[str], frozenset[str]]:
    """Return the checks that some world reports as broken, and those that some world passes."""
    told = [worlds.load(name) for name in worlds.names()]
    lines = [REPORT.fullmatch(line) for world in told for line in world.reports]
    reported = {line["check"] for line in lines if line and line["outcome"] in ("fail", "advice", "waived")}
    passed: set[str] = set()
    for world in told:
        passed |= set(checks()) - set(world.never_applicable) if world.passes == "all" else set(world.passes)
    return frozenset(reported), frozenset(passed)


@cache
def never_applicable() -> frozenset[str]:
    """Return the checks that have nothing to judge in a fleet that conforms."""
    return frozenset(worlds.load("good").never_applicable)


def gaps(check: Check) -> Iterator[str]:
    """Yield what a check lacks."""
    if not ID.fullmatch(check.id):
        yield "its id is not of the form area.rest-with-hyphens"
    if not re.match(rf"conformance\.cases\.test_{check.area}(_[a-z]+)?:", check.where):
        yield f"it does not stand in a file of its area, test_{check.area}.py or test_{check.area}_<part>.py"
    if not any(cited.level for cited in check.citations):
        yield "it has no citation that gives it a level"
    if "\n" in check.title or not check.title.endswith("."):
        yield "its title is not one line that ends with a full stop"
    if not check.reason.endswith("."):
        yield "its reason does not end with a full stop"
    if "PYTEST_DONT_REWRITE" not in (importlib.import_module(check.where.partition(":")[0]).__doc__ or ""):
        yield "its module's docstring lacks PYTEST_DONT_REWRITE"
    yield from remedy_gaps(check)
    reported, passed = reported_and_passed()
    if check.id not in reported:
        yield "no world fails it"
    if check.id not in passed and check.id not in never_applicable():
        yield "no world passes it"


def remedy_gaps(check: Check) -> Iterator[str]:
    """Yield what is wrong with the remedy of a check."""
    kind = kind_of(check)
    subject = SUBJECTS[kind]
    case = Case(check, kind, subject, Level.MUST, True, place(subject, check), ())
    try:
        remedy = filled(check.fix, case, FLEET)
    except (AttributeError, IndexError, KeyError, ValueError) as error:
        yield f"its fix cannot be filled from {kind}: {type(error).__name__} {error}"
    else:
        if re.search(r"[{}]|\bNone\b", remedy):
            yield f"its fix says {remedy!r}"


@pytest.mark.parametrize("name", checks())
def test_check_is_complete(name: str) -> None:
    lacks = list(gaps(checks()[name]))
    assert not lacks, f"{name}: {'; '.join(lacks)}"


def test_what_is_missing_is_told() -> None:
    good = checks()["ptr.exists"]
    bad = replace(
        good,
        id="mc.PTR-002",
        title="A title without a stop",
        reason="A reason without one",
        fix="Publish {address.owner}",
        citations=(),
        where="conformance.judge:1",
    )
    assert list(gaps(good)) == []
    assert list(gaps(bad)) == [
        "its id is not of the form area.rest-with-hyphens",
        "it does not stand in a file of its area, test_mc.py or test_mc_<part>.py",
        "it has no citation that gives it a level",
        "its title is not one line that ends with a full stop",
        "its reason does not end with a full stop",
        "its module's docstring lacks PYTEST_DONT_REWRITE",
        "its fix cannot be filled from address: AttributeError 'Address' object has no attribute 'owner'",
        "no world fails it",
        "no world passes it",
    ]


def test_worlds_name_checks_that_exist() -> None:
    for name in worlds.names():
        world = worlds.load(name)
        lines = [REPORT.fullmatch(line) for line in world.reports]
        assert all(lines), f"{name}: a line of reports is not 'check subject: level outcome'"
        named = {line["check"] for line in lines if line} | {*world.never_applicable}
        named |= set() if world.passes == "all" else set(world.passes)
        assert named <= set(checks()), f"{name}: no such check: {sorted(named - set(checks()))}"
