"""One run: the fleet that is judged, the facts gathered for it, and where results go.

Everything pytest's hooks do is a method here; :mod:`conformance.plugin` only calls them.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import socket
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from conformance.cases import files as case_files
from conformance.catalogue import checks
from conformance.check import Check, Level
from conformance.facts.gather import Gathered, Limits, gather, parse_server
from conformance.facts.plan import FACTS, Wanted
from conformance.facts.snapshot import Gathering, dump, load
from conformance.facts.store import Store
from conformance.fleet.model import Fleet
from conformance.judge import Case, judge
from conformance.options import Settings, UsageError
from conformance.profiles import files as profile_files
from conformance.profiles import load as load_profile
from conformance.progress import Ticker
from conformance.report.files import write_atomic
from conformance.report.results import Results, described, opening
from conformance.subjects import KINDS, Nobody, concerned, level, place

CASE = pytest.StashKey[Case]()
"""The case of an item that is a conformance check."""


@dataclass
class Run:
    """The state of one run. ``worker`` is set in a worker process of pytest-xdist."""

    settings: Settings
    fleet: Fleet
    worker: str | None = None
    shared: Path | None = None
    """Folder that workers and controller share."""
    notes: list[str] = field(default_factory=list)
    store: Store = field(default_factory=Store)
    gathering: Gathering = field(default_factory=Gathering)
    results: Results | None = None
    document: dict[str, Any] | None = None
    stop_lab: Callable[[], None] | None = None
    numbers: dict[str, str] = field(default_factory=dict)
    """Evidence by number: ``dns:QUESTION`` to ``dns:12``."""
    _gathered: Gathered | None = None

    @property
    def gate(self) -> Level:
        """The level from which on a broken rule fails."""
        return Level(self.settings["level"])

    @property
    def folder(self) -> Path:
        """Where results go."""
        return Path(self.settings["report-dir"])

    @property
    def gathered(self) -> Gathered:
        """The facts, as checks see them."""
        if self._gathered is None:
            self._gathered = Gathered(self.store, self.fleet)
            answers = enumerate(self.store.answers.values(), start=1)
            self.numbers = {f"dns:{answer.question}": f"dns:{number}" for number, answer in answers}
        return self._gathered

    def case(self, item: pytest.Function) -> Case | None:
        """Return the case of an item, None when this run leaves it out."""
        check: Check = item.function.check
        if not _wanted(check.id, self.settings["rules"], self.settings["skip-rules"]):
            return None
        kind = next((name for name in KINDS if name in item.fixturenames), "fleet")
        subject = item.callspec.params[kind] if kind in KINDS else None
        where = place(subject, check)
        weighs = level(check, concerned(self.fleet, where), self.given_profiles, self.default_profiles)
        if weighs is None:
            return None
        facts = tuple(name for name in item.fixturenames if name in FACTS)
        return Case(check, kind, subject, weighs, weighs.rank <= self.gate.rank, where, facts)

    @property
    def given_profiles(self) -> tuple[str, ...]:
        """Profiles named by option or environment, which win over the inventory."""
        return split(self.settings["profile"]) if "profile" in self.settings.given else ()

    @property
    def default_profiles(self) -> tuple[str, ...]:
        """Profiles of hosts that name none."""
        return split(self.settings["profile"]) or ("common",)

    @property
    def profiles(self) -> tuple[str, ...]:
        """All profiles that count in this run."""
        named = [
            name for mta in self.fleet.mtas for name in (self.given_profiles or mta.profiles or self.default_profiles)
        ]
        return tuple(dict.fromkeys(named))

    def validate(self) -> None:
        """Check before anything starts what would only come up later. Raises UsageError and SnapshotError."""
        try:
            for name in (*self.profiles, *self.default_profiles):
                load_profile(name)
            for text in self.settings["resolver"]:
                parse_server(text)
        except ValueError as error:
            raise UsageError(str(error)) from None
        for name in (*self.settings["rules"], *self.settings["skip-rules"]):
            if not any(fnmatchcase(check, name) for check in checks()):
                raise UsageError(f"no rule matches {name!r}{_meant(name)}")
        for mta in self.fleet.mtas:
            for name in mta.levels.keys() - checks().keys():
                raise UsageError(f"mailconform_levels of {mta.name}: there is no rule {name!r}{_meant(name)}")
        if self.settings["replay"]:
            load(self.settings["replay"])

    def gather(self, cases: Sequence[tuple[str, Case]]) -> None:
        """Gather all facts that the cases need, before the first is judged."""
        if self.worker is None:
            self.open(nodeid for nodeid, _ in cases)
            self.describe(cases)
        if self.settings["replay"]:
            self._replay(self.settings["replay"])
        elif self.worker is None:
            self._gather_live(cases)
        else:
            self._gather_once(cases)

    def open(self, nodeids: Iterable[str]) -> None:
        """Begin to collect results: all that is expected is not reached yet."""
        self.results = Results(self.folder, self.fleet, opening(self.settings.values, self.fleet), self.gate)
        self.results.expected = {nodeid: nodeid.rpartition("::")[2] for nodeid in nodeids}
        self._tell()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.results.write(exit_status=2)

    def describe(self, cases: Sequence[tuple[str, Case]]) -> None:
        """Say what the cases of this run are, before any is judged."""
        assert self.results is not None
        self.results.checks = described(_strictest(case for _, case in cases))
        self.results.expected = {nodeid: f"{case.check.id} {case.subject_id}" for nodeid, case in cases}

    def _tell(self) -> None:
        """Bring what results tell of the run up to date."""
        if self.results is None:
            return
        self.results.run |= {
            "profiles": list(self.profiles),
            "rules": rules_version(),
            "probe": self.gathering.probe,
            "resolvers": list(self.gathering.resolvers),
            "notes": [*self.notes, *self.gathering.notes],
            "facts": {
                "questions": len(self.store.answers),
                "queries": self.gathering.queries,
                "sessions": len(self.store.sessions),
                "seconds": round(self.gathering.seconds, 3),
            },
        }

    def _replay(self, path: str) -> None:
        snapshot = load(path)
        self.store = snapshot.store()
        self.gathering = Gathering(
            snapshot.gathered,
            snapshot.resolvers,
            snapshot.probe,
            snapshot.seconds,
            snapshot.queries,
            list(snapshot.notes),
        )
        self.notes.append(f"facts of {snapshot.gathered or 'an unknown time'} judged again from {path}")
        self._tell()

    def _gather_live(self, cases: Sequence[tuple[str, Case]]) -> None:
        wanted = {one.key: one for _, case in cases for one in facts_of(case)}
        with Ticker(sys.stderr, "gathering facts") as ticker:
            try:
                self.gathering = gather(list(wanted.values()), self.fleet, self.store, self.limits(), ticker)
            finally:
                self._tell()
                if self.results is not None:
                    write_atomic(self.folder / "facts.json", dump(self.store, self.gathering))
                    self.results.write(exit_status=2)

    def _gather_once(self, cases: Sequence[tuple[str, Case]]) -> None:
        """In one worker of many: the first to come gathers, the others read."""
        import fcntl

        assert self.shared is not None
        facts = self.shared / "facts.json"
        with (self.shared / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not facts.exists():
                self._gather_live(cases)
                write_atomic(facts, dump(self.store, self.gathering))
        self._replay(str(facts))
        self.notes.clear()

    def adopt_workers_facts(self) -> None:
        """In the controller of pytest-xdist: take over the facts that a worker gathered."""
        facts = self.shared / "facts.json" if self.shared else None
        if facts and facts.exists() and not self.settings["replay"]:
            shutil.copyfile(facts, self.folder / "facts.json")
            self._replay(str(facts))
            self.notes.clear()
            self._tell()

    def limits(self) -> Limits:
        """Return how facts may be gathered in this run."""
        settings = self.settings
        return Limits(
            resolvers=tuple(settings["resolver"]),
            probe=settings["probe"],
            ehlo=settings["ehlo"] or socket.getfqdn(),
            dns_timeout=settings["dns-timeout"],
            dns_retries=int(settings["dns-retries"]),
            dns_rate=settings["dns-rate"],
            smtp_timeout=settings["smtp-timeout"],
            smtp_sessions=int(settings["smtp-sessions"]),
        )

    def judge(self, case: Case, raised: BaseException | None) -> dict[str, Any]:
        """Return the result of a case."""
        gathered = self.gathered
        asked = gathered.evidence(facts_of(case))
        evidence = [self.numbers.get(one, one) for one in asked]
        return judge(case, raised, self.fleet, self.gate, evidence)

    def shown(self, evidence: Sequence[str]) -> list[Any]:
        """Return the observations that evidence names."""
        answers = list(self.store.answers.values())
        found: list[Any] = []
        for one in evidence:
            kind, _, name = one.partition(":")
            if kind == "dns" and name.isdecimal():
                found.append(asdict(answers[int(name) - 1]))
            elif kind == "smtp" and name in self.store.sessions:
                found.append([line.text for line in self.store.sessions[name].lines])
        return found

    def finish(self, ended: int) -> int:
        """Write all outputs and return the exit status. ``ended`` is pytest's own."""
        if self.results is None:
            return ended
        self._tell()
        status = self.results.exit_status(ended, self.settings["gate"] == "none")
        self.document = self.results.write(status)
        self._write_page()
        return status

    def _write_page(self) -> None:
        from conformance.report.page import render

        assert self.document is not None
        text = dump(self.store, self.gathering)
        if self.settings["replay"]:
            write_atomic(self.folder / "facts.json", text)
        write_atomic(self.folder / "report.html", render(self.document, json.loads(text)))

    def close(self) -> None:
        """Release what the run holds: the lab, shared files, the loop."""
        if self._gathered is not None:
            self._gathered.close()
        if self.stop_lab is not None:
            self.stop_lab()
        if self.worker is None and self.shared is not None:
            shutil.rmtree(self.shared, ignore_errors=True)


