"""The addresses of a fleet by number, so that a record tells of all of them without a look at each."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import chain

from conformance.facts.spfcompiled import VERSIONS, Compiled, judged_as
from conformance.fleet.model import Address, Domain


class Numbered:
    """Addresses in the order of a fleet, numbered from 0, found by what SPF sees of them."""

    def __init__(self, addresses: Sequence[Address]) -> None:
        self.addresses = addresses
        self._of_host: dict[str, list[int]] = {}
        self._seen: dict[int, list[tuple[int, int]]] = {version: [] for version in VERSIONS}
        for number, address in enumerate(addresses):
            self._of_host.setdefault(address.host, []).append(number)
            ip = judged_as(address.ip)
            self._seen[ip.version].append((int(ip), number))
        self._places = {version: [number for _, number in seen] for version, seen in self._seen.items()}
        for seen in self._seen.values():
            seen.sort()
        self._distinct = {version: sorted({ip for ip, _ in seen}) for version, seen in self._seen.items()}

    def own(self, domain: Domain) -> list[int]:
        """Return the numbers of the addresses that send for a domain."""
        return sorted(number for host in dict.fromkeys(domain.hosts) for number in self._of_host.get(host, ()))

    def of(self, version: int) -> Sequence[int]:
        """Return the numbers of all addresses of an IP version, in order."""
        return self._places[version]

    def within(self, version: int, first: int, last: int) -> list[int]:
        """Return the numbers of the addresses that lie between two, in no order."""
        begin, end = self._between(version, first, last)
        return [number for _, number in self._seen[version][begin:end]]

    def count(self, version: int, first: int, last: int) -> int:
        """Return how many numbers :meth:`within` would."""
        begin, end = self._between(version, first, last)
        return end - begin

    def distinct(self, version: int, first: int, last: int) -> int:
        """Return how many different addresses lie between two."""
        found = self._distinct[version]
        return bisect_right(found, last) - bisect_left(found, first)

    def own_first(self, domain: Domain) -> Iterator[int]:
        """Yield all numbers, those of addresses that send for a domain first."""
        own = self.own(domain)
        taken = frozenset(own)
        return chain(own, (number for number in range(len(self.addresses)) if number not in taken))

    def told_apart(self, domain: Domain, record: Compiled) -> Iterator[Address]:
        """Yield the addresses, own ones first, until no more can lie in another span of a record than the first."""
        found = self._distinct[record.version]
        if not found:
            return
        alike = _place(record, found[0]) == _place(record, found[-1])
        for number in self.own_first(domain):
            if judged_as(self.addresses[number].ip).version == record.version:
                yield self.addresses[number]
                if alike:
                    return

    def _between(self, version: int, first: int, last: int) -> tuple[int, int]:
        seen = self._seen[version]
        return bisect_left(seen, (first, -1)), bisect_left(seen, (last + 1, -1))


def _place(record: Compiled, ip: int) -> int:
    return bisect_right(record.starts, ip)
