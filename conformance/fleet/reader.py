"""Reads the variables of hosts by the schema and collects what is wrong with them, each thing once."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from conformance.fleet import schema
from conformance.fleet.errors import Problem
from conformance.fleet.origin import Origin
from conformance.fleet.values import Fault, Host, Parts, Value, label
from conformance.reading.excerpt import did_you_mean

_UNDEFINED = re.compile(r"'([^']+)' is undefined")
_NO_ATTRIBUTE = re.compile(r"has no attribute '([^']+)'")


class Problems:
    """What is wrong, each thing once however many hosts it concerns."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, Origin | None, str], list[str]] = {}

    def __bool__(self) -> bool:
        return bool(self._found)

    def __iter__(self) -> Iterator[Problem]:
        problems = [
            Problem(f"{what}{_of(hosts)} {rest}", origin, hint)
            for (what, rest, origin, hint), hosts in self._found.items()
        ]
        return iter(sorted(problems, key=_order))

    def add(self, what: str, rest: str, origin: Origin | None, hint: str = "", host: str | None = None) -> None:
        """Note a problem: what it is about, what is wrong with that, and, where it differs by host, whose it is."""
        hosts = self._found.setdefault((what, rest, origin, hint), [])
        if host is not None and host not in hosts[-1:]:
            hosts.append(host)


def _of(hosts: list[str]) -> str:
    if not hosts:
        return ""
    others = f" and {len(hosts) - 1} other{'s' if len(hosts) > 2 else ''}" if len(hosts) > 1 else ""
    return f" of {hosts[0]}{others}"


def _order(problem: Problem) -> tuple[Any, ...]:
    origin = problem.origin or Origin("\U0010ffff")
    return origin.path, origin.line or 0, origin.column or 0, problem.text


class Reader:
    """Gives the variables of hosts as the schema reads them; every distinct value is read once."""

    def __init__(self, problems: Problems, *, secrets: bool, locked: bool) -> None:
        self.problems = problems
        self.warnings: dict[str, None] = {}
        self._secrets = secrets
        self._locked = locked
        self._read: dict[tuple[str, int], Any] = {}
        self._broken: set[tuple[str, int]] = set()

    def get(self, host: Host, name: str) -> Any:
        """Return a variable of a host, its default when it is not declared or not valid."""
        value = host.variables.get(name)
        if value is None or not value.has_data:
            return schema.default(name)
        key = (name, value.number)
        if key not in self._read:
            read, mismatches = schema.check(name, value.data)
            for mismatch in mismatches:
                self._mismatch(name, value, mismatch, host)
            if mismatches:
                self._broken.add(key)
            self._read[key] = schema.default(name) if mismatches or read is None else read
        return self._read[key]

    def is_broken(self, host: Host, name: str) -> bool:
        """Say whether a host's variable was declared and could not be used, so that it must not count as missing."""
        value = host.variables.get(name)
        if value is None:
            return False
        self.get(host, name)
        return (name, value.number) in self._broken or bool(self._serious(value))

    def check(self, host: Host, *, is_mail_host: bool) -> None:
        """Note everything that is wrong with the variables of a host.

        What Ansible cannot work out counts for mail hosts only: a line for all hosts may use what only they have.
        """
        for name, value in host.variables.items():
            if not name.startswith(schema.PREFIX):
                continue
            if name not in schema.NAMES:
                hint = did_you_mean(name, schema.NAMES)
                self.problems.add("unknown variable", name, value.origin(), hint)
                continue
            self.get(host, name)
            if is_mail_host:
                self.faults(host, name)

    def faults(self, host: Host, name: str) -> None:
        """Note the parts of a variable that have no result; without secrets, what needs one is a warning."""
        value = host.variables[name]
        serious = self._serious(value)
        for fault in value.faults:
            what, origin = label(name, fault.path), value.origin(fault.path)
            if fault in serious:
                self.problems.add(what, *_explained(fault, origin, value), host=host.name)
            else:
                place = f"{origin}: " if origin else ""
                self.warnings[f"{place}{what} is left out: it needs what is encrypted"] = None

    def _serious(self, value: Value) -> list[Fault]:
        return [fault for fault in value.faults if not self._is_left_out(fault)]

    def _is_left_out(self, fault: Fault) -> bool:
        unread = self._locked and fault.kind == "template" and _missing_fact(fault) is None
        return not self._secrets and (fault.kind == "vault" or (unread and bool(_UNDEFINED.search(fault.text))))

    def _mismatch(self, name: str, value: Value, mismatch: schema.Mismatch, host: Host) -> None:
        path = mismatch.path if mismatch.kind == "missing" else _existing(mismatch.path, value.data)
        origin = value.origin(path)
        whose = None if origin else host.name
        if mismatch.kind == "unknown":
            self.problems.add("unknown key", label(name, path), origin, mismatch.hint, whose)
        elif mismatch.kind == "missing":
            self.problems.add(label(name, path), "is missing", origin, mismatch.hint, whose)
        else:
            found = "a value from the vault" if value.is_secret(path) else shown(mismatch.found)
            found = "a secret" if path[-1:] == ("password",) else found
            text = f"found {found}, expected {mismatch.expected}"
            self.problems.add(f"{label(name, path)}:", text, origin, mismatch.hint, whose)


def shown(value: Any) -> str:
    """Return a short description of a value for a message."""
    if isinstance(value, str):
        return f"'{value}'" if len(value) <= 60 else f"'{value[:57]}...'"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return json.dumps(value)


def _existing(path: Parts, data: Any) -> Parts:
    """Return a path without the steps that the schema added: into a list of one, into a mapping made of a word."""
    found: list[str | int] = []
    for part in path:
        is_there = part in data if isinstance(data, dict) else isinstance(data, list) and isinstance(part, int)
        if is_there:
            data = data[part]
            found.append(part)
    return tuple(found)


def _missing_fact(fault: Fault) -> str | None:
    undefined = _UNDEFINED.findall(fault.text)
    if undefined and undefined[-1].startswith("ansible_"):
        return str(undefined[-1])
    attribute = _NO_ATTRIBUTE.search(fault.text)
    return f"ansible_facts.{attribute[1]}" if attribute and "ansible_facts" in fault.template else None


def _explained(fault: Fault, origin: Origin | None, value: Value) -> tuple[str, Origin | None, str]:
    """Return what is wrong with a part of a value, where, and what to do."""
    if fault.kind == "vault":
        hint = "--vault-password-file FILE, or --no-secrets to leave it out"
        return "is encrypted, and no vault password opens it", origin, hint
    if fault.kind == "type":
        return f"cannot be read: it is {fault.text}", origin, ""
    if fact := _missing_fact(fault):
        return f"needs the fact {fact}", origin, "gather facts into a cache or write the value down"
    if undefined := _UNDEFINED.findall(fault.text):
        hint = "an inventory has no defaults and vars of roles: set it in group_vars or host_vars"
        return f"needs the variable {undefined[-1]}, which is not set", origin, hint
    text = "why could hold a secret" if value.is_secret(fault.path) else " ".join(fault.text.split())[:300]
    return f"cannot be worked out: {text}", origin, ""
