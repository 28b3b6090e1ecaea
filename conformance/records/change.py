"""Changes of record sets, and what DNS would answer with them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from msgspec.structs import replace

from conformance.facts.answer import Answer, Status
from conformance.facts.store import Store, canonical
from conformance.reading import dmarc, fields, mtasts, spf, tlsrpt
from conformance.reading.zonetext import Data, is_conditional, named_in

Key = tuple[str, str]
"""Name, as answers have it, and type."""
Sets = Mapping[Key, tuple[Data, ...]]


@dataclass(frozen=True)
class Change:
    """Records that come to a name. ``among`` says which of those that stand there go.

    ``all``: every one; ``none``: none; ``alike``: of TXT records those that are of the same kind, or were meant so.
    """

    name: str
    rdtype: str
    data: tuple[Data, ...]
    among: str = "alike"
    note: str = ""
    """What its reader has to know."""

    @property
    def key(self) -> Key:
        """The record set that is changed."""
        return canonical(self.name), self.rdtype

    def over(self, there: tuple[Data, ...]) -> tuple[Data, ...]:
        """Return the record set that comes of one that is there: what stays keeps its place before what comes."""
        if self.among == "all":
            return self.data
        kept = there if self.among == "none" else tuple(one for one in there if not self._replaces(one))
        return (*kept, *(one for one in self.data if one not in kept))

    def _replaces(self, one: Data) -> bool:
        if self.rdtype in ("A", "AAAA"):
            return False
        if self.rdtype != "TXT" or "_domainkey" in self.name.split("."):
            return True
        return kind_of(one) in {kind_of(new) for new in self.data}


def printed(remedy: str) -> Iterator[Change]:
    """Yield what a remedy says to publish: no record with a blank, none that is to be published on a condition only."""
    if not is_conditional(remedy):
        for one in named_in(remedy):
            if one.data is not None:
                yield Change(one.name, one.rdtype, (one.data,), among="all" if one.rdtype in ("MX", "PTR") else "alike")


def kind_of(data: Data) -> str:
    """Return what a TXT record is, or was meant to be: ``spf``, ``dmarc``, ``STSv1``, ``TLSRPTv1``, else itself."""
    text = "".join(map(str, data)) if isinstance(data, tuple) else data
    if spf.is_spf(text) or spf.near_miss(text):
        return "spf"
    if dmarc.is_dmarc(text) or dmarc.near_miss(text):
        return "dmarc"
    versions = (mtasts.VERSION, tlsrpt.VERSION)
    return next((v for v in versions if fields.is_record(text, v) or fields.near_miss(text, v)), text)


def owner(store: Store, key: Key) -> Key:
    """Return where a record set stands: its name, or what an alias there leads to."""
    answer = store.answers.get(key)
    return (canonical(answer.owner), key[1]) if answer else key


def laid(store: Store, sets: Sets) -> Store:
    """Return what would be observed if some record sets were published."""
    patch = _Patch(sets)
    answers = {key: patch.answer(answer) for key, answer in store.answers.items()}
    for (name, rdtype), data in sets.items():
        answers.setdefault((name, rdtype), _published(Answer(name, rdtype, Status.ABSENT, "NOERROR"), data))
    return dataclasses.replace(store, answers=answers)


class _Patch:
    """Record sets over answers: a name exists when something stands at it or below it."""

    def __init__(self, sets: Sets) -> None:
        self._sets = sets
        owners = {name for (name, _), data in sets.items() if data}
        self._names = {above for name in owners for above in _upward(name)}

    def answer(self, answer: Answer) -> Answer:
        """Return an answer as it will be."""
        name = canonical(answer.owner)
        if (data := self._sets.get((name, answer.rdtype))) is not None:
            return _published(answer, data)
        if answer.rcode != "NXDOMAIN":
            return answer
        wildcard = next((f"*.{above}" for above in list(_upward(name))[1:] if f"*.{above}" in self._names), None)
        if wildcard and (data := self._sets.get((wildcard, answer.rdtype))):
            return _published(answer, data)
        return replace(answer, rcode="NOERROR") if wildcard or name in self._names else answer


def _upward(name: str) -> Iterator[str]:
    """Yield a name and all above it."""
    labels = name.split(".")
    yield from (".".join(labels[start:]) for start in range(len(labels)))


def _published(answer: Answer, data: tuple[Data, ...]) -> Answer:
    status = Status.FOUND if data else Status.ABSENT
    return replace(answer, status=status, rcode="NOERROR", records=data, layer="proposed", error="", cause="")


def applied(sets: Sets, changes: Iterable[Change], store: Store) -> dict[Key, tuple[Data, ...]]:
    """Return record sets with changes made, each set once: of several changes of one the first counts."""
    made: dict[Key, tuple[Data, ...]] = {}
    for one in changes:
        key = owner(store, one.key)
        if key in made:
            continue
        there = sets.get(key, published(store, key))
        if there is not None and (new := one.over(there)) != there:
            made[key] = new
    return {**sets, **made}


def published(store: Store, key: Key) -> tuple[Data, ...] | None:
    """Return the records of a set as they are live; None where nobody could look."""
    answer = store.answers.get(key)
    if answer is None or answer.status is Status.UNDETERMINED:
        return None
    return answer.records
