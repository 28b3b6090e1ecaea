"""What a rule says of facts that were built over records written down here."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from conformance.check import Level, NotApplicable, Seen, Undetermined
from conformance.facts.answer import Answer, Record, Status
from conformance.facts.session import Session
from conformance.facts.store import canonical
from conformance.fleet.model import Address, Domain, Listener, Selector

Zone = Mapping[str, Sequence[Any] | str | None]
"""By ``name TYPE``: records, or an alias as text ``-> target``; None for a name whose servers fail."""

PASS, NOT_APPLICABLE, UNDETERMINED, FINDING = "pass", "not applicable", "undetermined", "finding"


@dataclass
class Records:
    """An asker over a zone: what is not there is absent, NODATA when something else stands at or below the name."""

    zone: Zone
    sessions: Mapping[str, Session] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    signed: Sequence[str] = ()
    """Names at and below which answers are validated."""

    async def dns(self, name: str, rdtype: str) -> Answer:
        answer = self._answer(canonical(name), rdtype)
        names = (answer.name, *answer.aliases)
        signed = all(any(f".{one}".endswith(f".{above}") for above in self.signed) for one in names)
        return msgspec.structs.replace(answer, authenticated=signed and answer.status is not Status.UNDETERMINED)

    def _answer(self, name: str, rdtype: str) -> Answer:
        self.asked.append(f"{name} {rdtype}")
        found = self.zone.get(f"{name} {rdtype}", ())
        if found is None:
            return Answer(name, rdtype, Status.UNDETERMINED, "SERVFAIL", error="SERVFAIL", cause=f"{name} fails")
        if isinstance(found, str):
            target = found.removeprefix("-> ")
            answer = self._answer(canonical(target), rdtype)
            return Answer(name, rdtype, answer.status, answer.rcode, answer.records, (target, *answer.aliases))
        if found:
            records = tuple(_record(one, rdtype) for one in found)
            return Answer(name, rdtype, Status.FOUND, "NOERROR", records, zone=name if rdtype == "SOA" else "")
        owners = [canonical(key.split(" ")[0]) for key, value in self.zone.items() if value != []]
        there = any(owner == name or owner.endswith(f".{name}") for owner in owners)
        return Answer(name, rdtype, Status.ABSENT, "NOERROR" if there else "NXDOMAIN")

    async def unchecked(self, name: str, rdtype: str) -> Answer:
        return await self.dns(name, f"{rdtype} +cdflag")

    async def direct(self, server: str, name: str, rdtype: str, *, tcp: bool = False) -> Answer:
        return await self.dns(name, f"{rdtype} @{server}{' +tcp' if tcp else ''}")

    @property
    def authoritative(self) -> bool:
        return False

    async def smtp(self, listener: Listener) -> Session:
        return self.sessions[listener.id]

    def alive(self, server: str) -> bool:
        return True


def _record(written: Any, rdtype: str) -> Record:
    return (written,) if rdtype == "TXT" and isinstance(written, str) else written


@dataclass(frozen=True)
class Verdict:
    """What a rule said; ``fix`` is None where the rule's own remedy holds."""

    said: str
    text: str = ""
    fix: str | None = None
    at_most: Level | None = None


def built(builder: Callable[..., Any], zone: Zone, subject: Any, **more: Any) -> Any:
    """Build a fact of a subject over a zone."""
    return asyncio.run(builder(Records(zone, **more), subject))


def verdict(rule: Callable[..., None], *facts: Any) -> Verdict:
    """Call a rule as pytest would. A fact may be a function, which then is called first."""
    try:
        rule(*(fact() if callable(fact) else fact for fact in facts))
    except AssertionError as finding:
        seen = finding.args[0]
        assert isinstance(seen, Seen), f"{rule.__name__} does not say what was seen"
        assert seen.strip(), f"{rule.__name__} says nothing"
        return Verdict(FINDING, str(seen), seen.fix, seen.at_most)
    except NotApplicable as reason:
        return Verdict(NOT_APPLICABLE, reason.reason)
    except Undetermined as cause:
        return Verdict(UNDETERMINED, cause.text)
    return Verdict(PASS)


def address(ip: str, helo: str = "mx1.example.com") -> Address:
    """Return a source address of the host mx1."""
    return Address("mx1", ipaddress.ip_address(ip), helo)


def domain(name: str = "example.com", **wishes: Any) -> Domain:
    """Return a declared domain."""
    return Domain(name, **wishes)


def selector(state: str = "signing", **wishes: Any) -> Selector:
    """Return the selector s1 of example.com."""
    return Selector("example.com", "s1", "example.com", state, **wishes)
