"""One run: the fleet that is judged, the facts gathered for it, and where results go.

Everything pytest's hooks do is a method here; :mod:`conformance.plugin` only calls them.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from conformance import gate, home, probing
from conformance.catalogue import rules_version
from conformance.check import Check, Level
from conformance.earlier import keys_before
from conformance.facts import observed, snapshot
from conformance.facts.answer import Answer
from conformance.facts.gather import Gathered, Limits, gather
from conformance.facts.health import failing
from conformance.facts.plan import NAMES, Wanted, want
from conformance.facts.session import Session
from conformance.facts.snapshot import Gathering, Snapshot, load
from conformance.facts.store import Store
from conformance.facts.trial import Trial
from conformance.fleet.model import Fleet
from conformance.fleet.sending import Probe
from conformance.fleet.slots import Observed, Signing
from conformance.judge import Case, defect, judge
from conformance.options import Settings, UsageError
from conformance.policy import Policy
from conformance.problems import asked_problems, split
from conformance.progress import Ticker
from conformance.proposed import overlays as overlays_of
from conformance.proposed import told as told_of_proposed
from conformance.report import outputs
from conformance.report.files import write_atomic
from conformance.report.results import Results, described, opening
from conformance.shard import part
from conformance.subjects import KINDS, Nobody, Place, concerned, level, place


@dataclass
class Run:
    """The state of one run. ``worker`` is set in a worker process of pytest-xdist."""

    settings: Settings
    fleet: Fleet
    policy: Policy = field(default_factory=Policy)
    worker: str | None = None
    shared: Path | None = None
    """Folder that workers and controller share."""
    cut_short: str = ""
    """Why the run ended early, where it ended itself."""
    notes: list[str] = field(default_factory=list)
    store: Store = field(default_factory=Store)
    gathering: Gathering = field(default_factory=Gathering)
    results: Results | None = None
    document: dict[str, Any] | None = None
    held: ExitStack = field(default_factory=ExitStack)
    """What ends with the run: the lab, the handling of signals."""
    home: Path | None = None
    """The folder that was made for the results."""
    numbers: dict[str, str] = field(default_factory=dict)
    """Evidence by number: ``dns:QUESTION`` to ``dns:12``."""
    passing: bool = False
    """Whether the folder for results goes with the run."""
    _weights: dict[str, Level | None] = field(default_factory=dict)
    """What each check weighs for the whole fleet."""
    _answers: list[Answer] = field(default_factory=list)
    _gathered: Gathered | None = None

    @property
    def gate(self) -> Level:
        """The level from which on a broken rule fails."""
        return Level(self.settings["level"])

    @property
    def folder(self) -> Path:
        """Where results go."""
        return self.home or Path(self.settings["report-dir"] or self.settings["reports"])

    @property
    def page(self) -> Path | None:
        """The report that people can open after the run."""
        return None if self.passing else self.folder / "report.html"

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
        if not part(self.settings["shard"]).has(where):
            return None
        if (weighs := self._weight(check, where)) is None:
            return None
        facts = tuple(name for name in item.fixturenames if name in NAMES)
        return Case(check, kind, subject, weighs, where, facts)

    def _weight(self, check: Check, where: Place) -> Level | None:
        """Return what a check weighs for a subject; what concerns all hosts is weighed once a check."""
        hosts = concerned(self.fleet, where)
        known = self._weights if hosts is self.fleet.mtas else {}
        if check.id not in known:
            known[check.id] = level(check, hosts, self.given_profiles, self.default_profiles)
        return known[check.id]

    @cached_property
    def given_profiles(self) -> tuple[str, ...]:
        """Profiles named by option or environment, which win over the inventory."""
        return split(self.settings["profile"]) if "profile" in self.settings.given else ()

    @cached_property
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
        """Check before anything starts what would only come up later. Raises UsageError."""
        problems = dict.fromkeys(asked_problems(self.settings, self.fleet))
        if problems:
            raise UsageError("\n".join(problems))
        self.notes += probing.hints(self.settings, self.fleet)

    @property
    def keeps_history(self) -> bool:
        """Whether the results of this run are compared with those of the runs before it, and by the runs after it."""
        return not (self.settings["report-dir"] or self.settings["replay"] or failing(self.store))

    def make_folder(self) -> None:
        """Make the folder for results, and keep other runs of the inventory away. Raises UsageError."""
        self.home = home.make(self.settings, self.held)

    def expect(self, cases: Iterable[tuple[str, Case]]) -> None:
        """Say by node id what is to be judged, before facts are gathered for it."""
        expected: dict[str, tuple[str, ...]] = {}
        strictest: dict[str, tuple[Check, Level]] = {}
        for nodeid, case in cases:
            expected[nodeid] = case.check.id, case.subject_id
            if case.level.rank < strictest.setdefault(case.check.id, (case.check, case.level))[1].rank:
                strictest[case.check.id] = case.check, case.level
        told = described(strictest.values())
        if self.shared is not None and self.worker is not None:
            write_atomic(self.shared / "expected.json", json.dumps([expected, told]))
        else:
            self._open(expected, told)

    def expect_of_workers(self) -> None:
        """In the controller of pytest-xdist: say what is to be judged once a worker has collected it."""
        if self.results is None and self.shared is not None:
            expected, told = json.loads((self.shared / "expected.json").read_text("utf-8"))
            self._open({nodeid: (check, subject) for nodeid, (check, subject) in expected.items()}, told)

    def _open(self, expected: dict[str, tuple[str, ...]], told: dict[str, Any]) -> None:
        """Begin to collect results: all that is expected is not reached yet."""
        self.results = Results(self.folder, self.fleet, opening(self.settings.values, self.fleet), self.gate)
        self.results.expected, self.results.checks = expected, told
        self._tell()
        self.results.write(exit_status=2)

    def _tell(self) -> None:
        """Bring what results tell of the run up to date."""
        if self.results is None:
            return
        silent = observed.unobserved(self.fleet, self.store.trials.values())
        self.results.cut_short = self.cut_short
        self.results.internal |= bool(self.gathering.defects) and not self.settings["replay"]
        self.results.waivers = self.policy.register(self.results.results)
        if self.policy.base is not None:
            self.results.run["base"] = self.policy.base.told(self.results.results)
        self.results.run |= {
            "profiles": list(self.profiles),
            "rules": rules_version(),
            "probe": self.gathering.probe,
            "inconclusive": failing(self.store),
            "resolvers": list(self.gathering.resolvers),
            **told_of_proposed(self.settings, self.gathering),
            "notes": [*self.notes, *self.gathering.notes, *observed.told(silent), *self.gathering.defects],
            "unobserved": [address.id for address in silent],
            "facts": {
                "questions": len(self.store.answers),
                "queries": self.gathering.queries,
                "sessions": len(self.store.sessions),
                "seconds": round(self.gathering.seconds, 3),
            },
        }

    def gather(self, cases: Iterable[Case]) -> None:
        """Gather all facts that the cases need, before the first is judged. Raises SnapshotError and ValueError."""
        if self.settings["replay"]:
            self._replay()
        elif self.worker is None:
            self._gather_live(cases)
        else:
            self._gather_once(cases)

    def _replay(self) -> None:
        known = load(self.settings["replay"])
        self._take(known)
        self.notes.append(f"facts of {known.gathered} judged again from {self.settings['replay']}")
        self._tell()

    def _take(self, known: Snapshot) -> None:
        self.store = known.store()
        self.gathering = known.gathering()

    def _gather_live(self, cases: Iterable[Case]) -> None:
        wanted = {one.key: one for case in cases for one in facts_of(case)}
        # Results tell of every probe that is made how it authenticates, whatever the rules ask.
        told = [Wanted("authentication", probe) for one in wanted.values() if (probe := probe_of(one.subject))]
        wanted |= {one.key: one for one in told}
        if self.settings["resume"]:
            self._resume()
        self.store.keys = keys_before(self.settings)
        with Ticker(sys.stderr, "gathering facts") as ticker:
            try:
                gather(list(wanted.values()), self.fleet, self.store, self.limits(), self.gathering, ticker)
            finally:
                self._tell()
                if self.results is not None:
                    write_atomic(self.folder / "facts.json", snapshot.parts(self.store, self.gathering))
                    self.results.write(exit_status=2)

    def gather_into(self, store: Store, wanted: Sequence[Wanted]) -> None:
        """Gather some facts once more, into a store of their own; nobody is made to send again."""
        store.trials.update(self.store.trials)
        store.keys = self.store.keys
        each = {one.key: one for one in wanted}
        gather(list(each.values()), self.fleet, store, self.limits(), Gathering(), lambda _: None)

    def _resume(self) -> None:
        """Begin with what an interrupted run has gathered, but for what it could not look at."""
        if overlays_of(self.settings):
            self.notes.append("a run of proposed DNS goes on with nothing that was gathered before")
            return
        found = home.interrupted(Path(self.settings["reports"]), self.fleet, self.folder)
        if found is None:
            self.notes.append("there is no interrupted run of the last hour to go on with")
            return
        self.store = load(str(found)).store().known()
        self.notes.append(f"this run goes on with what {found.parent} has gathered")

    def _gather_once(self, cases: Iterable[Case]) -> None:
        """In one worker of many: the first to come gathers, the others read."""
        import fcntl

        assert self.shared is not None
        facts = self.shared / "facts.json"
        with (self.shared / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not facts.exists():
                self._gather_live(cases)
                write_atomic(facts, snapshot.parts(self.store, self.gathering))
        self._take(load(str(facts)))

    def adopt(self) -> None:
        """In the controller of pytest-xdist: take over the facts that the workers judge."""
        if self.shared is None or self.gathering.gathered:
            return
        if self.settings["replay"]:
            self._replay()
        elif (facts := self.shared / "facts.json").exists():
            self._take(load(str(facts)))
            self._tell()

    def limits(self) -> Limits:
        """Return how facts may be gathered in this run."""
        settings = self.settings
        return Limits(
            resolvers=tuple(settings["resolver"]),
            probe=settings["probe"],
            ehlo=settings["ehlo"] or "",
            dns_timeout=settings["dns-timeout"],
            dns_retries=int(settings["dns-retries"]),
            dns_rate=settings["dns-rate"],
            dns_paranoid=bool(settings["dns-paranoid"]),
            dnssec=settings["dnssec"] or self.fleet.dnssec,
            trust_anchor=settings["trust-anchor"] or "",
            authoritative=settings["authoritative"],
            authoritative_port=int(settings["authoritative-port"]),
            smtp_timeout=settings["smtp-timeout"],
            smtp_sessions=int(settings["smtp-sessions"]),
            overlays=overlays_of(settings),
            campaign=probing.campaign(settings),
        )

    def judge(self, case: Case, raised: BaseException | None) -> dict[str, Any]:
        """Return the result of a case."""
        try:
            asked = self.gathered.evidence(facts_of(case))
            evidence = [self.numbers.get(one, one) for one in asked]
            if isinstance(raised, AssertionError) and isinstance(case.subject, Observed | Signing):
                case = replace(case, observed=self.gathered(case.kind, case.subject))
            return self.policy.weigh(judge(case, raised, self.fleet, self.gate, evidence))
        except Exception as error:
            return defect(case, error)

    def observed(self, evidence: Sequence[str]) -> Iterator[Answer | Session | Trial]:
        """Yield the observations that evidence names."""
        if len(self._answers) != len(self.store.answers):
            self._answers = list(self.store.answers.values())
        for one in evidence:
            kind, _, name = one.partition(":")
            if kind == "dns" and name.isdecimal() and int(name) <= len(self._answers):
                yield self._answers[int(name) - 1]
            elif kind == "smtp" and name in self.store.sessions:
                yield self.store.sessions[name]
            elif kind == "trial":
                yield from (trial for trial in self.store.trials.values() if trial.ref == name)

    def finish(self, ended: int) -> int:
        """Write all outputs and return the exit status. ``ended`` is pytest's own."""
        if self.results is None:
            return ended
        self._tell()
        self.results.streams, self.results.spf = self.gathered.accounts(), self.gathered.spf()
        if self.keeps_history:
            self.results.changes, told = home.compare(self.folder, self.results.document(ended))
            self.notes += told
            self._tell()
        status = self._write_results(self.results, ended)
        if self.document is not None and (said := gate.update(self.policy, self.settings, self.document, self.fleet)):
            self.notes.append(said)
            self._tell()
            status = self._write_results(self.results, ended)
        wanted = outputs.files(self.folder, self.settings["format"])
        written = self._write_outputs(wanted)
        if written != wanted:
            self.results.internal = True
            status = self._write_results(self.results, ended)
            self._write_outputs(written)
        if self.document is not None and not self.settings["report-dir"]:
            home.remember(self.folder, self.document if self.keeps_history else None)
            home.publish(self.folder, self.document, int(self.settings["keep"]))
        return status

    def _write_results(self, results: Results, ended: int) -> int:
        status = results.exit_status(ended, self.settings["gate"] == "none")
        self.document = results.write(status)
        return status

    def _write_outputs(self, wanted: Mapping[Path, str]) -> dict[Path, str]:
        assert self.document is not None
        write_atomic(self.folder / "facts.json", snapshot.parts(self.store, self.gathering))
        return outputs.write(self.document, snapshot.told(self.store), wanted)

    def close(self) -> None:
        """Release what the run holds: the lab, shared files, the loop."""
        if self._gathered is not None:
            self._gathered.close()
        self.held.close()
        if self.worker is None and self.shared is not None:
            shutil.rmtree(self.shared, ignore_errors=True)


def facts_of(case: Case) -> list[Wanted]:
    """Return the facts that a case judges; none when the fleet has no such subject."""
    if case.subject is None or isinstance(case.subject, Nobody):
        return []
    return [want(fact, case.subject) for fact in case.facts]


def probe_of(subject: Any) -> Probe | None:
    """Return the probe that a subject needs to be made."""
    return subject.probe if isinstance(subject, Observed | Signing) else subject if isinstance(subject, Probe) else None


def _wanted(check_id: str, rules: Sequence[str], skip: Sequence[str]) -> bool:
    chosen = not rules or any(fnmatchcase(check_id, rule) for rule in rules)
    return chosen and not any(fnmatchcase(check_id, rule) for rule in skip)
