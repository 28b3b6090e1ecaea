"""Makes the fleet out of the helper's answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from conformance.fleet import names, schema
from conformance.fleet.catalogue import Catalogue
from conformance.fleet.errors import NOTHING_TO_CHECK, InventoryError, Problem
from conformance.fleet.hostwaivers import waivers_of
from conformance.fleet.model import Address, Blocklist, Fleet, Listener, Mta
from conformance.fleet.origin import Origin
from conformance.fleet.reader import Problems, Reader
from conformance.fleet.routing import Routing
from conformance.fleet.scalars import RoleName
from conformance.fleet.sending import Probing
from conformance.fleet.streaming import STREAMS, streams, submission
from conformance.fleet.values import Answer, Host, label
from conformance.reading.dnsbl import dynamic_codes

ROLES: tuple[str, ...] = get_args(RoleName)
OF_A_MAIL_HOST = frozenset(
    schema.PREFIX + name
    for name in ("role", "send_from", "helo", "connect_to", "listen", "host_sends_for", "submission", "forward")
)
"""Variables that make a mail host of one without a role; the others may well be set for hosts of every kind."""


def build(answer: Answer, *, secrets: bool, sources: Sequence[str], warnings: Sequence[str]) -> Fleet:
    """Return the fleet. Raises InventoryError with everything that is wrong."""
    builder = _Builder(answer, secrets=secrets)
    for host in answer.hosts:
        builder.add(host)
    mtas = tuple(map(builder.mta, builder.mail_hosts))
    if builder.problems:
        raise InventoryError(builder.problems)
    if not mtas:
        raise InventoryError([builder.emptiness()], NOTHING_TO_CHECK)
    return Fleet(
        mtas=mtas,
        domains=builder.catalogue.finished(),
        lab=builder.lab,
        dnssec=builder.dnssec or "resolver",
        out_of_scope=tuple(builder.out_of_scope),
        warnings=(*warnings, *builder.reader.warnings),
        sources=tuple(sources),
        root=str(Path.cwd()),
        extra={"ansible-core": answer.ansible},
        ignored=tuple(builder.ignored),
        patterns={pattern: frozenset(names) for pattern, names in answer.patterns.items()},
    )


@dataclass
class _Builder:
    answer: Answer
    secrets: bool
    problems: Problems = field(default_factory=Problems)
    mail_hosts: list[Host] = field(default_factory=list)
    out_of_scope: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    lab: str | None = None
    dnssec: str | None = None

    def __post_init__(self) -> None:
        self.reader = Reader(self.problems, secrets=self.secrets, locked=bool(self.answer.locked))
        self.catalogue = Catalogue(self.problems)

    def add(self, host: Host) -> None:
        """Sort a host into its kind, and note what is wrong with its variables."""
        is_mail_host = bool(self.roles(host)) or not OF_A_MAIL_HOST.isdisjoint(host.variables)
        if not self.reader.get(host, "mailconform_enabled"):
            self.out_of_scope.append(host.name)
            return
        self.reader.check(host, is_mail_host=is_mail_host)
        self.catalogue.add(host, self.reader)
        if not is_mail_host:
            self.ignored.append(host.name)
            return
        self.mail_hosts.append(host)
        if not names.is_host_name(host.name):
            text = "holds more than letters, digits, '.', '-' and '_'"
            self.problems.add(f"host name '{host.name}'", text, host.origin)
        self.lab = self._agreed(host, "lab", self.lab)
        self.dnssec = self._agreed(host, "dnssec", self.dnssec)

    def emptiness(self) -> Problem:
        """Return why there is nothing to check."""
        if self.out_of_scope:
            return Problem("every mail host is out of scope", hint="see mailconform_enabled")
        hint = "put mail hosts into a group named mta_out, or set mailconform_role"
        hosts = f"{len(self.ignored)} host{'s' if len(self.ignored) > 1 else ''}"
        return Problem(f"no mail host: of {hosts} selected, none has a role or a mailconform_send_from", hint=hint)

    def roles(self, host: Host) -> tuple[str, ...]:
        """Return the roles that a host declares, or else those that its groups give it."""
        declared = self.reader.get(host, "mailconform_role")
        if declared:
            return tuple(dict.fromkeys(declared))
        groups = self.reader.get(host, "mailconform_role_groups")
        return tuple(role for role in ROLES if not set(groups.get(role, (role,))).isdisjoint(host.groups))

    def mta(self, host: Host) -> Mta:
        """Return a mail host with everything effective for it."""
        get = self.reader.get
        roles = self.roles(host)
        addresses = tuple(self._addresses(host))
        listeners = tuple(self._listeners(host, addresses))
        door = submission(host, listeners, self._connect_to(host), self.reader)
        if "mta_out" in roles:
            self._need_source(host)
        return Mta(
            name=host.name,
            roles=roles,
            helo=get(host, "mailconform_helo"),
            addresses=addresses,
            listeners=listeners,
            sends_for=self.catalogue.sends_for(host, self.reader),
            connect_to=self._connect_to(host),
            profiles=tuple(get(host, "mailconform_profile")),
            levels=dict(get(host, "mailconform_levels")),
            probe=self._probe(host),
            streams=tuple(streams(host, addresses, door, self.reader, self.catalogue)),
            submission=door,
            connection=self._connection(host),
            waivers=tuple(waivers_of(host, self.reader)),
            treat_as_public=tuple(get(host, "mailconform_treat_as_public")),
            blocklists=tuple(self._blocklists(host)),
            routing=self._routing(host),
            groups=host.groups,
            origin=host.origin,
            tags=tuple(get(host, "mailconform_tags")),
            declared={name: value.origin() for name, value in host.variables.items()},
        )

    def _need_source(self, host: Host) -> None:
        for name, item in (("send_from", "source address"), ("helo", "name to greet with")):
            variable = schema.PREFIX + name
            sources: list[schema.SendFrom] = self.reader.get(host, "mailconform_send_from")
            each_greets = name == "helo" and sources and all(source.helo for source in sources)
            if self.reader.get(host, variable) or self.reader.is_broken(host, variable) or each_greets:
                continue
            value = host.variables.get(variable)
            hint = "it is encrypted: --vault-password-file FILE" if value and value.faults else ""
            self.problems.add(
                variable, f"is missing: a host with the role mta_out has a {item}", host.origin, hint, host.name
            )

    def _addresses(self, host: Host) -> Iterator[Address]:
        value = host.variables.get("mailconform_send_from")
        greeting = host.variables.get("mailconform_helo")
        seen: set[Any] = set()
        for number, source in enumerate(self.reader.get(host, "mailconform_send_from")):
            path = (number,) if value and isinstance(value.data, list) else ()
            origin = value.origin(path) if value else None
            what = label("mailconform_send_from", path)
            if source.address in seen:
                self.problems.add(what, f"repeats {source.address}", origin, host=host.name)
            if source.address.version == 6 and self.reader.get(host, "mailconform_ipv6") == "none":
                self.problems.add(what, f"is {source.address}, but mailconform_ipv6 says none", origin, host=host.name)
            seen.add(source.address)
            helo = source.helo or self.reader.get(host, "mailconform_helo")
            if not helo and not self.reader.is_broken(host, "mailconform_helo") and "mta_out" not in self.roles(host):
                self.problems.add(what, "has no name to greet with", origin, "set mailconform_helo", host.name)
            named = value.origin((*path, "helo")) if value and source.helo else greeting.origin() if greeting else None
            yield Address(host.name, source.address, helo or "", origin, named)

    def _listeners(self, host: Host, addresses: Sequence[Address]) -> Iterator[Listener]:
        value = host.variables.get("mailconform_listen")
        seen: set[int] = set()
        for number, entry in enumerate(self.reader.get(host, "mailconform_listen")):
            origin = value.origin((number,)) if value else None
            if entry.port in seen:
                self.problems.add(label("mailconform_listen", (number,)), f"repeats port {entry.port}", origin)
            seen.add(entry.port)
            yield Listener(
                host=host.name,
                port=entry.port,
                dial_port=entry.dial_port or entry.port,
                tls=entry.tls or ("implicit" if entry.port == 465 else "starttls"),
                auth=entry.auth,
                connect_to=self._connect_to(host),
                addresses=tuple(address.ip for address in addresses),
                origin=origin,
                timeout=self.reader.get(host, "mailconform_probe").timeout,
            )

    def _blocklists(self, host: Host) -> Iterator[Blocklist]:
        value = host.variables.get("mailconform_dnsbl")
        seen: set[str] = set()
        for number, entry in enumerate(self.reader.get(host, "mailconform_dnsbl")):
            path = (number,) if value and isinstance(value.data, list) else ()
            origin = value.origin(path) if value else None
            if entry.zone in seen:
                self.problems.add(label("mailconform_dnsbl", path), f"repeats {entry.zone}", origin, host=host.name)
            seen.add(entry.zone)
            dynamic = dynamic_codes(entry.zone) if entry.dynamic is None else entry.dynamic
            yield Blocklist(entry.zone, entry.lists == "names", tuple(dynamic), tuple(entry.ignore), origin)

    def _routing(self, host: Host) -> Routing | None:
        entry = self.reader.get(host, "mailconform_routing")
        return Routing(entry.zone or "", entry.zone6 or "", tuple(entry.origins)) if entry.zone or entry.zone6 else None

    def _connect_to(self, host: Host) -> str:
        declared = self.reader.get(host, "mailconform_connect_to")
        if declared:
            return str(declared)
        if self.reader.get(host, "mailconform_listen") and "ansible_host" in host.variables:
            self.reader.faults(host, "ansible_host")
        return str(self.reader.get(host, "ansible_host") or host.name)

    def _connection(self, host: Host) -> dict[str, Any]:
        """Return how commands are run on a host, by Ansible's names."""
        if STREAMS not in host.variables:
            return {}
        found = {name: value for name, value in host.variables.items() if name.startswith("ansible_")}
        for name in found:
            self.reader.faults(host, name)
        return {name: value.data for name, value in found.items() if value.has_data}

    def _probe(self, host: Host) -> Probing:
        return Probing(**dict(self.reader.get(host, "mailconform_probe")))

    def _agreed(self, host: Host, name: str, before: str | None) -> str | None:
        """Return what a variable is for the whole run, and note a host for which it is something else."""
        variable = f"mailconform_{name}"
        value: str | None = self.reader.get(host, variable)
        if value and before not in (None, value):
            origin: Origin | None = host.variables[variable].origin()
            self.problems.add(variable, f"is {value}, but {before} for other hosts", origin, f"a run has one {name}")
        return before or value
