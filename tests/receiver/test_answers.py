"""What the receiver's name server says: of its own names, of openings, and of everything else."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping

import dns.asyncquery
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.receiver.announcement import token_of
from conformance.receiver.desk import Desk
from conformance.receiver.dnswire import serve
from conformance.receiver.names import Names
from conformance.receiver.routes import ROUTES, Site
from conformance.receiver.sts import DOMAINS
from tests.receiver.site import DOMAIN, MAIN, SITE, SPARE, Clock, desk


def ask(names: Names, name: str, rdtype: str, **options: object) -> dns.message.Message:
    query = dns.message.make_query(name, rdtype, **options)  # type: ignore[arg-type]
    reply = names.answer(query.to_wire(), "udp", "192.0.2.1")
    assert reply.wire is not None
    answer = dns.message.from_wire(reply.wire)
    assert query.is_response(answer)
    return answer


def texts(names: Names, name: str, rdtype: str) -> set[str]:
    answer = ask(names, name, rdtype)
    assert answer.flags & dns.flags.AA
    assert answer.rcode() == dns.rcode.NOERROR
    if not answer.answer:
        assert answer.authority[0].rdtype == dns.rdatatype.SOA
    return {item.to_text().lower() if rdtype != "TXT" else item.to_text() for rrset in answer.answer for item in rrset}


@pytest.fixture(scope="module")
def names() -> Names:
    return Names(SITE, lambda _label: None)


async def opened(made: Desk, route: str, n: int = 1) -> list[str]:
    """Return the domains of an opening."""
    addresses = await made.open("ci", "accept", route, n, 60)
    return list(dict.fromkeys(address.partition("@")[2] for address in addresses))


EXPECTED: Mapping[str, Mapping[str, set[str]]] = {
    "plain": {"MX": {f"10 mx1.{DOMAIN}."}},
    "two-domains": {"MX": {f"10 mx1.{DOMAIN}."}},
    "tls-reports": {"MX": {f"10 mx1.{DOMAIN}."}},
    "mx-two": {"MX": {f"10 mx1.{DOMAIN}.", f"10 mx2.{DOMAIN}."}},
    "mx-dead-first": {"MX": {f"10 mx-dead.{DOMAIN}.", f"20 mx1.{DOMAIN}."}},
    "mx-v6-dead": {"MX": {f"10 mx-v6-dead.{DOMAIN}."}},
    "mx-null": {"MX": {"0 ."}, "A": {"127.0.0.25"}, "AAAA": {"::1"}},
    "mx-moved": {"MX": {f"10 mx1.{DOMAIN}."}},
    "mx-refuse-first": {"MX": {f"10 mx1.{DOMAIN}.", f"20 mx2.{DOMAIN}."}},
    "mx-implicit": {"MX": set(), "A": {"127.0.0.25"}, "AAAA": {"::1"}},
    "mx-not-a": {"MX": {f"10 mx-dead.{DOMAIN}."}, "A": {"127.0.0.25"}, "AAAA": {"::1"}},
    "mx-cname": {"MX": {f"10 mx-alias.{DOMAIN}."}},
}


def test_each_route_is_in_dns_what_it_says() -> None:
    assert set(EXPECTED) == {name for name, route in ROUTES.items() if not route.tlsa} - set(DOMAINS)

    async def go() -> None:
        async with desk() as made:
            for route, expected in EXPECTED.items():
                domains = await opened(made, route, 4)
                assert len(domains) == (2 if route == "two-domains" else 1)
                for domain in domains:
                    for rdtype in ("MX", "A", "AAAA"):
                        assert texts(made.names, domain, rdtype) == expected.get(rdtype, set()), (route, rdtype)
                    assert texts(made.names, domain, "TXT") == {'"v=spf1 -all"'}

    asyncio.run(go())


def test_a_move_changes_the_mx_and_a_close_brings_all_home() -> None:
    async def go() -> None:
        async with desk() as made:
            (address,) = await made.open("ci", "accept", "mx-moved", 1, 60)
            domain = address.partition("@")[2]
            assert texts(made.names, domain, "MX") == {f"10 mx1.{DOMAIN}."}
            await made.move("ci", token_of(address))
            assert texts(made.names, domain.upper(), "MX") == {f"10 mx2.{DOMAIN}."}
            await made.close("ci", [token_of(address)])
            assert texts(made.names, domain, "MX") == {f"10 mx1.{DOMAIN}."}

    asyncio.run(go())


def test_what_plays_early_is_found_at_an_address_of_its_own() -> None:
    async def go() -> None:
        clock = Clock()
        async with desk(clock=clock) as made:
            (address,) = await made.open("ci", "tempfail-banner", "plain", 1, 60)
            (bare,) = await made.open("ci", "no-starttls", "mx-implicit", 1, 60)
            assert texts(made.names, address.partition("@")[2], "MX") == {f"10 mx2.{DOMAIN}."}
            assert texts(made.names, bare.partition("@")[2], "A") == {"198.51.100.27"}
            assert texts(made.names, bare.partition("@")[2], "AAAA") == {"2001:db8::27"}
            clock.now += 60
            assert ask(made.names, address.partition("@")[2], "MX").rcode() == dns.rcode.NXDOMAIN

    asyncio.run(go())


def test_the_probe_domain_is_a_zone_that_sends_and_takes_no_mail(names: Names) -> None:
    assert texts(names, DOMAIN, "SOA") == {f"ns.{DOMAIN}. hostmaster.{DOMAIN}. 1 3600 600 86400 5"}
    assert texts(names, DOMAIN, "NS") == {f"ns.{DOMAIN}."}
    assert texts(names, f"ns.{DOMAIN}", "A") == {"127.0.0.25"}
    assert texts(names, DOMAIN, "MX") == {"0 ."}
    assert texts(names, DOMAIN, "TXT") == {'"v=spf1 -all"'}
    assert texts(names, f"_dmarc.{DOMAIN}", "TXT") == {'"v=DMARC1; p=reject"'}
    assert texts(names, f"mx1.{DOMAIN}", "AAAA") == {"::1"}
    assert texts(names, f"mx2.{DOMAIN}", "AAAA") == set()
    assert texts(names, f"mx-v6-dead.{DOMAIN}", "A") == {"127.0.0.25"}
    assert texts(names, f"mx-v6-dead.{DOMAIN}", "AAAA") == {"100::1"}
    assert texts(names, f"mx-alias.{DOMAIN}", "CNAME") == {f"mx1.{DOMAIN}."}
    assert texts(names, f"mx-alias.{DOMAIN}", "A") == {f"mx1.{DOMAIN}.", "127.0.0.25"}
    assert texts(names, f"mx-alias.{DOMAIN}", "TLSA") == {f"mx1.{DOMAIN}."}
    assert len(ask(names, DOMAIN, "ANY").answer) == 1


def test_name_servers_of_another_name_have_no_address_here() -> None:
    site = Site(DOMAIN, (MAIN,), nameservers=("ns.example.org.", f"dns.{DOMAIN}"), acme="acme.example.org")
    names = Names(site, lambda _label: None)
    assert texts(names, DOMAIN, "NS") == {"ns.example.org.", f"dns.{DOMAIN}."}
    assert texts(names, f"dns.{DOMAIN}", "A") == {"127.0.0.25"}
    assert ask(names, f"ns.{DOMAIN}", "A").rcode() == dns.rcode.NXDOMAIN
    assert texts(names, f"_acme-challenge.{DOMAIN}", "TXT") == {"acme.example.org."}


@pytest.mark.parametrize("name", [f"unheard.{DOMAIN}", f"_25._tcp.mx1.{DOMAIN}", f"_mta-sts.{DOMAIN}", f"*.{DOMAIN}"])
def test_unknown_names_do_not_exist(names: Names, name: str) -> None:
    answer = ask(names, name, "A")
    assert answer.rcode() == dns.rcode.NXDOMAIN
    assert answer.flags & dns.flags.AA
    assert answer.authority[0].rdtype == dns.rdatatype.SOA
    assert answer.authority[0].ttl == 5


@pytest.mark.parametrize("name", ["example.net", "example.org", ".", "net", f"not{DOMAIN}", f"{DOMAIN}.example.org"])
def test_other_zones_are_refused(names: Names, name: str) -> None:
    answer = ask(names, name, "A")
    assert answer.rcode() == dns.rcode.REFUSED
    assert not answer.answer
    assert not answer.flags & (dns.flags.AA | dns.flags.RA)


def test_transfers_and_other_classes_are_refused(names: Names) -> None:
    for rdtype, rdclass in (("AXFR", "IN"), ("IXFR", "IN"), ("TXT", "CH"), ("A", "ANY")):
        assert ask(names, DOMAIN, rdtype, rdclass=rdclass).rcode() == dns.rcode.REFUSED
    assert ask(names, DOMAIN, "A", use_edns=1).rcode() == dns.rcode.BADVERS
    notify = dns.message.make_query(DOMAIN, "SOA")
    notify.set_opcode(dns.opcode.NOTIFY)
    wire = names.answer(notify.to_wire(), "udp", "192.0.2.1").wire
    assert wire is not None
    assert dns.message.from_wire(wire).rcode() == dns.rcode.NOTIMP


def test_the_question_comes_back_as_it_was_spelled(names: Names) -> None:
    answer = ask(names, f"mX1.{DOMAIN.title()}", "A")
    assert answer.question[0].name.to_text() == f"mX1.{DOMAIN.title()}."
    assert answer.answer[0].name == dns.name.from_text(f"mx1.{DOMAIN}")


@given(st.binary(max_size=700))
def test_any_octets_get_an_answer_or_silence(octets: bytes) -> None:
    reply = Names(SITE, lambda _label: None).answer(octets, "udp", "192.0.2.1")
    assert reply.wire is None or (reply.wire[:2] == octets[:2] and reply.wire[2] & 0x80)


@given(st.lists(st.binary(min_size=1, max_size=63), max_size=3), st.integers(0, 65535), st.integers(0, 65535))
def test_any_question_gets_an_answer(labels: list[bytes], rdtype: int, payload: int) -> None:
    names = Names(SITE, lambda _label: None)
    name = dns.name.Name((*labels, *dns.name.from_text(DOMAIN).labels)) if sum(map(len, labels)) < 180 else names.origin
    query = dns.message.make_query(name, dns.rdatatype.RdataType.make(rdtype), use_edns=0, payload=payload)
    reply = names.answer(query.to_wire(), "udp", "192.0.2.1")
    assert reply.wire is not None
    assert len(reply.wire) <= max(512, payload)
    dns.message.from_wire(reply.wire)


def test_damaged_questions_get_an_answer_or_silence() -> None:
    names = Names(SITE, lambda _label: None)
    wire = bytearray(dns.message.make_query(f"mx-alias.{DOMAIN}", "A", use_edns=0).to_wire())
    chance = random.Random(7)
    for _ in range(3000):
        damaged = bytearray(wire)
        for _ in range(chance.randrange(1, 6)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        reply = names.answer(bytes(damaged[: chance.randrange(len(damaged)) + 1]), "udp", "192.0.2.1")
        assert reply.wire is None or reply.wire[:2] == damaged[:2]


def test_it_is_served_over_udp_and_tcp() -> None:
    async def go() -> None:
        async with desk(site=Site(DOMAIN, (MAIN, SPARE))) as made:
            (domain,) = await opened(made, "mx-two")
            for host in ("127.0.0.1", "::1"):
                running = await serve(made.names.answer, host)
                query = dns.message.make_query(domain, "MX", use_edns=0)
                for send in (dns.asyncquery.udp, dns.asyncquery.tcp):
                    answer = await send(query, host, 20, running.port)
                    assert len(answer.answer[0]) == 2
                running.close()

    asyncio.run(go())
