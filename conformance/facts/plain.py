"""A strict reader of plain replies, much faster than a general one.

It reads replies that repeat the question as it was sent and hold nothing but records of the type asked for at that very
name, or a denial with the SOA record of the zone. Whatever else a reply holds, it does not read it: that is left to
dnspython, which reads everything. What it reads it reads as dnspython does; ``--dns-paranoid`` has both read all.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from socket import AF_INET, AF_INET6, inet_ntop
from struct import Struct

import msgspec
from dns.rdatatype import RdataType

from conformance.facts.answer import Record

_HEADER = Struct("!HHHHH")
"""Flags and the number of records in each section."""
_RECORD = Struct("!HHHIH")
"""Owner as a pointer, type, class, TTL and length of a record (RFC 1035 section 3.2.1)."""
_TIMES = Struct("!IIIII")
_START = 12
_OF_QUESTION = 0xC000 | _START
"""How a record's owner is written that is the name in the question (RFC 1035 section 4.1.4)."""

_QR_OPCODE_TC = 0xFA00
_QR = 0x8000
_AD = 0x0020
_NXDOMAIN = 3
_MAX_TTL = 0x7FFFFFFF
"""The largest TTL there is (RFC 2181 section 8)."""
_OPT_SIZE = 11
_MAX_NAME = 255
_MAX_POINTERS = 16
_MAX_RECORDS = 128
_SOA = int(RdataType.SOA)
_SIZES = {int(RdataType.A): 4, int(RdataType.AAAA): 16}
"""Octets of an address by its type. Numbers are compared and hashed much faster than members of an enumeration."""

_NAME = re.compile(rb"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")
"""Names that are shown as they are, without escapes."""


Found = tuple[int, tuple[Record, ...], int | None]
"""Where what was read ends, the records, and how long they or their denial may be kept."""


Reader = Callable[[bytes, int, int], Record | None]
"""Reads the data of a record between two octets of a message."""


class Plain(msgspec.Struct, frozen=True, gc=False):
    """What a plain reply says: no records mean that it denies them. ``ttl`` is None when it does not say how long."""

    nxdomain: bool
    records: tuple[Record, ...]
    ttl: int | None
    authenticated: bool


def read_plain(data: bytes, asked: bytes) -> Plain | None:
    """Read the reply to a query; None when another reader has to. Ids are not compared.

    ``asked`` is the question as it was sent: name, type and class.
    """
    if not data.startswith(asked, _START):
        return None
    end = _START + len(asked)
    flags, questions, answers, authorities, additional = _HEADER.unpack_from(data, 2)
    rcode = flags & 0xF
    if flags & _QR_OPCODE_TC != _QR or questions != 1 or (rcode and (rcode != _NXDOMAIN or answers)):
        return None
    rdtype = data[end - 4] << 8 | data[end - 3]
    read = _READERS.get(rdtype)
    if read is None or (answers and authorities) or answers > _MAX_RECORDS:
        return None
    try:
        found = _records(data, end, rdtype, read, answers) if answers else _denial(data, end, authorities)
        if found is None or not _ends(data, found[0], additional):
            return None
    except IndexError:
        return None
    return Plain(rcode == _NXDOMAIN, found[1], found[2], bool(flags & _AD))


def _records(data: bytes, at: int, rdtype: int, read: Reader, count: int) -> Found | None:
    """Read the records of a type, which may be kept as long as the one with the lowest TTL."""
    records: list[Record] = []
    lowest, length = _MAX_TTL, len(data)
    for _ in range(count):
        start = at + 12
        if start > length:
            return None
        owner, kind, rdclass, ttl, size = _RECORD.unpack_from(data, at)
        at = start + size
        if owner != _OF_QUESTION or kind != rdtype or rdclass != 1 or ttl > _MAX_TTL or at > length:
            return None
        if (record := read(data, start, at)) is None:
            return None
        records.append(record)
        lowest = min(lowest, ttl)
    # Which of several records that are equal counts is not for this reader to say.
    if count > 1 and len({str(record).lower() for record in records}) < count:
        return None
    return at, tuple(records), lowest


