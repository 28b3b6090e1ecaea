"""What is wrong with what a run was asked for, said before anything starts."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from conformance import gate, notify, policy, probing, shard
from conformance.catalogue import checks
from conformance.facts.gather import parse_server
from conformance.facts.snapshot import SnapshotError, load
from conformance.facts.trials import TRIALS
from conformance.fleet.model import Fleet, Mta
from conformance.options import Settings, duration
from conformance.profiles import names as profile_names
from conformance.proposed import problems as proposed_problems
from conformance.reading.excerpt import did_you_mean
from conformance.report import outputs


def asked_problems(settings: Settings, fleet: Fleet) -> Iterator[str]:
    """Say everything that is wrong with what was asked for, and where it was asked."""
    where = settings.where
    for name in split(settings["profile"]):
        if name not in profile_names():
            yield f"{where['profile']}: {_no_profile(name)}"
    for text in settings["resolver"]:
        try:
            parse_server(text)
        except ValueError as error:
            yield f"{where['resolver']}: {error}"
    yield from _anchor_problems(settings, fleet)
    for target in settings["notify"]:
        if wrong := notify.problem(target):
            yield f"{where['notify']}: {wrong}"
    if settings["budget"]:
        try:
            duration(settings["budget"])
        except ValueError as error:
            yield f"{where['budget']}: {error}"
    for wrong in outputs.problems(settings["format"]):
        yield f"{where['format']}: {wrong}"
    for option in ("rules", "skip-rules"):
        for name in settings[option]:
            if not any(fnmatchcase(check, name) for check in checks()):
                yield f"{where[option]}: no rule matches {name!r}{_meant(name)}"
    if settings["replay"]:
        try:
            load(settings["replay"])
        except SnapshotError as error:
            yield str(error)
    yield from gate.problems(settings)
    yield from shard.problems(settings)
    yield from proposed_problems(settings)
    yield from probing.problems(settings, fleet)
    yield from declared_problems(fleet)


def _anchor_problems(settings: Settings, fleet: Fleet) -> Iterator[str]:
    """Say what is wrong with the trust anchor: a run that does not validate would never look at it."""
    path, given = settings["trust-anchor"], settings.given
    if not path or ("dnssec" in given and "trust-anchor" not in given and settings["dnssec"] == "resolver"):
        return
    where = settings.where["trust-anchor"]
    if (settings["dnssec"] or fleet.dnssec) != "validate":
        yield f"{where}: this run does not validate DNS answers; let it, with --dnssec validate, or leave {where} out"
        return
    from conformance.facts.anchors import load

    try:
        load(path)
    except ValueError as error:
        yield f"{where}: {error}"


def declared_problems(fleet: Fleet) -> Iterator[str]:
    """Say what is wrong with an inventory that only the rules and profiles can tell, and where it was declared."""
    yield from map(str, policy.problems(fleet))
    for mta in fleet.mtas:
        for name in mta.profiles:
            if name not in profile_names():
                yield f"{_declared(mta, 'mailconform_profile')}: {_no_profile(name)}"
        for name in sorted(mta.levels.keys() - checks().keys()):
            yield f"{_declared(mta, 'mailconform_levels')}: there is no rule {name!r}{_meant(name)}"
        for stream in mta.streams:
            for pattern in stream.trials:
                if not any(fnmatchcase(name, pattern) for name in TRIALS):
                    text = did_you_mean(pattern, TRIALS, most=3)
                    yield f"{stream.origin or stream.id}: no trial matches {pattern!r}{'; ' if text else ''}{text}"


def split(names: str | None) -> tuple[str, ...]:
    """Split names at commas."""
    return tuple(name.strip() for name in (names or "").split(",") if name.strip())


def _declared(mta: Mta, variable: str) -> str:
    """Say where a host's value of a variable was written."""
    origin = mta.declared.get(variable)
    return f"{origin}: {variable}" if origin else f"{variable} of {mta.name}"


def _no_profile(name: str) -> str:
    return f"no profile {name!r}; there are {', '.join(profile_names())}"


def _meant(name: str) -> str:
    return f"; {did_you_mean(name, checks(), most=3) or 'see: mailconform list rules'}"
