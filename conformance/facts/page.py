"""The MTA-STS policy of a domain, as its web server gave it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from conformance.outcome import NotApplicable, Undetermined

PATH = "/.well-known/mta-sts.txt"
"""Where a policy stands (RFC 8461 section 3.3)."""


@dataclass(frozen=True, slots=True)
class Place:
    """A host that serves a policy: ``connect_to`` and ``port`` say where it is dialled, if not where DNS leads."""

    host: str
    connect_to: str = ""
    port: int = 443


class Fetched(StrEnum):
    """What came of asking. FAILED, UNRESOLVED and UNASKED say nothing of the policy."""

    ANSWERED = "answered"
    NO_ADDRESS = "no-address"
    PRIVATE = "private"
    """Its addresses are such that nobody outside can reach it; it was not dialled."""
    DISTRUSTED = "distrusted"
    """The certificate was not verified; nothing was asked."""
    FAILED = "failed"
    UNRESOLVED = "unresolved"
    SKIPPED = "skipped"
    UNASKED = "unasked"


@dataclass(frozen=True, slots=True)
class Page:
    """One answer over HTTPS. ``body`` is its octets decoded as Latin-1, cut where ``cut`` says so."""

    host: str
    state: Fetched
    status: int = 0
    media_type: str = ""
    location: str = ""
    """Where a redirection points. None is followed (RFC 8461 section 3.3)."""
    body: str = ""
    cut: bool = False
    target: str = ""
    """Address that answered."""
    error: str = ""
    at: str = ""
    """Time of the answer, ISO 8601 in UTC."""
    ms: float = 0.0

    @property
    def url(self) -> str:
        """What was asked for."""
        return f"https://{self.host}{PATH}"

    def known(self) -> Page:
        """Return this page. Raises Undetermined when it could not be asked for, and NotApplicable when it was not."""
        if self.state is Fetched.SKIPPED:
            raise NotApplicable(self.error)
        if self.state in (Fetched.FAILED, Fetched.UNRESOLVED, Fetched.UNASKED):
            raise Undetermined(f"{self.url}: {self.error}", cause=f"{self.host}: {self.error}")
        if self.state is Fetched.ANSWERED and (self.status == 429 or self.status >= 500):
            raise Undetermined(f"{self.url} answered {self.status}", cause=f"{self.host} answered {self.status}")
        return self
