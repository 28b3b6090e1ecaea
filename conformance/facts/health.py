"""Whether the name servers of a run were fit to be believed."""

from __future__ import annotations

from collections import Counter

from conformance.facts.answer import Status
from conformance.facts.breaker import likely_zone
from conformance.facts.store import Store

SHARE = 0.2
"""Part of its questions that a resolver may leave without an answer: single zones fail every night."""
LEAST = 50
"""Questions below which a share says nothing."""
FEW = 3
"""Zones of which none was answered: that many do not fail at once."""


def failing(store: Store) -> str:
    """Return which resolver failed on more than a fifth of its questions, or on all of a few; nothing of fit ones.

    A run that leaned on such a one says nothing of the fleet: neither that something is broken, nor that it is fixed.
    """
    asked: Counter[str] = Counter()
    open_: Counter[str] = Counter()
    zones: dict[str, set[str]] = {}
    for answer in store.answers.values():
        if answer.layer != "live" or "@" in answer.rdtype:
            # What proposed DNS or an authoritative server leaves open is no fault of a resolver.
            continue
        asked[answer.server] += 1
        open_[answer.server] += answer.status is Status.UNDETERMINED
        zones.setdefault(answer.server, set()).add(likely_zone(answer.name))
    for server, number in asked.items():
        dead = open_[server] == number and len(zones[server]) >= FEW
        if dead or (number >= LEAST and open_[server] > SHARE * number):
            who = server or "the resolver"
            return f"{who} left {open_[server]:,} of {number:,} questions without an answer"
    return ""
