"""What results tell of the SPF of each domain: its tree with the costs, the fleet's addresses, and who else passes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from conformance.facts.answer import Answer, Status
from conformance.facts.reverse import Forward
from conformance.facts.spfmatrix import Row, row
from conformance.facts.spfnumbered import Numbered
from conformance.facts.spftree import Look, Node
from conformance.facts.store import Recorded, Store, canonical
from conformance.fleet.model import Domain, Fleet
from conformance.outcome import Undetermined
from conformance.reading.numbering import ranges

MOST_EVALUATED = 2_000
"""Addresses that pyspf judges one by one for the account, over all domains."""
MOST_OTHERS = 40
"""Terms of one domain that authorise others, which are told."""
MOST_NODES = 60
"""Terms of one tree that are told."""
_LONGEST = 600
"""Characters of a record."""
_TARGETS = 4


async def accounts(store: Store, fleet: Fleet) -> dict[str, Any]:
    """Return what SPF says of the fleet, for each domain of which it was looked up; the domains in their order.

    ``addresses`` are numbered from 0; what is said of them names ranges of numbers, ``0-3 7``.
    """
    addresses = Numbered(fleet.addresses)
    left = MOST_EVALUATED
    told = []
    for domain in fleet.sending_domains:
        if (canonical(domain.mail_from), "TXT") not in store.answers:
            continue
        found = await row(Recorded(store), domain, addresses, left)
        left -= found.evaluated
        told.append(_account(found, domain, addresses))
    return {"addresses": [address.id for address in addresses.addresses], "domains": told}


def _account(found: Row, domain: Domain, addresses: Numbered) -> dict[str, Any]:
    others = sorted(found.others, key=lambda one: (-one.v4, -one.v6, one.record, one.term))
    return {
        "domain": domain.name,
        "mail_from": domain.mail_from,
        "lookups": found.root.cost,
        "lookups_known": found.root.is_whole,
        "sent_from": ranges(addresses.own(domain)),
        "cells": [
            {"result": cell.result, "term": cell.term[:_LONGEST], "path": list(cell.path), "at": at}
            for cell, at in found.cells
        ],
        "others": [
            {"record": one.record[:_LONGEST], "term": one.term[:_LONGEST], "v4": one.v4, "v6": one.v6}
            for one in others[:MOST_OTHERS]
        ],
        "more_others": len(others[MOST_OTHERS:]),
        "by_networks": list(found.by_networks),
        "tree": _node(found.root, [MOST_NODES]),
    }


def _node(node: Node, room: list[int]) -> dict[str, Any]:
    """Return a record with its terms that make receivers ask; ``room`` holds how many may still be told."""
    shown = []
    for look in node.looks:
        if room[0] <= 0:
            break
        room[0] -= 1
        shown.append(_look(look, room))
    return {
        "name": node.name,
        "text": " | ".join(node.texts)[:_LONGEST] if node.answer.status is not Status.UNDETERMINED else "",
        "absence": _absence(node),
        "looks": shown,
        "more": len(node.looks) - len(shown),
    }


def _absence(node: Node) -> str:
    try:
        return node.fault
    except Undetermined as why:
        return f"not known: {why.text}"


def _look(look: Look, room: list[int]) -> dict[str, Any]:
    return {
        "term": look.term.text[:_LONGEST],
        "cost": look.cost,
        "leads": _leads(look),
        "node": _node(look.node, room) if look.node else None,
    }


def _leads(look: Look) -> str:
    """Say what a term leads to that is no record; empty for one that is."""
    if look.node is not None:
        return ""
    if look.loop:
        return "leads back to a record above"
    if look.mx is not None:
        return _answered(look.mx, [name for _, name in look.mx.exchanges] if _is_known(look.mx) else [])
    if look.forward is not None:
        return _addresses(look.forward)
    return "depends on the message" if "%" in look.target else "not followed"


def _addresses(forward: Forward) -> str:
    texts = [text for answer in (forward.a, forward.aaaa) if _is_known(answer) for text in answer.texts]
    return _answered(forward.a, texts)


def _is_known(answer: Answer) -> bool:
    return answer.status is not Status.UNDETERMINED


def _answered(answer: Answer, texts: Sequence[str]) -> str:
    if texts:
        more = f" and {len(texts) - _TARGETS} more" if len(texts) > _TARGETS else ""
        return ", ".join(texts[:_TARGETS]) + more
    return f"nothing: {answer.describe()}" if _is_known(answer) else f"not known: {answer.describe()}"
