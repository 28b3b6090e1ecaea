"""The records of a domain as people read them, and as the tools that manage DNS take them."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conformance.reading.orgdomain import registrable
from conformance.reading.zonetext import Data
from conformance.records.entry import Entry, State, shown, whole
from conformance.report.text import printable

TTL = 3600
"""Seconds of every record that is proposed."""
VERSION = 1

_WIDTH = 2000
_LONGEST = 1 << 18
"""Characters of a line that holds a record: it is of no use when it is cut."""
_DIGITS = re.compile(r"(\d+)")


@dataclass(frozen=True)
class Report:
    """What is told of one domain: its records, and how they were looked at (``live``, ``proposed``, ``replayed``)."""

    domain: str
    dns: str
    entries: tuple[Entry, ...]

    @property
    def zone(self) -> str:
        """The zone of the domain, as far as its name tells: what was registered."""
        return registrable(self.domain) or self.domain

    @property
    def status(self) -> int:
        """Exit status: 0 all right, 1 something wrong or missing, 6 something that nobody could look at."""
        states = {one.state for one in self.entries}
        if states & {State.WRONG, State.MISSING}:
            return 1
        return 6 if State.UNKNOWN in states else 0


def as_text(report: Report) -> Iterator[str]:
    """Yield lines for a terminal."""
    counts = Counter(one.state for one in report.entries)
    word = {State.UNKNOWN: "could not be looked at"}
    said = ", ".join(f"{counts[state]} {word.get(state, state)}" for state in State if counts[state])
    proposed = "PROPOSED: " if report.dns == "proposed" else ""
    yield f"{proposed}{report.domain}: {said or 'no record is known to be needed'}"
    for one in report.entries:
        yield _line(f"{word.get(one.state, one.state.value):<8} {one.name}. {one.rdtype}  ({one.purpose})")
        yield from (_line(f"  {line}") for line in _details(one))


def _details(one: Entry) -> Iterator[str]:
    changed = one.state is not State.RIGHT
    now = one.meant(one.now)
    if one.cause:
        yield f"why:     {one.cause}"
    for data in now:
        yield f"now:     {shown(one.rdtype, data)}"
    if changed and one.wanted is not None:
        for data in one.meant(one.wanted):
            yield f"publish: {shown(one.rdtype, data)}"
            if isinstance(data, tuple) and len(data) > 1 and not isinstance(data[0], int):
                yield f"whole:   {whole(data)}"
        if not one.meant(one.wanted):
            yield f"remove:  the {one.rdtype} record"
    if kept := len(one.kept):
        yield f"beside:  {kept} other{'s' if kept > 1 else ''} at this name, which stay{'s' if kept == 1 else ''}"
    for finding in one.findings:
        yield f"{finding['check']} ({finding['level']}): {finding['seen']}"
        if one.wanted is None or not changed:
            yield f"  fix: {finding['fix']}"
    if one.source:
        yield f"take:    {one.source}"
    yield from (f"note:    {note}" for note in one.notes)


def as_zone(report: Report) -> Iterator[str]:
    """Yield the lines of a master file (RFC 1035 section 5) with absolute names: a patch for ``--overlay``."""
    yield _comment(f"{report.domain}: what should be published, by mailconform; DNS was {report.dns}")
    yield f"$TTL {TTL}"
    for zone in dict.fromkeys(one.zone for one in report.entries):
        yield ""
        yield _comment(f"zone {zone}")
        for one in report.entries:
            if one.zone == zone:
                yield _comment(_heading(one))
                yield from (f"{one.name}. IN {one.rdtype} {shown(one.rdtype, data)}" for data in one.wanted or ())


def _heading(one: Entry) -> str:
    if one.state is State.UNKNOWN:
        return f"{one.name}. {one.rdtype} could not be looked at: {one.cause}"
    said = f"{one.state.value}: {one.purpose}"
    if one.wanted is None:
        fixes = "; ".join(finding["fix"] for finding in one.findings)
        return f"{said}: {one.name}. {one.rdtype}: {one.source or fixes}"
    if not one.wanted:
        return f"{said}: remove {one.name}. {one.rdtype}"
    now = ", ".join(shown(one.rdtype, data) for data in one.meant(one.now))
    return f"{said}, now {now}" if one.state is State.WRONG else said


def as_json(report: Report) -> Iterator[str]:
    """Yield a document of a shape that docs/records.md describes."""
    document = {
        "schema": VERSION,
        "domain": report.domain,
        "dns": report.dns,
        "exit": report.status,
        "records": [_object(one) for one in report.entries],
    }
    yield json.dumps(document, indent=2)


def _object(one: Entry) -> dict[str, Any]:
    keys = ("check", "level", "subject", "seen", "fix")
    return {
        "name": one.name,
        "type": one.rdtype,
        "zone": one.zone,
        "purpose": one.purpose,
        "state": one.state.value,
        "now": [_value(one.rdtype, data) for data in one.now],
        "wanted": None if one.wanted is None else [_value(one.rdtype, data) for data in one.wanted],
        "ttl": TTL,
        "findings": [{key: finding[key] for key in keys} for finding in one.findings],
        "source": one.source,
        "notes": list(one.notes),
        "cause": one.cause,
    }


def _value(rdtype: str, data: Data) -> dict[str, Any]:
    value: dict[str, Any] = {"value": whole(data), "zone": shown(rdtype, data)}
    if isinstance(data, tuple) and not isinstance(data[0], int):
        value["strings"] = list(data)
    return value


def as_octodns(report: Report) -> Iterator[str]:
    """Yield ``ZONE.yaml`` of octoDNS with the records of the domain's zone; what stands elsewhere is told before."""
    import yaml

    yield _comment(f"{report.zone}.yaml: what {report.domain} should publish, by mailconform", "#")
    names: dict[str, list[dict[str, Any]]] = {}
    for one in report.entries:
        inside = one.name == report.zone or one.name.endswith(f".{report.zone}")
        if one.wanted and inside and one.rdtype != "SPF":
            names.setdefault(one.name[: -len(report.zone)].rstrip("."), []).append(_octodns(one))
        else:
            yield from _aside(one, inside)
    # octoDNS refuses names that are not in natural order.
    ordered = dict(sorted(names.items(), key=lambda item: _natural(item[0])))
    single = {name: records[0] if len(records) == 1 else records for name, records in ordered.items()}
    yield yaml.safe_dump(single, sort_keys=False, width=1_000_000, explicit_start=True).rstrip("\n")


