"""DANE of the mail exchangers of a domain: their TLSA records, and the certificates that they are for (RFC 7672).

Only validated answers count: senders look for TLSA records where the addresses of an exchanger validate, and take no
others (RFC 7672 section 2.2.2). Whatever was not validated is no finding here, and never "missing".
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from conformance.facts.answer import Answer, Status
from conformance.facts.domain import MailDomain, mail_domains
from conformance.facts.reverse import Forward
from conformance.facts.session import Certificate, End, Session, lapsed
from conformance.facts.store import Asker
from conformance.facts.validity import Validity, validity
from conformance.fleet.model import Domain, Listener
from conformance.outcome import NotApplicable, Undetermined, findings
from conformance.reading import tlsa
from conformance.reading.excerpt import listed, quoted
from conformance.reading.servername import covered
from conformance.reading.tlsa import Tlsa

PORT = 25
_SERVICE = f"_{PORT}._tcp."
_NO_MATCH = "no match"

_parse = lru_cache(maxsize=1024)(tlsa.parse)


@dataclass(frozen=True, slots=True)
class Place:
    """A domain with the fleet's listeners at port 25 that are dialled."""

    domain: Domain
    listeners: tuple[Listener, ...]

    @property
    def id(self) -> str:
        """That of the domain."""
        return self.domain.id


