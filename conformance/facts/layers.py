"""Proposed DNS before live DNS: whole zones, and record sets that replace or take away what is live.

A whole zone says all there is below its origin, up to the next delegation. What a patch does to the names around its
record sets follows from what is live there; where that cannot be seen from outside, the answer is undetermined.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

import dns.name
from dns.name import Name
from dns.rdatatype import RdataType
from msgspec.structs import replace

from conformance.facts.answer import Answer, Record, Status
from conformance.facts.reply import Step, now, record_of
from conformance.facts.wire import Question, parse_name, show_name
from conformance.reading.zone import Kind, Look, RecordSet, Zone, ancestors, target_of, wildcard_of

LAYER = "overlay"

Ask = Callable[[Question], Awaitable[Step]]
"""Puts one question to live DNS."""

_SHORTEST = 3
"""Labels, the root's included, of names that do not vanish with what stands below them: ``example.com``."""
_WILDCARD = "whether a wildcard speaks or will speak for {} cannot be seen: give the whole zone"
_STALE = "{2} of the {1} records that are to go from {0} cannot be seen there now: plan anew, from what is live"
_COMMON = (RdataType.A, RdataType.AAAA, RdataType.MX, RdataType.TXT, RdataType.NS, RdataType.PTR, RdataType.SRV)
"""Types by which is seen whether a name still exists without one of its record sets."""


class Patch:
    """Record sets that differ from live DNS; ``gone`` are names of which everything is taken away."""

    def __init__(self, sets: Mapping[tuple[Name, RdataType], RecordSet], gone: Mapping[Name, str]) -> None:
        self.sets = sets
        self.gone = gone
        self.owners = frozenset(name for (name, _), one in sets.items() if one.rdatas or one.unknown)
        """Names at which something will stand."""
        self.touched = frozenset([*(name for name, _ in sets), *gone])
        self.parents = frozenset(above for name in self.owners for above in ancestors(name))
        """Names that exist because something will stand below them."""
        self.made = frozenset(one for one in self.owners | self.parents if len(one) > _SHORTEST)
        """Those of them that may not exist now."""
        emptied = {*gone, *(name for (name, _), one in sets.items() if not one.rdatas and not one.unknown)}
        around = {above for name in emptied for above in (name, *ancestors(name)) if len(above) > _SHORTEST}
        self.bereft = around - self.owners - self.parents
        """Names that may exist no longer because of what is taken away at or below them."""

    def takes_away(self, name: Name, rdtype: RdataType) -> str:
        """Return where it is said that a record set will not be there; empty when it may be."""
        if one := self.sets.get((name, rdtype)):
            return one.place if one.deleted else ""
        return self.gone.get(name, "")

    def held(self, name: Name, rdtype: RdataType) -> RecordSet | None:
        """Return what will stand at a name for a question: the set, or the CNAME record that leads elsewhere."""
        for wanted in (rdtype, RdataType.CNAME):
            if (one := self.sets.get((name, wanted))) and not one.deleted and one.removed is None:
                return one
        return None

    def change(self, name: Name, rdtype: RdataType) -> RecordSet | None:
        """Return what changes single records of a live set."""
        one = self.sets.get((name, rdtype))
        return one if one and one.removed is not None else None

    def place(self, name: Name) -> str:
        """Return where something is said of a name, or of one below it."""
        own = (one.place for (owner, _), one in self.sets.items() if owner == name)
        below = (one.place for (owner, _), one in self.sets.items() if owner.is_subdomain(name))
        return next(own, "") or self.gone.get(name, "") or next(below, "")

    def cut(self, name: Name, rdtype: RdataType) -> RecordSet | None:
        """Return the proposed delegation at or above a name."""
        above = list(ancestors(name))[:-1]
        # DS is the parent's to say (RFC 4035 section 3.1.4.1), NS of the cut itself is what the patch says.
        for one in [name, *above] if rdtype not in (RdataType.NS, RdataType.DS) else above:
            if (found := self.sets.get((one, RdataType.NS))) is not None:
                return found
        return None


