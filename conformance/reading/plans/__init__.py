"""What tools that manage DNS plan to do, as record sets: octoDNS, dnscontrol, Terraform and OpenTofu."""

from __future__ import annotations

import json
import re
from typing import Any

from conformance.reading.plans.plan import Plan
from conformance.reading.zone import ZoneError

_DIGITS = 18


def read_plan(text: str, file: str) -> Plan:
    """Read a plan of whichever tool made it. Raises ZoneError with everything that cannot be used."""
    if re.search(r"\.ya?ml$", file, re.IGNORECASE):
        from conformance.reading.plans import octodns_yaml

        return octodns_yaml.read(text, file)
    try:
        document = json.loads(text, parse_int=_whole)
    except (ValueError, RecursionError):
        document = None
    if isinstance(document, dict) and "resource_changes" in document:
        from conformance.reading.plans import terraform

        return terraform.read(document, file)
    if isinstance(document, list) or (document is None and _is_preview(text)):
        from conformance.reading.plans import dnscontrol

        return dnscontrol.read_report(document, file) if document is not None else dnscontrol.read_preview(text, file)
    if isinstance(document, dict) and document and all(_is_target(one) for one in document.values()):
        from conformance.reading.plans import octodns

        return octodns.read(document, file)
    kinds = "octodns-sync (PlanJson), dnscontrol preview --report, terraform show -json"
    raise ZoneError([f"{file}: is neither the plan of {kinds} nor a ZONE.yaml of octoDNS"])


def _is_preview(text: str) -> bool:
    return re.search(r"(^|[\sm])(\+ CREATE|- DELETE|± MODIFY)", text) is not None


def _is_target(value: Any) -> bool:
    """Whether this is what octoDNS plans for one provider: changes by zone."""
    zones = value.values() if isinstance(value, dict) else [None]
    return all(isinstance(zone, dict) and isinstance(zone.get("changes"), list) for zone in zones)


def _whole(text: str) -> int:
    if len(text) > _DIGITS:
        raise ValueError("too large a number")
    return int(text)
