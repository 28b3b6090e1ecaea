"""The fleet as declared: frozen dataclasses, no input or output.

Names of hosts, domains and selectors that end up in subject ids are restricted to ``[A-Za-z0-9._:@/-]`` when
the inventory is read, so that an id can stand in HTML, XML and a terminal as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from conformance.fleet.origin import IPAddress, Origin
from conformance.fleet.routing import Routing
from conformance.fleet.sending import Probe, Probing, Stream, Submission
from conformance.reading.hostname import check_syntax, is_qualified
from conformance.reading.orgdomain import known_tld, registrable, to_ascii
from conformance.reading.ptrname import isp_words, judge
from conformance.reading.spf import mechanism_of
from conformance.reading.waivers import Waiver


@dataclass(frozen=True, slots=True)
class Address:
    """One source address of a sending host, as the world sees it, with the HELO name it greets with."""

    host: str
    ip: IPAddress
    helo: str
    origin: Origin | None = None
    helo_origin: Origin | None = None

    @property
    def id(self) -> str:
        """Subject id: ``host/address``."""
        return f"{self.host}/{self.ip}"

    @property
    def key(self) -> str:
        """What tells it from others: one address may be seen to greet with several names."""
        return f"{self.id} {self.helo}"

    @property
    def reverse_name(self) -> str:
        """Owner name of the PTR record, absolute (RFC 1035 section 3.5, RFC 3596 section 2.5)."""
        return f"{self.ip.reverse_pointer}."

    @property
    def fit_names(self) -> tuple[str, ...]:
        """Names fit to be published for this address: its HELO name and its host's own, where people gave them.

        A HELO name that is fit but for its spelling (U-labels, a final dot) counts as DNS would spell it.
        """
        spelled = to_ascii(self.helo) or ""
        return tuple(name for name in dict.fromkeys((self.helo, spelled, self.host)) if self._fits(name))

    def _fits(self, name: str) -> bool:
        if not is_qualified(name) or check_syntax(name) or not known_tld(name) or isp_words(name):
            return False
        return judge(name, self.ip).kind in ("named", "suspect")

    @property
    def proper_name(self) -> str:
        """The first of the names that are fit to be published, else a blank for a name to be chosen."""
        return next(iter(self.fit_names), "<host>.<your domain>")

    @property
    def forward_type(self) -> str:
        """Record type that leads from a name to this address: ``A`` or ``AAAA``."""
        return "A" if self.ip.version == 4 else "AAAA"

    @property
    def spf_mechanism(self) -> str:
        """The SPF mechanism that authorises exactly this address (RFC 7208 section 5.6)."""
        return mechanism_of(self.ip)


def listener_id(host: str, port: int, sni: str) -> str:
    """Return how a listener is called; one that is asked for another name than its host's has that name as well."""
    return f"{host}:{port} as {sni}" if sni else f"{host}:{port}"


@dataclass(frozen=True, slots=True)
class Listener:
    """A port on which a host accepts SMTP. ``tls`` is none, starttls or implicit; ``auth`` no, allowed or required."""

    host: str
    port: int
    tls: str
    auth: str
    connect_to: str
    addresses: tuple[IPAddress, ...] = ()
    origin: Origin | None = None
    timeout: float | None = None
    dial_port: int | None = None
    """Port that is dialled; None: ``port`` itself."""
    sni: str = ""
    """Name to ask the server for in TLS (RFC 6066 section 3); empty: the host's own."""

    @property
    def id(self) -> str:
        """Subject id: ``host:port``."""
        return listener_id(self.host, self.port, self.sni)


@dataclass(frozen=True, slots=True)
class Selector:
    """A DKIM selector of a catalogue domain. ``state`` is signing, published or retired (RFC 6376 section 3.1)."""

    domain: str
    name: str
    signing_domain: str
    state: str = "signing"
    min_bits: int | None = None
    max_months: int = 6
    """Months after which another key is to be used."""
    origin: Origin | None = None

    @property
    def id(self) -> str:
        """Subject id: ``domain/selector``."""
        return f"{self.domain}/{self.name}"

    @property
    def key(self) -> str:
        """What tells it from others: two domains may sign by selectors of one name."""
        return f"{self.id} {self.signing_domain}"

    @property
    def record_name(self) -> str:
        """Owner name of the key record, absolute (RFC 6376 section 3.6.2.1)."""
        return f"{self.name}._domainkey.{self.signing_domain}."


