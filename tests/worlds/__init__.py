"""Worlds: what is declared, what DNS and SMTP say, and the closed list of what must be reported.

``good.yml`` conforms to everything. Every other world names in ``changes`` the record sets that differ from it
(``owner type``: list of data, empty for none), and may override ``hosts``, ``domains``, ``listeners``, ``faults``.
``servers`` are authoritative ones, each by its loopback address: what they have of the zones, otherwise and wrongly.
"""

from __future__ import annotations

import base64
import copy
import datetime
import json
import re
from dataclasses import dataclass, field
from functools import cache
from math import gcd, prod
from pathlib import Path
from typing import Any

import dns.name
import dns.rdatatype
import dns.zone
import yaml

from conformance.facts.wire import take_any_tlsa
from conformance.lab.certificates import key_digest
from tests.worlds.signing import private_keys

take_any_tlsa()
FOLDER = Path(__file__).parent
HEAD = "$TTL 60\n@ SOA ns.example.com. hostmaster.example.com. 1 60 60 60 60\n@ NS ns.example.com.\n"
_SMALL = prod(range(2, 1000))
REPORTED = ("fail", "advice", "waived", "undetermined")


@cache
def keys() -> dict[str, str]:
    """Public keys for worlds, by name, in base64."""
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    spki = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    private = dict(private_keys())
    ed25519 = private.pop("ed25519").public_key()
    made = {name: key.public_key().public_bytes(*spki) for name, key in private.items()}
    for bits in (512, 4096, 5120):
        # Nobody signs with these, so that any modulus of the size will do that has no small factor.
        modulus = next(n for n in range(3 * 2 ** (bits - 2) + 1, 2**bits, 2) if gcd(n, _SMALL) == 1)
        made[f"rsa{bits}"] = RSAPublicNumbers(65537, modulus).public_key().public_bytes(*spki)
    sound = private["rsa2048"].public_key().public_numbers().n
    made["rsa2048e3"] = RSAPublicNumbers(3, sound).public_key().public_bytes(*spki)
    made["rsa2048thirds"] = RSAPublicNumbers(65537, 3 * (2**2046 + 1)).public_key().public_bytes(*spki)
    pkcs1 = private["rsa2048"].public_key()
    made["rsa2048pkcs1"] = pkcs1.public_bytes(Encoding.DER, PublicFormat.PKCS1)
    made["ed25519"] = ed25519.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return {name: base64.b64encode(key).decode() for name, key in made.items()}


