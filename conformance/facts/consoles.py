"""The TXT records by which receivers' consoles know who owns a domain."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from conformance.facts.answer import Answer
from conformance.facts.store import Asker
from conformance.fleet.model import Domain
from conformance.outcome import NotApplicable, findings
from conformance.reading.excerpt import listed, quoted
from conformance.reading.orgdomain import registrable


@dataclass(frozen=True, slots=True)
class Consoles:
    """What a domain's owner was given to publish, and the TXT records at its names."""

    domain: Domain
    answers: tuple[Answer, ...]
    """At the domain and what it signs with, then at the domains above, up to those that were registered."""

    @property
    def lost(self) -> list[str]:
        """Consoles whose record is nowhere. Raises Undetermined, and NotApplicable where none is declared."""
        if not self.domain.consoles:
            raise NotApplicable(f"the inventory names no console that knows {self.domain.name} (consoles)")
        return findings(self.domain.consoles, self._lost)

    def _lost(self, console: tuple[str, str]) -> str:
        name, text = console
        if findings(self.answers, lambda answer: text in map(str.strip, answer.joined)):
            return ""
        return f"{quoted(name)} finds no {quoted(text)} at {listed(answer.name for answer in self.answers)}"


async def consoles(ask: Asker, domain: Domain) -> Consoles:
    """Look up the TXT records of the names that a console may ask for."""
    names = (domain.name, *(selector.signing_domain for selector in domain.selectors))
    asked = dict.fromkeys(one for name in dict.fromkeys(names) for one in _upward(name)) if domain.consoles else {}
    return Consoles(domain, tuple(await asyncio.gather(*(ask.dns(name, "TXT") for name in asked))))


def _upward(name: str) -> list[str]:
    """Return a name and those above it, up to the one that was registered."""
    labels, top = name.split("."), (registrable(name, private=True) or name).count(".") + 1
    return [".".join(labels[start:]) for start in range(max(1, len(labels) - top + 1))]
