"""Facts that several runs gathered, as one: each question once, in the order that one run would have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from conformance.facts.answer import Answer, Status
from conformance.facts.keyhistory import united
from conformance.facts.snapshot import Gathering
from conformance.facts.store import Store, canonical


def joined(stores: Sequence[Store]) -> tuple[Store, list[str]]:
    """Return all observations, and what was observed differently by several.

    Of two answers to one question the first that says something stands; of two sessions the first.
    """
    whole = Store()
    differing: dict[str, None] = {}
    for store in stores:
        for name in _kinds():
            kept: dict[Any, Any] = getattr(whole, name)
            for key, seen in getattr(store, name).items():
                known = kept.setdefault(key, seen)
                if isinstance(seen, Answer) and _said(known) != _said(seen):
                    differing[seen.question] = None
                    if known.status is Status.UNDETERMINED:
                        kept[key] = seen
        whole.servers |= store.servers
        whole.authoritative |= store.authoritative
    whole.keys = united(one for store in stores for seen in store.keys.values() for one in seen)
    whole.sort()
    return whole, list(differing)


def numbers(store: Store, whole: Store) -> dict[str, str]:
    """Return by what name each answer of a store goes among all: ``dns:3`` to ``dns:12``."""
    places = {key: number for number, key in enumerate(whole.answers, 1)}
    return {
        f"dns:{number}": f"dns:{places[canonical(answer.name), answer.rdtype]}"
        for number, answer in enumerate(store.answers.values(), 1)
    }


def gathered(parts: Sequence[Gathering]) -> Gathering:
    """Return how the facts of several runs came about, as if one had gathered them."""
    return Gathering(
        gathered=min((part.gathered for part in parts if part.gathered), default=""),
        resolvers=tuple(each(part.resolvers for part in parts)),
        probe=parts[0].probe if parts else Gathering.probe,
        seconds=sum(part.seconds for part in parts),
        queries=sum(part.queries for part in parts),
        notes=each(part.notes for part in parts),
        defects=each(part.defects for part in parts),
        overlays=tuple(each(part.overlays for part in parts)),
        authoritative=any(part.authoritative for part in parts),
    )


def _kinds() -> list[str]:
    return [field.name for field in fields(Store) if isinstance(getattr(Store(), field.name), Mapping)]


def _said(answer: Answer) -> tuple[object, ...]:
    """Return what an answer says, whoever gave it and whenever."""
    return answer.status, answer.rcode, frozenset(answer.records)


def each(parts: Iterable[Iterable[str]]) -> list[str]:
    """Return what stands in several lists, each once, in the order of their first."""
    return list(dict.fromkeys(one for part in parts for one in part))
