"""Validation of answers along a chain of signatures from a trust anchor (RFC 4035 section 5), behind any resolver.

Each zone is looked at once. What has no signature has to lie in a zone that is provably not signed; what is not there
has to be proved away. What cannot be proved is neither there nor missing: it is undetermined, like what is bogus.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto

import dns.name
from dns.message import Message
from dns.name import Name
from dns.rdata import Rdata
from dns.rdataclass import RdataClass
from dns.rdatatype import RdataType
from dns.rrset import RRset
from msgspec.structs import replace

from conformance.facts.anchors import Anchors
from conformance.facts.answer import Answer, Status
from conformance.facts.proving import MOST_DS, MOST_KEYS, BogusError, UnprovedError, understood, verify, vouched
from conformance.facts.reply import Step
from conformance.facts.wire import Question
from conformance.reading.denial import Denied, closer_denied, denied

BOGUS = "BOGUS"
"""In the place of the rcode: the resolver has an answer, and it is not what its zone has signed."""
UNVALIDATED = "UNVALIDATED"
"""In the place of the rcode: the resolver has an answer, and whether it holds could not be seen."""

MOST_CUTS = 48
"""Names above one that are asked whether a zone begins there: a reverse name of IPv6 has 34 labels."""
_MOST_PROOFS = 12
"""NSEC and NSEC3 record sets of one reply."""

Ask = Callable[[Question], Awaitable[Step]]


class Kind(Enum):
    """What is at a name: a zone with keys, one that is provably not signed, or no zone at all."""

    SIGNED = auto()
    UNSIGNED = auto()
    NO_ZONE = auto()


@dataclass(frozen=True, slots=True)
class Cut:
    """What is at a name, with the keys of a zone; ``last`` says that there is no name below."""

    kind: Kind
    keys: tuple[Rdata, ...] = ()
    last: bool = False


UNSIGNED = Cut(Kind.UNSIGNED)


class Validator:
    """Judges steps. ``ask`` puts a question that asks for proofs; it is called concurrently."""

    def __init__(self, anchors: Anchors, ask: Ask) -> None:
        self._anchors = anchors
        self._ask = ask
        self._cuts: dict[Name, asyncio.Task[Cut]] = {}
        self._passing: set[str] = set()

    async def close(self) -> None:
        """End what is under way."""
        for task in self._cuts.values():
            task.cancel()
        await asyncio.gather(*self._cuts.values(), return_exceptions=True)

    async def judged(self, step: Step) -> Step:
        """Return what came of a question, with a word on whether it is validated; undetermined where it does not hold.

        A step that decides nothing is returned as it is.
        """
        answer = replace(step.answer, authenticated=False)
        if step.proof is None or not step.usable:
            return replace(step, answer=answer, proof=None)
        try:
            secure = await self._holds(step)
        except BogusError as why:
            return Step(_open(step, BOGUS, f"bogus: {why}", f"bogus: {why}"))
        except UnprovedError as why:
            return Step(_open(step, UNVALIDATED, f"not validated: {why}", why.cause))
        return replace(step, answer=replace(answer, authenticated=secure), proof=None)

    async def _holds(self, step: Step) -> bool:
        """Return whether all is secure; False where something is provably not signed. Raises what the module has."""
        secure = True
        for records in _answering(step):
            secure = await self._signed(step, records, above=records.rdtype == RdataType.DS) and secure
        if step.answer.status is Status.FOUND or step.onward:
            return secure
        name, rdtype = _last(step), _reply(step).question[0].rdtype
        proved = await self._denied(step, name, rdtype)
        if proved is None:
            return False
        if not (proved.name if step.answer.rcode == "NXDOMAIN" else proved.type):
            raise UnprovedError(f"nothing proves that {name} has no {RdataType.to_text(rdtype)} record")
        return secure and not proved.opt_out

    async def _signed(self, step: Step, records: RRset, *, above: bool = False) -> bool:
        """Return whether a record set is secure. ``above``: it has to be the parent's, as DS records are."""
        reply = _reply(step)
        signatures = reply.get_rrset(reply.answer, records.name, RdataClass.IN, RdataType.RRSIG, records.rdtype)
        owner = _parent(records.name) if above else records.name
        if not signatures:
            dname = _made_of(reply, records)
            if dname is not None:
                return await self._signed(step, dname)
            return await self._unsigned(step, owner, f"{records.name} {RdataType.to_text(records.rdtype)}")
        signer = _signer(signatures, owner)
        zone = await self._zone(signer)
        if zone.kind is Kind.UNSIGNED:
            return False
        signature = verify(records, signatures, signer, zone.keys)
        self._passing.add(step.answer.server)
        labels = len(records.name) - 1 - records.name.is_wild()
        if signature.labels < labels:
            proofs = _proofs(reply, signer, zone.keys)
            if not closer_denied(records.name, signature.labels, signer, proofs):
                raise UnprovedError(f"nothing proves that {records.name} is made of a wildcard")
        return True

    async def _unsigned(self, step: Step, owner: Name, what: str) -> bool:
        """Return False where what has no signature needs none. Raises BogusError where it needs one."""
        if await self._lies_in_unsigned(owner):
            return False
        if step.answer.server not in self._passing:
            raise UnprovedError(f"{step.answer.server} passes no signatures on")
        raise BogusError(f"{what} is not signed, and its zone is")

    async def _denied(self, step: Step, name: Name, rdtype: RdataType) -> Denied | None:
        """Return what a reply proves not to be there; None in a zone that is not signed."""
        reply = _reply(step)
        owner = _parent(name) if rdtype == RdataType.DS else name
        signers = [one for sets in _signatures_of_proofs(reply) for one in (row.signer for row in sets)]
        signers = [one for one in signers if owner.is_subdomain(one)]
        if not signers:
            await self._unsigned(step, owner, f"the denial of {name} {RdataType.to_text(rdtype)}")
            return None
        signer = max(signers, key=len)
        zone = await self._zone(signer)
        if zone.kind is Kind.UNSIGNED:
            return None
        proofs = _proofs(reply, signer, zone.keys)
        self._passing.add(step.answer.server)
        return denied(name, rdtype, signer, proofs)

    async def _zone(self, name: Name) -> Cut:
        """Return a zone that has signed something. Raises BogusError where there can be none."""
        if self._anchor_above(name) is None:
            return UNSIGNED
        cut = await self._cut(name)
        if cut.kind is Kind.NO_ZONE:
            raise BogusError(f"{name} has signed, and is no zone")
        return cut

    async def _lies_in_unsigned(self, name: Name) -> bool:
        """Say whether a zone that a name lies in is provably not signed; asked from the trust anchor downwards."""
        if (anchor := self._anchor_above(name)) is None:
            return True
        await self._cut(anchor)
        for depth in range(len(anchor) + 1, len(name) + 1):
            if depth - len(anchor) > MOST_CUTS:
                raise UnprovedError(f"{name} lies more than {MOST_CUTS} labels below {anchor}")
            cut = await self._cut(Name(name.labels[-depth:]))
            if cut.kind is Kind.UNSIGNED:
                return True
            if cut.last:
                break
        return False

    def _anchor_above(self, name: Name) -> Name | None:
        above = (Name(name.labels[-depth:]) for depth in range(len(name), 0, -1))
        return next((one for one in above if one in self._anchors), None)

    async def _cut(self, name: Name) -> Cut:
        """Return what is at a name, looked at once. Whoever waits for it is further down, so nobody waits in a ring."""
        if (task := self._cuts.get(name)) is None:
            task = self._cuts[name] = asyncio.create_task(self._look(name))
        return await asyncio.shield(task)

    async def _look(self, name: Name) -> Cut:
        if anchors := self._anchors.get(name):
            try:
                return Cut(Kind.SIGNED, await self._keys(name, anchors))
            except BogusError as why:
                # That is no fault of those whose names lie below.
                raise UnprovedError(f"no trust anchor of {name} leads on: {why}") from why
        step = await self._asked(Question.proving(name, RdataType.DS))
        if step.chain:
            alias = next(_answering(step))
            return Cut(Kind.NO_ZONE) if await self._signed(step, alias, above=True) else UNSIGNED
        for records in _answering(step):
            if not await self._signed(step, records, above=True):
                return UNSIGNED
            if len(records) > MOST_DS:
                raise UnprovedError(f"{name} has more than {MOST_DS} DS records")
            trusted = understood(records)
            return Cut(Kind.SIGNED, await self._keys(name, trusted)) if trusted else UNSIGNED
        proved = await self._denied(step, name, RdataType.DS)
        if proved is None or proved.delegation or proved.opt_out:
            return UNSIGNED
        if not proved.type:
            raise UnprovedError(f"nothing proves that {name} has no DS record")
        return Cut(Kind.NO_ZONE, last=proved.name)

    async def _keys(self, zone: Name, trusted: Sequence[Rdata]) -> tuple[Rdata, ...]:
        """Return the keys of a zone that DS records or trust anchors vouch for."""
        step = await self._asked(Question.proving(zone, RdataType.DNSKEY))
        records = next(_answering(step), None)
        if records is None or step.chain:
            raise BogusError(f"{zone} has a DS record and no DNSKEY record")
        if len(records) > MOST_KEYS:
            raise UnprovedError(f"{zone} has more than {MOST_KEYS} keys")
        if not (entrances := vouched(zone, records, trusted)):
            raise BogusError(f"no DNSKEY record of {zone} matches its DS records")
        reply = _reply(step)
        signatures = reply.get_rrset(reply.answer, zone, RdataClass.IN, RdataType.RRSIG, RdataType.DNSKEY)
        if not signatures:
            raise UnprovedError(f"{step.answer.server} passes no signatures of {zone} DNSKEY on")
        verify(records, signatures, zone, entrances)
        self._passing.add(step.answer.server)
        return tuple(records)

    async def _asked(self, question: Question) -> Step:
        step = await self._ask(question)
        if step.proof is None or not step.usable:
            answer = step.answer
            raise UnprovedError(f"{question}: {answer.error or answer.rcode}", answer.cause)
        return step


