"""What the DNS holds around SPF records: other types, aliases, explanations, the domains that their terms rely on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from conformance.facts.answer import Answer, Status
from conformance.facts.reverse import Forward, forward_of
from conformance.facts.spf import DomainSenders, SpfRecords, spf_records
from conformance.facts.spftree import Look, Node
from conformance.facts.store import Asker
from conformance.fleet.model import Domain, Fleet
from conformance.outcome import NotApplicable, Undetermined, findings
from conformance.reading import spf
from conformance.reading.excerpt import quoted
from conformance.reading.orgdomain import owned, registrable, to_ascii

_MOST_HOSTS = 200
"""Host names of one domain that are looked at."""
_NXDOMAIN = "NXDOMAIN"


@dataclass(frozen=True, slots=True)
class Owner:
    """A name that SPF is looked up at, with what else stands there.

    ``typed`` holds the records of type SPF (99), ``cname`` what the name is an alias of.
    """

    node: Node
    typed: Answer
    cname: Answer
    wild: Mapping[str, Answer] = field(default_factory=dict)
    """By type, what a wildcard beside the name answers; empty where the name is registrable itself."""
    own: Mapping[str, Answer] = field(default_factory=dict)
    """By type, what the name answers, where the wildcard has the same SPF record."""

    @property
    def relies_on_type(self) -> str:
        """The record of type SPF that stands in for the TXT record; empty without one. Raises Undetermined."""
        return "" if self.node.texts else next(iter(self.copies), "")

    @property
    def copies(self) -> tuple[str, ...]:
        """Records of type SPF, as far as anybody needs to know. Raises Undetermined."""
        if self.hidden:
            return ()
        return tuple(text for text in self.typed.joined if spf.is_spf(text))

    @property
    def hidden(self) -> str:
        """Why copies beside a TXT record are not known, for a sentence; empty where they are. Raises Undetermined.

        Some servers refuse the type, which is obsolete.
        """
        if not self.node.texts or self.typed.status is not Status.UNDETERMINED:
            return ""
        return (
            f"{self.typed.question} answered {self.typed.describe()}; with a TXT record there nobody asks for that type"
        )

    @property
    def conflict(self) -> str:
        """The alias that stands beside records of the same name, for a sentence. Raises Undetermined."""
        if not self.cname.found or not self.node.answer.found or self.node.answer.aliases:
            return ""
        return f"{self.node.name} is a CNAME to {quoted(self.cname.texts[0])} and has TXT records of its own"

    @property
    def synthesized(self) -> str:
        """The wildcard that all records of the name are those of, for a sentence. Raises Undetermined."""
        if self.node.texts and self.wild:
            self.wild["TXT"].known()
        if not self.node.texts or not self.own:
            return ""
        if any(self.own[kind].known().records != self.wild[kind].known().records for kind in self.own):
            return ""
        return f"{self.node.name} has no records but those of {self.wild['TXT'].name}: {quoted(self.node.texts[0])}"


async def spf_owners(ask: Asker, senders: DomainSenders) -> tuple[Owner, ...]:
    """Look at the names where the SPF records of a domain stand."""
    records = await spf_records(ask, senders)
    return tuple(await asyncio.gather(*(_owner(ask, root) for root in records.roots)))


async def _owner(ask: Asker, node: Node) -> Owner:
    typed, cname = await asyncio.gather(ask.dns(node.name, "SPF"), ask.dns(node.name, "CNAME"))
    if registrable(node.name) in (None, node.name) or node.answer.status is not Status.FOUND:
        return Owner(node, typed, cname)
    wildcard = f"*.{node.name.partition('.')[2]}"
    text = await ask.dns(wildcard, "TXT")
    if text.status is not Status.FOUND or sorted(text.joined) != sorted(node.answer.joined):
        return Owner(node, typed, cname, {"TXT": text})
    kinds = ("MX", "A", "AAAA")
    wild = dict(zip(kinds, await asyncio.gather(*(ask.dns(wildcard, kind) for kind in kinds)), strict=True))
    own = dict(zip(kinds, await asyncio.gather(*(ask.dns(node.name, kind) for kind in kinds)), strict=True))
    return Owner(node, typed, cname, {"TXT": text, **wild}, own)


@dataclass(frozen=True, slots=True)
class Reliance:
    """A term that relies on a domain, with whether that domain is registered.

    ``domain`` answered NXDOMAIN to ``delegated`` where nobody has it; ``above`` is what the suffix answered below
    which it would be registered, None where that does not matter.
    """

    node: Node
    term: spf.Term
    domain: str
    delegated: Answer
    above: Answer | None = None

    @property
    def dangling(self) -> str:
        """The term, if anybody could register what it names, for a sentence. Raises Undetermined."""
        if self.delegated.known().rcode != _NXDOMAIN or self.above is None:
            return ""
        if self.above.known().rcode != "NOERROR":
            return ""
        return f"{self.node.at([self.term])}: {self.domain} answered NXDOMAIN, nobody has it"


@dataclass(frozen=True, slots=True)
class Reliances:
    """The domains of others that the SPF records of a domain rely on."""

    records: SpfRecords
    each: tuple[Reliance, ...]

    def complete(self) -> None:
        """Raise Undetermined when a record that is included could not be read."""
        for root in self.records.roots:
            root.complete()


async def spf_reliances(ask: Asker, senders: DomainSenders) -> Reliances:
    """See whether the domains that SPF terms rely on are registered."""
    records = await spf_records(ask, senders)
    doubtful = {(node.where, look.term.position): (node, look) for node, look in _looks(records.nodes) if _doubt(look)}
    each = await asyncio.gather(*(_reliance(ask, node, look) for node, look in doubtful.values()))
    return Reliances(records, tuple(one for one in each if one is not None))


def _looks(nodes: Iterable[Node]) -> Iterator[tuple[Node, Look]]:
    return ((node, look) for node in nodes for look in node.looks)


def _doubt(look: Look) -> bool:
    """Whether the name of a term does not exist, or could not be asked for, or is hidden by a macro."""
    if look.forward is not None:
        answers = [look.forward.a, look.forward.aaaa]
    else:
        answers = [answer for answer in (look.mx, look.node.answer if look.node else None) if answer is not None]
    return (
        not look.loop
        and look.term.name != "ptr"
        and all(one.status is not Status.FOUND and one.rcode != "NOERROR" for one in answers)
    )


async def _reliance(ask: Asker, node: Node, look: Look) -> Reliance | None:
    domain = owned(spf.fixed_part(look.target))
    if domain is None:
        return None
    delegated = await ask.dns(domain, "NS")
    above = await ask.dns(domain.partition(".")[2], "NS") if delegated.rcode == _NXDOMAIN else None
    return Reliance(node, look.term, domain, delegated, above)


@dataclass(frozen=True, slots=True)
class Explanation:
    """What ``exp=`` of a record leads to (RFC 7208 section 6.2)."""

    node: Node
    term: spf.Modifier
    answer: Answer | None
    """None where a macro hides the name."""

    @property
    def fault(self) -> str:
        """Why receivers ignore it, for a sentence; empty when they do not. Raises Undetermined, NotApplicable."""
        where = self.node.at([self.term])
        if self.answer is None:
            raise NotApplicable(f"{where} depends on the message")
        texts = self.answer.joined
        if not texts:
            return f"{where}: {self.answer.question} answered {self.answer.describe()}"
        if len(texts) > 1:
            return f"{where}: {self.answer.question} answered {len(texts)} records, of which one can be taken"
        errors = spf.explanation_errors(texts[0])
        return f"{where}: {self.answer.question}: {errors[0]}" if errors else ""


async def spf_explanations(ask: Asker, senders: DomainSenders) -> tuple[Explanation, ...]:
    """Look the explanations of a domain's records up. Raises Undetermined, NotApplicable when there are none."""
    records = await spf_records(ask, senders)
    deciding = [node for root in records.roots for node in _deciding(root)]
    found = findings(deciding, lambda node: [(node, term) for term in node.published.modifiers if term.name == "exp"])
    terms = [pair for pairs in found for pair in pairs]
    if not terms:
        raise NotApplicable(f"SPF of {senders.domain.mail_from} has no exp=")
    asked = await asyncio.gather(*(_explained(ask, term) for _, term in terms))
    return tuple(Explanation(node, term, answer) for (node, term), answer in zip(terms, asked, strict=True))


