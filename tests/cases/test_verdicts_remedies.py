"""Remedies that are followed to the letter break no mail that works."""

from __future__ import annotations

import pytest
from verdicts import address, built, domain, verdict

from conformance.cases import test_dkim, test_dmarc, test_dmarc_policy, test_dom, test_helo, test_ptr, test_spf
from conformance.check import Check
from conformance.facts import dkim, dmarc, spf
from conformance.facts.domain import mail_domains
from conformance.facts.reverse import reverse, reverse_zone
from conformance.fleet.model import Domain, Selector, Sender

V4, V6 = "203.0.113.1", "2001:db8::1"


def spf_facts(text: str, *ips: str) -> tuple[spf.SpfRecords, spf.SpfPaths]:
    zone = {"example.com TXT": [text]}
    senders = spf.DomainSenders(domain(), tuple(address(ip) for ip in ips))
    return built(spf.spf_records, zone, senders), built(spf.spf_paths, zone, senders)


@pytest.mark.parametrize("text", ["v=spf1 +all", "v=spf1 all", "v=spf1 ?all"])
def test_another_end_shuts_no_own_address_out(text: str) -> None:
    records, paths = spf_facts(text, V4, V6)
    told = verdict(test_spf.test_spf_all_strict, records, paths, domain())
    assert told.fix == f'Publish: example.com. IN TXT "v=spf1 ip4:{V4} ip6:{V6} ~all"'


@pytest.mark.parametrize("void", ["ip4:0.0.0.0/0", "include:gone.example.net", "-ip4:203.0.113.0/24", "ipv4:192.0.2.1"])
def test_no_other_remedy_brings_terms_behind_all_to_life(void: str) -> None:
    records, paths = spf_facts(f"v=spf1 ip4:{V4} ?all {void}", V4, V6)
    told = verdict(test_spf.test_spf_all_strict, records, paths, domain())
    assert told.fix == f'Publish: example.com. IN TXT "v=spf1 ip4:{V4} ip6:{V6} ~all {void}"'
    behind = verdict(test_spf.test_spf_after_all, records)
    assert f'"v=spf1 ip4:{V4} {void} ?all", where' in (behind.fix or "") or "ipv4" in void
    assert (behind.fix or "").endswith(f'else: "v=spf1 ip4:{V4} ?all"') or "ipv4" in void


def test_another_end_of_the_from_domain_shuts_nobody_out_of_the_envelope_domain() -> None:
    zone = {"example.com TXT": ["v=spf1 +all"], "bounce.example.com TXT": ["v=spf1 include:example.com -all"]}
    owned = domain(envelope="bounce.example.com")
    senders = spf.DomainSenders(owned, (address(V4),))
    facts = built(spf.spf_records, zone, senders), built(spf.spf_paths, zone, senders)
    told = verdict(test_spf.test_spf_all_strict, *facts, owned)
    assert told.fix == f'Publish: example.com. IN TXT "v=spf1 ip4:{V4} ~all"'


def test_a_declared_end_is_what_every_remedy_says() -> None:
    records, paths = spf_facts("v=spf1 +all", V4)
    told = verdict(test_spf.test_spf_all_strict, records, paths, domain(spf_all=("-all",)))
    assert told.fix == f'Publish: example.com. IN TXT "v=spf1 ip4:{V4} -all"'


def test_all_forgotten_addresses_come_to_one_record() -> None:
    _, paths = spf_facts("v=spf1 -all", V4, V6)
    fixes = set()
    for ip in (V4, V6):
        sender = Sender(address(ip), domain())
        result = paths.of(sender.address)
        fixes.add(verdict(test_spf.test_spf_all_inventory, result, paths, sender).fix)
    assert fixes == {f'Publish: example.com. IN TXT "v=spf1 ip4:{V4} ip6:{V6} -all"'}


def test_an_address_behind_all_comes_before_it_once() -> None:
    text = f"v=spf1 ip4:192.0.2.9 -all ip4:{V4}"
    _, paths = spf_facts(text, V4)
    sender = Sender(address(V4), domain())
    told = verdict(test_spf.test_spf_all_inventory, paths.of(sender.address), paths, sender)
    assert told.fix == f'Publish: example.com. IN TXT "v=spf1 ip4:192.0.2.9 ip4:{V4} -all"'


