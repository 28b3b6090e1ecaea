"""Zones that are not live: record sets by name, and what an authoritative server would say of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

import dns.name
from dns.name import Name
from dns.rdata import Rdata
from dns.rdatatype import RdataType

_BESIDE_CNAME = frozenset({RdataType.CNAME, RdataType.RRSIG, RdataType.NSEC, RdataType.KEY})
"""What may stand at the owner of a CNAME record (RFC 2181 section 10.1, RFC 4034 section 2.5)."""


class ZoneError(ValueError):
    """Zones cannot be used; ``problems`` are sentences that begin with file and line."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


@dataclass(frozen=True, slots=True)
class RecordSet:
    """All records of one type at one name. ``place`` says where it is written: ``example.com.zone:14``.

    A set without records takes away what is live there. One with ``removed`` changes what is live: it says which
    records go and which come. ``unknown`` is why nobody can tell the records yet.
    """

    name: Name
    rdtype: RdataType
    ttl: int
    """Seconds."""
    rdatas: tuple[Rdata, ...]
    place: str
    removed: tuple[Rdata, ...] | None = None
    unknown: str = ""

    @property
    def whole(self) -> bool:
        """Whether the set stands for itself, whatever is live."""
        return self.removed is None and not self.unknown

    @property
    def deleted(self) -> bool:
        """Whether the set is taken away."""
        return self.whole and not self.rdatas

    def over(self, before: RecordSet | None) -> RecordSet:
        """Return the set that comes of this one where another stands."""
        if self.removed is None:
            return self
        kept = () if before is None else tuple(one for one in before.rdatas if one not in self.removed)
        added = tuple(one for one in self.rdatas if one not in kept)
        return replace(self, rdatas=(*kept, *added), removed=None)


class Kind(StrEnum):
    """What a look-up comes to (RFC 1034 section 4.3.2)."""

    FOUND = "found"
    ALIAS = "alias"
    NODATA = "nodata"
    NXDOMAIN = "nxdomain"
    CUT = "cut"
    """Another zone begins at or above the name."""
    UNMANAGED = "unmanaged"
    """Whoever serves the zone adds these records."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a zone says to one question. ``set`` is what decides: the records, the CNAME, the SOA that denies, the NS.

    ``target`` is where an alias leads; None when that would be no name (RFC 6672 section 2.2).
    """

    kind: Kind
    set: RecordSet | None = None
    target: Name | None = None


@dataclass(frozen=True)
class Zone:
    """A whole zone. What is not in it does not exist. ``place`` says where it begins.

    ``managed`` is False for files that leave SOA and NS of the zone to whoever serves it.
    """

    origin: Name
    sets: Mapping[tuple[Name, RdataType], RecordSet]
    place: str
    managed: bool = True
    _names: frozenset[Name] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_names", frozenset(_names(self.origin, self.sets)))

    @property
    def soa(self) -> RecordSet | None:
        """The SOA record, that of the zone's origin."""
        return self.sets.get((self.origin, RdataType.SOA))

    def look_up(self, name: Name, rdtype: RdataType) -> Look:
        """Answer a question about a name at or below the origin."""
        if not self.managed and name == self.origin and rdtype in (RdataType.SOA, RdataType.NS):
            known = self.sets.get((name, rdtype))
            return Look(Kind.FOUND, known) if known else Look(Kind.UNMANAGED)
        for above in _between(name, self.origin):
            if above != self.origin and (cut := self.sets.get((above, RdataType.NS))):
                if above == name and rdtype == RdataType.DS:
                    # This side of the cut says how it is signed (RFC 4035 section 3.1.4.1).
                    known = self.sets.get((name, rdtype))
                    return Look(Kind.FOUND, known) if known else Look(Kind.NODATA, self.soa)
                return Look(Kind.FOUND if above == name and rdtype == RdataType.NS else Kind.CUT, cut)
            if above != name and (dname := self.sets.get((above, RdataType.DNAME))):
                return Look(Kind.ALIAS, dname, _redirected(name, dname))
        if name in self._names:
            return self._at(name, rdtype) or Look(Kind.NODATA, self.soa)
        encloser = next(above for above in ancestors(name) if above in self._names)
        wildcard = wildcard_of(encloser)
        if wildcard not in self._names:
            return Look(Kind.NXDOMAIN, self.soa)
        return self._at(wildcard, rdtype) or Look(Kind.NODATA, self.soa)

    def _at(self, name: Name, rdtype: RdataType) -> Look | None:
        if known := self.sets.get((name, rdtype)):
            return Look(Kind.FOUND, known)
        if alias := self.sets.get((name, RdataType.CNAME)):
            if alias.unknown:
                return Look(Kind.FOUND, alias)
            return Look(Kind.ALIAS, alias, target_of(alias))
        return None

    def changed(self, patch: Mapping[tuple[Name, RdataType], RecordSet]) -> Zone:
        """Return the zone with some record sets replaced or, where they are empty, taken away."""
        sets = {**self.sets, **{key: one.over(self.sets.get(key)) for key, one in patch.items()}}
        kept = {key: one for key, one in sets.items() if one.rdatas or one.unknown}
        return Zone(self.origin, kept, self.place, self.managed)


def ancestors(name: Name) -> Iterator[Name]:
    """Yield the names above a name, the nearest first, the root last."""
    while name != dns.name.root:
        name = name.parent()
        yield name


def wildcard_of(encloser: Name) -> Name:
    """Return ``*.name`` (RFC 4592 section 2.1.1). What is too long to exist is the name itself."""
    try:
        return Name((b"*", *encloser.labels))
    except dns.name.NameTooLong:
        return encloser


def target_of(alias: RecordSet) -> Name:
    """Return what a CNAME record leads to."""
    target: Name = alias.rdatas[0].target  # type: ignore[attr-defined]
    return target


def conflicts(sets: Mapping[tuple[Name, RdataType], RecordSet]) -> Iterator[str]:
    """Say what no server would load: several CNAME records, or one beside other data (RFC 1034 section 3.6.2)."""
    types: dict[Name, list[RecordSet]] = {}
    for one in sets.values():
        if one.rdatas or one.unknown:
            types.setdefault(one.name, []).append(one)
    for name, found in types.items():
        alias = next((one for one in found if one.rdtype == RdataType.CNAME), None)
        if alias is None:
            continue
        if len(alias.rdatas) > 1:
            yield f"{alias.place}: {name} has {len(alias.rdatas)} CNAME records"
        if others := [one.rdtype.name for one in found if one.rdtype not in _BESIDE_CNAME]:
            yield f"{alias.place}: {name} has a CNAME record beside {', '.join(sorted(others))}"


def _names(origin: Name, sets: Iterable[tuple[Name, RdataType]]) -> Iterator[Name]:
    """Yield every name that exists: owners, and the names between them and the origin (RFC 4592 section 2.2.2)."""
    yield origin
    for name, _ in sets:
        yield from _between(name, origin)


def _between(name: Name, origin: Name) -> list[Name]:
    """Return the names from the origin down to the name, both included."""
    return [name.split(depth)[1] for depth in range(len(origin), len(name) + 1)]


def _redirected(name: Name, dname: RecordSet) -> Name | None:
    target: Name = dname.rdatas[0].target  # type: ignore[attr-defined]
    try:
        return name.relativize(dname.name).concatenate(target)
    except dns.name.NameTooLong:
        return None
