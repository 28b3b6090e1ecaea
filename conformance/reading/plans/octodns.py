"""Plans of octoDNS: the JSON of ``octodns.provider.plan.PlanJson``, and record data as its files have it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dns.name import Name
from dns.rdata import Rdata
from dns.rdatatype import RdataType

from conformance.reading.plans.plan import Collected, Plan, data_of, name_of, text_of, ttl_of, type_of
from conformance.reading.zone import RecordSet

DEFAULT_TTL = 3600
"""Seconds, that of octoDNS's YamlProvider."""

_FIELDS = {
    RdataType.MX: (("preference", "priority"), ("exchange", "value")),
    RdataType.SRV: (("priority",), ("weight",), ("port",), ("target",)),
    RdataType.CAA: (("flags",), ("tag",), ("value",)),
    RdataType.TLSA: (
        ("certificate_usage",),
        ("selector",),
        ("matching_type",),
        ("certificate_association_data",),
    ),
    RdataType.DS: (("key_tag",), ("algorithm",), ("digest_type",), ("digest",)),
    RdataType.SSHFP: (("algorithm",), ("fingerprint_type",), ("fingerprint",)),
}
_TEXTS = (RdataType.TXT, RdataType.SPF)
_ALIASES = (RdataType.A, RdataType.AAAA)


def read(document: Mapping[str, Mapping[str, Any]], file: str) -> Plan:
    """Read a plan: changes by provider and zone. Raises ZoneError."""
    collected = Collected()
    for target in document.values():
        for zone, planned in target.items():
            for number, change in enumerate(planned["changes"]):
                where = f"{file}:{zone} {_title(change, number)}"
                with collected.at(where):
                    origin = name_of(zone)
                    record = change.get("new") or {}
                    name = name_of(str(change["name"]), origin)
                    for one in record_sets(name, str(change["record_type"]), record, origin, where):
                        _take(collected, one)
    return collected.plan()


def _title(change: Any, number: int) -> str:
    if isinstance(change, dict) and isinstance(change.get("name"), str):
        return f"{change['name'] or '@'} {change.get('record_type')}"
    return f"change {number}"


def _take(collected: Collected, one: RecordSet) -> None:
    # Several providers of one zone are given the same.
    known = collected.sets.get((one.name, one.rdtype))
    if known is None or (known.rdatas, known.ttl) != (one.rdatas, one.ttl):
        collected.put(one)


def record_sets(name: Name, kind: str, record: Mapping[str, Any], origin: Name, place: str) -> list[RecordSet]:
    """Return the sets that a record of octoDNS stands for; empty data takes one away. Raises ValueError, DNSException.

    ALIAS is what a provider makes of it, and so are dynamic records.
    """
    if kind == "ALIAS":
        unknown = "an ALIAS, which the DNS provider resolves" if record else ""
        return [RecordSet(name, rdtype, 0, (), place, unknown=unknown) for rdtype in _ALIASES]
    if "/" in kind or kind == "URLFWD":
        return []
    rdtype = type_of(kind)
    ttl = ttl_of(record.get("ttl"), DEFAULT_TTL)
    if record.get("dynamic") or record.get("geo"):
        return [RecordSet(name, rdtype, ttl, (), place, unknown="a dynamic record, answered to each asker apart")]
    values = record.get("values")
    if values is None:
        values = [record["value"]] if "value" in record else []
    values = values if isinstance(values, list) else [values]
    if record and not values:
        raise ValueError("a record without values")
    rdatas = tuple(dict.fromkeys(_data(rdtype, value, origin) for value in values))
    return [RecordSet(name, rdtype, ttl, rdatas, place)]


def _data(rdtype: RdataType, value: Any, origin: Name) -> Rdata:
    if rdtype in _TEXTS:
        text = str(value)
        if text.startswith('"') and text.endswith('"') and len(text) > 1:
            text = text[1:-1].replace('" "', "")
        return text_of(text.replace("\\;", ";"))
    if isinstance(value, Mapping):
        if rdtype not in _FIELDS:
            raise ValueError(f"{rdtype.name} data of several fields")
        fields = (str(value[next((name for name in names if name in value), names[0])]) for names in _FIELDS[rdtype])
        return data_of(rdtype, " ".join(fields), origin)
    return data_of(rdtype, str(value), origin)
