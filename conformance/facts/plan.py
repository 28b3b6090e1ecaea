"""Which facts there are, and which of them a selection of checks needs.

A fact is a coroutine over an asker. It runs twice: once over the network before the first check, where it
collects what it asks for into the store, and once over the store when a check needs its value. So no question
is written down twice, and a replay is the second half alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from conformance.facts import (
    arckeys,
    authentication,
    consoles,
    dane,
    delivery,
    dkim,
    dmarc,
    dmarcaround,
    dnsbl,
    domain,
    greeted,
    greeting,
    impostor,
    imprint,
    keyusers,
    message,
    mtasts,
    neighbours,
    participation,
    reshaped,
    returned,
    reverse,
    routing,
    servercert,
    sighted,
    spf,
    spfzone,
    survey,
    tlsreports,
    tlsrpt,
    validity,
    zone,
)
from conformance.facts.behaviours import BEHAVIOURS
from conformance.facts.store import Asker
from conformance.facts.trial import Trial
from conformance.facts.trials import TRIALS, fixture_name
from conformance.facts.tried import made
from conformance.fleet.model import Address, Domain, Fleet, Listener
from conformance.fleet.sending import Stream
from conformance.outcome import NotApplicable
from conformance.reading.hostname import is_ip_text

Builder = Callable[[Asker, Any], Awaitable[Any]]


def _itself(_fleet: Fleet, subject: Any) -> Any:
    return subject


def _host(fleet: Fleet, address: Address) -> Any:
    return fleet.by_name[address.host]


def _dialled(fleet: Fleet, listener: Listener) -> Any:
    if fleet.by_name[listener.host].probe.level == "none":
        raise NotApplicable(f"mailconform_probe.level of {listener.host} is none")
    return listener


def _place(fleet: Fleet, listener: Listener) -> Any:
    _dialled(fleet, listener)
    host = fleet.by_name[listener.host]
    names = dict.fromkeys((host.name, listener.connect_to, *(address.helo for address in host.addresses)))
    return servercert.Place(listener, tuple(name for name in names if not is_ip_text(name)), fleet.sending_names)


def _exchanging(fleet: Fleet, subject: Domain) -> dane.Place:
    return dane.Place(subject, fleet.exchanging)


def _senders(fleet: Fleet, subject: Domain) -> Any:
    return spf.DomainSenders(
        subject, tuple(a for name in subject.hosts if name in fleet.by_name for a in fleet.by_name[name].addresses)
    )


def _author(_fleet: Fleet, subject: Domain) -> Any:
    if not subject.header_from:
        raise NotApplicable(f"{subject.name} is declared never to stand in From (header_from)")
    return subject


def _trying(name: str) -> Builder:
    async def trial(ask: Asker, stream: Stream) -> Trial:
        return (await made(ask, stream, name)).watched()

    return trial


@dataclass(frozen=True, slots=True)
class Fact:
    """One kind of fact: how it is built, and from what part of the fleet when not from the subject itself."""

    build: Builder
    of: Callable[[Fleet, Any], Any] = _itself
    dials: bool = False
    """Whether it needs SMTP sessions though its subject is no listener."""


async def _subject(_ask: Asker, subject: Any) -> Any:
    return subject


FACTS: Mapping[str, Fact] = {
    "address": Fact(_subject),
    "selector": Fact(_subject),
    "ptr": Fact(reverse.reverse),
    "reverse_zone": Fact(reverse.reverse_zone),
    "forward": Fact(reverse.forward_names),
    "helo": Fact(greeting.helo_name),
    "exchanges": Fact(greeting.exchanges, of=_host),
    "spf": Fact(spf.spf_records, of=_senders),
    "spf_paths": Fact(spf.spf_paths, of=_senders),
    "spf_helo": Fact(spf.spf_helo),
    "spf_owners": Fact(spfzone.spf_owners, of=_senders),
    "spf_reliances": Fact(spfzone.spf_reliances, of=_senders),
    "spf_explanations": Fact(spfzone.spf_explanations, of=_senders),
    "spf_hosts": Fact(spfzone.spf_hosts, of=spfzone.host_names),
    "dkim_key": Fact(dkim.key_record),
    "dkim_nodes": Fact(dkim.key_nodes),
    "arc_keys": Fact(arckeys.arc_keys, of=arckeys.place),
    "signing_domain": Fact(dkim.signing_domain),
    "key_users": Fact(keyusers.key_users, of=keyusers.place),
    "dmarc": Fact(dmarc.dmarc_walk, of=_author),
    "dmarc_reports": Fact(dmarc.report_destinations, of=_author),
    "dmarc_mailboxes": Fact(dmarcaround.report_mailboxes, of=_author),
    "dmarc_skipped": Fact(dmarcaround.skipped_parents, of=_author),
    "mail_domains": Fact(domain.mail_domains),
    "dane": Fact(dane.dane, of=_exchanging, dials=True),
    "strict_transport": Fact(mtasts.strict_transport),
    "strict_policy": Fact(mtasts.strict_policy),
    "tls_reporting": Fact(tlsrpt.tls_reporting),
    "report_hosts": Fact(tlsrpt.report_hosts),
    "parked_spf": Fact(spf.spf_records, of=_senders),
    "parked_dmarc": Fact(dmarc.dmarc_walk),
    "parked_mail": Fact(domain.mail_domains),
    "reverse_survey": Fact(survey.reverse_survey),
    "name_servers": Fact(survey.name_servers),
    "domain_validity": Fact(validity.domain_validity),
    "reverse_validity": Fact(validity.reverse_validity),
    "parked_key": Fact(dkim.parked_key),
    "domain_zones": Fact(zone.domain_zones),
    "authorization": Fact(zone.authorization),
    "consoles": Fact(consoles.consoles),
    "route": Fact(routing.route, of=routing.origins_of),
    "listings": Fact(dnsbl.listings, of=dnsbl.watched_address),
    "domain_listings": Fact(dnsbl.domain_listings, of=dnsbl.watched_domain),
    "list_answers": Fact(dnsbl.list_answers, of=dnsbl.users),
    "session": Fact(greeting.held_session, of=_dialled),
    "server_names": Fact(greeting.server_names, of=_dialled),
    "server_certificate": Fact(servercert.server_certificate, of=_place),
    "delivery": Fact(delivery.delivery),
    "authentication": Fact(authentication.authentication),
    "null_sender": Fact(authentication.null_sender),
    "participation": Fact(participation.participation),
    "converted": Fact(reshaped.converted),
    "transcribed": Fact(reshaped.transcribed),
    "message": Fact(message.message),
    "parts": Fact(message.parts),
    "composed": Fact(message.composed),
    "subscribed": Fact(message.of_kind("bulk", "list")),
    "bulk_mail": Fact(message.of_kind("bulk")),
    "list_mail": Fact(message.of_kind("list")),
    "auto_mail": Fact(message.of_kind("auto")),
    "form_mail": Fact(message.of_kind("form")),
    "author": Fact(message.author),
    "header_domains": Fact(message.header_domains),
    "message_ids": Fact(message.message_ids),
    "bcc_copies": Fact(message.bcc_copies),
    "domains_named": Fact(message.domains_named),
    "greeted": Fact(greeted.greeted),
    "mail_from": Fact(greeted.mail_from),
    "neighbours": Fact(neighbours.neighbours, of=neighbours.place),
    "impostor": Fact(impostor.impostor),
    "tls_reports": Fact(tlsreports.tls_reports),
    "imprint": Fact(imprint.imprint),
    "returned": Fact(returned.returned),
    **{fixture_name(name): Fact(_trying(name)) for name in TRIALS},
    **{name: Fact(one.kind.of(*one.trials)) for name, one in BEHAVIOURS.items()},
}
"""Facts by the name of the fixture that gives them."""


SHARED: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "spf_sender": ("spf_paths", lambda sender: sender.domain),
    "spf_siblings": ("spf_paths", lambda sender: sender.domain),
}
"""Facts of one subject that are those of another: by fixture, the fact and how to come to its subject."""

NAMES = frozenset((*FACTS, *SHARED))
"""Names of all fixtures that give facts."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One fact of one subject."""

    fact: str
    subject: Any

    @property
    def key(self) -> tuple[str, str]:
        """What tells two wanted facts apart."""
        return self.fact, getattr(self.subject, "key", self.subject.id)

    @property
    def dials(self) -> bool:
        """Whether it needs SMTP sessions with listeners."""
        return isinstance(self.subject, Listener) or FACTS[self.fact].dials

    async def build(self, ask: Asker, fleet: Fleet) -> Any:
        """Build the fact, of what stands in the subject's place once mail has come. Raises NotApplicable without it."""
        fact = FACTS[self.fact]
        return await fact.build(ask, fact.of(fleet, await sighted.resolved(ask, fleet, self.subject)))


def want(name: str, subject: Any) -> Wanted:
    """Return the fact that a fixture gives of a subject."""
    if name not in SHARED:
        return Wanted(name, subject)
    fact, other = SHARED[name]
    return Wanted(fact, other(subject))
