"""What the lab consists of, as its files and the worlds say it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address
from typing import Any, ClassVar, Literal, TypeVar

from conformance.lab.sending.conduct import Conduct

IPAddress = IPv4Address | IPv6Address

MAX_BANNER_DELAY = 60.0
"""Seconds."""

_HOSTILE = "\x1b[2J\x1b]0;owned\x07\x00<script>alert(1)</script>\x9b31m\xff"
_HUGE = 60 * 1024

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_CERTIFICATE_NAME = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*")

_STRICT: dict[str, Any] = {"extra": "forbid"}
_T = TypeVar("_T")


class SpecError(ValueError):
    """A description of a lab or a listener that cannot be used; one line for each thing wrong."""


class Behaviour(StrEnum):
    """What a listener does wrong."""

    NORMAL = "normal"
    DEAF = "deaf"
    """Packets are dropped: a connection is never made."""
    REFUSE = "refuse"
    """Nothing listens there."""
    SILENT = "silent"
    """The connection is taken, and then nothing comes."""
    CLOSE = "close"
    RESET = "reset"
    BANNER_554 = "banner-554"
    BANNER_GARBAGE = "banner-garbage"
    """Octets that are no SMTP."""
    BANNER_HUGE = "banner-huge"
    """60 KiB in one line."""
    BANNER_HOSTILE = "banner-hostile"
    """Escape sequences, NUL and markup after the name."""
    EHLO_502 = "ehlo-502"
    """EHLO is not known, HELO is."""
    EHLO_HANG = "ehlo-hang"
    STARTTLS_454 = "starttls-454"
    HANDSHAKE_BROKEN = "handshake-broken"
    """Plain text where the TLS handshake belongs."""


Octets = str
"""Text of which each character stands for one octet (Latin-1)."""


@dataclass(frozen=True, slots=True)
class ListenerSpec:
    """One simulated listener.

    ``hostname`` (default: ``host``) is the name in greeting and EHLO reply. ``banner`` and ``ehlo`` replace their
    lines, without codes; STARTTLS is added to ``ehlo`` where it belongs. ``certificate_names`` default to ``host``.
    ``addresses`` limit the listener to some of its host's.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    host: str = ""
    port: int = 25
    behaviour: Behaviour = Behaviour.NORMAL
    hostname: str = ""
    banner: tuple[Octets, ...] = ()
    banner_delay: float = 0.0
    ehlo: tuple[Octets, ...] = ()
    tls: Literal["none", "starttls", "implicit"] = "starttls"
    certificate: Literal["good", "expired", "wrong-name", "self-signed", "unknown-ca"] = "good"
    certificate_names: tuple[str, ...] = ()
    tls_min: Literal["1.0", "1.1", "1.2", "1.3"] = "1.2"
    tls_max: Literal["1.0", "1.1", "1.2", "1.3"] = "1.3"
    addresses: tuple[IPAddress, ...] = ()
    submission: bool = False
    """Takes mail to send, where its host sends."""

    def __post_init__(self) -> None:
        if not 0 < self.port < 65536:
            raise ValueError(f"port {self.port} is not between 1 and 65535")
        if not 0 <= self.banner_delay <= MAX_BANNER_DELAY:
            raise ValueError(f"banner_delay {self.banner_delay:g} is not between 0 and {MAX_BANNER_DELAY:g} seconds")
        if self.tls_min > self.tls_max:
            raise ValueError(f"tls_min {self.tls_min} is above tls_max {self.tls_max}")
        if self.tls != "none":
            for name in self.certificate_names or (self.host,):
                _check_certificate_name(name)
        for text in (self.hostname, *self.banner, *self.ehlo):
            if not all(ord(character) < 0x100 for character in text):
                raise ValueError(f"{text!r} holds characters that are not one octet")

    @property
    def name(self) -> str:
        """The name that the listener gives itself."""
        return self.hostname or self.host

    @property
    def greeting(self) -> tuple[str, ...]:
        """Lines of the greeting, without code."""
        match self.behaviour:
            case Behaviour.BANNER_HUGE:
                return (f"{self.name} ".ljust(_HUGE, "x"),)
            case Behaviour.BANNER_HOSTILE:
                return (f"{self.name} {_HOSTILE}",)
            case _:
                return self.banner or (f"{self.name} ESMTP ready",)


def _check_certificate_name(name: str) -> None:
    """Raise ValueError for what a certificate cannot name: neither address nor letters, digits and hyphens."""
    with suppress(ValueError):
        ip_address(name)
        return
    if name and not _CERTIFICATE_NAME.fullmatch(name):
        raise ValueError(f"no certificate can be made for {name!r}; give certificate_names, or tls none")


