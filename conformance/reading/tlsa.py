"""TLSA records: what they demand of a certificate, and what keeps senders from using them (RFC 6698, RFC 7671)."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

Sum = tuple[int, int, str]
"""What is compared: selector (0 certificate, 1 public key), matching type (1 SHA-256, 2 SHA-512), digest in hex."""

PKIX = (0, 1)
"""Usages that call for a public authority: PKIX-TA, PKIX-EE (RFC 7672 section 3.1.3)."""
ANCHOR = 2
"""DANE-TA: the key or certificate of an authority."""
LEAF = 3
"""DANE-EE: that of the server itself."""

_SELECTORS = (0, 1)
_FULL = 0
_SIZES = {1: 32, 2: 64}
"""Octets of a digest, by matching type."""
_DIGESTS = {1: "SHA-256", 2: "SHA-512"}
_RECORD = re.compile(r"\s*(\d{1,3})\s+(\d{1,3})\s+(\d{1,3})(?:\s+([0-9A-Fa-f\s]*))?", re.ASCII)
_SEQUENCE = 0x30
_SHOWN = 16


@dataclass(frozen=True, slots=True)
class Tlsa:
    """One record. ``problems`` say why no sender can use it; usages that are not for SMTP are told by ``usage``."""

    usage: int
    selector: int
    matching: int
    data: bytes
    problems: tuple[str, ...] = ()

    @property
    def usable(self) -> bool:
        """Whether SMTP senders use the record (RFC 7672 section 3.1)."""
        return not self.problems and self.usage in (ANCHOR, LEAF)

    @property
    def parameters(self) -> tuple[int, int, int]:
        """Usage, selector and matching type."""
        return self.usage, self.selector, self.matching

    @property
    def whole(self) -> bool:
        """Whether the data is the certificate or key itself."""
        return self.matching == _FULL

    @property
    def sum(self) -> Sum:
        """What a certificate has to have; data that is given whole is compared by its digest."""
        if self.whole:
            return self.selector, 1, hashlib.sha256(self.data).hexdigest()
        return self.selector, self.matching, self.data.hex()

    def __str__(self) -> str:
        text = self.data.hex()
        shown = f"{text[:_SHOWN]}..." if len(text) > _SHOWN else text
        return f"{self.usage} {self.selector} {self.matching} {shown}".rstrip()


def parse(text: str) -> Tlsa:
    """Read a record in presentation form (RFC 6698 section 2.2). Whatever is wrong with it is among its problems."""
    match = _RECORD.fullmatch(text)
    digits = "".join((match[4] or "").split()) if match else ""
    if match is None or len(digits) % 2:
        return Tlsa(-1, -1, -1, b"", ("it is not of the form usage selector matching-type data",))
    usage, selector, matching = (int(match[number]) for number in (1, 2, 3))
    data = bytes.fromhex(digits)
    return Tlsa(usage, selector, matching, data, _problems(usage, selector, matching, data))


def _problems(usage: int, selector: int, matching: int, data: bytes) -> tuple[str, ...]:
    problems = []
    if usage not in (*PKIX, ANCHOR, LEAF):
        problems.append(f"no usage {usage} is known")
    if selector not in _SELECTORS:
        problems.append(f"no selector {selector} is known")
    if matching in _SIZES and len(data) != _SIZES[matching]:
        problems.append(f"{_DIGESTS[matching]} has {_SIZES[matching]} octets, not {len(data)}")
    elif matching == _FULL and not _is_sequence(data):
        problems.append("its data is neither a certificate nor a key")
    elif matching not in (_FULL, *_SIZES):
        problems.append(f"no matching type {matching} is known")
    return tuple(problems)


def _is_sequence(data: bytes) -> bool:
    """Whether octets are one SEQUENCE of DER, as certificates and public keys are (RFC 5280 section 4.1)."""
    if len(data) < 2 or data[0] != _SEQUENCE:
        return False
    size, start = data[1], 2
    if size & 0x80:
        start += size & 0x7F
        size = int.from_bytes(data[2:start], "big")
    return start + size == len(data)
