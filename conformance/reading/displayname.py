"""What a display name or a subject pretends (Google's sender guidelines, RFC 9989 section 11.4)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from conformance.reading.encodedword import decode
from conformance.reading.mailbox import Mailbox
from conformance.reading.message import Message
from conformance.reading.mime import Structure
from conformance.reading.orgdomain import registrable

__all__ = ["pretences", "unanswered_reply"]

_ADDRESS = re.compile(r"[^\s@<>()\[\],;:\"]{1,64}@([A-Za-z0-9.-]{1,253}\.[A-Za-z]{2,63})")
_COUNT = re.compile(r"[(\[]\s*\d{1,3}\s*[)\]]")
"""Of four digits it is a year, as a rule: DebConf (2026)."""
_MARKS = frozenset("\u2705\u2713\u2714\u2611\u2714\u25cf\u2b50")
_REPLY = re.compile(r"\s*(re|fwd?)\s*:", re.IGNORECASE)
_FORWARDED = re.compile(r"^[ \t]*(?:--.*(?:forward|original)|>|from:|begin forwarded)", re.IGNORECASE | re.MULTILINE)
_SHOWN = 1 << 16


def pretences(mailbox: Mailbox) -> Iterator[str]:
    """Yield what the display name of an address in From pretends."""
    name = decode(mailbox.display)
    own = registrable(mailbox.domain) or mailbox.domain.lower()
    for match in _ADDRESS.finditer(name[:_SHOWN]):
        if (registrable(match[1]) or match[1].lower()) != own:
            yield f"it names the address {match[0][:100]!a} of another domain"
    if counted := _COUNT.search(name[:_SHOWN]):
        yield f"it has {counted[0]!a}, as if messages had been counted"
    if mark := next((one for one in name if one in _MARKS), ""):
        yield f"it has U+{ord(mark):04X}, as if somebody had verified it"
    if _REPLY.match(name):
        yield "it begins like a reply"


def unanswered_reply(message: Message, parts: Structure) -> str:
    """Return how a subject begins like a reply or a forward that the message is not; empty where it does not."""
    match = _REPLY.match(decode(message.text("Subject")))
    if match is None or message.named("In-Reply-To") or message.named("References") or parts.messages:
        return ""
    if match[1].lower() != "re" and _forwarded(parts):
        return ""
    return match[0].strip()


def _forwarded(parts: Structure) -> bool:
    texts: Sequence[str] = [part.text[:_SHOWN] for part in parts.parts if part.type.name == "text/plain"]
    html = any(b"forward" in part.content[:_SHOWN].lower() for part in parts.of_type("text/html"))
    return html or any(_FORWARDED.search(text) for text in texts)
