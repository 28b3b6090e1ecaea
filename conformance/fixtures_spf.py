"""What a check may ask for around the SPF records of a domain."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import cast

import pytest

from conformance.facts.gather import Gathered
from conformance.facts.spfzone import Explanation, HostRecords, Owner, Reliances
from conformance.fleet.model import Address, Domain, Fleet
from conformance.reading.orgdomain import to_ascii


@pytest.fixture
def spf_owners(gathered: Gathered, domain: Domain) -> tuple[Owner, ...]:
    """What stands beside the SPF records of the domain and of its envelope domain: other types, aliases, wildcards."""
    return cast(tuple[Owner, ...], gathered("spf_owners", domain))


@pytest.fixture
def spf_reliances(gathered: Gathered, domain: Domain) -> Reliances:
    """The domains that terms of SPF rely on, as far as their names do not exist, with whether they are registered."""
    return cast(Reliances, gathered("spf_reliances", domain))


@pytest.fixture
def spf_explanations(gathered: Gathered, domain: Domain) -> tuple[Explanation, ...]:
    """What exp= of the domain's SPF leads to; not applicable without one."""
    return cast(tuple[Explanation, ...], gathered("spf_explanations", domain))


@pytest.fixture
def spf_hosts(gathered: Gathered, domain: Domain) -> HostRecords:
    """The known host names in the domain that nobody sends as; not applicable without any."""
    return cast(HostRecords, gathered("spf_hosts", domain))


@pytest.fixture
def public_networks(fleet: Fleet, domain: Domain) -> tuple[IPv4Network | IPv6Network, ...]:
    """Special networks that the hosts of the domain declare to be public where they are."""
    declared = (
        network for name in domain.hosts if name in fleet.by_name for network in fleet.by_name[name].treat_as_public
    )
    return tuple(ip_network(network) for network in dict.fromkeys(declared))


@pytest.fixture(scope="session")
def speakers_by_name(fleet: Fleet) -> dict[str, dict[str, None]]:
    """What authorises, by each name that hosts greet with, the addresses that greet with it or send for it."""
    found: dict[str, dict[str, None]] = {}
    for address in fleet.addresses:
        found.setdefault(to_ascii(address.helo) or "", {})[address.spf_mechanism] = None
    for domain in fleet.sending_domains:
        for name in found.keys() & {domain.name, domain.mail_from}:
            hosts = [fleet.by_name[host] for host in domain.hosts if host in fleet.by_name]
            found[name].update((address.spf_mechanism, None) for host in hosts for address in host.addresses)
    return found


@pytest.fixture
def speakers(speakers_by_name: dict[str, dict[str, None]], address: Address) -> tuple[str, ...]:
    """SPF mechanisms of all addresses that a record of the address's HELO name has to authorise: its own among them."""
    return tuple(dict.fromkeys((*speakers_by_name.get(to_ascii(address.helo) or "", ()), address.spf_mechanism)))