@dataclass(frozen=True, slots=True)
class Exchanger:
    """A mail exchanger with what senders look up before they speak TLS with it."""

    forward: Forward
    domains: tuple[str, ...]
    """Domains whose mail goes there."""
    addresses: Validity
    answers: tuple[Answer, ...]
    """TLSA at the name that aliases lead to, then at the exchanger's own (RFC 7672 section 2.2.2)."""
    sessions: tuple[Session, ...]
    """With the fleet's listeners that it leads to, asked for by the name at which the records stand."""

    @property
    def name(self) -> str:
        """The name that the MX record has."""
        return self.forward.name

    @property
    def records(self) -> tuple[Tlsa, ...]:
        """What is published. Raises Undetermined, and NotApplicable where the zone is not signed."""
        if not self.forward.resolves:
            raise NotApplicable(f"{self.name} has no address, see dom.mx-valid")
        if self.addresses.bogus:
            raise Undetermined(f"{self.addresses.answer.question} is bogus: senders wait with mail to {self.name}")
        if not self.addresses.answer.authenticated:
            # It raises where the resolver does not tell.
            _ = self.addresses.signed
            raise NotApplicable(f"the zone of {self.name} is not signed")
        for answer in self.answers:
            if not answer.known().authenticated:
                raise Undetermined(f"{answer.question} was not validated, and the addresses of {self.name} were")
        return tuple(_parse(str(record)) for record in self.answers[-1].records)

    @property
    def usable(self) -> tuple[Tlsa, ...]:
        """Records that senders use, each once. Raises as ``records``."""
        return tuple(dict.fromkeys(record for record in self.records if record.usable))

    @property
    def missing(self) -> str:
        """The question to which there are no records; empty where there are some. Raises as ``records``."""
        return "" if self.records else f"{self.answers[0].question}: {self.answers[0].describe()}"

    @property
    def unusable(self) -> str:
        """Records that senders take no notice of, with the reason. Raises as ``records``."""
        told = ((record, listed(record.problems) or _usage(record)) for record in self.records if not record.usable)
        faults = listed((f"{record} ({why})" for record, why in told), joint="; ")
        return f"{self.answers[-1].question}: {faults}" if faults else ""

    @property
    def mismatch(self) -> str:
        """What keeps senders from delivering, seen at the listeners. Raises as ``records``."""
        if not self.usable:
            return ""
        if not self.sessions:
            raise NotApplicable(f"no listener of the fleet at port {PORT} that is dialled is {self.name}")
        return "; ".join(findings(self.sessions, self._mismatch))

    def _mismatch(self, session: Session) -> str:
        if session.end is End.SKIPPED:
            raise NotApplicable(session.error)
        if session.starttls is not None and session.starttls.code != 220:
            return f"{self.name} has TLSA records, and {session.id} answers STARTTLS by {session.starttls.code}"
        if session.certificate is None and "STARTTLS" not in session.extensions:
            return f"{self.name} has TLSA records, and {session.id} offers no STARTTLS"
        shown = _shown(session)
        doubts = [self._doubt(record, shown, session) for record in self.usable]
        if "" in doubts:
            return ""
        self._need_path(shown, session)
        why = listed(dict.fromkeys(doubt for doubt in doubts if doubt != _NO_MATCH), joint="; ")
        key = shown.digests.key_sha256 if shown.digests else ""
        at = self.answers[-1].question
        records = listed(map(str, self.usable))
        return f"{at}: {records}; {session.id} shows {why or 'another certificate'} (SHA-256 of its key: {key})"

    @property
    def to_publish(self) -> tuple[str, ...]:
        """Records for the keys that the listeners show."""
        shown = (one.certificate.digests for one in self.sessions if one.certificate and one.certificate.digests)
        return tuple(dict.fromkeys(f"{_SERVICE}{self.base}. IN TLSA 3 1 1 {one.key_sha256}" for one in shown))

    def _doubt(self, record: Tlsa, shown: Certificate, session: Session) -> str:
        """Return why a record does not vouch for a certificate (RFC 7672 sections 3.1, 3.2); empty when it does."""
        if record.usage == tlsa.LEAF:
            return "" if shown.digests and record.sum in shown.digests.sums else _NO_MATCH
        for depth, anchor in enumerate(shown.path or ()):
            if record.sum not in anchor.digests.sums:
                continue
            if not covered(shown.names, (self.base, self.name, *self.domains)):
                return f"a certificate of that authority for {listed(map(quoted, shown.names))}, not for {self.base}"
            below = [shown.lapsed(session.started)]
            below += [lapsed(one.not_before, one.not_after, session.started) for one in (shown.path or ())[:depth]]
            return next((f"a certificate of that authority, but {why}" for why in below if why), "")
        return _NO_MATCH

    def _need_path(self, shown: Certificate, session: Session) -> None:
        """Raise Undetermined where a record for an authority may match what was not seen."""
        anchors = [record for record in self.usable if record.usage == tlsa.ANCHOR]
        if anchors and shown.path is None:
            raise Undetermined(f"the certificates that {session.id} sends with its own were not seen")
        if any(record.whole for record in anchors):
            raise Undetermined(f"{self.name} has an authority given whole in a TLSA record, which is not followed")

    @property
    def base(self) -> str:
        """The name below which the records stand."""
        return self.answers[-1].name.removeprefix(_SERVICE) if self.answers else self.name

    @property
    def stale(self) -> str:
        """Kinds of records none of which matches, though records of another kind do (RFC 7671 section 8).

        Raises as ``records``, and NotApplicable when no record matches at all.
        """
        if not self.usable:
            raise NotApplicable(f"{self.name} has no TLSA records that senders use, see dane.tlsa")
        if not self.sessions:
            return ""
        if self.mismatch:
            raise NotApplicable(f"no TLSA record of {self.name} matches, see dane.tlsa")
        kinds = findings(self.sessions, self._stale)
        return f"{self.answers[-1].question}: no record {listed(dict.fromkeys(kinds))} matches" if kinds else ""

    def _stale(self, session: Session) -> str:
        shown = _shown(session)
        matched = {record.parameters for record in self.usable if not self._doubt(record, shown, session)}
        rest = [record for record in self.usable if record.parameters not in matched]
        if any(record.usage == tlsa.ANCHOR for record in rest):
            self._need_path(shown, session)
        return listed(dict.fromkeys(" ".join(map(str, record.parameters)) for record in rest))

    @property
    def lonely(self) -> str:
        """What says that there is no record for the next key. Raises as ``stale``."""
        at, usable = self.answers[-1].question if self.answers else "", self.usable
        if not usable:
            raise NotApplicable(f"{self.name} has no TLSA records that senders use, see dane.tlsa")
        if len(usable) == 1:
            return f"{at}: {usable[0]} is the only record"
        # The key of an authority outlives that of the server.
        if any(record.usage == tlsa.ANCHOR for record in usable):
            return ""
        if not self.sessions:
            kinds = [record.parameters for record in usable]
            return "" if len(set(kinds)) < len(kinds) else f"{at}: each record is of another kind, for one key"
        if self.mismatch:
            raise NotApplicable(f"no TLSA record of {self.name} matches, see dane.tlsa")
        shown = [_shown(session).digests for session in self.sessions]
        spare = [record for record in usable if not any(one and record.sum in one.sums for one in shown)]
        return "" if spare else f"{at}: all {len(usable)} records are for keys in use"


def _usage(record: Tlsa) -> str:
    return f"usage {record.usage}, {'PKIX-EE' if record.usage else 'PKIX-TA'}, is not for SMTP"