def walk(zone: dict[str, object], name: str = "example.com", **wishes: object) -> tuple[dmarc.DmarcWalk, Domain]:
    owned = domain(name, **wishes)
    return built(dmarc.dmarc_walk, zone, owned), owned  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("parent", "policy"),
    [("p=reject; sp=none", "none"), ("p=none; sp=reject", "reject"), ("p=quarantine", "quarantine")],
)
def test_a_record_of_its_own_keeps_the_policy_in_force(parent: str, policy: str) -> None:
    rua = "rua=mailto:r@example.com"
    found, _ = walk({"_dmarc.example.com TXT": [f"v=DMARC1; {parent}; {rua}"]}, "news.example.com")
    told = verdict(test_dmarc.test_dmarc_direct, found)
    assert told.fix == f'Publish: _dmarc.news.example.com. IN TXT "v=DMARC1; p={policy}; {rua}"'


def test_a_tag_that_makes_the_policy_void_does_not_stand_beside_a_declared_one() -> None:
    text = "v=DMARC1; p=reject; sp=x; np=reject; rua=mailto:r@example.com"
    told = verdict(test_dmarc.test_dmarc_p_valid, *walk({"_dmarc.example.com TXT": [text]}, dmarc_p=("reject",)))
    assert told.fix == f'Publish: _dmarc.example.com. IN TXT "{text.replace("; sp=x", "")}"'


def test_a_void_record_leaves_no_record_without_a_policy_behind() -> None:
    found, owned = walk(
        {"_dmarc.example.com TXT": ["v=DMARC1; adkim=s"]}, "news.example.com", dmarc_rua="q@example.com"
    )
    told = verdict(test_dmarc.test_dmarc_direct, found)
    assert told.fix == f'Publish: _dmarc.{owned.name}. IN TXT "v=DMARC1; p=none; adkim=s; rua=mailto:q@example.com"'


@pytest.mark.parametrize(
    "garbled",
    [
        "v=DMARC1; p=reject, rua=mailto:r@example.com",
        "v=DMARC1; p=reject rua=mailto:r@example.com",
        "v=DMARC1; p:reject; rua=mailto:r@example.com",
        "v=DMARC1; p=\u201creject\u201d; rua=r@example.com",
    ],
)
def test_a_garbled_record_keeps_what_it_says(garbled: str) -> None:
    found, owned = walk({"_dmarc.example.com TXT": [garbled]})
    told = verdict(test_dmarc.test_dmarc_p_valid, found, owned)
    assert told.fix == 'Publish: _dmarc.example.com. IN TXT "v=DMARC1; p=reject; rua=mailto:r@example.com"'


def test_a_comma_between_tags_is_a_slip_of_syntax() -> None:
    found, _ = walk({"_dmarc.example.com TXT": ["v=DMARC1; p=reject, rua=mailto:r@example.com"]})
    assert "a semicolon is missing before rua=" in verdict(test_dmarc.test_dmarc_syntax, found).text


def test_a_version_in_lower_case_keeps_the_rest() -> None:
    found, _ = walk({"_dmarc.example.com TXT": ["v=dmarc1; p=reject; rua=mailto:boss@example.com"]})
    told = verdict(test_dmarc.test_dmarc_exists, found)
    assert told.fix == 'Publish: _dmarc.example.com. IN TXT "v=DMARC1; p=reject; rua=mailto:boss@example.com"'


def test_nothing_is_to_be_published_beside_a_cname() -> None:
    found, _ = walk({"_dmarc.example.com TXT": "-> d.esp.net", "d.esp.net TXT": ["v=DMARC1; p=none"]})
    assert "Publish: d.esp.net. IN TXT" in (verdict(test_dmarc.test_dmarc_rua, found).fix or "")
    gone = {"_dmarc.example.com TXT": "-> gone.esp.net"}
    missing = verdict(test_dmarc.test_dmarc_exists, walk(gone)[0]).fix or ""
    assert "Publish: gone.esp.net." in missing
    assert missing.endswith("\", or at _dmarc.example.com. in place of the CNAME, if that is a wildcard's")

    record = "v=DMARC1; p=none; rua=mailto:r@example.com"
    wild: dict[str, object] = {"_dmarc.www.example.com TXT": "-> web.example.com", "_dmarc.example.com TXT": [record]}
    found, owned = walk(wild | {"web.example.com A": ["203.0.113.80"]}, "www.example.com")
    for told in (
        verdict(test_dmarc.test_dmarc_direct, found),
        verdict(test_dmarc_policy.test_dmarc_enforced, found, owned),
    ):
        assert (told.fix or "").endswith("or at _dmarc.www.example.com. in place of the CNAME, if that is a wildcard's")

    selector = Selector("example.com", "s1", "example.com")
    key = built(dkim.key_record, {"s1._domainkey.example.com TXT": "-> k.esp.net"}, selector)
    told = verdict(test_dkim.test_dkim_key_exists, key)
    assert "s1._domainkey.example.com is a CNAME" in (told.fix or "")
    assert "k.esp.net, where a CNAME leads" in told.text

    ptr = built(reverse, {"1.113.0.203.in-addr.arpa PTR": "-> 1.net.example"}, address(V4))
    assert "1.net.example. IN PTR" in (verdict(test_ptr.test_ptr_exists, ptr).fix or "")

    zone = {f"example.com {rdtype}": "-> gone.esp.net" for rdtype in ("A", "AAAA", "MX")}
    told = verdict(test_dom.test_dom_from_resolves, built(mail_domains, zone, domain()))
    assert "Let the CNAME at example.com lead" in (told.fix or "")


