"""The register of waivers in ``results.json``: what each is for, what came of it, and which of them nobody needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from conformance.reading.waivers import Waiver

Entry = dict[str, Any]


def entry(waiver: Waiver, state: str, size: int, limited: bool) -> Entry:
    """Return a waiver as results tell it. ``size`` is how much it covers, in results; ``limited`` that more may be."""
    return {
        "id": waiver.id,
        "state": state,
        "rules": list(waiver.rules),
        "reason": waiver.reason,
        "owner": waiver.owner,
        "ticket": waiver.ticket,
        "approved_by": waiver.approved_by,
        "issued": waiver.issued.isoformat() if waiver.issued else "",
        "expires": waiver.expires.isoformat(),
        "declared_at": f"{waiver.path}:{waiver.line}" if waiver.line else waiver.path,
        "covers": size,
        "limited": limited,
    }


def settled(own: Entry, outcomes: Mapping[str, int]) -> Entry:
    """Return an entry with what came of all that the waiver covers, and whether it is stale.

    A waiver is stale when all of that was looked at and nothing of it is broken, at least one thing passed, and it
    still holds. What was not reached, or could not be determined, might need it.
    """
    looked_at = outcomes.get("pass", 0) + outcomes.get("not-applicable", 0)
    stale = own["state"] != "expired" and outcomes.get("pass", 0) > 0 and looked_at == own["covers"]
    return own | {"outcomes": dict(sorted(outcomes.items())), "stale": stale and not own["limited"]}


def united(registers: Iterable[Iterable[Entry]]) -> list[Entry]:
    """Return the registers of shards of one fleet as that of one run."""
    found: dict[str, Entry] = {}
    for register in registers:
        for one in register:
            known = found.setdefault(one["id"], one | {"outcomes": {}})
            for outcome, number in one["outcomes"].items():
                known["outcomes"][outcome] = known["outcomes"].get(outcome, 0) + number
    return [settled(one, one["outcomes"]) for one in found.values()]


def stale(register: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the waivers that nobody needs."""
    return [one for one in register if one["stale"]]
