"""DANE as a sending host has it (RFC 7672): what TLSA records name the key of an exchange."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_DANE_EE, _KEY, _SHA_256 = "3", "1", "1"


def key_digest(key: PublicKeyTypes) -> str:
    """Return the SHA-256 of a public key, in hexadecimal (RFC 6698 section 2.1.2)."""
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def named_keys(records: Sequence[str]) -> frozenset[str]:
    """Return what records of usage DANE-EE name by SHA-256 of the key; this host uses no others."""
    rows = [record.split() for record in records]
    usual = [_DANE_EE, _KEY, _SHA_256]
    return frozenset(
        "".join(digest).lower() for *kind, digest in ([*row[:3], row[3:]] for row in rows) if kind == usual
    )
