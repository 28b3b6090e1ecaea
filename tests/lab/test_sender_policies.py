"""How simulated hosts have MTA-STS policies, of a receiver that serves them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.facts.campaign import shown
from conformance.lab.certificates import Certificates
from conformance.lab.nameserver import Authority
from conformance.lab.sending.dane import named_keys
from conformance.lab.sending.mta import resolver
from conformance.lab.sending.sts import Lookup, Policy, fetched
from conformance.lab.stub import vouched
from conformance.receiver import dnswire
from conformance.receiver.ephemeral import Ephemeral
from conformance.receiver.sts import Policies
from tests.receiver.site import DOMAIN

ADDRESS = "127.0.7.40"
ELSEWHERE = (f"elsewhere.mismatch.{DOMAIN}",)


def lookup(receiver: Ephemeral) -> Lookup:
    async def ask(name: str, rdtype: str) -> list[str]:
        query = dns.message.make_query(name, rdtype)
        answer = await asyncio.to_thread(dns.query.udp, query, receiver.nameserver, 60, receiver.dns_port)
        wanted = dns.rdatatype.from_text(rdtype)
        return [item.to_text() for rrset in answer.answer if rrset.rdtype == wanted for item in rrset]

    return ask


def certified(made: Certificates, folder: Path) -> Ephemeral:
    path = folder / "receiver.pem"
    path.write_bytes(made.shown(f"*.{DOMAIN}", *Policies(DOMAIN, "mx1").hosts()))
    certificates, policies = shown(path)
    ports = {"smtp_port": 0, "dns_port": 0, "https_port": 0}
    return Ephemeral(ADDRESS, spare=2, certificates=certificates, policies=policies, **ports)


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("sts-enforce", Policy("enforce", (f"mx1.{DOMAIN}",))),
        ("sts-unlisted", Policy("enforce", ELSEWHERE)),
        ("sts-testing", Policy("testing", ELSEWHERE)),
        ("sts-missing", None),
        ("sts-redirect", None),
        ("elsewhere", None),
    ],
)
def test_policies_are_had_as_they_are_served(tmp_path: Path, label: str, expected: Policy | None) -> None:
    async def go() -> Policy | None:
        made = Certificates()
        async with certified(made, tmp_path) as receiver:
            domain = f"{label}.{DOMAIN}"
            return await fetched(domain, lookup(receiver), made.bundle, ADDRESS, receiver.https_port)

    assert asyncio.run(go()) == expected


def test_who_does_not_know_the_authority_has_no_policy(tmp_path: Path) -> None:
    async def go() -> Policy | None:
        async with certified(Certificates(), tmp_path) as receiver:
            other = Certificates().bundle
            return await fetched(f"sts-enforce.{DOMAIN}", lookup(receiver), other, ADDRESS, receiver.https_port)

    assert asyncio.run(go()) is None


def test_a_file_without_a_key_is_no_certificate(tmp_path: Path) -> None:
    path = tmp_path / "receiver.pem"
    path.write_bytes(Certificates().bundle)
    with pytest.raises(ValueError, match="cannot be used"):
        shown(path)
    with pytest.raises(ValueError, match="cannot be used: No such file"):
        shown(tmp_path / "none")


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        (["3 1 1 AB CD", "3 1 1 ef"], {"abcd", "ef"}),
        (["2 1 1 ab", "3 0 1 ab", "3 1 2 ab", "1 1 1 ab"], set()),
        (["", "3 1", "nonsense"], set()),
        ([], set()),
    ],
)
def test_tlsa_records_name_keys(records: list[str], expected: set[str]) -> None:
    assert named_keys(records) == expected


def test_what_a_stub_answers_is_vouched_for_where_it_has_something_to_say() -> None:
    query = dns.message.make_query("conform.example.net", "SOA")
    for rcode, says in ((dns.rcode.NOERROR, True), (dns.rcode.NXDOMAIN, True), (dns.rcode.SERVFAIL, False)):
        response = dns.message.make_response(query)
        response.set_rcode(rcode)
        answer = dns.message.from_wire(vouched(response.to_wire()))
        assert bool(answer.flags & dns.flags.AD) is says
        assert answer.rcode() == rcode


@given(st.binary(max_size=40))
def test_no_answer_is_too_odd_to_be_passed_on(octets: bytes) -> None:
    assert len(vouched(octets)) == len(octets)


@pytest.mark.parametrize("kind", ["authentic", "insecure"])
def test_tlsa_records_that_were_not_validated_are_none(kind: str) -> None:
    async def go() -> None:
        authority = Authority()
        authority.load("example.test", f"mx A 192.0.2.1\n_25._tcp.mx TLSA 3 1 1 {'ab' * 32}\n;fault @ {kind} subtree\n")
        running = await dnswire.serve(authority.answer, ADDRESS, 0)
        try:
            look = resolver(ADDRESS, running.port)
            assert bool(await look("_25._tcp.mx.example.test", "TLSA")) is (kind == "authentic")
            assert await look("mx.example.test", "A") == ["192.0.2.1"]
        finally:
            running.close()

    asyncio.run(go())
