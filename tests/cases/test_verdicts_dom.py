"""What the rules of mail domains say: of those that send, and of those that never do."""

from __future__ import annotations

from typing import Any

import pytest
from verdicts import FINDING, NOT_APPLICABLE, PASS, UNDETERMINED, Verdict, Zone, built, domain, verdict

from conformance.cases import test_dom, test_dom_zone, test_parked
from conformance.facts import dmarc, spf
from conformance.facts.domain import mail_domains
from conformance.facts.survey import NameServers
from conformance.facts.zone import domain_zones

RULES = ["from_resolves", "mx_or_a", "mx_valid", "no_null_mx"]
HOST = {"mx.example.net A": ["203.0.113.1"], "mx.example.net AAAA": ["2001:db8::1"]}


def judged(name: str, zone: Zone, **wishes: Any) -> Verdict:
    """Return what a rule of a sending domain says."""
    return verdict(getattr(test_dom, f"test_dom_{name}"), built(mail_domains, zone, domain(**wishes)))


def mx(*targets: str) -> Zone:
    """Return a zone in which example.com has some mail exchangers."""
    return {"example.com MX": [(10 if target != "." else 0, target) for target in targets], **HOST}


@pytest.mark.parametrize("name", RULES)
def test_a_domain_that_takes_mail_passes(name: str) -> None:
    assert judged(name, mx("mx.example.net", "MX.Example.NET")) == Verdict(PASS)


@pytest.mark.parametrize("name", RULES)
def test_a_silent_server_is_undetermined(name: str) -> None:
    zone = {f"example.com {kind}": None for kind in ("A", "AAAA", "MX")}
    assert judged(name, zone).said == UNDETERMINED


FINDINGS: list[tuple[str, Zone, str, list[str]]] = [
    ("from_resolves", {}, "NXDOMAIN", ["from_resolves"]),
    ("mx_or_a", {"example.com TXT": ["x"]}, "neither MX nor A", ["mx_or_a"]),
    ("mx_valid", mx("gone.example.net"), "'gone.example.net' has no address", ["mx_valid"]),
    ("mx_valid", mx("203.0.113.1"), "203.0.113.1 is an address", ["mx_valid"]),
    ("mx_valid", {**mx("x.example.net"), "x.example.net A": "-> mx.example.net"}, "is a CNAME to 'mx.", ["mx_valid"]),
    (
        "mx_valid",
        {**mx("x.example.net"), "x.example.net A": ["10.0.0.1"]},
        "10.0.0.1 (private, RFC 1918)",
        ["mx_valid"],
    ),
    ("mx_valid", mx(".", "mx.example.net"), "a null MX stands beside", ["mx_valid"]),
    ("no_null_mx", mx("."), "null MX: example.com", ["no_null_mx"]),
]


@pytest.mark.parametrize(("name", "zone", "text", "broken"), FINDINGS)
def test_findings(name: str, zone: Zone, text: str, broken: list[str]) -> None:
    assert text in judged(name, zone).text
    assert [rule for rule in RULES if judged(rule, zone).said == FINDING] == broken


def test_an_address_alone_will_do() -> None:
    zone = {"example.com AAAA": ["2001:db8::1"], "example.com A": None}
    assert judged("mx_or_a", zone) == Verdict(PASS)
    assert judged("mx_valid", zone).said == NOT_APPLICABLE


def test_the_envelope_domain_is_judged_too() -> None:
    assert judged("from_resolves", mx("mx.example.net"), envelope="bounce.example.com").text.endswith(
        "bounce.example.com"
    )
    silent = {f"bounce.example.net {kind}": None for kind in ("MX", "A", "AAAA")}
    assert judged("from_resolves", silent, envelope="bounce.example.net").text.endswith(": example.com")


def parked(name: str, zone: Zone, at: str = "example.com") -> Verdict:
    """Return what a rule of a domain that never sends says."""
    owned = domain(at, no_mail=True)
    facts = {
        "parked_spf": lambda: built(spf.spf_records, zone, spf.DomainSenders(owned, ())),
        "parked_dmarc": lambda: built(dmarc.dmarc_walk, zone, owned),
        "parked_mail": lambda: built(mail_domains, zone, owned),
    }
    rule = getattr(test_parked, f"test_parked_{name}")
    return verdict(rule, *(facts[fact] for fact in rule.check.subjects))


PARKED = {
    "example.com TXT": ["V=spf1  -ALL", "note"],
    "_dmarc.example.com TXT": ["v=DMARC1; p=reject"],
    "example.com MX": [(0, ".")],
}


@pytest.mark.parametrize("name", ["spf", "dmarc", "null_mx"])
def test_a_domain_that_says_so_passes(name: str) -> None:
    assert parked(name, PARKED) == Verdict(PASS)
    assert parked(name, dict.fromkeys(PARKED)).said == UNDETERMINED