@dataclass(frozen=True, slots=True)
class Domain:
    """A domain of the catalogue: one that mail is sent for, or one that never sends (``no_mail``).

    ``name``, ``envelope`` and selector domains are A-labels in lower case without a final dot.
    ``arc`` are the selectors that ARC sets are sealed with.
    ``spf_all``, ``dmarc_p`` are the sets of values the owner accepts; empty means no wish beyond the rules.
    ``dmarc_ruf``: addresses in lower case. ``lists``: people write to mailing lists from it.
    ``consoles``: name and TXT record of each console of a receiver that knows the domain by such a record.
    ``policy_host`` and ``policy_port`` say where the MTA-STS policy is fetched; empty: where DNS leads.
    """

    name: str
    no_mail: bool = False
    header_from: bool = True
    envelope: str = ""
    selectors: tuple[Selector, ...] = ()
    arc: tuple[Selector, ...] = ()
    spf_all: tuple[str, ...] = ()
    spf_max_lookups: int = 10
    dmarc_p: tuple[str, ...] = ()
    dmarc_adkim: str | None = None
    dmarc_aspf: str | None = None
    dmarc_rua: str | None = None
    dmarc_ruf: tuple[str, ...] = ()
    lists: bool = False
    consoles: tuple[tuple[str, str], ...] = ()
    policy_host: str = ""
    policy_port: int = 443
    hosts: tuple[str, ...] = ()
    origin: Origin | None = None

    @property
    def id(self) -> str:
        """Subject id: the domain name."""
        return self.name

    @property
    def mail_from(self) -> str:
        """The RFC5321.MailFrom domain: the declared envelope domain, or the domain itself."""
        return self.envelope or self.name


@dataclass(frozen=True, slots=True)
class Sender:
    """One source address sending for one domain of its own host."""

    address: Address
    domain: Domain

    @property
    def id(self) -> str:
        """Subject id: ``host/address/domain``."""
        return f"{self.address.id}/{self.domain.name}"


@dataclass(frozen=True, slots=True)
class Blocklist:
    """A DNS list that is asked for addresses, or for names (RFC 5782).

    ``dynamic`` are the answers that say that an address is not meant to send mail itself; ``ignore`` those that are
    of no consequence.
    """

    zone: str
    of_names: bool = False
    dynamic: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    origin: Origin | None = field(default=None, compare=False)

    @property
    def id(self) -> str:
        """Subject id: the zone of the list."""
        return self.zone


