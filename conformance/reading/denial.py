"""What NSEC and NSEC3 records prove not to be there (RFC 4035 section 5.4, RFC 5155 section 8, RFC 6840 section 4).

Their signatures are verified before this is asked.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import dns.dnssec
from dns.name import Name
from dns.rdata import Rdata
from dns.rdatatype import RdataType
from dns.rrset import RRset

MOST_ITERATIONS = 100
"""Further rounds of hashing that are made; more prove nothing here (RFC 9276 section 3.2)."""

_MOST_LABELS = 128
_SHA1 = 1
_OPT_OUT = 1
_KNOWN_FLAGS = (0, _OPT_OUT)


@dataclass(frozen=True, slots=True)
class Denied:
    """What is proved: ``name`` that a name does not exist, ``type`` that it has no records of a type; maybe neither.

    ``delegation``: the name is a zone of its own without DS record. ``opt_out``: the name may be one all the same.
    """

    name: bool = False
    type: bool = False
    delegation: bool = False
    opt_out: bool = False


NOTHING = Denied()


def denied(name: Name, rdtype: RdataType, zone: Name, records: Sequence[RRset]) -> Denied:
    """Return what the NSEC and NSEC3 records of a zone say of a name in it and of its records of a type."""
    if not name.is_subdomain(zone):
        return NOTHING
    if any(one.rdtype == RdataType.NSEC3 for one in records):
        return _Hashed(zone, records).denied(name, rdtype)
    return _Ordered(zone, records).denied(name, rdtype)


def closer_denied(name: Name, labels: int, zone: Name, records: Sequence[RRset]) -> bool:
    """Say whether nothing stands between a name and the wildcard that its records are made of.

    ``labels`` is the number of labels below which the wildcard stands (RFC 4035 section 5.3.4, RFC 5155 section 8.8).
    """
    if not name.is_subdomain(zone) or not len(zone) - 1 <= labels < len(name) - 1:
        return False
    next_closer = Name(name.labels[-(labels + 2) :])
    if any(one.rdtype == RdataType.NSEC3 for one in records):
        return _Hashed(zone, records).covering(next_closer) is not None
    covering = _Ordered(zone, records).covering(next_closer)
    return covering is not None and not _next(covering[1]).is_subdomain(next_closer)


def _has(rdata: Rdata, rdtype: RdataType) -> bool:
    """Say whether a bitmap has a type (RFC 4034 section 4.1.2)."""
    number, bit = divmod(int(rdtype), 256)
    bitmap: bytes = dict(rdata.windows).get(number, b"")  # type: ignore[attr-defined]
    octet, bit = divmod(bit, 8)
    return octet < len(bitmap) and bool(bitmap[octet] & (0x80 >> bit))


def _is_cut(rdata: Rdata) -> bool:
    """Say whether a record is the parent's at a delegation."""
    return _has(rdata, RdataType.NS) and not _has(rdata, RdataType.SOA)


def _stands_above(rdata: Rdata) -> bool:
    """Say whether a record cannot speak of names below its own (RFC 6840 section 4.1, RFC 6672 section 5.3.4.1)."""
    return _is_cut(rdata) or _has(rdata, RdataType.DNAME)


def _without(rdata: Rdata, rdtype: RdataType) -> Denied:
    """Return what a record at the very name proves."""
    if _has(rdata, rdtype) or _has(rdata, RdataType.CNAME):
        return NOTHING
    if rdtype == RdataType.DS:
        # The child's own record does not speak of DS (RFC 4035 section 5.2).
        return NOTHING if _has(rdata, RdataType.SOA) else Denied(type=True, delegation=_has(rdata, RdataType.NS))
    return NOTHING if _is_cut(rdata) else Denied(type=True)


def _next(rdata: Rdata) -> Name:
    following: Name = rdata.next  # type: ignore[attr-defined]
    return following