def _denial(data: bytes, at: int, count: int) -> Found | None:
    """Read an authority section that holds nothing, or one SOA record, which says how long it denies."""
    if not count:
        return at, (), None
    start = at + 12
    if count != 1 or start > len(data):
        return None
    owner, kind, rdclass, ttl, size = _RECORD.unpack_from(data, at)
    end = start + size
    if not _is_ancestor(data, owner) or kind != _SOA or rdclass != 1 or ttl > _MAX_TTL or end > len(data):
        return None
    if (first := _name(data, start, end)) is None or (second := _name(data, first[1], end)) is None:
        return None
    if second[1] + _TIMES.size != end:
        return None
    times = _TIMES.unpack_from(data, second[1])[1:]
    # RFC 2308 section 5.
    return None if max(times) > _MAX_TTL else (end, (), min(ttl, times[-1]))


def _is_ancestor(data: bytes, pointer: int) -> bool:
    """Whether a compressed name is the one in the question or one that it ends with."""
    at = _OF_QUESTION
    while at < pointer and data[at & 0x3FFF]:
        at += 1 + data[at & 0x3FFF]
    return at == pointer


def _ends(data: bytes, at: int, additional: int) -> bool:
    """Whether nothing follows but addresses and an OPT record without options and without a part of the rcode."""
    while additional > 1 and (after := _address(data, at)):
        at, additional = after, additional - 1
    if not additional:
        return at == len(data)
    # Name, type, then after the sender's size of datagrams the upper part of the rcode (RFC 6891 section 6.1.3).
    return (
        additional == 1
        and at + _OPT_SIZE == len(data)
        and data[at : at + 3] == b"\0\0\x29"
        and data[at + 5] == 0
        and data[-2:] == b"\0\0"
    )


def _address(data: bytes, at: int) -> int:
    """Return where an address record ends whose owner is a pointer, 0 when there is none at an octet."""
    start = at + 12
    if start > len(data) or data[at] < 0xC0 or _name(data, at, at + 2) is None:
        return 0
    _, kind, rdclass, _, size = _RECORD.unpack_from(data, at)
    return start + size if rdclass == 1 and _SIZES.get(kind) == size and start + size <= len(data) else 0


def _name(data: bytes, at: int, end: int) -> tuple[str, int] | None:
    """Return the name that begins at an octet, as text, and where it ends. Raises IndexError at the end of the data."""
    labels: list[bytes] = []
    start, after, size = at, 0, 0
    for _ in range(_MAX_POINTERS):
        while 0 < (length := data[at]) < 64:
            at += 1 + length
            size += 1 + length
            labels.append(data[at - length : at])
        if length and length < 0xC0:
            return None
        # A part must not reach into the one that points to it.
        if at + (2 if length else 1) > end or size >= _MAX_NAME:
            return None
        after = after or at + (2 if length else 1)
        if not length:
            name = b".".join(labels)
            return (name.decode("ascii"), after) if _NAME.fullmatch(name) else None
        pointer = (data[at] << 8 | data[at + 1]) & 0x3FFF
        if not _START <= pointer < start:
            return None
        at, start, end = pointer, pointer, start
    return None


def _ipv4(data: bytes, at: int, end: int) -> Record | None:
    return inet_ntop(AF_INET, data[at:end]) if end - at == 4 else None


def _ipv6(data: bytes, at: int, end: int) -> Record | None:
    # dnspython writes addresses with an IPv4 tail in its own way.
    if end - at != 16 or not any(data[at : at + 10]):
        return None
    return inet_ntop(AF_INET6, data[at:end])


def _target(data: bytes, at: int, end: int) -> Record | None:
    found = _name(data, at, end)
    return found[0] if found and found[1] == end else None


def _exchange(data: bytes, at: int, end: int) -> Record | None:
    if at + 2 > end:
        return None
    found = _name(data, at + 2, end)
    return (data[at] << 8 | data[at + 1], found[0]) if found and found[1] == end else None


def _strings(data: bytes, at: int, end: int) -> Record | None:
    strings: list[str] = []
    while at < end:
        start = at + 1
        at = start + data[at]
        strings.append(data[start:at].decode("latin-1"))
    return tuple(strings) if at == end and strings else None


_READERS: dict[int, Reader] = {
    int(RdataType.A): _ipv4,
    int(RdataType.AAAA): _ipv6,
    int(RdataType.MX): _exchange,
    int(RdataType.NS): _target,
    int(RdataType.PTR): _target,
    int(RdataType.TXT): _strings,
}
