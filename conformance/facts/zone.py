"""The zone that a mail domain lies in: its name servers, and what is said at its apex."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from conformance.facts.answer import Answer, Status
from conformance.facts.domain import MailDomain, mail_domain
from conformance.facts.reverse import Forward, forward_of
from conformance.facts.store import Asker
from conformance.fleet.model import Domain
from conformance.outcome import NotApplicable, Undetermined, findings

_MOST_SERVERS = 20
"""Name servers of one zone that are looked at."""

_MOST_LABELS = 40
"""A reverse name of IPv6 has 34."""

ENOUGH = 2
"""Name servers that a zone needs (RFC 2182 section 5, RFC 1912 section 2.8)."""


@dataclass(frozen=True, slots=True)
class ZonePlace:
    """Where a name lies: the answer about its SOA, its zone's apex, the name servers there with their addresses."""

    name: str
    soa: Answer
    apex: str
    """Empty where it could not be told."""
    ns: Answer | None
    servers: tuple[Forward, ...]
    left_out: int = 0

    @property
    def known_servers(self) -> tuple[Forward, ...]:
        """The name servers. Raises Undetermined when they are not known."""
        if self.ns is None:
            self.soa.known()
            raise Undetermined(f"the zone of {self.name} is not known: {self.soa.question}: {self.soa.describe()}")
        if not self.ns.found:
            raise Undetermined(f"{self.ns.question}: {self.ns.describe()}")
        return self.servers


@dataclass(frozen=True, slots=True)
class DomainZones:
    """The From domain and the envelope domain with their zones."""

    domain: Domain
    names: tuple[tuple[MailDomain, ZonePlace], ...]

    @property
    def places(self) -> tuple[ZonePlace, ...]:
        """The zones, each once."""
        return tuple({place.apex or place.name: place for _, place in self.names}.values())

    @property
    def denied(self) -> list[str]:
        """Names that do not exist when SOA is asked, and exist otherwise. Raises Undetermined."""
        return findings(self.names, lambda pair: _denied(*pair))

    @property
    def without_ipv6(self) -> list[str]:
        """What cannot be reached over IPv6: name servers and mail exchangers. Raises Undetermined."""
        servers = findings(self.places, _servers_without_ipv6, enough=0)
        exchangers = findings((one for one, _ in self.names), _exchangers_without_ipv6, enough=0 if servers else 1)
        if not exchangers:
            findings(self.places, _servers_without_ipv6)
        return [*servers, *exchangers]

    @property
    def lonely(self) -> list[str]:
        """Zones with fewer name servers than they need. Raises Undetermined."""
        return findings(self.places, _lonely)


def _denied(mail: MailDomain, place: ZonePlace) -> str:
    if place.soa.known().rcode != "NXDOMAIN":
        return ""
    if not mail.exists:
        raise NotApplicable(f"{mail.name} does not exist, see dom.from-resolves")
    return f"{place.soa.question} answered NXDOMAIN, and yet the name has other records"


def _servers_without_ipv6(place: ZonePlace) -> str:
    servers = place.known_servers
    if sum(server.aaaa.status is Status.FOUND for server in servers) >= ENOUGH:
        return ""
    lacking = findings(servers, lambda server: "" if server.aaaa.found else server.name)
    if lacking:
        # Two of those that did not answer would be enough.
        for server in servers:
            server.aaaa.known()
    return f"{', '.join(lacking)} (NS of {place.apex})" if lacking else ""


def _exchangers_without_ipv6(mail: MailDomain) -> str:
    mail.mx.known()
    lacking = findings(mail.targets, lambda target: "" if target.aaaa.found else target.name)
    if not lacking and mail.left_out:
        raise Undetermined(f"{mail.left_out} mail exchangers of {mail.name} were not followed")
    return f"{', '.join(lacking)} (MX of {mail.name})" if lacking else ""


def _lonely(place: ZonePlace) -> str:
    names = [server.name for server in place.known_servers]
    if len(names) < ENOUGH:
        return f"{place.apex} has one name server, {names[0]}"
    families = [[server.a for server in place.servers], [server.aaaa for server in place.servers]]
    apart = [len({text for one in family if one.status is Status.FOUND for text in one.texts}) for family in families]
    if max(apart) >= ENOUGH:
        return ""
    for answer in (*families[0], *families[1]):
        answer.known()
    counts = (
        f"{apart[0]} IPv4 and {apart[1]} IPv6 address{'es' if sum(apart) != 1 else ''}" if any(apart) else "no address"
    )
    return f"the name servers of {place.apex}, {', '.join(names)}, have {counts}"


async def zone_place(ask: Asker, name: str) -> ZonePlace:
    """Find the zone of a name, its name servers and their addresses."""
    soa = await ask.dns(name, "SOA")
    apex = await _apex(ask, soa)
    ns = await ask.dns(apex, "NS") if apex else None
    names = list(dict.fromkeys(ns.texts)) if ns and ns.status is Status.FOUND else []
    servers = await asyncio.gather(*(forward_of(ask, one) for one in names[:_MOST_SERVERS]))
    return ZonePlace(name, soa, apex, ns, tuple(servers), len(names) - len(servers))


async def _apex(ask: Asker, soa: Answer) -> str:
    """Return the zone that an answer about SOA speaks of; where it does not tell, that of the next names above."""
    if soa.status is Status.UNDETERMINED or soa.zone:
        return soa.zone
    labels = soa.owner.split(".")
    for start in range(1, min(len(labels), _MOST_LABELS)):
        above = await ask.dns(".".join(labels[start:]), "SOA")
        if above.status is Status.UNDETERMINED or above.zone:
            return above.zone
    return ""


async def domain_zones(ask: Asker, domain: Domain) -> DomainZones:
    """Find the zones of the From domain and the envelope domain."""
    names = list(dict.fromkeys((domain.name, domain.mail_from)))
    mail = await asyncio.gather(*(mail_domain(ask, name) for name in names))
    places = await asyncio.gather(*(zone_place(ask, name) for name in names))
    return DomainZones(domain, tuple(zip(mail, places, strict=True)))


@dataclass(frozen=True, slots=True)
class Authorization:
    """The CAA records that count for a domain: at the name or the next one above that has some (RFC 8659 section 3)."""

    domain: Domain
    answers: tuple[Answer, ...]
    """From the name upwards, up to those that were found."""

    @property
    def found(self) -> bool:
        """Whether there are any. Raises Undetermined."""
        return any(answer.found for answer in self.answers)


async def authorization(ask: Asker, domain: Domain) -> Authorization:
    """Look the CAA records of a domain up."""
    answers: list[Answer] = []
    labels = domain.name.split(".")
    for start in range(len(labels)):
        answers.append(await ask.dns(".".join(labels[start:]), "CAA"))
        if answers[-1].status is not Status.ABSENT:
            break
    return Authorization(domain, tuple(answers))
