"""Nothing passes that was not seen, and no finding is lost behind what could not be seen."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from types import SimpleNamespace

import pytest
from test_verdicts_tls import BROKEN_HANDSHAKE, CERTIFICATE, GOOD, IMPLICIT, SUBMISSION, judged
from verdicts import FINDING, NOT_APPLICABLE, UNDETERMINED, Records, Verdict, address, built, domain, verdict

from conformance.cases import test_dmarc, test_dom, test_helo, test_ip_lists, test_ptr
from conformance.facts.dmarc import report_destinations
from conformance.facts.dnsbl import domain_listings, watched_domain
from conformance.facts.domain import mail_domains
from conformance.facts.greeting import ServerNames
from conformance.facts.reverse import forward_names, forward_of, reverse
from conformance.facts.session import End
from conformance.facts.spf import DomainSenders, spf_records
from conformance.fleet.model import Blocklist, Fleet, Mta

IP = "203.0.113.1"
REVERSE = "1.113.0.203.in-addr.arpa PTR"


@pytest.mark.parametrize(("rule", "port"), [("in_starttls", 25), ("in_587", 587)])
@pytest.mark.parametrize("starttls", [GOOD.starttls, None], ids=["handshake broken", "no reply"])
def test_tls_that_did_not_begin_is_undetermined(rule: str, port: int, starttls: object) -> None:
    session = replace(BROKEN_HANDSHAKE, port=port, starttls=starttls)
    assert judged(rule, session).said == UNDETERMINED


@pytest.mark.parametrize(
    ("error", "old_tls", "said"),
    [
        ("wrong version number", "", FINDING),
        ("unsupported protocol", "accepted", "pass"),
        ("no shared cipher", "", UNDETERMINED),
    ],
)
def test_implicit_tls_is_missing_only_where_plain_text_was_seen(error: str, old_tls: str, said: str) -> None:
    session = replace(
        IMPLICIT, end=End.TLS_ERROR, stage="handshake", error=error, tls_version="", certificate=None, old_tls=old_tls
    )
    assert judged("in_587", session).said == said


def test_auth_inside_implicit_tls_on_587_is_no_finding() -> None:
    assert judged("in_587", replace(IMPLICIT, port=587)).said == "pass"
    assert judged("in_587", SUBMISSION).said == "pass"


def test_an_expired_certificate_is_told_though_an_mx_is_unknown() -> None:
    expired = replace(CERTIFICATE, not_after="2026-02-01T00:00:00+00:00", names=("*.elsewhere.example",))
    told = judged("in_cert", replace(GOOD, certificate=expired), {"example.com MX": None})
    assert told.said == FINDING
    assert "expired" in told.text


def mx_of(zone: dict[str, object]) -> str:
    rule = test_dom.test_dom_mx_valid
    return verdict(rule, built(mail_domains, zone, domain())).said  # type: ignore[arg-type]


def test_faults_of_exchangers_are_told_though_another_answer_is_unknown() -> None:
    assert mx_of({"example.com MX": [(0, "."), (10, "a.example")], "a.example A": None}) == FINDING
    assert (
        mx_of({"example.com MX": [(10, "a.example")], "a.example A": ["10.0.0.1"], "a.example AAAA": None}) == FINDING
    )


def test_exchangers_that_were_not_followed_do_not_pass() -> None:
    zone: dict[str, object] = {f"m{n}.example A": ["198.51.100.1"] for n in range(25)}
    zone["example.com MX"] = [(10, f"m{n}.example") for n in range(25)]
    assert mx_of(zone) == UNDETERMINED


def test_a_name_that_does_not_resolve_is_told_though_another_is_unknown() -> None:
    names = [
        built(forward_of, {"one.example A": None, "one.example AAAA": None}, name)
        for name in ("one.example", "no.example")
    ]
    said = ServerNames((("the banner", "one.example"), ("the EHLO reply", "no.example")), tuple(names))
    told = verdict(test_helo.test_helo_server_banner, said)
    assert told.said == FINDING
    assert "no.example" in told.text


def test_a_server_that_names_its_address_keeps_to_the_letter() -> None:
    def told(*said: str) -> Verdict:
        names = tuple(built(forward_of, {}, name) for name in said if not name.startswith("["))
        return verdict(
            test_helo.test_helo_server_banner, ServerNames(tuple(("the banner", one) for one in said), names)
        )

    assert told("[203.0.113.1]").at_most == "should"
    assert told("[IPv6:2001:db8::1]").at_most == "should"
    for harder in ("[203.0.113.]", "203.0.113.1", "mx1"):
        assert (told("[203.0.113.1]", harder).said, told("[203.0.113.1]", harder).at_most) == (FINDING, None)
    assert told("[203.0.113.1]", "gone.example").at_most is None


def test_a_family_is_not_judged_where_no_name_has_an_address() -> None:
    forward = built(forward_names, {REVERSE: ["gone.example"]}, address(IP))
    assert verdict(test_ptr.test_ptr_forward_family, ("gone.example",), forward, address(IP)).said == NOT_APPLICABLE


def test_names_that_were_not_followed_do_not_pass() -> None:
    zone = {REVERSE: [f"n{n}.example" for n in range(12)]} | {f"n{n}.example A": [IP] for n in range(12)}
    forward, ptr = built(forward_names, zone, address(IP)), built(reverse, zone, address(IP))
    assert verdict(test_ptr.test_ptr_all_forward_confirm, ptr.names, forward, address(IP)).said == UNDETERMINED
    assert verdict(test_ptr.test_ptr_target_not_cname, ptr.names, ptr, forward).said == UNDETERMINED
    assert verdict(test_ptr.test_ptr_forward_confirms, ptr.names, forward, address(IP)).said == "pass"


def test_report_hosts_without_end_are_bounded() -> None:
    rua = ",".join(f"mailto:r@r{n}.test" for n in range(300))
    zone: dict[str, object] = {"_dmarc.example.com TXT": [f"v=DMARC1; p=none; rua={rua}"]}
    zone |= {f"example.com._report._dmarc.r{n}.test TXT": ["v=DMARC1"] for n in range(300)}
    reports = built(report_destinations, zone, domain())
    assert len(reports.foreign) == 20
    assert verdict(test_dmarc.test_dmarc_rua_external, reports).said == UNDETERMINED


def test_a_ptr_name_that_was_not_seen_is_on_no_list_of_names_only_perhaps() -> None:
    blocklist = Blocklist("dbl.test", of_names=True)
    mta = Mta("mx1", addresses=(address(IP),), sends_for=("example.com",), blocklists=(blocklist,))
    owned = domain(hosts=("mx1",))
    watched = watched_domain(Fleet((mta,), (owned,)), owned)
    zone: dict[str, object] = {"test.dbl.test A": ["127.0.1.2"], REVERSE: None}
    rule = test_ip_lists.test_ip_dnsbl_domain
    assert verdict(rule, built(domain_listings, zone, watched)).said == UNDETERMINED
    on_it = zone | {"example.com.dbl.test A": ["127.0.1.4"]}
    assert verdict(rule, built(domain_listings, on_it, watched)).said == FINDING
    assert verdict(rule, built(domain_listings, zone | {REVERSE: ["mx1.example.com"]}, watched)).said == "pass"


def test_a_provider_s_name_is_judged_without_a_catalogue() -> None:
    helo = SimpleNamespace(name="mail.gmail.com")
    names = built(reverse, {REVERSE: ["mx1.example.com"]}, address(IP))
    told = verdict(test_helo.test_helo_not_big_provider, helo, names, address(IP), "mx1.example.com")
    assert told.said == FINDING


def test_what_spf_follows_depends_on_the_record_alone() -> None:
    import asyncio

    zone: dict[str, object] = {
        "example.com TXT": ["v=spf1 " + " ".join(f"include:i{n}.example" for n in range(12)) + " -all"]
    }
    for n in range(12):
        zone[f"i{n}.example TXT"] = ["v=spf1 " + " ".join(f"a:a{n}-{m}.example" for m in range(12)) + " -all"]

    class Shuffled(Records):
        async def dns(self, name: str, rdtype: str) -> object:  # type: ignore[override]
            await asyncio.sleep(hash((self.turn, name)) % 5 / 1000)  # type: ignore[attr-defined]
            return await super().dns(name, rdtype)

    asked = []
    for turn in (1, 2):
        ask = Shuffled(zone)  # type: ignore[arg-type]
        ask.turn = turn  # type: ignore[attr-defined]
        asyncio.run(spf_records(ask, DomainSenders(domain(), (address(str(ipaddress.ip_address(IP))),))))
        asked.append(sorted(ask.asked))
    assert asked[0] == asked[1]
