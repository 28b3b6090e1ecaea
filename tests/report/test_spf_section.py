"""The section about SPF: marks by domain and address, the trees, who else passes; bounded, and inert."""

from __future__ import annotations

import time
from typing import Any

import pytest
from sample_results import fleet, result, results
from test_page import HOSTILE, Page

from conformance.report.page import render
from conformance.report.spf import Spf

NAME = "example.com"
MX = "mx1.example.net"


def node(name: str, text: str = "v=spf1 -all", *looks: dict[str, Any], absence: str = "") -> dict[str, Any]:
    return {"name": name, "text": text, "absence": absence, "looks": list(looks), "more": 0}


def look(term: str, cost: int = 1, to: dict[str, Any] | None = None, leads: str = "") -> dict[str, Any]:
    return {"term": term, "cost": cost, "leads": leads, "node": to}


def cell(verdict: str, term: str, at: str, *path: str) -> dict[str, Any]:
    return {"result": verdict, "term": term, "path": list(path), "at": at}


def domain(name: str = NAME, **more: Any) -> dict[str, Any]:
    return {
        "domain": name,
        "mail_from": name,
        "lookups": 1,
        "sent_from": "0",
        "cells": [cell("pass", "ip4:192.0.2.0/30", "0", name), cell("fail", "-all", "1", name)],
        "others": [],
        "more_others": 0,
        "by_networks": [4, 6],
        "tree": node(name),
    } | more


def told(*domains: dict[str, Any], addresses: int = 2) -> dict[str, Any]:
    names = [f"mx{number}.example.net/192.0.2.{number}" for number in range(addresses)]
    found = results(result("spf.exists", NAME, kind="domain", host=None, domain=NAME))
    found["domains"] = [{"name": one["domain"], "no_mail": False, "hosts": [], "selectors": []} for one in domains]
    return found | {"spf": {"addresses": names, "domains": list(domains)}}


def marks(*domains: dict[str, Any], addresses: int = 2) -> dict[str, str]:
    return {row.name: "".join(one.letter for one in row.marks) for row in Spf(told(*domains, addresses=addresses)).rows}


@pytest.mark.parametrize(
    ("first", "second", "shown"),
    [("pass", "fail", "✓·"), ("pass", "pass", "✓+"), ("fail", "softfail", "✗·"), ("", "", "??")],
)
def test_marks_say_who_passes_and_who_should(first: str, second: str, shown: str) -> None:
    cells = [cell(first, "ip4:192.0.2.0", "0"), cell(second, "-all", "1")]
    assert marks(domain(cells=cells)) == {NAME: shown}


def test_an_address_that_no_cell_holds_is_not_known() -> None:
    assert marks(domain(cells=[cell("pass", "all", "0")])) == {NAME: "✓?"}


def test_addresses_of_which_all_domains_say_the_same_share_a_column() -> None:
    found = Spf(told(domain(cells=[cell("pass", "mx", "0-1"), cell("fail", "-all", "2-9")]), addresses=10))
    assert [(column.label, column.more) for column in found.columns] == [
        ("mx0.example.net/192.0.2.0", 0),
        ("mx1.example.net/192.0.2.1", 0),
        ("mx2.example.net/192.0.2.2", 7),
    ]
    assert marks(domain(cells=[cell("pass", "mx", "0-1"), cell("fail", "-all", "2-9")]), addresses=10) == {NAME: "✓+·"}


def test_what_is_to_be_looked_at_comes_first() -> None:
    out = domain("z.example", cells=[cell("fail", "-all", "0-1")])
    costly = domain("y.example", lookups=11)
    assert list(marks(domain("a.example"), costly, out)) == ["z.example", "y.example", "a.example"]


