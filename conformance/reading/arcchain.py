"""Whether the ARC chain of a message validates (RFC 8617 section 5.2): dkimpy says, our own verifier countersigns."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from conformance.reading import dkim, dkimsig, message
from conformance.reading.message import Field, Message

_INSTANCE = re.compile(rb"(?:\A|;)\s*i\s*=\s*([0-9]{1,4})\s*(?:;|\Z)")
LARGEST = 1 << 20
"""Octets of a message that are read."""
MOST_FIELDS = 200
"""ARC fields that are read: 50 sets (section 4.2.1) have 150."""


class ArcError(ValueError):
    """Nothing can be said of the chain."""


@dataclass(frozen=True, slots=True)
class Chain:
    """The chain validation status, ``none``, ``pass`` or ``fail``, and why."""

    status: str
    reason: str = ""


def validate(octets: bytes, records: Mapping[str, str], now: float) -> Chain:
    """Validate the chain of a message by key records, texts by their name without final dot. ``now`` as of 1970.

    Raises ArcError where the message is too large, where verifiers differ, and where the library fails at it.
    """
    read = message.read(octets)
    fields = [field for field in read.fields if field.key.startswith("arc-")]
    if len(octets) > LARGEST or len(fields) > MOST_FIELDS:
        raise ArcError(f"the message is larger than {LARGEST} octets or has more than {MOST_FIELDS} ARC fields")
    status, reason = _by_library(octets, records)
    if status == "pass" and not _newest_holds(read, fields, records, now):
        raise ArcError("verifiers differ: the newest ARC-Message-Signature holds for dkimpy only")
    return Chain(status, reason)


def _by_library(octets: bytes, records: Mapping[str, str]) -> tuple[str, str]:
    import dkim as dkimpy

    def text_at(name: bytes, timeout: int = 5) -> bytes | None:
        found = records.get(name.decode("latin-1").rstrip(".").lower())
        return None if found is None else found.encode("latin-1", "replace")

    try:
        status, _, reason = dkimpy.arc_verify(octets, dnsfunc=text_at)
    except Exception as error:  # The library raises of every kind on hostile text.
        raise ArcError(f"dkimpy fails at the message: {type(error).__name__}") from error
    # It names no status where the newest seal says cv=fail, which ends the chain: section 5.2, step 2.
    return (status.decode("latin-1"), str(reason)) if status else ("fail", "the newest ARC-Seal says cv=fail")


def _newest_holds(read: Message, fields: list[Field], records: Mapping[str, str], now: float) -> bool:
    """Say by our own verifier whether the newest ARC-Message-Signature is one of the message."""
    by_instance = {_instance(field): field for field in fields if field.key == "arc-message-signature"}
    signature = dkimsig.read_signature(by_instance[max(by_instance)])
    # What DKIM would have it say besides (v=, i= as an identity) is not part of ARC (section 4.1.2).
    bare = replace(signature, identity="", faults=())
    if not any(tag.name == "c" for tag in signature.tags):
        # Sealers that leave c= out mean relaxed, as the working group's own tests have it.
        bare = replace(bare, canon=("relaxed", "relaxed"))
    try:
        key = dkim.parse_key(records.get(bare.key_name, ""))
        return dkimsig.verify(read, bare, key, now).passes
    except ValueError:
        return False


def _instance(field: Field) -> int:
    found = _INSTANCE.search(field.body)
    return int(found[1]) if found else 0
