"""What SPF of the declared domains says of the fleet's own addresses."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from conformance.facts.spfcheck import SpfResult, check_host
from conformance.facts.spfjudged import judge
from conformance.facts.spftree import Node, tree
from conformance.facts.store import Asker
from conformance.fleet.model import Address, Domain
from conformance.reading.spf import mechanism_of


@dataclass(frozen=True, slots=True)
class DomainSenders:
    """A domain with all addresses that send for it."""

    domain: Domain
    addresses: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class SpfRecords:
    """The records of one declared domain: at its envelope domain, and at the domain itself when that differs."""

    domain: Domain
    roots: tuple[Node, ...]
    addresses: tuple[Address, ...] = ()
    """The addresses that send for the domain."""

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The records and all that they include."""
        return tuple(node for root in self.roots for node in root.nodes())

    @property
    def included(self) -> tuple[Node, ...]:
        """The records of others whose pass is a pass here."""
        return tuple(node for root in self.roots for node in root.authorising() if node is not root)

    @property
    def circular(self) -> bool:
        """Whether a term is known to lead back to a record that is being read."""
        return any(look.loop for node in self.nodes for look in node.looks)

    @property
    def at_domain(self) -> Node:
        """What stands at the domain itself."""
        return next(root for root in self.roots if root.name == self.domain.name)

    @property
    def versions(self) -> tuple[int, ...]:
        """IP versions of the addresses that send for the domain."""
        return tuple(sorted({address.ip.version for address in self.addresses}))

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """What authorises exactly the addresses that send for the domain."""
        return tuple(dict.fromkeys(address.spf_mechanism for address in self.addresses))


@dataclass(frozen=True, slots=True)
class SpfPaths:
    """What SPF of a domain says of each address that sends for it."""

    results: tuple[SpfResult, ...]
    by_address: Mapping[Address, SpfResult] = field(default_factory=dict, repr=False)

    def of(self, address: Address) -> SpfResult:
        """Return the result of one of the addresses."""
        return self.by_address[address]

    def hits(self, word: str) -> tuple[SpfResult, ...]:
        """Return the results that are a permerror with a word in its explanation, of those that are known."""
        return tuple(one for one in self.results if one.result == "permerror" and word in one.explanation.lower())

    @property
    def gravity(self) -> str | None:
        """How much a fault weighs at most: should, while each own address is judged before receivers come to it.

        None where one address gets a permanent error.
        """
        return None if any(one.result == "permerror" for one in self.results) else "should"

    @property
    def forgotten(self) -> tuple[str, ...]:
        """What would authorise the addresses that do not pass, and those for which that is not known."""
        return _mechanisms(one for one in self.results if one.unknown or one.result != "pass")

    @property
    def unnamed(self) -> tuple[str, ...]:
        """What would authorise the addresses that the record does not name: another end would shut them out."""
        return _mechanisms(one for one in self.results if not one.named)

    @property
    def denied(self) -> bool:
        """Whether a term before the end turns an own address away."""
        return any(not one.unknown and one.result != "pass" and not one.by_default for one in self.results)

    def slow(self, seconds: float) -> tuple[SpfResult, ...]:
        """Return the results whose look-ups took longer than that, one after the other, slowest first."""
        late = (one for one in self.results if one.ms > seconds * 1000)
        return tuple(sorted(late, key=lambda one: -one.ms))

    def known(self) -> None:
        """Raise Undetermined when one of the results is not known."""
        for result in self.results:
            result.known()


def _mechanisms(results: Iterable[SpfResult]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(mechanism_of(one.ip) for one in results))


async def spf_records(ask: Asker, senders: DomainSenders) -> SpfRecords:
    """Look the records of a domain up, with all that they include."""
    names = dict.fromkeys((senders.domain.mail_from, senders.domain.name))
    roots = await asyncio.gather(*(tree(ask, name) for name in names))
    return SpfRecords(senders.domain, tuple(roots), senders.addresses)


async def spf_paths(ask: Asker, senders: DomainSenders) -> SpfPaths:
    """Evaluate SPF of the envelope domain for every address that sends for a domain."""
    found = await judge(ask, senders.domain, senders.addresses)
    return SpfPaths(found.results, dict(zip(senders.addresses, found.results, strict=True)))


async def spf_helo(ask: Asker, address: Address) -> SpfResult:
    """Evaluate SPF of the HELO identity. Raises NotApplicable when the greeting is no name."""
    from conformance.facts.greeting import require_name

    return await check_host(ask, address.ip, "", require_name(address.helo))
