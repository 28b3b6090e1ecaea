"""DKIM signatures for worlds, made with the canonicalisation of dkimpy: not with what judges them."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import dkim
from dkim.canonicalization import CanonicalizationPolicy

SIGNED_AT = 1_772_442_000
"""Monday, 2 March 2026, 09:00 UTC: when the letters of worlds are handed over."""
DAY = 86_400

TWICE = ("from", "to", "cc", "subject", "date", "reply-to")
"""Fields that are signed once more than they are there."""
ONCE = (
    *("message-id", "mime-version", "content-type", "content-transfer-encoding", "in-reply-to", "references"),
    *("list-unsubscribe", "list-unsubscribe-post", "feedback-id"),
)
RSA: Mapping[str, Any] = {"selector": "s1", "key": "rsa2048"}
ED25519: Mapping[str, Any] = {"selector": "s2", "key": "ed25519"}


@cache
def private_keys() -> dict[str, Any]:
    """Keys of worlds that can sign, by name. ``other`` is published nowhere."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

    sizes = {"rsa1024": 1024, "rsa2048": 2048, "other": 1024}
    made: dict[str, Any] = {name: generate_private_key(65537, bits) for name, bits in sizes.items()}
    return made | {"ed25519": Ed25519PrivateKey.generate()}


def signed(message: bytes, wanted: bool | Sequence[Mapping[str, Any]] = True) -> bytes:
    """Return a message with signatures: none, the usual two, or those wanted (see :func:`signature`), topmost first."""
    if wanted is False:
        return message
    if wanted is True:
        return _usually_signed(message)
    return b"".join(signature(message, one) for one in wanted) + message


@cache
def _usually_signed(message: bytes) -> bytes:
    return b"".join(signature(message, one) for one in (RSA, ED25519)) + message


def signature(message: bytes, wanted: Mapping[str, Any]) -> bytes:
    """Return a DKIM-Signature field.

    What ``wanted`` may hold: ``selector``, ``domain``, ``key`` · ``canon`` · ``headers`` (the names of h=) or ``more``
    and ``less`` (names added to and taken from the usual ones) · ``tags`` (text, or None to leave one out; for t and x
    seconds after the letter was handed over; for l a number) · ``sha1``.
    """
    given = {**RSA, "domain": "example.com", "canon": "relaxed/relaxed", "tags": {}, **wanted}
    verifier = dkim.DKIM(message, linesep=b"\r\n")
    policy = CanonicalizationPolicy.from_c_value(given["canon"].encode())
    names = list(given["headers"]) if "headers" in given else list(_usual(verifier, given))
    hasher = hashlib.sha1 if given.get("sha1") else hashlib.sha256
    body = policy.canonicalize_body(verifier.body)[: given["tags"].get("l")]
    kind = "ed25519" if given["key"] == "ed25519" else "rsa"
    tags = {
        "v": "1",
        "a": f"{kind}-{'sha1' if given.get('sha1') else 'sha256'}",
        "c": given["canon"],
        "d": given["domain"],
        "s": given["selector"],
        "t": str(SIGNED_AT),
        "x": str(SIGNED_AT + 14 * DAY),
        "h": " : ".join(names),
        "bh": base64.b64encode(hasher(body).digest()).decode(),
    }
    tags |= {name: _tag(name, value) for name, value in given["tags"].items()}
    fields = [(name.encode(), value.encode()) for name, value in tags.items() if value is not None]
    # dkimpy's own signing by RSA is slow; this is its way to sign by a key that does the work.
    verifier.signature_algorithm, verifier.hasher = b"ed25519-sha256", _Whole
    signer = _Signer(private_keys()[given["key"]], hasher)
    include = [name.lower().encode() for name in names]
    made = verifier.gen_header([*fields, (b"b", b"0" * 60)], include, policy, b"DKIM-Signature", signer)
    return b"DKIM-Signature: " + re.sub(rb"\r?\n", b"\r\n", made)


def _tag(name: str, value: Any) -> str | None:
    if value is None:
        return None
    return str(SIGNED_AT + value) if name in "tx" and isinstance(value, int) else str(value)


def _usual(verifier: Any, given: Mapping[str, Any]) -> Iterator[str]:
    there = [name.decode().lower() for name, _ in verifier.headers]
    for name in (*TWICE, *ONCE, *given.get("more", ())):
        if name not in given.get("less", ()):
            yield from [name] * (there.count(name) + (name in TWICE))


class _Whole:
    """Stands for a hash: keeps what is hashed."""

    name = "whole"

    def __init__(self) -> None:
        self.octets = b""

    def update(self, octets: bytes) -> None:
        self.octets += octets

    def digest(self) -> bytes:
        return self.octets


class _Signer:
    """A private key as dkimpy uses one."""

    def __init__(self, key: Any, hasher: Callable[..., Any]) -> None:
        self.key, self.hasher, self.signature = key, hasher, b""

    def sign(self, octets: bytes) -> _Signer:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.hashes import SHA1, SHA256

        if isinstance(self.key, Ed25519PrivateKey):
            self.signature = self.key.sign(hashlib.sha256(octets).digest())
        else:
            algorithm = SHA1() if self.hasher is hashlib.sha1 else SHA256()
            self.signature = self.key.sign(octets, PKCS1v15(), algorithm)
        return self
