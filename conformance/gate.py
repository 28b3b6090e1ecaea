"""``--gate new``: what a run takes for known, and the baseline that it writes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from conformance.catalogue import checks
from conformance.fleet.model import Fleet
from conformance.fleet.values import shown_path
from conformance.options import Settings, UsageError
from conformance.policy import Policy
from conformance.report import base, outputs, reader, runs
from conformance.report.grouping import Results
from conformance.subjects import KINDS, kind_of

LATEST = "latest"
"""Stands for the results of the run before."""


def problems(settings: Settings) -> Iterator[str]:
    """Say what does not go together."""
    where = settings.where
    if settings["gate"] == "new" and not (settings["baseline"] or settings["against"]):
        yield f"{where['gate']}: what is known? name it: --baseline FILE, --against latest or --against RESULTS"
    if settings["baseline"] and settings["against"]:
        yield f"{where['against']}: there is a baseline already ({where['baseline']}): one of them is enough"
    if settings["update-baseline"] and not settings["baseline"]:
        yield f"{where['update-baseline']}: which one? name it: --baseline FILE"
    if settings["update-baseline"] and (settings["overlay"] or settings["overlay-plan"]):
        yield f"{where['update-baseline']}: a proposed change is not known to be broken yet"
    if settings["update-baseline"] and settings["baseline"] and (why := outputs.obstacle(Path(settings["baseline"]))):
        yield f"{where['baseline']}: {settings['baseline']} cannot be written: {why}"
    if settings["accept-new"] and not settings["update-baseline"]:
        yield f"{where['accept-new']}: goes with --update-baseline"


def identity(settings: Settings, profiles: Sequence[str]) -> dict[str, Any]:
    """Return what a baseline must have in common with a run."""
    return {"inventory": _places(settings["inventory"]), "profiles": list(profiles), "level": settings["level"]}


def _places(sources: Sequence[str]) -> list[str]:
    return [one if "," in one else shown_path(str(Path(one).expanduser().absolute())) for one in sources]


def with_base(policy: Policy, settings: Settings, profiles: Sequence[str], notes: list[str]) -> Policy:
    """Return the policy of a run with what is known. Raises UsageError."""
    try:
        found = _base(settings, identity(settings, profiles), policy.today.isoformat(), notes)
    except base.BaseError as error:
        raise UsageError(str(error)) from None
    return dataclasses.replace(policy, base=found, only_new=settings["gate"] == "new")


def _base(settings: Settings, own: Mapping[str, Any], today: str, notes: list[str]) -> base.Base | None:
    if path := settings["baseline"]:
        if Path(path).exists():
            return dataclasses.replace(base.read(path, own), accepts=bool(settings["accept-new"]))
        if not settings["update-baseline"]:
            raise base.BaseError(f"{path}: there is no baseline yet: --update-baseline makes it")
        return base.Base("baseline", path, today, accepts=True)
    if not settings["against"]:
        return None
    path, shard = settings["against"], settings["shard"]
    if path != LATEST:
        return _of_run(path, _loaded(path), own, shard)
    if settings["report-dir"]:
        path = settings["report-dir"]
        found = _of_run(path, _loaded(path), own, shard) if reader.place(path).exists() else None
    else:
        path = str(Path(settings["reports"]) / runs.LATEST)
        found = _last(Path(path), own, shard, notes)
    if found is None:
        notes.append(f"there is no run before in {path}: everything that is broken counts as new")
    return found or base.Base("results", path, "")


def _last(latest: Path, own: Mapping[str, Any], shard: str | None, notes: list[str]) -> base.Base | None:
    """Return the last run as a base, or else the one before it that tells what is live; None where there is none."""
    if not reader.place(latest).exists():
        return None
    document = _loaded(str(latest))
    if _tells(document):
        return _of_run(str(latest), document, own, shard)
    for run in reversed(runs.all_runs(latest.parent)):
        with suppress(base.BaseError):
            document = _loaded(str(run.path))
            if _tells(document):
                found = _of_run(str(run.path), document, own, shard)
                notes.append(f"{latest} tells nothing of what is live: what is known is that of {run.path}")
                return found
    return None


def _tells(document: Results) -> bool:
    """Whether results tell what is broken: those of proposed DNS do not, nor those of a resolver that failed."""
    return document["run"]["dns"] != "proposed" and not document["run"].get("inconclusive")


def _loaded(path: str) -> Results:
    try:
        return reader.load(path)
    except reader.ResultsError as error:
        raise base.BaseError(str(error)) from None


def _of_run(path: str, document: Results, own: Mapping[str, Any], shard: str | None) -> base.Base:
    theirs = {"inventory": _places(document["run"]["inventory"]), "profiles": document["run"]["profiles"]}
    base.require_same(path, theirs, own, ("inventory", "profiles"))
    if (part := document["run"].get("extra", {}).get("shard")) not in (None, shard):
        raise base.BaseError(f"{path}: is shard {part} alone, and knows nothing of the rest: merge the shards first")
    return base.of_results(document, path)


def update(policy: Policy, settings: Settings, document: Results, fleet: Fleet) -> str:
    """Write the baseline anew after a whole run, where that was asked for. Returns what became of it, in words.

    Raises OSError.
    """
    run, known = document["run"], policy.base
    if not settings["update-baseline"] or known is None:
        return ""
    if not run["complete"] or run["exit"] not in (0, 1, 6) or run.get("inconclusive"):
        return f"the baseline {known.file} stays as it was: the run did not come to an end"
    exists = None if settings["limit"] else set(_pairs(fleet))
    after = known.turned(document["results"], policy.today.isoformat(), exists=exists)
    entered, left = len(after.since.keys() - known.since.keys()), len(known.since.keys() - after.since.keys())
    if not (entered or left) and Path(known.file).exists():
        return f"the baseline {known.file} stays as it was: {len(after.since):,} known"
    own = identity(settings, run["profiles"])
    outputs.put(Path(known.file), base.text(after, own, policy.today.isoformat()))
    return f"the baseline {known.file} has {len(after.since):,} known: {entered:,} entered it, {left:,} left it"


def _pairs(fleet: Fleet) -> Iterator[tuple[str, str]]:
    """Yield every rule with each subject that it could judge."""
    subjects = {kind: [one.id for one in about.all(fleet)] for kind, about in KINDS.items()}
    for check in checks().values():
        for name in subjects.get(kind_of(check), ["fleet"]):
            yield check.id, name
