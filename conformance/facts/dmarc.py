"""The DMARC records on the tree walk from a domain, and the consent of foreign report destinations."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property, lru_cache

from conformance.facts.answer import Answer, Status
from conformance.facts.store import Asker
from conformance.fleet.model import Domain
from conformance.outcome import NotApplicable, Undetermined
from conformance.reading import dmarc, remedy
from conformance.reading.excerpt import listed, quoted
from conformance.reading.orgdomain import is_public_suffix, registrable
from conformance.reading.taglist import Tag, read

_MOST_DESTINATIONS = 20
"""Foreign report destinations of one record that are asked for their consent."""


@dataclass(frozen=True)
class DmarcWalk:
    """What stands at ``_dmarc.`` before each domain of the tree walk (RFC 9989 section 4.10)."""

    domain: Domain
    answers: dict[str, Answer]
    """Answers by domain, the domain itself first."""

    @property
    def own(self) -> Answer:
        """The answer at the domain itself."""
        return self.answers[self.domain.name]

    @property
    def texts(self) -> tuple[str, ...]:
        """All TXT records at the domain itself. Raises Undetermined."""
        return self.own.joined

    @property
    def own_records(self) -> tuple[str, ...]:
        """The texts at the domain itself that are DMARC records. Raises Undetermined."""
        return tuple(text for text in self.texts if dmarc.is_dmarc(text))

    @property
    def own_record(self) -> dmarc.Record | None:
        """The one record at the domain itself; None without one and with several. Raises Undetermined."""
        return _select(self.texts)

    @cached_property
    def records(self) -> dict[str, dmarc.Record | None]:
        """The one record at each domain of the walk. Raises Undetermined.

        A public suffix that does not answer counts as one without a record: the domain that was registered below it
        is organizational by the list, and by the walk too if the suffix says psd=y.
        """
        own = self.below_suffix
        return {
            name: None if name not in own and answer.status is Status.UNDETERMINED else _select(answer.joined)
            for name, answer in self.answers.items()
        }

    @property
    def source(self) -> dmarc.Source | None:
        """The record that applies to mail from the domain. Raises Undetermined when the walk cannot tell."""
        if own := self.own_record:
            return dmarc.Source(self.domain.name, own, "author")
        return dmarc.policy_source(self.domain.name, self.records)

    @property
    def own_source(self) -> dmarc.Source | None:
        """The record that applies, unless it is a registry's above the domain. Raises as ``source``."""
        source = self.source
        return source if source and source.domain in self.below_suffix else None

    @property
    def applied(self) -> dmarc.Source:
        """The record of the owner that applies. Raises Undetermined, and NotApplicable when none does."""
        if (source := self.own_source) is None:
            raise NotApplicable(f"no DMARC record of its owner applies to {self.domain.name}, see dmarc.exists")
        return source

    @property
    def policy(self) -> str | None:
        """The policy that is asked for mail from the domain, None for a void record. Raises as ``applied``."""
        return self.applied.record.policy(subdomain=self.applied.kind != "author")

    @property
    def mildened(self) -> str | None:
        """The policy that receivers apply, test mode taken into account (section 4.7). Raises as ``applied``."""
        return self.applied.record.applied(subdomain=self.applied.kind != "author")

    def amended(self, **changes: str | None) -> str:
        """Return the record that applies with some tags set, or dropped where None. Raises as ``applied``.

        All else is put right that changes no policy, so that no rule's remedy undoes that of another.
        """
        record = self.applied.record
        gone: dict[str, str | None] = {tag.name: None for tag in record.removed if not _partial(tag)}
        sized = {"ruf": ",".join(uri.text for uri in record.ruf)} if any(uri.size for uri in record.ruf) else {}
        wishes = {"adkim": self.domain.dmarc_adkim, "aspf": self.domain.dmarc_aspf}
        wanted = {name: wish for name, wish in wishes.items() if wish}
        if record.p is None:
            wanted["p"] = next(iter(self.domain.dmarc_p), self.meant.p or "none")
        return remedy.dmarc_with(record.text, **(gone | sized | wanted | {"rua": self.reports} | changes))

    def asking(self, policy: str, **changes: str | None) -> str:
        """Return a record for the domain itself that asks for a policy. Raises as ``applied``.

        No other name gets another policy by it: sp= and np= stay in a record of its own, unless they make it void, and
        mean nothing in a new one.
        """
        own = self.applied.kind == "author"
        below = {name: None for name in ("sp", "np") if not own or name in self.applied.record.bad}
        return self.amended(**({"p": policy} | below | changes))

    @property
    def partial(self) -> bool:
        """Whether the record spares a share of the mail from its policy at older receivers. Raises as ``applied``."""
        return any(map(_partial, self.applied.record.removed))

    @property
    def reports(self) -> str:
        """What rua= should say: what it is meant to say, and the declared address or else one to propose."""
        meant = [uri.address.lower() for uri in self.meant.rua if uri.scheme == "mailto"]
        more = (self.report_address,) if self.declares_address or not meant else ()
        return ",".join(f"mailto:{address}" for address in dict.fromkeys((*meant, *more)))

    @property
    def below_suffix(self) -> tuple[str, ...]:
        """The domains of the walk from the domain itself up to the one that was registered."""
        upward = tuple(self.answers)
        registered = self.registered
        return upward[: upward.index(registered) + 1] if registered in upward else upward[:1]

    @property
    def names(self) -> tuple[str, ...]:
        """Where the domain's own records could stand, itself first: up to the domain that was registered.

        Only the domain itself when it has a record, or when that is not known.
        """
        if self.own.status is Status.UNDETERMINED or self.own_records:
            return (self.domain.name,)
        return self.below_suffix

    @property
    def registered(self) -> str:
        """The organizational domain by the public suffix list, as RFC 7489 section 3.2 has it."""
        return registrable(self.domain.name, private=True) or self.domain.name

    @staticmethod
    def is_suffix(name: str) -> bool:
        """Say whether names are registered below this one, by registries or by companies."""
        return is_public_suffix(name, private=True)

    def record_texts(self, name: str) -> tuple[str, ...]:
        """Return the texts at a domain of the walk that are DMARC records. Raises Undetermined."""
        return tuple(text for text in self.answers[name].joined if dmarc.is_dmarc(text))

    def record_at(self, name: str) -> dmarc.Record | None:
        """Return the one record at a domain of the walk. Raises Undetermined."""
        return _select(self.answers[name].joined)

    def slips(self, name: str) -> list[str]:
        """Return what keeps texts at a domain of the walk from being read as DMARC.

        Raises Undetermined, and NotApplicable when nothing was meant as DMARC there.
        """
        missed, texts = self._misses(name), self.record_texts(name)
        if not missed and not texts:
            raise NotApplicable(f"_dmarc.{name} has no DMARC record, see dmarc.exists")
        problems = [problem for text in texts for problem in faults(_parse(text)).get("", ())]
        problems += [problem for text in texts for problem in dmarc.swallowed(_parse(text))]
        return [f"_dmarc.{name}: {_placed(problem)}" for problem in problems] if texts else missed

    def _misses(self, name: str) -> list[str]:
        near = [(text, why) for text in self.answers[name].joined if (why := dmarc.near_miss(text))]
        return [f"_dmarc.{name}: {quoted(text)} is not taken as DMARC: {why}" for text, why in near]

    def oddities(self, name: str) -> list[str]:
        """Return how the records at a domain of the walk are written lawfully, but not safely with every receiver.

        With what stands beside them and looks like DMARC: receivers ignore it.
        """
        notes = [note for text in self.record_texts(name) for note in _parse(text).notes]
        # Sizes after an URI have a rule of their own; fo= without ruf= does no harm.
        spelling = [note for note in notes if "!" not in note.text and note.text != "fo"]
        strays = self._misses(name) if self.record_texts(name) else []
        return [*(f"_dmarc.{name}: {_placed(note)}" for note in spelling), *strays]

    def wrong(self, *tags: str) -> list[str]:
        """Return what is wrong with the values of some tags of the record that applies. Raises as ``applied``."""
        found = faults(self.applied.record)
        return [_placed(problem) for tag in tags for problem in found.get(tag, ())]

    @property
    def absence(self) -> str:
        """What stands along the walk in place of a record, for a sentence. Raises Undetermined."""
        other = ", none of which begins with v=DMARC1" if self.own.found else ""
        said = f"{self.own.question} answered {self.own.describe()}{other}"
        if len(self.own_records) > 1:
            said = f"{self.own.question} has {len(self.own_records)} records, which discard each other"
        if parents := [name for name in self.below_suffix[1:] if not self.records[name]]:
            said += f"; none at {listed(f'_dmarc.{name}' for name in parents)} either"
        above = [name for name, record in self.records.items() if record]
        return f"{said}; only receivers by RFC 9989 see that of {listed(above)}" if above else said

    @property
    def meant(self) -> dmarc.Record:
        """The record that applies, as it seems to be meant where it is garbled. Raises as ``applied``."""
        return _parse(remedy.dmarc_with(self.applied.record.text))

    @property
    def suggestion(self) -> str:
        """A record for a domain without one: what was meant there, else after what its owner declared."""
        if meant := [text for text in self.texts if dmarc.near_miss(text)]:
            kept = remedy.dmarc_with(meant[0])
            return kept if "; p=" in kept else remedy.dmarc_with(kept, p=next(iter(self.domain.dmarc_p), "none"))
        return f"v=DMARC1; p={next(iter(self.domain.dmarc_p), 'none')}; rua=mailto:{self.report_address}"

    @property
    def declares_address(self) -> bool:
        """Whether the owner declared where reports go."""
        return "@" in (self.domain.dmarc_rua or "")

    @property
    def report_address(self) -> str:
        """Where reports should go: the declared address, else one to propose."""
        wish = self.domain.dmarc_rua or ""
        return wish.removeprefix("mailto:") if self.declares_address else f"dmarc-reports@{self.domain.name}"

    @property
    def organizational_domain(self) -> str:
        """The organizational domain by tree walk. Raises Undetermined."""
        for answer in self.answers.values():
            answer.known()
        return dmarc.organizational_domain(self.domain.name, self.records)


