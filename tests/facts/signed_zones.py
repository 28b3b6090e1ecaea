"""Signed zones, and a name server that answers for all of them as a resolver does that validates nothing."""

from __future__ import annotations

import asyncio
import base64
import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dns.dnssec
import dns.flags
import dns.message
import dns.name
import dns.node
import dns.rcode
import dns.rdataclass
import dns.rdataset
import dns.rrset
import dns.zone
from cryptography.hazmat.primitives.asymmetric import ec
from dns.name import Name
from dns.rdata import Rdata
from dns.rdatatype import RdataType
from dns_server import Asked, asking

from conformance.facts.answer import Answer, Status

DAY = 86400
HEAD = "$TTL 300\n@ SOA ns hostmaster 1 7200 3600 86400 300\n@ NS ns\n"
MAIL = """
@         MX   10 mail
mail      A    203.0.113.1
mail      TXT  "text"
alias     CNAME mail
away      CNAME mail.other.test.
dangling  CNAME gone.example.test.
*.wild    A    203.0.113.2
closer.wild TXT "text"
a.b       A    203.0.113.3
"""
SECURE, INSECURE = "secure", "insecure"

DENIALS = {RdataType.NSEC, RdataType.NSEC3}


def new_key(*, entrance: bool = True) -> tuple[Any, Any]:
    """Return a private key and its DNSKEY record."""
    private = ec.generate_private_key(ec.SECP256R1())
    return private, dns.dnssec.make_dnskey(private.public_key(), "ECDSAP256SHA256", 257 if entrance else 256)


@dataclass
class Signed:
    """One zone. ``valid`` is when signatures begin and end, in seconds from now; without keys it is not signed."""

    origin: Name
    text: str
    keys: list[tuple[Any, Any]] = field(default_factory=list)
    valid: tuple[int, int] = (-DAY, DAY)
    zone: dns.zone.Zone = field(init=False)

    def sign(self, children: Iterable[Signed]) -> None:
        """Sign what the text says, with DS records of the children that have keys."""
        self.zone = dns.zone.from_text(HEAD + self.text, origin=self.origin, relativize=False, check_origin=False)
        for child in children:
            for record in child.ds_records:
                self.zone.find_rdataset(child.origin, "DS", create=True).add(record, 300)
        if self.keys:
            now = int(time.time())
            begins, ends = now + self.valid[0], now + self.valid[1]
            with self.zone.writer() as change:
                dns.dnssec.sign_zone(self.zone, change, self.keys, inception=begins, expiration=ends)

    @property
    def ds_records(self) -> list[Rdata]:
        """Return the records of this zone at its parent."""
        return [dns.dnssec.make_ds(self.origin, public, "SHA256") for _, public in self.keys if public.flags & 1]


class Tree:
    """Zones by origin, from the root down, signed and served together."""

    def __init__(self, **texts: str) -> None:
        self.zones: dict[Name, Signed] = {}
        for key, text in {"root": "", **texts}.items():
            origin = dns.name.root if key == "root" else dns.name.from_text(key.replace("__", "."))
            self.zones[origin] = Signed(origin, text, [new_key()])
        self.asked: list[str] = []
        self.dnssec = True

    def __getitem__(self, origin: str) -> Signed:
        return self.zones[dns.name.from_text(origin)]

    def sign(self) -> Tree:
        """Sign all zones, those below first; each delegates to the next ones below it."""
        for origin in sorted(self.zones, key=len, reverse=True):
            children = [self.zones[one] for one in self.zones if one != origin and self.zone_above(one) == origin]
            for child in children:
                self.zones[origin].text += f"\n{child.origin} NS ns.{child.origin}\n"
            self.zones[origin].sign(children)
        return self

    def zone_above(self, origin: Name) -> Name | None:
        """Return the zone that delegates another; None of the root."""
        return max((one for one in self.zones if one != origin and origin.is_subdomain(one)), key=len, default=None)

    @property
    def anchors(self) -> dict[Name, tuple[Rdata, ...]]:
        """Return the DS record of the root."""
        return {dns.name.root: tuple(self.zones[dns.name.root].ds_records)}

    def __call__(self, asked: Asked) -> dns.message.Message:
        question = asked.query.question[0]
        self.asked.append(f"{asked.name} {asked.rdtype}")
        reply = dns.message.make_response(asked.query, recursion_available=True)
        proving = bool(asked.query.ednsflags & dns.flags.DO) and self.dnssec
        self._answer(reply, question.name, question.rdtype, proving)
        return reply

    def _answer(self, reply: dns.message.Message, name: Name, rdtype: RdataType, proving: bool) -> None:
        origins = [one for one in self.zones if name.is_subdomain(one)]
        if rdtype == RdataType.DS and name in origins and len(origins) > 1:
            origins.remove(name)
        zone = self.zones[max(origins, key=len)].zone
        for _ in range(8):
            owner, node = name, zone.get_node(name)
            if node is None and not self._exists(zone, name):
                owner = Name((b"*", *self._encloser(zone, name).labels))
                node = zone.get_node(owner)
                if proving and node is not None:
                    self._prove(reply, zone, name, owner)
            if node is None or not (found := node.get_rdataset(dns.rdataclass.IN, rdtype)):
                alias = node.get_rdataset(dns.rdataclass.IN, RdataType.CNAME) if node else None
                if alias is None:
                    if not (node or self._exists(zone, name)):
                        reply.set_rcode(dns.rcode.NXDOMAIN)
                    soa = zone.get_rdataset(zone.origin, RdataType.SOA)
                    reply.authority.append(dns.rrset.from_rdata_list(zone.origin, 300, soa))
                    if proving:
                        self._prove(reply, zone, name, Name((b"*", *self._encloser(zone, name).labels)))
                    return
                self._add(reply.answer, name, node, alias, proving)
                name = alias[0].target
                zone = self.zones[max((one for one in self.zones if name.is_subdomain(one)), key=len)].zone
                continue
            self._add(reply.answer, name, node, found, proving)
            return

    @staticmethod
    def _exists(zone: dns.zone.Zone, name: Name) -> bool:
        return any(one.is_subdomain(name) for one in zone if not _is_hash(zone, one))

    def _encloser(self, zone: dns.zone.Zone, name: Name) -> Name:
        while name != zone.origin and not self._exists(zone, name):
            name = name.parent()
        return name

    @staticmethod
    def _add(section: list[Any], owner: Name, node: dns.node.Node, records: dns.rdataset.Rdataset, sign: bool) -> None:
        section.append(dns.rrset.from_rdata_list(owner, records.ttl, list(records)))
        signatures = node.get_rdataset(dns.rdataclass.IN, RdataType.RRSIG, records.rdtype)
        if sign and signatures:
            section.append(dns.rrset.from_rdata_list(owner, records.ttl, list(signatures)))

    def _prove(self, reply: dns.message.Message, zone: dns.zone.Zone, *names: Name) -> None:
        """Add all records of denial that have to do with some names; more than a server needs to send."""
        for owner, node in zone.nodes.items():
            for records in node.rdatasets:
                if records.rdtype in DENIALS and _speaks_of(zone, owner, records, names):
                    present = reply.get_rrset(reply.authority, owner, dns.rdataclass.IN, records.rdtype)
                    if present is None:
                        self._add(reply.authority, owner, node, records, True)


