"""The form of a delivery status notification (RFC 3464), of those with UTF-8 in addresses too (RFC 6533)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.message import Message

from conformance.reading.comments import without_comments
from conformance.reading.excerpt import quoted
from conformance.reading.stdlibview import parts

_GLOBAL = re.compile(rb"\bglobal-(?=delivery-status\b)", re.IGNORECASE)
_ACTIONS = ("failed", "delayed", "delivered", "relayed", "expanded")


def faults(octets: bytes) -> list[str]:
    """Return what a bounce lacks of the form of RFC 3464 section 2; empty where it has it."""
    message = _read(octets)
    return [*_head(message), *_report(message)]


def tells_no_failure(octets: bytes) -> bool:
    """Return whether a notification names recipients and says of none that it failed, such as a warning of delay.

    What has another form, or an unknown Action (RFC 3464 section 2.3.3), is none.
    """
    message = _read(octets)
    status = [part for part in _parts(message) if part.get_content_type() == "message/delivery-status"]
    actions = [_action(group) for part in status for group in _parts(part) if group.get("Action")]
    return bool(actions) and all(action in _ACTIONS and action != "failed" for action in actions)


def _read(octets: bytes) -> Message:
    """Read a notification. The library knows the groups of fields of message/delivery-status alone."""
    return parts(_GLOBAL.sub(b"", octets))


def _action(group: Message) -> str:
    return without_comments(_field(group, "Action")[:200]).strip().lower()


def _head(message: Message) -> Iterator[str]:
    if not _field(message, "From"):
        yield "it has no From"
    if not _field(message, "To"):
        yield "it has no To"


def _report(message: Message) -> Iterator[str]:
    kind = message.get_content_type()
    if kind != "multipart/report":
        yield f"its Content-Type is {quoted(kind)}, not multipart/report"
        return
    report = message.get_param("report-type")
    if str(report).lower() != "delivery-status":
        yield f"its report-type is {quoted(str(report))}, not delivery-status" if report else "it has no report-type"
    status = [part for part in _parts(message) if part.get_content_type() == "message/delivery-status"]
    if not status:
        yield "it has no part message/delivery-status"
        return
    groups = [group for group in _parts(status[0]) if group.keys()]
    if not groups or not _field(groups[0], "Reporting-MTA"):
        yield "its delivery status has no Reporting-MTA"
    if len(groups) < 2:
        yield "its delivery status names no recipient"
    for group in groups[1:]:
        yield from _recipient(group)


def _recipient(group: Message) -> Iterator[str]:
    for name in ("Final-Recipient", "Action", "Status"):
        if not _field(group, name):
            yield f"its delivery status has no {name} for a recipient"
    action = _action(group)
    if action and action not in _ACTIONS:
        yield f"its Action is {quoted(action)}, which RFC 3464 section 2.3.3 does not know"


def _field(message: Message, name: str) -> str:
    return str(message.get(name, "")).strip()


def _parts(message: Message) -> list[Message]:
    payload = message.get_payload()
    return [part for part in payload if isinstance(part, Message)] if isinstance(payload, list) else []
