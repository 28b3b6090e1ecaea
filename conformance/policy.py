"""What gates beside the level of a rule: waivers, which excuse for a while what is broken, and what was so before."""

from __future__ import annotations

import datetime
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from conformance.catalogue import checks
from conformance.fleet import waivers
from conformance.fleet.errors import InventoryError, Problem
from conformance.fleet.hostwaivers import inline
from conformance.fleet.model import Fleet
from conformance.options import UsageError
from conformance.reading.excerpt import did_you_mean, listed, quoted
from conformance.reading.waivers import Waiver
from conformance.report.base import BROKEN, Base
from conformance.report.register import entry, settled
from conformance.subjects import KINDS, Place, kind_of, place

CLOCK = "MAILCONFORM_NOW"
"""Variable that tests set to a day."""

Result = dict[str, Any]
Key = tuple[str, str]
"""Rule and subject."""


def today(environ: Mapping[str, str] = os.environ) -> datetime.date:
    """Return the day in UTC. Raises UsageError when the variable that tests set is no day."""
    if not (given := environ.get(CLOCK)):
        return datetime.datetime.now(datetime.UTC).date()
    try:
        return datetime.date.fromisoformat(given)
    except ValueError:
        raise UsageError(f"{CLOCK}: {given!r} is no day") from None