async def _explained(ask: Asker, term: spf.Modifier) -> Answer | None:
    return None if "%" in term.value else await ask.dns(to_ascii(term.value) or term.value, "TXT")


def _deciding(root: Node) -> Iterator[Node]:
    """Yield the records whose exp= may count: the first, and those that redirect= leads to."""
    yield root
    for look in root.looks:
        if look.term.name == "redirect" and look.node is not None:
            yield from _deciding(look.node)


@dataclass(frozen=True, slots=True)
class HostNames:
    """A domain, and the names of hosts in it that the fleet or its MX records know and that no host greets with."""

    domain: Domain
    names: tuple[str, ...] = ()
    greeting: frozenset[str] = frozenset()


def host_names(fleet: Fleet, domain: Domain) -> HostNames:
    """Return the host names of a domain that the inventory knows."""
    return HostNames(domain, fleet.host_names_below.get(domain.name, ()), fleet.mailing_names)


@dataclass(frozen=True, slots=True)
class HostRecord:
    """A host name that mail could be forged from: its addresses, and what TXT answers."""

    name: str
    forward: Forward
    answer: Answer

    @property
    def bare(self) -> str:
        """The name, if it resolves and has no SPF record, for a sentence. Raises Undetermined.

        Raises NotApplicable for an alias: no record can stand beside it, and where it leads may be a name that sends.
        """
        if aliases := self.answer.aliases or self.forward.aliases:
            raise NotApplicable(f"{self.name} is an alias of {aliases[-1]}")
        if any(spf.is_spf(text) for text in self.answer.joined):
            return ""
        return f"{self.answer.question} answered {self.answer.describe()}" if self.forward.resolves else ""


