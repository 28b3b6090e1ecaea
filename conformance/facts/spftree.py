"""SPF records with all that they include, and what stands where one is missing."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from conformance.facts.answer import Answer, Status
from conformance.facts.reverse import Forward, forward_of
from conformance.facts.store import Asker
from conformance.outcome import NotApplicable, findings
from conformance.reading import remedy, spf
from conformance.reading.excerpt import listed, quoted
from conformance.reading.orgdomain import to_ascii

_DEEPEST = 12
"""Levels of include and redirect that are followed: one more than a record may use (RFC 7208 section 4.6.4)."""
_LEADING = ("include", "redirect")
_MOST_LOOKS = 100
"""Terms that are followed from one domain: ten times what a record may use."""
_WIDE = {4: 8, 6: 16}
"""Prefix lengths up to which a network could be a part of the whole address space put together again."""


@dataclass(frozen=True, slots=True)
class Look:
    """One term that makes receivers ask, with what it leads to.

    ``node`` is the record that include and redirect lead to; ``forward`` the addresses of the name of ``a`` and
    ``exists``; ``mx`` the answer of ``mx``. All are None where a macro hides the name, or where the walk ends:
    ``loop`` says that the target is on the way here already.
    """

    term: spf.Term
    target: str
    node: Node | None = None
    forward: Forward | None = None
    mx: Answer | None = None
    loop: bool = False

    @property
    def cost(self) -> int:
        """How many look-ups the term costs in the worst case: its own and those of the record that it leads to."""
        return 1 + (self.node.cost if self.node else 0)

    def void(self, version: int) -> bool:
        """Whether the look-up finds nothing for senders of an IP version. Raises Undetermined."""
        if self.forward is not None:
            # ``exists`` asks for A whatever the sender's family is (RFC 7208 section 5.7).
            return not (self.forward.aaaa if version == 6 and self.term.name == "a" else self.forward.a).found
        answer = self.mx or (self.node.answer if self.node else None)
        return answer is not None and not answer.found

    @property
    def exchangers(self) -> int:
        """How many mail exchangers the term stands for: 0 unless it is ``mx``. Raises Undetermined."""
        return len(self.mx.exchanges) if self.mx else 0


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
    def owner(self) -> str:
        """Where the record has to stand: the name, or what its CNAME leads to."""
        return self.answer.owner

    @property
    def near_misses(self) -> tuple[tuple[str, str], ...]:
        """TXT records that were meant as SPF and are not, each with the reason. Raises Undetermined."""
        found = ((text, spf.near_miss(text)) for text in self.answer.joined)
        return tuple((text, why) for text, why in found if why)

    @property
    def published(self) -> spf.Record:
        """The record. Raises Undetermined, and NotApplicable when there is none or several."""
        texts = self.texts
        if not texts:
            raise NotApplicable(f"{self.name} has no SPF record, see spf.exists")
        if len(texts) > 1:
            raise NotApplicable(f"{self.name} has {len(texts)} SPF records, see spf.single")
        return self.record or spf.Record(texts[0], ())

    @property
    def ending(self) -> spf.Record:
        """The record, if its end can be told. Raises as ``published``, and NotApplicable for a garbled last term."""
        record = self.published
        last = record.text.rstrip(" ").rpartition(" ")[2]
        if record.all is None and self.errors and self.errors[-1].text == last:
            raise NotApplicable(f"the last term of {self.name} cannot be read, see spf.syntax")
        return record

    def judged(self) -> Node:
        """Return this node. Raises Undetermined and NotApplicable as ``published``."""
        _ = self.published
        return self

    def complete(self) -> None:
        """Raise Undetermined when a record that is included could not be read."""
        for node in self.nodes():
            node.answer.known()

    @property
    def where(self) -> str:
        """The way here, for a sentence: ``example.com > spf.example.net``."""
        return " > ".join((*self.path, self.name))

    def at(self, terms: Iterable[spf.Term]) -> str:
        """Return terms of this record with their places, for a sentence; empty for no terms."""
        return listed([f"{quoted(term.text)} at position {term.position} of {self.where}" for term in terms])

    @property
    def absence(self) -> str:
        """What stands here instead of a record, for a sentence; empty when there is a record. Raises Undetermined."""
        if self.texts:
            return ""
        if not self.answer.found:
            return f"{self.answer.question} answered {self.answer.describe()}"
        return f"{self.answer.question} answered {self.answer.describe()}, none of which begins with v=spf1 and a space"

    @property
    def slips(self) -> str:
        """What keeps texts here from being read as SPF, for a sentence.

        Raises Undetermined, and NotApplicable when nothing was meant as SPF.
        """
        if self.near_misses and not self.texts:
            return self._misses
        return listed([f"{self.where}: {error}" for error in self.judged().errors], joint="; ")

    @property
    def strays(self) -> str:
        """Texts beside the record that look like SPF, for a sentence: receivers ignore them. Raises Undetermined."""
        return self._misses if self.texts else ""

    @property
    def _misses(self) -> str:
        return listed([f"{quoted(text)} is not taken as SPF: {why}" for text, why in self.near_misses], joint="; ")

    @property
    def respaced(self) -> tuple[tuple[str, str], ...]:
        """Texts whose strings lose or add a space between them: as (strings, the record that was meant).

        Raises Undetermined, and NotApplicable when nothing here begins as SPF.
        """
        begun = [strings for strings in self.answer.strings if strings and strings[0][:6].lower() == "v=spf1"]
        if not begun:
            raise NotApplicable(f"{self.name} has no SPF record, see spf.exists")
        meant = ((strings, remedy.spf_respaced(strings)) for strings in begun)
        return tuple((listed([quoted(one) for one in strings], joint=" "), text) for strings, text in meant if text)

    @property
    def dead_ends(self) -> list[str]:
        """What is wrong with the targets of include and redirect. Raises Undetermined, NotApplicable as published."""
        targets = (look.node for look in self.judged().looks if look.node is not None)
        return findings(targets, lambda target: target.fault)

    @property
    def fault(self) -> str:
        """Why this is not exactly one valid record, for a sentence; empty when it is. Raises Undetermined."""
        if len(self.texts) != 1:
            return f"{self.where}: {self.absence or f'{len(self.texts)} SPF records'}"
        return listed([f"{self.where}: {error}" for error in self.errors], joint="; ")

    def beyond_octets(self, most: int) -> tuple[str, bool] | None:
        """Return how long a reply of more than ``most`` octets is, and whether it is so by the SPF record alone.

        None when it fits, and when it came over TCP, which then works. Raises as ``published``.
        """
        answer = self.judged().answer
        size = answer.size(answer.strings)
        if size <= most or answer.transport == "tcp":
            return None
        alone = answer.size(strings for strings in answer.strings if spf.is_spf("".join(strings)))
        return f"{answer.question} answers {answer.describe()} in {size} octets, {alone} for SPF alone", alone > most

    @property
    def cost(self) -> int:
        """How many look-ups the record costs in the worst case (RFC 7208 section 4.6.4)."""
        return sum(len(one.looks) for one in self.nodes())

    @property
    def is_whole(self) -> bool:
        """Whether all that it includes could be looked at: else it may cost more look-ups."""
        return all(one.answer.status is not Status.UNDETERMINED for one in self.nodes())

    def nodes(self) -> Iterator[Node]:
        """Yield this record and all that it includes."""
        yield self
        for look in self.looks:
            if look.node is not None:
                yield from look.node.nodes()

    def beyond(self, most: int) -> str:
        """Return how many terms make receivers ask in the worst case when these are more than ``most``.

        Raises Undetermined when an include that could not be read may hold more, and as ``published``.
        """
        counted = [(node, len(node.looks)) for node in self.judged().nodes() if node.looks]
        count = sum(looks for _, looks in counted)
        if count <= most:
            self.complete()
            return ""
        return f"{count} ({listed([f'{node.where}: {looks}' for node, looks in counted])})"

    def voids(self, version: int, enough: int) -> list[str]:
        """Return the terms whose look-ups find nothing for senders of an IP version, if they are ``enough``.

        Raises Undetermined when more look-ups could be void, and as ``published``.
        """
        looks = [(node, look) for node in self.judged().nodes() for look in node.looks]
        found = findings(looks, lambda one: one[0].at([one[1].term]) if one[1].void(version) else None, enough=enough)
        return found if len(found) >= enough else []

    @property
    def further(self) -> list[str]:
        """The terms that lead to names whose addresses are looked up in turn: mx and ptr. Raises as ``published``."""
        looks = ((node, look) for node in self.judged().nodes() for look in node.looks)
        return [node.at([look.term]) for node, look in looks if look.term.name in ("mx", "ptr")]

    @property
    def end(self) -> str:
        """The ``all`` that decides when nothing matches (``~all``), also by redirect; empty when there is none.

        Raises Undetermined, and NotApplicable as ``published`` and where redirect leads to no record.
        """
        if self.ending.all:
            return f"{self.ending.all}all"
        onward = next((look for look in self.looks if look.term.name == "redirect"), None)
        if onward is None:
            return ""
        if onward.node is None:
            raise NotApplicable(f"{onward.term.text} of {self.where} leads nowhere that can be told")
        if len(onward.node.texts) != 1:
            raise NotApplicable(f"{onward.term.text} of {self.where} leads to no record, see spf.include-ok")
        return onward.node.end

    @property
    def denies_all(self) -> bool:
        """Whether the record says of every address that it fails, itself or by redirect. Raises Undetermined."""
        nodes = list(self.nodes())
        if any(len(node.texts) != 1 or node.errors for node in nodes):
            return False
        if any(look.node is None for node in nodes for look in node.looks):
            return False
        return all(term.name == "all" for node in nodes for term in node.published.mechanisms) and self.end == "-all"

    @property
    def redirects(self) -> bool:
        """Whether redirect decides in place of ``all``. Raises as ``published``."""
        return self.published.all is None and self.published.redirect is not None

    def authorising(self) -> Iterator[Node]:
        """Yield this record and those whose pass is a pass here: ``include`` with ``+``, and ``redirect``."""
        yield self
        for look in self.looks:
            if look.node is not None and getattr(look.term, "qualifier", "+") == "+":
                yield from look.node.authorising()

    @property
    def open_doors(self) -> list[str]:
        """Terms that authorise everybody, alone or together. Raises Undetermined, NotApplicable as ``published``."""
        wide = [(node, term) for node in self.judged().authorising() for term in wide_terms(node)]
        networks = [term.network for _, term in wide if term.network is not None]
        v4 = ipaddress.collapse_addresses(net for net in networks if isinstance(net, ipaddress.IPv4Network))
        v6 = ipaddress.collapse_addresses(net for net in networks if isinstance(net, ipaddress.IPv6Network))
        whole = {4: any(net.prefixlen == 0 for net in v4), 6: any(net.prefixlen == 0 for net in v6)}
        found = [node.at([term]) for node, term in wide if term.network is None or whole[term.network.version]]
        if not found:
            self.complete()
        return found


def wide_terms(node: Node) -> list[spf.Mechanism]:
    """Return the reachable mechanisms of a record that pass everybody, or the greater part of a family."""
    if node.record is None:
        return []
    void = {term.position for term in node.record.unreachable}
    return [
        term
        for term in node.record.mechanisms
        if term.qualifier == "+"
        and term.position not in void
        and (
            term.name == "all"
            or (term.network is not None and term.network.prefixlen <= _WIDE[term.network.version])
            or (term.network is None and 0 in (term.cidr4, term.cidr6))
        )
    ]


async def tree(ask: Asker, name: str) -> Node:
    """Read what stands at a name, with all that it includes."""
    return await _node(ask, name, (), _MOST_LOOKS)


async def _node(ask: Asker, name: str, path: tuple[str, ...], budget: int) -> Node:
    """Read what stands at a name, and follow at most ``budget`` terms from there.

    The includes of a record share what its own terms leave, so that it never depends on who answers first what is
    followed. A record within the limit of ten look-ups is followed whole.
    """
    answer = await ask.dns(name, "TXT")
    node = Node(name, answer, path)
    if answer.status is not Status.FOUND or len(node.texts) != 1:
        return node
    record, errors = spf.parse_all(node.texts[0])
    terms = record.querying
    leading = sum(term.name in _LEADING for term in terms[:budget])
    share = max(budget - len(terms), 0) // max(leading, 1)
    follow = (_look(ask, term, (*path, name), share) for term in terms[:budget])
    rest = (Look(term, term.value or name) for term in terms[budget:])
    return Node(name, answer, path, record, errors, (*await asyncio.gather(*follow), *rest))


async def _look(ask: Asker, term: spf.Term, path: tuple[str, ...], budget: int) -> Look:
    target = term.value or path[-1]
    if "%" in target:
        return Look(term, target)
    if term.name in _LEADING:
        ascii_target = to_ascii(target) or target
        if ascii_target in path:
            return Look(term, target, loop=True)
        if len(path) >= _DEEPEST:
            return Look(term, target)
        return Look(term, target, node=await _node(ask, ascii_target, path, budget))
    if term.name == "mx":
        return Look(term, target, mx=await ask.dns(target, "MX"))
    if term.name in ("a", "exists"):
        return Look(term, target, forward=await forward_of(ask, target))
    return Look(term, target)
