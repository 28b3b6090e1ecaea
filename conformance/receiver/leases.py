"""Which exchange is whose: one that plays a scenario before a recipient is named plays it for one opening alone."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence

from conformance.receiver.announcement import Busy, Unavailable
from conformance.receiver.opening import Opening
from conformance.receiver.routes import Exchange

MARGIN = 30.0
"""Seconds beyond the TTL for which an exchange that was given back rests: mail for its last opening may still come."""


class Leases:
    """The spare exchanges. Times are Unix time in seconds, ``rest`` the seconds between two openings of an exchange."""

    def __init__(self, spare: Sequence[Exchange], rest: float) -> None:
        self._spare = tuple(spare)
        self._rest = rest
        self._alone: dict[str, Opening] = {}
        """Openings by the exchange that is theirs alone."""
        self._shared: dict[str, dict[str, float]] = {}
        """Ends of openings by the exchange that they use as their second, and by label."""
        self._resting: dict[str, float] = {}

    def take(self, opening: Opening, now: float) -> None:
        """Remember what an opening holds."""
        if opening.lease and opening.holds(now):
            self._alone[opening.first] = opening
        elif opening.lease:
            self._rests(opening.first, min(opening.lease, opening.closed or opening.lease))
        if opening.second and not opening.closed:
            self._shared.setdefault(opening.second, {})[opening.labels[0]] = opening.expires

    def give_back(self, opening: Opening, now: float) -> None:
        """Forget what an opening held."""
        if (held := self._alone.get(opening.first)) and held.labels == opening.labels:
            del self._alone[opening.first]
            self._rests(opening.first, now)
        if self._shared.get(opening.second, {}).pop(opening.labels[0], None):
            self._rests(opening.second, now)

    def holder(self, exchange: str, now: float) -> Opening | None:
        """Return the opening that an exchange plays for alone, if there is one."""
        opening = self._alone.get(exchange)
        if opening is not None and not opening.holds(now):
            self.give_back(opening, min(now, opening.lease))
            return None
        return opening

    def alone(self, peers: Sequence[str], now: float) -> Exchange:
        """Return an exchange that nobody uses, for hosts of such addresses. Raises Unavailable and Busy."""
        fit = self._fit(peers)
        return self._free(fit, now, "an address of its own")

    def second(self, peers: Sequence[str], now: float) -> Exchange:
        """Return an exchange that plays no scenario of its own. Raises Unavailable and Busy."""
        fit = self._fit(peers)
        for exchange in fit:
            if any(end > now for end in self._shared.get(exchange.label, {}).values()):
                return exchange
        return self._free(fit, now, "a second address")

    def _fit(self, peers: Sequence[str]) -> tuple[Exchange, ...]:
        """Return those that hosts of such addresses can reach."""
        families = _families(peers)
        fit = tuple(one for one in self._spare if not families or families & _families(one.addresses))
        if not fit:
            raise Unavailable("this receiver has no spare address for that")
        return fit

    def _free(self, exchanges: Iterable[Exchange], now: float, what: str) -> Exchange:
        for exchange in exchanges:
            label = exchange.label
            used = self._shared.get(label, {})
            for name, end in list(used.items()):
                if end <= now:
                    del used[name]
                    self._rests(label, end)
            if not used and self.holder(label, now) is None and self._resting.get(label, 0.0) <= now:
                return exchange
        raise Busy(f"this needs {what}, and all spare addresses are in use")

    def _rests(self, exchange: str, since: float) -> None:
        self._resting[exchange] = max(self._resting.get(exchange, 0.0), since + self._rest)


def _families(addresses: Sequence[str]) -> set[int]:
    return {ipaddress.ip_address(address).version for address in addresses}
