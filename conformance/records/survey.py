"""The records of one domain: judged as they are, changed as the rules ask, and judged again until nothing changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from conformance.check import Level
from conformance.facts.answer import Status
from conformance.facts.dkim import UNUSED
from conformance.facts.gather import zone_of
from conformance.facts.plan import Wanted
from conformance.facts.store import Asker, Store, canonical
from conformance.fleet.model import Domain, Fleet
from conformance.outcome import NotApplicable, Undetermined
from conformance.reading.zonetext import Data, is_conditional
from conformance.records.bench import Bench, Task, Verdict
from conformance.records.change import Change, Key, Sets, applied, kind_of, laid, owner, published
from conformance.records.entry import Entry, State
from conformance.records.healing import changes
from conformance.records.tasks import Place, places, tasks

Gather = Callable[[Store, Sequence[Wanted]], None]
"""Asks for what a store does not hold yet; does nothing where nobody may be asked."""

_MOST_ROUNDS = 12
"""Findings of one record set that are healed one after the other."""


@dataclass(frozen=True, slots=True)
class _Question(Wanted):
    """A record set that is looked at although no rule judges it."""

    async def build(self, ask: Asker, fleet: Fleet) -> Any:
        """Ask for it."""
        return await ask.dns(*self.subject)

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from others."""
        return self.fact, " ".join(self.subject)


def _question(key: Key) -> Wanted:
    return _Question("answer", key)


@dataclass
class Survey:
    """What is known of a domain's records, what is proposed, and who asks for it."""

    domain: Domain
    bench: Bench
    gather: Gather
    store: Store
    threshold: Level
    """Findings that are milder change no record that is there."""
    tasks: tuple[Task, ...] = ()
    places: tuple[Place, ...] = ()
    sets: Sets = field(default_factory=dict)
    asking: dict[Key, list[Verdict]] = field(default_factory=dict)
    """By record set: the findings that it is changed for."""
    notes: dict[Key, list[str]] = field(default_factory=dict)
    before: list[Verdict] = field(default_factory=list)
    after: list[Verdict] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tasks = tasks(self.bench.fleet, self.domain)
        self.places = places(self.bench.fleet, self.domain)
        if self.domain.no_mail:
            self.threshold = Level.INFO

    def entries(self) -> tuple[Entry, ...]:
        """Look, judge, heal, and return every record set, those of the domain first."""
        wanted = [*self.bench.wanted(self.tasks), *(_question(place.key) for place in self.places)]
        self.gather(self.store, wanted)
        self._know_wildcard()
        self._know_owners()
        self.before = self.after = self.bench.judge(self.store, self.tasks)
        for _ in range(_MOST_ROUNDS):
            sets = self._changed()
            if sets == self.sets:
                break
            self.sets = sets
            proposed = laid(self.store, sets)
            self.gather(proposed, wanted)
            self._learn(proposed)
            self.after = self._judged_again(proposed)
        return tuple(_told(self))

    def _judged_again(self, proposed: Store) -> list[Verdict]:
        """Judge by what is proposed: all but addresses that were in order, of which there may be a thousand."""
        open_ones = {
            one.task.subject
            for one in self.after
            if one.task.kind != "address" or one.outcome not in ("pass", "not-applicable")
        }
        kept = [one for one in self.after if one.task.subject not in open_ones]
        return kept + self.bench.judge(proposed, [one for one in self.tasks if one.subject in open_ones])

    def _know_wildcard(self) -> None:
        """Take what stands at a selector that nobody has for what a wildcard says, if it was not asked itself."""
        wildcard, unused = f"*._domainkey.{self.domain.name}", f"{UNUSED}._domainkey.{self.domain.name}"
        if (answer := self.store.answers.get((unused, "TXT"))) is not None:
            self.store.answers.setdefault((wildcard, "TXT"), msgspec.structs.replace(answer, name=wildcard))

    def _know_owners(self) -> None:
        """Take what was answered by way of an alias for what stands where it leads."""
        for answer in [one for one in self.store.answers.values() if one.aliases]:
            name = canonical(answer.owner)
            self.store.answers.setdefault((name, answer.rdtype), msgspec.structs.replace(answer, name=name, aliases=()))

    def _learn(self, proposed: Store) -> None:
        """Keep what was asked for the sake of what is proposed."""
        for key, answer in proposed.answers.items():
            if key not in self.sets:
                self.store.answers.setdefault(key, answer)
        self._know_owners()

    def _changed(self) -> Sets:
        """Return the record sets with what one finding each asks for, the hardest first."""
        sets = dict(self.sets)
        touched: set[Key] = set()
        for verdict in sorted((one for one in self.after if one.broken), key=lambda one: one.weighs.rank):
            for change in changes(verdict):
                if (key := self._owner(change)) in touched or not self._acts(verdict, change, key):
                    continue
                new = applied(sets, [change], self.store)
                if new == sets:
                    continue
                sets = new
                touched.add(key)
                self.asking.setdefault(key, []).append(verdict)
                self.notes.setdefault(key, []).extend([change.note] if change.note else [])
        return sets

    def _owner(self, change: Change) -> Key:
        if change.key not in self.store.answers:
            self.gather(self.store, [_question(change.key)])
        return owner(self.store, change.key)

    def _acts(self, verdict: Verdict, change: Change, key: Key) -> bool:
        """Whether a change is made: for a finding that counts, and always where a record is missing altogether."""
        there = published(self.store, key)
        if there is None:
            return False
        if verdict.weighs.rank <= self.threshold.rank:
            return True
        return self.slot(verdict) == key and set(there) <= set(change.over(there))

    def gates(self, verdict: Verdict) -> bool:
        """Whether a finding makes a record wrong. A domain that never sends may take mail: that is its owner's wish."""
        wish = verdict.check.id == "parked.null-mx" and verdict.weighs is Level.INFO
        return verdict.weighs.rank <= self.threshold.rank and not wish

    def slot(self, verdict: Verdict) -> Key:
        """Return the record set that a finding is about."""
        return owner(self.store, _slot(verdict))

    def judged(self) -> Mapping[Key, list[Verdict]]:
        """Return what rules say of what is published, by the record set that it is about."""
        found: dict[Key, list[Verdict]] = {}
        for verdict in self.before:
            found.setdefault(self.slot(verdict), []).append(verdict)
        return found


