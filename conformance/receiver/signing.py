"""DNSSEC for the probe domain: signatures made when they are asked for, and denials that cover one name (RFC 4470)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import lru_cache

import dns.dnssec
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from dns.rdtypes.ANY.NSEC import NSEC, Bitmap

from conformance.receiver.zonekey import ZoneKey

EARLIER = 3600
"""Seconds that signatures seem to be old, for clocks that are slow."""
VALID = 7 * 86400
"""Seconds that signatures hold."""
_ANEW = 86400
"""Seconds after which they are made anew."""
_KEPT = 8192
MOST_DENIALS = 200
"""Denials over UDP in one second: each takes a millisecond, and anybody can ask in anybody's name there."""
_WILD = dns.name.from_text("*", None)
_ALWAYS = ("RRSIG", "NSEC")


class Signer:
    """Signs what a zone says. ``clock`` gives Unix time."""

    def __init__(self, origin: dns.name.Name, key: ZoneKey, clock: Callable[[], float] = time.time) -> None:
        self.key = key
        self._origin = origin
        self._clock = clock
        self._signature = lru_cache(maxsize=_KEPT)(self._signed)
        self._second = self._denials = 0

    def signed(self, rrsets: Iterable[dns.rrset.RRset]) -> list[dns.rrset.RRset]:
        """Return sets of records, each with its signature behind it (RFC 4035 section 3.1.1)."""
        return [one for rrset in rrsets for one in (rrset, self._beside(rrset))]

    def may_deny(self) -> bool:
        """Count a denial, and say whether it is one of those that may be made in this second."""
        second = int(self._clock())
        if second != self._second:
            self._second, self._denials = second, 0
        self._denials += 1
        return self._denials <= MOST_DENIALS

    def _beside(self, rrset: dns.rrset.RRset) -> dns.rrset.RRset:
        day = int(self._clock() // _ANEW)
        signature = self._signature(rrset.name, rrset.ttl, tuple(rrset), day)
        return dns.rrset.from_rdata(rrset.name, rrset.ttl, signature)

    def denial(self, name: dns.name.Name, types: Iterable[str] | None, ttl: int) -> list[dns.rrset.RRset]:
        """Return the NSEC records that prove that a name has these types alone; None: that there is no such name.

        For the latter the name above counts as one that is there, and a wildcard below it is denied too (RFC 4035
        section 3.1.3.2): that proves the same, and tells nobody what else the zone holds.
        """
        if types is not None:
            return [_nsec(name, name.successor(self._origin), ttl, types)]
        # In small letters, which are what names are ordered by.
        asked = name.canonicalize()
        names = dict.fromkeys((asked, _WILD.concatenate(asked.parent())))
        return [
            _nsec(one.predecessor(self._origin, False), one.successor(self._origin, False), ttl, ()) for one in names
        ]

    def _signed(
        self,
        name: dns.name.Name,
        ttl: int,
        data: tuple[dns.rdata.Rdata, ...],
        day: int,
    ) -> dns.rdata.Rdata:
        begun = day * _ANEW
        return dns.dnssec.sign(
            dns.rrset.from_rdata_list(name, ttl, data),
            self.key.private,
            self._origin,
            self.key.record,
            inception=begun - EARLIER,
            expiration=begun + _ANEW + VALID,
        )


def _nsec(owner: dns.name.Name, following: dns.name.Name, ttl: int, types: Iterable[str]) -> dns.rrset.RRset:
    known = [dns.rdatatype.from_text(one) for one in (*types, *_ALWAYS)]
    windows = Bitmap.from_rdtypes(known)
    data = NSEC(dns.rdataclass.IN, dns.rdatatype.NSEC, following, windows)  # type: ignore[no-untyped-call]
    return dns.rrset.from_rdata(owner, ttl, data)
