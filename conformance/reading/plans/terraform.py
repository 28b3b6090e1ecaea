"""Plans of Terraform and OpenTofu (``terraform show -json``, format 1): Route 53, Cloudflare, Google Cloud DNS."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from dns.rdata import Rdata
from dns.rdatatype import RdataType

from conformance.reading.plans.plan import Collected, Plan, data_of, name_of, text_of, ttl_of, type_of
from conformance.reading.zone import RecordSet

Values = Mapping[str, Any]
_OCTAL = re.compile(r"\\([0-3][0-7]{2})")
_POLICIES = (
    "weighted_routing_policy",
    "latency_routing_policy",
    "geolocation_routing_policy",
    "geoproximity_routing_policy",
    "failover_routing_policy",
    "cidr_routing_policy",
)
_LATER = "known only once the plan is applied"
_PROXIED = "proxied, so that Cloudflare answers with addresses of its own"
_CLOUDFLARE_TTL = 300
"""Seconds of what Cloudflare calls automatic."""


def read(document: Values, file: str) -> Plan:
    """Read a plan. Raises ZoneError."""
    collected = Collected()
    changes = document["resource_changes"]
    zones = dict(_zones(document))
    for number, resource in enumerate(changes if isinstance(changes, list) else ()):
        where = f"{file}:{resource.get('address') if isinstance(resource, dict) else number}"
        with collected.at(where):
            _take(collected, resource, zones, where)
    if not isinstance(changes, list):
        collected.problems.append(f"{file}: resource_changes is no list")
    return collected.plan()


def _take(collected: Collected, resource: Values, zones: Mapping[str, str], place: str) -> None:
    change = resource["change"]
    # Data sources are only ever read.
    if not {"create", "update", "delete"} & set(change["actions"]):
        return
    before, after = change.get("before") or {}, change.get("after") or {}
    unknown = change.get("after_unknown") or {}
    if (kind := resource["type"]) in ("cloudflare_record", "cloudflare_dns_record"):
        _cloudflare(collected, before, after, unknown, zones, place)
    elif kind in _SETS:
        _whole(collected, before, after, unknown, _SETS[kind], place)


def _whole(
    collected: Collected, before: Values, after: Values, unknown: Values, read: Callable[..., RecordSet], place: str
) -> None:
    """Take resources that stand for whole record sets; one that moves empties its old place."""
    new = read(after, unknown, place) if after else None
    if before:
        name, rdtype = _name(before["name"]), type_of(before["type"])
        if new is None or (new.name, new.rdtype) != (name, rdtype):
            gone = RecordSet(name, rdtype, 0, (), place)
            known = collected.sets.get((name, rdtype))
            # What one resource gives up another may take over.
            if known is None:
                collected.put(gone)
    if new is not None:
        known = collected.sets.get((new.name, new.rdtype))
        if known is not None and known.deleted:
            del collected.sets[new.name, new.rdtype]
        if known is not None and known.unknown and new.unknown:
            return
        collected.put(new)


def _route53(values: Values, unknown: Values, place: str) -> RecordSet:
    name, rdtype = _name(values["name"]), type_of(values["type"])
    why = ""
    if values.get("alias"):
        why = "an alias of Route 53, which resolves it"
    elif any(values.get(policy) for policy in _POLICIES) or values.get("multivalue_answer_routing_policy"):
        why = "a routing policy of Route 53, answered to each asker apart"
    elif _later(unknown.get("records")):
        why = _LATER
    records = [] if why else values.get("records") or []
    data = tuple(dict.fromkeys(_of_route53(rdtype, str(one)) for one in records))
    if not why and not data:
        raise ValueError("a record without values")
    return RecordSet(name, rdtype, ttl_of(values.get("ttl"), 0), data, place, unknown=why)


def _of_route53(rdtype: RdataType, text: str) -> Rdata:
    """Return data as Route 53 takes it: texts between quotes that the provider adds, escapes in octal."""
    decimal = _OCTAL.sub(lambda found: f"\\{int(found[1], 8):03d}", text)
    if rdtype in (RdataType.TXT, RdataType.SPF) and not decimal.startswith('"'):
        decimal = f'"{decimal}"'
    return data_of(rdtype, decimal)


def _google(values: Values, unknown: Values, place: str) -> RecordSet:
    name, rdtype = _name(values["name"]), type_of(values["type"])
    why = _LATER if _later(unknown.get("rrdatas")) else ""
    if values.get("routing_policy"):
        why = "a routing policy of Google Cloud DNS, answered to each asker apart"
    records = [] if why else values.get("rrdatas") or []
    data = tuple(dict.fromkeys(data_of(rdtype, str(one)) for one in records))
    if not why and not data:
        raise ValueError("a record without values")
    return RecordSet(name, rdtype, ttl_of(values.get("ttl"), 0), data, place, unknown=why)


_SETS: Mapping[str, Callable[..., RecordSet]] = {
    "aws_route53_record": _route53,
    "google_dns_record_set": _google,
}
"""Resources that are a whole record set each."""


def _cloudflare(
    collected: Collected, before: Values, after: Values, unknown: Values, zones: Mapping[str, str], place: str
) -> None:
    """Take a resource that is one record; others of its set stay."""
    if before:
        name, rdtype = _of_cloudflare(before, zones)
        collected.change(RecordSet(name, rdtype, 0, (), place, removed=(_one(rdtype, before),)))
    if not after:
        return
    name, rdtype = _of_cloudflare(after, zones)
    why = _LATER if any(_later(unknown.get(key)) for key in ("content", "value", "data")) else ""
    if after.get("proxied"):
        for one in (RdataType.A, RdataType.AAAA):
            collected.sets[name, one] = RecordSet(name, one, 0, (), place, unknown=_PROXIED)
        return
    data = () if why else (_one(rdtype, after),)
    automatic = _CLOUDFLARE_TTL if after.get("ttl") in (None, 1) else after["ttl"]
    collected.change(RecordSet(name, rdtype, ttl_of(automatic, 0), data, place, removed=(), unknown=why))


def _of_cloudflare(values: Values, zones: Mapping[str, str]) -> tuple[Any, RdataType]:
    """Return the name and type of a record. Names may be relative to a zone that is known by its number alone."""
    text, rdtype = str(values["name"]), type_of(values["type"])
    if isinstance(hostname := values.get("hostname"), str) and hostname:
        return name_of(hostname), rdtype
    zone = zones.get(str(values.get("zone_id")))
    if zone is not None:
        absolute = text == zone or text.endswith(f".{zone}")
        return name_of(text) if absolute else name_of(text, name_of(zone)), rdtype
    if "hostname" in values or "value" in values or text == "@" or "." not in text:
        raise ValueError(f"the name {text!r:.80} belongs to a zone whose name the plan does not tell")
    return name_of(text), rdtype


def _one(rdtype: RdataType, values: Values) -> Rdata:
    if isinstance(data := values.get("data"), list):
        data = data[0] if data else None
    content = values.get("content") or values.get("value")
    if content is None and isinstance(data, Mapping):
        fields = {
            RdataType.SRV: ("priority", "weight", "port", "target"),
            RdataType.CAA: ("flags", "tag", "value"),
            RdataType.TLSA: ("usage", "selector", "matching_type", "certificate"),
        }
        if rdtype not in fields:
            raise ValueError(f"{rdtype.name} data of several fields")
        return data_of(rdtype, " ".join(str(data[name]) for name in fields[rdtype]))
    text = str(content)
    if rdtype == RdataType.TXT and not text.startswith('"'):
        return text_of(text)
    return data_of(rdtype, f"{values['priority']} {text}" if rdtype == RdataType.MX else text)


def _zones(document: Values) -> Iterator[tuple[str, str]]:
    """Yield number and name of the zones of Cloudflare that the plan tells of, if by a record within."""
    for resource in document["resource_changes"] if isinstance(document["resource_changes"], list) else ():
        change = resource.get("change") if isinstance(resource, dict) else None
        for values in (change.get("before"), change.get("after")) if isinstance(change, dict) else ():
            if not isinstance(values, dict):
                continue
            name, hostname = values.get("name"), values.get("hostname")
            if resource.get("type") == "cloudflare_zone" and isinstance(values.get("id"), str):
                yield values["id"], str(values.get("name") or values.get("zone"))
            elif isinstance(name, str) and isinstance(hostname, str) and hostname.startswith(f"{name}."):
                yield str(values.get("zone_id")), hostname.removeprefix(f"{name}.")


def _later(unknown: object) -> bool:
    """Whether a part of a value is known only after the plan is applied: ``true`` stands for it."""
    if isinstance(unknown, list):
        return any(map(_later, unknown))
    return any(map(_later, unknown.values())) if isinstance(unknown, dict) else unknown is True


def _name(text: Any) -> Any:
    """Return a name; an octal escape stands for what Route 53 cannot show, the asterisk above all."""
    return name_of(_OCTAL.sub(lambda found: f"\\{int(found[1], 8):03d}", str(text)))
