"""What the reverse zone says of an address, and where the names lead back to."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Set
from dataclasses import dataclass

from conformance.facts.answer import Answer, Status
from conformance.facts.store import Asker, canonical
from conformance.fleet.model import Address
from conformance.fleet.origin import IPAddress
from conformance.outcome import Undetermined, findings

MOST_NAMES = 10
"""Verifiers look at no more names of one address than this (RFC 8601 section 3, RFC 7208 section 4.6.4)."""


@dataclass(frozen=True, slots=True)
class ReverseName:
    """The PTR records of one sending address."""

    address: Address
    answer: Answer

    @property
    def names(self) -> tuple[str, ...]:
        """The names, in the order of the answer. Raises Undetermined."""
        return self.answer.texts

    @property
    def question(self) -> str:
        """The question that was asked."""
        return self.answer.question

    @property
    def rcode(self) -> str:
        """What came of it: NXDOMAIN, NODATA or the number of records."""
        return self.answer.describe()


@dataclass(frozen=True, slots=True)
class Forward:
    """The addresses of one name, both families (a name is unresolvable only when both say so).

    A family that nothing depends on need not be asked: see :func:`needless`.
    """

    name: str
    a: Answer
    aaaa: Answer

    @property
    def aliases(self) -> tuple[str, ...]:
        """Targets of the CNAME records at the name; empty for a canonical name. Raises Undetermined.

        One answer is enough, even one that says no more than that there is an alias: an alias is one for all types.
        """
        if seen := self.a.aliases or self.aaaa.aliases:
            return seen
        if self.a.status is Status.UNDETERMINED:
            self.aaaa.known()
        return ()

    @property
    def addresses(self) -> tuple[IPAddress, ...]:
        """All addresses of the name. Raises Undetermined when either family is unknown."""
        return tuple(ipaddress.ip_address(text) for text in (*self.a.texts, *self.aaaa.texts))

    @property
    def exists(self) -> bool:
        """Whether the name exists: one NOERROR is enough, both NXDOMAIN say no. Raises Undetermined."""
        answers = (self.a, self.aaaa)
        if any(answer.status is not Status.UNDETERMINED and answer.rcode == "NOERROR" for answer in answers):
            return True
        for answer in answers:
            answer.known()
        return False

    @property
    def resolves(self) -> bool:
        """Whether the name has an address: one record is enough. Raises Undetermined."""
        if Status.FOUND in (self.a.status, self.aaaa.status):
            return True
        return bool(self.addresses)

    def family(self, ip: IPAddress) -> tuple[IPAddress, ...]:
        """Addresses of the family of ``ip`` only. Raises Undetermined."""
        answer = self.a if ip.version == 4 else self.aaaa
        return tuple(ipaddress.ip_address(text) for text in answer.texts)

    def leads_to(self, ip: IPAddress) -> bool:
        """Whether the name has ``ip`` among its addresses. Raises Undetermined."""
        return ip in self.family(ip)

    def describe(self) -> str:
        """Return the addresses as text, or why there are none."""
        if Status.UNDETERMINED not in (self.a.status, self.aaaa.status) and self.addresses:
            return ", ".join(str(address) for address in self.addresses)
        return f"A: {self.a.describe()}, AAAA: {self.aaaa.describe()}"


@dataclass(frozen=True, slots=True)
class ForwardNames:
    """The names of one address with the addresses of each; at most MOST_NAMES of them were followed."""

    address: Address
    reverse: ReverseName
    names: tuple[Forward, ...]
    left_out: int = 0
    """Names that were not followed."""

    @property
    def confirmed(self) -> bool:
        """Whether one name leads back to the address. Raises Undetermined when that is open."""
        found = findings(self.names, lambda name: name.leads_to(self.address.ip))
        if not found:
            self.all_followed()
        return bool(found)

    def all_followed(self) -> ForwardNames:
        """Return these names, or raise Undetermined when some were not followed."""
        if self.left_out:
            raise Undetermined(f"{self.left_out} PTR names of {self.address.ip} were not followed")
        return self

    def describe(self) -> str:
        """Return each name with its addresses."""
        return "; ".join(f"{name.name} has {name.describe()}" for name in self.names)


@dataclass(frozen=True, slots=True)
class ReverseZone:
    """Whether the reverse zone of an address answers at all. ``alive``: its resolver answered other questions."""

    answer: Answer
    alive: bool
    unchecked: Answer | None = None
    """The answer without validation, where the one with it is SERVFAIL."""

    @property
    def bogus(self) -> bool:
        """Whether the zone's servers do answer, and signatures are what fails (RFC 4035 section 3.2.2)."""
        return self.unchecked is not None and self.unchecked.status is not Status.UNDETERMINED

    @property
    def broken(self) -> bool:
        """Whether a resolver that works says SERVFAIL: servers or signatures of the zone fail. Raises Undetermined."""
        if self.answer.rcode == "SERVFAIL" and self.alive:
            return True
        self.answer.known()
        return False


async def forward_of(ask: Asker, name: str) -> Forward:
    """Look both address families of a name up."""
    a, aaaa = await asyncio.gather(ask.dns(name, "A"), ask.dns(name, "AAAA"))
    return Forward(name, a, aaaa)


async def forward_by(ask: Asker, name: str, versions: Set[int]) -> Forward:
    """Look the addresses of some IP versions of a name up."""

    async def family(version: int, rdtype: str) -> Answer:
        return await ask.dns(name, rdtype) if version in versions else needless(name, rdtype)

    a, aaaa = await asyncio.gather(family(4, "A"), family(6, "AAAA"))
    return Forward(name, a, aaaa)


async def forward_to(ask: Asker, name: str, ip: IPAddress) -> Forward:
    """Look up the addresses of the family of ``ip`` at a name, and the others where it is not among them.

    Where it is, all that the rules say of the name is settled: it exists, resolves and leads back.
    """
    families = ("A", "AAAA") if ip.version == 4 else ("AAAA", "A")
    own = await ask.dns(name, families[0])
    leads = own.status is Status.FOUND and ip in map(ipaddress.ip_address, own.texts)
    other = needless(name, families[1]) if leads else await ask.dns(name, families[1])
    return Forward(name, own, other) if ip.version == 4 else Forward(name, other, own)


def needless(name: str, rdtype: str) -> Answer:
    """Return what stands in the place of an answer that nothing depends on: it was not asked for, so nobody knows."""
    why = "not asked: other answers settle it"
    return Answer(canonical(name), rdtype, Status.UNDETERMINED, "UNASKED", error=why, cause=why)


async def reverse(ask: Asker, address: Address) -> ReverseName:
    """Look the PTR records of an address up (RFC 1035 section 3.5)."""
    return ReverseName(address, await ask.dns(address.reverse_name, "PTR"))


async def reverse_zone(ask: Asker, address: Address) -> ReverseZone:
    """See whether the reverse zone of an address answers."""
    answer = await ask.dns(address.reverse_name, "PTR")
    unchecked = await ask.unchecked(address.reverse_name, "PTR") if answer.rcode == "SERVFAIL" else None
    return ReverseZone(answer, ask.alive(answer.server), unchecked)


async def forward_names(ask: Asker, address: Address) -> ForwardNames:
    """Follow the PTR names of an address forward."""
    names = await reverse(ask, address)
    texts = names.answer.records if names.answer.status is Status.FOUND else ()
    named = [name for name in dict.fromkeys(texts) if isinstance(name, str)]
    followed = await asyncio.gather(*(forward_to(ask, name, address.ip) for name in named[:MOST_NAMES]))
    return ForwardNames(address, names, tuple(followed), len(named) - len(followed))
