"""The DMARC records on the tree walk from a domain, and the consent of foreign report destinations."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import cached_property

from conformance.facts.answer import Answer, Status
from conformance.facts.store import Asker
from conformance.fleet.model import Domain
from conformance.reading import dmarc
from conformance.reading.orgdomain import registrable


@dataclass(frozen=True)
class DmarcWalk:
    """What stands at ``_dmarc.`` before each domain of the tree walk (RFC 9989 section 4.10)."""

    domain: Domain
    answers: dict[str, Answer]
    """Answers by domain, the domain itself first."""

    @property
    def own(self) -> Answer:
        """The answer at the domain itself."""
        return self.answers[self.domain.name]

    @property
    def texts(self) -> tuple[str, ...]:
        """All TXT records at the domain itself. Raises Undetermined."""
        return self.own.joined

    @property
    def own_records(self) -> tuple[str, ...]:
        """The texts at the domain itself that are DMARC records. Raises Undetermined."""
        return tuple(text for text in self.texts if dmarc.is_dmarc(text))

    @property
    def own_record(self) -> dmarc.Record | None:
        """The one record at the domain itself; None without one and with several. Raises Undetermined."""
        return dmarc.select(self.texts)

    @cached_property
    def records(self) -> dict[str, dmarc.Record | None]:
        """The one record at each domain of the walk. Raises Undetermined."""
        return {name: dmarc.select(answer.joined) for name, answer in self.answers.items()}

    @property
    def source(self) -> dmarc.Source | None:
        """The record that applies to mail from the domain. Raises Undetermined when the walk cannot tell."""
        if own := self.own_record:
            return dmarc.Source(self.domain.name, own, "author")
        return dmarc.policy_source(self.domain.name, self.records)

    @property
    def organizational_domain(self) -> str:
        """The organizational domain by tree walk. Raises Undetermined."""
        return dmarc.organizational_domain(self.domain.name, self.records)


@dataclass(frozen=True, slots=True)
class Destination:
    """A place outside the domain that reports are to be sent to, and its consent (RFC 9990 section 4)."""

    uri: dmarc.Uri
    record_name: str
    answer: Answer

    @property
    def consents(self) -> bool:
        """Whether the destination says that it takes reports for the domain. Raises Undetermined."""
        return any(dmarc.is_dmarc(text) for text in self.answer.joined)


@dataclass(frozen=True, slots=True)
class ReportDestinations:
    """The record that applies to a domain with its foreign report destinations."""

    walk: DmarcWalk
    foreign: tuple[Destination, ...]


async def dmarc_walk(ask: Asker, domain: Domain) -> DmarcWalk:
    """Look all records of the tree walk up at once: a parent's answer is shared by all that lie below."""
    names = dmarc.walk(domain.name)
    answers = await asyncio.gather(*(ask.dns(f"_dmarc.{name}", "TXT") for name in names))
    return DmarcWalk(domain, dict(zip(names, answers, strict=True)))


async def report_destinations(ask: Asker, domain: Domain) -> ReportDestinations:
    """Look the consent of foreign ``rua`` and ``ruf`` hosts up."""
    walk = await dmarc_walk(ask, domain)
    if (source := _source(walk)) is None:
        return ReportDestinations(walk, ())
    uris = {uri.host: uri for uri in (*source.record.rua, *source.record.ruf) if uri.host}
    foreign = {host: uri for host, uri in uris.items() if not _same_organization(host, source.domain)}
    names = [f"{source.domain}._report._dmarc.{host}" for host in foreign]
    answers = await asyncio.gather(*(ask.dns(name, "TXT") for name in names))
    found = zip(foreign.values(), names, answers, strict=True)
    return ReportDestinations(walk, tuple(Destination(uri, name, answer) for uri, name, answer in found))


def _source(walk: DmarcWalk) -> dmarc.Source | None:
    unknown = any(answer.status is Status.UNDETERMINED for answer in walk.answers.values())
    if unknown and walk.own.status is not Status.FOUND:
        return None
    return walk.source if not unknown or walk.own_record else None


def _same_organization(host: str, domain: str) -> bool:
    if host == domain or host.endswith(f".{domain}"):
        return True
    return registrable(host) is not None and registrable(host) == registrable(domain)
