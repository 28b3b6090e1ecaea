"""How far the author's domain of a delivery takes part in DMARC (RFC 9989 section 8)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from conformance.facts.authentication import Authentication, authentication
from conformance.facts.dmarcaround import ReportMailboxes
from conformance.facts.domain import MailDomain, mail_domain
from conformance.facts.store import Asker
from conformance.fleet.sending import Probe
from conformance.outcome import NotApplicable, findings
from conformance.reading import dmarc
from conformance.reading.excerpt import listed

_MOST_HOSTS = 5


@dataclass(frozen=True, slots=True)
class Participation:
    """A delivery, the DMARC record that applies to it, and the domains that take its reports."""

    came: Authentication
    source: dmarc.Source
    reports: tuple[MailDomain, ...]

    @property
    def parts(self) -> tuple[Callable[[], str], ...]:
        """What it takes: each says what is missing, or nothing. They raise Undetermined."""
        return self._spf, self._dkim, self._records, self._mailbox

    def _spf(self) -> str:
        return "" if self.came.spf_aligned() else f"SPF does not pass for a domain aligned with {self.came.author}"

    def _dkim(self) -> str:
        return "" if self.came.dkim_aligned() else f"no DKIM signature aligned with {self.came.author} holds"

    def _records(self) -> str:
        walk = self.came.walk
        names = dict.fromkeys((self.came.author, walk.registered))
        bare = findings(names, lambda name: None if walk.record_texts(name) else name)
        return f"no record at {listed(f'_dmarc.{name}' for name in bare)}" if bare else ""

    def _mailbox(self) -> str:
        if not self.reports:
            return f"the record of {self.source.domain} names no mailbox for reports"
        takes = findings(self.reports, lambda one: not ReportMailboxes.refusal(one))
        return "" if takes else f"{listed(one.name for one in self.reports)} takes no mail, reports neither"


async def participation(ask: Asker, probe: Probe) -> Participation:
    """See how far a delivery's author takes part. Raises NotApplicable where no record applies, and Undetermined."""
    came = await authentication(ask, probe)
    source = came.applied
    hosts = list(dict.fromkeys(uri.host for uri in source.record.rua if uri.host))[:_MOST_HOSTS]
    reports = await asyncio.gather(*(mail_domain(ask, host) for host in hosts))
    if source.domain not in came.walk.below_suffix:
        raise NotApplicable(f"no DMARC record of its owner applies to {came.author}, see dmarc.exists")
    return Participation(came, source, tuple(reports))