def _open(step: Step, rcode: str, error: str, cause: str) -> Answer:
    """Return the answer of a step as one that decides nothing."""
    return replace(
        step.answer,
        status=Status.UNDETERMINED,
        rcode=rcode,
        records=(),
        aliases=(),
        ttl=None,
        zone="",
        authenticated=False,
        error=error,
        cause=cause,
    )


def _reply(step: Step) -> Message:
    assert step.proof is not None
    return step.proof


def _last(step: Step) -> Name:
    return step.chain[-1] if step.chain else _reply(step).question[0].name


def _answering(step: Step) -> Iterator[RRset]:
    """Yield the record sets that an answer is made of: aliases, then the records asked for."""
    reply = _reply(step)
    question = reply.question[0]
    names = [question.name, *step.chain]
    for name in names[:-1]:
        if alias := reply.get_rrset(reply.answer, name, RdataClass.IN, RdataType.CNAME):
            yield alias
    if records := reply.get_rrset(reply.answer, names[-1], RdataClass.IN, question.rdtype):
        yield records


def _parent(name: Name) -> Name:
    return name if name == dns.name.root else name.parent()


def _signer(signatures: RRset, owner: Name) -> Name:
    """Return the zone closest to a name that has signed there. Raises BogusError when none can have."""
    signers: list[Name] = [one.signer for one in signatures if owner.is_subdomain(one.signer)]
    if not signers:
        raise BogusError(f"{signatures.name}: its signature is that of a zone it does not lie in")
    return max(signers, key=len)


