"""Whether a mail domain exists and takes mail."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from conformance.facts.answer import Answer, Status
from conformance.facts.reverse import Forward, forward_of
from conformance.facts.store import Asker
from conformance.fleet.model import Domain


@dataclass(frozen=True, slots=True)
class MailDomain:
    """One domain name used in addresses: its own addresses, its MX records and the addresses of their targets."""

    name: str
    forward: Forward
    mx: Answer
    targets: tuple[Forward, ...]

    @property
    def exists(self) -> bool:
        """Whether the name exists at all. Raises Undetermined."""
        if self.mx.status is not Status.UNDETERMINED and self.mx.rcode == "NOERROR":
            return True
        return self.forward.exists or self.mx.known().rcode == "NOERROR"

    @property
    def null_mx(self) -> bool:
        """Whether the only MX is the null MX (RFC 7505 section 3). Raises Undetermined."""
        return [target for _, target in self.mx.exchanges] == ["."]


@dataclass(frozen=True, slots=True)
class MailDomains:
    """The names one declared domain uses: that of From, and that of the envelope when it differs."""

    domain: Domain
    names: tuple[MailDomain, ...]


async def mail_domain(ask: Asker, name: str) -> MailDomain:
    """Look one mail domain up."""
    forward, mx = await asyncio.gather(forward_of(ask, name), ask.dns(name, "MX"))
    exchanges = mx.exchanges if mx.status is Status.FOUND else ()
    hosts = list(dict.fromkeys(host for _, host in exchanges if host != "."))[:20]
    return MailDomain(name, forward, mx, tuple(await asyncio.gather(*(forward_of(ask, host) for host in hosts))))


async def mail_domains(ask: Asker, domain: Domain) -> MailDomains:
    """Look the From domain and the envelope domain up."""
    names = dict.fromkeys((domain.name, domain.mail_from))
    return MailDomains(domain, tuple(await asyncio.gather(*(mail_domain(ask, name) for name in names))))
