"""What the rules of names tell to do where a name is an alias, a stranger's, or one that nobody can publish."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from verdicts import FINDING, PASS, Verdict, Zone, address, built, verdict

from conformance.cases import test_helo, test_ptr, test_ptr_provider
from conformance.catalogue import checks
from conformance.facts import greeting, reverse
from conformance.fleet.origin import Origin
from conformance.subjects import place

V4 = "203.0.113.1"
OWN = frozenset({"example.com"})
RESOLVING = (test_helo.test_helo_exists, test_helo.test_helo_resolves)


def alias(name: str, target: str) -> Zone:
    """Return the records of an alias, as each type that is asked for shows it."""
    return {f"{name} {kind}": f"-> {target}" for kind in ("A", "AAAA")}


def greeted(rule: Callable[..., None], name: str, zone: Zone, own: frozenset[str] = OWN) -> Verdict:
    """Return what a rule says of a host that greets with a name."""
    subject = address(V4, name)
    return verdict(rule, built(greeting.helo_name, zone, subject), own, "<host>.example.com")


@pytest.mark.parametrize("rule", RESOLVING)
def test_no_address_is_to_be_published_beside_a_cname(rule: Callable[..., None]) -> None:
    found = greeted(rule, "mx1.example.com", alias("mx1.example.com", "gone.example.net"))
    assert found.fix == "Put in place of the CNAME: mx1.example.com. IN A 203.0.113.1"
    assert greeted(rule, "mx1.example.com", {}).fix is None


@pytest.mark.parametrize("rule", RESOLVING)
@pytest.mark.parametrize("name", ["mx1.example.net", "mx1.corp"])
def test_nobody_is_told_to_publish_what_is_not_his(rule: Callable[..., None], name: str) -> None:
    found = greeted(rule, name, {})
    assert (found.fix or "").startswith("Greet with <host>.example.com (")
    assert f"{name}. IN" not in (found.fix or "")
    assert greeted(rule, "mx1.example.net", {}, frozenset()).fix is None


def test_an_address_more_is_to_stand_where_the_alias_leads() -> None:
    subject = address(V4)
    zone = {**alias("mx1.example.com", "web.example.net"), "web.example.net A": ["203.0.113.80"]}
    found = verdict(test_helo.test_helo_matches_ip, built(greeting.helo_name, zone, subject), subject)
    assert (found.fix or "").endswith("add: web.example.net. IN A 203.0.113.1")
    plain = {"mx1.example.com A": ["203.0.113.80"]}
    assert verdict(test_helo.test_helo_matches_ip, built(greeting.helo_name, plain, subject), subject).fix is None


@pytest.mark.parametrize(
    ("rule", "ip", "there"),
    [("forward_confirms", V4, "A"), ("forward_family", V4, "AAAA"), ("ipv6", "2001:db8::1", "A")],
)
def test_a_reverse_name_that_is_an_alias_cannot_be_given_an_address(rule: str, ip: str, there: str) -> None:
    subject = address(ip)
    elsewhere = {"A": "203.0.113.80", "AAAA": "2001:db8::80"}[there]
    reverse_name = f"{subject.reverse_name.rstrip('.')} PTR"
    zone: Zone = {reverse_name: ["mx1.example.com"], f"web.example.net {there}": [elsewhere]}
    function = getattr(test_ptr, f"test_ptr_{rule}")

    def told(zone: Zone) -> Verdict:
        facts = {"ptr": reverse.reverse, "forward": reverse.forward_names}
        given = {name: built(builder, zone, subject) for name, builder in facts.items()}
        given |= {"ptr_names": ("mx1.example.com",), "address": subject}
        return verdict(function, *(given[name] for name in function.check.subjects))

    found = told({**zone, **alias("mx1.example.com", "web.example.net")})
    assert found.said == FINDING
    assert (found.fix or "").startswith("mx1.example.com is a CNAME: put an address in its place")
    plain = told({**zone, f"mx1.example.com {there}": [elsewhere]})
    assert (plain.said, plain.fix) == (FINDING, None)
    good = {subject.forward_type: ip}
    assert told({**zone, **{f"mx1.example.com {kind}": [one] for kind, one in good.items()}}).said == PASS


REVERSE = {
    "exists": [],
    "single": ["mx1.example.com", "mx2.example.com"],
    "syntax": ["mx_1.example.com"],
    "no_zone_suffix": ["mx1.example.com.113.0.203.in-addr.arpa"],
    "not_ip": ["203.0.113.1"],
    "not_localhost": ["localhost"],
    "public_suffix": ["mx1.corp"],
    "target_not_cname": ["www.example.com"],
    "own_domain": ["mx1.example.net"],
    "not_placeholder": ["unassigned.example.net"],
    "not_dynamic": ["dhcp-203-0-113-1.pool.example.net"],
    "not_generic": ["static-203-0-113-1.example.net"],
    "no_ip_digits": ["h-203-0-113-1.example.net"],
    "no_isp_words": ["dsl.example.net"],
}


@pytest.mark.parametrize(("rule", "names"), REVERSE.items())
def test_a_reverse_name_is_to_be_written_where_its_alias_leads(rule: str, names: list[str]) -> None:
    subject = address(V4)
    modules = (test_ptr, test_ptr_provider)
    function = next(one for module in modules if (one := getattr(module, f"test_ptr_{rule}", None)))
    classless = "1.0-127.113.0.203.in-addr.arpa"
    records: Zone = {f"{classless} PTR": names, **alias("www.example.com", "mx1.example.com")}

    def told(zone: Zone) -> Verdict:
        given = {
            "ptr": built(reverse.reverse, zone, subject),
            "forward": built(reverse.forward_names, zone, subject),
            "ptr_names": tuple(names),
            "address": subject,
            "own_domains": OWN,
            "own_name": "mx1.example.com",
        }
        return verdict(function, *(given[name] for name in function.check.subjects))

    found = told({**records, "1.113.0.203.in-addr.arpa PTR": f"-> {classless}"})
    assert found.said == FINDING
    assert f"{classless}. IN PTR mx1.example.com." in (found.fix or "")
    plain = told({"1.113.0.203.in-addr.arpa PTR": names, **alias("www.example.com", "mx1.example.com")})
    fix = plain.fix or function.check.fix.format(address=subject)
    assert "1.113.0.203.in-addr.arpa." in fix
    assert "CNAME leads" not in fix


@pytest.mark.parametrize(
    ("id", "path"),
    [
        ("helo.resolves", "helo.yml"),
        ("spf.helo", "helo.yml"),
        ("spf.host-record", "helo.yml"),
        ("ptr.exists", "ips.yml"),
    ],
)
def test_a_finding_about_the_greeting_names_where_the_greeting_was_declared(id: str, path: str) -> None:
    subject = replace(address(V4), origin=Origin("ips.yml", 2), helo_origin=Origin("helo.yml", 7))
    assert str(place(subject, checks()[id]).origin).startswith(path)
    assert str(place(replace(subject, helo_origin=None), checks()[id]).origin) == "ips.yml:2"
