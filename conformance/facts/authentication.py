"""Whether a delivery proves who sent it: SPF, DKIM and DMARC as its receiver would see them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from conformance.facts.delivery import Delivery, delivery, first_of
from conformance.facts.dmarc import DmarcWalk, dmarc_walk
from conformance.facts.reverse import ForwardNames, forward_names
from conformance.facts.signatures import Checked, checked
from conformance.facts.spfcheck import SpfResult, check_host
from conformance.facts.store import Asker
from conformance.facts.trial import parse_time
from conformance.fleet.model import Address, Domain
from conformance.fleet.origin import IPAddress
from conformance.fleet.sending import Probe, Stream
from conformance.outcome import NotApplicable, Undetermined, findings
from conformance.reading import dkimsig, dmarc
from conformance.reading.excerpt import listed, quoted
from conformance.reading.hostname import is_ip_text, looks_like_literal
from conformance.reading.mailbox import read_addresses
from conformance.reading.message import Message, read
from conformance.reading.orgdomain import registrable, to_ascii
from conformance.reading.spf import mechanism_of


@dataclass(frozen=True)
class Authentication:
    """A delivery with what SPF, DKIM and DMARC say of it.

    ``spf`` is of MAIL FROM, or of the HELO name where that is empty (RFC 7208 section 2.4); ``helo`` is of the HELO
    name, None where the greeting is none. ``walks`` are tree walks by domain.
    """

    delivery: Delivery
    message: Message
    reverse: ForwardNames
    spf: SpfResult
    helo: SpfResult | None
    signatures: tuple[Checked, ...]
    left_out: int
    """Signatures that were not verified."""
    authors: tuple[str, ...]
    """The domains in From; empty where it cannot be read."""
    author_fault: str
    """Why From says of nobody for sure that he wrote this."""
    walks: Mapping[str, DmarcWalk]

    @property
    def stream(self) -> Stream:
        """The stream that was tried."""
        return self.delivery.probe.stream

    @property
    def came_at(self) -> float:
        """When the message was taken, in seconds since 1970."""
        return arrival(self.delivery)

    @property
    def declared_domains(self) -> tuple[str, ...]:
        """The domains that the stream is declared to use, whose records have rules of their own."""
        return self.stream.mail_from, self.stream.domain

    @property
    def mechanism(self) -> str:
        """The SPF mechanism that authorises the address it came from."""
        return mechanism_of(self.delivery.peer)

    @property
    def elsewhere(self) -> str:
        """The other way to be authorised, where the stream did not leave as declared: to do so; else empty."""
        sources = self.stream.sources
        return "" if self.delivery.peer in sources or not sources else f"; or send from {sources[0]}, as declared."

    @property
    def author(self) -> str:
        """The one domain in From. Raises NotApplicable where there is no such."""
        if self.author_fault:
            raise NotApplicable("From does not name one domain, see dmarc.from-one")
        return self.authors[0]

    @property
    def walk(self) -> DmarcWalk:
        """The tree walk from the domain in From. Raises NotApplicable as ``author``."""
        return self.walks[self.author]

    @property
    def source(self) -> dmarc.Source | None:
        """The DMARC record that applies. Raises Undetermined, and NotApplicable as ``author``."""
        return self.walk.source

    @property
    def applied(self) -> dmarc.Source:
        """The DMARC record that applies. Raises Undetermined, and NotApplicable when none does."""
        if (source := self.source) is None:
            raise NotApplicable(f"no DMARC record applies to {self.author}, see dmarc.exists")
        return source

    @property
    def policy(self) -> str | None:
        """The policy that receivers apply to this message if it fails. Raises as ``applied``."""
        source = self.applied
        return source.record.applied(subdomain=source.kind != "author")

    @property
    def spf_domain(self) -> str:
        """The domain that SPF is about."""
        return to_ascii(self.spf.domain) or self.spf.domain

    def organization(self, name: str) -> str:
        """Return the organizational domain of a name: by tree walk, by list where no record is. Raises Undetermined."""
        walk = self.walks[name]
        if any(walk.records.values()):
            return dmarc.organizational_domain(name, walk.records)
        return registrable(name, private=True) or name

    def aligns(self, identifier: str, mode: str) -> bool:
        """Say whether a domain is aligned with that in From. Raises Undetermined, and NotApplicable as ``author``."""
        if identifier not in self.walks:
            return False
        return dmarc.aligned(self.author, identifier, mode, self.organization)

    def modes(self) -> tuple[str, str]:
        """Return aspf and adkim as they apply, relaxed without a record. Raises as ``source``."""
        source = self.source
        return (source.record.aspf, source.record.adkim) if source else ("r", "r")

    def envelope_aligned(self, mode: str) -> bool:
        """Say whether MAIL FROM is aligned with From, whatever SPF says. Raises as ``aligns``."""
        return self.aligns(self.spf_domain, mode)

    def spf_aligned(self, mode: str | None = None) -> bool:
        """Say whether SPF passes for a domain that is aligned with From. Raises as ``source``."""
        if not self.spf.unknown and self.spf.result != "pass":
            return False
        aligned = self.aligns(self.spf_domain, mode or self.modes()[0])
        return aligned and self.spf.known().result == "pass"

    def dkim_aligned(self, mode: str | None = None) -> list[Checked]:
        """Return the signatures that pass and are aligned with From. Raises as ``source``."""
        wanted = mode or self.modes()[1]
        found = findings(self.signatures, lambda one: one if self._supports(one, wanted) else None)
        if not found:
            self.all_verified()
        return found

    def _supports(self, one: Checked, mode: str) -> bool:
        if one.unknown is None and not one.passes:
            return False
        return self.aligns(one.signature.domain, mode) and one.passes

    def all_verified(self) -> None:
        """Raise Undetermined when there are signatures that were not verified."""
        if self.left_out:
            raise Undetermined(f"{self.left_out} signatures of {self.delivery.trial.ref} were not verified")

    @cached_property
    def passes(self) -> bool:
        """Whether DMARC passes, by one aligned identifier. Raises Undetermined, and NotApplicable as ``author``."""
        ways = (self.spf_aligned, lambda: bool(self.dkim_aligned()))
        return bool(findings(ways, lambda way: way()))

    @property
    def own(self) -> tuple[Checked, ...]:
        """The signatures of the author's organization."""
        authors = {registrable(name) for name in self.authors} - {None}
        return tuple(one for one in self.signatures if registrable(one.signature.domain) in authors)

    @property
    def ours(self) -> tuple[Checked, ...]:
        """The signatures of the author's organization; all of them where none is. Raises NotApplicable without any."""
        if not self.signatures:
            raise NotApplicable("the message is not signed, see dkim.signed")
        return self.own or self.signatures

    @property
    def covered(self) -> frozenset[str]:
        """The fields of which some signature of ours covers every instance. Raises NotApplicable as ``ours``."""
        return frozenset().union(*(dkimsig.covered(self.message, one.signature) for one in self.ours))

    @property
    def oversigned(self) -> frozenset[str]:
        """The fields that nobody can add unseen. Raises NotApplicable as ``ours``."""
        return frozenset().union(*(dkimsig.oversigned(self.message, one.signature) for one in self.ours))

    def holding(self) -> list[Checked]:
        """Return the signatures that hold. Raises Undetermined when none does and that is not sure of all."""
        found = findings(self.signatures, lambda one: one if one.passes else None)
        if not found:
            self.all_verified()
        return found

    def unsealed(self, *names: str) -> list[str]:
        """Return the fields of which no signature that holds covers every instance.

        Raises Undetermined where one covers them of which nobody knows whether it holds.
        """
        return [name for name in names if not self._seals(name.lower())]

    def _seals(self, name: str) -> bool:
        covering = (one for one in self.signatures if name in dkimsig.covered(self.message, one.signature))
        found = findings(covering, lambda one: one if one.passes else None)
        if not found:
            self.all_verified()
        return bool(found)

    @property
    def disputed(self) -> bool:
        """Whether a signature holds for one verifier, and for the other not."""
        return any(one.unknown is None and one.doubtful for one in self.signatures)

    @property
    def doubtful(self) -> bool:
        """Whether an aligned signature holds for one verifier, and for the other not. Raises as ``dkim_aligned``."""
        mode = self.modes()[1]
        return any(one.doubtful and self.aligns(one.signature.domain, mode) for one in self.signatures)

    def describe(self) -> str:
        """Return what spoke for the message and what did not, for a sentence."""
        said = [f"SPF of {quoted(self.spf_domain)} for {self.spf.ip}: {self.spf.describe()}"]
        said += [f"DKIM {one.describe()}" for one in self.signatures[:4]] or ["no DKIM signature"]
        return "; ".join(said)


