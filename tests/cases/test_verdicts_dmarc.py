"""What the DMARC rules say of records along the tree walk."""

from __future__ import annotations

from typing import Any

import pytest
from verdicts import FINDING, NOT_APPLICABLE, PASS, UNDETERMINED, Verdict, Zone, built, domain, verdict

from conformance.cases import test_dmarc as rules
from conformance.cases import test_dmarc_policy, test_tlsrpt
from conformance.facts import dmarc, dmarcaround, tlsrpt

RULES = [name.removeprefix("test_dmarc_") for name, rule in vars(rules).items() if hasattr(rule, "check")]
GOOD = "v=DMARC1; p=reject; rua=mailto:dmarc@example.com"


def judged(rule_name: str, zone: Zone, name: str = "example.com", **wishes: Any) -> Verdict:
    """Return what a rule says of a domain."""
    owned = domain(name, **wishes)
    facts = {
        "dmarc": built(dmarc.dmarc_walk, zone, owned),
        "dmarc_reports": built(dmarc.report_destinations, zone, owned),
        "domain": owned,
    }
    rule = getattr(rules, f"test_dmarc_{rule_name}")
    return verdict(rule, *(facts[fact] for fact in rule.check.subjects))


def findings(zone: Zone, name: str = "example.com", **wishes: Any) -> list[str]:
    """Return the rules that have a finding."""
    return [rule for rule in RULES if judged(rule, zone, name, **wishes).said == FINDING]


def at(*texts: str, **below: list[str]) -> Zone:
    """Return a zone with TXT records of _dmarc.example.com, and of _dmarc. before names below example.com."""
    lower = {f"_dmarc.{name}.example.com TXT": found for name, found in below.items()}
    return {"_dmarc.example.com TXT": list(texts)} | lower


@pytest.mark.parametrize(
    "text",
    [GOOD, "v=DMARC1;p=none;rua=mailto:a@reports.example.com;fo=1:d:s;adkim=s;sp=quarantine;np=reject;psd=n;t=n;"],
)
def test_good_records(text: str) -> None:
    outcomes = {name: judged(name, at(text, "v=spf1 -all")).said for name in RULES}
    assert outcomes.pop("rua_external") == NOT_APPLICABLE
    assert set(outcomes.values()) == {PASS}


def test_a_vendor_may_hold_the_record() -> None:
    assert findings({"_dmarc.example.com TXT": "-> example.vendor.net", "example.vendor.net TXT": [GOOD]}) == []


@pytest.mark.parametrize("name", ["example.com", "news.example.com"])
def test_a_silent_server_is_undetermined(name: str) -> None:
    outcomes = {rule: judged(rule, {"_dmarc.example.com TXT": None}, name).said for rule in RULES}
    assert FINDING not in outcomes.values()
    assert outcomes["exists"] == outcomes["rua_external"] == outcomes["p_valid"] == UNDETERMINED


def test_a_silent_suffix_leaves_only_the_organization_open() -> None:
    outcomes = {name: judged(name, at(GOOD) | {"_dmarc.com TXT": None}).said for name in RULES}
    assert {name for name, outcome in outcomes.items() if outcome == UNDETERMINED} == {"org_consistent"}
    assert findings({"_dmarc.com TXT": None}) == ["exists"]
    assert findings(at(GOOD, news=[]) | {"_dmarc.com TXT": None}, "news.example.com") == ["direct"]


