"""What dnscontrol would change: the JSON of ``preview --report``, or what ``preview`` prints."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from conformance.reading.excerpt import quoted
from conformance.reading.plans.plan import Collected, Plan, data_of, name_of, ttl_of, type_of
from conformance.reading.zone import RecordSet

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_LINE = re.compile(r"(?:#\d+: )?[+\-±] (CREATE|DELETE|MODIFY-TTL|MODIFY|CHANGE) (\S+) (\S+) (.*)", re.DOTALL)
_DATA = re.compile(r"(.*) ttl=(\d+)(?: .*)?", re.DOTALL)
_BOTH = re.compile(r"\((.*) ttl=\d+[^()]*\) -> \((.*) ttl=(\d+)[^()]*\)", re.DOTALL)
_NEW_TTL = re.compile(r"(.*) ttl=\(\d+->(\d+)\)", re.DOTALL)


def read_report(document: Any, file: str) -> Plan:
    """Read a report: corrections by zone. Raises ZoneError."""
    collected = Collected()
    for number, item in enumerate(document):
        where = f"{file}:{item.get('domain') if isinstance(item, dict) else number}"
        with collected.at(where):
            if item["corrections"] and not item.get("correction_details"):
                raise ValueError("a report without correction_details, as older versions of dnscontrol write it")
        details = item.get("correction_details") if isinstance(item, dict) else None
        for line in details if isinstance(details, list) else ():
            _take(collected, str(line), where)
    return collected.plan()


def read_preview(text: str, file: str) -> Plan:
    """Read what was printed. Raises ZoneError."""
    collected = Collected()
    for number, line in enumerate(text.splitlines(), 1):
        if re.match(r"(#\d+: |[+\-±] [A-Z])", plain := _COLOURS.sub("", line).strip()):
            _take(collected, plain, f"{file}:{number}")
    return collected.plan()


def _take(collected: Collected, line: str, place: str) -> None:
    with collected.at(place):
        for part in _COLOURS.sub("", line).splitlines():
            if part.strip():
                collected.change(_change(part.strip(), place))


def _change(line: str, place: str) -> RecordSet:
    """Return what one correction does to single records. Raises ValueError, DNSException."""
    if (found := _LINE.fullmatch(line)) is None:
        raise ValueError(f"what this changes is not known: {quoted(line)}")
    verb, owner, kind, rest = found.groups()
    name, rdtype = name_of(owner), type_of(kind)
    old, new, ttl = _data(verb, rest)
    removed = tuple(data_of(rdtype, one) for one in old)
    return RecordSet(name, rdtype, ttl_of(ttl, 0), tuple(data_of(rdtype, one) for one in new), place, removed=removed)


def _data(verb: str, rest: str) -> tuple[list[str], list[str], str]:
    """Return what goes, what comes, and the TTL. Raises ValueError."""
    for pattern, verbs in ((_NEW_TTL, ("MODIFY-TTL",)), (_BOTH, ("MODIFY", "CHANGE")), (_DATA, ("CREATE", "DELETE"))):
        if verb in verbs and (found := pattern.fullmatch(rest)):
            data = list(_fields(found))
            if verb == "DELETE":
                return [data[0]], [], "0"
            return ([data[0]], [data[1]], data[2]) if pattern is _BOTH else ([], [data[0]], data[1])
    raise ValueError(f"what this changes is not known: {quoted(f'{verb} {rest}')}")


def _fields(found: re.Match[str]) -> Iterator[str]:
    yield from (str(one) for one in found.groups())