@dataclass(frozen=True, slots=True)
class HostSpec:
    """One simulated host: ``[[host]]`` in hosts.toml, its listeners ``[[host.smtp]]``, how it sends ``[host.sends]``.

    ``hostname`` is the default of its listeners. A host without listeners refuses connections.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    name: str
    addresses: tuple[IPAddress, ...]
    hostname: str = ""
    smtp: tuple[ListenerSpec, ...] = ()
    sends: Conduct | None = None
    """How it sends; it sends nothing where this is missing."""

    @property
    def listeners(self) -> tuple[ListenerSpec, ...]:
        """Its listeners, each with host, host name and addresses filled in."""
        return tuple(
            replace(
                listener,
                host=listener.host or self.name,
                hostname=listener.hostname or self.hostname,
                addresses=listener.addresses or self.addresses,
            )
            for listener in self.smtp
        )


@dataclass(frozen=True, slots=True)
class PolicySpec:
    """An MTA-STS policy as a web server gives it: ``[[policy]]`` in hosts.toml; ``domain`` ``*``: of all others."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    domain: str
    text: Octets = ""
    status: int = 200
    media_type: str = "text/plain"
    location: str = ""
    certificate: Literal["good", "expired", "wrong-name", "self-signed", "unknown-ca"] = "good"


@dataclass(frozen=True, slots=True)
class LabSpec:
    """The whole of hosts.toml.

    ``networks`` exist in the lab address by address; ``nameserver`` answers on port 53 for all zones, and so
    do ``more_nameservers``;
    ``silent_nameservers`` never answer; ``prober`` is the source address of the run, and ``prober_name`` what it
    greets with. ``receiver`` is where the run itself receives, and answers for ``probe_domain``; ``pace``
    divides the times of both: how long it pauses, and how long hosts wait between attempts.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    networks: tuple[IPv4Network, ...]
    nameserver: IPAddress
    more_nameservers: tuple[IPAddress, ...] = ()
    silent_nameservers: tuple[IPAddress, ...] = ()
    prober: IPv4Address | None = None
    prober_name: str = ""
    receiver: IPv4Address | None = None
    probe_domain: str = ""
    pace: float = 1.0
    host: tuple[HostSpec, ...] = ()
    policy: tuple[PolicySpec, ...] = ()
    policy_server: IPv4Address | None = None
    """Where policies are served."""

    def __post_init__(self) -> None:
        for address in self.addresses:
            if isinstance(address, IPv4Address) and not any(address in net for net in self.networks):
                raise ValueError(f"{address} lies in none of the networks")

    @property
    def addresses(self) -> tuple[IPAddress, ...]:
        """Every address that something listens on or speaks from."""
        own = (
            self.nameserver,
            *self.more_nameservers,
            *self.silent_nameservers,
            *([self.prober] if self.prober else []),
            *([self.receiver] if self.receiver else []),
            *([self.policy_server] if self.policy_server else []),
        )
        hosts = (address for host in self.host for address in host.addresses)
        listeners = (address for host in self.host for spec in host.listeners for address in spec.addresses)
        sources = (address for host in self.host if host.sends for address in host.sends.sources)
        return tuple(dict.fromkeys((*own, *hosts, *listeners, *sources)))


def parse_listener(mapping: Mapping[str, Any], where: str = "listener") -> ListenerSpec:
    """Return the listener that a TOML or YAML table describes. Raises SpecError, naming ``where`` and the key."""
    return _parse(ListenerSpec, mapping, where)


def parse_policy(mapping: Mapping[str, Any], where: str = "policy") -> PolicySpec:
    """Return the policy that a YAML table describes. Raises SpecError, naming ``where`` and the key."""
    return _parse(PolicySpec, mapping, where)


def parse_lab(mapping: Mapping[str, Any], where: str = "hosts.toml") -> LabSpec:
    """Return the lab that the content of hosts.toml describes. Raises SpecError, naming ``where`` and the key."""
    return _parse(LabSpec, mapping, where)


def _parse(kind: type[_T], mapping: Mapping[str, Any], where: str) -> _T:
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(kind).validate_python(mapping)
    except ValidationError as error:
        lines = []
        for problem in error.errors(include_url=False):
            key = ".".join(str(part) for part in problem["loc"])
            lines.append(f"{where}: {key + ': ' if key else ''}{problem['msg']}")
        raise SpecError("\n".join(lines)) from error