@dataclass(frozen=True)
class Layers:
    """What is proposed: zones by origin, and a patch over what is live elsewhere."""

    zones: Mapping[Name, Zone]
    patch: Patch

    async def step(self, question: Question, live: Ask) -> Step:
        """Answer one question, as far as the next alias."""
        if (zone := self._zone_of(question.name, question.rdtype)) is not None:
            look = zone.look_up(question.name, question.rdtype)
            if look.kind is Kind.CUT and look.set:
                return await self._below(look.set, question, live)
            return await live(question) if look.kind is Kind.UNMANAGED else _told_by(zone, look, question)
        step = await self._patched(question, live)
        if step.answer.status is Status.UNDETERMINED and not step.chain and question.rdtype != RdataType.CNAME:
            step = await self._mended(question, step, live)
        return self._own_part(step)

    async def _mended(self, question: Question, step: Step, live: Ask) -> Step:
        """Follow an alias whose target is broken live, if that target is proposed."""
        link = await self.step(Question.of(question.name, RdataType.CNAME), live)
        targets = [parse_name(one) for one in link.answer.records if isinstance(one, str)]
        if len(targets) != 1 or not self._governs(targets[0]):
            return step
        told = replace(link.answer, rdtype=question.kind, records=(), status=Status.ABSENT)
        return Step(replace(told, aliases=(show_name(targets[0]),)), (targets[0],), onward=True)

    def _zone_of(self, name: Name, rdtype: RdataType) -> Zone | None:
        """Return the whole zone that a question is for: for DS the one above (RFC 4035 section 3.1.4.1)."""
        holding = ancestors(name) if rdtype == RdataType.DS else (name, *ancestors(name))
        return next((self.zones[one] for one in holding if one in self.zones), None)

    def _governs(self, name: Name) -> bool:
        """Whether something proposed may change what is live at a name."""
        around = (name, *ancestors(name))
        touched = self.patch.touched
        return any(
            one in self.zones
            or one in self.patch.bereft
            or one in self.patch.made
            or wildcard_of(one) in touched
            or (one == name and one in touched)
            or (one, RdataType.NS) in self.patch.sets
            for one in around
        )

    def _own_part(self, step: Step) -> Step:
        """Cut a chain of live aliases where it enters what is proposed."""
        for number, target in enumerate(step.chain[:-1] if step.onward else step.chain, 1):
            if self._governs(target):
                chain = step.chain[:number]
                # How long each of the aliases may be kept is not told apart in a step.
                told = replace(
                    step.answer,
                    status=Status.ABSENT,
                    rcode="NOERROR",
                    records=(),
                    aliases=tuple(map(show_name, chain)),
                    ttl=None,
                    error="",
                    cause="",
                )
                return Step(told, chain, onward=True)
        return step

    async def _below(self, cut: RecordSet, question: Question, live: Ask) -> Step:
        """Answer from live DNS about a name in a delegated zone, if that is delegated alike now."""
        answer = (await live(Question.of(cut.name, RdataType.NS))).answer
        if answer.status is Status.UNDETERMINED:
            return Step(replace(answer, name=question.text, rdtype=question.kind, layer="live"))
        if cut.unknown or cut.removed is not None:
            return _unseen(question, cut.place, f"the delegation of {show_name(cut.name)} will change")
        proposed = {show_name(rdata.target).lower() for rdata in cut.rdatas}  # type: ignore[attr-defined]
        seen = {one.lower() for one in answer.records if isinstance(one, str)}
        # Servers of a zone hold the same data: one that stays is enough.
        if proposed & seen or (cut.deleted and not seen):
            return self._own_part(await live(question))
        what = f"delegated to {', '.join(sorted(proposed)[:3])}" if proposed else "no longer delegated"
        now_to = f"is delegated to {', '.join(sorted(seen)[:3])}" if seen else "is not delegated"
        zone = show_name(cut.name)
        text = f"{zone} will be {what} and live {now_to}: what the zone will say cannot be seen"
        return _unseen(question, cut.place, text)

    async def _patched(self, question: Question, live: Ask) -> Step:
        patch, name, rdtype = self.patch, question.name, question.rdtype
        if held := patch.held(name, rdtype):
            return _told(_look(held, rdtype), question, held.place)
        if change := patch.change(name, rdtype):
            return await self._changed(change, question, live)
        if cut := patch.cut(name, rdtype):
            return await self._below(cut, question, live)
        if place := patch.takes_away(name, rdtype):
            return await self._taken(question, place, live)
        step = await live(question)
        if step.chain and (place := patch.takes_away(name, RdataType.CNAME)):
            return await self._taken(question, place, live)
        if step.answer.status is Status.UNDETERMINED or not self._governs(name):
            return step
        if step.answer.status is Status.FOUND or step.chain:
            place = await self._blocked(question, step, live)
        else:
            place = await self._uncovered(question, (name, *ancestors(name)), live)
        if name in patch.owners or name in patch.parents:
            if step.answer.rcode == "NXDOMAIN" and not step.chain:
                return _told(Look(Kind.NODATA), question, patch.place(name))
            place = "" if not step.chain and step.answer.status is Status.ABSENT else place
        elif not place:
            return await self._by_wildcard(question, step, live)
        if place:
            return _unseen(question, place, _WILDCARD.format(question.text))
        return step

    async def _blocked(self, question: Question, step: Step, live: Ask) -> str:
        """Return what makes a name exist for which, or above which, a live wildcard may speak now."""
        for above in (question.name, *ancestors(question.name)):
            if above in self.patch.made and _alike(step, await live(_at(question, wildcard_of(above.parent())))):
                return self.patch.place(above)
        return ""

    async def _uncovered(self, question: Question, names: Iterable[Name], live: Ask) -> str:
        """Return what takes a name away without which a wildcard may speak for this one; empty where nothing does."""
        for above in names:
            if above in self.patch.bereft:
                wildcard = wildcard_of(above.parent())
                step = await live(_at(question, wildcard))
                seen = step.answer.status is not Status.ABSENT or step.chain
                if seen or self.patch.held(wildcard, question.rdtype):
                    return self.patch.place(above)
        return ""

    async def _changed(self, change: RecordSet, question: Question, live: Ask) -> Step:
        """Answer with what is live, less the records that go, and those that come."""
        if change.unknown:
            return _unseen(question, change.place, change.unknown)
        step = await live(question)
        if step.answer.status is Status.UNDETERMINED:
            return step
        if step.answer.status is Status.FOUND and (place := await self._blocked(question, step, live)):
            return _unseen(question, place, _WILDCARD.format(question.text))
        removed = {_folded(record_of(rdata)) for rdata in change.removed or ()}
        live_now = {_folded(one) for one in step.answer.records}
        # Whoever made the plan saw another zone than there is now: what will be there is not what it says.
        if stale := removed - live_now - {_folded(record_of(rdata)) for rdata in change.rdatas}:
            return _unseen(question, change.place, _STALE.format(question.text, question.rdtype.name, len(stale)))
        kept = [] if step.chain else [one for one in step.answer.records if _folded(one) not in removed]
        held = {_folded(one) for one in kept}
        added = [one for one in map(record_of, change.rdatas) if _folded(one) not in held]
        if not kept and not added:
            return await self._taken(question, change.place, live)
        layer = f"{LAYER}:{change.place}" + (" and live" if kept else "")
        answer = replace(step.answer, status=Status.FOUND, rcode="NOERROR", records=(*kept, *added), aliases=())
        return Step(replace(answer, layer=layer, ttl=change.ttl or step.answer.ttl, error="", cause=""))

    async def _taken(self, question: Question, place: str, live: Ask) -> Step:
        """Answer about a record set that will not be there: what else is at the name, or a wildcard, decides."""
        name = question.name
        if name in self.patch.owners or name in self.patch.parents or name == dns.name.root:
            return _told(Look(Kind.NODATA), question, place)
        wildcard = wildcard_of(name.parent())
        if await self._remains(question, live):
            return _told(Look(Kind.NODATA), question, place)
        step = await live(_at(question, wildcard))
        speaks = step.answer.status is not Status.ABSENT or step.chain
        taken = any(self.patch.takes_away(wildcard, t) for t in (question.rdtype, RdataType.CNAME))
        higher = await self._uncovered(question, ancestors(name), live)
        if self.patch.held(wildcard, question.rdtype) or (speaks and not taken) or higher:
            # Something below the name may keep it in existence, and the wildcard away from it.
            return _unseen(question, higher or place, _WILDCARD.format(question.text))
        return _told(Look(Kind.NXDOMAIN if step.answer.rcode == "NXDOMAIN" else Kind.NODATA), question, place)

    async def _remains(self, question: Question, live: Ask) -> bool:
        """Whether a name keeps other record sets of its own, as far as the usual types tell."""
        name = question.name
        types = [t for t in _COMMON if t != question.rdtype and not self.patch.takes_away(name, t)]
        own = await asyncio.gather(*(live(Question.of(name, one)) for one in types))
        wild = await asyncio.gather(*(live(Question.of(wildcard_of(name.parent()), one)) for one in types))
        return any(
            step.answer.status is Status.UNDETERMINED
            or (step.answer.status is Status.FOUND and not step.chain and not _alike(step, from_wildcard))
            for step, from_wildcard in zip(own, wild, strict=True)
        )

    async def _by_wildcard(self, question: Question, step: Step, live: Ask) -> Step:
        """Answer about a name that a proposed wildcard may speak for."""
        denied = step.answer.rcode == "NXDOMAIN" and not step.chain
        for above in ancestors(question.name):
            wildcard = wildcard_of(above)
            if wildcard in self.patch.touched:
                if denied:
                    return self._synthesised(wildcard, question, step)
                return await self._covered(wildcard, question, step, live)
            if above in self.patch.owners or above in self.patch.parents:
                break
            # Where a name is denied, no wildcard stands for the names above it: the next one that is known exists.
            known = await live(Question.of(above, RdataType.NS)) if denied else step
            if denied and (known.answer.rcode != "NXDOMAIN" or known.chain):
                break
        return step

    def _synthesised(self, wildcard: Name, question: Question, step: Step) -> Step:
        """Answer from a proposed wildcard about a name that does not exist live."""
        if held := self.patch.held(wildcard, question.rdtype):
            return _told(_look(held, question.rdtype), question, held.place)
        if wildcard in self.patch.owners:
            return _told(Look(Kind.NODATA), question, self.patch.place(wildcard))
        return step

    async def _covered(self, wildcard: Name, question: Question, step: Step, live: Ask) -> Step:
        """Answer about a name that exists live, or for which a wildcard speaks that the patch changes."""
        held = self.patch.held(wildcard, question.rdtype)
        if not held and not any(self.patch.takes_away(wildcard, t) for t in (question.rdtype, RdataType.CNAME)):
            return step
        before = await live(_at(question, wildcard))
        if before.answer.rcode == "NXDOMAIN" and not before.chain:
            return step
        place = held.place if held else self.patch.place(wildcard)
        if _alike(step, before) or (step.answer.status is before.answer.status is Status.ABSENT and not step.chain):
            return _unseen(question, place, _WILDCARD.format(question.text))
        return step


