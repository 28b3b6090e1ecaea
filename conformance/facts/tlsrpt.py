"""Where a domain wants reports of TLS failures, and whether they can arrive there."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import lru_cache

from conformance.facts.answer import Status
from conformance.facts.domain import MailDomain, mail_domain
from conformance.facts.policyrecord import PolicyRecord
from conformance.facts.reverse import Forward, forward_of
from conformance.facts.store import Asker
from conformance.fleet.model import Domain
from conformance.outcome import NotApplicable, Undetermined, findings
from conformance.reading import tlsrpt
from conformance.reading.excerpt import listed, quoted
from conformance.reading.hostname import is_ip_text

_MOST_ASKED = 10
"""Destinations of one record that are looked up."""

_parse = lru_cache(maxsize=1024)(tlsrpt.parse)


@dataclass(frozen=True, slots=True)
class TlsReporting:
    """The record at ``_smtp._tls`` of a domain (RFC 8460 section 3)."""

    domain: Domain
    published: PolicyRecord

    @property
    def faults(self) -> list[str]:
        """What keeps the record, or a part of it, from being used. Raises Undetermined."""
        return self.published.faults(lambda text: _parse(text).problems)

    @property
    def destinations(self) -> tuple[tlsrpt.Destination, ...]:
        """Where reports go. Raises Undetermined, and NotApplicable without exactly one record that says it."""
        records = self.published.records
        if len(records) != 1 or not (found := _parse(records[0]).destinations):
            raise NotApplicable(f"{self.domain.name} has no usable record of TLS reporting, see tlsrpt.record")
        return found


@dataclass(frozen=True, slots=True)
class ReportHosts:
    """The destinations of reports with what DNS says of each."""

    destinations: tuple[tuple[tlsrpt.Destination, MailDomain | Forward | None], ...]
    """None for an address in place of a name."""
    left_out: int = 0
    """Destinations that were not looked up."""

    @property
    def deaf(self) -> list[str]:
        """Destinations that no report can reach, and why. Raises Undetermined."""
        found = findings(self.destinations, lambda one: deafness(*one))
        if not found and self.left_out:
            raise Undetermined(f"{self.left_out} destinations of reports were not looked up")
        return found


def deafness(destination: tlsrpt.Destination, seen: MailDomain | Forward | None) -> str:
    """Say why no report reaches a destination; empty when one does. Raises Undetermined."""
    if seen is None:
        return ""
    if isinstance(seen, Forward):
        return "" if seen.resolves else f"{destination.host} has no address ({seen.describe()})"
    if seen.mx.status is Status.FOUND and seen.null_mx:
        return f"{destination.host} has a null MX"
    if not seen.exists:
        return f"{destination.host} does not exist (NXDOMAIN)"
    if not seen.reachable:
        return f"{destination.host} has neither MX nor A nor AAAA"
    dead = listed(map(quoted, seen.dead_ends))
    return f"{destination.host} has mail exchangers without an address ({dead})" if dead else ""


async def tls_reporting(ask: Asker, domain: Domain) -> TlsReporting:
    """Look the record up."""
    answer, mx = await asyncio.gather(ask.dns(f"_smtp._tls.{domain.name}", "TXT"), ask.dns(domain.name, "MX"))
    return TlsReporting(domain, PolicyRecord(answer, mx, tlsrpt.VERSION))


async def report_hosts(ask: Asker, domain: Domain) -> ReportHosts:
    """Look up what takes the reports. Raises Undetermined, and NotApplicable where none are asked for."""
    found = (await tls_reporting(ask, domain)).destinations
    asked = found[:_MOST_ASKED]
    looked = await asyncio.gather(*(_looked_up(ask, one) for one in asked))
    return ReportHosts(tuple(zip(asked, looked, strict=True)), len(found) - len(asked))


async def _looked_up(ask: Asker, destination: tlsrpt.Destination) -> MailDomain | Forward | None:
    if is_ip_text(destination.host):
        return None
    if destination.scheme == "https":
        return await forward_of(ask, destination.host)
    return await mail_domain(ask, destination.host)