def _signatures_of_proofs(reply: Message) -> list[RRset]:
    return [
        one
        for one in reply.authority
        if one.rdtype == RdataType.RRSIG and one.covers in (RdataType.NSEC, RdataType.NSEC3)
    ]


def _proofs(reply: Message, signer: Name, keys: Sequence[Rdata]) -> list[RRset]:
    """Return the NSEC and NSEC3 records that a zone has signed. Raises as :func:`verify`, also for very many."""
    signed = [sets for sets in _signatures_of_proofs(reply) if any(one.signer == signer for one in sets)]
    if len(signed) > _MOST_PROOFS:
        raise UnprovedError(f"a reply has more than {_MOST_PROOFS} NSEC or NSEC3 records")
    proofs = []
    for signatures in signed:
        records = reply.get_rrset(reply.authority, signatures.name, RdataClass.IN, signatures.covers)
        if records:
            verify(records, signatures, signer, keys)
            proofs.append(records)
    return proofs


def _made_of(reply: Message, alias: RRset) -> RRset | None:
    """Return the DNAME record that an alias is made of (RFC 6672 section 5.3.1)."""
    if alias.rdtype != RdataType.CNAME:
        return None
    for dname in reply.answer:
        below = alias.name.is_subdomain(dname.name) and alias.name != dname.name
        if dname.rdtype == RdataType.DNAME and below:
            made = alias.name.relativize(dname.name).derelativize(dname[0].target)
            if made == alias[0].target:
                return dname
    return None