FINDINGS: list[tuple[str, Zone, list[str], str, str]] = [
    ("exists", {}, ["exists"], "_dmarc.example.com TXT answered NXDOMAIN", '"v=DMARC1; p=none; rua=mailto:dmarc-rep'),
    ("exists", at("v=dmarc1; p=reject"), ["exists", "syntax"], "1 record, none of which begins with v=DMARC1", ""),
    ("exists", {"_dmarc.com TXT": ["v=DMARC1; p=reject; psd=y"]}, ["exists"], "see that of com", ""),
    ("syntax", at("v=dmarc1; p=reject"), ["exists", "syntax"], "'v=dmarc1; p=reject' is not taken as DMARC", ""),
    ("syntax", at("v=DMARC1 p=none"), ["exists", "syntax"], "not by a semicolon", ""),
    ("syntax", at(f"{GOOD}; sp:none"), ["syntax"], "in 'sp:none'", ""),
    ("syntax", at("v=DMARC1; p:none; rua=mailto:a@example.com"), ["syntax", "p_valid"], "at position 10", ""),
    ("single", at(GOOD, GOOD), ["exists", "single"], " and 'v=DMARC1", ""),
    ("p_valid", at("v=DMARC1; rua=mailto:a@example.com"), ["p_valid"], "p= is missing", '"v=DMARC1; p=none; rua='),
    ("p_valid", at(GOOD.replace("reject", "monitor")), ["p_valid"], "p= is 'monitor'", "p=none"),
    ("values", at(f"{GOOD}; adkim=strict"), ["values"], "adkim= is 'strict'", ""),
    ("values", at(f"{GOOD}; fo=2"), ["values"], "fo= is '2'", ""),
    ("rua", at("v=DMARC1; p=none"), ["rua"], "there is no rua=", ""),
    ("rua", at("v=DMARC1; p=none; rua=a@example.com"), ["rua"], "mailto: is missing", ""),
    ("rua", at("v=DMARC1; p=none; rua=https://example.com/r"), ["rua"], "no rua= with a mailto:", ""),
    ("rua_external", at("v=DMARC1; p=none; rua=mailto:a@example.net"), ["rua_external"], "example.net does not consent",
     'example.com._report._dmarc.example.net. IN TXT "v=DMARC1"'),
    ("removed_tags", at(f"{GOOD}; pct=50; ri=3600"), ["removed_tags"], "pct='50', ri='3600'", f'"{GOOD}"'),
    ("t", at(f"{GOOD}; t=y"), ["t"], "reject is applied as quarantine", f'"{GOOD}"'),
]  # fmt: skip


@pytest.mark.parametrize(("name", "zone", "broken", "text", "fix"), FINDINGS)
def test_findings(name: str, zone: Zone, broken: list[str], text: str, fix: str) -> None:
    found = judged(name, zone)
    assert text in found.text, found
    assert fix in (found.fix or "")
    assert findings(zone) == broken


MILDER: list[tuple[str, str, str]] = [
    ("removed_tags", f"{GOOD}; pct=100", "pct='100'"),
    ("removed_tags", f"{GOOD}!10m", "'!10m' after 'mailto:dmarc@example.com'"),
    ("values", f"{GOOD}; x=y", "'x'"),
    ("syntax", "v=DMARC1; rua=mailto:dmarc@example.com; p=none", "directly after v="),
    ("syntax", GOOD.replace("p=", "P="), "lower case only"),
]


@pytest.mark.parametrize(("name", "text", "says"), MILDER)
def test_findings_that_weigh_less(name: str, text: str, says: str) -> None:
    found = judged(name, at(text))
    assert (found.at_most, says in found.text) == ("info", True), found
    assert findings(at(text)) == [name]


def test_the_record_of_the_organization_applies() -> None:
    zone = at("v=DMARC1; p=reject; sp=none; adkim=x; rua=mailto:a@example.com", news=[])
    assert findings(zone, "news.example.com") == ["direct", "values"]
    assert "record of example.com" in judged("values", zone, "news.example.com").text
    assert "asks for none" in judged("p_valid", zone, "news.example.com", dmarc_p=("reject",)).text
    assert judged("syntax", at("v=DMARC1; p=reject;; sp", news=[]), "news.example.com").said == FINDING


def test_the_organization_by_tree_and_by_list() -> None:
    below = at(news=[GOOD])
    assert findings(below, "news.example.com") == ["direct", "org_consistent"]
    found = judged("org_consistent", below, "news.example.com").text
    assert found.startswith("news.example.com by tree walk, example.com by public suffix list")
    assert findings(at(GOOD, news=[GOOD]), "news.example.com") == []
    assert "org_consistent" in findings(at(GOOD, news=[f"{GOOD}; psd=n"]), "news.example.com")
    assert "org_consistent" not in findings({"_dmarc.site.github.io TXT": [GOOD]}, "site.github.io")


