"""Which declared addresses no mail was seen to come from."""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Iterable, Sequence

from conformance.facts.trial import Trial
from conformance.fleet.model import Address, Fleet
from conformance.fleet.origin import IPAddress


def peer_address(text: str) -> IPAddress:
    """Return the address of a session's peer; an IPv4-mapped one counts as IPv4. Raises ValueError."""
    address = ipaddress.ip_address(text)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def unobserved(fleet: Fleet, trials: Iterable[Trial]) -> Sequence[Address]:
    """Return the declared addresses that nothing came from, of hosts that something came from."""
    seen: defaultdict[str, set[IPAddress]] = defaultdict(set)
    for trial in trials:
        seen[trial.stream.partition("/")[0]] |= {peer_address(capture.peer) for capture in trial.captures}
    return [one for one in fleet.addresses if seen[one.host] and one.ip not in seen[one.host]]


def told(addresses: Sequence[Address]) -> list[str]:
    """Return a sentence for each host with addresses that nothing came from."""
    by_host: defaultdict[str, list[str]] = defaultdict(list)
    for address in addresses:
        by_host[address.host].append(str(address.ip))
    return [f"not observed: no mail of {host} came from {', '.join(found)}" for host, found in by_host.items()]