def _is_hash(zone: dns.zone.Zone, name: Name) -> bool:
    return zone.get_rdataset(name, RdataType.NSEC3) is not None


def _speaks_of(zone: dns.zone.Zone, owner: Name, records: Any, names: Iterable[Name]) -> bool:
    if records.rdtype == RdataType.NSEC3:
        return True
    following = records[0].next
    return any(owner == one or (owner < one and (one < following or following == zone.origin)) for one in names)


def signed_by_ldns(zone: Signed, folder: Path, *options: str) -> None:
    """Sign a zone anew, with NSEC3 as the options of ldns-signzone have it."""
    private, public = zone.keys[0]
    number = private.private_numbers().private_value.to_bytes(32, "big")
    base = folder / f"K{zone.origin}+013+{dns.dnssec.key_id(public):05}"
    text = (
        f"Private-key-format: v1.2\nAlgorithm: 13 (ECDSAP256SHA256)\nPrivateKey: {base64.b64encode(number).decode()}\n"
    )
    base.with_name(f"{base.name}.private").write_text(text)
    base.with_name(f"{base.name}.key").write_text(f"{zone.origin} 300 IN DNSKEY {public.to_text()}\n")
    plain = folder / "plain.zone"
    plain.write_text(_bare(zone.zone))
    command = ["ldns-signzone", *options, "-f", str(folder / "signed.zone"), str(plain), str(base)]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    signed = (folder / "signed.zone").read_text()
    zone.zone = dns.zone.from_text(signed, origin=zone.origin, relativize=False, check_origin=False)


def _bare(zone: dns.zone.Zone) -> str:
    """Return a zone without what signing has added."""
    made = {RdataType.RRSIG, RdataType.NSEC, RdataType.DNSKEY}
    lines = []
    for owner, node in zone.nodes.items():
        for records in node.rdatasets:
            if records.rdtype not in made:
                lines.append(records.to_text(owner))
    return "\n".join(lines) + "\n"


def tree(**changes: str) -> Tree:
    """Return a root with test, example.test and other.test, all signed, and plain.test, which is not."""
    found = Tree(test="", example__test=MAIL, other__test="mail A 203.0.113.9", plain__test="mail A 203.0.113.8")
    found["plain.test."].keys = []
    for key, text in changes.items():
        found[key.replace("__", ".")].text = text
    return found


def answers(
    served: Tree, *questions: str, handler: Callable[[Asked], Any] | None = None, trust: Any = None, **options: Any
) -> list[Answer]:
    """Return what comes of some questions, ``NAME TYPE``, all asked at once."""

    async def run() -> list[Answer]:
        known = served.anchors if trust is None else trust
        async with asking(handler or served, anchors=known, **options) as (_, resolver):
            return await asyncio.gather(*(resolver.ask(*one.split()) for one in questions))

    return asyncio.run(run())


def said(answer: Answer) -> str:
    """Return an answer in a few words."""
    if answer.status is Status.UNDETERMINED:
        return answer.rcode
    protected = SECURE if answer.authenticated else INSECURE
    return f"{protected} {answer.status.value}" + (f" {answer.rcode}" if answer.status is Status.ABSENT else "")
