"""The catalogue of domains: one for the whole fleet, put together from what each host sees of it."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from conformance.fleet import names
from conformance.fleet.model import Domain, Selector
from conformance.fleet.reader import Problems, Reader
from conformance.fleet.schema import DomainEntry
from conformance.fleet.values import Host, Parts, Value, label
from conformance.reading.excerpt import did_you_mean

DOMAINS = "mailconform_domains"
SENDS_FOR = ("mailconform_sends_for", "mailconform_group_sends_for", "mailconform_host_sends_for")


@dataclass
class Catalogue:
    """Domains by name, and which hosts send for them."""

    problems: Problems
    domains: dict[str, Domain] = field(default_factory=dict)
    is_complete: bool = True
    _entries: dict[str, DomainEntry] = field(default_factory=dict)
    _read: set[int] = field(default_factory=set)
    _resolved: dict[tuple[int | None, ...], tuple[str, ...]] = field(default_factory=dict)
    _hosts: dict[str, list[str]] = field(default_factory=dict)

    def add(self, host: Host, reader: Reader) -> None:
        """Take in the domains that a host sees. The same domain may not be described in two ways."""
        value = host.variables.get(DOMAINS)
        if value is None or value.number in self._read:
            return
        self._read.add(value.number)
        entries: Mapping[str, DomainEntry] = reader.get(host, DOMAINS)
        self.is_complete = self.is_complete and not reader.is_broken(host, DOMAINS)
        if not entries:
            return
        seen: set[str] = set()
        for key in value.data:
            name = names.domain_name(key)
            if name in seen:
                self.problems.add(label(DOMAINS, (key,)), f"is {name}, which is there already", value.origin((key,)))
            else:
                self._take(name, entries[name], value, (key,))
            seen.add(name)

    def _take(self, name: str, entry: DomainEntry, value: Value, path: Parts) -> None:
        known = self._entries.setdefault(name, entry)
        if known != entry:
            there = self.domains[name].origin
            here = value.origin(path)
            text = f"says something else of {name} than {there or 'another host sees'}"
            self.problems.add(label(DOMAINS, path), text, here, "describe each domain once, in group_vars/all")
            return
        if name not in self.domains:
            self.domains[name] = self._domain(name, entry, value, path)

    def _domain(self, name: str, entry: DomainEntry, value: Value, path: Parts) -> Domain:
        return Domain(
            name=name,
            no_mail=entry.no_mail,
            header_from=entry.header_from,
            envelope=entry.envelope or "",
            selectors=tuple(self._selectors(name, entry, value, (*path, "dkim"))),
            arc=tuple(Selector(name, one.selector, one.domain or name) for one in entry.arc),
            spf_all=tuple(entry.spf.all),
            spf_max_lookups=entry.spf.max_lookups,
            dmarc_p=tuple(entry.dmarc.p),
            dmarc_adkim=entry.dmarc.adkim,
            dmarc_aspf=entry.dmarc.aspf,
            dmarc_rua=entry.dmarc.rua,
            dmarc_ruf=tuple(one.lower().removeprefix("mailto:") for one in entry.dmarc.ruf),
            lists=entry.lists,
            consoles=tuple(entry.consoles.items()),
            policy_host=entry.mta_sts.connect_to or "",
            policy_port=entry.mta_sts.dial_port,
            origin=value.origin(path),
        )

    def _selectors(self, name: str, entry: DomainEntry, value: Value, path: Parts) -> Iterator[Selector]:
        seen: set[tuple[str, str]] = set()
        for number, key in enumerate(entry.dkim):
            origin = value.origin((*path, number))
            signing = key.domain or name
            if (key.selector, signing) in seen:
                self.problems.add(label(DOMAINS, (*path, number)), f"repeats the selector {key.selector}", origin)
                continue
            seen.add((key.selector, signing))
            yield Selector(name, key.selector, signing, key.state, key.min_bits, key.max_months, origin)

    def sends_for(self, host: Host, reader: Reader) -> tuple[str, ...]:
        """Return the domains that a host sends for: what all, its groups and itself declare."""
        values = [host.variables.get(variable) for variable in SENDS_FOR]
        key = tuple(value.number if value else None for value in values)
        if key not in self._resolved:
            found = [
                name
                for variable, value in zip(SENDS_FOR, values, strict=True)
                if value
                for number, pattern in enumerate(reader.get(host, variable))
                for name in self._matching(pattern, variable, value, number)
            ]
            self._resolved[key] = tuple(sorted(set(found)))
        for name in self._resolved[key]:
            self._hosts.setdefault(name, []).append(host.name)
        return self._resolved[key]

    def _matching(self, pattern: str, variable: str, value: Value, number: int) -> list[str]:
        path: Parts = (number,) if isinstance(value.data, list) else ()
        origin = value.origin(path)
        if pattern in self.domains:
            if self.domains[pattern].no_mail:
                self.problems.add(label(variable, path), f"names {pattern}, which is declared no_mail", origin)
                return []
            return [pattern]
        found = [
            name for name, domain in self.domains.items() if not domain.no_mail and fnmatch.fnmatchcase(name, pattern)
        ]
        if not found and self.is_complete:
            is_glob = any(char in pattern for char in "*?[")
            text = f"{pattern} matches no sending domain" if is_glob else f"{pattern} is not in the catalogue"
            hint = did_you_mean(pattern, tuple(self.domains)) or f"add it to {DOMAINS}"
            self.problems.add(label(variable, path) + ":", text, origin, hint)
        return found

    def finished(self) -> tuple[Domain, ...]:
        """Return the domains with the hosts that send for each, sorted by name."""
        return tuple(
            replace(self.domains[name], hosts=tuple(sorted(self._hosts.get(name, ())))) for name in sorted(self.domains)
        )