class _Ordered:
    """NSEC records (RFC 4034 section 4)."""

    def __init__(self, zone: Name, records: Sequence[RRset]) -> None:
        self._zone = zone
        self._records = [
            (one.name, rdata)
            for one in records
            if one.rdtype == RdataType.NSEC and one.name.is_subdomain(zone)
            for rdata in one
            if _next(rdata).is_subdomain(zone)
        ]

    def matching(self, name: Name) -> Rdata | None:
        return next((rdata for owner, rdata in self._records if owner == name), None)

    def covering(self, name: Name) -> tuple[Name, Rdata] | None:
        """Return the record between whose names another would stand; one of a cut above it does not count."""
        for owner, rdata in self._records:
            last = _next(rdata) == self._zone
            if owner < name and (last or name < _next(rdata)):
                if name.is_subdomain(owner) and _stands_above(rdata):
                    continue
                return owner, rdata
        return None

    def denied(self, name: Name, rdtype: RdataType) -> Denied:
        if (at := self.matching(name)) is not None:
            return _without(at, rdtype)
        if (around := self.covering(name)) is None:
            return NOTHING
        owner, rdata = around
        if _next(rdata).is_subdomain(name):
            # An empty name, there because of those below it (RFC 4592 section 2.2.2).
            return Denied(type=True)
        shared = max(name.fullcompare(owner)[2], name.fullcompare(_next(rdata))[2])
        wildcard = Name((b"*", *name.labels[-shared:]))
        if (at := self.matching(wildcard)) is not None:
            return _without(at, rdtype)
        return Denied(name=True, type=True) if self.covering(wildcard) else NOTHING


class _Hashed:
    """NSEC3 records of one zone with one set of parameters (RFC 5155 section 8.2)."""

    def __init__(self, zone: Name, records: Sequence[RRset]) -> None:
        self._zone = zone
        self._records: list[tuple[str, Any]] = []
        for one in records:
            if one.rdtype != RdataType.NSEC3 or len(one.name) < 2 or one.name.parent() != zone:
                continue
            owner = one.name.labels[0].decode("latin-1").upper()
            self._records += [(owner, rdata) for rdata in one if self._fits(rdata)]

    def _fits(self, rdata: Any) -> bool:
        if rdata.algorithm != _SHA1 or rdata.flags not in _KNOWN_FLAGS or rdata.iterations > MOST_ITERATIONS:
            return False
        first = self._records[0][1] if self._records else rdata
        return bool((rdata.salt, rdata.iterations) == (first.salt, first.iterations))

    def _hash(self, name: Name) -> str:
        first = self._records[0][1]
        return dns.dnssec.nsec3_hash(name, first.salt, first.iterations, _SHA1).upper()

    def matching(self, name: Name) -> Rdata | None:
        if not self._records:
            return None
        wanted = self._hash(name)
        return next((rdata for owner, rdata in self._records if owner == wanted), None)

    def covering(self, name: Name) -> Rdata | None:
        if not self._records:
            return None
        wanted = self._hash(name)
        for owner, rdata in self._records:
            following = base64.b32hexencode(rdata.next).decode("ascii").rstrip("=")
            inside = owner < wanted < following
            around = owner >= following and (wanted > owner or wanted < following)
            if inside or around:
                found: Rdata = rdata
                return found
        return None

    def denied(self, name: Name, rdtype: RdataType) -> Denied:
        if (at := self.matching(name)) is not None:
            return _without(at, rdtype)
        for encloser, next_closer in self._above(name):
            if (at := self.matching(encloser)) is None:
                continue
            around = self.covering(next_closer)
            if around is None or _stands_above(at):
                return NOTHING
            opt_out = bool(around.flags & _OPT_OUT)  # type: ignore[attr-defined]
            return self._at_wildcard(Name((b"*", *encloser.labels)), rdtype, opt_out)
        return NOTHING

    def _above(self, name: Name) -> Iterator[tuple[Name, Name]]:
        """Yield the names above one within the zone, each with the next one below it."""
        for _ in range(_MOST_LABELS):
            if name == self._zone:
                return
            yield name.parent(), name
            name = name.parent()

    def _at_wildcard(self, wildcard: Name, rdtype: RdataType, opt_out: bool) -> Denied:
        if (at := self.matching(wildcard)) is not None:
            found = _without(at, rdtype)
            return Denied(type=found.type, opt_out=opt_out) if found.type else NOTHING
        if self.covering(wildcard) is not None:
            return Denied(name=True, type=True, opt_out=opt_out)
        # Of DS records, a gap that leaves delegations out says enough (RFC 5155 section 8.6).
        return Denied(type=True, opt_out=True) if opt_out and rdtype == RdataType.DS else NOTHING
