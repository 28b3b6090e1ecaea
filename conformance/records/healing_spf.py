"""Smallest changes that heal an SPF record where the rule names no record, but terms of one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from conformance.facts.spftree import Look, Node, wide_terms
from conformance.outcome import NotApplicable, Undetermined
from conformance.reading import mending, remedy, spfterms
from conformance.reading.excerpt import listed, quoted
from conformance.reading.spf import Term
from conformance.reading.zonetext import split
from conformance.records.bench import Verdict
from conformance.records.change import Change, printed

_MOST_INLINED = 8
"""Networks of an include that are put in its place."""


def _root(verdict: Verdict) -> Node:
    root: Node = verdict.fact("spf").roots[0]
    return root


def _change(verdict: Verdict, text: str, note: str = "") -> Change:
    return Change(_root(verdict).owner, "TXT", (split(text),), note=note)


def _own(verdict: Verdict) -> tuple[str, ...]:
    """Return what authorises the addresses that send; none for a name that is not in the envelope."""
    records = verdict.fact("spf")
    return tuple(records.mechanisms) if _root(verdict).name == records.domain.mail_from else ()


def _exists(verdict: Verdict) -> Iterator[Change]:
    """Yield what was meant as a record, where something was, else the record that is printed."""
    root = _root(verdict)
    if root.near_misses:
        mended, lost = mending.spf_mended(root.near_misses[0][0])
        yield _change(verdict, remedy.spf_authorising(mended, _own(verdict)), _lost(lost))
    else:
        yield from printed(verdict.result["fix"])


def _lost(words: Iterable[str]) -> str:
    left_out = listed(map(quoted, words))
    return f"left out, since nobody can read it: {left_out}" if left_out else ""


def _syntax(verdict: Verdict) -> Iterator[Change]:
    root = _root(verdict)
    # What went wrong between two strings is put right there: see spf.strings.
    if len(root.texts) > 1 or (root.texts and root.respaced):
        return
    text = root.texts[0] if root.texts else root.near_misses[0][0]
    if root.texts and not root.errors and not root.published.mistaken:
        yield _change(verdict, text)
        return
    mended, lost = mending.spf_mended(text)
    yield _change(verdict, mended, _lost(lost))


def _without(choose: Callable[[Verdict, Look], object], *, own: bool = False) -> Callable[[Verdict], Iterator[Change]]:
    """Return what drops the terms that are chosen; ``own``: what they stood for is named by address."""

    def healer(verdict: Verdict) -> Iterator[Change]:
        root = _root(verdict)
        gone = {look.term.position: () for look in root.looks if _sure(choose, verdict, look)}
        if gone:
            text = mending.spf_replaced(root.texts[0], gone)
            yield _change(verdict, remedy.spf_authorising(text, _own(verdict)) if own else text)

    return healer


def _sure(choose: Callable[[Verdict, Look], object], verdict: Verdict, look: Look) -> bool:
    """Whether a term is chosen, which it is not where nobody knows."""
    try:
        return bool(choose(verdict, look))
    except (Undetermined, NotApplicable):
        return False


def _dead(_verdict: Verdict, look: Look) -> bool:
    return look.node is not None and bool(look.node.fault)


def _circular(_verdict: Verdict, look: Look) -> bool:
    return look.loop or (look.node is not None and any(one.loop for node in look.node.nodes() for one in node.looks))


def _empty(_verdict: Verdict, look: Look) -> bool:
    return look.node is None and (look.forward or look.mx) is not None and look.void(4) and look.void(6)


def _crowded(_verdict: Verdict, look: Look) -> bool:
    return look.exchangers > 10


def _dangling(verdict: Verdict, look: Look) -> bool:
    root = _root(verdict)
    reliances = verdict.fact("spf_reliances").each
    return any(one.term == look.term and one.node.where == root.where and one.dangling for one in reliances)


def _terms(verdict: Verdict, chosen: Iterable[Term], *, own: bool = False) -> Iterator[Change]:
    gone: Mapping[int, Iterable[str]] = {term.position: () for term in chosen}
    if gone:
        text = mending.spf_replaced(_root(verdict).texts[0], gone)
        yield _change(verdict, remedy.spf_authorising(text, _own(verdict)) if own else text)


def _no_ptr(verdict: Verdict) -> Iterator[Change]:
    terms = _root(verdict).published.terms
    yield from _terms(verdict, (one for one in terms if one.name == "ptr" or "%{p" in one.value.lower()), own=True)


def _no_plus_all(verdict: Verdict) -> Iterator[Change]:
    """Yield the record without what passes everybody, closed at its end, and with the addresses that it named so."""
    root = _root(verdict)
    wide: dict[int, Iterable[str]] = {term.position: () for term in wide_terms(root)}
    if wide:
        text = remedy.spf_ending(mending.spf_replaced(root.texts[0], wide), "~all")
        unnamed = verdict.fact("spf_paths").unnamed if _own(verdict) else ()
        yield _change(verdict, remedy.spf_authorising(text, unnamed))


def _lookups(verdict: Verdict) -> Iterator[Change]:
    """Yield the record with networks in place of as few includes as need be, which name nothing but networks."""
    root, domain = _root(verdict), verdict.fact("domain")
    total = root.cost
    plain = [(networks, look) for look in root.looks if (networks := _networks(look.node))]
    excess = total - min(10, domain.spf_max_lookups)
    chosen = sorted(plain, key=lambda one: (len(one[0]), -one[1].term.position))[:excess]
    if len(chosen) < excess:
        return
    text = mending.spf_replaced(root.texts[0], {look.term.position: networks for networks, look in chosen})
    names = listed(look.target for _, look in chosen)
    yield _change(verdict, text, f"the networks of {names} stand in it now: take over what changes there")


def _networks(node: Node | None) -> tuple[str, ...]:
    """Return the networks that an include stands for, if it stands for a few networks and nothing else."""
    if node is None or node.record is None or node.errors or node.looks:
        return ()
    terms = node.record.mechanisms
    passing = [term for term in terms if term.name != "all"]
    simple = all(term.network is not None and term.qualifier == "+" for term in passing)
    closed = not any(term.name == "all" and term.qualifier == "+" for term in terms)
    return tuple(term.text for term in passing) if simple and closed and len(passing) <= _MOST_INLINED else ()


def _ip4_form(verdict: Verdict) -> Iterator[Change]:
    record = _root(verdict).published
    secluded: list[Any] = [term for term, _ in spfterms.secluded(record, verdict.fact("public_networks"))]
    if secluded:
        yield from _terms(verdict, secluded)
        return
    meant = {
        term.position: (f"{term.qualifier.strip('+')}ip{network.version}:{network}",)
        for term, network in spfterms.with_host_bits(record)
    }
    yield _change(verdict, mending.spf_replaced(record.text, meant))


def _txt_type(verdict: Verdict) -> Iterator[Change]:
    for one in verdict.fact("spf_owners"):
        if one.relies_on_type:
            yield Change(one.node.owner, "TXT", (split(one.relies_on_type),))
        elif one.copies:
            yield Change(one.typed.owner, "SPF", (), among="all")


def _explanation(verdict: Verdict) -> Iterator[Change]:
    yield from _terms(verdict, (one for one in _root(verdict).published.modifiers if one.name == "exp"))


HEALERS: Mapping[str, Callable[[Verdict], Iterable[Change]]] = {
    "spf.exists": _exists,
    "spf.syntax": _syntax,
    "spf.include-ok": _without(_dead),
    "spf.no-loop": _without(_circular),
    "spf.void": _without(_empty),
    "spf.mx-limit": _without(_crowded, own=True),
    "spf.no-dangling": _without(_dangling),
    "spf.no-ptr": _no_ptr,
    "spf.no-plus-all": _no_plus_all,
    "spf.lookups": _lookups,
    "spf.ip4-form": _ip4_form,
    "spf.txt-type": _txt_type,
    "spf.exp": _explanation,
}
"""By rule; any other prints its record."""
