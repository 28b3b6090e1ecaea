"""What is wrong in a body across its parts: character sets, transfer encodings, links."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from conformance.reading import charsets, transfer
from conformance.reading.comments import without_comments
from conformance.reading.excerpt import quoted
from conformance.reading.hostname import is_ip_text
from conformance.reading.mime import Part, Structure

__all__ = ["CONTENT_FIELDS", "charset_fault", "encoding_faults", "link_fault", "version"]

_SHORTENERS: Final = frozenset(
    {
        "bit.ly",
        "buff.ly",
        "cutt.ly",
        "goo.gl",
        "is.gd",
        "ow.ly",
        "rb.gy",
        "rebrand.ly",
        "shorturl.at",
        "t.co",
        "t.ly",
        "tiny.cc",
        "tinyurl.com",
        "v.gd",
    }
)


CONTENT_FIELDS: Final = frozenset(
    f"content-{name}"
    for name in ("type", "transfer-encoding", "id", "description", "disposition", "language", "location", "md5")
)
"""Fields that mean something in a MIME message alone; Content-Length and some X.400 fields are none of MIME's."""


def version(text: str) -> str:
    """Return what MIME-Version says, comments and blanks apart (RFC 2045 section 4)."""
    return re.sub(r"[ \t\r\n]+", "", without_comments(text[:1000]))


def charset_fault(part: Part) -> str:
    """Return why readers cannot tell the characters of a text; empty where they can."""
    if not part.charset:
        plain = part.type.name in ("text/plain", "text/html")
        return f"{part.where} has octets above 127 and declares no charset" if plain and not _ascii(part) else ""
    charset = charsets.lookup(part.charset)
    if charset is None:
        return f"{part.where} declares the charset {quoted(part.charset)}, which nobody knows"
    try:
        charsets.decoded(part.content, charset)
    except UnicodeDecodeError as error:
        octet = part.content[error.start : error.start + 1].hex().upper()
        return f"{part.where} declares {charset.name}, in which the octet 0x{octet} does not stand at {error.start}"
    return ""


def _ascii(part: Part) -> bool:
    return part.content.isascii()


def encoding_faults(parts: Structure) -> tuple[list[str], list[str]]:
    """Return what is wrong with Content-Transfer-Encodings: what garbles the content, and what does not."""
    wrong: list[str] = []
    slips: list[str] = []
    for part in parts.parts:
        if part.encoding not in transfer.KNOWN and not part.encoding.startswith("x-"):
            wrong.append(f"{part.where} has the unknown Content-Transfer-Encoding {quoted(part.encoding)}")
        for text, garbles in transfer.faults(part.octets, part.encoding):
            (wrong if garbles else slips).append(f"{part.where}: {text}")
    for part in parts.multiparts:
        if part.encoding == "7bit" and part.octets and not part.octets.isascii() and not wrong:
            slips.append(f"{part.where} counts as 7bit, and a part of it has octets above 127")
    return wrong, slips


def link_fault(link: str) -> str:
    """Return why a link is distrusted; empty where it is not."""
    try:
        parts = urlsplit(link)
        host = parts.hostname or ""
    except ValueError:
        return "no web address"
    if host in _SHORTENERS:
        return "a shortener"
    if not host or is_ip_text(host):
        return "no name"
    return "" if parts.scheme.lower() == "https" else "not HTTPS"
