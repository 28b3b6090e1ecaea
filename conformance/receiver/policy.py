"""What the SMTP engine asks of those who know tokens, names and storage: which behaviour, how often, keep this."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from conformance.receiver.capture import Capture


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token asks for: the name of a scenario, and its place in it."""

    token: str
    scenario: str = "accept"
    n: int = 1
    """How often a scenario that fails at first does so for this token (``greylist-3`` says so in its name)."""
    place: int = 1
    """Place among the tokens that were opened together, from 1: ``rcpt-mixed`` answers by it."""


class Policy(Protocol):
    """Tokens, names and storage, as the engine sees them.

    All but :meth:`keep` are called in the engine's event loop for commands of clients, so they must be quick. What they
    raise ends the command with a reply of class 4 and never the engine.
    """

    def exchange(self, local: str) -> str:
        """Return the MX host name that a local address stands for: it greets with it. Empty: the server's own name."""
        ...

    def at_connect(self, local: str, peer: str) -> Grant | None:
        """Return the grant whose scenario this local address plays before any recipient is named, if there is one."""
        ...

    def at_recipient(self, address: str, local: str) -> Grant | None:
        """Return the grant of a recipient; None for one that is not ours, or whose token has expired.

        ``address`` is a mailbox in the syntax of RFC 5321 section 4.1.2 without brackets and source route, as written.
        """
        ...

    def tally(self, token: str, what: str) -> int:
        """Count that something happened to a token, and return how often it has, this time counted. Durable."""
        ...

    async def keep(self, capture: Capture) -> None:
        """Keep a session; it is durable when this returns. One of the same id replaces the one that is kept.

        Called before the end of a message is answered 250, and when a session ends. What it raises makes that answer
        451, so that the client keeps the message.
        """
        ...
