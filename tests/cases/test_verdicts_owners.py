"""Whose names the rules take for the fleet's own: below a suffix that a company runs, each customer's are another's."""

from __future__ import annotations

import inspect

import pytest
from verdicts import FINDING, PASS, Zone, address, built, domain, verdict

from conformance import fixtures
from conformance.cases import test_helo, test_ip_lists, test_ptr
from conformance.facts import greeting, reverse
from conformance.fleet.model import Blocklist, Fleet, Mta

OWN = inspect.unwrap(fixtures.own_domains)
V4 = "203.0.113.1"


@pytest.mark.parametrize(
    ("owned", "name", "said"),
    [
        ("example.uk.com", "mx.example.uk.com", PASS),
        ("example.uk.com", "mx.other.uk.com", FINDING),
        ("mail.example.com", "mx.example.com", PASS),
        ("uk.com", "mx.other.uk.com", PASS),
        ("example.com", "mx.notexample.com", FINDING),
    ],
)
def test_names_of_other_customers_are_not_the_fleets_own(owned: str, name: str, said: str) -> None:
    own = OWN(Fleet((), (domain(owned),)))
    subject = address(V4, name)
    ptr = built(reverse.reverse, {}, subject)
    assert verdict(test_ptr.test_ptr_own_domain, (name,), ptr, subject, own, "").said == said
    helo = built(greeting.helo_name, {f"{name} A": [V4]}, subject)
    assert verdict(test_helo.test_helo_own_domain, helo, subject, own, "").said == said


@pytest.mark.parametrize(("exchange", "said"), [("in.example.uk.com", PASS), ("in.other.uk.com", FINDING)])
def test_exchangers_of_other_customers_do_not_agree(exchange: str, said: str) -> None:
    zone: Zone = {"mx.example.uk.com A": [V4], "example.uk.com MX": [(10, exchange)]}
    helo = built(greeting.helo_name, zone, address(V4, "mx.example.uk.com"))
    exchanges = built(greeting.exchanges, zone, Mta("mx1", sends_for=("example.uk.com",)))
    assert verdict(test_helo.test_helo_matches_mx, helo, exchanges).said == said


def test_customers_of_one_suffix_share_an_address() -> None:
    host = Mta("mx1", addresses=(address(V4),), sends_for=("example.uk.com", "other.uk.com"))
    fleet = Fleet((host,))
    assert verdict(test_ip_lists.test_ip_not_shared_bad, address(V4), fleet).said == FINDING
    watched = Fleet(
        (Mta("mx1", addresses=host.addresses, sends_for=host.sends_for, blocklists=(Blocklist("bl.test"),)),)
    )
    assert verdict(test_ip_lists.test_ip_not_shared_bad, address(V4), watched).said == PASS


def test_a_blank_for_a_name_lies_in_a_domain_that_the_host_sends_for() -> None:
    subject = address(V4, "localhost")
    fleet = Fleet((Mta("mx1", addresses=(subject,), sends_for=("sends.example.com", "x.example.org")),),
                  (domain("a-parked.example", no_mail=True), domain("sends.example.com")))  # fmt: skip
    own_name = inspect.unwrap(fixtures.own_name)
    assert own_name(subject, OWN(fleet), fleet) == "<host>.example.com"
    assert own_name(subject, frozenset({"other.example"}), fleet) == "<host>.other.example"
