"""An opening: addresses that were handed out together, with what is played for mail to them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from conformance.receiver.routes import ROUTES, Mx, Route


@dataclass(frozen=True, slots=True)
class Opening:
    """Tokens of one scenario and one route. Times are Unix time in seconds."""

    labels: tuple[str, ...]
    """Labels of its domains, below the probe domain; tokens stand in them by turns, unless the route has a policy."""
    tokens: tuple[str, ...]
    owner: str
    """Name of the client that asked for it, and alone may collect."""
    scenario: str
    route: str
    opened: float
    expires: float
    first: str = ""
    """Label of the exchange that plays the scenario."""
    second: str = ""
    """Label of the other exchange, where the route has one."""
    lease: float = 0.0
    """Until when ``first`` plays this scenario alone; 0: it does not."""
    peers: tuple[str, ...] = ()
    run: str = ""
    moved: bool = False
    closed: float = 0.0
    """When it was given back; 0: it was not."""

    @property
    def way(self) -> Route:
        """The route."""
        return ROUTES[self.route]

    @property
    def mx(self) -> Mx:
        """Preferences and targets of its MX records as they are now."""
        return self.way.moved if self.moved else self.way.mx

    def addresses(self, domain: str) -> Iterator[tuple[str, str]]:
        """Yield every token with its address."""
        for number, token in enumerate(self.tokens):
            yield token, f"{token}@{self.way.policy or self.labels[number % len(self.labels)]}.{domain}"

    def holds(self, now: float) -> bool:
        """Whether the first exchange is its own at a time."""
        return now < self.lease and not self.closed

    def place(self, token: str) -> int:
        """Return the place of a token among those opened together, from 1."""
        return self.tokens.index(token) + 1
