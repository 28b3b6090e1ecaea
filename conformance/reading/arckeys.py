"""The keys that ARC sets of a message are sealed and signed with (RFC 8617 sections 4.1.2 and 4.1.3)."""

from __future__ import annotations

from conformance.reading.arcchain import MOST_FIELDS
from conformance.reading.dkimsig import read_signature
from conformance.reading.message import Message

_SEALING = ("arc-seal", "arc-message-signature")


def sealers(message: Message) -> tuple[tuple[str, str], ...]:
    """Return selector and domain (A-labels, lower case) of each seal and signature, topmost first, each once.

    Fields that name no key are left out. Raises nothing.
    """
    fields = [field for field in message.fields if field.key in _SEALING][:MOST_FIELDS]
    read = (read_signature(field) for field in fields)
    return tuple(dict.fromkeys((one.selector, one.domain) for one in read if one.key_name))
