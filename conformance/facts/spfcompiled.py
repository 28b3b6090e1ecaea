"""SPF records compiled to networks: check_host() for any number of addresses, where addresses alone decide.

What depends on more (macros, ptr, exists), what is at fault, what is beyond a limit and what nobody answered for is
left to :mod:`conformance.facts.spfcheck`.
"""

from __future__ import annotations

import asyncio
import ipaddress
from bisect import bisect_right, insort
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field, replace

from conformance.facts.answer import Answer, Status
from conformance.facts.reverse import Forward, forward_by
from conformance.facts.spftree import Look, Node
from conformance.facts.store import Asker
from conformance.fleet.origin import IPAddress
from conformance.reading import spf, spfterms

_RESULTS = {"+": "pass", "-": "fail", "~": "softfail", "?": "neutral"}
_LONGEST_MS = 10_000.0
"""Time that the look-ups of a record may take, all together: beyond it matters which of them are made."""
_BITS = {4: 32, 6: 128}
VERSIONS = frozenset(_BITS)
"""The IP versions."""


class _BeyondNetworks(Exception):
    """A record says more than networks can."""


@dataclass(frozen=True, slots=True)
class Span:
    """Addresses from ``first`` to ``last`` (as numbers), their result and the term that decides it.

    ``path`` names the records on the way to the term, the domain's own first.
    """

    first: int
    last: int
    result: str
    term: str
    path: tuple[str, ...]
    include: str = ""
    """The term of the domain's own record, or of the one that it redirects to, where an include decides."""

    @property
    def size(self) -> int:
        """How many addresses these are."""
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class Compiled:
    """What a record says of every address of one IP version: spans that do not overlap, in order."""

    version: int
    spans: tuple[Span, ...]
    starts: tuple[int, ...] = field(repr=False)

    def check(self, ip: IPAddress) -> Span:
        """Return the span that an address of this version lies in (RFC 7208 section 4.6.2)."""
        number = int(ip)
        span = self.spans[bisect_right(self.starts, number) - 1]
        assert span.first <= number <= span.last
        return span

    @property
    def passing(self) -> tuple[Span, ...]:
        """The addresses that are authorised."""
        return tuple(span for span in self.spans if span.result == "pass")


def judged_as(ip: IPAddress) -> IPAddress:
    """Return the address that SPF sees: of one that maps an IPv4 address that one (RFC 7208 section 5)."""
    return (ip.ipv4_mapped if ip.version == 6 else None) or ip


async def compiled(ask: Asker, root: Node, versions: Set[int] = VERSIONS) -> Mapping[int, Compiled]:
    """Compile a record by IP version; a version is missing where networks do not say all."""
    exchanged = await _exchangers(ask, root, versions)
    found: dict[int, Compiled] = {}
    for version in sorted(versions):
        try:
            _within_limits(root, version, exchanged)
            rules = tuple(_rules(root, version, exchanged))
        except _BeyondNetworks:
            continue
        spans = tuple(_disjoint(rules))
        found[version] = Compiled(version, spans, tuple(span.first for span in spans))
    return found


async def _exchangers(ask: Asker, root: Node, versions: Set[int]) -> dict[str, Forward]:
    """Return the addresses of all mail exchangers that mx terms stand for."""
    looks = (look for node in root.nodes() for look in node.looks if look.mx and look.mx.status is Status.FOUND)
    names = list(dict.fromkeys(name for look in looks for name in _targets(look)))
    return dict(zip(names, await asyncio.gather(*(forward_by(ask, name, versions) for name in names)), strict=True))


def _targets(look: Look) -> list[str]:
    exchanges = look.mx.exchanges if look.mx else ()
    return [target for _, target in exchanges] if len(exchanges) <= spf.MOST_EXCHANGES else []


def _within_limits(root: Node, version: int, exchanged: Mapping[str, Forward]) -> None:
    """Raise _BeyondNetworks for a record that some address could not be judged by."""
    looks = [look for node in root.nodes() for look in node.looks]
    for node in root.nodes():
        if node.answer.status is not Status.FOUND or node.record is None or node.errors or node.record.macros:
            raise _BeyondNetworks
    if len(looks) > spf.MOST_LOOKUPS or any(_odd(look) for look in looks):
        raise _BeyondNetworks
    void = sum(look.void(version) for look in looks if _answered(look, version))
    # Some receivers count terms, others every name asked for: pyspf says what may come of it.
    void += sum(_family(forward, version).status is Status.ABSENT for forward in exchanged.values())
    if void > spf.MOST_VOID or not all(_answered(look, version) for look in looks):
        raise _BeyondNetworks
    took = [_ms(look, version) for look in looks] + [_family(forward, version).ms for forward in exchanged.values()]
    if root.answer.ms + sum(took) > _LONGEST_MS:
        raise _BeyondNetworks
    for forward in exchanged.values():
        if _family(forward, version).status is Status.UNDETERMINED:
            raise _BeyondNetworks


