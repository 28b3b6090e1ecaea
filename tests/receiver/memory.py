"""A policy in memory, for a receiver that lives no longer than the process."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conformance.receiver.capture import Capture
    from conformance.receiver.policy import Grant


class MemoryPolicy:
    """Grants by recipient and by local address; captures by id, in the order in which they were first kept."""

    def __init__(self, domain: str) -> None:
        self.domain = domain.lower()
        self.grants: dict[str, Grant] = {}
        """By token, in lower case: the local part of a recipient in the domain or below it."""
        self.bound: dict[str, Grant] = {}
        """By local address: what is played there before a recipient is named."""
        self.exchanges: dict[str, str] = {}
        """MX host names by local address."""
        self.captures: dict[str, Capture] = {}
        self.tallies: Counter[tuple[str, str]] = Counter()

    def grant(self, grant: Grant) -> str:
        """Take a grant in, and return an address of its token."""
        self.grants[grant.token.lower()] = grant
        return f"{grant.token}@{self.domain}"

    def exchange(self, local: str) -> str:
        """Return the MX host name that a local address stands for."""
        return self.exchanges.get(local, "")

    def at_connect(self, local: str, peer: str) -> Grant | None:
        """Return the grant that a local address is bound to."""
        return self.bound.get(local)

    def at_recipient(self, address: str, local: str) -> Grant | None:
        """Return the grant whose token is the local part of an address in the domain or below it."""
        part, _, domain = address.lower().rpartition("@")
        ours = domain == self.domain or domain.endswith(f".{self.domain}")
        return self.grants.get(part) if ours else None

    def tally(self, token: str, what: str) -> int:
        """Count, and return how often it was."""
        self.tallies[token, what] += 1
        return self.tallies[token, what]

    async def keep(self, capture: Capture) -> None:
        """Keep a session."""
        self.captures[capture.id] = capture
