"""The subjects of checks: what pytest parametrises, and whom of the fleet each one concerns."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conformance import profiles
from conformance.check import Check, Level, NotApplicable, strictest
from conformance.fleet.model import Address, Blocklist, Domain, Fleet, Listener, Mta, Selector, Sender
from conformance.fleet.origin import Origin
from conformance.fleet.sending import Probe, Stream
from conformance.fleet.slots import Observed, Signing, signings


@dataclass(frozen=True, slots=True)
class Nobody:
    """Stands where the fleet has no subject of a kind, so that each check says so once."""

    reason: str
    id: str = "none"


def judged(request: Any) -> Any:
    """Return the subject that a fixture was parametrised with. Raises NotApplicable where the fleet has none."""
    if isinstance(request.param, Nobody):
        raise NotApplicable(request.param.reason)
    return request.param


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of subject: how to find all of them, what to say when there are none, what reports call it."""

    all: Callable[[Fleet], Sequence[Any]]
    missing: str
    called: str


def _addresses(fleet: Fleet) -> Sequence[Any]:
    return (*fleet.addresses, *map(Observed, fleet.probes))


def _selectors(fleet: Fleet) -> Sequence[Any]:
    return (*fleet.selectors, *(signing for probe in fleet.probes for signing in signings(probe)))


KINDS: Mapping[str, Kind] = {
    "mta": Kind(lambda fleet: fleet.mtas, "no mail host is declared", "mta"),
    "address": Kind(_addresses, "no sending address is declared", "address"),
    "listener": Kind(lambda fleet: fleet.listeners, "no listener is declared", "listener"),
    "domain": Kind(lambda fleet: fleet.sending_domains, "no sending domain is declared", "domain"),
    "parked_domain": Kind(lambda fleet: fleet.parked_domains, "no domain is declared with no_mail", "domain"),
    "blocklist": Kind(lambda fleet: fleet.blocklists, "no DNS list is declared in mailconform_dnsbl", "blocklist"),
    "selector": Kind(_selectors, "no DKIM selector is declared", "selector"),
    "stream": Kind(lambda fleet: fleet.tried_streams, "no stream is declared that may be tried", "stream"),
    "probe": Kind(lambda fleet: fleet.probes, "no stream is declared", "probe"),
    "sender": Kind(lambda fleet: fleet.senders, "no host sends for a domain of the catalogue", "sender"),
}
"""Kinds by the name of the fixture that gives the subject."""


def subjects(kind: str, fleet: Fleet) -> Sequence[Any]:
    """Return all subjects of a kind, or the one that says there are none."""
    return KINDS[kind].all(fleet) or [Nobody(KINDS[kind].missing)]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a subject belongs: its host and its domain by name, the hosts it concerns, and where it was declared."""

    host: str | None
    domain: str | None
    hosts: tuple[str, ...]
    origin: Origin | None
    address: str | None = None
    """The source address that it is about."""


def place(subject: Any, check: Check) -> Place:
    """Return where a subject belongs."""
    match subject:
        case Mta():
            return Place(subject.name, None, (subject.name,), subject.origin)
        case Address():
            greeting = check.area == "helo" or "spf_helo" in check.subjects
            origin = subject.helo_origin if greeting else None
            return Place(subject.host, None, (subject.host,), origin or subject.origin, str(subject.ip))
        case Listener():
            return Place(subject.host, None, (subject.host,), subject.origin)
        case Sender():
            address = subject.address
            return Place(address.host, subject.domain.name, (address.host,), address.origin, str(address.ip))
        case Stream():
            return Place(subject.host, subject.domain, (subject.host,), subject.origin)
        case Probe():
            stream, source = subject.stream, str(subject.source) if subject.source else None
            return Place(stream.host, stream.domain, (stream.host,), stream.origin, source)
        case Observed():
            return Place(subject.stream.host, None, (subject.stream.host,), subject.stream.origin)
        case Signing():
            stream = subject.stream
            return Place(stream.host, stream.domain, (stream.host,), stream.origin)
        case Domain():
            return Place(None, subject.name, subject.hosts, subject.origin)
        case Blocklist():
            return Place(None, None, (), subject.origin)
        case Selector():
            return Place(None, subject.domain, (), subject.origin)
        case _:
            return Place(None, None, (), None)


def subject_of(name: str) -> str | None:
    """Return the kind of subject that a parameter of a check leads to, None for one of the whole fleet."""
    from conformance import fixtures

    if name in KINDS:
        return name
    fixture = getattr(fixtures, name, None)
    needs = inspect.signature(inspect.unwrap(fixture)).parameters if fixture is not None else ()
    return next((kind for one in needs if (kind := subject_of(one))), None)


def kind_of(check: Check) -> str:
    """Return the kind of subject that a check judges, itself or through the facts it asks for: ``fleet`` for all."""
    return next((kind for name in check.subjects if (kind := subject_of(name))), "fleet")


def concerned(fleet: Fleet, where: Place) -> Sequence[Mta]:
    """Return the hosts whose settings weigh for a subject: its own, or all when it has none."""
    names = where.hosts
    if not names and where.domain and where.domain in fleet.catalogue:
        names = fleet.catalogue[where.domain].hosts
    return [fleet.by_name[name] for name in names if name in fleet.by_name] or fleet.mtas


def level(check: Check, hosts: Sequence[Mta], given: Sequence[str], default: Sequence[str]) -> Level | None:
    """Return what a check weighs for some hosts; None when it is off or no profile selects it.

    ``given`` are the profiles of the option, which win over those of the inventory; ``default`` stands for hosts
    that name none. ``mailconform_levels`` of the hosts wins over profiles; of several the strictest holds.
    """
    weighed: list[Level] = []
    for host in dict.fromkeys(
        (tuple(given) or mta.profiles or tuple(default), mta.levels.get(check.id)) for mta in hosts
    ):
        names, override = host
        if override == "off":
            continue
        found = Level(override) if override else profiles.level(check, names)
        if found:
            weighed.append(found)
    return strictest(weighed)
