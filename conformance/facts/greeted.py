"""What DNS says of names that a delivery used: the one it greeted with, and the domain of its envelope sender."""

from __future__ import annotations

from dataclasses import dataclass

from conformance.facts.delivery import Delivery, delivery
from conformance.facts.domain import MailDomain, mail_domain
from conformance.facts.greeting import require_name
from conformance.facts.reverse import Forward, forward_to
from conformance.facts.store import Asker
from conformance.fleet.sending import Probe
from conformance.reading.excerpt import quoted
from conformance.reading.hostname import check_syntax, is_qualified
from conformance.reading.orgdomain import to_ascii


@dataclass(frozen=True, slots=True)
class Greeted:
    """The name that a delivery greeted with, and its addresses."""

    delivery: Delivery
    forward: Forward

    @property
    def leads_back(self) -> bool:
        """Whether the name has the address that the delivery came from. Raises Undetermined."""
        return self.forward.leads_to(self.delivery.peer)


async def greeted(ask: Asker, probe: Probe) -> Greeted:
    """Look up the name that a delivery greeted with. Raises NotApplicable where it is no name, and Undetermined."""
    came = await delivery(ask, probe)
    return Greeted(came, await forward_to(ask, require_name(came.helo), came.peer))


@dataclass(frozen=True, slots=True)
class MailFrom:
    """The envelope sender of a delivery, and what is known of its domain: None where it has none to look up."""

    sender: str
    domain: MailDomain | None

    @property
    def fault(self) -> str:
        """Say why no bounce can reach the sender; empty where one can, or none is wanted. Raises Undetermined."""
        if not self.sender:
            return ""
        if self.domain is None:
            return f"MAIL FROM:<{quoted(self.sender)[1:-1]}> is no address with a domain"
        if not self.domain.exists:
            return f"{self.domain.name} in MAIL FROM does not exist (NXDOMAIN)"
        if self.domain.mx.found and self.domain.null_mx:
            return f"{self.domain.name} in MAIL FROM has a null MX: it takes no mail"
        return "" if self.domain.reachable else f"{self.domain.name} in MAIL FROM has neither MX nor address"


async def mail_from(ask: Asker, probe: Probe) -> MailFrom:
    """Look up the domain of a delivery's envelope sender, a U-label as its A-label. Raises like :func:`delivery`."""
    sender = (await delivery(ask, probe)).sender
    local, _, written = sender.rpartition("@")
    domain = to_ascii(written) or ""
    fit = local and is_qualified(domain) and not check_syntax(domain)
    return MailFrom(sender, await mail_domain(ask, domain) if fit else None)