def _partial(tag: Tag) -> bool:
    """Return whether a tag that RFC 9989 removed spares mail from the policy at older receivers."""
    return tag.name == "pct" and tag.value != "100"


@lru_cache(maxsize=1024)
def _parse(text: str) -> dmarc.Record:
    """Read a record once: ten rules of every domain below it ask."""
    return dmarc.parse(text)


def _select(texts: tuple[str, ...]) -> dmarc.Record | None:
    """Return the one record among the TXT records of a name; None without one, and with several (section 4.10)."""
    found = [text for text in texts if dmarc.is_dmarc(text)]
    return _parse(found[0]) if len(found) == 1 else None


@lru_cache(maxsize=1024)
def faults(record: dmarc.Record) -> dict[str, list[dmarc.Problem]]:
    """Return what is wrong with a record by the tag whose value it concerns; under an empty name all the rest."""
    tags, _ = read(record.text, fold_case=True)
    found: dict[str, list[dmarc.Problem]] = {}
    starts = [tag.value_position for tag in tags]
    for problem in record.problems:
        tag = tags[bisect_right(starts, problem.position) - 1]
        within = tag.value_position <= problem.position <= tag.value_position + len(tag.value)
        found.setdefault(tag.name if within else "", []).append(problem)
    return found


def _placed(problem: dmarc.Problem) -> str:
    return f"{problem.why} (at position {problem.position}, in {quoted(problem.text, 60)})"


