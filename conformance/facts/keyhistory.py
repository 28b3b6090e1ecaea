"""Which DKIM keys earlier runs saw at which selectors: fingerprints and times, carried from run to run.

A run takes over what the one before it knew, and adds what that one saw. What was proposed is never added.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from conformance.facts.answer import Answer, Status
from conformance.facts.trial import parse_time
from conformance.reading.dkim import DkimSyntaxError, parse_key, spki

if TYPE_CHECKING:
    from conformance.facts.snapshot import Snapshot

NODE = "._domainkey."
MOST_KEYS = 8
"""Keys of one selector that are remembered: the last ones."""
MOST_SELECTORS = 20_000
"""Selectors that are remembered: those seen last."""
MOST_DAYS = 800
"""Days after which a key is forgotten that was not seen again."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A key at a selector: the SHA-256 of its SubjectPublicKeyInfo in hex, when it was seen first and last.

    ``name`` is where it stands, as a question has it; times are ISO 8601 in UTC.
    """

    name: str
    spki: str
    first: str
    last: str


Sightings = Mapping[str, tuple[Sighting, ...]]
"""What was seen by name, in the order in which it was seen first."""


def fingerprint(answer: Answer) -> str:
    """Return that of the only key that an answer holds; empty where there is none, or no single one."""
    if answer.status is not Status.FOUND or len(texts := answer.joined) != 1:
        return ""
    try:
        public = spki(parse_key(texts[0]))
    except DkimSyntaxError:
        return ""
    return hashlib.sha256(public).hexdigest() if public else ""


def known_after(snapshot: Snapshot) -> Sightings:
    """Return what is known of keys once a run is over: what it knew, and unless DNS was proposed what it saw."""
    seen: Iterable[Answer] = () if snapshot.overlays or not snapshot.gathered else snapshot.answers
    now = snapshot.gathered
    keys = (
        Sighting(answer.name, found, now, now)
        for answer in seen
        if answer.rdtype == "TXT" and NODE in answer.name and (found := fingerprint(answer))
    )
    return united((*snapshot.keys, *keys))


def united(sightings: Iterable[Sighting]) -> Sightings:
    """Return sightings by name, those of one key as one, without what is too old or too much."""
    keys: dict[tuple[str, str], Sighting] = {}
    for one in sightings:
        known = keys.setdefault((one.name, one.spki), one)
        keys[one.name, one.spki] = replace(known, first=min(known.first, one.first), last=max(known.last, one.last))
    oldest = _days_before(max((one.last for one in keys.values()), default=""))
    found: dict[str, list[Sighting]] = {}
    for one in sorted(keys.values(), key=lambda one: (one.first, one.last)):
        if one.last >= oldest:
            found.setdefault(one.name, []).append(one)
    kept = sorted(found, key=lambda name: found[name][-1].last, reverse=True)[:MOST_SELECTORS]
    return {name: tuple(found[name][-MOST_KEYS:]) for name in sorted(kept)}


def _days_before(moment: str) -> str:
    try:
        return (parse_time(moment) - datetime.timedelta(days=MOST_DAYS)).isoformat(timespec="seconds")
    except (ValueError, OverflowError):
        return ""


@dataclass(frozen=True, slots=True)
class KeyHistory:
    """The keys that earlier runs saw at one selector, beside the one that stands there ``now``.

    ``begins`` is when the first key of the signing domain was seen, empty where none ever was.
    """

    name: str
    current: str
    now: str
    seen: tuple[Sighting, ...] = ()
    begins: str = ""

    @property
    def others(self) -> tuple[Sighting, ...]:
        """Other keys that stood here."""
        return tuple(one for one in self.seen if one.spki != self.current)

    @property
    def since(self) -> str:
        """When the current key was seen first; empty where no earlier run saw it."""
        return next((one.first for one in self.seen if one.spki == self.current), "")

    @property
    def days(self) -> int:
        """For how many whole days, at least, the current key has been there."""
        return max(0, (parse_time(self.now) - parse_time(self.since)).days) if self.since else 0

    @property
    def is_whole(self) -> bool:
        """Whether the current key is known to be younger than the history of its domain, so that its age is known."""
        return bool(self.begins) and (self.since or self.now) > self.begins


def beginnings(sightings: Sightings) -> dict[str, str]:
    """Return when the first key of each signing domain was seen."""
    found: dict[str, str] = {}
    for name, seen in sightings.items():
        domain = name.partition(NODE)[2]
        first = min(one.first for one in seen)
        found[domain] = min(first, found.get(domain, first))
    return found


def history_of(sightings: Sightings, begun: Mapping[str, str], answer: Answer, now: str) -> KeyHistory:
    """Return what is known of the selector that an answer was asked for; ``begun`` as :func:`beginnings` has it."""
    begins = begun.get(answer.name.partition(NODE)[2], "")
    return KeyHistory(answer.name, fingerprint(answer), now, sightings.get(answer.name, ()), begins)