@dataclass(frozen=True)
class World:
    """One world, with what it inherits from ``good.yml`` filled in."""

    name: str
    about: str
    zones: dict[str, str]
    hosts: dict[str, Any]
    domains: dict[str, Any]
    listeners: list[dict[str, Any]]
    faults: list[str] = field(default_factory=list)
    servers: dict[str, Any] = field(default_factory=dict)
    """Further name servers on loopback, by address, with what they say otherwise: zones, faults."""
    earlier: dict[str, list[str]] = field(default_factory=dict)
    """What the last run saw: texts by question; none for a run that nothing came before."""
    earlier_policies: dict[str, str] = field(default_factory=dict)
    """MTA-STS policies that the last run saw, by domain."""
    earlier_keys: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """DKIM keys that runs before the last one saw, by name: ``key``, and how many days ago ``first`` and ``last``."""
    trials: dict[str, Any] = field(default_factory=dict)
    groups: dict[str, list[str]] = field(default_factory=dict)
    """Groups of the inventory with their hosts."""
    vars: dict[str, Any] = field(default_factory=dict)
    options: list[str] = field(default_factory=list)
    reports: list[str] = field(default_factory=list)
    passes: Any = ()
    never_applicable: tuple[str, ...] = ()
    exit: int | None = None
    policies: list[dict[str, Any]] = field(default_factory=list)

    def inventory(self, ports: dict[tuple[str, int], int], folder: Path, policy_port: int = 1) -> str:
        """Return the inventory as JSON, which is YAML; listeners and policies are asked where the world serves them.

        What streams sent lies captured in ``folder``.
        """
        there = {"connect_to": "127.0.0.1", "dial_port": policy_port}
        domains = {name: {"mta_sts": there, **(entry or {})} for name, entry in self.domains.items()}
        prefixed = {"mailconform_domains": domains, "mailconform_role": "mta_out"}
        prefixed |= {f"mailconform_{key}": value for key, value in self.vars.items()}
        hosts = {name: self._host(name, values, ports, folder) for name, values in self.hosts.items()}
        children = {group: {"hosts": dict.fromkeys(members)} for group, members in self.groups.items()}
        return json.dumps({"all": {"vars": prefixed, "hosts": hosts, "children": children}})

    @property
    def is_later(self) -> bool:
        """Whether other runs came before."""
        return bool(self.earlier or self.earlier_keys)

    def remembered(self, top: Path) -> None:
        """Write the facts of an earlier run where the last run leaves them."""
        from conformance.facts.answer import Answer, Status
        from conformance.facts.keyhistory import united
        from conformance.facts.page import Fetched, Page
        from conformance.facts.snapshot import Gathering, dump
        from conformance.facts.store import Store

        store = Store()
        for question, texts in self.earlier.items():
            name, rdtype = question.split()
            status = Status.FOUND if texts else Status.ABSENT
            records = tuple((_bare(text),) if rdtype == "TXT" else text for text in texts)
            store.add(Answer(name, rdtype, status, "NOERROR" if texts else "NXDOMAIN", records))
        for domain, text in self.earlier_policies.items():
            host = f"mta-sts.{domain}"
            store.pages[host] = Page(host, Fetched.ANSWERED, 200, body=text)
        store.keys = united(_sighting(name, one) for name, seen in self.earlier_keys.items() for one in seen)
        (top / "before").mkdir(parents=True)
        (top / "before" / "facts.json").write_text(dump(store, Gathering(_days_ago(1))))
        (top / "latest").symlink_to("before")

    def captured(self, folder: Path) -> None:
        """Write what was captured of each stream where the inventory says that it lies."""
        from conformance.facts import captured
        from tests.worlds import captures

        for name, values in self.hosts.items():
            for stream, settings in (values.get("streams") or {}).items():
                greetings = _greetings(name, values)
                peer = next(iter(_listed(settings.get("sources", []))), next(iter(greetings)))
                maker = captures.Maker(f"{name}/{stream}", settings, peer, greetings.get(peer, name))
                made = tuple(captures.trials(maker, self.trials))
                (folder / f"{name}-{stream}.json").write_bytes(captured.dump(made))

    def _host(
        self, name: str, values: dict[str, Any], ports: dict[tuple[str, int], int], folder: Path
    ) -> dict[str, Any]:
        host = {f"mailconform_{key}": value for key, value in copy.deepcopy(values).items()}
        host["mailconform_connect_to"] = "127.0.0.1"
        for listener in host.get("mailconform_listen", []):
            listener.setdefault("tls", "implicit" if listener["port"] == 465 else "starttls")
            listener["dial_port"] = ports.get((name, listener["port"]), 1)
        for stream, settings in host.get("mailconform_streams", {}).items():
            settings |= {"how": "file", "file": str(folder / f"{name}-{stream}.json")}
        return host


def _days_ago(days: float) -> str:
    return (datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=days)).isoformat(timespec="seconds")


def _sighting(name: str, seen: dict[str, Any]) -> Any:
    from conformance.facts.answer import Answer, Status
    from conformance.facts.keyhistory import Sighting, fingerprint

    answer = Answer(name, "TXT", Status.FOUND, "NOERROR", ((f"p={keys()[seen['key']]}",),))
    return Sighting(name, fingerprint(answer), _days_ago(seen["first"]), _days_ago(seen["last"]))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _greetings(name: str, values: dict[str, Any]) -> dict[str, str]:
    """Return the addresses that a host is declared to send from, with how it greets from each."""
    usual = values.get("helo", name)
    entries = [one if isinstance(one, dict) else {"address": one} for one in _listed(values["send_from"])]
    return {one["address"]: one.get("helo", usual) for one in entries}


