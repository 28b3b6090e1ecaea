"""``results.json``: what a run found, and the exit status that follows from it."""

from __future__ import annotations

import datetime
import json
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conformance import __version__
from conformance.check import Check, Level, sources
from conformance.fleet.model import Fleet
from conformance.report.changes import Changes
from conformance.report.files import write_atomic
from conformance.report.register import stale
from conformance.report.text import plural

OUTCOMES = ("pass", "fail", "known", "advice", "waived", "undetermined", "not-applicable")

EXITS = {
    0: "every check that gates conforms, is waived or, with --gate new, was broken before",
    1: "a check that gates is broken, with --gate new newly so, or a waiver is stale and --strict-waivers was given",
    2: "the run was interrupted, or out of its budget: these results are partial",
    3: "mailconform itself failed: an internal error, see above",
    4: "wrong usage or an unreadable inventory",
    5: "nothing was checked",
    6: "nothing broken was seen, but something that gates could not be determined",
}
"""Exit statuses in words."""

WRITE_EVERY = 5.0
"""Seconds between two writes of a run under way."""
_WRITE_SHARE = 10
"""A write that takes long is followed by so many times its time without one: large fleets are judged, not written."""


def now() -> str:
    """Return the time in UTC as ISO 8601."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


@dataclass
class Results:
    """Collects the results of a run and writes them. ``run`` holds what is told of the run as a whole."""

    folder: Path
    fleet: Fleet
    run: dict[str, Any]
    gate: Level
    checks: dict[str, dict[str, Any]] = field(default_factory=dict)
    found: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Results by pytest's node id, in the order in which they were told first."""
    expected: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """What is still to be judged: check and subject by pytest's node id."""
    internal: bool = False
    """Whether mailconform itself failed."""
    cut_short: str = ""
    """Why the run ended early, where it is known better than that it did."""
    failed_elsewhere: bool = False
    """Whether a test failed that is no check of ours."""
    changes: Changes = field(default_factory=Changes)
    """What is different from the runs before."""
    streams: list[dict[str, Any]] = field(default_factory=list)
    """What came of each probe."""
    spf: dict[str, Any] = field(default_factory=dict)
    """What SPF says of the fleet; empty where it was not looked up."""
    waivers: list[dict[str, Any]] = field(default_factory=list)
    """The register of waivers."""
    _began: float = field(default_factory=time.monotonic)
    _next: float = 0.0

    def add(self, nodeid: str, result: dict[str, Any]) -> None:
        """Keep one result, the last one of each check, and write the file when the last write is a while ago."""
        self.expected.pop(nodeid, None)
        self.found[nodeid] = result
        if time.monotonic() > self._next:
            self.write(exit_status=2)

    def of(self, nodeid: str) -> dict[str, Any] | None:
        """Return the result of a check, None where there is none yet."""
        return self.found.get(nodeid)

    @property
    def results(self) -> Collection[dict[str, Any]]:
        """All results."""
        return self.found.values()

    def counts(self) -> dict[str, int]:
        """Return how many results there are of each outcome."""
        counted = Counter(result["outcome"] for result in self.results)
        return {outcome: counted[outcome] for outcome in OUTCOMES}

    def exit_status(self, ended: int, gate_none: bool) -> int:
        """Return the exit status of the run. ``ended`` is pytest's own: 2, 3 and 4 stand.

        What a run that stopped early did not come to counts as undetermined.
        """
        if ended in (2, 4):
            return ended
        if self.internal or ended == 3:
            return 3
        if self.failed_elsewhere:
            return 1
        counts = self.counts()
        if not sum(counts.values()) - counts["not-applicable"]:
            return 5
        if gate_none:
            return 0
        if self.run.get("inconclusive"):
            return 6
        if counts["fail"] or (self.run.get("strict_waivers") and stale(self.waivers)):
            return 1
        unknown = any(
            result["outcome"] == "undetermined" and Level(result["level"]).rank <= self.gate.rank
            for result in self.results
        )
        return 6 if unknown or self.expected else 0

    def _in_words(self, exit_status: int) -> str:
        if exit_status == 1:
            return self._why_broken()
        if exit_status == 2 and self.cut_short:
            return f"{self.cut_short}: these results are partial"
        if exit_status == 6 and self.run.get("inconclusive"):
            return "the run is undetermined: its resolver failed"
        if exit_status or self.run["gate"] != "none":
            return EXITS.get(exit_status, "") if exit_status else self._why_not_broken()
        without = self.exit_status(0, gate_none=False)
        whys = {0: self._why_not_broken, 1: self._why_broken}
        why = whys[without]() if without in whys else EXITS[without]
        return f"nothing gates in this run (--gate none); without that it would end with {without}: {why}"

    def _why_not_broken(self) -> str:
        known = self.counts()["known"]
        if not known:
            return "every check that gates conforms"
        return f"nothing that gates is newly broken; {known:,} known before (--gate new)"

    def _why_broken(self) -> str:
        if self.counts()["fail"]:
            new = " and was not known to be (--gate new)" if self.run.get("gate") == "new" else ""
            return f"a check that gates is broken{new}"
        idle = len(stale(self.waivers)) if self.run.get("strict_waivers") else 0
        return f"{plural(idle, 'waiver')} stale (--strict-waivers)" if idle else "a test beside the checks failed"

    def document(self, exit_status: int) -> dict[str, Any]:
        """Return the whole of ``results.json``."""
        ordered = sorted(self.results, key=lambda result: (result["check"], result["kind"], result["subject"]))
        document = {
            "schema": 1,
            "run": self.run
            | {
                "ended": now(),
                "seconds": round(time.monotonic() - self._began, 3),
                "complete": not self.expected and exit_status != 2,
                "exit": exit_status,
                "exit_text": self._in_words(exit_status),
                "unreached": sorted(map(" ".join, self.expected.values())),
            },
            "counts": self.counts(),
            "checks": self.checks,
            "hosts": [_host(self.fleet, name) for name in sorted(self.fleet.by_name)],
            "domains": [
                {
                    "name": domain.name,
                    "no_mail": domain.no_mail,
                    "hosts": list(domain.hosts),
                    "selectors": [selector.name for selector in domain.selectors],
                }
                for domain in self.fleet.domains
            ],
            "streams": self.streams,
            **({"spf": self.spf} if self.spf else {}),
            "waivers": self.waivers,
            "results": ordered,
        }
        return self.changes.told(document)

    def write(self, exit_status: int) -> dict[str, Any]:
        """Write ``results.json`` as things stand, whole or not at all, and return its content."""
        document = self.document(exit_status)
        begun = time.monotonic()
        write_atomic(self.folder / "results.json", parts(document))
        ended = time.monotonic()
        self._next = ended + max(WRITE_EVERY, _WRITE_SHARE * (ended - begun))
        return document


