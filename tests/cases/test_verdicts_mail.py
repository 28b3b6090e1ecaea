"""What the rules on mail that came say of deliveries, and how to mend them."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from typing import Any

import pytest

from conformance.cases import test_dkim_header, test_dkim_mail, test_dmarc_mail, test_spf_mail
from tests import worlds
from tests.cases.verdicts import FINDING, NOT_APPLICABLE, PASS, UNDETERMINED, Verdict, verdict
from tests.facts.arrivals import came

KEY = worlds.keys()["rsa2048"]
LAST = "Sign last:"
BROKEN: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "another key": ({}, {"sign": [{"key": "other"}]}, "Publish the public half of the key that signs at s1._domainkey"),
    "no key": ({"s1._domainkey.example.com TXT": []}, {"sign": [{}]}, "Publish the public half of the key that signs"),
    "edited header": ({}, {"sign": [{}], "edit": {"Subject: ": "Subject: [x] "}}, LAST),
    "edited body": ({}, {"sign": [{}], "edit": {"Hello.": "Hello!"}}, LAST),
    "edited header, ed25519": (
        {},
        {"sign": [{"selector": "s2", "key": "ed25519"}], "edit": {"Subject: ": "Subject: [x] "}},
        "Publish the public half of the key that signs at s2._domainkey",
    ),
    "revoked": ({"s1._domainkey.example.com TXT": ["v=DKIM1; p="]}, {"sign": [{}]}, "Let the record at s1._domainkey"),
    "for sha1": (
        {"s1._domainkey.example.com TXT": [f"v=DKIM1; h=sha1; p={KEY}"]},
        {"sign": [{}]},
        "Let the record at s1._domainkey",
    ),
    "sha1": ({}, {"sign": [{"sha1": True}]}, "Sign with rsa-sha256"),
    "expired": ({}, {"sign": [{"tags": {"t": -900, "x": -300}}]}, "Sign with rsa-sha256"),
    "no version": ({}, {"sign": [{"tags": {"v": None}}]}, "Repair the signer's settings: v= missing"),
}


def rule_of(name: str) -> Any:
    area = name.partition(".")[0]
    function = f"test_{name.replace('.', '_').replace('-', '_')}"
    modules = {"dkim": (test_dkim_mail, test_dkim_header), "dmarc": (test_dmarc_mail,), "spf": (test_spf_mail,)}[area]
    return next(getattr(module, function) for module in modules if hasattr(module, function))


def judged(name: str, zone: dict[str, Any] | None = None, **session: Any) -> Verdict:
    return verdict(rule_of(name), came(zone, **session))


@pytest.mark.parametrize(("zone", "session", "remedy"), BROKEN.values(), ids=list(BROKEN))
def test_a_signature_that_does_not_hold_says_what_mends_it(
    zone: dict[str, Any], session: dict[str, Any], remedy: str
) -> None:
    found = judged("dkim.valid", zone, **session)
    assert found.said == FINDING
    assert found.fix is not None
    assert found.fix.startswith(remedy)


def test_a_foreign_signature_beside_a_good_one_does_no_harm() -> None:
    zone = {"s1._domainkey.example.net TXT": [f"v=DKIM1; p={KEY}"]}
    both = {"sign": [{"domain": "example.net"}, {}]}
    for name in ("dkim.valid", "dkim.align", "dkim.all-valid", "dmarc.pass-dkim", "dmarc.reject-needs-dkim"):
        assert judged(name, zone, **both).said == PASS, name
    alone = judged("dkim.align", zone, sign=[{"domain": "example.net"}])
    assert (alone.said, alone.at_most) == (FINDING, "should")
    unaligned = judged("dkim.align", zone, sign=[{"domain": "example.net"}], sender="x@example.org")
    assert (unaligned.said, unaligned.at_most) == (FINDING, None)


def test_an_envelope_of_others_is_fine_where_dkim_aligns() -> None:
    zone = {"bounces.example.net TXT": ["v=spf1 ip4:203.0.113.1 -all"]}
    assert judged("spf.authorises", zone, sender="x@bounces.example.net").said == PASS
    assert judged("spf.align", zone, sender="x@bounces.example.net").at_most == "info"
    assert judged("spf.align", zone, sender="x@bounces.example.net", sign=False).at_most is None
    assert judged("dmarc.pass", zone, sender="x@bounces.example.net").said == PASS
    assert judged("dmarc.pass", zone, sender="x@bounces.example.net", sign=False).said == FINDING


@pytest.mark.parametrize(
    ("record", "remedy"),
    [
        ("v=spf1 ip4:198.51.100.1 -all", '"v=spf1 ip4:198.51.100.1 ip4:203.0.113.1 -all"'),
        ("v=spf1 -ip4:203.0.113.0/24 ~all", '"v=spf1 ip4:203.0.113.1 -ip4:203.0.113.0/24 ~all"'),
    ],
)
def test_the_record_that_would_authorise(record: str, remedy: str) -> None:
    found = judged("spf.authorises", {"example.com TXT": [record]})
    assert found.fix == f"Publish: example.com. IN TXT {remedy}"


def test_an_address_that_is_not_declared_may_be_left_as_well() -> None:
    one = came(peer="203.0.113.9")
    stream = replace(one.stream, sources=(ipaddress.ip_address("203.0.113.1"),))
    delivery = replace(one.delivery, probe=replace(one.delivery.probe, stream=stream))
    found = verdict(rule_of("spf.authorises"), replace(one, delivery=delivery))
    assert found.fix is not None
    assert found.fix.endswith('ip4:203.0.113.9 -all"; or send from 203.0.113.1, as declared.')


def test_no_record_is_the_affair_of_another_rule_where_the_domain_is_declared() -> None:
    assert judged("spf.authorises", {"example.com TXT": []}).said == NOT_APPLICABLE
    stray = judged("spf.authorises", sender="x@stray.example.org")
    assert stray.fix == 'Publish: stray.example.org. IN TXT "v=spf1 ip4:203.0.113.1 ~all"'


def test_what_nobody_answers_for_is_neither_missing_nor_fine() -> None:
    dead = {"s1._domainkey.example.com TXT": None, "s2._domainkey.example.com TXT": None}
    for name in ("dkim.valid", "dkim.align", "dkim.all-valid", "dkim.sign-after-edit", "dmarc.pass-dkim"):
        assert judged(name, dead).said == UNDETERMINED, name
    assert judged("spf.authorises", {"example.com TXT": None}).said == UNDETERMINED
    assert judged("dmarc.pass", {"example.com TXT": None}).said == PASS
    assert judged("dmarc.pass", dead | {"example.com TXT": None}).said == UNDETERMINED
    assert judged("dmarc.pass", {"_dmarc.example.com TXT": None}).said == UNDETERMINED


def test_no_record_asks_nothing() -> None:
    bare = {"_dmarc.example.com TXT": []}
    for name in ("dmarc.pass", "dmarc.strict-ok", "dmarc.reject-needs-dkim"):
        assert judged(name, bare, sign=False).said == NOT_APPLICABLE, name


def test_a_name_that_is_signed_but_not_there_counts_as_oversigned() -> None:
    assert judged("dkim.oversign").said == PASS
    once = judged("dkim.oversign", sign=[{"headers": ["from", "from", "to", "subject", "date", "reply-to"]}])
    assert once.text == "can be added unseen: to, subject, date"


def test_bounces_count_for_their_greeting_or_their_signature() -> None:
    rule = test_spf_mail.test_spf_null_sender
    assert verdict(rule, came(sender="")).said == PASS
    assert verdict(rule, came(sender="", sign=False)).said == PASS
    silent = {"mx1.example.com TXT": []}
    assert verdict(rule, came(silent, sender="")).said == PASS
    assert verdict(rule, came(silent, sender="", sign=False)).said == FINDING
    assert verdict(rule, came({"mx1.example.com TXT": ["v=spf1 -all"]}, sender="")).said == FINDING
    assert verdict(rule, came(sender="", helo="[203.0.113.1]")).said == PASS
    assert verdict(rule, came(sender="x@example.com")).said == NOT_APPLICABLE


ONE_CLICK = {"List-Unsubscribe": "<https://example.com/u>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}


def test_any_signature_that_holds_may_cover_the_way_out() -> None:
    zone = {"s1._domainkey.example.net TXT": [f"v=DKIM1; p={KEY}"]}
    own = {"less": ["list-unsubscribe", "list-unsubscribe-post"]}
    provider = {"domain": "example.net"}
    assert judged("dkim.unsub-signed", zone, header=ONE_CLICK, sign=[own, provider]).said == PASS
    assert judged("dkim.unsub-signed", zone, header=ONE_CLICK, sign=[own]).said == FINDING


def test_foreign_signatures_that_fail_are_worth_a_note_alone() -> None:
    zone = {"s1._domainkey.example.net TXT": [f"v=DKIM1; p={KEY}"], "s1._domainkey.example.org TXT": ["v=DKIM1; p="]}
    found = judged("dkim.all-valid", zone, sign=[{"domain": "example.net"}, {"domain": "example.org"}])
    assert (found.said, found.at_most) == (FINDING, "info")
