"""What ``--overlay`` and ``--overlay-plan`` name, read into layers over live DNS."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

import dns.exception
import dns.name
from dns.name import Name
from dns.rdatatype import RdataType

from conformance.facts.layers import Layers, Patch
from conformance.reading.zone import RecordSet, Zone, ZoneError, conflicts
from conformance.reading.zonefile import ZoneFile, first_origin, read_zone_file

LARGEST = 64 * 1024 * 1024
"""Octets of one file."""
MODES = ("replace", "patch")

_FILE_NAME = re.compile(r"(?:db\.)?(.+?)(?:\.(?:zone|db|hosts|patch|txt))*", re.IGNORECASE)
_SETTING = re.compile(r",(mode|origin)=([^,]*)$")

T = TypeVar("T")

Sets = dict[tuple[Name, RdataType], RecordSet]


@dataclass(frozen=True, slots=True)
class Spec:
    """One ``--overlay FILE[,mode=replace|patch][,origin=ZONE]``."""

    path: str
    mode: str = "replace"
    origin: Name | None = None

    @classmethod
    def parse(cls, text: str) -> Spec:
        """Read the value of an option. Raises ZoneError."""
        found: dict[str, str] = {}
        path = text
        while match := _SETTING.search(path):
            if match[1] in found:
                raise ZoneError([f"{text}: {match[1]} is given twice"])
            found[match[1]] = match[2]
            path = path[: match.start()]
        if found.get("mode", "replace") not in MODES:
            raise ZoneError([f"{text}: mode {found['mode']!r} is none of {', '.join(MODES)}"])
        return cls(path, found.get("mode", "replace"), _origin(found["origin"], text) if "origin" in found else None)


def _origin(text: str, where: str) -> Name:
    try:
        return dns.name.from_text(text)
    except (dns.exception.DNSException, ValueError):
        raise ZoneError([f"{where}: {text!r} is not a domain name"]) from None


PLAN = "plan:"
"""What begins the name of a plan among overlays."""


@cache
def load(overlays: tuple[str, ...]) -> Layers | None:
    """Read all files into layers; None where there are none. Raises ZoneError with everything that is wrong.

    Each is the value of ``--overlay``, or that of ``--overlay-plan`` after ``plan:``.
    """
    collected = _Collected()
    for text in overlays:
        is_plan = text.startswith(PLAN)
        collected.trying(collected.plan if is_plan else collected.file, text.removeprefix(PLAN) if is_plan else text)
    return collected.layers() if overlays else None


class _Collected:
    """Zones and patches as they are read, and what is wrong with them."""

    def __init__(self) -> None:
        self.zones: dict[Name, Zone] = {}
        self.sets: Sets = {}
        self.gone: dict[Name, str] = {}
        self.problems: list[str] = []

    def trying(self, work: Callable[[T], None], what: T) -> None:
        """Do what may raise ZoneError, and keep what it says."""
        try:
            work(what)
        except ZoneError as error:
            self.problems += error.problems

    def file(self, option: str) -> None:
        """Read a master file. Raises ZoneError."""
        spec = Spec.parse(option)
        text = read_text(spec.path)
        origin = spec.origin or first_origin(text) or _named(spec.path)
        content = read_zone_file(text, spec.path, origin, _include)
        if spec.mode == "patch":
            self.patch(content.sets, content.gone)
        else:
            self.zone(_whole(content, spec))

    def zone(self, zone: Zone) -> None:
        """Take a whole zone. Raises ZoneError when there is one for its origin already."""
        if (known := self.zones.get(zone.origin)) is not None:
            raise ZoneError([f"{zone.place}: zone {zone.origin} is given whole by {known.place} already"])
        self.zones[zone.origin] = zone

    def patch(self, sets: Mapping[tuple[Name, RdataType], RecordSet], gone: Mapping[Name, str]) -> None:
        """Take what replaces or takes away record sets. Raises ZoneError for what two patches say differently."""
        twice = [(one, known) for key, one in sets.items() if (known := self.sets.get(key)) is not None]
        self.sets |= sets
        self.gone |= gone
        if twice:
            raise ZoneError(
                f"{one.place}: {one.name} {one.rdtype.name} is patched by {known.place} already" for one, known in twice
            )

    def plan(self, path: str) -> None:
        """Read what a tool plans to do. Raises ZoneError."""
        from conformance.reading.plans import read_plan

        plan = read_plan(read_text(path), path)
        for zone in plan.zones:
            self.trying(self.zone, zone)
        self.patch(plan.sets, {})

    def layers(self) -> Layers:
        """Return all of it as layers, patches of whole zones applied to them. Raises ZoneError."""
        over_live: Sets = {}
        within: dict[Name, Sets] = {}
        for key, one in self.sets.items():
            zone = self._zone_of(one.name)
            (over_live if zone is None else within.setdefault(zone.origin, {}))[key] = one
        gone_live = {}
        for name, place in self.gone.items():
            if (zone := self._zone_of(name)) is None:
                gone_live[name] = place
                continue
            emptied = within.setdefault(zone.origin, {})
            for owner, rdtype in zone.sets:
                if owner == name:
                    emptied.setdefault((owner, rdtype), RecordSet(owner, rdtype, 0, (), place))
        zones = {origin: zone.changed(within.get(origin, {})) for origin, zone in self.zones.items()}
        for zone in zones.values():
            self.problems += conflicts(zone.sets)
        self.problems += conflicts(over_live)
        if self.problems:
            raise ZoneError(dict.fromkeys(self.problems))
        return Layers(zones, Patch(over_live, gone_live))

    def _zone_of(self, name: Name) -> Zone | None:
        above = [zone for origin, zone in self.zones.items() if name.is_subdomain(origin)]
        return max(above, key=lambda zone: len(zone.origin), default=None)


def _whole(content: ZoneFile, spec: Spec) -> Zone:
    """Return a master file as the zone that it is. Raises ZoneError."""
    soas = [one for (_, rdtype), one in content.sets.items() if rdtype == RdataType.SOA]
    deleted = [one.place for one in content.sets.values() if one.deleted] + list(content.gone.values())
    if deleted:
        raise ZoneError(f"{place}: $DELETE stands in a whole zone; use {spec.path},mode=patch" for place in deleted)
    if not soas:
        raise ZoneError([f"{spec.path}:1: no SOA record: no whole zone; for a part of one use {spec.path},mode=patch"])
    if len(soas) > 1 or len(soas[0].rdatas) > 1:
        raise ZoneError([f"{soas[-1].place}: more than one SOA record"])
    origin = soas[0].name
    if spec.origin and spec.origin != origin:
        raise ZoneError([f"{soas[0].place}: the SOA record is that of {origin}, not of {spec.origin}"])
    if outside := [one for one in content.sets.values() if not one.name.is_subdomain(origin)]:
        raise ZoneError(f"{one.place}: {one.name} is not in the zone {origin}" for one in outside)
    return Zone(origin, content.sets, soas[0].place)


def _named(path: str) -> Name | None:
    """Return the zone that a file's name tells: ``example.com.zone``, ``db.example.com``."""
    found = _FILE_NAME.fullmatch(Path(path).name)
    if found is None or "." not in found[1]:
        return None
    try:
        return dns.name.from_text(found[1])
    except (dns.exception.DNSException, ValueError):
        return None


def read_text(path: str) -> str:
    """Return the text of a file. Raises ZoneError."""
    try:
        file = Path(path)
        if file.stat().st_size > LARGEST:
            raise ZoneError([f"{path}: is larger than {LARGEST >> 20} MiB"])
        octets = file.read_bytes()
        return octets.decode("utf-8")
    except (OSError, ValueError) as error:
        if isinstance(error, ZoneError):
            raise
        if isinstance(error, UnicodeDecodeError):
            line = octets[: error.start].count(b"\n") + 1
            raise ZoneError([f"{path}:{line}: octets that are not UTF-8: write them as \\DDD"]) from None
        raise ZoneError([f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}"]) from None


def _include(name: str, file: str) -> tuple[str, str]:
    """Return the name and text of an included file, which is named relative to the one that includes it.

    Whoever proposes a zone must not have other files of this machine read, and told in errors. Raises ZoneError.
    """
    path = Path(file).parent / name
    if not any(path.resolve().is_relative_to(folder.resolve()) for folder in (Path(file).parent, Path())):
        raise ZoneError([f"{name} lies neither below the folder of the file nor below the current one"])
    return str(path), read_text(str(path))
