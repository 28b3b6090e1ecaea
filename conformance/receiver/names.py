"""The authority for the probe domain: answers about its own names and the domains of openings, and nothing else.

Names stand one label below the probe domain, so that a wildcard certificate covers each exchange; policy hosts and
records stand one below their domains. Nothing is sent from
here, and every name says so (RFC 7208 section 10.1.2). It refuses other zones and recurses for nobody.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping, Sequence

import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from conformance.receiver import dane, dnswire
from conformance.receiver.dnswire import Reply, Result, Transport
from conformance.receiver.opening import Opening
from conformance.receiver.routes import Exchange, Site, Target
from conformance.receiver.signing import Signer
from conformance.receiver.sts import DANE, DOMAINS, MISMATCH, PLAIN, Policies

STABLE_TTL = 300
"""Seconds for which names that do not change may be remembered."""
DEAD, HALF, ALIAS = "mx-dead", "mx-v6-dead", "mx-alias"

Records = Mapping[str, Sequence[str]]
"""Record data in presentation format by type; where a type has none, it cannot be looked up."""

_NO_SENDER = '"v=spf1 -all"'
_ANY_OF_THEM = frozenset({dns.rdatatype.ANY, dns.rdatatype.RRSIG})
"""Types that a client names who wants whatever there is; signatures come with what they sign."""
_TLS_REPORTS = "_smtp._tls"
_BELOW = ("", "_tls", _TLS_REPORTS)
"""What may stand before the label of an opening; a name that has names below it exists (RFC 8020)."""


class Names:
    """The zone. ``opening`` gives the open opening of a label, or None.

    It is signed where it has a ``signer``; ``shown`` is the SHA-256 of the key that bad certificates are for, in
    hexadecimal, which TLSA records may name.
    """

    def __init__(
        self, site: Site, opening: Callable[[str], Opening | None], signer: Signer | None = None, shown: str = ""
    ) -> None:
        self._site = site
        self._opening = opening
        self._signer = signer
        self._shown = shown
        self._stable = dict(_stable(site))
        self.origin = dns.name.from_text(site.domain)
        if site.policies:
            self._stable |= _with_policies(site)
        if signer:
            self._stable[""] = {**self._stable[""], "DNSKEY": [signer.key.record.to_text()]}
            self._stable |= _with_tlsa(DANE, dane.records(dane.Names.ANOTHER, shown))
        self.soa = _rrset(self.origin, site.ttl, "SOA", [_start_of_authority(site)])

    def answer(self, wire: bytes, transport: Transport, client: str) -> Reply:
        """Return what to send to one message, which may be anything at all."""
        query = dnswire.read(wire)
        if isinstance(query, Reply):
            return query
        question = query.question[0]
        result = dnswire.refused(query) or self._resolve(question.name, question.rdtype)
        if self._signer and result.authoritative and dnswire.asks_for_signatures(query):
            if result.denied and transport == "udp" and not self._signer.may_deny():
                # Who really is there asks again over TCP.
                return Reply(dnswire.encode(query, result, transport, truncate=True))
            proof = [one for name, types in result.denied for one in self._signer.denial(name, types, self._site.ttl)]
            result.answer = self._signer.signed(result.answer)
            result.authority = self._signer.signed((*result.authority, *proof))
        return Reply(dnswire.encode(query, result, transport))

    def _resolve(self, name: dns.name.Name, rdtype: int) -> Result:
        result = Result()
        if not name.is_subdomain(self.origin):
            return Result(dns.rcode.REFUSED, authoritative=False)
        target = self.look(name, rdtype, result)
        if target is not None and target.is_subdomain(self.origin):
            self.look(target, rdtype, result)
        return result

    def look(self, name: dns.name.Name, rdtype: int, result: Result) -> dns.name.Name | None:
        """Add what the zone says about a name in it; return the target when it is an alias to be followed."""
        found = self._records(name)
        if found is None:
            result.rcode = dns.rcode.NXDOMAIN
            result.authority.append(self.soa)
            result.denied.append((name, None))
            return None
        ttl, records = found
        wanted = dns.rdatatype.to_text(dns.rdatatype.RdataType.make(rdtype))
        known = {one: data for one, data in records.items() if data}
        if rdtype in _ANY_OF_THEM and known:
            # One RRset is enough (RFC 8482 section 4.1).
            result.answer.append(_rrset(name, ttl, *next(iter(known.items()))))
        elif data := known.get(wanted):
            result.answer.append(_rrset(name, ttl, wanted, data))
        elif wanted in records:
            result.rcode, result.authoritative = dns.rcode.SERVFAIL, False
        elif rdtype == dns.rdatatype.NSEC and self._signer:
            result.answer += self._signer.denial(name, tuple(records), self._site.ttl)
        elif alias := records.get("CNAME"):
            result.answer.append(_rrset(name, ttl, "CNAME", alias))
            return dns.name.from_text(alias[0])
        else:
            result.authority.append(self.soa)
            result.denied.append((name, tuple(records)))
        return None

    def _records(self, name: dns.name.Name) -> tuple[int, Records] | None:
        """Return TTL and records of a name of the zone, or None when there is no such name."""
        labels = [one.decode("latin-1").lower() for one in name.labels[: len(name.labels) - len(self.origin.labels)]]
        if (stable := self._stable.get(".".join(labels))) is not None:
            return STABLE_TTL, stable
        own, below = labels[-1], ".".join(labels[:-1])
        if below in _BELOW and (opening := self._opening(own)):
            if below and not opening.way.reports:
                return None
            return self._site.ttl, (_reporting(self._site, opening, below) if below else _opened(self._site, opening))
        label = own.removeprefix(dane.PREFIX)
        opening = self._opening(label) if label != own else None
        if opening is None or opening.way.tlsa is None:
            return None
        records = _with_tlsa(own, dane.records(opening.way.tlsa, self._shown))
        records[own] = _address_records(_exchange(self._site, opening.first).addresses)
        return (self._site.ttl, found) if (found := records.get(".".join(labels))) is not None else None


def _rrset(owner: dns.name.Name, ttl: int, rdtype: str, data: Sequence[str]) -> dns.rrset.RRset:
    return dns.rrset.from_text_list(owner, ttl, "IN", rdtype, list(data))


def _address_records(addresses: Sequence[str]) -> dict[str, list[str]]:
    records: dict[str, list[str]] = {}
    for address in addresses:
        records.setdefault("AAAA" if ipaddress.ip_address(address).version == 6 else "A", []).append(address)
    return records


def _stable(site: Site) -> Iterator[tuple[str, Records]]:
    """Yield the names that are always there, by label; the empty label is the probe domain itself."""
    main = site.exchanges[0]
    yield (
        "",
        {
            "NS": [f"{name}." for name in site.servers],
            "SOA": [_start_of_authority(site)],
            "MX": ["0 ."],
            "TXT": [_NO_SENDER],
            **_address_records(main.addresses),
        },
    )
    yield "_dmarc", {"TXT": ['"v=DMARC1; p=reject"']}
    if site.acme:
        yield "_acme-challenge", {"CNAME": [f"{site.acme.removesuffix('.')}."]}
    for name in site.servers:
        label, _, parent = name.lower().partition(".")
        if parent == site.domain:
            yield label, _address_records(main.addresses)
    for exchange in site.exchanges:
        yield exchange.label, _address_records(exchange.addresses) | {"TXT": [_NO_SENDER]}
    yield DEAD, _address_records(site.dead)
    halves = [address for address in site.dead if ":" in address]
    yield HALF, _address_records([*(one for one in main.addresses if ":" not in one), *halves])
    yield ALIAS, {"CNAME": [f"{site.name(main)}."]}


def _with_policies(site: Site) -> dict[str, Records]:
    """Return the names of policy domains, their exchanges and their policy hosts."""
    main = site.exchanges[0]
    policies = Policies(site.domain, main.label)
    records: dict[str, Records] = {
        # A name that has names below it exists (RFC 8020).
        MISMATCH.rpartition(".")[2]: {},
        MISMATCH: _address_records(main.addresses),
        PLAIN: _address_records(site.plain.addresses if site.plain else ()),
        DANE: _address_records(main.addresses),
    }
    for label in DOMAINS:
        records[label] = {"MX": [f"10 {policies.exchange(label)}."], "TXT": [_NO_SENDER]}
        records[f"_mta-sts.{label}"] = {"TXT": [policies.record(label)]}
        records[f"mta-sts.{label}"] = _address_records(main.addresses)
    return records


def _with_tlsa(exchange: str, data: Sequence[str]) -> dict[str, Records]:
    """Return the names below an exchange that its TLSA records need."""
    port, protocol = dane.PORT_LABELS
    return {f"{protocol}.{exchange}": {}, f"{port}.{protocol}.{exchange}": {"TLSA": data}}


def _start_of_authority(site: Site) -> str:
    """Return the data of the SOA record; its last number is how long NXDOMAIN may be remembered (RFC 2308)."""
    return f"{site.servers[0]}. hostmaster.{site.domain}. 1 3600 600 86400 {site.ttl}"


def _opened(site: Site, opening: Opening) -> Records:
    """Return the records of a domain of an opening."""
    first, second = _exchange(site, opening.first), _exchange(site, opening.second)
    hosts = {
        Target.FIRST: site.name(first),
        Target.SECOND: site.name(second),
        Target.DEAD: f"{DEAD}.{site.domain}",
        Target.HALF: f"{HALF}.{site.domain}",
        Target.ALIAS: f"{ALIAS}.{site.domain}",
        Target.NOWHERE: "",
        Target.DANE: f"{dane.PREFIX}{opening.labels[0]}.{site.domain}",
        # Its addresses are in the policy domain; nobody has one in this.
        Target.POLICY: site.name(first),
    }
    records: dict[str, Sequence[str]] = {"TXT": [_NO_SENDER]}
    if opening.mx:
        records["MX"] = [f"{preference} {hosts[target]}." for preference, target in opening.mx]
    return records | (_address_records(first.addresses) if opening.way.address else {})


def _reporting(site: Site, opening: Opening, below: str) -> Records:
    """Return the records of the names below a domain that asks for TLS reports (RFC 8460 section 3)."""
    address = next(address for _, address in opening.addresses(site.domain))
    return {"TXT": [f'"v=TLSRPTv1; rua=mailto:{address}"']} if below == _TLS_REPORTS else {}


def _exchange(site: Site, label: str) -> Exchange:
    return next((one for one in site.exchanges if one.label == label), site.exchanges[0])
