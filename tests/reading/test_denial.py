"""What NSEC and NSEC3 records prove, against a plain search in the zone that they belong to."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping

import dns.dnssec
import dns.name
import dns.rdata
import dns.rdatatype
import dns.rrset
import pytest
from dns.name import Name
from dns.rdatatype import RdataType
from dns.rrset import RRset
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.reading import denial

ZONE = dns.name.from_text("example.org")
APEX = frozenset({"SOA", "NS", "DNSKEY"})
Nodes = Mapping[Name, frozenset[str]]
Chain = Callable[[Nodes], list[RRset]]


def name(text: str) -> Name:
    return ZONE if text == "@" else dns.name.from_text(text, ZONE)


def zone(**nodes: str) -> dict[Name, frozenset[str]]:
    """Return a zone; ``__`` stands for a dot and ``any`` for the wildcard in a name."""
    found = {name(key.replace("__", ".").replace("any", "*")): frozenset(types.split()) for key, types in nodes.items()}
    return {ZONE: APEX, **found}


def nsec(nodes: Nodes) -> list[RRset]:
    owners = sorted(nodes)
    following = [*owners[1:], owners[0]]
    return [
        dns.rrset.from_text(owner, 60, "IN", "NSEC", f"{after} {' '.join(sorted(nodes[owner]))} RRSIG NSEC")
        for owner, after in zip(owners, following, strict=True)
    ]


def hashed(owner: Name, rounds: int = 2) -> str:
    return dns.dnssec.nsec3_hash(owner, b"\xab", rounds, 1)


def nsec3(nodes: Nodes, *, opt_out: bool = False, rounds: int = 2) -> list[RRset]:
    """Return the records of a zone; where delegations opt out, those without DS have none."""
    spoken = {}
    for owner, types in nodes.items():
        if not (opt_out and "NS" in types and not types & {"SOA", "DS"}):
            above = owner
            spoken[hashed(owner, rounds)] = types
            while above != ZONE:
                above = above.parent()
                spoken.setdefault(hashed(above, rounds), nodes.get(above, frozenset()))
    owners = sorted(spoken)
    return [
        dns.rrset.from_text(
            dns.name.from_text(owner, ZONE), 60, "IN", "NSEC3",
            f"1 {int(opt_out)} {rounds} ab {after} {' '.join(sorted(spoken[owner]))} RRSIG",
        )
        for owner, after in zip(owners, [*owners[1:], owners[0]], strict=True)
    ]  # fmt: skip


CHAINS: list[Chain] = [nsec, nsec3]


def truth(nodes: Nodes, wanted: Name, rdtype: str) -> denial.Denied:
    """Return what is so, by a search in the zone (RFC 1034 section 4.3.2)."""
    for depth in range(len(ZONE) + 1, len(wanted)):
        types = nodes.get(Name(wanted.labels[-depth:]), frozenset())
        if types & {"NS", "DNAME"}:
            return denial.NOTHING
    there = {Name(owner.labels[-depth:]) for owner in nodes for depth in range(len(ZONE), len(owner) + 1)}
    if wanted not in there:
        encloser = max((one for one in there if wanted.is_subdomain(one)), key=len)
        wildcard = Name((b"*", *encloser.labels))
        if wildcard not in there:
            return denial.Denied(name=True, type=True)
        wanted = wildcard
    types = nodes.get(wanted, frozenset())
    if rdtype in types or "CNAME" in types or (rdtype == "DS" and "SOA" in types):
        return denial.NOTHING
    if "NS" in types and "SOA" not in types and rdtype != "DS":
        return denial.NOTHING
    return denial.Denied(type=True, delegation=rdtype == "DS" and "NS" in types)


LABELS = st.sampled_from(["a", "b", "c", "*", "z"])
NAMES = st.lists(LABELS, max_size=4).map(lambda labels: name(".".join(labels) or "@"))
TYPES = st.sampled_from([{"A"}, {"A", "TXT"}, {"CNAME"}, {"TXT"}, {"NS"}, {"NS", "DS"}, {"DNAME"}])


@st.composite
def zones(draw: st.DrawFn) -> dict[Name, frozenset[str]]:
    """Draw a zone without wildcards that stand inside names, and with nothing below cuts and aliases."""
    drawn = draw(st.dictionaries(NAMES, TYPES, max_size=6))
    nodes: dict[Name, frozenset[str]] = {ZONE: APEX}
    for owner in sorted(drawn, key=len):
        above = [Name(owner.labels[-depth:]) for depth in range(len(ZONE) + 1, len(owner))]
        cut = any(nodes.get(one, frozenset()) & {"NS", "DNAME", "CNAME"} for one in above)
        if owner != ZONE and not cut and b"*" not in owner.labels[1:]:
            alone = {"A"} if owner.labels[0] == b"*" and drawn[owner] & {"NS", "DNAME"} else drawn[owner]
            nodes[owner] = frozenset(alone)
    return nodes


@settings(max_examples=300)
@given(nodes=zones(), wanted=NAMES, rdtype=st.sampled_from(["A", "MX", "DS", "TXT"]), chain=st.sampled_from(CHAINS))
def test_all_that_is_so_is_proved_and_nothing_else(nodes: Nodes, wanted: Name, rdtype: str, chain: Chain) -> None:
    found = denial.denied(wanted, dns.rdatatype.from_text(rdtype), ZONE, chain(nodes))
    expected = truth(nodes, wanted, rdtype)
    assert found == expected


@settings(max_examples=100)
@given(nodes=zones(), wanted=NAMES, left_out=st.integers(0, 9), chain=st.sampled_from(CHAINS))
def test_a_part_of_the_records_proves_nothing_that_is_not_so(
    nodes: Nodes, wanted: Name, left_out: int, chain: Chain
) -> None:
    records = chain(nodes)
    del records[left_out % len(records)]
    found, expected = denial.denied(wanted, RdataType.A, ZONE, records), truth(nodes, wanted, "A")
    assert not found.type or expected.type
    assert not found.name or expected.name


@pytest.mark.parametrize("chain", CHAINS)
def test_a_wildcard_holds_where_nothing_is_closer(chain: Chain) -> None:
    records = chain(zone(any="A", mail="A", a__b="A"))
    labels = len(ZONE) - 1
    assert denial.closer_denied(name("web"), labels, ZONE, records)
    assert denial.closer_denied(name("x.web"), labels, ZONE, records)
    for closer in ("mail", "x.mail", "b", "x.b", "a.b"):
        assert not denial.closer_denied(name(closer), labels, ZONE, records), closer
    assert not denial.closer_denied(name("web"), labels, ZONE, [])
    assert not denial.closer_denied(dns.name.from_text("web.example.net"), labels, ZONE, records)
    assert not denial.closer_denied(name("web"), labels + 1, ZONE, records)
    assert not denial.closer_denied(name("web"), 0, ZONE, records)


def test_a_gap_may_hide_delegations() -> None:
    records = nsec3(zone(secure="NS DS", plain="NS", mail="A"), opt_out=True)
    assert denial.denied(name("plain"), RdataType.DS, ZONE, records).opt_out
    assert denial.denied(name("nothing"), RdataType.A, ZONE, records) == denial.Denied(True, True, opt_out=True)
    assert denial.denied(name("mail"), RdataType.MX, ZONE, records) == denial.Denied(type=True)
    assert denial.denied(name("secure"), RdataType.DS, ZONE, records) == denial.NOTHING


def test_records_with_too_many_rounds_prove_nothing() -> None:
    most = denial.MOST_ITERATIONS
    assert denial.denied(name("x"), RdataType.A, ZONE, nsec3(zone(), rounds=most)).name
    assert denial.denied(name("x"), RdataType.A, ZONE, nsec3(zone(), rounds=most + 1)) == denial.NOTHING


@pytest.mark.parametrize("chain", CHAINS)
def test_records_of_another_zone_prove_nothing(chain: Chain) -> None:
    other = dns.name.from_text("example.net")
    assert denial.denied(dns.name.from_text("x.example.net"), RdataType.A, other, chain(zone())) == denial.NOTHING
    assert denial.denied(dns.name.from_text("x.example.net"), RdataType.A, ZONE, chain(zone())) == denial.NOTHING
    assert denial.denied(name("x"), RdataType.A, ZONE, []) == denial.NOTHING


def test_the_child_does_not_speak_of_its_ds_records() -> None:
    assert denial.denied(ZONE, RdataType.DS, ZONE, nsec(zone())) == denial.NOTHING


@given(
    owner=NAMES,
    data=st.binary(max_size=60),
    kind=st.sampled_from([RdataType.NSEC, RdataType.NSEC3]),
    wanted=NAMES,
)
def test_any_records_are_read(owner: Name, data: bytes, kind: RdataType, wanted: Name) -> None:
    try:
        rdata = dns.rdata.from_wire("IN", kind, data, 0, len(data))
    except (dns.exception.DNSException, ValueError):
        return
    records = [dns.rrset.from_rdata(owner, 60, rdata)]
    denial.denied(wanted, RdataType.A, ZONE, records)
    denial.closer_denied(wanted, 2, ZONE, records)


def test_any_nsec3_record_is_read() -> None:
    for salt in (b"", b"\0" * 255):
        for following in (b"\0", b"\xff" * 255, b"\x55" * 20):
            text = base64.b32hexencode(following).decode().rstrip("=")
            rdata = dns.rdata.from_text("IN", "NSEC3", f"1 0 0 {salt.hex() or '-'} {text} A")
            owner = dns.name.from_text(hashed(ZONE), ZONE)
            denial.denied(name("x"), RdataType.A, ZONE, [dns.rrset.from_rdata(owner, 60, rdata)])
