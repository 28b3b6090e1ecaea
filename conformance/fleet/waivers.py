"""The waivers of a user's repository: read from their files, and found right or wrong before anything else happens."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from fnmatch import fnmatchcase
from pathlib import Path

from conformance.fleet.errors import Problem
from conformance.fleet.hostwaivers import inline
from conformance.fleet.model import Fleet
from conformance.fleet.names import domain_name
from conformance.fleet.origin import Origin
from conformance.reading.excerpt import did_you_mean, listed, quoted
from conformance.reading.located import LONGEST
from conformance.reading.waivers import HORIZON, Fault, Waiver, waivers


class WaiversError(ValueError):
    """A file of waivers cannot be read."""


HOLDS, EXPIRING, EXPIRED = "holds", "expiring", "expired"


def load(paths: Sequence[str], rules: Mapping[str, bool], today: date) -> tuple[list[Waiver], list[Problem]]:
    """Return the waivers of some files, and everything that is wrong with them.

    ``rules`` says by id which rules there are, and of each whether it may be waived.
    """
    found: list[Waiver] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            text = read_file(path)
        except WaiversError as error:
            problems.append(Problem(str(error), Origin(path)))
        else:
            own, wrong = judged(text, path, rules, today)
            found += own
            problems += wrong
    return found, [*problems, *twice(found)]


def judged(text: str, path: str, rules: Mapping[str, bool], today: date) -> tuple[list[Waiver], list[Problem]]:
    """Return the waivers of one file and what is wrong with it. As :func:`load`."""
    own, faults = waivers(text, path)
    named, more = _with_domains(own)
    problems = [Problem(fault.text, Origin(path, fault.line)) for fault in [*faults, *more]]
    return named, [*problems, *wrong(named, rules, today)]


def wrong(found: Sequence[Waiver], rules: Mapping[str, bool], today: date) -> list[Problem]:
    """Return what is wrong with waivers that are well-formed. As :func:`load`."""
    return [Problem(text, place(one)) for one in found for text in _wrong(one, rules, today)]


def of_hosts(fleet: Fleet, rules: Mapping[str, bool], today: date) -> list[Problem]:
    """Return what is wrong with the waivers that stand in the variables of hosts. As :func:`load`."""
    found = inline(fleet.mtas)
    return [*wrong(found, rules, today), *twice(found)]


def place(waiver: Waiver) -> Origin:
    """Return where a waiver is written."""
    return Origin(waiver.path, waiver.line)


def state(waiver: Waiver, today: date) -> str:
    """Return whether a waiver holds, is about to end (within ``warn_days``), or ended with the day before."""
    if today > waiver.expires:
        return EXPIRED
    return EXPIRING if waiver.expires - today <= timedelta(days=waiver.warn_days) else HOLDS


def selected(waiver: Waiver, rules: Mapping[str, bool]) -> list[str]:
    """Return the ids of the rules that a waiver is for."""
    return [
        rule
        for rule, waivable in rules.items()
        if waivable and any(rule == one or (waiver.broad and fnmatchcase(rule, one)) for one in waiver.rules)
    ]


def patterns(found: Sequence[Waiver]) -> tuple[str, ...]:
    """Return the Ansible patterns of some waivers."""
    return tuple(dict.fromkeys(waiver.hosts for waiver in found if waiver.hosts))


def unmatched(waiver: Waiver, fleet: Fleet, limited: bool) -> Iterator[str]:
    """Say what a waiver names that is not in the inventory. ``limited``: only a part of the inventory was read."""
    if waiver.hosts:
        hosts = fleet.patterns.get(waiver.hosts, frozenset())
        if not hosts:
            yield f"hosts: the pattern {quoted(waiver.hosts)} matches no host of the inventory"
        elif not limited and hosts.isdisjoint(fleet.by_name):
            text = listed(sorted(hosts), 3)
            yield f"hosts: the pattern {quoted(waiver.hosts)} matches {text}: no mail host in scope"
    if limited:
        return
    addresses = [str(address.ip) for address in fleet.addresses]
    for name, given, known in (
        ("domains", waiver.domains, list(fleet.catalogue)),
        ("addresses", waiver.addresses, addresses),
    ):
        for one in given:
            if one not in known:
                hint = did_you_mean(one, known)
                yield f"{name}: the inventory declares no {quoted(one)}{'; ' if hint else ''}{hint}"


def read_file(path: str) -> str:
    """Return the text of a file of waivers. Raises WaiversError."""
    try:
        with Path(path).expanduser().open("rb") as file:
            return file.read(4 * LONGEST + 1).decode("utf-8")
    except OSError as error:
        raise WaiversError(f"cannot be read: {error.strerror or type(error).__name__}") from None
    except UnicodeDecodeError:
        raise WaiversError("is not in UTF-8") from None


def _with_domains(found: Sequence[Waiver]) -> tuple[list[Waiver], list[Fault]]:
    """Return waivers with their domains as the inventory has them, and what is no domain."""
    named: list[Waiver] = []
    faults: list[Fault] = []
    for waiver in found:
        try:
            named.append(dataclasses.replace(waiver, domains=tuple(map(domain_name, waiver.domains))))
        except ValueError as error:
            faults.append(Fault(f"domains: expected {error}", waiver.line))
    return named, faults


def _wrong(waiver: Waiver, rules: Mapping[str, bool], today: date) -> Iterator[str]:
    """Say what is wrong with one waiver that is well-formed."""
    for rule in waiver.rules:
        if rule in waiver.globs:
            if not any(fnmatchcase(one, rule) for one in rules):
                yield f"no rule matches {rule!r}"
        elif rule not in rules:
            yield f"there is no rule {rule!r}; {did_you_mean(rule, rules, most=3) or 'see: mailconform list rules'}"
        elif not rules[rule]:
            yield f"{rule} cannot be waived: what it asks protects others, or passwords"
    if waiver.members and (days := (waiver.expires - (waiver.issued or today)).days) > HORIZON:
        yield f"waives for {days:,} days: at most {HORIZON}"
    if waiver.members and waiver.issued and waiver.expires < waiver.issued:
        yield f"expires {waiver.expires}, before it is issued"
    # A day that has begun east of Greenwich is tomorrow in UTC.
    if waiver.issued and waiver.issued > today + timedelta(days=1):
        yield f"issued {waiver.issued}, which is still to come"


def twice(found: Sequence[Waiver]) -> Iterator[Problem]:
    """Say which ids are there more than once."""
    first: dict[str, Waiver] = {}
    for waiver in found:
        known = first.setdefault(waiver.id, waiver)
        if known is not waiver:
            yield Problem(f"id {waiver.id} is also that of {place(known)}", place(waiver))