def parts(document: dict[str, Any]) -> Iterator[str]:
    """Yield the document as JSON with one result a line: quick to write, and to compare with another run's."""
    before, key, after = json.dumps(document | {"results": []}, indent=1).rpartition('"results": [')
    yield before + key
    separator = "\n  "
    for result in document["results"]:
        yield separator + json.dumps(result)
        separator = ",\n  "
    yield f"\n {after}\n"


def _host(fleet: Fleet, name: str) -> dict[str, Any]:
    mta = fleet.by_name[name]
    return {
        "name": name,
        "addresses": [
            {
                "address": str(address.ip),
                "helo": address.helo,
                "declared_at": str(address.origin) if address.origin else None,
            }
            for address in mta.addresses
        ],
        "listeners": [listener.id for listener in mta.listeners],
        "sends_for": list(mta.sends_for),
    }


def described(checks: Iterable[tuple[Check, Level]]) -> dict[str, dict[str, Any]]:
    """Return what results tell of the checks themselves: the words of each once, not once a subject."""
    known = sources()
    return {
        check.id: {
            "title": check.title,
            "reason": check.reason,
            "fix": check.fix,
            "level": level.value,
            "sources": [
                {
                    "cite": str(cited),
                    "level": cited.level.value if cited.level else None,
                    "title": known[cited.key].title,
                    "address": known[cited.key].address,
                }
                for cited in check.citations
            ],
        }
        for check, level in sorted(checks, key=lambda pair: pair[0].id)
    }


def opening(settings: Mapping[str, Any], fleet: Fleet) -> dict[str, Any]:
    """Return what is told of a run before it has begun."""
    return {
        "started": now(),
        "tool": __version__,
        "inventory": list(settings["inventory"]),
        "limit": settings["limit"],
        "level": settings["level"],
        "gate": settings["gate"],
        "strict_waivers": settings["strict-waivers"],
        "replay": settings["replay"],
        "dns": "replay" if settings["replay"] else "live",
        "hosts": len(fleet.mtas),
        "domains": len(fleet.domains),
        "out_of_scope": list(fleet.out_of_scope),
        "warnings": list(fleet.warnings),
        "extra": {**fleet.extra, **({"shard": settings["shard"]} if settings["shard"] else {})},
    }