def _slot(verdict: Verdict) -> Key:
    name, rdtype = verdict.task.slot
    try:
        if verdict.check.id == "dmarc.rua-external":
            silent = (one for one in verdict.fact("dmarc_reports").foreign if not one.consents)
            return next((one.record_name for one in silent), name), rdtype
        fact = {"dmarc": "dmarc", "parked": "parked_dmarc"}.get(verdict.check.area)
        if fact and name.startswith("_dmarc."):
            return f"_dmarc.{verdict.fact(fact).applied.domain}", rdtype
    except (Undetermined, NotApplicable):
        pass
    return name.rstrip(".").lower(), rdtype


def _told(survey: Survey) -> Iterator[Entry]:
    known: dict[Key, Place] = {}
    for place in (*survey.places, *_more(survey)):
        known.setdefault(owner(survey.store, place.key), place)
    told: dict[Key, Entry] = {}
    judged = survey.judged()
    needless = _needless(survey)
    for key in dict.fromkeys((*known, *survey.sets)):
        if key in needless:
            continue
        place = known.get(key) or Place(*key, "asked for by a rule")
        entry = _entry(survey, key, place, judged.get(key, []))
        if place.beside and (place.beside not in told or _found(survey.store, key[0], "AAAA")):
            entry = None
        elif place.beside and entry is None:
            entry = Entry(*key, place.purpose, State.MISSING, source=place.source, zone=zone_of(key[0]))
        if entry is not None and place.purpose:
            told[key] = _as_alias(survey.store, place, entry)
    yield from {(one.name, one.rdtype): one for one in told.values()}.values()