def test_a_policy_of_a_registry_that_calls_itself_no_suffix_takes_no_domain_over() -> None:
    suffix: Zone = {"_dmarc.gov.uk TXT": ["v=DMARC1; p=reject"]}
    own: Zone = {"_dmarc.office.gov.uk TXT": [f"{GOOD}; sp=none"]}
    told = judged("org_consistent", suffix | own, "office.gov.uk")
    assert told.fix == f'Publish: _dmarc.office.gov.uk. IN TXT "{GOOD}; sp=none; psd=n"'
    walked = built(dmarc.dmarc_walk, suffix | own, domain("office.gov.uk"))
    assert verdict(test_dmarc_policy.test_dmarc_sp_placement, walked).said == NOT_APPLICABLE
    ended: Zone = {"_dmarc.office.gov.uk TXT": [f"{GOOD}; sp=none; psd=n"]}
    assert judged("org_consistent", suffix | ended, "office.gov.uk") == Verdict(PASS)
    bare: Zone = {"_dmarc.news.office.gov.uk TXT": [GOOD]}
    told = judged("org_consistent", suffix | bare, "news.office.gov.uk")
    assert told.fix == ('Publish: _dmarc.office.gov.uk. IN TXT "v=DMARC1; p=none; rua=mailto:dmarc@example.com; psd=n"')


@pytest.mark.parametrize("where", ["dmarc", "tlsrpt"])
@pytest.mark.parametrize(
    ("exchangers", "said"),
    [
        ({"mx.example.net A": ["203.0.113.1"]}, PASS),
        ({"mx.example.net AAAA": ["2001:db8::1"], "mx.example.net A": None}, PASS),
        ({"mx.example.net A": "-> a.example.net", "a.example.net A": ["203.0.113.1"]}, PASS),
        ({}, FINDING),
        ({"mx.example.net AAAA": None}, UNDETERMINED),
    ],
)
def test_reports_reach_nobody_where_no_exchanger_has_an_address(where: str, exchangers: Zone, said: str) -> None:
    zone: Zone = {
        "_dmarc.example.com TXT": ["v=DMARC1; p=none; rua=mailto:d@example.net"],
        "_smtp._tls.example.com TXT": ["v=TLSRPTv1; rua=mailto:t@example.net"],
        "example.net MX": [(0, "."), (10, "mx.example.net"), (20, "203.0.113.9")],
        "203.0.113.9 A": None,
    }
    if where == "dmarc":
        mailboxes = built(dmarcaround.report_mailboxes, zone | exchangers, domain())
        told = verdict(test_dmarc_policy.test_dmarc_rua_accepts, mailboxes)
    else:
        hosts = built(tlsrpt.report_hosts, zone | exchangers, domain())
        told = verdict(test_tlsrpt.test_tlsrpt_rua_accepts, hosts)
    assert told.said == said, told
    assert ("without an address ('mx.example.net', '203.0.113.9')" in told.text) is (said == FINDING)


def test_consent_of_foreign_destinations() -> None:
    zone = at("v=DMARC1; p=none; rua=mailto:a@x.example.net,mailto:b@y.example.net,mailto:c@sub.example.com")
    consent = {f"example.com._report._dmarc.{name}.example.net TXT": ["v=DMARC1;"] for name in "xy"}
    assert judged("rua_external", zone | consent) == Verdict(PASS)
    one = {**consent, "example.com._report._dmarc.y.example.net TXT": None}
    assert judged("rua_external", zone | one).said == UNDETERMINED
    none = {"example.com._report._dmarc.y.example.net TXT": None}
    assert judged("rua_external", zone | none).text.startswith("x.example.net does not consent")
    companies = {"_dmarc.one.uk.com TXT": ["v=DMARC1; p=none; rua=mailto:r@one.uk.com,mailto:r@two.uk.com"]}
    assert judged("rua_external", companies, "one.uk.com").text.startswith("two.uk.com does not consent")


def test_wishes_of_the_inventory() -> None:
    assert (
        "declared: quarantine or reject"
        in judged("p_valid", at("v=DMARC1; p=none"), dmarc_p=("quarantine", "reject")).text
    )
    assert judged("p_valid", at(GOOD), dmarc_p=("reject",)) == Verdict(PASS)
    wish = judged("values", at(GOOD), dmarc_adkim="s")
    assert (wish.text, "adkim=s" in (wish.fix or "")) == ("adkim=r applies; declared: s", True)
    assert judged("values", at(GOOD), dmarc_aspf="r") == Verdict(PASS)
    assert judged("rua", at(GOOD), dmarc_rua="mailto:DMARC@example.com") == Verdict(PASS)
    other = judged("rua", at(GOOD), dmarc_rua="x@example.com")
    assert (other.said, "declared: x@example.com" in other.text) == (FINDING, True)
    assert "mailto:dmarc@example.com,mailto:x@example.com" in (other.fix or "")
    missing = judged("exists", {}, dmarc_p=("reject",), dmarc_rua="x@example.com")
    assert '"v=DMARC1; p=reject; rua=mailto:x@example.com"' in (missing.fix or "")