@pytest.mark.parametrize(("unchecked", "fix"), [(["mx1.example.com"], "renew its signatures"), (None, "")])
def test_servers_that_answer_are_not_to_be_repaired_where_signatures_fail(unchecked: object, fix: str) -> None:
    question = "1.113.0.203.in-addr.arpa PTR"
    zone = built(reverse_zone, {question: None, f"{question} +cdflag": unchecked}, address(V4))  # type: ignore[dict-item]
    told = verdict(test_ptr.test_ptr_answers, zone, lambda: None, address(V4))
    assert told.said == "finding"
    assert fix in (told.fix or "")
    assert bool(told.fix) is bool(fix)


def test_no_ptr_is_to_follow_the_greeting_and_no_web_server_s_name_is_to_grow() -> None:
    greeting: Check = test_ptr.test_ptr_matches_helo.check  # type: ignore[attr-defined]
    assert "IN PTR" not in greeting.fix
    slip: Check = test_helo.test_helo_matches_ip.check  # type: ignore[attr-defined]
    assert slip.fix.startswith("Greet with a name that leads to")


def test_no_dmarc_remedy_undoes_another() -> None:
    text = "v=DMARC1; p=reject; pct=100; ri=86400; adkim=r; rua=r@example.com"
    found, owned = walk({"_dmarc.example.com TXT": [text]}, dmarc_adkim="s")
    fixes = {
        verdict(test_dmarc.test_dmarc_values, found, owned).fix,
        verdict(test_dmarc.test_dmarc_removed_tags, found).fix,
    }
    assert fixes == {
        'Publish: _dmarc.example.com. IN TXT "v=DMARC1; p=reject; adkim=s; rua=mailto:r@example.com"',
    }


@pytest.mark.parametrize(
    ("name", "text", "rule", "wishes", "record"),
    [
        ("news.example.com", "p=reject; sp=none", "enforced", {}, "p=quarantine"),
        ("example.com", "p=none; sp=reject", "enforced", {}, "p=quarantine; sp=reject"),
        ("news.example.com", "p=none; sp=reject", "lists", {"lists": True}, "p=quarantine"),
        ("example.com", "p=reject; sp=reject", "lists", {"lists": True}, "p=quarantine; sp=reject"),
    ],
)
def test_another_policy_of_one_domain_is_none_of_another(
    name: str, text: str, rule: str, wishes: dict[str, object], record: str
) -> None:
    rua = "rua=mailto:r@example.com"
    found, owned = walk({"_dmarc.example.com TXT": [f"v=DMARC1; {text}; {rua}"]}, name, **wishes)
    told = verdict(getattr(test_dmarc_policy, f"test_dmarc_{rule}"), found, owned)
    assert (told.fix or "").endswith(f'Publish: _dmarc.{name}. IN TXT "v=DMARC1; {record}; {rua}"'), told.fix


@pytest.mark.parametrize("policy", ["reject", "none"])
def test_a_declared_policy_is_what_every_remedy_says(policy: str) -> None:
    zone: dict[str, object] = {"_dmarc.example.com TXT": ["v=DMARC1; p=none; rua=mailto:r@example.com"]}
    found, _ = walk(zone, "news.example.com", dmarc_p=(policy,))
    told = verdict(test_dmarc.test_dmarc_direct, found)
    assert f'_dmarc.news.example.com. IN TXT "v=DMARC1; p={policy}; rua=' in (told.fix or "")


def test_a_share_of_mail_that_is_spared_stays_spared_until_its_own_rule_asks() -> None:
    found, owned = walk({"_dmarc.example.com TXT": ["v=DMARC1; p=reject; pct=50; adkim=r"]}, dmarc_adkim="s")
    assert "pct=50" in (verdict(test_dmarc.test_dmarc_values, found, owned).fix or "")
    assert "pct" not in (verdict(test_dmarc.test_dmarc_removed_tags, found).fix or "")


@pytest.mark.parametrize(("ip", "result"), [(V4, "pass"), ("203.0.113.2", "permerror")])
def test_a_record_that_includes_itself_fails_only_who_gets_there(ip: str, result: str) -> None:
    text = f"v=spf1 ip4:{V4} include:example.com -all"
    _, paths = spf_facts(text, ip)
    assert paths.of(address(ip)).result == result
