"""The certificate that a listener presents, and the names by which clients may have come to it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from conformance.facts.answer import Answer, Status
from conformance.facts.greeting import held_session
from conformance.facts.reverse import Forward, forward_of
from conformance.facts.session import Certificate, Session
from conformance.facts.store import Asker
from conformance.fleet.model import Listener
from conformance.outcome import NotApplicable, findings
from conformance.reading.servername import covered

_MOST_HOSTS = 20
"""Names that are followed: of mail exchangers that the certificate stands for, and of the certificate itself."""


@dataclass(frozen=True, slots=True)
class Place:
    """A listener with the names that its host is declared by, and the domains whose mail may come to it."""

    listener: Listener
    names: tuple[str, ...]
    domains: tuple[str, ...]

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where the listener is reached, as text: names among them match no address."""
        return (self.listener.connect_to, *(str(address) for address in self.listener.addresses))


@dataclass(frozen=True, slots=True)
class ServerCertificate:
    """What a listener presented. ``exchanges`` is empty when the certificate stands for a declared name already."""

    session: Session
    place: Place
    exchanges: tuple[Answer, ...] = ()
    """MX records of the fleet's domains."""
    hosts: tuple[Forward, ...] = ()
    """Mail exchangers that the certificate stands for, with their addresses."""
    named: tuple[Forward, ...] = ()
    """Names of the certificate itself, wildcards left out: one that leads elsewhere is no exchanger of this server."""

    @property
    def certificate(self) -> Certificate:
        """The certificate. Raises Undetermined, and NotApplicable when the listener has no TLS."""
        session = require_tls(self.session)
        if session.certificate is None:
            raise session.undetermined("the certificate")
        return session.certificate

    @property
    def stands_for(self) -> str | None:
        """A name that leads here and that the certificate stands for; None without one. Raises Undetermined."""
        if own := covered(self.certificate.names, self.place.names):
            return own[0]
        led = findings(self.hosts, lambda host: host.name if self._leads_here(host) else None)
        if not led and self._may_name_an_exchanger:
            for answer in self.exchanges:
                answer.known()
        return led[0] if led else None

    def _leads_here(self, host: Forward) -> bool:
        return any(str(address) in self.place.addresses for address in host.addresses)

    @property
    def _may_name_an_exchanger(self) -> bool:
        """Whether an exchanger that is not known could be one of the certificate's names. Raises Undetermined."""
        return len(self.named) < len(set(self.certificate.names)) or any(map(self._leads_here, self.named))

    @property
    def lapsed(self) -> str:
        """Why the certificate was not valid at the time of the session; empty when it was."""
        return self.certificate.lapsed(self.session.started)


def require_tls(session: Session) -> Session:
    """Return a session that came to TLS. Raises Undetermined, and NotApplicable when the listener has none."""
    if session.tls == "none":
        raise NotApplicable(f"{session.id} is declared without TLS")
    if session.tls == "starttls" and "STARTTLS" not in session.extensions:
        raise NotApplicable("STARTTLS is not offered, see tls.in-starttls and tls.in-587")
    if session.starttls is not None and session.starttls.code != 220:
        raise NotApplicable("STARTTLS is refused, see tls.in-starttls and tls.in-587")
    if not session.tls_version and session.old_tls != "accepted":
        raise session.undetermined("TLS")
    return session


async def server_certificate(ask: Asker, place: Place) -> ServerCertificate:
    """Hold the session; only when the certificate stands for no declared name, look for exchangers that lead here."""
    session = await held_session(ask, place.listener)
    certificate = session.certificate
    if certificate is None or covered(certificate.names, place.names):
        return ServerCertificate(session, place)
    answers = await asyncio.gather(*(ask.dns(domain, "MX") for domain in place.domains))
    known = (answer for answer in answers if answer.status is Status.FOUND)
    targets = dict.fromkeys(name for answer in known for _, name in answer.exchanges if name != ".")
    hosts = await _forwards(ask, covered(certificate.names, targets))
    named = await _forwards(ask, (name for name in dict.fromkeys(certificate.names) if "*" not in name))
    return ServerCertificate(session, place, tuple(answers), hosts, named)


async def _forwards(ask: Asker, names: Iterable[str]) -> tuple[Forward, ...]:
    return tuple(await asyncio.gather(*(forward_of(ask, name) for name in islice(names, _MOST_HOSTS))))
