"""What the SPF rules say of records: each finds what it is for, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from verdicts import FINDING, NOT_APPLICABLE, PASS, UNDETERMINED, Verdict, Zone, address, built, domain, verdict

from conformance.cases import test_spf as rules
from conformance.cases import test_spf_zone
from conformance.facts import spf
from conformance.fleet.model import Sender

V4, V6 = "203.0.113.1", "2001:db8::1"
GOOD = "v=spf1 ip4:203.0.113.1 ip6:2001:db8::1 -all"


def at(*texts: Any, **others: Any) -> Zone:
    """Return a zone with TXT records of example.com, and those of a.example.net and so on."""
    return {"example.com TXT": list(texts)} | {f"{name}.example.net TXT": value for name, value in others.items()}


def judged(name: str, zone: Zone, ips: tuple[str, ...] = (V4,), **wishes: Any) -> Verdict:
    """Return what a rule of a domain says."""
    owned = domain(**wishes)
    senders = spf.DomainSenders(owned, tuple(address(ip) for ip in ips))
    facts = {
        "spf": built(spf.spf_records, zone, senders),
        "spf_paths": built(spf.spf_paths, zone, senders),
        "domain": owned,
    }
    rule = getattr(rules, f"test_spf_{name}")
    return verdict(rule, *(facts[fact] for fact in rule.check.subjects))


RULES = [
    name.removeprefix("test_spf_")
    for name, rule in vars(rules).items()
    if hasattr(rule, "check") and "spf" in rule.check.subjects
]


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("text", [GOOD, "V=SPF1  ip4:203.0.113.0/24  include:a.example.net new=x ~all"])
def test_a_good_record_passes_every_rule(name: str, text: str) -> None:
    zone = at(text, "other text", a=["v=spf1 ip4:192.0.2.0/14 ?all"])
    assert judged(name, zone, (V4,)) == Verdict(PASS)


@pytest.mark.parametrize("name", RULES)
def test_a_silent_server_is_undetermined_for_every_rule(name: str) -> None:
    assert judged(name, {"example.com TXT": None}).said == UNDETERMINED


@pytest.mark.parametrize("name", [name for name in RULES if name != "exists"])
def test_without_a_record_only_exists_has_a_finding(name: str) -> None:
    missing = judged(name, at("some text"))
    assert (missing.said, "spf.exists" in missing.text) == (NOT_APPLICABLE, True)


LONG = " ".join(f"include:i{n}.example.net" for n in range(11))
INCLUDED = {f"i{n}.example.net TXT": ["v=spf1 ip4:192.0.2.1 ~all"] for n in range(11)}
CHAIN = {f"i{n}.example.net TXT": [f"v=spf1 include:i{n + 1}.example.net ~all"] for n in range(30)}
EXCHANGES = [(10, f"m{n}.example.net") for n in range(11)]

FINDINGS: list[tuple[str, Zone, str, str]] = [
    ("exists", {}, "example.com TXT answered NXDOMAIN", 'IN TXT "v=spf1 ip4:203.0.113.1 ~all"'),
    ("exists", at("v=spf10 -all"), "1 record, none of which begins with v=spf1", ""),
    (
        "exists",
        at("v=spf1; include:a.example.net ipv4:203.0.113.1"),
        "none of which begins",
        '"v=spf1 include:a.example.net ip4:203.0.113.1 ~all"',
    ),
    ("exists", at("spf1 a,mx -all"), "none of", '"v=spf1 ip4:203.0.113.1 -all", and in it what was meant by'),
    ("exists", at("spf1 redirect=a.example.net"), "none of which", '"v=spf1 ip4:203.0.113.1 redirect=a.example.net"'),
    (
        "single",
        at("v=spf1 ip4:203.0.113.1 -all", "v=spf1 include:a.example.net ~all"),
        "and 'v=spf1 include:a.example.net ~all'",
        '"v=spf1 ip4:203.0.113.1 include:a.example.net ~all"',
    ),
    ("syntax", at("v=spf1 ipv4:203.0.113.1 -all"), "there is no mechanism 'ipv4' (at position 7", ""),
    ("syntax", at("v=spf1 ip4:203.0.113.1 ~all\u201d"), "at position 27", ""),
    ("syntax", at("v=spf1; ip4:203.0.113.1 ~all"), "'v=spf1; ip4:203.0.113.1 ~all' is not taken as SPF", ""),
    ("void", at("v=spf1 a:x.example.net a:y.example.net a:z.example.net -all"), "found for 'a:x.ex", ""),
    ("mx_limit", at("v=spf1 a mx:p.example.net -all") | {"p.example.net MX": EXCHANGES}, "for 11 exchangers", ""),
    ("no_ptr", at("v=spf1 ptr:example.com -all"), "'ptr:example.com' at position 7 of example.com", ""),
    ("no_ptr", at("v=spf1 exists:%{P}.example.com -all"), "exists:%{P}", ""),
    ("no_plus_all", at("v=spf1 a all"), "'all' at position 9", ""),
    ("no_plus_all", at("v=spf1 ip4:0.0.0.0/0 -all"), "'ip4:0.0.0.0/0'", ""),
    ("no_plus_all", at("v=spf1 ip4:0.0.0.0/1 ip4:128.0.0.0/1 -all"), "/1' at position 7 of example.com, 'ip4:128", ""),
    ("no_plus_all", at("v=spf1 include:a.example.net -all", a=["v=spf1 +all"]), "example.com > a.ex", ""),
    ("no_plus_all", at("v=spf1 a/0 -all"), "'a/0'", ""),
    ("has_end", at("v=spf1 a:mx.example.com"), "ends in neither", '"v=spf1 a:mx.example.com ip4:203.0.113.1 ~all"'),
    ("all_strict", at("v=spf1 a ?all"), "example.com ends in ?all", '"v=spf1 a ip4:203.0.113.1 ~all"'),
    ("all_strict", at("v=spf1 a"), "example.com has no all", '"v=spf1 a ip4:203.0.113.1 ~all"'),
    ("all_strict", at("v=spf1 redirect=a.example.net", a=["v=spf1 ?all"]), "?all", "redirect= of example"),
    ("no_neutral", at("v=spf1 a ?all"), "?all", '"v=spf1 a ip4:203.0.113.1 ~all"'),
    ("after_all", at("v=spf1 -all a mx"), "'a' at position 12 of example.com, 'mx'", '"v=spf1 a mx -all"'),
    ("after_all", at("v=spf1 a redirect=x.example.net ~all"), "redirect=x.example.net", '"v=spf1 a ~all"'),
    ("include_ok", at("v=spf1 include:gone.example.net -all"), "example.com > gone.example.net: gone.exam", ""),
    ("include_ok", at("v=spf1 include:a.example.net -all", a=["v=spf1 -all"] * 2), "2 SPF records", ""),
    ("include_ok", at("v=spf1 redirect=a.example.net", a=["v=spf1 ip4:1 -all"]), "not an IPv4 addr", ""),
    (
        "no_loop",
        at("v=spf1 include:a.example.net -all", a=["v=spf1 include:example.com -all"]),
        "'include:example.com' at position 7 of example.com > a.example.net",
        "",
    ),
    ("no_loop", at("v=spf1 redirect=Example.COM"), "redirect=Example.COM", ""),
    ("lookups", at(f"v=spf1 {LONG} ip4:203.0.113.1 -all") | INCLUDED, "make receivers ask: 11 (", ""),
    ("strings", at(("v=spf1 ip4:203.0.113.1", "include:a.example.net ~all")), "203.0.113.1' 'include", "1 include:a"),
    ("strings", at(("v=spf1", "a -all")), "'v=spf1' 'a -all'", '"v=spf1 a -all"'),
    ("strings", at(("v=spf1 ip4:203.0.113.1", "-all")), "'-all'", '"v=spf1 ip4:203.0.113.1 -all"'),
    ("strings", at(("v=spf1 a:mx.example.com.", "include:a.example.net -all")), "com.' 'inc", "com. include:a."),
    ("strings", at(("v=spf1 a:mx.example.com.", "ip4:203.0.113.1 -all")), "com.' 'ip4", 'com. ip4:203.0.113.1 -all"'),
    ("strings", at(("v=spf1 include:a.exam", " ple.net ~all")), "' ple.net", '"v=spf1 include:a.example.net ~all"'),
]  # fmt: skip


@pytest.mark.parametrize(("name", "zone", "text", "fix"), FINDINGS)
def test_findings(name: str, zone: Zone, text: str, fix: str) -> None:
    found = judged(name, zone)
    assert (found.said, found.at_most) == (FINDING, None), found
    assert text.lower() in found.text.lower()
    assert fix in (found.fix or "")


MILDER: list[tuple[str, Zone, str, str]] = [
    ("syntax", at("v=spf1 ip4=203.0.113.1 -all"), "should", "ip4=203.0.113.1"),
    ("syntax", at(GOOD, '"v=spf1 -all"'), "info", "stands before v=spf1"),
    ("syntax", at(GOOD, "v=spf1-validation=abc"), "info", "is not taken as SPF"),
    ("lookups", at(f"v=spf1 ip4:203.0.113.1 {LONG} -all") | INCLUDED, "should", "11 (example.com: 11); 10 are allowed"),
    ("lookups", at("v=spf1 ip4:203.0.113.1 include:i0.example.net -all") | CHAIN, "should", "10 are allowed"),
    ("mx_limit", at("v=spf1 ip4:203.0.113.1 mx:p.example.net -all") | {"p.example.net MX": EXCHANGES}, "should", "11"),
    ("no_loop", at("v=spf1 ip4:203.0.113.1 redirect=example.com"), "should", "'redirect=example.com'"),
    ("void", at("v=spf1 ip4:203.0.113.1 a:x.example.net a:y.example.net a:z.example.net -all"), "info", "x.exam"),
    ("no_ptr", at("v=spf1 include:a.example.net -all", a=["v=spf1 ptr -all"]), "info", "example.com > a"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "zone", "level", "text"), MILDER)
def test_findings_that_weigh_less(name: str, zone: Zone, level: str, text: str) -> None:
    found = judged(name, zone)
    assert (found.said, found.at_most) == (FINDING, level), found
    assert text in found.text


THREE = {f"{name}.example.net A": [V4] for name in "xyz"}

LAWFUL: list[tuple[str, Zone]] = [
    ("no_plus_all", at("v=spf1 ?include:a.example.net -all", a=["v=spf1 +all"])),
    ("no_plus_all", at("v=spf1 ip4:10.0.0.0/8 ~all +all")),
    ("no_plus_all", at("v=spf1 ip4:0.0.0.0/1 -all")),
    ("all_strict", at("v=spf1 redirect=a.example.net", a=["v=spf1 ~all"])),
    ("no_neutral", at("v=spf1 include:a.example.net ~all", a=["v=spf1 ?all"])),
    ("has_end", at("v=spf1 redirect=a.example.net", a=["v=spf1 a"])),
    ("syntax", at("v=spf1 x-new=%{d} -all")),
    ("strings", at(("v=spf1 include:_spf.exam", "ple.net ip4:203.0.113.1 ", "~all"))),
    ("strings", at(("v=spf1 include:_spf.example.net ~", "all"))),
    ("strings", at(("v=spf1 a -", "ip4:192.0.2.0/24 ip4:203.0.113.1 -all"))),
    ("strings", at(("v=spf1 include:_spf.example.com.", "mx -all"))),
    ("strings", at(("v=spf1 a include:spf-", "mx:b.example.net -all"))),
    ("include_ok", at("v=spf1 include:%{i}.example.net -all")),
    ("no_loop", at("v=spf1 include:a.example.net include:b.example.net -all",
                   a=["v=spf1 include:b.example.net -all"], b=["v=spf1 -all"])),
    ("void", at("v=spf1 a:x.example.net a:y.example.net a:z.example.net -all") | THREE),
]  # fmt: skip


@pytest.mark.parametrize(("name", "zone"), LAWFUL)
def test_what_is_lawful_passes(name: str, zone: Zone) -> None:
    assert judged(name, zone) == Verdict(PASS)


def test_void_lookups_depend_on_the_family_of_the_sender() -> None:
    zone = at("v=spf1 ip6:2001:db8::1 a:x.example.net a:y.example.net a:z.example.net -all") | THREE
    found = judged("void", zone, (V6,))
    assert (found.said, found.at_most) == (FINDING, "info")
    assert judged("void", zone, (V4,)) == Verdict(PASS)


def test_void_lookups_of_exchangers_are_told_of_their_term() -> None:
    hosts = {f"m{n}.example.net A": [V4] for n in range(3)}
    zone = at("v=spf1 mx ip6:2001:db8::1 -all") | {"example.com MX": EXCHANGES[:3]} | hosts
    assert judged("void", zone, (V6,)).text.endswith("nothing is found for a name of 'mx' at position 7 of example.com")
    assert judged("void", zone, (V4,)) == Verdict(PASS)


def test_two_records_that_cost_too_much_together_are_merged_with_a_warning() -> None:
    halves = [" ".join(f"include:{name}{n}.example.net" for n in range(6)) for name in "ij"]
    found = judged("single", at(*(f"v=spf1 {half} -all" for half in halves)))
    assert "12 of them make receivers ask" in (found.fix or "")
    moved = judged("after_all", at(f"v=spf1 {halves[0]} -all {halves[1]}") | INCLUDED)
    assert "12 of them make receivers ask" in (moved.fix or "")


def test_an_include_that_cannot_be_read() -> None:
    zone = at("v=spf1 ip4:203.0.113.1 include:dead.example.net -all") | {"dead.example.net TXT": None}
    open_rules = {"lookups", "void", "mx_limit", "no_ptr", "no_plus_all", "include_ok", "no_loop"}
    assert {name for name in RULES if judged(name, zone).said == UNDETERMINED} == open_rules
    assert {name for name in RULES if judged(name, zone).said == FINDING} == set()


@pytest.mark.parametrize("name", ["lookups", "no_plus_all", "no_ptr", "include_ok"])
def test_a_finding_holds_whatever_an_include_says(name: str) -> None:
    text = f"v=spf1 ip4:203.0.113.1 {LONG} include:dead.example.net include:gone.example.net ptr +all"
    assert judged(name, at(text) | INCLUDED | {"dead.example.net TXT": None}).said == FINDING


def test_the_envelope_domain_counts_more_than_from() -> None:
    bounce, both = {"bounce.example.com TXT": [GOOD]}, {"envelope": "bounce.example.com"}
    assert judged("exists", bounce, **both).at_most == "should"
    assert judged("exists", at(GOOD), **both).at_most is None
    assert judged("exists", at(GOOD) | bounce, **both) == Verdict(PASS)
    assert judged("all_strict", at("v=spf1 ?all") | bounce, **both).text == "example.com ends in ?all"


def test_wishes_of_the_inventory() -> None:
    assert "declared: -all" in judged("all_strict", at("v=spf1 a ~all"), spf_all=("-all",)).text
    assert judged("all_strict", at("v=spf1 a ?all"), spf_all=("?all",)).said == FINDING
    assert judged("all_strict", at("v=spf1 a ~all"), spf_all=("-all", "~all")) == Verdict(PASS)
    few = judged("lookups", at("v=spf1 ip4:203.0.113.1 a mx -all"), spf_max_lookups=1)
    assert "2 (example.com: 2); 1 are declared as the most" in few.text


SENDERS: list[tuple[str, str, str, str]] = [
    (V4, GOOD, PASS, ""),
    (V6, GOOD, PASS, ""),
    (V6, "v=spf1 ip4:203.0.113.1 -all", FINDING, '"v=spf1 ip4:203.0.113.1 ip6:2001:db8::1 -all"'),
    (V4, "v=spf1 a", FINDING, '"v=spf1 a ip4:203.0.113.1"'),
    (V4, "v=spf1 -ip4:203.0.113.0/24 ~all", FINDING, '"v=spf1 ip4:203.0.113.1 -ip4:203.0.113.0/24 ~all"'),
    (V4, "v=spf1 ipv4:203.0.113.1 -all", FINDING, "Repair SPF of example.com first"),
    (V4, "v=spf1 include:dead.example.net -all", UNDETERMINED, ""),
    (V4, "v=spf1 ip4:203.0.113.1 include:dead.example.net -all", PASS, ""),
    (V4, "no record", NOT_APPLICABLE, ""),
]


@pytest.mark.parametrize(("ip", "text", "said", "fix"), SENDERS)
def test_every_address_passes(ip: str, text: str, said: str, fix: str) -> None:
    sender = Sender(address(ip), domain())
    zone = at(text) | {"dead.example.net TXT": None}
    siblings = built(spf.spf_paths, zone, spf.DomainSenders(domain(), (address(ip),)))
    found = verdict(rules.test_spf_all_inventory, siblings.of(sender.address), siblings, sender)
    assert found.said == said, found
    assert fix in (found.fix or "")
    assert said != FINDING or ip in found.text


NINE = " ".join(f"include:i{n}.example.net" for n in range(9))


@pytest.mark.parametrize(
    "text",
    [
        f"v=spf1 {NINE} include:ok.example.net redirect=i0.example.net",
        f"v=spf1 {NINE} redirect=ok.example.net",
        "v=spf1 include:other.example.net redirect=ok.example.net",
        "v=spf1 REDIRECT=ok.example.net",
        "v=spf1 ip4=192.0.2.1 ip4=192.0.2.2 x=1 X=2 ip4:203.0.113.1 -all",
    ],
)
def test_modifiers_spoil_no_record_that_receivers_take(text: str) -> None:
    zone = at(text, ok=[GOOD], other=["v=spf1 redirect=i0.example.net"]) | INCLUDED
    sender = Sender(address(V4), domain())
    siblings = built(spf.spf_paths, zone, spf.DomainSenders(domain(), (address(V4),)))
    result = siblings.of(sender.address)
    assert verdict(rules.test_spf_all_inventory, result, siblings, sender) == Verdict(PASS), result


def test_a_redirect_that_is_followed_counts_as_a_lookup() -> None:
    found = judged("lookups", at(f"v=spf1 {NINE} a redirect=ok.example.net", ok=[GOOD]) | INCLUDED)
    assert (found.said, found.at_most) == (FINDING, None)
    assert "Too many DNS lookups" in found.text


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ([], PASS),
        (["v=spf1 a -all"], PASS),
        (["v=spf1 -all"], FINDING),
        (["v=spf1 ?all"], FINDING),
        (None, UNDETERMINED),
    ],
)
def test_the_greeting(texts: list[str] | None, said: str) -> None:
    zone = {"mx1.example.com TXT": texts, "mx1.example.com A": [V4]}
    assert greeted(zone).said == said


def greeted(zone: Zone, *speakers: str) -> Verdict:
    """Return what the rule of the greeting says."""
    return verdict(
        test_spf_zone.test_spf_helo, built(spf.spf_helo, zone, address(V4)), speakers or ("ip4:203.0.113.1",)
    )


def test_the_record_of_a_greeting_is_mended_and_no_second_one_published() -> None:
    pool = ("ip4:203.0.113.1", "ip4:203.0.113.2")
    text = "v=spf1 ip4:203.0.113.2 include:a.example.net -all"
    zone = {"mx1.example.com TXT": [text], "a.example.net TXT": ["v=spf1 -all"]}
    repaired = "v=spf1 ip4:203.0.113.2 include:a.example.net ip4:203.0.113.1 -all"
    assert greeted(zone, *pool).fix == f'Publish: mx1.example.com. IN TXT "{repaired}"'
    denied = {"mx1.example.com TXT": ["v=spf1 -ip4:203.0.113.0/24 -all"]}
    assert (greeted(denied, *pool).fix or "").endswith(f'"v=spf1 {" ".join(pool)} -ip4:203.0.113.0/24 -all"')
    twice = greeted({"mx1.example.com TXT": ["v=spf1 a -all", "v=spf1 -all"]})
    assert twice.said == FINDING
    assert "Publish" not in (twice.fix or "")
