"""What lies around a DMARC record: the mailboxes that its reports go to, and records that no receiver comes to."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from conformance.facts.answer import Answer
from conformance.facts.dmarc import DmarcWalk, dmarc_walk
from conformance.facts.domain import MailDomain, mail_domain
from conformance.facts.store import Asker
from conformance.fleet.model import Domain
from conformance.outcome import NotApplicable, Undetermined
from conformance.reading import dmarc
from conformance.reading.excerpt import listed, quoted

_MOST_HOSTS = 20
"""Domains of report mailboxes that are looked up."""
_MOST_SKIPPED = 16
"""Parents outside the tree walk that are looked up."""


@dataclass(frozen=True, slots=True)
class ReportMailboxes:
    """The domains of the mailboxes that aggregate reports go to (RFC 9989 section 5.1.3)."""

    walk: DmarcWalk
    domains: tuple[MailDomain, ...]
    left_out: int = 0
    """Domains that were not looked up."""

    @staticmethod
    def refusal(domain: MailDomain) -> str:
        """Say why no mail reaches a domain, as far as MX and addresses tell. Raises Undetermined."""
        if not domain.exists:
            return f"{domain.name} does not exist ({domain.mx.question} answered {domain.mx.describe()})"
        if domain.null_mx:
            return f"{domain.name} has a null MX"
        if not domain.reachable:
            return f"{domain.name} has neither MX nor address records"
        dead = listed(map(quoted, domain.dead_ends))
        return f"{domain.name} has mail exchangers without an address ({dead})" if dead else ""

    def all_asked(self) -> None:
        """Raise Undetermined when some domains were not looked up."""
        if self.left_out:
            raise Undetermined(f"{self.left_out} report mailboxes of {self.walk.domain.name} were not looked at")


async def report_mailboxes(ask: Asker, domain: Domain) -> ReportMailboxes:
    """Look the domains of ``rua`` up, MX and addresses; nobody is dialled."""
    walk = await dmarc_walk(ask, domain)
    try:
        source = walk.own_source
    except Undetermined:
        source = None
    hosts = list(dict.fromkeys(uri.host for uri in source.record.rua if uri.host)) if source else []
    found = await asyncio.gather(*(mail_domain(ask, host) for host in hosts[:_MOST_HOSTS]))
    return ReportMailboxes(walk, tuple(found), len(hosts) - len(found))


@dataclass(frozen=True, slots=True)
class SkippedParents:
    """Parents of a domain that the tree walk does not ask about (RFC 9989 section 4.10): by domain, what is there."""

    walk: DmarcWalk
    answers: dict[str, Answer]

    def record_at(self, name: str) -> str:
        """Return the name when a DMARC record stands there. Raises Undetermined."""
        return name if any(dmarc.is_dmarc(text) for text in self.answers[name].joined) else ""

    def require(self) -> None:
        """Raise NotApplicable where the walk leaves no parent out, or the domain has a record of its own."""
        if not self.answers:
            raise NotApplicable(f"the tree walk from {self.walk.domain.name} comes to each of its parents")
        if self.walk.own_records:
            raise NotApplicable(f"{self.walk.domain.name} has a record of its own")


async def skipped_parents(ask: Asker, domain: Domain) -> SkippedParents:
    """Look up the parents between the domain and the seventh label that a walk from a long name passes over."""
    walk = await dmarc_walk(ask, domain)
    labels = domain.name.split(".")
    parents = [".".join(labels[start:]) for start in range(1, len(labels))]
    names = [name for name in parents if name not in walk.answers][:_MOST_SKIPPED]
    answers = await asyncio.gather(*(ask.dns(f"_dmarc.{name}", "TXT") for name in names))
    return SkippedParents(walk, dict(zip(names, answers, strict=True)))