def names() -> list[str]:
    """Return the names of all worlds."""
    return sorted(path.stem for path in FOLDER.glob("*.yml"))


@cache
def load(name: str) -> World:
    """Read a world."""
    text = yaml.safe_load((FOLDER / f"{name}.yml").read_text("utf-8"))
    good = yaml.safe_load((FOLDER / "good.yml").read_text("utf-8"))
    changes = text.pop("changes", {})
    merged = {**good, "passes": (), "never_applicable": (), **text} if name != "good" else text
    for key in ("hosts", "domains", "zones", "trials"):
        merged[key] = _merge(good.get(key, {}), text.get(key, {}))
    bare = merged["zones"]
    merged["zones"] = changed(bare, changes)
    merged["servers"] = {
        address: _server(bare, changes, one or {}) for address, one in (merged.get("servers") or {}).items()
    }
    merged["hosts"] = {host: _sending(values, merged["domains"]) for host, values in merged["hosts"].items()}
    return World(name=name, **merged)


def _server(zones: dict[str, str], changes: dict[str, Any], one: dict[str, Any]) -> dict[str, Any]:
    """Return the zones and faults of one server: of all or ``only`` some zones, with ``changes`` of its own."""
    served = changed({name: zones[name] for name in one.get("only", zones)}, {**changes, **one.get("changes", {})})
    return {"zones": served, "faults": one.get("faults", [])}


def _merge(good: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    merged = {**good, **{key: value for key, value in own.items() if value is not None}}
    for key, value in own.items():
        if value is None:
            del merged[key]
        elif isinstance(value, dict) and isinstance(good.get(key), dict):
            merged[key] = {**good[key], **value}
    return merged


def _sending(host: dict[str, Any], domains: dict[str, Any]) -> dict[str, Any]:
    """Return a host without the streams for which the world has no domain."""
    streams = host.get("streams") or {}
    kept = {name: one for name, one in streams.items() if one["from"].rpartition("@")[2] in domains}
    return {**host, "streams": kept} if streams else host


def changed(zones: dict[str, str], changes: dict[str, list[str] | str]) -> dict[str, str]:
    """Return zones as text with some record sets replaced."""
    read = {
        origin: dns.zone.from_text(HEAD + filled(text), origin=f"{origin}.", relativize=False)
        for origin, text in zones.items()
    }
    for key, data in changes.items():
        owner, rdtype = key.rsplit(" ", 1)
        name = dns.name.from_text(owner)
        zone = max((z for z in read.values() if name.is_subdomain(z.origin)), key=lambda z: len(z.origin))
        zone.delete_rdataset(name, rdtype)
        for one in [data] if isinstance(data, str) else data:
            made = dns.rdata.from_text("IN", rdtype, filled(one), origin=dns.name.root, relativize=False)
            zone.find_rdataset(name, rdtype, create=True).add(made, 60)
    return {f"{origin}.": zone.to_text(relativize=False) for origin, zone in read.items()}


def _bare(text: str) -> str:
    """Fill keys in where no strings are told apart."""
    return filled(text).replace('" "', "")


def filled(text: str) -> str:
    """Fill keys in. TXT data longer than a string is split; ``{tlsa HOST}`` is SHA-256 of the public key of a host."""
    text = re.sub(r"\{tlsa ([\w.-]+)\}", lambda found: key_digest(found[1]), text)
    for name, key in keys().items():
        text = text.replace(f"{{{name}}}", '" "'.join(key[i : i + 200] for i in range(0, len(key), 200)))
    return text
