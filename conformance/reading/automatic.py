"""Messages that no person wrote: what they say of themselves (RFC 3834), reports (RFC 3464, RFC 8098)."""

from __future__ import annotations

import re
from typing import Final

from conformance.reading.comments import without_comments
from conformance.reading.message import Message
from conformance.reading.mime import Structure

__all__ = ["MARKS", "is_report", "keyword", "named_like_a_daemon", "named_like_nobody", "report_fault"]

MARKS: Final = ("auto-generated", "auto-replied", "auto-notified")
"""Values of Auto-Submitted for such messages (RFC 3834 section 5.2, RFC 5436 section 2.7.1)."""
_REPORTS: Final = {
    "delivery-status": ("message/delivery-status", "message/global-delivery-status"),
    "disposition-notification": ("message/disposition-notification", "message/global-disposition-notification"),
}
_DAEMON = re.compile(r"(?:mailer-?daemon|postmaster)(?:[+-].*)?", re.IGNORECASE)
_NOBODY = re.compile(r"(?:.*[._-])?(?:no|do-?not|dont)[._-]?reply(?:[+._-].*)?", re.IGNORECASE)


def keyword(message: Message) -> str:
    """Return the keyword of Auto-Submitted in lower case; empty where there is none."""
    return without_comments(message.text("Auto-Submitted")[:500]).partition(";")[0].strip().lower()


def is_report(parts: Structure) -> bool:
    """Whether the message is a report by its type (RFC 6522)."""
    return any(part.type.name == "multipart/report" for part in parts.multiparts[:1]) or any(
        part.path == "" and part.type.name == "multipart/report" for part in parts.parts
    )


def report_fault(parts: Structure) -> str:
    """Return what is wrong with the types of a delivery report or a disposition notification; empty for nothing."""
    kind = next((part.type.parameters.get("report-type", "").lower() for part in parts.multiparts[:1]), "")
    if not kind:
        return "multipart/report has no report-type"
    if kind not in _REPORTS:
        return ""
    second = next((part.type.name for part in parts.parts if part.path == "2"), "no second part")
    return "" if second in _REPORTS[kind] else f"report-type is {kind}, and its second part is {second}"


def named_like_a_daemon(local: str) -> bool:
    """Whether a local part is that of a mail server's own notices."""
    return _DAEMON.fullmatch(local) is not None


def named_like_nobody(local: str) -> bool:
    """Whether a local part says that nobody reads what is sent there."""
    return _NOBODY.fullmatch(local[:64]) is not None