@pytest.mark.parametrize(
    ("name", "change", "text", "level"),
    [
        ("spf", {"example.com TXT": []}, "answered NODATA", None),
        ("spf", {"example.com TXT": ["v=spf1 a -all"]}, "'v=spf1 a -all'", None),
        ("spf", {"example.com TXT": ["v=spf1 -all"] * 2}, "and 'v=spf1 -all'", None),
        ("spf", {"example.com TXT": ["v=spf1 -all exp=why.example.com"]}, "exp=why", "info"),
        ("spf", {"example.com TXT": ["v=spf1 redirect=p.test"], "p.test TXT": ["v=spf1 -all"]}, "redirect=p", "info"),
        ("spf", {"example.com TXT": ["v=spf1 redirect=p.test"], "p.test TXT": ["v=spf1 a -all"]}, "redirect=p", None),
        ("spf", {"example.com TXT": ["v=spf1 redirect=gone.test"]}, "redirect=gone.test", None),
        ("spf", {"example.com TXT": ["v=spf1 redirect=example.com"]}, "redirect=example.com", None),
        ("spf", {"example.com TXT": ["v=spf1 redirect=%{d}.test"]}, "redirect=%{d}.test", None),
        ("dmarc", {"_dmarc.example.com TXT": []}, "answered NXDOMAIN", None),
        ("dmarc", {"_dmarc.example.com TXT": ["v=DMARC1; p=quarantine"]}, "comes to quarantine", None),
        ("dmarc", {"_dmarc.example.com TXT": ["v=DMARC1; p=reject; t=y"]}, "comes to quarantine", None),
        ("dmarc", {"_dmarc.example.com TXT": ["v=DMARC1; p=reject; sp=none"]}, "says sp=none", None),
        ("null_mx", {"example.com MX": [(10, ".")]}, "seen: 10 .", None),
        ("null_mx", {"example.com MX": [(0, "."), (5, "mx.example.net")]}, "stands alone", None),
        ("null_mx", {"example.com MX": [(5, "mx.example.net")]}, "takes mail: MX 5 mx.example.net", "info"),
        ("null_mx", {"example.com MX": [], "example.com A": ["203.0.113.80"]}, "no MX, but an address", "should"),
    ],
)
def test_findings_of_parked_domains(name: str, change: Zone, text: str, level: str | None) -> None:
    found = parked(name, {**PARKED, **change})
    assert (found.said, found.at_most) == (FINDING, level), found
    assert text in found.text


@pytest.mark.parametrize(
    ("name", "rdtype", "text", "fix"),
    [
        ("spf", "TXT", "v=spf1 a -all", 'nothing that sends mail uses park.net: park.net. IN TXT "v=spf1 -all"'),
        ("spf", "TXT", "note", 'nothing that sends mail uses park.net: park.net. IN TXT "v=spf1 -all"'),
        ("dmarc", "TXT", "v=DMARC1; p=none", 'nothing that sends mail uses park.net: park.net. IN TXT "v=DMARC1; p='),
        ("dmarc", "TXT", "note", 'nothing that sends mail uses park.net: park.net. IN TXT "v=DMARC1; p=reject"'),
        ("dmarc", "TXT", "v=DMARC1; p=reject; sp=none", 'nothing that sends mail uses park.net: park.net. IN TXT "v='),
        ("null_mx", "MX", (10, "."), "park.net takes no mail: park.net. IN MX 0 . as its only MX record"),
        ("null_mx", "MX", (10, "mx.test"), "example.com shall take no mail either: if park.net takes no mail"),
    ],
)  # fmt: skip
def test_nothing_is_to_be_published_beside_a_cname_of_a_parked_domain(
    name: str, rdtype: str, text: Any, fix: str
) -> None:
    place = f"{'_dmarc.' if name == 'dmarc' else ''}example.com {rdtype}"
    found = parked(name, {place: "-> park.net", f"park.net {rdtype}": [text]})
    assert found.said == FINDING
    # What stands where the CNAME leads may be another's, whose mail it would stop.
    assert (found.fix or "").startswith(f"Only if {fix}"), found.fix
    assert (found.fix or "").endswith(f"in place of the CNAME at {place.partition(' ')[0]}")


def test_a_parent_s_record_does_not_make_up_for_two_of_the_parked_domain_itself() -> None:
    zone: Zone = {
        "_dmarc.example.com TXT": ["v=DMARC1; p=reject"],
        "_dmarc.old.example.com TXT": ["v=DMARC1; p=reject"],
    }
    assert parked("dmarc", zone, "old.example.com") == Verdict(PASS)
    found = parked("dmarc", zone | {"_dmarc.old.example.com TXT": ["v=DMARC1; p=reject"] * 2}, "old.example.com")
    assert (found.said, found.at_most) == (FINDING, "should")
    assert "2 records, which discard each other" in found.text


def test_name_servers_of_one_address_in_each_family_are_told_as_that() -> None:
    zone: Zone = {
        "example.com SOA": ["ns1.example.com. h.example.com. 1 60 60 60 60"],
        "example.com NS": ["ns1.example.com", "ns2.example.com"],
        "ns1.example.com A": ["203.0.113.1"],
        "ns2.example.com AAAA": ["2001:db8::2"],
    }
    zones = built(domain_zones, zone, domain())
    told = verdict(test_dom_zone.test_dom_ns_health, zones, NameServers((), asked=False))
    assert told.text.endswith("ns1.example.com, ns2.example.com, have 1 IPv4 and 1 IPv6 addresses"), told


def test_a_redirect_that_nobody_answers_for_is_undetermined() -> None:
    assert parked("spf", {"example.com TXT": ["v=spf1 redirect=p.test"], "p.test TXT": None}).said == UNDETERMINED


def test_nothing_to_park() -> None:
    assert parked("null_mx", {}) == Verdict(PASS)
    registry = {"_dmarc.com TXT": ["v=DMARC1; p=reject; psd=y"]}
    assert "only receivers by RFC 9989 see that of com" in parked("dmarc", registry).text
