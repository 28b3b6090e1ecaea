"""What the SPF rules say of terms together and of the DNS around records: each finds what it is for."""

from __future__ import annotations

import inspect
from ipaddress import ip_network
from typing import Any

import pytest
from verdicts import FINDING, NOT_APPLICABLE, PASS, UNDETERMINED, Verdict, Zone, address, built, domain, verdict

from conformance import fixtures_spf
from conformance.cases import test_spf_terms, test_spf_zone
from conformance.check import NotApplicable
from conformance.facts import greeting, spf, spfzone
from conformance.fleet.model import Fleet, Mta
from conformance.fleet.sending import Stream

V4 = "203.0.113.1"
GOOD = "v=spf1 ip4:203.0.113.1 -all"
RULES = {
    name.removeprefix("test_spf_"): rule
    for module in (test_spf_terms, test_spf_zone)
    for name, rule in vars(module).items()
    if hasattr(rule, "check")
}
FACTS: dict[str, Any] = {
    "spf": spf.spf_records,
    "spf_paths": spf.spf_paths,
    "spf_owners": spfzone.spf_owners,
    "spf_reliances": spfzone.spf_reliances,
    "spf_explanations": spfzone.spf_explanations,
}


def at(*texts: Any, **others: Any) -> Zone:
    """Return a zone with TXT records of example.com, and those of a.example.net and so on."""
    return {"example.com TXT": list(texts)} | {f"{name}.example.net TXT": value for name, value in others.items()}


def judged(name: str, zone: Zone, **wishes: Any) -> Verdict:
    """Return what a rule of a domain says."""
    owned = domain(**wishes)
    place = spfzone.HostNames(owned, ("web.example.com",), frozenset({"mx1.example.com"}))
    senders = spf.DomainSenders(owned, (address(V4),))
    facts: dict[str, Any] = {
        **{fact: lambda fact=fact: built(FACTS[fact], zone, senders) for fact in FACTS},
        "spf_hosts": lambda: built(spfzone.spf_hosts, zone, place),
        "helo": lambda: built(greeting.helo_name, zone, address(V4)),
        "spf_helo": lambda: built(spf.spf_helo, zone, address(V4)),
        "speakers": ("ip4:203.0.113.1", "ip4:203.0.113.2"),
        "fleet": Fleet((), (owned,)),
        "public_networks": (ip_network("10.9.0.0/16"),),
        "domain": owned,
    }
    rule = RULES[name]
    return verdict(rule, *(facts[fact] for fact in rule.check.subjects))


@pytest.mark.parametrize("name", sorted(RULES))
def test_a_good_record_passes(name: str) -> None:
    around = {
        "why.example.net TXT": ["%{i} may not send as %{d}, see http://example.net/?%{l}"],
        "mx1.example.com TXT": [GOOD],
        "web.example.com TXT": ["v=spf1 -all"],
        "web.example.com A": ["203.0.113.7"],
    }
    zone = at("v=spf1 ip4:203.0.113.1 include:a.example.net exp=why.example.net -all", a=["v=spf1 -all"]) | around
    assert judged(name, zone) == Verdict(PASS)


@pytest.mark.parametrize("name", sorted(set(RULES) - {"helo", "host_record", "subdomains"}))
def test_silence_is_undetermined(name: str) -> None:
    silent = {f"example.com {kind}": None for kind in ("TXT", "SPF", "CNAME")}
    assert judged(name, silent).said == UNDETERMINED


@pytest.mark.parametrize("name", ["breadth", "ip4_form", "macro", "redundant", "size", "exp", "time"])
def test_without_a_record_there_is_nothing_to_judge(name: str) -> None:
    assert judged(name, at("some text")).said == NOT_APPLICABLE


HOSTED: Zone = {"github.io NS": ["ns1.github.io"]}

