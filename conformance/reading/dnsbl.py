"""What a DNS list says: names to ask for, and which answers are listings (RFC 5782)."""

from __future__ import annotations

import ipaddress
from ipaddress import IPv4Address, IPv6Address
from typing import Final

LISTED_TEST: Final = {4: "127.0.0.2", 6: "::ffff:7f00:2"}
"""What a list of addresses has to list, by address family (RFC 5782 section 5)."""

UNLISTED_TEST: Final = {4: "127.0.0.1", 6: "::ffff:7f00:1"}
"""What it must not list."""

LISTED_NAME: Final = "test"
UNLISTED_NAME: Final = "invalid"
"""The same of a list of names."""

_ANSWERS: Final = ipaddress.ip_network("127.0.0.0/8")
_REFUSALS: Final = ipaddress.ip_network("127.255.255.0/24")
_ERRORS: Final = {
    "127.0.0.1": "the list refuses the query",
    "127.0.1.255": "an address was asked of a list of names",
    "127.255.255.252": "the name of the list is mistyped",
    "127.255.255.254": "the list refuses queries from a public or unattributable resolver",
    "127.255.255.255": "the list refuses queries: too many",
}

_DYNAMIC: Final = {
    "zen.spamhaus.org": ("127.0.0.10", "127.0.0.11"),
    "zen.dq.spamhaus.net": ("127.0.0.10", "127.0.0.11"),
    "pbl.spamhaus.org": ("127.0.0.10", "127.0.0.11"),
    "dyna.spamrats.com": ("127.0.0.36",),
}
"""Answers of well-known lists that say "not meant to send mail itself", as their operators document them."""


def address_label(ip: IPv4Address | IPv6Address) -> str:
    """Return what stands before the zone of a list for an address (RFC 5782 sections 2.1 and 2.4)."""
    return ip.reverse_pointer.removesuffix(".in-addr.arpa").removesuffix(".ip6.arpa")


def label_of(text: str) -> str:
    """Return what ``address_label`` does, of an address as text. Raises ValueError for what is none."""
    return address_label(ipaddress.ip_address(text))


def error(code: str) -> str:
    """Say why an answer, an IPv4 address as text, is an error and no listing; empty for a listing.

    Outside 127.0.0.0/8 somebody else answers (RFC 5782 section 2.1); 127.255.255.0/24 holds the error codes.
    """
    try:
        address = ipaddress.IPv4Address(code)
    except ValueError:
        return "no answer of a DNS list"
    if known := _ERRORS.get(code):
        return known
    if address not in _ANSWERS:
        return "no answer of a DNS list, which lies in 127.0.0.0/8"
    return "an error code of the list" if address in _REFUSALS else ""


def dynamic_codes(zone: str) -> tuple[str, ...]:
    """Return the answers of a well-known list that say "dynamic"; none for a list that is not known here."""
    return next((codes for known, codes in _DYNAMIC.items() if zone == known or zone.endswith(f".{known}")), ())
