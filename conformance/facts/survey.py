"""What each authoritative server of a zone says for itself: lame, stale and deaf ones are found and named."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable
from dataclasses import dataclass

from conformance.facts.answer import Answer, Status
from conformance.facts.store import Asker
from conformance.facts.zone import ZonePlace, zone_place
from conformance.fleet.model import Address, Domain
from conformance.outcome import NotApplicable, Undetermined, findings
from conformance.reading.excerpt import listed, quoted

_NO_WAY = (
    "network is unreachable",
    "cannot assign requested address",
    "address family not supported by protocol",
)
"""What the system says where it has no route for a family of addresses, no address of it, or is built without it."""

NOT_ASKED = "its name servers are asked one by one with --authoritative only"


@dataclass(frozen=True, slots=True)
class ServerWord:
    """What one server said at one of its addresses to a question, over UDP and, of SOA, over TCP."""

    name: str
    address: str
    answer: Answer
    tcp: Answer | None = None

    @property
    def who(self) -> str:
        """Name and address."""
        return f"{self.name} ({self.address})"

    @property
    def answered(self) -> bool:
        """Whether something came back at all."""
        return bool(self.answer.transport)

    @property
    def beyond_reach(self) -> bool:
        """Whether this machine has no way to the address: that says nothing about the server."""
        return not self.answered and any(words in self.answer.error.lower() for words in _NO_WAY)

    @property
    def lameness(self) -> str:
        """Why the server does not serve the zone (RFC 1912 section 2.8); empty when it does. Raises Undetermined."""
        if not self.answered:
            self.answer.known()
        if self.answer.status is Status.UNDETERMINED:
            return f"{self.who}: {self.answer.error or self.answer.rcode}"
        return "" if self.answer.authoritative else f"{self.who} answers without authority (AA)"

    @property
    def said(self) -> str:
        """What was said, for comparison: the records in one order, or that there are none. Raises Undetermined."""
        if self.answer.status is Status.FOUND:
            return listed(sorted(text.lower() for text in self.answer.texts), 10)
        self.answer.known()
        return self.answer.describe()

    @property
    def serial(self) -> int:
        """Serial of the zone (RFC 1035 section 3.3.13). Raises Undetermined without one."""
        words = self.answer.texts[0].split() if self.answer.found else []
        if len(words) < 3 or not words[2].isdecimal():
            raise Undetermined(f"{self.answer.question}: {self.answer.describe()}")
        return int(words[2])

    @property
    def deafness(self) -> str:
        """Why the server does not answer over TCP, where it refuses (RFC 7766 section 5). Raises Undetermined."""
        if self.tcp is None or not self.answered:
            return ""
        if self.tcp.rcode == "UNREACHABLE" and "refused" in self.tcp.error:
            return f"{self.who} refuses TCP"
        if not self.tcp.transport:
            self.tcp.known()
        return ""


@dataclass(frozen=True, slots=True)
class Survey:
    """One zone, and what each of its servers said."""

    place: ZonePlace
    words: tuple[ServerWord, ...]

    @property
    def judged(self) -> tuple[ServerWord, ...]:
        """What can be judged: of a server that answered elsewhere, not the address that this machine has no way to.

        Raises Undetermined when the servers or all their addresses are not known.
        """
        servers = self.place.known_servers
        if self.place.left_out:
            raise Undetermined(f"{self.place.left_out} name servers of {self.place.apex} were not asked")
        heard = {word.name for word in self.words if word.answered}
        kept = tuple(word for word in self.words if not (word.beyond_reach and word.name in heard))
        for server in servers:
            if not any(word.name == server.name for word in kept):
                server.a.known()
                server.aaaa.known()
        if not kept:
            raise Undetermined(f"no name server of {self.place.apex} has an address")
        return kept

    @property
    def lame(self) -> list[str]:
        """Servers that do not serve the zone. Raises Undetermined.

        All of them cannot be lame while a resolver is answered: then something between here and them answers instead.
        """
        judged = self.judged
        lame = findings(judged, lambda word: word.lameness)
        if len(lame) == len(judged) and self.place.soa.status is not Status.UNDETERMINED:
            raise Undetermined(f"{lame[0]}; so do all, and yet the resolver is answered: is DNS intercepted here?")
        return lame

    @property
    def deaf(self) -> list[str]:
        """Servers that refuse TCP. Raises Undetermined, also where all of them seem to: a filter may do that here."""
        judged = self.judged
        deaf = findings(judged, lambda word: word.deafness)
        if deaf and len(deaf) == len(judged):
            raise Undetermined(f"{deaf[0]}; so do all: is TCP to port 53 filtered here?")
        return deaf

    @property
    def serials(self) -> str:
        """The serials, where they differ. Raises Undetermined."""
        return self._differing(lambda word: f"serial {word.serial}")

    @property
    def differing(self) -> str:
        """What the servers said, where it differs. Raises Undetermined."""
        return self._differing(lambda word: quoted(word.said, 200))

    def _differing(self, of: Callable[[ServerWord], str]) -> str:
        said: dict[str, list[str]] = {}
        unknown: Undetermined | None = None
        for word in self.judged:
            try:
                said.setdefault(of(word), []).append(word.who)
            except Undetermined as error:
                unknown = unknown or error
        if len(said) > 1:
            return "; ".join(f"{text} at {listed(who, 3)}" for text, who in said.items())
        if unknown:
            raise unknown
        return ""


@dataclass(frozen=True, slots=True)
class NameServers:
    """The servers of the zones of a domain; ``asked`` says whether they were asked one by one."""

    surveys: tuple[Survey, ...]
    asked: bool

    @property
    def lame(self) -> list[str]:
        """Servers that do not serve their zone. Raises Undetermined, NotApplicable where nobody was asked."""
        if not self.asked:
            raise NotApplicable(NOT_ASKED)
        return [one for lame in findings(self.surveys, lambda survey: survey.lame) for one in lame]

    @property
    def deaf(self) -> list[str]:
        """Servers that refuse TCP. Raises Undetermined."""
        return [one for deaf in findings(self.surveys, lambda survey: survey.deaf) for one in deaf]

    @property
    def serials(self) -> list[str]:
        """Serials that differ within a zone. Raises Undetermined."""
        return findings(self.surveys, lambda survey: survey.serials)


async def name_servers(ask: Asker, domain: Domain) -> NameServers:
    """Ask the servers of the zones of the From domain and the envelope domain for SOA, over UDP and TCP."""
    names = dict.fromkeys((domain.name, domain.mail_from))
    places = await asyncio.gather(*(zone_place(ask, name) for name in names))
    zones = {place.apex or place.name: place for place in places}
    if not ask.authoritative:
        return NameServers((), asked=False)
    surveys = await asyncio.gather(*(_survey(ask, place, place.apex, "SOA", tcp=True) for place in zones.values()))
    return NameServers(tuple(surveys), asked=True)


async def reverse_survey(ask: Asker, address: Address) -> Survey | None:
    """Ask the servers of the reverse zone of an address for its PTR records; None where nobody is to be asked."""
    if not ask.authoritative:
        return None
    answer = await ask.dns(address.reverse_name, "PTR")
    owner = answer.owner if answer.status is not Status.UNDETERMINED else address.reverse_name
    return await _survey(ask, await zone_place(ask, owner), owner, "PTR", tcp=False)


async def _survey(ask: Asker, place: ZonePlace, name: str, rdtype: str, *, tcp: bool) -> Survey:
    async def word(server: str, address: str) -> ServerWord:
        answer = await ask.direct(address, name, rdtype)
        # A server that says nothing over UDP is not worth the wait.
        stream = await ask.direct(address, name, rdtype, tcp=True) if tcp and answer.transport else None
        return ServerWord(server, address, answer, stream)

    known = [one for server in place.servers for one in (server.a, server.aaaa) if one.status is Status.FOUND]
    pairs = [(server.name, text) for server in place.servers for text in _texts(server.a, server.aaaa)] if known else []
    return Survey(place, tuple(await asyncio.gather(*(word(*pair) for pair in dict.fromkeys(pairs)))))


def _texts(*answers: Answer) -> list[str]:
    """Return the addresses that can be asked: no multicast, no broadcast, no unspecified ones."""
    found = [text for answer in answers if answer.status is Status.FOUND for text in answer.texts]
    return [text for text in found if not _is_odd(text)]


def _is_odd(text: str) -> bool:
    address = ipaddress.ip_address(text)
    return address.is_multicast or address.is_unspecified or text == "255.255.255.255"
