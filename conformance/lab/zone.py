"""Zones of the lab's name server, and the faults that can be asked of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, cast, get_args

import dns.exception
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdataset
import dns.rdatatype
import dns.rrset
import dns.tokenizer
import dns.zone
import dns.zonefile

from conformance.facts.wire import take_any_tlsa
from conformance.receiver.dnswire import MAX_DELAY, Result

Kind = Literal[
    "servfail", "refused", "nxdomain", "formerr", "drop", "truncate", "delay", "badid", "bogus", "authentic", "insecure"
]

DEFAULT_TTL = 60

_ADDRESS_TYPES = (dns.rdatatype.A, dns.rdatatype.AAAA)


class ZoneError(ValueError):
    """A zone text or a fault that cannot be used; the message says where and why."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A way to answer wrongly; ``delay`` in seconds."""

    kind: Kind
    delay: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Fault:
        """Read ``KIND`` or ``delay:SECONDS``. Raises ZoneError."""
        kind, colon, rest = text.partition(":")
        if kind not in get_args(Kind) or bool(colon) != (kind == "delay"):
            raise ZoneError(f"fault {text!r}: expected one of {', '.join(get_args(Kind))} (delay:SECONDS)")
        try:
            delay = float(rest or 0)
        except ValueError:
            raise ZoneError(f"fault {text!r}: SECONDS is not a number") from None
        if not 0 <= delay <= MAX_DELAY:
            raise ZoneError(f"fault {text!r}: SECONDS must lie between 0 and {MAX_DELAY:g}")
        return cls(cast(Kind, kind), delay)


def ancestors(name: dns.name.Name) -> Iterator[dns.name.Name]:
    """Yield the name and every name above it, up to the root."""
    yield name
    while name != dns.name.root:
        name = name.parent()
        yield name


def rrset(owner: dns.name.Name, rdataset: dns.rdataset.Rdataset) -> dns.rrset.RRset:
    """Return the records of a node under the name that was asked for (a wildcard's take on that name)."""
    return dns.rrset.from_rdata_list(owner, rdataset.ttl, list(rdataset))


class Zone:
    """One zone with every existing name in ``nodes``, empty non-terminals too (RFC 4592 section 2.2.2)."""

    def __init__(self, zone: dns.zone.Zone) -> None:
        self.origin = cast(dns.name.Name, zone.origin)
        self.nodes: dict[dns.name.Name, dict[int, dns.rdataset.Rdataset]] = {}
        for name, node in zone.nodes.items():
            self.add_empty(name)
            self.nodes[name].update({rdataset.rdtype: rdataset for rdataset in node})
        self._complete_apex()
        self.cuts = {name for name, node in self.nodes.items() if dns.rdatatype.NS in node and name != self.origin}
        soa = self.nodes[self.origin][dns.rdatatype.SOA]
        self.soa = dns.rrset.from_rdata_list(self.origin, min(soa.ttl, soa[0].minimum), list(soa))

    @classmethod
    def parse(cls, origin: str, text: str, filename: str) -> Zone:
        """Read a master file. Raises ZoneError with file and, where it is known, line."""
        try:
            take_any_tlsa()
            apex = dns.name.from_text(origin)
            zone = dns.zone.Zone(apex, relativize=False)
            with zone.writer(replacement=True) as writer:
                tokenizer = dns.tokenizer.Tokenizer(text, filename)
                dns.zonefile.Reader(tokenizer, dns.rdataclass.IN, writer, default_ttl=DEFAULT_TTL).read()
            return cls(zone)
        except dns.exception.SyntaxError as error:
            # It says file and line itself; the line is the one where reading stopped, which may be the next.
            raise ZoneError(str(error)) from error
        except (dns.exception.DNSException, ValueError) as error:
            raise ZoneError(f"{filename}: {str(error) or type(error).__name__}") from error

    def _complete_apex(self) -> None:
        self.add_empty(self.origin)
        apex = self.nodes[self.origin]
        host = dns.name.Name((b"ns", *self.origin.labels)).to_text()
        for rdtype, text in (("SOA", f"{host} {host} 1 3600 600 86400 {DEFAULT_TTL}"), ("NS", host)):
            if (number := dns.rdatatype.from_text(rdtype)) not in apex:
                apex[number] = dns.rdataset.from_text("IN", rdtype, DEFAULT_TTL, text)

    def add_empty(self, name: dns.name.Name) -> None:
        """Make a name and those between it and the origin exist, without records of their own."""
        for ancestor in ancestors(name):
            if ancestor in self.nodes:
                break
            self.nodes[ancestor] = {}
            if ancestor == self.origin:
                break

    def delegation(self, name: dns.name.Name, rdtype: int) -> dns.name.Name | None:
        """Return the highest zone cut at or above a name (RFC 1034 section 4.3.2), or None."""
        if not self.cuts:
            return None
        cuts = [above for above in ancestors(name) if above in self.cuts]
        if not cuts or (rdtype == dns.rdatatype.DS and cuts[-1] == name):
            return None
        return cuts[-1]

    def node(self, name: dns.name.Name) -> dict[int, dns.rdataset.Rdataset] | None:
        """Return the records at a name, those of the wildcard that covers it, or None (RFC 4592 section 3.3.1)."""
        if (exact := self.nodes.get(name)) is not None:
            return exact
        encloser = next(above for above in ancestors(name) if above in self.nodes)
        return self.nodes.get(dns.name.Name((b"*", *encloser.labels)))

    def look(self, name: dns.name.Name, rdtype: int, result: Result) -> dns.name.Name | None:
        """Add what the zone says about a name; return the target when it is an alias to be followed."""
        if (cut := self.delegation(name, rdtype)) is not None:
            self._refer(cut, result)
            return None
        node = self.node(name)
        if node is None:
            result.rcode = dns.rcode.NXDOMAIN
        elif rdtype == dns.rdatatype.ANY and node:
            # One RRset is enough (RFC 8482 section 4.1).
            result.answer.append(rrset(name, next(iter(node.values()))))
            return None
        elif (rdataset := node.get(rdtype)) is not None:
            result.answer.append(rrset(name, rdataset))
            return None
        elif (alias := node.get(dns.rdatatype.CNAME)) is not None:
            result.answer.append(rrset(name, alias))
            return cast(dns.name.Name, alias[0].target)
        result.authority.append(self.soa)
        return None

    def _refer(self, cut: dns.name.Name, result: Result) -> None:
        servers = self.nodes[cut][dns.rdatatype.NS]
        result.authoritative = bool(result.answer)
        result.authority.append(rrset(cut, servers))
        for server in servers:
            glue = self.nodes.get(server.target, {})
            result.additional += [rrset(server.target, glue[t]) for t in _ADDRESS_TYPES if t in glue]
