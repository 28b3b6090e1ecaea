"""DANE for exchanges of ours (RFC 7672): TLSA records that name the key that is shown, or one that nobody has."""

from __future__ import annotations

import hashlib
from enum import StrEnum

PREFIX = "mx-"
"""What stands before the label of an opening in the name of an exchange of its own: its TLSA records are too."""
PORT_LABELS = ("_25", "_tcp")
"""What stands before the name of an exchange in the name of its TLSA records (RFC 7672 section 2.2.3)."""


class Names(StrEnum):
    """Which key a TLSA record names."""

    SHOWN = "shown"
    """The key of the bad certificates that the receiver makes itself."""
    ANOTHER = "another"
    """A key that is nobody's."""
    UNKNOWN = "unknown"
    """Nobody learns it: the question for the record is answered SERVFAIL, as for one that cannot be validated."""


def records(names: Names, shown: str) -> list[str]:
    """Return the data of TLSA records: DANE-EE of a key by SHA-256 (RFC 7672 section 3.1.1).

    ``shown`` is the SHA-256 of the key that is shown, in hexadecimal.
    """
    digests = {Names.SHOWN: shown, Names.ANOTHER: hashlib.sha256(shown.encode()).hexdigest()}
    return [f"3 1 1 {digests[names]}"] if names in digests else []
