"""Content-Transfer-Encodings: do the octets follow the one that is declared, and what do they stand for (RFC 2045)."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator

__all__ = ["KNOWN", "decode", "faults"]

KNOWN = ("7bit", "8bit", "binary", "quoted-printable", "base64")
"""Encodings of RFC 2045 section 6.1."""

_NOT_B64 = re.compile(rb"[^A-Za-z0-9+/=\r\n]")
_NOT_QP = re.compile(rb"[^\t\r\n -~]")
_BAD_ESCAPE = re.compile(rb"=(?![0-9A-Fa-f]{2}|[ \t]*\r?\n|[ \t]*\Z)")
_B64_KEPT = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="))


def faults(octets: bytes, encoding: str) -> Iterator[tuple[str, bool]]:
    """Yield what is wrong with octets under an encoding, and whether it garbles them."""
    if encoding in ("7bit", "8bit") and b"\0" in octets:
        yield f"{encoding} is declared, and there is a NUL", True
    if encoding == "7bit" and not octets.isascii():
        first = next(octet for octet in octets if octet > 127)
        yield f"7bit is declared, and there is the octet 0x{first:02X}", True
    elif encoding == "quoted-printable":
        yield from _quoted_printable(octets)
    elif encoding == "base64":
        yield from _base64(octets)


def _quoted_printable(octets: bytes) -> Iterator[tuple[str, bool]]:
    if strange := _NOT_QP.search(octets):
        yield f"quoted-printable is declared, and there is the octet 0x{strange[0][0]:02X}", True
    if wrong := _BAD_ESCAPE.search(octets):
        shown = octets[wrong.start() : wrong.start() + 3].decode("latin-1")
        yield f"quoted-printable is declared, and {shown!a} is no escape", True
    if (longest := _longest(octets)) > 76:
        yield f"a line of quoted-printable has {longest} characters, more than 76", False


def _base64(octets: bytes) -> Iterator[tuple[str, bool]]:
    if strange := _NOT_B64.search(octets.rstrip(b" \t\r\n")):
        yield f"base64 is declared, and there is {strange[0].decode('latin-1')!a}", strange[0] not in b" \t"
    data = octets.translate(None, _B64_KEPT)
    if len(data.rstrip(b"=")) % 4 == 1:
        yield "base64 is declared, and it ends within an octet", True
    elif len(data) % 4:
        yield "base64 lacks its padding", False
    if (longest := _longest(octets)) > 76:
        yield f"a line of base64 has {longest} characters, more than 76", False


def _longest(octets: bytes) -> int:
    return max((len(line.rstrip(b"\r")) for line in octets.split(b"\n")), default=0)


def decode(octets: bytes, encoding: str) -> bytes:
    """Return what octets stand for; as much of it as can be told."""
    if encoding == "quoted-printable":
        return binascii.a2b_qp(octets)
    if encoding == "base64":
        data = octets.translate(None, _B64_KEPT).rstrip(b"=")
        data = data.partition(b"=")[0]
        whole = data[: len(data) - 1] if len(data) % 4 == 1 else data
        return binascii.a2b_base64(whole + b"=" * (-len(whole) % 4))
    return octets
