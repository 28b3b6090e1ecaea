"""What nothing depends on is not asked, and what something depends on is."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address

import pytest

from conformance.facts.answer import Answer, Status
from conformance.facts.domain import MailDomain, mail_domain
from conformance.facts.reverse import Forward, forward_to
from conformance.facts.store import Recorded, Store
from conformance.outcome import Undetermined

NAME = "mx.example.com"


def found(rdtype: str, *records: str | tuple[int, str], name: str = NAME) -> Answer:
    return Answer(name, rdtype, Status.FOUND, "NOERROR", records)


def absent(rdtype: str, rcode: str = "NOERROR", name: str = NAME) -> Answer:
    return Answer(name, rdtype, Status.ABSENT, rcode)


def silent(rdtype: str, name: str = NAME) -> Answer:
    return Answer(name, rdtype, Status.UNDETERMINED, "TIMEOUT", error="no answer", cause="no answer")


def asker(*answers: Answer) -> Recorded:
    store = Store()
    for answer in answers:
        store.add(answer)
    return Recorded(store)


def look_up(ip: str, *answers: Answer) -> tuple[Forward, list[str]]:
    ask = asker(*answers)
    return asyncio.run(forward_to(ask, NAME, ip_address(ip))), ask.asked


@pytest.mark.parametrize(("ip", "rdtype"), [("192.0.2.1", "A"), ("2001:db8::1", "AAAA")])
def test_a_name_that_leads_back_is_asked_for_one_family(ip: str, rdtype: str) -> None:
    forward, asked = look_up(ip, found("A", "192.0.2.2", "192.0.2.1"), found("AAAA", "2001:DB8:0::1"))
    assert asked == [f"dns:{NAME} {rdtype}"]
    assert (forward.exists, forward.resolves, forward.leads_to(ip_address(ip)), forward.aliases) == (
        True,
        True,
        True,
        (),
    )


@pytest.mark.parametrize("own", [found("A", "192.0.2.2"), absent("A"), absent("A", "NXDOMAIN"), silent("A")])
def test_a_name_that_does_not_lead_back_is_asked_for_both(own: Answer) -> None:
    forward, asked = look_up("192.0.2.1", own, found("AAAA", "2001:db8::1"))
    assert asked == [f"dns:{NAME} A", f"dns:{NAME} AAAA"]
    assert forward == Forward(NAME, own, found("AAAA", "2001:db8::1"))


def test_what_was_not_asked_is_not_said_to_be_missing() -> None:
    forward, _ = look_up("192.0.2.1", found("A", "192.0.2.1"), absent("AAAA"))
    with pytest.raises(Undetermined, match="not asked"):
        forward.family(ip_address("2001:db8::1"))


def mail(*answers: Answer) -> tuple[MailDomain, list[str]]:
    ask = asker(*answers)
    return asyncio.run(mail_domain(ask, NAME)), ask.asked


@pytest.mark.parametrize("target", [".", "mx1.example.net"])
def test_a_domain_with_mx_records_is_not_asked_for_addresses(target: str) -> None:
    address = found("A", "192.0.2.9", name="mx1.example.net"), absent("AAAA", name="mx1.example.net")
    domain, asked = mail(found("MX", (0, target)), absent("A"), absent("AAAA"), *address)
    assert [one for one in asked if NAME in one] == [f"dns:{NAME} MX"]
    assert (domain.exists, domain.reachable, domain.null_mx) == (True, True, target == ".")


@pytest.mark.parametrize("mx", [absent("MX"), absent("MX", "NXDOMAIN"), silent("MX")])
def test_a_domain_without_mx_records_is_asked_for_addresses(mx: Answer) -> None:
    domain, asked = mail(mx, absent("A"), found("AAAA", "2001:db8::1"))
    assert asked == [f"dns:{NAME} {rdtype}" for rdtype in ("MX", "A", "AAAA")]
    assert (domain.exists, domain.reachable) == (True, True)