async def authentication(ask: Asker, probe: Probe) -> Authentication:
    """Authenticate the first delivery of a probe. Raises Undetermined when none came, NotApplicable when none is to."""
    return await authenticate(ask, await delivery(ask, probe))


async def null_sender(ask: Asker, stream: Stream) -> Authentication:
    """Authenticate what a stream sent with the null sender. Raises as ``authentication``."""
    probe = stream.probes[0]
    return await authenticate(ask, first_of(probe, (await ask.trial(probe, "null-sender")).watched()))


async def authenticate(ask: Asker, one: Delivery) -> Authentication:
    """Authenticate a delivery."""
    octets = one.message
    message = read(octets)
    authors, fault = _authors(message)
    address = Address(one.probe.stream.host, one.peer, one.helo)
    (signatures, left_out), spf, helo, reverse = await asyncio.gather(
        checked(ask, message, arrival(one), whole=_whole(one)),
        _mail_from(ask, one.peer, one.sender, one.helo),
        _helo(ask, one.peer, one.helo),
        forward_names(ask, address),
    )
    named = (*authors, spf.domain, *(one.signature.domain for one in signatures))
    names = [name for name in dict.fromkeys(_name(text) for text in named) if name]
    walks = await asyncio.gather(*(dmarc_walk(ask, Domain(name)) for name in names))
    found = dict(zip(names, walks, strict=True))
    return Authentication(one, message, reverse, spf, helo, signatures, left_out, authors, fault, found)


