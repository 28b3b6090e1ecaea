"""Smallest changes that heal a DMARC record where the rule names no record, but tags of one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from conformance.facts.dmarc import DmarcWalk
from conformance.outcome import Undetermined
from conformance.reading import dmarc, remedy
from conformance.reading.zonetext import split
from conformance.records.bench import Verdict
from conformance.records.change import Change, printed

_STRICTNESS = ("none", "quarantine", "reject")


def _change(walk: DmarcWalk, name: str, text: str, note: str = "") -> Change:
    return Change(walk.answers[name].owner, "TXT", (split(text),), note=note)


def _single(verdict: Verdict) -> Iterator[Change]:
    """Yield one of several: one that says what was declared, else the mildest. As it is, none counts."""
    walk: DmarcWalk = verdict.fact("dmarc")
    for name in walk.names:
        records = [dmarc.parse(text) for text in walk.record_texts(name)]
        if len(records) > 1:
            chosen = min(records, key=lambda one: (one.p not in walk.domain.dmarc_p, _rank(one.p)))
            which = "what is declared" if chosen.p in walk.domain.dmarc_p else "the mildest policy"
            reports = ",".join(dict.fromkeys(uri.text for one in records for uri in one.rua))
            text = remedy.dmarc_with(chosen.text, rua=reports) if reports and not chosen.rua else chosen.text
            yield _change(walk, name, text, f"of {len(records)} that discard each other the one with {which}")


def _rank(policy: str | None) -> int:
    return _STRICTNESS.index(policy) if policy in _STRICTNESS else len(_STRICTNESS)


def _syntax(verdict: Verdict) -> Iterator[Change]:
    walk: DmarcWalk = verdict.fact("dmarc")
    for name in walk.names:
        texts = walk.record_texts(name)
        if len(texts) == 1:
            yield _change(walk, name, remedy.dmarc_with(texts[0]))


def _dropping(*tags: str) -> Callable[[Verdict], Iterator[Change]]:
    """Return what drops those of some tags whose values nobody can read: they count as if they were not there."""

    def healer(verdict: Verdict) -> Iterator[Change]:
        walk: DmarcWalk = verdict.fact("dmarc")
        wrong: dict[str, str | None] = {tag: None for tag in tags if walk.wrong(tag)}
        if wrong:
            yield _change(walk, walk.applied.domain, walk.amended(**wrong))
        else:
            yield from printed(verdict.result["fix"])

    return healer


def _values(verdict: Verdict) -> Iterator[Change]:
    walk: DmarcWalk = verdict.fact("dmarc")
    record = walk.applied.record
    wrong: dict[str, str | None] = {tag: None for tag in ("adkim", "aspf", "fo") if walk.wrong(tag)}
    unknown: dict[str, str | None] = {} if wrong else {tag.name.lower(): None for tag in record.unknown}
    wishes = {"adkim": walk.domain.dmarc_adkim, "aspf": walk.domain.dmarc_aspf}
    declared = {tag: wish for tag, wish in wishes.items() if wish}
    yield _change(walk, walk.applied.domain, walk.amended(**(wrong | unknown | declared)))


def _reports(verdict: Verdict) -> Iterator[Change]:
    walk: DmarcWalk = verdict.fact("dmarc")
    yield _change(walk, walk.applied.domain, walk.amended())


def _reachable_reports(verdict: Verdict) -> Iterator[Change]:
    """Yield the mailboxes that mail reaches, else one of the domain itself."""
    boxes = verdict.fact("dmarc_mailboxes")
    walk: DmarcWalk = boxes.walk
    lost = {one.name for one in boxes.domains if _refuses(boxes, one)}
    kept = [uri.text for uri in walk.applied.record.rua if uri.host not in lost]
    new = "" if kept else f"mailto:{walk.report_address}"
    if new and walk.report_address.rpartition("@")[2] in lost:
        return
    note = f"{walk.report_address} has to be a mailbox" if new else ""
    yield _change(walk, walk.applied.domain, walk.amended(rua=",".join(kept) or new), note)


def _refuses(boxes: object, one: object) -> bool:
    try:
        return bool(boxes.refusal(one))  # type: ignore[attr-defined]
    except Undetermined:
        return False


def _organization(verdict: Verdict) -> Iterator[Change]:
    walk: DmarcWalk = verdict.fact("dmarc")
    if walk.organizational_domain not in walk.below_suffix:
        yield from printed(verdict.result["fix"])
    elif walk.applied.record.psd != "u":
        yield _change(walk, walk.applied.domain, walk.amended(psd=None))


HEALERS: Mapping[str, Callable[[Verdict], Iterable[Change]]] = {
    "dmarc.single": _single,
    "dmarc.syntax": _syntax,
    "dmarc.values": _values,
    "dmarc.rua": _reports,
    "dmarc.rua-accepts": _reachable_reports,
    "dmarc.sp": _dropping("sp"),
    "dmarc.np": _dropping("np"),
    "dmarc.t": _dropping("t"),
    "dmarc.psd": _dropping("psd"),
    "dmarc.ruf": _dropping("ruf"),
    "dmarc.org-consistent": _organization,
}
"""By rule; any other prints its record."""
