"""SPF records with all that they include, and what they say of the fleet's own addresses."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

from conformance.facts.answer import Answer, Status
from conformance.facts.reverse import Forward, forward_of
from conformance.facts.spfcheck import SpfResult, check_host
from conformance.facts.store import Asker
from conformance.fleet.model import Address, Domain, Sender
from conformance.reading import spf
from conformance.reading.orgdomain import to_ascii

_DEEPEST = 12
"""Levels of include and redirect that are followed: one more than a record may use (RFC 7208 section 4.6.4)."""
_MOST_NODES = 100
"""Records that are followed from one domain."""


@dataclass(frozen=True, slots=True)
class Look:
    """One term that makes receivers ask, with what it leads to.

    ``node`` is the record that include and redirect lead to; ``forward`` the addresses of the name of ``a`` and
    ``exists``; ``mx`` the answer of ``mx``. All are None where a macro hides the name, or a loop ends the walk.
    """

    term: spf.Term
    target: str
    node: Node | None = None
    forward: Forward | None = None
    mx: Answer | None = None
    loop: bool = False

    @property
    def void(self) -> bool:
        """Whether the look-up finds nothing, for senders of either family. Raises Undetermined."""
        if self.forward is not None:
            return not self.forward.resolves
        answer = self.mx or (self.node.answer if self.node else None)
        return answer is not None and not answer.found


@dataclass(frozen=True)
class Node:
    """What stands at one name that SPF is looked up at."""

    name: str
    answer: Answer
    path: tuple[str, ...] = ()
    """Names that lead here, the first domain first."""
    record: spf.Record | None = None
    errors: tuple[spf.SpfSyntaxError, ...] = ()
    looks: tuple[Look, ...] = ()

    @property
    def texts(self) -> tuple[str, ...]:
        """TXT records that are selected as SPF. Raises Undetermined."""
        return tuple(text for text in self.answer.joined if spf.is_spf(text))

    @property
    def near_misses(self) -> tuple[tuple[str, str], ...]:
        """TXT records that were meant as SPF and are not, each with the reason. Raises Undetermined."""
        found = ((text, spf.near_miss(text)) for text in self.answer.joined)
        return tuple((text, why) for text, why in found if why)

    def nodes(self) -> Iterator[Node]:
        """Yield this record and all that it includes."""
        yield self
        for look in self.looks:
            if look.node is not None:
                yield from look.node.nodes()

    def known(self) -> Node:
        """Return this record, or raise Undetermined when it or one that it includes could not be read."""
        for node in self.nodes():
            node.answer.known()
        return self

    def all_looks(self) -> Iterator[Look]:
        """Yield every term that makes receivers ask, through all includes: the worst case."""
        for look in self.looks:
            yield look
            if look.node is not None:
                yield from look.node.all_looks()

    @property
    def where(self) -> str:
        """The way here, for a sentence: ``example.com > spf.example.net``."""
        return " > ".join((*self.path, self.name))


@dataclass(frozen=True, slots=True)
class SpfRecords:
    """The records of one declared domain: at its envelope domain, and at the domain itself when that differs."""

    domain: Domain
    roots: tuple[Node, ...]

    @property
    def published(self) -> tuple[Node, ...]:
        """The roots at which exactly one record stands. Raises Undetermined."""
        return tuple(root for root in self.roots if len(root.texts) == 1)


@dataclass(frozen=True, slots=True)
class DomainSenders:
    """A domain with all addresses that send for it."""

    domain: Domain
    addresses: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class SpfPaths:
    """What SPF of a domain says of each address that sends for it."""

    results: tuple[SpfResult, ...]

    def permanent_errors(self, word: str) -> tuple[SpfResult, ...]:
        """Return the results that are a permerror with a word in its explanation. Raises Undetermined."""
        known = [result.known() for result in self.results]
        return tuple(one for one in known if one.result == "permerror" and word in one.explanation.lower())


async def spf_records(ask: Asker, domain: Domain) -> SpfRecords:
    """Look the records of a domain up, with all that they include."""
    names = dict.fromkeys((domain.mail_from, domain.name))
    return SpfRecords(domain, tuple(await asyncio.gather(*(_Walk(ask).node(name, ()) for name in names))))


async def spf_sender(ask: Asker, sender: Sender) -> SpfResult:
    """Evaluate SPF of the envelope domain for an address."""
    return await check_host(ask, sender.address.ip, f"postmaster@{sender.domain.mail_from}", sender.address.helo)


async def spf_paths(ask: Asker, senders: DomainSenders) -> SpfPaths:
    """Evaluate SPF of the envelope domain for every address that sends for a domain."""
    mail_from = f"postmaster@{senders.domain.mail_from}"
    checks = (check_host(ask, address.ip, mail_from, address.helo) for address in senders.addresses)
    return SpfPaths(tuple(await asyncio.gather(*checks)))


async def spf_helo(ask: Asker, address: Address) -> SpfResult:
    """Evaluate SPF of the HELO identity. Raises NotApplicable when the greeting is no name."""
    from conformance.facts.greeting import require_name

    return await check_host(ask, address.ip, "", require_name(address.helo))


class _Walk:
    """Follows the terms of one domain's record, each name in bounded depth and number."""

    def __init__(self, ask: Asker) -> None:
        self._ask = ask
        self._left = _MOST_NODES

    async def node(self, name: str, path: tuple[str, ...]) -> Node:
        answer = await self._ask.dns(name, "TXT")
        node = Node(name, answer, path)
        if answer.status is not Status.FOUND or len(node.texts) != 1 or self._left <= 0:
            return node
        self._left -= 1
        record, errors = spf.parse_all(node.texts[0])
        looks = await asyncio.gather(*(self._look(term, name, (*path, name)) for term in record.querying))
        return Node(name, answer, path, record, errors, tuple(looks))

    async def _look(self, term: spf.Term, name: str, path: tuple[str, ...]) -> Look:
        target = term.value or name
        if "%" in target:
            return Look(term, target)
        if term.name in ("include", "redirect"):
            ascii_target = to_ascii(target) or target
            if ascii_target in path or len(path) >= _DEEPEST:
                return Look(term, target, loop=True)
            return Look(term, target, node=await self.node(ascii_target, path))
        if term.name == "mx":
            return Look(term, target, mx=await self._ask.dns(target, "MX"))
        if term.name in ("a", "exists"):
            return Look(term, target, forward=await forward_of(self._ask, target))
        return Look(term, target)
