"""Whether a mail domain exists and takes mail."""

from __future__ import annotations

import asyncio
import ipaddress
from dataclasses import dataclass

from conformance.facts.answer import Answer, Status
from conformance.facts.reverse import Forward, forward_of, needless
from conformance.facts.store import Asker
from conformance.fleet.model import Domain
from conformance.outcome import NotApplicable, Undetermined, findings
from conformance.reading.excerpt import quoted
from conformance.reading.hostname import is_ip_text
from conformance.reading.ranges import unreachable

_MOST_HOSTS = 20
"""Mail exchangers of one domain that are followed."""


@dataclass(frozen=True, slots=True)
class MailDomain:
    """One domain name used in addresses: its MX records with the addresses of their targets, and its own addresses.

    Its own are asked for where it has no MX record: elsewhere no mail goes there (RFC 5321 section 5.1).
    """

    name: str
    forward: Forward
    mx: Answer
    targets: tuple[Forward, ...]
    left_out: int = 0
    """Mail exchangers that were not followed."""

    @property
    def exists(self) -> bool:
        """Whether the name exists at all. Raises Undetermined."""
        if self.mx.status is not Status.UNDETERMINED and self.mx.rcode == "NOERROR":
            return True
        return self.forward.exists or self.mx.known().rcode == "NOERROR"

    @property
    def reachable(self) -> bool:
        """Whether mail to the domain has somewhere to go: one MX or address record is enough. Raises Undetermined.

        Raises NotApplicable when the name does not exist.
        """
        if Status.FOUND in (self.mx.status, self.forward.a.status, self.forward.aaaa.status):
            return True
        if not self.exists:
            raise NotApplicable(f"{self.name} does not exist, see dom.from-resolves")
        return self.mx.found or self.forward.resolves

    @property
    def null_mx(self) -> bool:
        """Whether the only MX is the null MX (RFC 7505 section 3). Raises Undetermined."""
        return [target for _, target in self.mx.exchanges] == ["."]

    @property
    def dead_ends(self) -> tuple[str, ...]:
        """The exchangers, where none of them has an address: no mail arrives then. Raises Undetermined."""
        if findings(self.targets, lambda target: not is_ip_text(target.name) and target.resolves):
            return ()
        if self.left_out:
            raise Undetermined(f"{self.left_out} mail exchangers of {self.name} were not followed")
        return tuple(target.name for target in self.targets)

    @property
    def bad_targets(self) -> list[str]:
        """What is wrong with the exchangers. Raises Undetermined, and NotApplicable when there are none."""
        if not self.mx.found:
            raise NotApplicable(f"{self.name} has no MX record")
        if self.null_mx:
            raise NotApplicable(f"{self.name} has a null MX")
        beside = ["a null MX stands beside other exchangers"] if "." in [name for _, name in self.mx.exchanges] else []
        faults = beside + findings(self.targets, _fault, enough=0 if beside else 1)
        if not faults and self.left_out:
            raise Undetermined(f"{self.left_out} mail exchangers of {self.name} were not followed")
        return faults


def _fault(target: Forward) -> str:
    """Say what keeps a name from being a mail exchanger (RFC 5321 section 5.1). Raises Undetermined."""
    if is_ip_text(target.name):
        return f"{target.name} is an address and no name"
    if target.aliases:
        return f"{quoted(target.name)} is a CNAME to {quoted(target.aliases[0])}"
    if not target.resolves:
        return f"{quoted(target.name)} has no address ({target.describe()})"
    private = findings((target.a, target.aaaa), _private)
    return f"{quoted(target.name)} leads to {', '.join(private)}" if private else ""


def _private(answer: Answer) -> str:
    addresses = map(ipaddress.ip_address, answer.texts)
    return ", ".join(f"{address} ({why})" for address in addresses if (why := unreachable(address)))


@dataclass(frozen=True, slots=True)
class MailDomains:
    """The names one declared domain uses: that of From, and that of the envelope when it differs."""

    domain: Domain
    names: tuple[MailDomain, ...]


async def mail_domain(ask: Asker, name: str) -> MailDomain:
    """Look one mail domain up."""
    mx = await ask.dns(name, "MX")
    if mx.status is Status.FOUND:
        exchanges, forward = mx.exchanges, Forward(name, needless(name, "A"), needless(name, "AAAA"))
    else:
        exchanges, forward = (), await forward_of(ask, name)
    hosts = list(dict.fromkeys(host for _, host in exchanges if host != "."))
    targets = await asyncio.gather(*(forward_of(ask, host) for host in hosts[:_MOST_HOSTS]))
    return MailDomain(name, forward, mx, tuple(targets), len(hosts) - len(targets))


async def mail_domains(ask: Asker, domain: Domain) -> MailDomains:
    """Look the From domain and the envelope domain up."""
    names = dict.fromkeys((domain.name, domain.mail_from))
    return MailDomains(domain, tuple(await asyncio.gather(*(mail_domain(ask, name) for name in names))))
