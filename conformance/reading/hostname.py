"""Host names and address literals as text: what they may look like, before anybody looks them up."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address

__all__ = [
    "check_syntax",
    "is_ip_text",
    "is_localhost",
    "is_qualified",
    "looks_like_literal",
    "parse_literal",
    "zone_suffix",
]

Address = IPv4Address | IPv6Address

_MAX_NAME = 253
"""Octets of a name in text without the final dot: 255 on the wire (RFC 1035 section 2.3.4)."""
_MAX_LABEL = 63
_MAX_ADDRESS = 45
"""Characters of the longest IPv6 address in text, with an embedded IPv4 address."""

_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?", re.ASCII)
_FOREIGN = re.compile(r"\\[0-9]{3}|\\.|[^A-Za-z0-9-]", re.ASCII | re.DOTALL)
"""The first thing in a label that a host name cannot hold; an escape of RFC 1035 section 5.1 is one thing."""
_DOTTED = re.compile(r"(0|[1-9][0-9]{0,2})(\.(0|[1-9][0-9]{0,2})){3}", re.ASCII)

_LOCALHOST = ("localhost", "localdomain")
_REVERSE_ZONES = ("in-addr.arpa", "ip6.arpa")


def check_syntax(name: str, *, final_dot: bool = False) -> str | None:
    """Return why ``name`` is not a valid host name, None when it is one (RFC 1123 section 2.1, RFC 5321 section 2.3.5).

    One label is enough here, see :func:`is_qualified`. ``name`` is presentation text, so a label with any escape
    is refused as what the escape stands for. ``final_dot`` allows one dot at the end.
    """
    if final_dot:
        name = name.removesuffix(".")
    if not name:
        return "it is empty"
    if len(name) > _MAX_NAME:
        return f"it has {len(name)} characters, more than {_MAX_NAME}"
    if name.endswith("."):
        return "it ends with a dot"
    labels = name.split(".")
    for label in labels:
        if reason := _label_fault(label):
            return reason
    if labels[-1].isdigit():
        return f"its last label {labels[-1]} is all digits, as in an address"
    return None


def _label_fault(label: str) -> str | None:
    if not label:
        return "it has an empty label"
    if foreign := _FOREIGN.search(label):
        return f"it has {_describe(foreign[0])} in a label"
    if len(label) > _MAX_LABEL:
        return f"a label has {len(label)} characters, more than {_MAX_LABEL}"
    if not _LABEL.fullmatch(label):
        return f"label {label} begins or ends with a hyphen"
    return None


def _describe(foreign: str) -> str:
    """Name an unwanted character without repeating it where it could do harm."""
    if foreign == "_":
        return "an underscore"
    if re.fullmatch(r"\\[0-9]{3}", foreign, re.ASCII):
        return f"the octet {int(foreign[1:])}"
    if foreign.isspace():
        return "white space"
    if foreign.isascii() and foreign.isprintable():
        return f"the character {foreign[-1]!r}"
    return f"the character U+{ord(foreign[-1]):04X}"


def is_qualified(name: str) -> bool:
    """Return whether ``name`` has two labels or more; one final dot does not count (RFC 5321 section 2.3.5)."""
    return len([label for label in name.removesuffix(".").split(".") if label]) >= 2


def is_ip_text(name: str) -> bool:
    """Return whether ``name`` is an IPv4 or IPv6 address in text, bare or in brackets, with or without a final dot."""
    text = name.removesuffix(".")
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
        if text[:5].lower() == "ipv6:":
            text = text[5:]
    return _address(text) is not None


def _address(text: str) -> Address | None:
    """Read an address without a scope id."""
    if len(text) > _MAX_ADDRESS or not text.isascii() or "%" in text or "/" in text:
        return None
    try:
        return ip_address(text)
    except ValueError:
        return None


def looks_like_literal(text: str) -> bool:
    """Return whether ``text`` was meant as an address literal: it begins with a bracket."""
    return text.startswith("[")


def parse_literal(text: str) -> Address | None:
    """Return the address of ``[192.0.2.1]`` or ``[IPv6:2001:db8::1]``, None when malformed (RFC 5321 section 4.1.3).

    An IPv6 address without its tag, or an IPv4 address with leading zeros, is malformed.
    """
    if not (text.startswith("[") and text.endswith("]")):
        return None
    inner = text[1:-1]
    if inner[:5].lower() == "ipv6:":
        address = _address(inner[5:])
        return address if isinstance(address, IPv6Address) else None
    if not _DOTTED.fullmatch(inner):
        return None
    return _address(inner)


def is_localhost(name: str) -> bool:
    """Return whether ``name`` is or ends in ``localhost`` or ``localdomain``; one final dot does not count."""
    last = name.removesuffix(".").lower().rpartition(".")[2]
    return last in _LOCALHOST


def zone_suffix(name: str) -> str | None:
    """Return the reverse zone that ``name`` ends in, None when it does not.

    A PTR that ends so lacks its final dot in the zone file (RFC 1912 section 2.1), or repeats the question.
    """
    lowered = name.removesuffix(".").lower()
    for zone in _REVERSE_ZONES:
        if lowered == zone or lowered.endswith("." + zone):
            return zone
    return None
