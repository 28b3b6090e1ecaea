"""Results of shards of one fleet, joined into what one run would have written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conformance.check import Level
from conformance.facts.health import failing
from conformance.facts.joined import each, gathered, joined, numbers
from conformance.facts.snapshot import Gathering, Snapshot
from conformance.facts.snapshot import load as load_facts
from conformance.facts.store import Store
from conformance.fleet.model import Fleet
from conformance.reading.excerpt import listed
from conformance.report import base
from conformance.report.grouping import Result
from conformance.report.reader import load, place
from conformance.report.register import stale, united
from conformance.report.results import Results
from conformance.report.spfjoined import spf_of
from conformance.report.text import plural
from conformance.report.words import moment

_SAME = (
    "tool",
    "rules",
    "inventory",
    "limit",
    "profiles",
    "level",
    "gate",
    "strict_waivers",
    "dns",
    "overlays",
    "probe",
)
"""What shards of one fleet have in common, as ``run`` of ``results.json`` names it."""


class MergeError(ValueError):
    """Results are not those of shards of one fleet."""


@dataclass(frozen=True)
class Shard:
    """What one run wrote. ``facts`` is None where its facts are not given."""

    name: str
    document: Mapping[str, Any]
    facts: Snapshot | None = None

    @property
    def run(self) -> Mapping[str, Any]:
        """What it tells of the run."""
        told: Mapping[str, Any] = self.document["run"]
        return told

    @property
    def part(self) -> tuple[int, int] | None:
        """``(2, 4)`` of the second of four shards; None where it does not say. Raises MergeError."""
        if (told := self.run.get("extra", {}).get("shard")) is None:
            return None
        one, _, of = str(told).partition("/")
        if not (one.isdecimal() and of.isdecimal() and 1 <= int(one) <= int(of)):
            raise MergeError(f"{self.name}: run.extra.shard is {told!r}, which is no K/N")
        return int(one), int(of)


@dataclass(frozen=True)
class Merged:
    """The content of the joined ``results.json``, the joined facts, and what a reader should know of both."""

    document: dict[str, Any]
    store: Store
    gathering: Gathering
    warnings: list[str] = field(default_factory=list)


def read(path: str) -> Shard:
    """Read a shard: its folder, or its ``results.json`` with the ``facts.json`` that lies beside it.

    Raises ResultsError and SnapshotError.
    """
    file = place(path)
    facts = file.with_name("facts.json")
    return Shard(str(file), load(file), load_facts(str(facts)) if facts.exists() else None)


def merge(shards: Sequence[Shard], *, internal: bool = False) -> Merged:
    """Return what one run of all of them would have come to. Raises MergeError.

    ``internal``: an output of it could not be written, as when that happens to a run.
    """
    _check(shards)
    stores = [shard.facts.store() if shard.facts else Store() for shard in shards]
    store, differing = joined(stores)
    warnings = [*_unfinished(shards), *_without_facts(shards), *_different_answers(differing)]
    results = _results(shards, [numbers(one, store) for one in stores])
    hosts = _united(shards, "hosts")
    domains = _united(shards, "domains")
    warnings += _unjudged(hosts, domains, results)
    together = Results(
        folder=Path(),
        fleet=Fleet(mtas=()),
        run=_run(shards, hosts, domains, store, warnings),
        gate=Level(shards[0].run["level"]),
        checks=_checks(shards),
        found={str(number): result for number, result in enumerate(results)},
        expected={text: (text,) for text in _unreached(shards, results)},
        internal=internal or any(shard.run["exit"] == 3 for shard in shards),
        cut_short=_cut_short(shards),
        failed_elsewhere=any(map(_failed_elsewhere, shards)),
        streams=_streams(shards),
        spf=spf_of([shard.document.get("spf", {}) for shard in shards]),
        waivers=united(map(_register, shards)),
    )
    gate_none = together.run["gate"] == "none"
    document = together.document(together.exit_status(_ended(shards), gate_none))
    document |= {"hosts": hosts, "domains": domains}
    document["run"] |= _times(shards)
    parts = [shard.facts.gathering() for shard in shards if shard.facts]
    return Merged(document, store, gathered(parts), warnings)


def _register(shard: Shard) -> list[dict[str, Any]]:
    """Return the waivers of a shard; one of before there were waivers has none."""
    found: list[dict[str, Any]] = shard.document.get("waivers", [])
    return found


def _failed_elsewhere(shard: Shard) -> bool:
    """Whether a shard ended with 1 for what is no check of ours."""
    strict = shard.run.get("strict_waivers") and stale(_register(shard))
    return shard.run["exit"] == 1 and not shard.document["counts"]["fail"] and not strict


def _check(shards: Sequence[Shard]) -> None:
    """Raise MergeError unless these are shards of one fleet, judged alike."""
    first = shards[0]
    for shard in shards[1:]:
        for name in _SAME:
            ours, theirs = first.run.get(name), shard.run.get(name)
            if ours != theirs:
                raise MergeError(f"{first.name} and {shard.name} differ in {name}: {_shown(ours)} and {_shown(theirs)}")
        if _known(first) != _known(shard):
            raise MergeError(f"{first.name} and {shard.name} differ in what was known before")
        if [_named(one) for one in _register(first)] != [_named(one) for one in _register(shard)]:
            raise MergeError(f"{first.name} and {shard.name} differ in their waivers")
    parts: dict[tuple[int, int], str] = {}
    for shard in shards:
        if (part := shard.part) is None:
            continue
        if {of for _, of in parts} - {part[1]}:
            raise MergeError(f"{shard.name} is one of {part[1]} shards, {next(iter(parts.values()))} is not")
        if part in parts:
            raise MergeError(f"{parts[part]} and {shard.name} are both shard {part[0]} of {part[1]}")
        parts[part] = shard.name


def _known(shard: Shard) -> dict[str, Any] | None:
    told = shard.run.get("base")
    return told and {name: told[name] for name in ("kind", "made", "entries")}


def _named(waiver: Mapping[str, Any]) -> tuple[Any, ...]:
    return waiver["id"], waiver["rules"], waiver["issued"], waiver["expires"], waiver["covers"]


def _shown(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _results(shards: Sequence[Shard], renamed: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
    """Return every result once, its evidence by the names of the joined facts. Raises MergeError."""
    found: dict[tuple[str, str, str], tuple[dict[str, Any], str]] = {}
    for shard, names in zip(shards, renamed, strict=True):
        for result in shard.document["results"]:
            own = {**result, "evidence": _evidence(result, shard, names)}
            key = own["check"], own["kind"], own["subject"]
            known, where = found.setdefault(key, (own, shard.name))
            if known != own:
                raise MergeError(f"{where} and {shard.name} judged {key[0]} of {key[2]} differently")
    return [result for result, _ in found.values()]


def _evidence(result: Result, shard: Shard, names: Mapping[str, str]) -> list[str]:
    if shard.facts is None:
        return []
    return [names.get(one, one) for one in result["evidence"] if one in names or not one.startswith("dns:")]


def _united(shards: Sequence[Shard], name: str) -> list[dict[str, Any]]:
    """Return the hosts or domains of all shards by name. Raises MergeError where one is declared in two ways."""
    found: dict[str, tuple[dict[str, Any], str]] = {}
    for shard in shards:
        for one in shard.document[name]:
            known, where = found.setdefault(one["name"], (one, shard.name))
            if known != one:
                raise MergeError(f"{where} and {shard.name} are of different inventories: see {one['name']}")
    return [found[key][0] for key in sorted(found)]


def _streams(shards: Sequence[Shard]) -> list[dict[str, Any]]:
    """Return what came of the probes of all shards; of a probe of several the first that came."""
    found: dict[str, dict[str, Any]] = {}
    for shard in shards:
        for one in shard.document.get("streams", []):
            if one["probe"] not in found or found[one["probe"]]["state"] != "came" == one["state"]:
                found[one["probe"]] = one
    return [found[key] for key in sorted(found)]


def _checks(shards: Sequence[Shard]) -> dict[str, dict[str, Any]]:
    """Return the rules of all shards by id, each at the strictest level that it has in one."""
    found: dict[str, dict[str, Any]] = {}
    for shard in shards:
        for name, check in shard.document["checks"].items():
            known = found.get(name)
            if known is None or Level(check["level"]).rank < Level(known["level"]).rank:
                found[name] = check
    return dict(sorted(found.items()))


def _run(
    shards: Sequence[Shard],
    hosts: Sequence[Mapping[str, Any]],
    domains: Sequence[Mapping[str, Any]],
    store: Store,
    warnings: Iterable[str],
) -> dict[str, Any]:
    """Return what is told of the run as a whole, but for its end."""
    extra: dict[str, Any] = {}
    for shard in reversed(shards):
        extra |= shard.run.get("extra", {})
    extra.pop("shard", None)
    lists = ("resolvers", "out_of_scope", "warnings", "notes", "unobserved")
    run = {**shards[0].run, **{name: each(shard.run.get(name, []) for shard in shards) for name in lists}}
    run["notes"] = each([run["notes"], warnings])
    replayed = each([shard.run["replay"]] for shard in shards if shard.run["replay"])
    known = all(shard.facts for shard in shards)
    facts = [shard.run["facts"] for shard in shards]
    dark = [shard.run.get("inconclusive", "") for shard in shards]
    return run | {
        "hosts": len(hosts),
        "domains": len(domains),
        "inconclusive": failing(store) if known else next(filter(None, dark), ""),
        "replay": ", ".join(replayed) or None,
        "facts": {
            "questions": len(store.answers) if known else sum(one["questions"] for one in facts),
            "queries": sum(one["queries"] for one in facts),
            "sessions": len(store.sessions) if known else sum(one["sessions"] for one in facts),
            "seconds": round(sum(one["seconds"] for one in facts), 3),
        },
        **({"base": base.united([shard.run["base"] for shard in shards])} if "base" in shards[0].run else {}),
        **({"extra": extra} if extra or "extra" in shards[0].run else {}),
    }


def _times(shards: Sequence[Shard]) -> dict[str, Any]:
    """Return beginning, end and duration of all shards together."""
    first = min(shards, key=lambda shard: _seconds(shard.run["started"]))
    last = max(shards, key=lambda shard: _seconds(shard.run["ended"]))
    longest = max(shard.run["seconds"] for shard in shards)
    span = _seconds(last.run["ended"]) - _seconds(first.run["started"]) if len(shards) > 1 else 0.0
    return {"started": first.run["started"], "ended": last.run["ended"], "seconds": max(longest, round(span, 3))}


def _seconds(time: str) -> float:
    found = moment(time)
    return found.timestamp() if found else 0.0


def _ended(shards: Sequence[Shard]) -> int:
    """Return what pytest would have said of one run: that it was interrupted where one was, or could not begin."""
    statuses = {shard.run["exit"] for shard in shards}
    return next((status for status in (2, 4) if status in statuses), 2 if _missing(shards) else 0)


def _missing(shards: Sequence[Shard]) -> list[str]:
    parts = [part for shard in shards if (part := shard.part)]
    given = {one for one, _ in parts}
    # A number that a file says is not believed further than it can be listed.
    of = min(max((of for _, of in parts), default=0), 10_000)
    return [f"shard {one} of {of}" for one in range(1, of + 1) if one not in given]


def _cut_short(shards: Sequence[Shard]) -> str:
    """Return why the whole is partial, as far as that is a shard that is missing: nobody interrupted the others."""
    missing = _missing(shards)
    if not missing or any(shard.run["exit"] == 2 for shard in shards):
        return ""
    return f"{listed(missing, 3)} {'is' if len(missing) == 1 else 'are'} missing"


def _unreached(shards: Sequence[Shard], results: Iterable[Result]) -> list[str]:
    """Return what no shard came to: the subjects that one was to judge and none did, the shards that are missing."""
    judged = {f"{one['check']} {one['subject']}" for one in results}
    return [
        *_missing(shards),
        *(text for text in each(shard.run["unreached"] for shard in shards) if text not in judged),
    ]


def _unfinished(shards: Sequence[Shard]) -> Iterator[str]:
    for shard in shards:
        if not shard.run["complete"]:
            left = shard.run["unreached"]
            first = f", first {left[0]}" if left else ""
            yield f"{shard.name} is unfinished: {len(left):,} not reached{first}"
    if missing := _missing(shards):
        yield f"missing: {', '.join(missing[:20])}"


def _without_facts(shards: Sequence[Shard]) -> Iterator[str]:
    for shard in shards:
        if shard.facts is None:
            yield f"{shard.name} has no facts.json beside it: what it found is told without evidence"


def _different_answers(questions: Sequence[str]) -> Iterator[str]:
    if questions:
        yield (
            f"{plural(len(questions), 'question')} answered differently to several shards, first {questions[0]}: "
            "each judged by its own answer, facts.json has one of them"
        )


_SUBJECTS: Mapping[str, Callable[[Mapping[str, Any]], list[str]]] = {
    "mta": lambda host: [host["name"]],
    "address": lambda host: [f"{host['name']}/{address['address']}" for address in host["addresses"]],
    "listener": lambda host: list(host["listeners"]),
}
"""Ids of the subjects that a host has, by kind."""


def _unjudged(
    hosts: Iterable[Mapping[str, Any]], domains: Iterable[Mapping[str, Any]], results: Iterable[Result]
) -> Iterator[str]:
    """Say of which subjects nothing was judged, where others of their kind were: a shard may not have been named."""
    judged: dict[str, set[str]] = {}
    for result in results:
        judged.setdefault(result["kind"], set()).add(result["subject"])
    declared = {kind: [one for host in hosts for one in find(host)] for kind, find in _SUBJECTS.items()}
    declared["domain"] = [domain["name"] for domain in domains if not domain["no_mail"]]
    for kind, names in declared.items():
        left = [name for name in names if name not in judged.get(kind, names)]
        if left:
            yield f"nothing was judged of {plural(len(left), kind)}, first {left[0]}: are all shards named?"