def _odd(look: Look) -> bool:
    crowded = look.mx is not None and look.mx.status is Status.FOUND and len(look.mx.exchanges) > spf.MOST_EXCHANGES
    nowhere = look.node is None and look.forward is None and look.mx is None
    return look.loop or look.term.name in ("ptr", "exists") or crowded or nowhere


def _answered(look: Look, version: int) -> bool:
    answer = look.mx or (_family(look.forward, version) if look.forward else look.node.answer if look.node else None)
    return answer is not None and answer.status is not Status.UNDETERMINED


def _ms(look: Look, version: int) -> float:
    answer = look.mx or (_family(look.forward, version) if look.forward else look.node.answer if look.node else None)
    return answer.ms if answer else 0.0


def _family(forward: Forward, version: int) -> Answer:
    return forward.a if version == 4 else forward.aaaa


def _rules(node: Node, version: int, exchanged: Mapping[str, Forward]) -> Iterator[Span]:
    """Yield what a record says, in the order in which it is tried; later spans may lie in earlier ones."""
    whole = (1 << _BITS[version]) - 1
    record = node.published
    by_position = {look.term.position: look for look in node.looks}
    void = {term.position for term in record.unreachable}
    path = (*node.path, node.name)
    for term in record.mechanisms:
        if term.position in void:
            continue
        result = _RESULTS[term.qualifier]
        look = by_position.get(term.position)
        if term.name == "all":
            yield Span(0, whole, result, term.text, path)
        elif term.network is not None:
            if term.network.version == version:
                yield _span(term.network, result, term, path)
        elif look is not None and look.node is not None:
            inner = _disjoint(_rules(look.node, version, exchanged))
            yield from (replace(span, result=result, include=term.text) for span in inner if span.result == "pass")
        elif look is not None:
            yield from (_span(network, result, term, path) for network in _networks(look, version, exchanged))
    onward = next((look for look in node.looks if look.term.name == "redirect" and look.node is not None), None)
    if onward is not None and onward.node is not None:
        yield from _rules(onward.node, version, exchanged)
    else:
        yield Span(0, whole, "neutral", "", path)


def _span(network: spfterms.Network, result: str, term: spf.Term, path: tuple[str, ...]) -> Span:
    return Span(int(network.network_address), int(network.broadcast_address), result, term.text, path)


def _networks(look: Look, version: int, exchanged: Mapping[str, Forward]) -> Iterator[spfterms.Network]:
    """Yield the networks that a and mx stand for."""
    assert isinstance(look.term, spf.Mechanism)
    written = look.term.cidr4 if version == 4 else look.term.cidr6
    prefix = _BITS[version] if written is None else written
    forwards = [look.forward] if look.forward else [exchanged[name] for name in _targets(look)]
    for forward in forwards:
        for text in _family(forward, version).texts:
            yield ipaddress.ip_network(f"{text}/{prefix}", strict=False)


def _disjoint(rules: Iterable[Span]) -> Iterator[Span]:
    """Yield spans that do not overlap, in order: of those that hold an address, the first decides."""
    kept: list[Span] = []
    for rule in rules:
        gaps, at = [], rule.first
        for span in kept[_overlapping(kept, rule.first) :]:
            if span.first > rule.last:
                break
            if at < span.first:
                gaps.append(replace(rule, first=at, last=span.first - 1))
            at = max(at, span.last + 1)
        if at <= rule.last:
            gaps.append(replace(rule, first=at))
        for gap in gaps:
            insort(kept, gap, key=_first)
    yield from kept


def _overlapping(kept: list[Span], first: int) -> int:
    """Return where the first span stands that does not end before a number."""
    index = bisect_right(kept, first, key=_first)
    return index - 1 if index and kept[index - 1].last >= first else index


def _first(span: Span) -> int:
    return span.first
