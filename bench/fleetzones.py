"""A declared fleet of hosts and domains, and the zones that conform to it."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from conformance.fleet.model import Address, Domain, Fleet, Mta, Selector
from conformance.fleet.origin import IPAddress

HOSTS_OF_INCLUDE = 100
"""Domains that share one SPF include."""
_KEY = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA" + "A" * 340 + "IDAQAB"

Question = tuple[str, str]


def ip(number: int) -> IPAddress:
    """Return the address of a host: within 198.18.0.0/15."""
    return ip_address((198 << 24) + (18 << 16) + (number // 250 << 8) + 1 + number % 250)


def host(number: int) -> str:
    return f"mx{number}.mta{number % 100}.example"


def domain(number: int) -> str:
    return f"d{number}.example"


def include(number: int) -> str:
    return f"_spf.p{number % HOSTS_OF_INCLUDE}.example"


def fleet(hosts: int, domains: int) -> Fleet:
    """Return a fleet of hosts that each send for their share of the domains."""
    senders: dict[int, list[int]] = {}
    for number in range(domains):
        senders.setdefault(number % hosts, []).append(number)
    mtas = [
        Mta(
            host(number),
            addresses=(Address(host(number), ip(number), host(number)),),
            sends_for=tuple(domain(one) for one in senders.get(number, ())),
        )
        for number in range(hosts)
    ]
    catalogue = [
        Domain(
            domain(number),
            selectors=tuple(Selector(domain(number), selector, domain(number)) for selector in ("s1", "s2")),
            hosts=(host(number % hosts),),
        )
        for number in range(domains)
    ]
    return Fleet(tuple(mtas), tuple(catalogue))


def zones(hosts: int, domains: int) -> dict[str, Iterator[str]]:
    """Return the zones of the fleet, as lines of zone files by origin."""
    return {"example.": _forward(hosts, domains), "198.in-addr.arpa.": _reverse(hosts)}


def _forward(hosts: int, domains: int) -> Iterator[str]:
    for number in range(hosts):
        yield f"{host(number)}. A {ip(number)}"
    for number in range(domains):
        name, mx = domain(number), host(number % hosts)
        yield f"{name}. MX 10 {mx}."
        yield f'{name}. TXT "v=spf1 mx ip4:{ip(number % hosts)} include:{include(number)} -all"'
        yield f'_dmarc.{name}. TXT "v=DMARC1; p=reject; rua=mailto:dmarc@{name}"'
        for selector in ("s1", "s2"):
            key = f"v=DKIM1; k=rsa; p={_KEY}"
            yield f'{selector}._domainkey.{name}. TXT "{key[:250]}" "{key[250:]}"'
    for number in range(HOSTS_OF_INCLUDE):
        yield f'{include(number)}. TXT "v=spf1 ip4:192.0.2.{number} -all"'


def _reverse(hosts: int) -> Iterator[str]:
    for number in range(hosts):
        yield f"{ip(number).reverse_pointer}. PTR {host(number)}."


def questions(hosts: int, domains: int) -> list[Question]:
    """Return what the rules of the basics have to ask about a fleet, each question once."""
    asked: list[Question] = []
    for number in range(hosts):
        asked += [(ip(number).reverse_pointer, "PTR"), (host(number), "A")]
    for number in range(domains):
        name = domain(number)
        asked += [(name, "MX"), (name, "TXT"), (f"_dmarc.{name}", "TXT")]
        asked += [(f"{selector}._domainkey.{name}", "TXT") for selector in ("s1", "s2")]
    asked += [(include(number), "TXT") for number in range(min(domains, HOSTS_OF_INCLUDE))]
    return asked