def _as_alias(store: Store, place: Place, entry: Entry) -> Entry:
    """Return what the domain publishes of what is right: the alias, where its name leads on to another's record."""
    answer = store.answers.get(place.key)
    if entry.state is not State.RIGHT or answer is None or not answer.aliases:
        return entry
    name, target = place.key[0], answer.aliases[:1]
    return replace(entry, name=name, rdtype="CNAME", now=target, wanted=target, kind="", zone=zone_of(name))


def _more(survey: Survey) -> Iterator[Place]:
    """Yield what is known only once DMARC is: where the record stands that applies, and who has to consent."""
    for verdict in survey.before:
        if verdict.check.id in ("dmarc.exists", "parked.dmarc"):
            yield Place(*_slot(verdict), "DMARC", "dmarc")
        if verdict.check.id == "dmarc.rua-external":
            try:
                for one in verdict.fact("dmarc_reports").foreign:
                    yield Place(one.record_name, "TXT", f"consent of {one.uri.host} to take reports", "dmarc")
            except (Undetermined, NotApplicable):
                continue


def _needless(survey: Survey) -> set[Key]:
    """Return the consents of destinations that no report goes to any more, as it is proposed."""
    named = [_consents(verdicts) for verdicts in (survey.before, survey.after)]
    return {owner(survey.store, key) for key in named[0] - named[1]}


def _consents(verdicts: Sequence[Verdict]) -> set[Key]:
    found: set[Key] = set()
    for verdict in verdicts:
        if verdict.check.id == "dmarc.rua-external":
            try:
                found |= {(canonical(one.record_name), "TXT") for one in verdict.fact("dmarc_reports").foreign}
            except (Undetermined, NotApplicable):
                continue
    return found


def _found(store: Store, name: str, rdtype: str) -> bool:
    answer = store.answers.get((name, rdtype))
    return answer is not None and answer.status is Status.FOUND


def _entry(survey: Survey, key: Key, place: Place, own: Sequence[Verdict]) -> Entry | None:
    there = published(survey.store, key)
    if there is None and (answer := survey.store.answers.get(place.key)) is not None:
        return _entry_unknown(key, place, f"{answer.question}: {answer.error or answer.rcode}")
    if there is None:
        return _entry_unknown(key, place, "nobody was asked")
    ours = tuple(one for one in there if not place.kind or kind_of(one) == place.kind)
    asking = survey.asking.get(key, [])
    elsewhere = [one for verdicts in survey.asking.values() for one in verdicts if one not in asking]
    findings = _strictest([*asking, *(one for one in own if one.broken and not _same(one, elsewhere))])
    counts = [one for one in findings if survey.gates(one) or not ours]
    blind = [one for one in own if one.outcome == "undetermined" and one.level.rank <= survey.threshold.rank]

    def entry(state: State, wanted: tuple[Data, ...] | None, source: str = "", cause: str = "") -> Entry:
        results = tuple(one.result for one in findings)
        notes = tuple(dict.fromkeys(survey.notes.get(key, ())))
        zone = zone_of(key[0])
        return Entry(*key, place.purpose, state, there, wanted, results, source, notes, cause, zone, place.kind)

    broken = State.WRONG if ours else State.MISSING
    if key in survey.sets:
        return entry(broken, survey.sets[key])
    if counts:
        return entry(broken, None, "" if is_conditional(counts[0].result["fix"]) else place.source)
    if blind:
        return entry(State.UNKNOWN, None, cause=blind[0].result["seen"])
    return entry(State.RIGHT, there) if ours else None


def _entry_unknown(key: Key, place: Place, cause: str) -> Entry:
    return Entry(*key, place.purpose, State.UNKNOWN, cause=cause, zone=zone_of(key[0]), kind=place.kind)


def _same(one: Verdict, others: Sequence[Verdict]) -> bool:
    return any(one.check is other.check and one.task is other.task for other in others)


def _strictest(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Return findings once each, the hardest first."""
    once: dict[tuple[str, str], Verdict] = {}
    for one in verdicts:
        once.setdefault((one.check.id, one.result["subject"]), one)
    return sorted(once.values(), key=lambda one: one.weighs.rank)
