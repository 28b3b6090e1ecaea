"""What plans of all tools have in common: record sets in the making, and their data as text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import dns.exception
import dns.name
import dns.rdata
import dns.rdatatype
from dns.name import Name
from dns.rdata import Rdata
from dns.rdataclass import RdataClass
from dns.rdatatype import RdataType

from conformance.reading.excerpt import quoted
from conformance.reading.zone import RecordSet, Zone, ZoneError

_STRING = 255
_LONGEST_TTL = (1 << 31) - 1


@dataclass(frozen=True)
class Plan:
    """Whole zones, and record sets that change what is live."""

    zones: tuple[Zone, ...] = ()
    sets: Mapping[tuple[Name, RdataType], RecordSet] = field(default_factory=dict)


@dataclass
class Collected:
    """Record sets as they are read, and what cannot be used."""

    sets: dict[tuple[Name, RdataType], RecordSet] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @contextmanager
    def at(self, place: str) -> Iterator[None]:
        """Keep what is wrong with one change, so that it hides no other."""
        try:
            yield
        except (dns.exception.DNSException, ValueError, OverflowError, KeyError, TypeError, AttributeError) as error:
            why = " ".join(str(error).split()) or type(error).__name__
            missing = f"no {why}" if isinstance(error, KeyError) else why
            self.problems.append(f"{place}: cannot be understood: {missing}")

    def put(self, one: RecordSet) -> None:
        """Take a whole record set. Raises ValueError where the plan sets it twice."""
        key = one.name, one.rdtype
        if (known := self.sets.get(key)) is not None:
            raise ValueError(f"{one.name} {one.rdtype.name} is set by {known.place} already")
        self.sets[key] = one

    def change(self, one: RecordSet) -> None:
        """Take a change of single records of a set: those that go, those that come."""
        key = one.name, one.rdtype
        known = self.sets.get(key)
        if known is None:
            self.sets[key] = one
            return
        removed = tuple(dict.fromkeys([*(known.removed or ()), *(one.removed or ())]))
        rdatas = tuple(dict.fromkeys([*known.rdatas, *one.rdatas]))
        ttl, unknown = one.ttl or known.ttl, known.unknown or one.unknown
        self.sets[key] = replace(known, ttl=ttl, rdatas=rdatas, removed=removed, unknown=unknown)

    def plan(self, zones: Iterable[Zone] = ()) -> Plan:
        """Return all of it. Raises ZoneError with everything that cannot be used."""
        if self.problems:
            raise ZoneError(self.problems)
        # What goes and comes again in one plan stays.
        for key, one in self.sets.items():
            if one.removed is not None:
                # There is but one CNAME record: it comes or it goes.
                removed = tuple(r for r in one.removed if r not in one.rdatas)
                self.sets[key] = replace(one, removed=None if one.rdtype == RdataType.CNAME else removed)
        return Plan(tuple(zones), self.sets)


def name_of(text: object, origin: Name | None = dns.name.root) -> Name:
    """Return a name. Raises ValueError and DNSException."""
    if not isinstance(text, str):
        raise ValueError(f"{text!r:.60} is not a name")
    return dns.name.from_text(text or "@", origin)


def type_of(text: object) -> RdataType:
    """Return a record type. Raises ValueError for what is none in the DNS."""
    try:
        return dns.rdatatype.from_text(str(text))
    except (dns.exception.DNSException, ValueError):
        raise ValueError(f"unknown record type {quoted(str(text))}") from None


def ttl_of(value: object, default: int) -> int:
    """Return seconds. Raises ValueError."""
    if value is None:
        return default
    seconds = int(str(value))
    if not 0 <= seconds <= _LONGEST_TTL:
        raise ValueError(f"{seconds} is not a TTL")
    return seconds


def data_of(rdtype: RdataType, text: str, origin: Name = dns.name.root) -> Rdata:
    """Return record data from presentation format. Raises ValueError and DNSException."""
    return dns.rdata.from_text(RdataClass.IN, rdtype, text, origin, relativize=False)


def text_of(value: str) -> Rdata:
    """Return a TXT record that holds a text, split into strings of the length that fits (RFC 1035 section 3.3)."""
    octets = value.encode()
    parts = [octets[start : start + _STRING] for start in range(0, len(octets), _STRING)] or [b""]
    quoted_parts = ("".join(f"\\{octet:03d}" for octet in part) for part in parts)
    return data_of(RdataType.TXT, " ".join(f'"{part}"' for part in quoted_parts))