RUN = pytest.StashKey[Run]()


def facts_of(case: Case) -> list[Wanted]:
    """Return the facts that a case judges; none when the fleet has no such subject."""
    if case.subject is None or isinstance(case.subject, Nobody):
        return []
    return [Wanted(fact, case.subject) for fact in case.facts]


def split(names: str | None) -> tuple[str, ...]:
    """Split names at commas."""
    return tuple(name.strip() for name in (names or "").split(",") if name.strip())


def terminate_like_interrupt() -> None:
    """Let SIGTERM end a run as SIGINT does: with partial results and exit status 2."""
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))


@cache
def rules_version() -> str:
    """Return what tells one state of the rules from another: a digest of the case files and profiles."""
    digest = hashlib.sha256()
    for path in (*case_files(), *profile_files()):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _meant(name: str) -> str:
    near = get_close_matches(name, checks(), n=3)
    return f"; did you mean {' or '.join(near)}?" if near else "; see: mailconform list rules"


def _wanted(check_id: str, rules: Sequence[str], skip: Sequence[str]) -> bool:
    chosen = not rules or any(fnmatchcase(check_id, rule) for rule in rules)
    return chosen and not any(fnmatchcase(check_id, rule) for rule in skip)


def _strictest(cases: Any) -> list[tuple[Check, Level]]:
    found: dict[str, tuple[Check, Level]] = {}
    for case in cases:
        known = found.get(case.check.id)
        if known is None or case.level.rank < known[1].rank:
            found[case.check.id] = case.check, case.level
    return list(found.values())