def _aside(one: Entry, inside: bool) -> Iterator[str]:
    if inside or not one.wanted:
        yield _comment(_heading(one), "#")
        return
    for data in one.wanted:
        record = f"{one.name}. IN {one.rdtype} {shown(one.rdtype, data)}"
        yield _comment(f"in the zone {one.zone}, {one.state.value}: {record}", "#")


def _octodns(one: Entry) -> dict[str, Any]:
    values = [_octodns_value(one.rdtype, data) for data in one.wanted or ()]
    record: dict[str, Any] = {"ttl": TTL, "type": one.rdtype}
    return record | ({"value": values[0]} if len(values) == 1 else {"values": values})


def _octodns_value(rdtype: str, data: Data) -> Any:
    if isinstance(data, tuple) and isinstance(data[0], int):
        return {"exchange": shown(rdtype, data).partition(" ")[2], "preference": data[0]}
    if isinstance(data, tuple):
        return whole(data).replace(";", "\\;")
    return shown(rdtype, data)


def _natural(name: str) -> list[Any]:
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in _DIGITS.split(name) if part]


def as_terraform(report: Report) -> Iterator[str]:
    """Yield ``FILE.tf.json``: resources of Route 53, and a variable for the id of each zone."""
    resources: dict[str, Any] = {}
    variables: dict[str, Any] = {}
    open_ends = []
    for one in report.entries:
        if not one.wanted:
            open_ends.append(printable(_heading(one), _WIDTH))
            continue
        zone = _identifier(f"zone_id {one.zone}")
        variables[zone] = {"type": "string", "description": f"Id of the hosted zone {one.zone}"}
        resources[_unused(_identifier(f"{one.name} {one.rdtype}"), resources)] = {
            "zone_id": f"${{var.{zone}}}",
            "name": _literal(one.name),
            "type": one.rdtype,
            "ttl": TTL,
            "records": [_literal(_route53(one.rdtype, data)) for data in one.wanted],
        }
    document: dict[str, Any] = {"//": [f"What {report.domain} should publish, by mailconform.", *open_ends]}
    if resources:
        document |= {"variable": variables, "resource": {"aws_route53_record": resources}}
    yield json.dumps(document, indent=2)


def _route53(rdtype: str, data: Data) -> str:
    """Return data as the provider takes it: quotes around a text are its own affair, those within it are not."""
    if isinstance(data, tuple) and not isinstance(data[0], int):
        return '""'.join(_octal(str(one)) for one in data)
    return shown(rdtype, data)


def _octal(text: str) -> str:
    return "".join(f"\\{one}" if one in '"\\' else one if " " <= one <= "~" else f"\\{ord(one):03o}" for one in text)


def _literal(text: str) -> str:
    """Return text of a template that means what stands there: macros of SPF look like directives."""
    return text.replace("${", "$${").replace("%{", "%%{")


def _identifier(text: str) -> str:
    spelled = re.sub(r"[^a-z0-9_]+", "_", text.lower().replace("*", "any")).strip("_")
    return spelled if spelled[:1].isalpha() else f"r_{spelled}"


def _unused(name: str, taken: Mapping[str, Any]) -> str:
    numbered = (f"{name}_{number}" for number in range(2, len(taken) + 3))
    return name if name not in taken else next(one for one in numbered if one not in taken)


def _line(text: str) -> str:
    return printable(text, _LONGEST)


def _comment(text: str, mark: str = ";") -> str:
    """Return a line that no reader of the format takes for anything: one line of ASCII."""
    return f"{mark} {printable(text, _WIDTH)}".encode("ascii", "backslashreplace").decode("ascii")


FORMATS: Mapping[str, Callable[[Report], Iterator[str]]] = {
    "text": as_text,
    "zone": as_zone,
    "json": as_json,
    "octodns": as_octodns,
    "terraform": as_terraform,
}


def names() -> Sequence[str]:
    """Return the names of the formats, the default first."""
    return tuple(FORMATS)
