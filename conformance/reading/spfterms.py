"""What the terms of one SPF record say together: what is superfluous, what is wide, what names nobody."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from itertools import groupby

from conformance.reading.ranges import unreachable
from conformance.reading.spf import Mechanism, Record, Term, expanded_letters, fixed_part

Network = IPv4Network | IPv6Network


def reachable(record: Record) -> tuple[Mechanism, ...]:
    """Return the mechanisms up to the first ``all`` (RFC 7208 section 5.1)."""
    void = {term.position for term in record.unreachable}
    return tuple(term for term in record.mechanisms if term.position not in void)


def superfluous(record: Record) -> tuple[tuple[Mechanism, Mechanism], ...]:
    """Return terms that change nothing, each with the term of the same qualifier that says as much already.

    Only terms between which no other qualifier decides are compared, so that their order does not matter.
    """
    found: list[tuple[Mechanism, Mechanism]] = []
    for _, run in groupby(reachable(record), key=lambda term: term.qualifier):
        found += _superfluous(list(run))
    return tuple(sorted(found, key=lambda pair: pair[0].position))


def _superfluous(terms: list[Mechanism]) -> Iterator[tuple[Mechanism, Mechanism]]:
    first: dict[tuple[object, ...], Mechanism] = {}
    for term in terms:
        if term.network is None:
            value = term.value if "%" in term.value else term.value.lower().removesuffix(".")
            key = term.name, value, _prefix(term.cidr4, 32), _prefix(term.cidr6, 128)
            if (kept := first.setdefault(key, term)) is not term:
                yield term, kept
    for version in (4, 6):
        yield from _contained([term for term in terms if term.network is not None and term.network.version == version])


def _prefix(written: int | None, whole: int) -> int:
    return whole if written is None else written


def _contained(terms: list[Mechanism]) -> Iterator[tuple[Mechanism, Mechanism]]:
    """Yield networks with the one they lie in: sorted by start, the wider first, each follows what holds it."""
    cover: tuple[int, Mechanism] | None = None
    for term in sorted(terms, key=lambda term: (_first(term), -_last(term), term.position)):
        if cover is not None and _last(term) <= cover[0]:
            yield term, cover[1]
        else:
            cover = _last(term), term


def _first(term: Mechanism) -> int:
    return int(term.network.network_address) if term.network else 0


def _last(term: Mechanism) -> int:
    return int(term.network.broadcast_address) if term.network else 0


def wide(record: Record, narrowest: Mapping[int, int]) -> tuple[Mechanism, ...]:
    """Return the terms that pass a network as wide as a prefix length for its IP version, or wider."""
    return tuple(
        term
        for term in reachable(record)
        if term.qualifier == "+" and any(length <= narrowest[version] for version, length in _lengths(term))
    )


def _lengths(term: Mechanism) -> Iterator[tuple[int, int]]:
    if term.network is not None:
        yield term.network.version, term.network.prefixlen
    elif term.name in ("a", "mx"):
        yield from ((4, _prefix(term.cidr4, 32)), (6, _prefix(term.cidr6, 128)))


def secluded(record: Record, public: Iterable[Network] = ()) -> tuple[tuple[Mechanism, str], ...]:
    """Return networks from which no mail can come over the Internet, each with the reason; not those in ``public``."""
    open_to = tuple(public)
    found = ((term, _seclusion(term.network, open_to)) for term in record.mechanisms if term.network)
    return tuple((term, why) for term, why in found if why)


def _seclusion(network: Network, public: tuple[Network, ...]) -> str | None:
    if any(network.network_address in one for one in public):
        return None
    why = unreachable(network.network_address)
    # A network that reaches beyond a secluded range passes others too.
    return why if why == unreachable(network.broadcast_address) else None


def with_host_bits(record: Record) -> tuple[tuple[Mechanism, Network], ...]:
    """Return networks that are written with bits set beyond their prefix, each with what receivers take it as."""
    return tuple(
        (term, term.network)
        for term in record.mechanisms
        if term.network is not None and _written(term) != term.network.network_address
    )


def _written(term: Mechanism) -> IPv4Address | IPv6Address:
    address = term.value.partition("/")[0]
    return IPv4Address(address) if term.name == "ip4" else IPv6Address(address)


def telling(record: Record) -> tuple[tuple[Term, str], ...]:
    """Return the terms whose look-ups tell who writes (macros s and l), each with the name whose servers are told.

    That name is empty where macros alone decide it (RFC 7208 sections 11.5.3 and 11.6).
    """
    terms = (term for term in record.terms if isinstance(term, Mechanism) or term.name in ("redirect", "exp"))
    return tuple((term, fixed_part(term.value)) for term in terms if {"s", "l"} & expanded_letters(term.value))
