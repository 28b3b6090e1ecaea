"""Where the mail for an opening goes: what DNS says of its domain, and which of our addresses that means."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from conformance.receiver import dane
from conformance.receiver.sts import DOMAINS, PLAIN

DEAD = ("192.0.2.1", "100::1")
"""Addresses where nobody is: documentation (RFC 5737) and discard-only (RFC 6666)."""


class Target(StrEnum):
    """What an MX record may lead to."""

    FIRST = "first"
    """The exchange that plays the opening's scenario."""
    SECOND = "second"
    """Another exchange of ours."""
    DEAD = "dead"
    """A name whose addresses nobody listens at."""
    HALF = "half"
    """A name with an IPv6 address that nobody listens at, and the IPv4 address of the first exchange."""
    ALIAS = "alias"
    """A CNAME of the first exchange (against RFC 2181 section 10.3)."""
    DANE = "dane"
    """A name of the first exchange that the opening has for itself, with TLSA records."""
    POLICY = "policy"
    """The MX host of a policy domain."""
    NOWHERE = "."
    """The root: the domain takes no mail (RFC 7505)."""


Mx = tuple[tuple[int, Target], ...]


@dataclass(frozen=True, slots=True)
class Route:
    """One way for mail to find us: ``mx`` are preferences and targets, ``moved`` what they are after a move."""

    about: str
    mx: Mx = ()
    moved: Mx = ()
    address: bool = False
    """Whether the domain itself has the address records of the first exchange."""
    refuses: bool = False
    """Whether the first exchange refuses every recipient for good."""
    domains: int = 1
    tlsa: dane.Names | None = None
    """Which key the TLSA records of its exchange name; None: there are none."""
    reports: bool = False
    """Whether the domain asks for TLS reports (RFC 8460 section 3), at its first address, as long as that is open."""
    policy: str = ""
    """Label of the policy domain that all its addresses are in; empty: it has domains of its own."""

    @property
    def targets(self) -> frozenset[Target]:
        """All that its MX records lead to, before and after a move."""
        return frozenset(target for _, target in (*self.mx, *self.moved))

    @property
    def fits_any_exchange(self) -> bool:
        """Whether it leads to the first exchange alone, which may then be any of ours."""
        return not self.targets & {Target.SECOND, Target.HALF, Target.ALIAS, Target.POLICY}


_ONE: Mx = ((10, Target.FIRST),)
_POLICY: Mx = ((10, Target.POLICY),)
_DANE: Mx = ((10, Target.DANE),)

ROUTES: Mapping[str, Route] = {
    "plain": Route("one MX host", _ONE),
    "tls-reports": Route("one MX host, of a domain that asks for TLS reports", _ONE, reports=True),
    "two-domains": Route("two domains with one MX host", _ONE, domains=2),
    "mx-two": Route("two MX hosts of one preference", ((10, Target.FIRST), (10, Target.SECOND))),
    "mx-dead-first": Route("the first MX host is dead", ((10, Target.DEAD), (20, Target.FIRST))),
    "mx-v6-dead": Route("the MX host's IPv6 address is dead, its IPv4 address alive", ((10, Target.HALF),)),
    "mx-null": Route("a null MX beside a living address", ((0, Target.NOWHERE),), address=True),
    "mx-moved": Route("the MX record changes between two letters", _ONE, moved=((10, Target.SECOND),)),
    "mx-refuse-first": Route(
        "the first MX host refuses for good", ((10, Target.FIRST), (20, Target.SECOND)), refuses=True
    ),
    "mx-implicit": Route("no MX record, an address alone", address=True),
    "mx-not-a": Route("the MX host is dead, the domain's own address alive", ((10, Target.DEAD),), address=True),
    "mx-cname": Route("the MX record leads to an alias", ((10, Target.ALIAS),)),
    "dane-key": Route("TLSA records for the key of bad certificates", _DANE, tlsa=dane.Names.SHOWN),
    "dane-unknown-key": Route("TLSA records that cannot be looked up", _DANE, tlsa=dane.Names.UNKNOWN),
    "dane-another-key": Route("TLSA records for another key", _DANE, tlsa=dane.Names.ANOTHER),
    **{label: Route(one.about, _POLICY, policy=label) for label, one in DOMAINS.items()},
}
"""Routes by name."""


@lru_cache(maxsize=4096)
def plain_address(text: str) -> str:
    """Return an address in the form in which addresses are compared: compressed, an IPv4-mapped one as IPv4."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return text
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One mail exchanger that we are: a label in the probe domain, and addresses.

    ``addresses`` are those that DNS shows; ``local`` those that sessions have, where they differ (behind NAT).
    """

    label: str
    addresses: tuple[str, ...]
    local: tuple[str, ...] = ()

    @property
    def listening(self) -> tuple[str, ...]:
        """The addresses that sessions have on our side."""
        return self.local or self.addresses


@dataclass(frozen=True, slots=True)
class Site:
    """The probe domain and what stands in it at all times.

    ``exchanges`` begins with the main one; the others are spare. ``dead`` are addresses that nobody listens at.
    ``nameservers`` are the names of the NS records; empty: ``ns`` in the domain.
    """

    domain: str
    exchanges: tuple[Exchange, ...]
    dead: tuple[str, ...] = ()
    nameservers: tuple[str, ...] = ()
    acme: str = ""
    """Where ``_acme-challenge`` is an alias to, so that certificates can be had by DNS (RFC 8555 section 8.4)."""
    ttl: int = 5
    """Seconds for which answers about openings may be remembered."""
    policies: bool = False
    """Whether the policies of the policy domains are served, with a certificate that hosts trust."""
    signed: bool = False
    """Whether the zone is signed (DNSSEC)."""
    plain: Exchange | None = None
    """The exchange that never offers STARTTLS to anybody."""

    @property
    def servers(self) -> tuple[str, ...]:
        """The names of the name servers, without a final dot."""
        return tuple(name.removesuffix(".") for name in self.nameservers) or (f"ns.{self.domain}",)

    def name(self, exchange: Exchange) -> str:
        """Return the host name of an exchange."""
        return f"{exchange.label}.{self.domain}"

    def at(self, local: str) -> Exchange | None:
        """Return the exchange that a local address belongs to."""
        address = plain_address(local)
        return next((one for one in self.listening if address in one.listening), None)

    @property
    def listening(self) -> tuple[Exchange, ...]:
        """All exchanges that somebody listens at."""
        return (*self.exchanges, self.plain) if self.plain else self.exchanges

    def lacks(self, route: Route) -> str:
        """Return what this site lacks for a route; empty: nothing."""
        targets = route.targets
        if (route.tlsa or (route.policy and DOMAINS[route.policy].needs_signed_zone)) and not self.signed:
            return "a signed zone"
        if route.policy and not self.policies:
            return "a certificate for its policy hosts"
        if route.policy and DOMAINS[route.policy].exchange == PLAIN and not self.plain:
            return "an address that never offers STARTTLS"
        if Target.SECOND in targets and len(self.exchanges) < 2:
            return "a second address"
        if Target.DEAD in targets and not self.dead:
            return "an address that nobody listens at"
        if Target.HALF in targets:
            if not any(":" in address for address in self.dead):
                return "an IPv6 address that nobody listens at"
            if all(":" in address for address in self.exchanges[0].addresses):
                return "an IPv4 address"
        return ""
