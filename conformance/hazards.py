"""What goes wrong on the way from one state of DNS to another: the order of changes, and caches that hold the old one.

Both states may be right, and mail breaks between them all the same: caches keep an answer for its TTL (RFC 1035
section 3.2.1), a denial for as long as the SOA record says (RFC 2308 section 5), and queues a message for days (RFC
5321 section 4.5.4.1). TTLs that a resolver tells are what is left of them: ``at least``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import dns.exception
import dns.name
import dns.reversename

from conformance.facts.answer import Answer, Status
from conformance.facts.store import Store, canonical
from conformance.reading.dkim import DkimSyntaxError, parse_key
from conformance.report.grouping import Results

LONG = 3600
"""Seconds for which a change of where mail goes is worth a word."""
_QUEUED = "5 days"
_DENIED = "as long as its absence is cached"


@dataclass(frozen=True, slots=True)
class Hazard:
    """One thing to mind. ``what`` is what happens, ``order`` what to do first."""

    kind: str
    subject: str
    what: str
    order: str


@dataclass(frozen=True)
class State:
    """One state of DNS: the results of a run and the answers that they were judged by."""

    results: Results
    store: Store

    def answer(self, name: str, rdtype: str) -> Answer | None:
        """Return what is known of a question; None when it was not asked or not answered."""
        found = self.store.answers.get((canonical(name), rdtype))
        return found if found is not None and found.status is not Status.UNDETERMINED else None

    def evidence(self, check: str) -> Iterator[tuple[str, str, Answer]]:
        """Yield subject, outcome and the first answer of each result of a rule that applies."""
        answers = list(self.store.answers.values())
        for one in self.results["results"]:
            if one["check"] != check or one["outcome"] == "not-applicable":
                continue
            asked = (int(ref[4:]) for ref in one["evidence"] if ref.startswith("dns:") and ref[4:].isdecimal())
            first = next((answers[number - 1] for number in asked if 1 <= number <= len(answers)), None)
            if first is not None and first.status is not Status.UNDETERMINED:
                yield one["subject"], one["outcome"], first


def hazards(before: State, after: State) -> list[Hazard]:
    """Return everything to mind on the way from one state to the other."""
    found = [*_keys(before, after), *_reverse(before, after), *_senders(before, after), *_exchangers(before, after)]
    return sorted(dict.fromkeys(found), key=lambda one: (one.kind, one.subject))


def _keys(before: State, after: State) -> Iterator[Hazard]:
    """Yield selectors that hosts sign with, or will, and whose key goes, comes or changes."""
    for subject, _, new in after.evidence("dkim.key-exists"):
        old = before.answer(new.name, "TXT")
        if old is None or (old.status, old.records) == (new.status, new.records):
            continue
        ours, theirs = _public(old), _public(new)
        if ours and not theirs:
            what = f"the key at {new.name} goes while the inventory says that hosts sign with it"
            order = f"let hosts sign with another selector; remove the key when its last signature is {_QUEUED} old"
            yield Hazard("key removed", subject, what, order)
        elif ours and ours != theirs:
            what = f"the key at {new.name} changes in place: what was signed with the old one no longer verifies"
            order = f"publish the new key under a new selector; caches hold the old one for at least {_ttl(old)}"
            yield Hazard("key replaced", subject, what, order)
        elif theirs and not ours:
            what = f"the key at {new.name} is new"
            yield Hazard(
                "key added", subject, what, f"publish it, wait {_ttl(old, _DENIED)}, then let hosts sign with it"
            )


def _public(answer: Answer) -> bytes:
    """Return the public key of the only record; empty when there is none to verify with."""
    texts = answer.joined
    try:
        return parse_key(texts[0]).public if len(texts) == 1 else b""
    except DkimSyntaxError:
        return b""


def _reverse(before: State, after: State) -> Iterator[Hazard]:
    """Yield addresses whose name changes together with what that name leads to."""
    for new in after.store.answers.values():
        old = before.answer(new.name, "PTR") if new.rdtype == "PTR" else None
        address = _address(new.name)
        if old is None or new.status is Status.UNDETERMINED or not address or old.records == new.records:
            continue
        rdtype = "AAAA" if ":" in address else "A"
        for name in set(map(str.lower, new.texts)) - set(map(str.lower, old.texts)):
            first, then = before.answer(name, rdtype), after.answer(name, rdtype)
            if then is None or address not in then.texts or then.layer == "live":
                continue
            if first is None or address not in first.texts:
                # Nobody asked before for a name that is new.
                yet = "does not lead back to it yet" if first else "leads back to it by this change, if not before"
                what = f"PTR of {address} will say {name}, which {yet}"
                order = f"publish {name} {rdtype} {address} first, wait {_ttl(first, _DENIED)}, then change PTR"
                yield Hazard("PTR before address", address, what, order)
        for name in set(map(str.lower, old.texts)) - set(map(str.lower, new.texts)):
            first, then = before.answer(name, rdtype), after.answer(name, rdtype)
            if first is not None and then is not None and address in first.texts and address not in then.texts:
                what = f"{name} no longer leads to {address} while caches still hold it as its name"
                yield Hazard(
                    "address before PTR", address, what, f"change PTR, wait {_ttl(old)}, then take {name} away"
                )


def _address(name: str) -> str:
    if not name.endswith((".in-addr.arpa", ".ip6.arpa")):
        return ""
    try:
        return str(dns.reversename.to_address(dns.name.from_text(name)))
    except (dns.exception.DNSException, ValueError):
        return ""


def _senders(before: State, after: State) -> Iterator[Hazard]:
    """Yield addresses that SPF gives up while they send, and those that it takes in."""
    passed = {subject: outcome for subject, outcome, _ in before.evidence("spf.all-inventory")}
    for subject, outcome, new in after.evidence("spf.all-inventory"):
        old = before.answer(new.name, new.rdtype)
        was = passed.get(subject)
        if was == "pass" and outcome in ("fail", "advice"):
            what = f"SPF of {new.name} gives up an address that the inventory still sends from"
            order = f"stop sending from it, let its queue run empty ({_QUEUED} at most), then drop the mechanism"
            yield Hazard("SPF dropped", subject, what, order)
        elif was in ("fail", "advice") and outcome == "pass":
            what = f"SPF of {new.name} takes in an address"
            yield Hazard("SPF added", subject, what, f"publish it, wait at least {_ttl(old)}, then send from there")


def _exchangers(before: State, after: State) -> Iterator[Hazard]:
    """Yield domains whose mail will go elsewhere than caches say for a long time."""
    for new in after.store.answers.values():
        old = before.answer(new.name, "MX") if new.rdtype == "MX" else None
        if old is None or old.status is not Status.FOUND or new.status is Status.UNDETERMINED:
            continue
        gone = {name.lower() for _, name in old.exchanges} - {name.lower() for _, name in new.exchanges}
        if gone and (old.ttl or 0) >= LONG:
            what = f"MX of {new.name} leaves {', '.join(sorted(gone)[:3])}, and caches hold it for at least {_ttl(old)}"
            order = f"lower the TTL first, or let {', '.join(sorted(gone)[:3])} accept mail until then"
            yield Hazard("MX moved", new.name, what, order)


def _ttl(answer: Answer | None, otherwise: str = "its TTL") -> str:
    return otherwise if answer is None or answer.ttl is None else f"{answer.ttl:,} s"