FINDINGS: list[tuple[str, Zone, str]] = [
    ("breadth", at("v=spf1 ip4:203.0.96.0/19 -all"), "'ip4:203.0.96.0/19' at position 7"),
    ("breadth", at("v=spf1 mx//24 -all"), "'mx//24'"),
    ("breadth", at("v=spf1 include:a.example.net -all", a=["v=spf1 ip4:100.20.0.0/14 -all"]), "example.com > a.exam"),
    ("ip4_form", at("v=spf1 ip4:192.168.0.0/24 -all"), "(private, RFC 1918)"),
    ("ip4_form", at("v=spf1 ip6:2001:db8::1/64 -all"), "is taken as 2001:db8::/64"),
    ("macro", at("v=spf1 exists:%{l}.a.example.net -all"), "%{l}.a.example.net"),
    ("macro", at("v=spf1 include:a.example.net -all", a=["v=spf1 exists:%{S}.x.%{d} -all"]), "%{S}"),
    ("redundant", at("v=spf1 a:x.example.com A:X.example.com. -all"), "at position 23"),
    ("redundant", at("v=spf1 ip4:203.0.113.0/25 ip4:203.0.113.9 -all"), "'ip4:203.0.113.9'"),
    ("txt_type", {"example.com SPF": [("v=spf1 ip4:203.0.113.1 ", "-all")]}, "example.com SPF answered"),
    ("not_cname_broken", at(GOOD) | {"example.com CNAME": ["x.example.net"]}, "is a CNAME to 'x.example.net'"),
    ("no_dangling", at("v=spf1 include:spf.lapsed.test -all") | {"a.test A": [V4]}, "lapsed.test answered NXDOMAIN"),
    ("no_dangling", at("v=spf1 exists:%{i}.spf.lapsed.test -all") | {"a.test A": [V4]}, "nobody has it"),
    ("no_dangling", at("v=spf1 a:x.lapsed.github.io -all") | HOSTED, "lapsed.github.io answered NX"),
    ("host_record", {"mx1.example.com A": [V4]}, "mx1.example.com has no SPF record"),
    ("subdomains", {"web.example.com A": [V4]}, "web.example.com TXT answered NODATA"),
    ("size", at("v=spf1" + " ip4:203.0.113.1" * 40), "octets"),
    ("exp", at("v=spf1 exp=gone.example.net -all"), "gone.example.net TXT answered NXDOMAIN"),
    ("exp", at("v=spf1 exp=a.example.net -all", a=["caf\xe9"]), "may not stand here"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "zone", "text"), FINDINGS)
def test_findings(name: str, zone: Zone, text: str) -> None:
    found = judged(name, zone)
    assert (found.said, found.at_most) == (FINDING, None), found
    assert text in found.text


LAWFUL: list[tuple[str, Zone]] = [
    ("breadth", at("v=spf1 -ip4:203.0.0.0/8 ip4:203.0.112.0/21 -all ip4:10.0.0.0/8")),
    ("ip4_form", at("v=spf1 ip4:10.9.1.0/24 ip4:203.0.113.1/32 -all")),
    ("macro", at("v=spf1 exists:%{l}._spf.example.com exists:%{s}.%{d} exists:%{i}.a.example.net -all")),
    ("redundant", at("v=spf1 ip4:203.0.113.1 -ip4:203.0.113.0/25 ip4:203.0.113.0/24 a a/24 -all")),
    ("redundant", at("v=spf1 mx:%{l}.example.org mx:%{L}.example.org -all")),
    ("no_dangling", at("v=spf1 include:gone.example.net a:gone.example.com -all") | {"a.example.net A": [V4]}),
    ("no_dangling", at("v=spf1 a:host.nosuchtld -all")),
    ("no_dangling", at("v=spf1 a:gone.user.github.io -all") | HOSTED | {"user.github.io A": [V4]}),
    ("not_cname_broken", {"example.com TXT": "-> a.example.net", "a.example.net TXT": [GOOD],
                          "example.com CNAME": ["a.example.net"]}),
    ("size", at("v=spf1" + " ip4:203.0.113.1" * 20)),
    ("time", at("v=spf1 a:gone.example.net -all")),
]  # fmt: skip


@pytest.mark.parametrize(("name", "zone"), LAWFUL)
def test_what_is_lawful_passes(name: str, zone: Zone) -> None:
    assert judged(name, zone) == Verdict(PASS)


def test_a_term_that_leads_to_silence_is_not_called_dangling() -> None:
    zone = at("v=spf1 include:spf.dead.test -all") | {"spf.dead.test TXT": None, "dead.test NS": None}
    assert judged("no_dangling", zone).said == UNDETERMINED
    answered = zone | {"dead.test NS": ["ns.dead.test"]}
    assert judged("no_dangling", answered).said == UNDETERMINED


def test_a_wildcard_in_place_of_records() -> None:
    star = {"*.example.com TXT": [GOOD], "a.example.com TXT": [GOOD]}
    found = judged("not_cname_broken", star, envelope="a.example.com")
    assert found.said == FINDING, found
    assert "no records but those of *.example.com" in found.text
    own = star | {"a.example.com MX": [(10, "mx1.example.com")]}
    assert judged("not_cname_broken", own, envelope="a.example.com") == Verdict(PASS)
    silent = {**own, "*.example.com TXT": None}
    assert judged("not_cname_broken", silent, envelope="a.example.com").said == UNDETERMINED


