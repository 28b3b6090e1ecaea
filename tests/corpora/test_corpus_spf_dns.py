"""The openspf test suite for RFC 7208 from end to end: a name server on loopback, our resolver, store and check_host().

Each case is a host, a greeting and an envelope sender. The server answers from the zone of the case, over real
sockets, and says nothing where the zone has ``TIMEOUT``.
"""

from __future__ import annotations

import asyncio
import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dns.message
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import pytest
import yaml

from conformance.facts.answer import Status
from conformance.facts.dns import Resolver
from conformance.facts.live import Live
from conformance.facts.spfcheck import SpfResult, check_host
from conformance.facts.spfcompiled import judged_as
from conformance.facts.spfjudged import Judged, judge
from conformance.facts.spftree import Node, tree
from conformance.facts.store import Recorded, Store
from conformance.fleet.model import Address, Domain
from tests.facts.dns_server import Asked, Reply, serving

PATIENCE = 3.0
"""Seconds that an answer may take on a busy machine; what the zone has no answer for takes as long."""
DEFAULT = "SPF fail - not authorized"


@dataclass(frozen=True)
class Case:
    name: str
    ip: str
    helo: str
    mail_from: str
    results: tuple[str, ...]
    explanation: str | None
    zone: dict[str, list[Any]]


def cases(root: Path) -> list[tuple[str, Case]]:
    found = []
    for document in yaml.safe_load_all((root / "spf" / "rfc7208-tests.yml").read_text("utf-8")):
        zone = {name.lower(): records for name, records in document["zonedata"].items()}
        for name, test in document["tests"].items():
            results = test["result"] if isinstance(test["result"], list) else [test["result"]]
            case = Case(
                name, test["host"], test["helo"], test["mailfrom"], tuple(results), test.get("explanation"), zone
            )
            found.append((name, case))
    return found


def records(listed: list[Any], rdtype: str) -> list[Any]:
    """Return the data of one type at a name; type SPF stands for TXT where a name has no TXT of its own."""
    typed = [(kind, value) for one in listed if isinstance(one, dict) for kind, value in one.items()]
    if rdtype == "TXT" and all(kind != "TXT" for kind, _ in typed):
        typed = [("TXT" if kind == "SPF" else kind, value) for kind, value in typed]
    return [value for kind, value in typed if kind == rdtype and value not in ("NONE", "TIMEOUT")]


def rdata(rdtype: str, value: Any) -> dns.rdata.Rdata:
    """Return a record as the zone of a case writes it."""
    if rdtype in ("TXT", "SPF"):
        strings = [text.encode("utf-8") for text in (value if isinstance(value, list) else [value])] or [b""]
        parts = [text[at : at + 255] for text in strings for at in range(0, len(text) or 1, 255)]
        wire = b"".join(bytes([len(part)]) + part for part in parts)
        return dns.rdata.from_wire("IN", rdtype, wire, 0, len(wire))
    text = f"{value[0]} {value[1] or '.'}" if rdtype == "MX" else str(value)
    text = text if rdtype in ("A", "AAAA") or text.endswith(".") else f"{text}."
    return dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.from_text(rdtype), text)


def answer(zone: dict[str, list[Any]], asked: Asked) -> Reply:
    """Return what the zone of a case has for one question."""
    reply = dns.message.make_response(asked.query)
    owner = asked.query.question[0].name
    listed = zone.get(b".".join(owner.labels[:-1]).decode("latin-1").lower())
    if listed is None:
        reply.set_rcode(dns.rcode.NXDOMAIN)
        return reply
    for rdtype in (asked.rdtype, "CNAME"):
        if found := records(listed, rdtype):
            rrset = dns.rrset.RRset(owner, dns.rdataclass.IN, dns.rdatatype.from_text(rdtype))
            for value in found:
                rrset.add(rdata(rdtype, value), ttl=60)
            reply.answer.append(rrset)
            return reply
    return None if "TIMEOUT" in listed else reply


async def evaluated(case: Case) -> tuple[SpfResult, SpfResult]:
    """Return what check_host() says over the network, and over what was kept of it."""
    async with serving(lambda asked: answer(case.zone, asked)) as server:
        store = Store()
        async with Resolver([server.address], timeout=PATIENCE, retries=0) as resolver:
            ip = ipaddress.ip_address(case.ip)
            said = await check_host(Live(store, resolver, None), ip, case.mail_from, case.helo)
        return said, await check_host(Recorded(store), ip, case.mail_from, case.helo)


def test_every_case_is_run(corpora: Path) -> None:
    every = [case for _, case in cases(corpora)]
    assert (len(every), sum(case.explanation is not None for case in every)) == (203, 22)


def test_result(case: Case) -> None:
    live, kept = asyncio.run(evaluated(case))
    # A name server and a resolver hold identical records as one (RFC 2181 section 5), hence a second lawful result.
    assert live.result in case.results, live
    assert (kept.result, kept.explanation) == (live.result, live.explanation)


async def judged(case: Case) -> Judged:
    """Return what networks say where they say all, of the address of a case, and pyspf elsewhere."""
    name = case.mail_from.rpartition("@")[2].lower()
    own = Address("mx", ipaddress.ip_address(case.ip), case.helo)
    async with (
        serving(lambda asked: answer(case.zone, asked)) as server,
        Resolver([server.address], timeout=PATIENCE, retries=0) as resolver,
    ):
        return await judge(Live(Store(), resolver, None), Domain(name), [own])


def test_networks(case: Case) -> None:
    if not case.mail_from:
        pytest.skip("the case is about the HELO identity")
    found = asyncio.run(judged(case))
    assert not found.networks.disputes
    if not found.networks.records.get(judged_as(ipaddress.ip_address(case.ip)).version):
        pytest.skip("networks do not say all")
    assert found.results[0].result in case.results


def test_explanation(case: Case) -> None:
    if case.explanation is None:
        pytest.skip("the case has no explanation")
    live, _ = asyncio.run(evaluated(case))
    assert live.explanation == (DEFAULT if case.explanation == "DEFAULT" else case.explanation)


# The eleventh look-up is not made for the address of this case; for others it is, and for them the record is in error.
BY_ADDRESS = frozenset({"include-at-limit"})


async def read(case: Case) -> Node:
    """Return the record of a case with all that it includes, without an address."""
    sender = case.mail_from or f"postmaster@{case.helo}"
    async with (
        serving(lambda asked: answer(case.zone, asked)) as server,
        Resolver([server.address], timeout=PATIENCE, retries=0) as resolver,
    ):
        return await tree(Live(Store(), resolver, None), sender.rpartition("@")[2])


def faulty(node: Node) -> bool:
    """Say whether a record is in error for whoever reads it all (RFC 7208 sections 4.5, 4.6 and 5.2)."""
    if len(node.texts) != 1:
        return len(node.texts) > 1
    inner = list(node.nodes())
    looks = [look for one in inner for look in one.looks]
    return (
        any(one.errors or len(one.texts) != 1 for one in inner if one.answer.status is not Status.UNDETERMINED)
        or any(look.loop for look in looks)
        or len(looks) > 10
        or all(len(node.voids(version, 3)) > 2 for version in (4, 6))
        or any(look.exchangers > 10 for look in looks if look.mx is None or look.mx.status is not Status.UNDETERMINED)
    )


def test_static_verdict(case: Case) -> None:
    if len(case.results) != 1 or case.results[0] in ("none", "temperror") or case.name in BY_ADDRESS:
        pytest.skip("what the record says depends on more than its text")
    assert faulty(asyncio.run(read(case))) == (case.results == ("permerror",))