def _at(question: Question, name: Name) -> Question:
    return Question.of(name, question.rdtype)


def _folded(record: Record) -> Record:
    """Return a record as names in it are compared; of a text counts what it says, not where it is split."""
    if isinstance(record, str):
        return record.lower()
    return (record[0], record[1].lower()) if isinstance(record[0], int) else ("".join(map(str, record)),)


def _alike(one: Step, other: Step) -> bool:
    """Whether two live answers hold the same records."""
    if Status.FOUND not in (one.answer.status, other.answer.status) and not (one.chain and other.chain):
        return False
    return set(one.answer.records) == set(other.answer.records) and one.chain == other.chain


def _look(held: RecordSet, rdtype: RdataType) -> Look:
    if held.rdtype == rdtype or held.unknown:
        return Look(Kind.FOUND, held)
    return Look(Kind.ALIAS, held, target_of(held))


def _told_by(zone: Zone, look: Look, question: Question) -> Step:
    """Return what a whole zone says as the answer of its server, which names the zone where SOA is asked."""
    step = _told(look, question, zone.place)
    if question.rdtype != RdataType.SOA or step.onward or step.answer.status is Status.UNDETERMINED:
        return step
    return Step(replace(step.answer, zone=show_name(zone.origin).lower()))


def _told(look: Look, question: Question, place: str) -> Step:
    """Return what is proposed as the answer of a server."""
    decides = look.set
    if decides and decides.unknown:
        return _unseen(question, decides.place, f"{question.text} {decides.rdtype.name}: {decides.unknown}")
    base = Answer(
        name=question.text,
        rdtype=question.kind,
        status=Status.ABSENT,
        rcode="NXDOMAIN" if look.kind is Kind.NXDOMAIN else "NOERROR",
        at=now(),
        layer=f"{LAYER}:{decides.place if decides else place}",
        ttl=decides.ttl if decides else None,
    )
    if look.kind is Kind.FOUND and decides:
        return Step(replace(base, status=Status.FOUND, records=tuple(map(record_of, decides.rdatas))))
    if look.kind is Kind.ALIAS:
        if look.target is None:
            return _unseen(question, place, f"the DNAME at {question.text} leads to no name", rcode="YXDOMAIN")
        return Step(replace(base, aliases=(show_name(look.target),)), (look.target,), onward=True)
    if decides:
        # RFC 2308 section 5.
        base = replace(base, ttl=min(decides.ttl, int(decides.rdatas[0].minimum)))  # type: ignore[attr-defined]
    return Step(base)


def _unseen(question: Question, place: str, text: str, rcode: str = "UNSEEN") -> Step:
    return Step(
        Answer(
            name=question.text,
            rdtype=question.kind,
            status=Status.UNDETERMINED,
            rcode=rcode,
            at=now(),
            layer=f"{LAYER}:{place}",
            error=text,
            cause=text,
        )
    )
