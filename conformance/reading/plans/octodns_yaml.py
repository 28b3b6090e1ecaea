"""Zone files of octoDNS's YamlProvider, ``ZONE.yaml``: whole zones without SOA."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Any

import dns.exception
import yaml
from dns.name import Name

from conformance.reading.plans.octodns import record_sets
from conformance.reading.plans.plan import Collected, Plan, name_of
from conformance.reading.zone import Zone, ZoneError


class _Texts(yaml.SafeLoader):
    """Takes every scalar as the text that it is."""


_Texts.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag == "tag:yaml.org,2002:merge"]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read(text: str, file: str) -> Plan:
    """Read a zone. Raises ZoneError with everything that cannot be used."""
    collected = Collected()
    try:
        origin = name_of(re.sub(r"\.ya?ml$", "", PurePath(file).name, flags=re.IGNORECASE))
        _read(_Texts(text), collected, origin, file)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        why = getattr(error, "problem", None) or " ".join(str(error).split())
        raise ZoneError([f"{file}:{line}: is not YAML: {why}"]) from None
    except (dns.exception.DNSException, ValueError) as error:
        if isinstance(error, ZoneError):
            raise
        raise ZoneError([f"{file}: is not named after a zone: {error}"]) from None
    plan = collected.plan()
    return Plan(zones=(Zone(origin, plan.sets, f"{file}:1", managed=False),))


def _read(loader: _Texts, collected: Collected, origin: Name, file: str) -> None:
    root = loader.get_single_node()
    if root is not None and not isinstance(root, yaml.MappingNode):
        raise ZoneError([f"{file}:1: is no mapping of names to records"])
    for key, value in root.value if root is not None else ():
        owner = str(loader.construct_object(key, deep=True))
        for node in value.value if isinstance(value, yaml.SequenceNode) else [value]:
            place = f"{file}:{node.start_mark.line + 1}"
            with collected.at(place):
                _take(collected, name_of(owner, origin), loader.construct_object(node, deep=True), origin, place)


def _take(collected: Collected, name: Name, record: Any, origin: Name, place: str) -> None:
    if not isinstance(record, dict):
        raise ValueError("is no record")
    settings = record.get("octodns") or {}
    if settings.get("ignored") == "true":
        raise ValueError("an ignored record stays as the provider has it: give the plan in JSON")
    for one in record_sets(name, str(record["type"]), record, origin, place):
        collected.put(one)