def test_the_tree_the_terms_and_the_others_are_shown() -> None:
    inner = node("spf.example.net", "v=spf1 mx -all", look("mx", leads="mx1.example.net"))
    tree = node(NAME, "v=spf1 include:spf.example.net include:gone.example -all",
                look("include:spf.example.net", 2, inner),
                look("include:gone.example", 1, node("gone.example", "", absence="answered NXDOMAIN")))  # fmt: skip
    others = [
        {"record": f"{NAME} > spf.example.net", "term": "ip4:198.51.100.0/24", "v4": 256, "v6": 0},
        {"record": f"{NAME} > spf.example.net", "term": "ip6:2001:db8::/32", "v4": 0, "v6": 2**96},
        {"record": NAME, "term": "mx", "v4": 1, "v6": 0},
    ]
    page = Page(render(told(domain(lookups=3, tree=tree, others=others, more_others=4, by_networks=[4]))))
    for words in (
        "2 include:spf.example.net v=spf1 mx -all 1 mx mx1.example.net",
        "1 include:gone.example answered NXDOMAIN",
        "example.com > spf.example.net 256 IPv4 and about 2^96 IPv6 ip4:198.51.100.0/24 256 IPv4",
        "and 4 terms more",
        "cannot be told by networks alone for IPv6",
        "✓ pass ip4:192.0.2.0/30 of example.com mx0.example.net/192.0.2.0",
        "1 of 1 own addresses pass",
    ):
        assert words in page.text
    assert not page.broken_links()


def test_own_and_other_addresses_of_one_term_are_told_apart() -> None:
    (found,) = Spf(told(domain(cells=[cell("pass", "ip4:192.0.2.0/24", "0-1")]))).domains
    assert [(one.kind, one.names) for one in found.said] == [
        ("in", ["mx0.example.net/192.0.2.0"]),
        ("spare", ["mx1.example.net/192.0.2.1"]),
    ]


@pytest.mark.parametrize(
    ("lookups", "ticks"), [(0, "off" * 10), (3, "on" * 3 + "off" * 7), (12, "on" * 10 + "over" * 2)]
)
def test_look_ups_are_counted_out(lookups: int, ticks: str) -> None:
    (found,) = Spf(told(domain(lookups=lookups))).domains
    assert "".join(found.ticks) == ticks


def test_hostile_text_is_inert() -> None:
    hostile = domain(
        cells=[cell("pass", HOSTILE, "0", HOSTILE), cell(HOSTILE, HOSTILE, "1")],
        others=[{"record": HOSTILE, "term": HOSTILE, "v4": 1, "v6": 0}],
        tree=node(HOSTILE, HOSTILE, look(HOSTILE, 1, None, HOSTILE), absence=HOSTILE),
        mail_from=HOSTILE,
    )
    found = told(hostile)
    found["spf"]["addresses"][0] = HOSTILE
    text = render(found)
    page = Page(text)
    assert page.tags.count("script") == 1
    assert "img" not in page.tags
    assert "onerror" not in page.attributes
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_a_thousand_domains_stay_small_and_say_what_is_left_out() -> None:
    wide = [
        domain(
            f"d{number}.example",
            sent_from=str(number % 500),
            cells=[
                cell("pass", "ip4:192.0.2.0", str(number % 500), "x" * 60),
                cell("fail", "-all", f"{number % 500 + 1}-499", "y" * 60),
            ],
            others=[{"record": "r" * 60, "term": f"ip4:10.{net}.0.0/16", "v4": 65536, "v6": 0} for net in range(40)],
            tree=node("d", "v=spf1 " + "ip4:192.0.2.1 " * 30, *(look(f"include:i{one}.example") for one in range(20))),
        )
        for number in range(1000)
    ]
    found, facts = fleet(1000, 0.05)
    plain = len(render(found, facts))
    found["spf"] = {"addresses": [f"h{number}/192.0.2.1" for number in range(500)], "domains": wide}
    began = time.process_time()
    text = render(found, facts)
    assert time.process_time() - began < 12
    assert len(text) - plain < 900_000
    assert "more domains" in text
    assert "more addresses" in text


def test_nothing_is_shown_where_spf_was_not_looked_up() -> None:
    text = render(results(result("ptr.exists", f"{MX}/198.51.100.25")))
    assert 'id="spf"' not in text
    assert "#spf" not in text


@pytest.mark.parametrize(
    ("more", "cost", "badge"),
    [
        ({"lookups": 0}, "0 look-ups", "0"),
        ({"lookups": 2, "lookups_known": True}, "2 look-ups", "2"),
        ({"lookups": 2, "lookups_known": False}, "at least 2 look-ups", "2"),
        ({"lookups": 0, "lookups_known": False}, "look-ups not known", "?"),
    ],
)
def test_what_could_not_be_looked_at_does_not_cost_nothing(more: dict[str, Any], cost: str, badge: str) -> None:
    (one,) = Spf(told(domain(**more))).domains
    assert (one.cost, one.badge) == (cost, badge)
    assert f'<span class="tally">{cost}</span>' in render(told(domain(**more)))
