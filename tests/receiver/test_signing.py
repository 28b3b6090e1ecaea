"""The probe domain's zone is signed: everything that it says, and that something is not there, can be verified."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import dns.dnssec
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from conformance.receiver.announcement import Unavailable
from conformance.receiver.capture import Capture, ClientHello, Tls
from conformance.receiver.desk import Desk
from conformance.receiver.dnswire import MAX_UDP, Transport
from conformance.receiver.names import Names
from conformance.receiver.signing import MOST_DENIALS, Signer
from conformance.receiver.zonekey import ZoneKey, ZoneKeyError
from tests.receiver.site import DOMAIN, SITE, Clock, desk

ORIGIN = dns.name.from_text(DOMAIN)
SHOWN = "ab" * 32
KEY = ZoneKey()
SIGNED = replace(SITE, signed=True, policies=True, acme="acme.example.org")
NAMES = Names(SIGNED, lambda _label: None, Signer(ORIGIN, KEY), SHOWN)


def ask(
    names: Names, name: str | dns.name.Name, rdtype: str, transport: Transport = "tcp", payload: int = 1232
) -> dns.message.Message:
    query = dns.message.make_query(name, rdtype, want_dnssec=True, payload=payload)
    reply = names.answer(query.to_wire(), transport, "192.0.2.1")
    assert reply.wire is not None
    answer = dns.message.from_wire(reply.wire)
    assert query.is_response(answer)
    assert answer.ednsflags & dns.flags.DO
    return answer


def verified(answer: dns.message.Message, now: float | None = None) -> list[dns.rrset.RRset]:
    """Return the sets of an answer in the order in which they stand, each of which has a good signature."""
    keys: dict[dns.name.Name, Any] = {ORIGIN: dns.rrset.from_rdata(ORIGIN, 300, KEY.record)}
    sets = [*answer.answer, *answer.authority]
    bare = [one for one in sets if one.rdtype != dns.rdatatype.RRSIG]
    assert bare
    for rrset in bare:
        (signature,) = [one for one in sets if one.name == rrset.name and one.covers == rrset.rdtype]
        dns.dnssec.validate(rrset, signature, keys, now=now or time.time())
    return bare


def denied(answer: dns.message.Message, name: str | dns.name.Name) -> bool:
    """Return whether a name is in the gap of a verified NSEC record."""
    asked = dns.name.from_text(name) if isinstance(name, str) else name
    gaps = [one for one in verified(answer) if one.rdtype == dns.rdatatype.NSEC]
    return any(gap.name < asked < gap[0].next for gap in gaps)


def types_of(answer: dns.message.Message, name: str) -> set[str]:
    """Return the types that a verified NSEC record gives a name."""
    (own,) = [one for one in verified(answer) if one.rdtype == dns.rdatatype.NSEC]
    assert own.name == dns.name.from_text(name)
    return set(own[0].to_text().split()[1:])


@pytest.mark.parametrize(
    ("name", "rdtype"),
    [
        (DOMAIN, "SOA"),
        (DOMAIN, "DNSKEY"),
        (DOMAIN.upper(), "NS"),
        (f"mx1.{DOMAIN}", "A"),
        (f"mx1.{DOMAIN}", "ANY"),
        (f"mx1.{DOMAIN}", "RRSIG"),
        (f"mx1.{DOMAIN}", "NSEC"),
        (f"mx-alias.{DOMAIN}", "A"),
        (f"_acme-challenge.{DOMAIN}", "TXT"),
        (f"_mta-sts.sts-dane.{DOMAIN}", "TXT"),
        (f"_25._tcp.mx-dane.{DOMAIN}", "TLSA"),
    ],
)
def test_what_is_there_is_signed(name: str, rdtype: str) -> None:
    assert verified(ask(NAMES, name, rdtype))


@pytest.mark.parametrize(
    ("name", "rdtype", "types"),
    [
        (f"mx1.{DOMAIN}", "MX", {"A", "AAAA", "TXT"}),
        (f"mx1.{DOMAIN}", "TYPE65280", {"A", "AAAA", "TXT"}),
        (f"_tcp.mx-dane.{DOMAIN}", "TLSA", set()),
        (f"mx-alias.{DOMAIN}", "TLSA", {"A", "AAAA", "TXT"}),
        (DOMAIN, "DS", {"A", "AAAA", "DNSKEY", "MX", "NS", "SOA", "TXT"}),
    ],
)
def test_a_type_that_is_not_there_is_denied(name: str, rdtype: str, types: set[str]) -> None:
    answer = ask(NAMES, name, rdtype)
    assert answer.rcode() == dns.rcode.NOERROR
    target = f"mx1.{DOMAIN}" if name.startswith("mx-alias") else name
    assert types_of(answer, target) == types | {"RRSIG", "NSEC"}


@pytest.mark.parametrize(
    "label", ["nobody", "_25._tcp.mx1", "a.b.c", "*", "*.mx1", "[", "A", "\\000", "\\255", "z" * 63]
)
def test_a_name_that_is_not_there_is_denied_and_so_is_a_wildcard_for_it(label: str) -> None:
    name = dns.name.from_text(label, ORIGIN)
    answer = ask(NAMES, name, "TLSA")
    assert answer.rcode() == dns.rcode.NXDOMAIN
    assert denied(answer, name)
    assert denied(answer, dns.name.from_text("*", name.parent()))
    for known in ("mx1", "mx2", "ns", "_dmarc", "sts-enforce", "mta-sts.sts-enforce", "_tcp.mx-dane"):
        assert not denied(answer, f"{known}.{DOMAIN}")


def test_who_does_not_ask_for_signatures_gets_none() -> None:
    for name, rdtype in ((f"mx1.{DOMAIN}", "A"), (f"nobody.{DOMAIN}", "A")):
        for options in ({"use_edns": False}, {"use_edns": 0}):
            query = dns.message.make_query(name, rdtype, **options)
            reply = NAMES.answer(query.to_wire(), "udp", "192.0.2.1")
            assert reply.wire is not None
            answer = dns.message.from_wire(reply.wire)
            kinds = {one.rdtype for one in (*answer.answer, *answer.authority)}
            assert not kinds & {dns.rdatatype.RRSIG, dns.rdatatype.NSEC}
            assert not answer.ednsflags & dns.flags.DO


def test_an_answer_that_is_too_large_is_asked_for_again_over_tcp() -> None:
    name = f"nobody.{DOMAIN}"
    small = ask(NAMES, name, "A", "udp", 512)
    assert small.flags & dns.flags.TC
    assert not small.authority
    assert not ask(NAMES, name, "A", "udp", 4096).flags & dns.flags.TC
    assert verified(ask(NAMES, name, "A"))


def test_signatures_are_made_anew_before_they_expire() -> None:
    clock = Clock()
    names = Names(SIGNED, lambda _label: None, Signer(ORIGIN, KEY, clock), SHOWN)
    for _ in range(20):
        verified(ask(names, f"mx1.{DOMAIN}", "A"), clock.now)
        clock.now += 86000


def test_other_zones_are_refused_without_a_signature() -> None:
    answer = ask(NAMES, "example.org", "A")
    assert answer.rcode() == dns.rcode.REFUSED
    assert not (answer.answer or answer.authority)


async def _opened(made: Desk, route: str, peers: tuple[str, ...] = ()) -> tuple[str, str]:
    """Return the token of an opening, and the label of its domain."""
    (address,) = await made.open("ci", "accept", route, 1, 60, peers)
    token, _, domain = address.partition("@")
    return token, domain.partition(".")[0]


@pytest.mark.parametrize("route", ["dane-key", "dane-another-key"])
def test_an_opening_has_an_exchange_with_tlsa_records_of_its_own(route: str) -> None:
    async def go() -> None:
        async with desk(site=SIGNED, signer=Signer(ORIGIN, KEY), shown=SHOWN) as made:
            token, label = await _opened(made, route)
            exchange = f"mx-{label}.{DOMAIN}"
            (mx,) = verified(ask(made.names, f"{label}.{DOMAIN}", "MX"))
            assert mx[0].to_text() == f"10 {exchange}."
            (address,) = verified(ask(made.names, exchange, "A"))
            assert address[0].to_text() == "127.0.0.25"
            (tlsa,) = verified(ask(made.names, f"_25._tcp.{exchange}", "TLSA"))
            usage, selector, kind, digest = tlsa[0].to_text().split()
            assert (usage, selector, kind) == ("3", "1", "1")
            assert (digest == SHOWN) is (route == "dane-key")
            assert len(digest) == len(SHOWN)
            assert types_of(ask(made.names, f"_tcp.{exchange}", "TLSA"), f"_tcp.{exchange}") == {"RRSIG", "NSEC"}
            assert denied(ask(made.names, f"_24._tcp.{exchange}", "TLSA"), f"_24._tcp.{exchange}")
            await made.close("ci", [token])
            assert denied(ask(made.names, f"_25._tcp.{exchange}", "TLSA"), f"_25._tcp.{exchange}")
            (mx,) = verified(ask(made.names, f"{label}.{DOMAIN}", "MX"))
            assert mx[0].to_text() == f"10 mx1.{DOMAIN}."

    asyncio.run(go())


def test_tlsa_records_that_nobody_learns() -> None:
    async def go() -> None:
        async with desk(site=SIGNED, signer=Signer(ORIGIN, KEY), shown=SHOWN) as made:
            _, label = await _opened(made, "dane-unknown-key")
            name = f"_25._tcp.mx-{label}.{DOMAIN}"
            for rdtype in ("TLSA", "tlsa"):
                answer = ask(made.names, name, rdtype)
                assert answer.rcode() == dns.rcode.SERVFAIL
                assert not answer.answer
                assert not answer.authority
            assert types_of(ask(made.names, name, "ANY"), name) == {"TLSA", "RRSIG", "NSEC"}
            assert verified(ask(made.names, f"mx-{label}.{DOMAIN}", "A"))

    asyncio.run(go())


def test_only_openings_with_tlsa_records_have_exchanges_of_their_own() -> None:
    async def go() -> None:
        async with desk(site=SIGNED, signer=Signer(ORIGIN, KEY), shown=SHOWN) as made:
            _, label = await _opened(made, "plain")
            assert ask(made.names, f"mx-{label}.{DOMAIN}", "A").rcode() == dns.rcode.NXDOMAIN

    asyncio.run(go())


def test_without_a_signed_zone_there_is_no_dane() -> None:
    async def go() -> None:
        async with desk(site=replace(SIGNED, signed=False)) as made:
            announced = made.announce()
            assert not announced.ds
            assert not {"dane-key", "dane-another-key", "sts-dane"} & set(announced.routes)
            for route in ("dane-key", "sts-dane"):
                with pytest.raises(Unavailable, match="a signed zone"):
                    await made.open("ci", "accept", route, 1, 60)
        async with desk(site=SIGNED, signer=Signer(ORIGIN, KEY)) as made:
            assert made.announce().ds == (KEY.ds(DOMAIN),)
            assert {"dane-key", "dane-another-key", "sts-dane"} <= set(made.announce().routes)

    asyncio.run(go())


def _session(sni: str, peer: str = "203.0.113.1") -> Capture:
    hello = ClientHello(("TLSv1.3",), ("TLS_AES_128_GCM_SHA256",), sni)
    return Capture(
        f"{random.getrandbits(64):x}", "2026-03-02T09:00:00+00:00", peer, 1, "127.0.0.25", 25, tls=Tls(1, hello)
    )


@pytest.mark.parametrize(
    ("route", "sni", "peer", "kept"),
    [
        ("dane-another-key", f"mx-{{}}.{DOMAIN}", "203.0.113.9", True),
        ("dane-another-key", f"MX-{{}}.{DOMAIN}.", "203.0.113.9", True),
        ("dane-another-key", f"mx1.{DOMAIN}", "203.0.113.1", False),
        ("dane-another-key", "mx-{}.example.org", "203.0.113.1", False),
        ("dane-another-key", "", "203.0.113.1", False),
        ("plain", f"mx-{{}}.{DOMAIN}", "203.0.113.1", False),
        ("sts-dane", f"mx-dane.{DOMAIN}", "203.0.113.1", True),
        ("sts-dane", f"mx-dane.{DOMAIN}", "203.0.113.9", False),
        ("sts-enforce", f"mx-dane.{DOMAIN}", "203.0.113.1", False),
    ],
)
def test_a_session_without_a_recipient_is_known_by_the_exchange_that_it_names(
    route: str, sni: str, peer: str, kept: bool
) -> None:
    async def go() -> None:
        async with desk(site=SIGNED, signer=Signer(ORIGIN, KEY)) as made:
            token, label = await _opened(made, route, ("203.0.113.1",))
            await made.keep(_session(sni.format(label), peer))
            page = await made.collect("ci", [token])
            assert len(page.bodies) == kept
            assert made.strangers == (not kept)
            await made.close("ci", [token])
            await made.keep(_session(sni.format(label), peer))
            assert len((await made.collect("ci", [token])).bodies) == kept

    asyncio.run(go())


NAMED = st.lists(st.binary(min_size=1, max_size=12), max_size=6).map(
    lambda labels: dns.name.Name((*labels, *ORIGIN.labels))
)


@given(NAMED, st.sampled_from(["A", "TLSA", "NSEC", "RRSIG", "ANY", "DNSKEY", "DS", "MX"]))
def test_whatever_is_asked_is_answered_with_proof(name: dns.name.Name, rdtype: str) -> None:
    answer = ask(NAMES, name, rdtype)
    assert verified(answer)
    if answer.rcode() == dns.rcode.NXDOMAIN:
        assert denied(answer, name)
    elif not answer.answer:
        (own,) = [one for one in verified(answer) if one.rdtype == dns.rdatatype.NSEC]
        assert own.name == name
        assert rdtype not in own[0].to_text().split()


LONG = dns.message.make_query(f"nobody.{DOMAIN}", "TLSA", want_dnssec=True).to_wire()


@given(
    st.one_of(
        st.binary(max_size=600),
        st.builds(lambda at, octets: LONG[:at] + octets, st.integers(2, 60), st.binary(max_size=80)),
    )
)
def test_any_octets_are_answered_or_left(wire: bytes) -> None:
    for transport in ("udp", "tcp"):
        reply = NAMES.answer(wire, transport, "192.0.2.1")
        assert reply.wire is None or (len(reply.wire) <= (MAX_UDP if transport == "udp" else 65535))


def test_a_key_is_made_once_and_kept_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "state" / "zone-key.pem"
    first = ZoneKey.kept(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert ZoneKey.kept(path).ds(DOMAIN) == first.ds(DOMAIN) == ZoneKey.read(path).ds(DOMAIN)
    assert list(path.parent.iterdir()) == [path]
    assert first.ds(DOMAIN) != ZoneKey().ds(DOMAIN)
    tag, algorithm, kind, digest = first.ds(DOMAIN).split()
    assert (int(tag), algorithm, kind, len(digest)) == (dns.dnssec.key_id(first.record), "13", "2", 64)


def test_a_file_that_holds_no_such_key_is_said(tmp_path: Path) -> None:
    path = tmp_path / "zone-key.pem"
    with pytest.raises(ZoneKeyError, match="cannot be read: No such file"):
        ZoneKey.read(path)
    path.write_bytes(b"no key")
    with pytest.raises(ZoneKeyError, match="holds no private key"):
        ZoneKey.kept(path)
    for other in (rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP384R1())):
        form = serialization.PrivateFormat.PKCS8
        path.write_bytes(other.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
        with pytest.raises(ZoneKeyError, match="another kind"):
            ZoneKey.kept(path)
    with pytest.raises(ZoneKeyError, match="cannot be written"):
        ZoneKey.kept(path / "below" / "zone-key.pem")


def test_denials_over_udp_have_a_rate_and_are_never_wrong() -> None:
    clock = Clock()
    clock.now = float(int(time.time()))
    names = Names(SIGNED, lambda _label: None, Signer(ORIGIN, KEY, clock), SHOWN)
    for number in range(MOST_DENIALS):
        assert not ask(names, f"a{number}.{DOMAIN}", "A", "udp").flags & dns.flags.TC
    cut = ask(names, f"b.{DOMAIN}", "A", "udp")
    assert cut.flags & dns.flags.TC
    assert not cut.answer
    assert not cut.authority
    assert denied(ask(names, f"b.{DOMAIN}", "A", "tcp"), f"b.{DOMAIN}")
    assert verified(ask(names, DOMAIN, "MX", "udp"))
    clock.now += 1
    assert denied(ask(names, f"b.{DOMAIN}", "A", "udp"), f"b.{DOMAIN}")