def arrival(one: Delivery) -> float:
    """Return when a message was taken, in seconds since 1970."""
    return parse_time(one.capture.started).timestamp() + one.transaction.final_at / 1000


def _whole(one: Delivery) -> Undetermined | None:
    """Return why a signature cannot be judged, though its key may be known: the receiver kept a part of the message."""
    if not one.transaction.truncated:
        return None
    return Undetermined(f"{one.trial.ref}: only the first octets of {one.transaction.size} were kept")


def _authors(message: Message) -> tuple[tuple[str, ...], str]:
    """Return the domains in From, and why they are not one that can be judged."""
    fields = message.named("from")
    if len(fields) != 1:
        texts = listed((quoted(field.text, 60) for field in fields), joint=" and ")
        return (), f"{len(fields)} From fields: {texts}" if fields else "there is no From field"
    found = read_addresses(fields[0].text)
    names = list(dict.fromkeys(_name(one.domain) for one in found.mailboxes))
    domains = tuple(name for name in names if name)
    if len(names) == 1 and domains and not found.cut:
        return domains, ""
    what = f"{len(names)} domains" if len(domains) > 1 else "no address with a domain name"
    return domains, f"From: {quoted(fields[0].text)}: {what}"


def _name(text: str) -> str | None:
    """Return a name as DNS would have it, None for what SPF has nothing to ask about (RFC 7208 section 4.3)."""
    if looks_like_literal(text) or is_ip_text(text):
        return None
    name = to_ascii(text)
    labels = name.split(".") if name else []
    return name if len(labels) > 1 and all(len(label) <= 63 for label in labels) else None


async def _mail_from(ask: Asker, ip: IPAddress, sender: str, helo: str) -> SpfResult:
    """Evaluate SPF of MAIL FROM; of postmaster at the HELO name where that is empty (RFC 7208 section 2.4)."""
    local, _, domain = sender.rpartition("@")
    if not sender:
        return await _helo(ask, ip, helo) or _none(ip, helo, "the greeting is no name and MAIL FROM is empty")
    if (name := _name(domain)) is None:
        return _none(ip, domain, "MAIL FROM has no domain name")
    return await check_host(ask, ip, f"{local or 'postmaster'}@{name}", helo)


async def _helo(ask: Asker, ip: IPAddress, helo: str) -> SpfResult | None:
    name = _name(helo)
    return await check_host(ask, ip, "", name) if name else None


def _none(ip: IPAddress, domain: str, why: str) -> SpfResult:
    return SpfResult(ip, domain, "", "none", why, "")