@dataclass(frozen=True, slots=True)
class Mta:
    """A mail host of the inventory with everything effective for it."""

    name: str
    roles: tuple[str, ...] = ()
    helo: str | None = None
    addresses: tuple[Address, ...] = ()
    listeners: tuple[Listener, ...] = ()
    sends_for: tuple[str, ...] = ()
    connect_to: str = ""
    profiles: tuple[str, ...] = ()
    levels: Mapping[str, str] = field(default_factory=dict)
    probe: Probing = field(default_factory=Probing)
    streams: tuple[Stream, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    submission: Submission | None = None
    """Where its streams with ``how: submission`` are handed over; None where there is none."""
    connection: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """Ansible's variables of how commands are run on it, secrets included; empty where nothing is."""
    treat_as_public: tuple[str, ...] = ()
    blocklists: tuple[Blocklist, ...] = ()
    """DNS lists that its addresses, or the names of its mail, are asked of."""
    routing: Routing | None = None
    groups: tuple[str, ...] = ()
    origin: Origin | None = None
    tags: tuple[str, ...] = ()
    declared: Mapping[str, Origin | None] = field(default_factory=dict, compare=False, repr=False)
    """The variables that the host has, and where the value of each was written."""

    @property
    def id(self) -> str:
        """Subject id: the inventory name of the host."""
        return self.name


@dataclass(frozen=True)
class Fleet:
    """All that the inventory declares, in a stable order (hosts and domains sorted by name)."""

    mtas: tuple[Mta, ...]
    domains: tuple[Domain, ...] = ()
    lab: str | None = None
    dnssec: str = "resolver"
    """Who validates DNS answers: resolver, or validate for the run itself."""
    out_of_scope: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    root: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    """Hosts of the inventory that are no mail hosts."""
    patterns: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Patterns that were asked about, with the hosts of the whole inventory that each matches."""

    @cached_property
    def by_name(self) -> Mapping[str, Mta]:
        """Mail hosts by inventory name."""
        return {mta.name: mta for mta in self.mtas}

    @cached_property
    def catalogue(self) -> Mapping[str, Domain]:
        """Domains by name."""
        return {domain.name: domain for domain in self.domains}

    def domain(self, name: str) -> Domain | None:
        """Return a domain of the catalogue by its name, as people write it; None where it is not there."""
        return self.catalogue.get(to_ascii(name) or "")

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Every declared source address."""
        return tuple(address for mta in self.mtas for address in mta.addresses)

    @property
    def listeners(self) -> tuple[Listener, ...]:
        """Every declared listener."""
        return tuple(listener for mta in self.mtas for listener in mta.listeners)

    @property
    def blocklists(self) -> tuple[Blocklist, ...]:
        """Every DNS list that some host is to be asked of, each zone once."""
        return tuple({one.zone: one for mta in reversed(self.mtas) for one in mta.blocklists}.values())

    @property
    def streams(self) -> tuple[Stream, ...]:
        """Every declared stream."""
        return tuple(stream for mta in self.mtas for stream in mta.streams)

    @property
    def tried_streams(self) -> tuple[Stream, ...]:
        """One stream of each host, whose behaviour stands for that of the host's mail server.

        Those whose messages mailconform writes come first: they can be tried in every way.
        """
        ranks = ("submission", "sendmail", "file", "command", "manual")
        tried = ([one for one in mta.streams if one.trials] for mta in self.mtas)
        ranked = (sorted(streams, key=lambda one: (ranks.index(one.how), one.name)) for streams in tried)
        return tuple(streams[0] for streams in ranked if streams)

    @property
    def probes(self) -> tuple[Probe, ...]:
        """Every delivery to observe."""
        return tuple(probe for stream in self.streams for probe in stream.probes)

    @cached_property
    def host_names_below(self) -> Mapping[str, tuple[str, ...]]:
        """The names of mail hosts, as A-labels, by each domain that they lie in."""
        return _below(to_ascii(one) or "" for mta in self.mtas for one in (mta.name, mta.connect_to))

    @cached_property
    def sending_below(self) -> Mapping[str, tuple[str, ...]]:
        """The names of sending domains by each domain that they are or lie in."""
        return _below((domain.name for domain in self.sending_domains), own=True)

    @cached_property
    def sending_names(self) -> tuple[str, ...]:
        """The names of sending domains and their envelope domains, each once."""
        return tuple(dict.fromkeys(name for one in self.sending_domains for name in (one.name, one.mail_from)))

    @cached_property
    def exchanging(self) -> tuple[Listener, ...]:
        """The listeners at port 25 that may be connected to."""
        dialled = (one for one in self.listeners if self.by_name[one.host].probe.level != "none")
        return tuple(one for one in dialled if one.port == 25)

    @cached_property
    def mailing_names(self) -> frozenset[str]:
        """The names that hosts greet with, as A-labels, and those that mail is sent for."""
        greeting = {to_ascii(address.helo) or "" for address in self.addresses}
        mailing = {name for one in self.domains for name in (one.name, one.mail_from)}
        return frozenset(greeting | mailing).union(
            name for stream in self.streams for name in (stream.domain, stream.mail_from)
        )

    @cached_property
    def probes_of(self) -> Mapping[str | None, tuple[Probe, ...]]:
        """The deliveries to observe by the registrable domain of their stream."""
        found: dict[str | None, list[Probe]] = {}
        for probe in self.probes:
            found.setdefault(registrable(probe.stream.domain), []).append(probe)
        return {name: tuple(probes) for name, probes in found.items()}

    @cached_property
    def signers(self) -> Mapping[str, tuple[Domain, ...]]:
        """The domains that are declared to be signed with a key, by where that stands."""
        found: dict[str, list[Domain]] = {}
        for domain in self.sending_domains:
            for name in dict.fromkeys(one.record_name for one in domain.selectors if one.state == "signing"):
                found.setdefault(name, []).append(domain)
        return {name: tuple(domains) for name, domains in found.items()}

    @property
    def sending_domains(self) -> tuple[Domain, ...]:
        """Domains of the catalogue that send mail."""
        return tuple(domain for domain in self.domains if not domain.no_mail)

    @property
    def parked_domains(self) -> tuple[Domain, ...]:
        """Domains of the catalogue declared with ``no_mail``."""
        return tuple(domain for domain in self.domains if domain.no_mail)

    @property
    def selectors(self) -> tuple[Selector, ...]:
        """Every declared selector of the sending domains."""
        return tuple(selector for domain in self.sending_domains for selector in domain.selectors)

    @property
    def senders(self) -> tuple[Sender, ...]:
        """Every address with each domain that its own host sends for."""
        return tuple(
            Sender(address, self.catalogue[name])
            for mta in self.mtas
            for address in mta.addresses
            for name in mta.sends_for
        )


def _below(names: Iterable[str], *, own: bool = False) -> Mapping[str, tuple[str, ...]]:
    """Return names by each domain that they lie in, with ``own`` also by themselves."""
    found: dict[str, dict[str, None]] = {}
    for name in names:
        domain = name if own else name.partition(".")[2]
        while domain:
            found.setdefault(domain, {})[name] = None
            _, _, domain = domain.partition(".")
    return {domain: tuple(below) for domain, below in found.items()}
