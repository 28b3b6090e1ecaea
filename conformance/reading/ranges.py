"""Address ranges that nobody outside can reach."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Final

_RANGES: Final = tuple(
    (ip_network(network), name)
    for network, name in (
        ("10.0.0.0/8", "private, RFC 1918"),
        ("172.16.0.0/12", "private, RFC 1918"),
        ("192.168.0.0/16", "private, RFC 1918"),
        ("100.64.0.0/10", "carrier-grade NAT, RFC 6598"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link-local"),
        ("0.0.0.0/8", "unspecified"),
        ("fc00::/7", "unique local, RFC 4193"),
        ("fe80::/10", "link-local"),
        ("::1/128", "loopback"),
        ("::/128", "unspecified"),
    )
)


def unreachable(address: IPv4Address | IPv6Address) -> str | None:
    """Return why an address cannot be reached from the Internet, None when it can; documentation ranges can.

    An IPv4 address mapped into IPv6 is judged as what it is.
    """
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    actual = mapped or address
    return next((name for network, name in _RANGES if actual in network), None)


def special(address: IPv4Address | IPv6Address, public: Iterable[str] = ()) -> str | None:
    """Return why an address is not globally routable, None when it is, or lies in a network that counts as public.

    Python's registry decides (RFC 6890), documentation ranges included.
    """
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    actual = mapped or address
    if actual.is_global or any(actual in ip_network(network) for network in public):
        return None
    return unreachable(actual) or "not globally routable, RFC 6890"