@dataclass(frozen=True, slots=True)
class HostRecords:
    """The host names of a domain that do not send, as far as the fleet and the MX records know them."""

    hosts: tuple[HostRecord, ...]
    mx: Answer
    left_out: int = 0
    """Names that were not followed."""

    @property
    def bare(self) -> list[HostRecord]:
        """Those that resolve and have no SPF record. Raises Undetermined when some could have none."""
        found = findings(self.hosts, lambda host: host if host.bare else None)
        if not found:
            self.mx.known()
        if not found and self.left_out:
            raise Undetermined(f"{self.left_out} host names were not followed")
        return found


async def spf_hosts(ask: Asker, place: HostNames) -> HostRecords:
    """Look at the host names of a domain that do not send.

    Raises NotApplicable when none is known, Undetermined when the MX records that may name some were not answered.
    """
    mx = await ask.dns(place.domain.name, "MX")
    targets = [target.lower() for _, target in mx.exchanges] if mx.status is Status.FOUND else []
    within = [name for name in targets if name.endswith(f".{place.domain.name}")]
    names = [name for name in dict.fromkeys((*place.names, *within)) if name not in place.greeting]
    if not names:
        mx.known()
        raise NotApplicable(f"no name of a host in {place.domain.name} is known that does not send")
    hosts = await asyncio.gather(*(_host(ask, name) for name in names[:_MOST_HOSTS]))
    return HostRecords(tuple(hosts), mx, len(names) - len(hosts))


async def _host(ask: Asker, name: str) -> HostRecord:
    forward, answer = await asyncio.gather(forward_of(ask, name), ask.dns(name, "TXT"))
    return HostRecord(name, forward, answer)
