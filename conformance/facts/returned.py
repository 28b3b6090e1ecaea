"""Whether what a host sends back is authenticated as its other mail is."""

from __future__ import annotations

from dataclasses import dataclass

from conformance.facts.attempts import first_course
from conformance.facts.authentication import Authentication, authenticate
from conformance.facts.delivery import Delivery
from conformance.facts.store import Asker
from conformance.facts.tried import made
from conformance.fleet.sending import Stream


@dataclass(frozen=True, slots=True)
class Returned:
    """The authentication of the first bounce; None where none was seen."""

    authentication: Authentication | None

    @property
    def failure(self) -> str:
        """Say why DMARC does not pass for the bounce; empty where it does, or none was seen. Raises as ``passes``."""
        if self.authentication is None:
            return ""
        if self.authentication.author_fault:
            return f"{self.authentication.author_fault}; DMARC has no domain to go by"
        if self.authentication.passes:
            return ""
        return f"From: {self.authentication.author}; {self.authentication.describe()}"


async def returned(ask: Asker, stream: Stream) -> Returned:
    """Authenticate the first bounce for a recipient that was refused for good. Raises as :func:`made`."""
    trial = await made(ask, stream, "refuse-rcpt")
    bounces = first_course(trial).bounces if trial.letters else ()
    for capture in trial.returns:
        for transaction in capture.transactions:
            if any(transaction is bounce for bounce in bounces):
                one = Delivery(stream.probes[0], trial, trial.letters[0], capture, transaction)
                return Returned(await authenticate(ask, one))
    return Returned(None)