@dataclass(frozen=True)
class Policy:
    """Waivers with the rules and subjects that each is for."""

    today: datetime.date = field(default_factory=today)
    waivers: tuple[Waiver, ...] = ()
    covered: Mapping[Key, tuple[int, ...]] = field(default_factory=dict)
    """By rule and subject, the waivers by number."""
    limited: bool = False
    """Whether only a part of the inventory is judged."""
    base: Base | None = None
    """What was known to be broken before."""
    only_new: bool = False
    """Whether only that gates which is not known."""

    def weigh(self, result: Result) -> Result:
        """Return a result as waivers and base leave it.

        What was excused until its waiver expired counts again, whatever the base knows of it.
        """
        weighed = self._waived(result)
        if self.base is None or weighed["outcome"] != "fail" or weighed["waiver"]:
            return weighed
        if not (since := self.base.known(weighed, self.today.isoformat())):
            return weighed
        return weighed | {"known_since": since, "outcome": "known" if self.only_new else "fail"}

    def _waived(self, result: Result) -> Result:
        """Return a result as waivers leave it: what is broken may be waived, or say why it is not.

        What could not be determined stays so: nobody knows what there would be to waive.
        """
        found = [self.waivers[number] for number in self.covered.get((result["check"], result["subject"]), ())]
        if result["outcome"] == "pass":
            holding = next((one for one in found if not self._expired(one)), None)
            return result | {"waiver": told(holding, "unneeded")} if holding else result
        if not found or result["outcome"] not in ("fail", "advice"):
            return result
        for waiver in found:
            if not self._expired(waiver) and is_about(waiver, result):
                return result | {"outcome": "waived", "waiver": told(waiver, waivers.HOLDS)}
        lapsed = next((one for one in found if is_about(one, result)), found[0])
        return result | {"waiver": told(lapsed, waivers.EXPIRED if self._expired(lapsed) else "other")}

    def _expired(self, waiver: Waiver) -> bool:
        return waivers.state(waiver, self.today) == waivers.EXPIRED

    def register(self, results: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Return all waivers, with what came of that which each covers."""
        came: list[dict[str, int]] = [{} for _ in self.waivers]
        for result in results:
            for number in self.covered.get((result["check"], result["subject"]), ()):
                own = result["waiver"] and result["waiver"]["id"] == self.waivers[number].id
                outcome = result["outcome"] if own or result["outcome"] not in BROKEN else "other"
                came[number][outcome] = came[number].get(outcome, 0) + 1
        sizes = [0] * len(self.waivers)
        for numbers in self.covered.values():
            for number in numbers:
                sizes[number] += 1
        return [
            settled(entry(one, waivers.state(one, self.today), sizes[number], self.limited), came[number])
            for number, one in enumerate(self.waivers)
        ]


def is_about(waiver: Waiver, result: Mapping[str, Any]) -> bool:
    """Whether a waiver is for what was seen: for anything, or for the value and the aspect that it names."""
    if waiver.aspect and waiver.aspect != result["aspect"]:
        return False
    return not waiver.observed or contains(result["seen"], waiver.observed)


def contains(seen: str, value: str) -> bool:
    """Whether a value stands in what was seen, not as a part of a longer word, name or number."""
    before, after = r"(?<![\w-])(?<!\w\.)", r"(?![\w-])(?!\.\w)"
    bounded = (before if value[0].isalnum() else "") + re.escape(value) + (after if value[-1] not in "\"')" else "")
    return re.search(bounded, " ".join(seen.split())) is not None


def told(waiver: Waiver, state: str) -> dict[str, str]:
    """Return what a result tells of a waiver, without what is empty."""
    texts = {
        "id": waiver.id,
        "state": state,
        "reason": waiver.reason,
        "owner": waiver.owner,
        "ticket": waiver.ticket,
        "approved_by": waiver.approved_by,
        "issued": waiver.issued.isoformat() if waiver.issued else "",
        "expires": waiver.expires.isoformat(),
        "observed": waiver.observed,
        "aspect": waiver.aspect,
        "declared_at": str(waivers.place(waiver)),
    }
    return {name: text for name, text in texts.items() if text}


def rules() -> dict[str, bool]:
    """Return all rules by id, and of each whether it may be waived."""
    return {name: check.waivable for name, check in checks().items()}


def covering(found: Sequence[Waiver], fleet: Fleet, limited: bool) -> tuple[dict[Key, tuple[int, ...]], list[Problem]]:
    """Return by rule and subject the waivers that are for it, and what is wrong with waivers that are for nothing."""
    covered: dict[Key, tuple[int, ...]] = {}
    problems: list[Problem] = []
    for number, waiver in enumerate(found):
        keys: list[Key] = []
        wrong = list(waivers.unmatched(waiver, fleet, limited))
        chosen = waivers.selected(waiver, rules())
        for rule in chosen:
            own, text = _subjects(waiver, rule, fleet)
            keys += own
            wrong += [text] if text and rule in waiver.rules else []
        if chosen and not keys and not wrong and not limited:
            wrong = [f"nothing that {listed(chosen, 3)} judges matches all that the waiver names"]
        problems += [Problem(text, waivers.place(waiver)) for text in wrong]
        for key in keys:
            covered[key] = (*covered.get(key, ()), number)
    return covered, [*problems, *_strange_subjects(found, fleet, limited)]


def _subjects(waiver: Waiver, rule: str, fleet: Fleet) -> tuple[list[Key], str]:
    """Return what a waiver covers of a rule, or else why it can be nothing."""
    check = checks()[rule]
    kind = kind_of(check)
    every = [(one.id, place(one, check)) for one in KINDS[kind].all(fleet)] if kind in KINDS else [("fleet", _FLEET)]
    hosts = fleet.patterns.get(waiver.hosts, frozenset())
    keys = [(rule, name) for name, where in every if _matches(waiver, name, where, hosts)]
    called = KINDS[kind].called if kind in KINDS else "fleet"
    for name, given, part in (
        ("hosts", waiver.hosts or waiver.members, "host"),
        ("domains", waiver.domains, "domain"),
        ("addresses", waiver.addresses, "address"),
    ):
        if given and every and all(getattr(where, part) is None for _, where in every):
            own = next((more for more in ("host", "domain") if getattr(every[0][1], more)), "")
            hint = f"name {own}s or subjects" if own else "name subjects"
            return [], f"{name}: {rule} judges the {called}, which has no {part} of its own; {hint}"
    return keys, ""


_FLEET = Place(None, None, (), None)


def _matches(waiver: Waiver, name: str, where: Place, hosts: frozenset[str]) -> bool:
    return (
        (not waiver.hosts or where.host in hosts)
        and (not waiver.members or where.host in waiver.members)
        and (not waiver.domains or where.domain in waiver.domains)
        and (not waiver.addresses or where.address in waiver.addresses)
        and (not waiver.subjects or name in waiver.subjects)
    )


def _strange_subjects(found: Sequence[Waiver], fleet: Fleet, limited: bool) -> Iterator[Problem]:
    """Say which subjects no rule ever has."""
    if limited or not any(waiver.subjects for waiver in found):
        return
    known = {subject.id for kind in KINDS.values() for subject in kind.all(fleet)} | {"fleet"}
    for waiver in found:
        for name in waiver.subjects:
            if name not in known:
                hint = did_you_mean(name, known)
                text = f"subjects: there is no {quoted(name)}{'; ' if hint else ''}{hint}"
                yield Problem(text, waivers.place(waiver))


def problems(fleet: Fleet) -> list[Problem]:
    """Return what is wrong with the waivers in the variables of hosts."""
    return [*waivers.of_hosts(fleet, rules(), today()), *covering(inline(fleet.mtas), fleet, limited=False)[1]]


def build(day: datetime.date, found: Sequence[Waiver], fleet: Fleet, limited: bool) -> Policy:
    """Return the policy of a run. Raises InventoryError with every waiver that is for nothing."""
    every = [*found, *inline(fleet.mtas)]
    covered, found_wrong = covering(every, fleet, limited)
    if wrong := [*found_wrong, *waivers.of_hosts(fleet, rules(), day), *waivers.twice(every)]:
        raise InventoryError(dict.fromkeys(wrong))
    return Policy(day, tuple(every), covered, limited)