def _shown(session: Session) -> Certificate:
    """Return the certificate of a session. Raises Undetermined."""
    if session.certificate is None or session.certificate.digests is None:
        raise session.undetermined("the certificate")
    return session.certificate


@dataclass(frozen=True, slots=True)
class Dane:
    """The mail exchangers of the From domain and the envelope domain."""

    mail: tuple[MailDomain, ...]
    exchangers: tuple[Exchanger, ...]

    @property
    def mismatched(self) -> list[str]:
        """Exchangers that senders do not deliver to. Raises Undetermined and NotApplicable, as all below."""
        return self._told(lambda one: one.mismatch)

    @property
    def to_publish(self) -> str:
        """What to publish where records match nothing."""
        lacking = findings(self.exchangers, lambda one: one.to_publish if one.mismatch else None)
        records = listed((text for texts in lacking for text in texts), joint="; ")
        return f"Publish: {records}. Or show the certificate that the records are for." if records else ""

    @property
    def unusable(self) -> list[str]:
        """Records that senders take no notice of."""
        return self._told(lambda one: one.unusable)

    @property
    def missing(self) -> list[str]:
        """Exchangers without records, though their zone is signed."""
        return self._told(lambda one: one.missing)

    @property
    def stale(self) -> list[str]:
        """Exchangers with a kind of records none of which matches."""
        return self._told(lambda one: one.stale)

    @property
    def lonely(self) -> list[str]:
        """Exchangers without a record for the next key."""
        return self._told(lambda one: one.lonely)

    def _told(self, judge: Callable[[Exchanger], str]) -> list[str]:
        if found := findings(self.exchangers, judge):
            return found
        for one in self.mail:
            if one.mx.known() and one.left_out:
                raise Undetermined(f"{one.left_out} mail exchangers of {one.name} were not followed")
        if not self.exchangers:
            raise NotApplicable(f"{listed(one.name for one in self.mail)} has no mail exchanger")
        return []


async def dane(ask: Asker, place: Place) -> Dane:
    """Look up what senders look up for each mail exchanger of a domain, and dial those that are the fleet's."""
    mail = (await mail_domains(ask, place.domain)).names
    hosts: dict[str, tuple[Forward, list[str]]] = {}
    for one in mail:
        for forward in _exchangers(one):
            hosts.setdefault(forward.name, (forward, []))[1].append(one.name)
    found = await asyncio.gather(*(_exchanger(ask, place, *host) for host in hosts.values()))
    return Dane(mail, tuple(found))


def _exchangers(mail: MailDomain) -> Sequence[Forward]:
    """Return where mail to a domain goes: without MX to the domain itself (RFC 5321 section 5.1)."""
    implicit = Status.FOUND in (mail.forward.a.status, mail.forward.aaaa.status)
    return [mail.forward] if mail.mx.status is Status.ABSENT and implicit else mail.targets


async def _exchanger(ask: Asker, place: Place, forward: Forward, domains: Iterable[str]) -> Exchanger:
    a_or_aaaa = "AAAA" if forward.aaaa.authenticated and not forward.a.authenticated else "A"
    addresses = await validity(ask, forward.name, a_or_aaaa)
    answers: list[Answer] = []
    if addresses.answer.authenticated:
        for name in dict.fromkeys((addresses.answer.owner, forward.name)):
            answers.append(await ask.dns(_SERVICE + name, "TLSA"))
            if answers[-1].status is not Status.ABSENT:
                break
    sessions: list[Session] = []
    if answers and answers[-1].status is Status.FOUND:
        base = answers[-1].name.removeprefix(_SERVICE)
        sessions += await asyncio.gather(*map(ask.smtp, _listeners(place, forward, base)))
    return Exchanger(forward, tuple(domains), addresses, tuple(answers), tuple(sessions))


def _listeners(place: Place, forward: Forward, base: str) -> list[Listener]:
    """Return the listeners that an exchanger leads to, to be asked for by the name of its records (section 8.1)."""
    led = {text for one in (forward.a, forward.aaaa) if one.status is Status.FOUND for text in one.texts}
    names = {forward.name.lower(), base.lower()}
    found = []
    for listener in place.listeners:
        known = {listener.host.lower(), listener.connect_to.lower().removesuffix(".")}
        if known & names or led & {listener.connect_to, *map(str, listener.addresses)}:
            own = listener.host.lower() == base.lower()
            found.append(listener if own else replace(listener, sni=base))
    return found
