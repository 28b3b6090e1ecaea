"""Which exchange is whose: one that plays a scenario before a recipient is named plays it for the hosts of one opening.

Hosts are told apart by their addresses, where those are known: one exchange then plays for several of them at once.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from conformance.receiver.announcement import Busy, Unavailable
from conformance.receiver.opening import Opening
from conformance.receiver.routes import Exchange

MARGIN = 30.0
"""Seconds beyond the TTL for which hosts get no new part of an exchange: mail for the last one may still come."""


@dataclass(slots=True)
class _Use:
    """What uses an exchange, for hosts of which addresses (none named: all), and until when."""

    peers: frozenset[str]
    until: float
    opening: Opening | None = None
    """The opening that has it to itself; None for one that it is the second exchange of, and for its rest."""
    resting: bool = False

    def concerns(self, peers: Iterable[str]) -> bool:
        """Whether it is also about hosts of these addresses."""
        other = frozenset(peers)
        return not self.peers or not other or bool(self.peers & other)


@dataclass(slots=True)
class _Uses:
    """The uses of one exchange by the first label of their openings; what has ended rests."""

    rest: float
    by_label: dict[str, _Use] = field(default_factory=dict)

    def now(self, now: float) -> Iterator[_Use]:
        """Yield the uses at a time, rests included."""
        for label, use in list(self.by_label.items()):
            if not use.resting and use.until <= now:
                self.end(label, use.until)
            if use.resting and use.until <= now:
                del self.by_label[label]
            else:
                yield use

    def end(self, label: str, at: float) -> None:
        """End a use, where there is one: its hosts have nothing new of the exchange for a while."""
        use = self.by_label.get(label)
        if use is not None and not use.resting:
            use.opening, use.resting, use.until = None, True, min(use.until, at) + self.rest


class Leases:
    """The spare exchanges. Times are Unix time in seconds, ``rest`` the seconds between two openings of an exchange."""

    def __init__(self, spare: Sequence[Exchange], rest: float) -> None:
        self._spare = tuple(spare)
        self._uses = {exchange.label: _Uses(rest) for exchange in spare}

    def take(self, opening: Opening, now: float) -> None:
        """Remember what an opening holds, or held not long ago."""
        label, peers = opening.labels[0], frozenset(opening.peers)
        if opening.lease and (uses := self._uses.get(opening.first)):
            uses.by_label[label] = _Use(peers, opening.lease, opening)
            if not opening.holds(now):
                uses.end(label, opening.closed or opening.lease)
        if opening.second and not opening.closed and (uses := self._uses.get(opening.second)):
            uses.by_label[label] = _Use(peers, opening.expires)

    def give_back(self, opening: Opening, now: float) -> None:
        """Forget what an opening held."""
        for exchange in {opening.first, opening.second}:
            if uses := self._uses.get(exchange):
                uses.end(opening.labels[0], now)

    def holder(self, exchange: str, peer: str, now: float) -> Opening | None:
        """Return the opening that an exchange plays for towards a peer, if there is one."""
        uses = self._uses.get(exchange)
        playing = (use.opening for use in (uses.now(now) if uses else ()) if not use.peers or peer in use.peers)
        return next((opening for opening in playing if opening is not None and opening.holds(now)), None)

    def alone(self, peers: Sequence[str], now: float) -> Exchange:
        """Return an exchange that nothing is played at for hosts of such addresses. Raises Unavailable and Busy."""
        return self._free(self._fit(peers), peers, now, "an address of its own")

    def second(self, peers: Sequence[str], now: float) -> Exchange:
        """Return an exchange that plays no scenario of its own for them. Raises Unavailable and Busy."""
        fit = self._fit(peers)
        for exchange in fit:
            uses = [use for use in self._uses[exchange.label].now(now) if use.concerns(peers)]
            if uses and all(use.opening is None and not use.resting for use in uses):
                return exchange
        return self._free(fit, peers, now, "a second address")

    def _fit(self, peers: Sequence[str]) -> tuple[Exchange, ...]:
        """Return those that hosts of such addresses can reach."""
        families = _families(peers)
        fit = tuple(one for one in self._spare if not families or families & _families(one.addresses))
        if not fit:
            raise Unavailable("this receiver has no spare address for that")
        return fit

    def _free(self, exchanges: Sequence[Exchange], peers: Sequence[str], now: float, what: str) -> Exchange:
        """Return the one that is used least, of those that nothing is going on at for such hosts. Raises Busy."""
        uses = {one.label: list(self._uses[one.label].now(now)) for one in exchanges}
        free = [one for one in exchanges if not any(use.concerns(peers) for use in uses[one.label])]
        if not free:
            raise Busy(f"this needs {what}, and all spare addresses are in use")
        return min(free, key=lambda one: len(uses[one.label]))


def _families(addresses: Sequence[str]) -> set[int]:
    return {ipaddress.ip_address(address).version for address in addresses}