def test_a_copy_of_type_spf_is_only_mentioned() -> None:
    found = judged("txt_type", at(GOOD) | {"example.com SPF": [(GOOD,)]})
    assert (found.said, found.at_most) == (FINDING, "info")


def test_a_server_that_refuses_the_type_leaves_nothing_open_but_where_the_record_may_stand_there() -> None:
    beside = judged("txt_type", at(GOOD) | {"example.com SPF": None})
    assert beside == Verdict(NOT_APPLICABLE, beside.text)
    assert "example.com SPF answered SERVFAIL" in beside.text
    assert judged("txt_type", at("some text") | {"example.com SPF": None}).said == UNDETERMINED
    bounces = at(GOOD) | {"bounce.example.com TXT": [GOOD], "bounce.example.com SPF": None}
    assert judged("txt_type", bounces, envelope="bounce.example.com").said == NOT_APPLICABLE
    copied = bounces | {"example.com SPF": [(GOOD,)]}
    assert judged("txt_type", copied, envelope="bounce.example.com").said == FINDING


def test_a_term_that_cannot_be_read_is_not_dropped_with_a_superfluous_one() -> None:
    found = judged("redundant", at("v=spf1 ip4:203.0.113.1 ipv4:203.0.113.2 ip4:203.0.113.1 -all"))
    assert (found.fix or "").endswith('"v=spf1 ip4:203.0.113.1 ipv4:203.0.113.2 -all"')


def test_who_speaks_as_a_name_greets_with_it_or_sends_for_it() -> None:
    addresses = [address(f"203.0.113.{n}", helo) for n, helo in ((1, "MX.example.com"), (2, "mx.example.com"))]
    bulk = Mta("bulk", addresses=(address("203.0.113.3", "bulk.example.com"),))
    owned = domain(envelope="mx.example.com", hosts=("bulk",))
    by_name = inspect.unwrap(fixtures_spf.speakers_by_name)(
        Fleet((Mta("pool", addresses=tuple(addresses)), bulk), (owned,))
    )
    speakers = inspect.unwrap(fixtures_spf.speakers)
    assert speakers(by_name, addresses[1]) == tuple(f"ip4:203.0.113.{n}" for n in (1, 2, 3))
    assert speakers(by_name, bulk.addresses[0]) == ("ip4:203.0.113.3",)
    assert speakers(by_name, address("203.0.113.4", "mx.example.com"))[-1] == "ip4:203.0.113.4"


def test_one_record_for_all_who_greet_with_a_name() -> None:
    found = judged("host_record", {"mx1.example.com A": [V4]})
    assert found.fix == 'Publish: mx1.example.com. IN TXT "v=spf1 ip4:203.0.113.1 ip4:203.0.113.2 -all"'
    alias = {f"mx1.example.com {kind}": "-> host.example.net" for kind in ("A", "AAAA", "TXT")}
    behind = judged("host_record", {**alias, "host.example.net A": [V4]})
    assert (behind.fix or "").startswith("Publish: host.example.net. IN TXT")
    sending = judged("host_record", {"mx1.example.com A": [V4]}, envelope="mx1.example.com")
    assert (sending.said, "spf.exists" in sending.text) == (NOT_APPLICABLE, True)


def test_without_exp_there_is_nothing_to_judge() -> None:
    with pytest.raises(NotApplicable):
        built(spfzone.spf_explanations, at(GOOD), spf.DomainSenders(domain(), ()))


def test_no_host_name_that_sends_or_is_an_alias_is_told_to_fall_silent() -> None:
    stream = Stream("smtp.example.com", "cron", "root@web.example.com", "example.com", "web.example.com")
    hosts = [Mta(f"{name}.example.com", addresses=(address(V4),), streams=(stream,)) for name in ("web", "smtp", "db")]
    place = spfzone.host_names(Fleet(tuple(hosts), (domain(),)), domain())
    zone: Zone = {f"smtp.example.com {kind}": "-> mx1.example.com" for kind in ("A", "AAAA", "TXT")}
    zone = {**zone, **{f"{name}.example.com A": [V4] for name in ("mx1", "web")}}
    told = verdict(test_spf_zone.test_spf_subdomains, built(spfzone.spf_hosts, zone, place))
    assert told == Verdict(PASS), told
    bare = verdict(
        test_spf_zone.test_spf_subdomains, built(spfzone.spf_hosts, {**zone, "db.example.com A": [V4]}, place)
    )
    assert bare.fix == 'Publish: db.example.com. IN TXT "v=spf1 -all"'
