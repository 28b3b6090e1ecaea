"""TLS reports as they come by mail: their parts, and the JSON in them (RFC 8460 sections 4.4 and 5.3). Bounded."""

from __future__ import annotations

import datetime
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from conformance.reading.excerpt import listed, quoted
from conformance.reading.message import Message
from conformance.reading.mime import Part, structure

__all__ = ["LARGEST", "Report", "TlsReportError", "is_report", "read_json", "read_report", "unpacked"]

LARGEST: Final = 4 << 20
"""Octets of a report, unpacked."""
_MOST_POLICIES: Final = 1000
_MEDIA: Final = {"application/tlsrpt+gzip": True, "application/tlsrpt+json": False}
"""Media types of section 6.4, and whether the content is packed."""
_POLICY_TYPES: Final = ("tlsa", "sts", "no-policy-found")
_FIELDS: Final = ("TLS-Report-Domain", "TLS-Report-Submitter")
_NOTED: Final = 5


class TlsReportError(ValueError):
    """The content of a report cannot be read; the message says why."""


@dataclass(frozen=True, slots=True)
class Report:
    """What is to be said against a report. ``types``: its parts are not those of a report; ``content``: its JSON.

    ``slips`` are fields that its header lacks.
    """

    types: tuple[str, ...] = ()
    content: tuple[str, ...] = ()
    slips: tuple[str, ...] = ()


def is_report(message: Message) -> bool:
    """Whether a message is meant as a TLS report, by its type, by a field of its header or by the type of a part."""
    kind = message.text("Content-Type").lower()
    named = any(message.named(name) for name in _FIELDS)
    return "tlsrpt" in kind or named or any(part.type.name in _MEDIA for part in structure(message).parts)


def read_report(message: Message) -> Report:
    """Read a report."""
    parts = structure(message)
    outer = parts.multiparts[0].type if parts.multiparts and not parts.multiparts[0].path else None
    types: list[str] = []
    if outer is None or outer.name != "multipart/report":
        types.append(f"its Content-Type is {quoted(message.text('Content-Type'), 60)}, not multipart/report")
    elif outer.parameters.get("report-type", "").lower() != "tlsrpt":
        types.append(f"its report-type is {quoted(outer.parameters.get('report-type', ''), 40)}, not tlsrpt")
    held = [part for part in parts.parts if part.type.name in _MEDIA]
    if not held:
        shown = listed(part.type.name for part in parts.parts)
        types.append(f"no part is application/tlsrpt+gzip or application/tlsrpt+json; there are {shown or 'no parts'}")
    slips = [f"there is no {name} field" for name in _FIELDS if not message.named(name)]
    content = tuple(_content(held[0])) if held else ()
    return Report(tuple(types), content, tuple(slips))


def _content(part: Part) -> Iterator[str]:
    try:
        octets = unpacked(part.content) if _MEDIA[part.type.name] else part.content
        yield from read_json(octets)
    except TlsReportError as error:
        yield str(error)


def unpacked(octets: bytes) -> bytes:
    """Return what gzip packed (RFC 1952). Raises TlsReportError for anything else, and beyond ``LARGEST`` octets."""
    unpacking = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        found = unpacking.decompress(octets, LARGEST + 1)
    except zlib.error:
        raise TlsReportError("the report is not gzip") from None
    if len(found) > LARGEST:
        raise TlsReportError(f"the report has more than {LARGEST} octets")
    if not unpacking.eof:
        raise TlsReportError("the report is cut off within its gzip")
    return found


def read_json(octets: bytes) -> list[str]:
    """Return what is wrong with the JSON of a report (section 4.4). Raises TlsReportError where it is none."""
    if len(octets) > LARGEST:
        raise TlsReportError(f"the report has more than {LARGEST} octets")
    try:
        value = json.loads(octets.decode("utf-8"))
    except UnicodeDecodeError:
        raise TlsReportError("the report is not UTF-8") from None
    except (ValueError, RecursionError):
        raise TlsReportError("the report is not JSON") from None
    if not isinstance(value, dict):
        raise TlsReportError("the report is no JSON object")
    return [fault for fault, _ in zip(_report(value), range(_NOTED), strict=False)]


def _report(value: dict[str, Any]) -> Iterator[str]:
    for name in ("organization-name", "contact-info", "report-id"):
        yield from _text(value, name, "the report")
    dates = value.get("date-range")
    if not isinstance(dates, dict):
        yield "the report has no date-range"
    else:
        for name in ("start-datetime", "end-datetime"):
            if not _is_time(dates.get(name)):
                yield f"date-range has no {name} in the form of RFC 3339"
    policies = value.get("policies")
    if not isinstance(policies, list) or not policies:
        yield "the report has no policies"
        return
    for number, one in enumerate(policies[:_MOST_POLICIES], 1):
        yield from _policy(one, f"policy {number}")


def _policy(one: Any, where: str) -> Iterator[str]:
    policy = one.get("policy") if isinstance(one, dict) else None
    if not isinstance(policy, dict):
        yield f"{where} has no policy"
        return
    if policy.get("policy-type") not in _POLICY_TYPES:
        yield f"{where}: policy-type is {quoted(str(policy.get('policy-type')), 40)}, not {listed(_POLICY_TYPES)}"
    yield from _text(policy, "policy-domain", where)
    summary = one.get("summary")
    if not isinstance(summary, dict):
        yield f"{where} has no summary"
    else:
        for name in ("total-successful-session-count", "total-failure-session-count"):
            if not _is_count(summary.get(name)):
                yield f"{where}: summary has no {name}"
    details = one.get("failure-details", [])
    if not isinstance(details, list):
        yield f"{where}: failure-details is no list"
        return
    for detail in details[:_MOST_POLICIES]:
        if not isinstance(detail, dict) or not isinstance(detail.get("result-type"), str):
            yield f"{where}: failure-details without result-type"
        elif not _is_count(detail.get("failed-session-count")):
            yield f"{where}: failure-details without failed-session-count"


def _text(value: dict[str, Any], name: str, where: str) -> Iterator[str]:
    if not isinstance(value.get(name), str) or not value[name]:
        yield f"{where} has no {name}"


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_time(value: Any) -> bool:
    try:
        return "T" in value.upper() and datetime.datetime.fromisoformat(value.upper()).tzinfo is not None
    except (AttributeError, ValueError):
        return False
