"""Whether DNSSEC protects a name, and whether it stands in the way (RFC 4035)."""

from __future__ import annotations

from dataclasses import dataclass

from conformance.facts.answer import Answer, Status
from conformance.facts.store import Asker
from conformance.facts.validation import BOGUS
from conformance.facts.zone import zone_place
from conformance.fleet.model import Address, Domain
from conformance.outcome import Undetermined


@dataclass(frozen=True, slots=True)
class Validity:
    """One answer with what is needed to judge its validation: the same unvalidated, DS records, an answer of the root.

    What is None was not needed.
    """

    answer: Answer
    unchecked: Answer | None
    ds: Answer | None
    root: Answer | None

    @property
    def bogus(self) -> bool:
        """Whether a resolver withholds what it would answer without validation, or its answer is not what was signed.

        SERVFAIL alone has many causes; only the answer to the same question with CD tells (RFC 4035 section 3.2.2).
        Raises Undetermined.
        """
        if self.answer.rcode == BOGUS:
            return True
        if self.answer.rcode == "SERVFAIL" and self.unchecked and self.unchecked.status is not Status.UNDETERMINED:
            return True
        self.answer.known()
        return False

    @property
    def signed(self) -> bool:
        """Whether the name is protected: validated, or delegated with a DS record. Raises Undetermined."""
        if self.answer.authenticated:
            return True
        if self.ds is None:
            raise Undetermined(f"the zone of {self.answer.name} is not known")
        if not self.ds.found:
            return False
        if self.answer.layer != "live":
            text = f"{self.ds.question} is there, and what is proposed is signed only where it is live"
            raise Undetermined(text)
        if self.root is None or not self.root.authenticated:
            who = self.answer.server or "the resolver"
            text = f"{self.ds.question} is there, but {who} does not validate: its answers lack AD"
            raise Undetermined(text, cause=f"{who} does not validate")
        return False

    def describe_bogus(self) -> str:
        """Return what was seen of what is bogus."""
        if self.answer.rcode == BOGUS:
            return f"{self.answer.question}: {self.answer.error}"
        return f"{self.answer.question}: {self.answer.rcode}, and an answer without validation (CD): bogus"

    def describe(self) -> str:
        """Return what was seen of a zone that is not protected."""
        if self.ds is not None and self.ds.status is Status.FOUND:
            return f"{self.ds.question} is there, but the resolver validates nothing by it"
        return f"{self.ds.question}: {self.ds.describe()}" if self.ds else f"{self.answer.question}: not validated"


async def domain_validity(ask: Asker, domain: Domain) -> Validity:
    """See whether the zone of a domain validates."""
    return await zone_validity(ask, domain.name)


async def zone_validity(ask: Asker, name: str) -> Validity:
    """See whether a zone validates, by the name of its apex."""
    return await validity(ask, name, "SOA")


async def reverse_validity(ask: Asker, address: Address) -> Validity:
    """See whether the PTR records of an address validate."""
    return await validity(ask, address.reverse_name, "PTR")


async def validity(ask: Asker, name: str, rdtype: str) -> Validity:
    """See whether the records of a type at a name validate."""
    answer = await ask.dns(name, rdtype)
    unchecked = await ask.unchecked(name, rdtype) if answer.rcode == "SERVFAIL" else None
    if answer.authenticated or answer.status is Status.UNDETERMINED:
        return Validity(answer, unchecked, None, None)
    place = await zone_place(ask, answer.owner)
    ds = await ask.dns(place.apex, "DS") if place.apex else None
    root = await ask.dns(".", "SOA") if ds and ds.status is Status.FOUND else None
    return Validity(answer, None, ds, root)