@dataclass(frozen=True, slots=True)
class Destination:
    """A place outside the domain that reports are to be sent to, and its consent (RFC 9990 section 4)."""

    uri: dmarc.Uri
    record_name: str
    answer: Answer

    @property
    def consents(self) -> bool:
        """Whether the destination says that it takes reports for the domain. Raises Undetermined."""
        return any(dmarc.is_dmarc(text) for text in self.answer.joined)


@dataclass(frozen=True, slots=True)
class ReportDestinations:
    """The record that applies to a domain with its foreign report destinations."""

    walk: DmarcWalk
    foreign: tuple[Destination, ...]
    left_out: int = 0
    """Foreign destinations that were not asked."""

    def all_asked(self) -> None:
        """Raise Undetermined when some destinations were not asked."""
        if self.left_out:
            raise Undetermined(f"{self.left_out} report destinations of {self.walk.domain.name} were not asked")


async def dmarc_walk(ask: Asker, domain: Domain) -> DmarcWalk:
    """Look all records of the tree walk up at once: a parent's answer is shared by all that lie below."""
    names = dmarc.walk(domain.name)
    answers = await asyncio.gather(*(ask.dns(f"_dmarc.{name}", "TXT") for name in names))
    return DmarcWalk(domain, dict(zip(names, answers, strict=True)))


async def report_destinations(ask: Asker, domain: Domain) -> ReportDestinations:
    """Look the consent of foreign ``rua`` and ``ruf`` hosts up."""
    walk = await dmarc_walk(ask, domain)
    if (source := _source(walk)) is None:
        return ReportDestinations(walk, ())
    uris = {uri.host: uri for uri in (*source.record.rua, *source.record.ruf) if uri.host}
    foreign = {host: uri for host, uri in uris.items() if not _same_organization(host, source.domain)}
    asked = list(foreign)[:_MOST_DESTINATIONS]
    names = [f"{source.domain}._report._dmarc.{host}" for host in asked]
    answers = await asyncio.gather(*(ask.dns(name, "TXT") for name in names))
    found = zip(asked, names, answers, strict=True)
    destinations = tuple(Destination(foreign[host], name, answer) for host, name, answer in found)
    return ReportDestinations(walk, destinations, len(foreign) - len(asked))


def _source(walk: DmarcWalk) -> dmarc.Source | None:
    try:
        return walk.own_source
    except Undetermined:
        return None


def _same_organization(host: str, domain: str) -> bool:
    if host == domain or host.endswith(f".{domain}"):
        return True
    owner = registrable(host, private=True)
    return owner is not None and owner == registrable(domain, private=True)
