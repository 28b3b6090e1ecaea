"""What a domain should publish, given the inventory: the record sets, and the rules that judge each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from conformance.facts.dkim import UNUSED
from conformance.facts.domain import MailDomains
from conformance.facts.spf import SpfPaths, SpfRecords
from conformance.facts.store import canonical
from conformance.fleet.model import Address, Domain, Fleet
from conformance.reading.hostname import check_syntax, is_ip_text, is_qualified, looks_like_literal
from conformance.reading.orgdomain import is_within, owned
from conformance.records.bench import Task
from conformance.records.change import Key

_DKIM = ("dkim.key-*", "dkim.retired")
_DOMAIN = ("dom.from-resolves", "dom.mx-or-a", "dom.no-null-mx", "dom.mx-valid")
_GREETING = ("helo.exists", "helo.resolves")


@dataclass(frozen=True)
class Place:
    """A record set that is looked at: where, what it is for, and where what it holds is to be taken from."""

    name: str
    rdtype: str
    purpose: str
    kind: str = ""
    """Of TXT records, which of those at the name are meant; empty: all."""
    source: str = ""
    """Where to take the data from that the inventory cannot tell."""
    beside: Key | None = None
    """A record set that is of no use without this one."""

    @property
    def key(self) -> Key:
        """Name, as answers have it, and type."""
        return canonical(self.name), self.rdtype


def tasks(fleet: Fleet, domain: Domain) -> tuple[Task, ...]:
    """Return the rules that judge the records of a domain."""
    return tuple(_parked(domain) if domain.no_mail else _sending(fleet, domain))


def places(fleet: Fleet, domain: Domain) -> tuple[Place, ...]:
    """Return the record sets of a domain, those of the domain itself first."""
    found = _parked_places(domain) if domain.no_mail else _sending_places(fleet, domain)
    once: dict[Key, Place] = {}
    for one in found:
        once.setdefault(one.key, one)
    return tuple(once.values())


def _parked(domain: Domain) -> Iterator[Task]:
    slots = {"spf": (domain.name, "TXT"), "dmarc": (f"_dmarc.{domain.name}", "TXT"), "null-mx": (domain.name, "MX")}
    slots["dkim"] = f"*._domainkey.{domain.name}", "TXT"
    for rule, slot in slots.items():
        yield Task((f"parked.{rule}",), "parked_domain", domain, slot)


def _parked_places(domain: Domain) -> Iterator[Place]:
    yield Place(domain.name, "TXT", "SPF: nobody may send", "spf")
    yield Place(f"_dmarc.{domain.name}", "TXT", "DMARC: reject all", "dmarc")
    yield Place(domain.name, "MX", "null MX: no mail is taken")
    yield Place(f"*._domainkey.{domain.name}", "TXT", "DKIM: every key is revoked")
    yield Place(f"{UNUSED}._domainkey.{domain.name}", "TXT", "")


def _sending(fleet: Fleet, domain: Domain) -> Iterator[Task]:
    for name in dict.fromkeys((domain.mail_from, domain.name)):
        yield Task(("spf.*",), "domain", domain, (name, "TXT"), _of_root(name, domain))
        yield Task(_DOMAIN, "domain", domain, (name, "MX"), {"mail_domains": _of_name(name)})
    own = [one for one in fleet.senders if one.domain == domain]
    yield from (Task(("spf.all-inventory",), "sender", one, (domain.mail_from, "TXT")) for one in own)
    for selector in domain.selectors:
        yield Task(_DKIM, "selector", selector, (selector.record_name, "TXT"))
    yield Task(("dmarc.*",), "domain", domain, (f"_dmarc.{domain.name}", "TXT"))
    yield Task(("mtasts.record",), "domain", domain, (f"_mta-sts.{domain.name}", "TXT"))
    yield Task(("tlsrpt.*",), "domain", domain, (f"_smtp._tls.{domain.name}", "TXT"))
    for address in _addresses(fleet, domain):
        yield Task(("ptr.*",), "address", address, (address.reverse_name, "PTR"))
        if _is_own(fleet, address.helo):
            yield Task(_GREETING, "address", address, (address.helo, address.forward_type))
            yield Task(("spf.helo", "spf.host-record"), "address", address, (address.helo, "TXT"))


def _sending_places(fleet: Fleet, domain: Domain) -> Iterator[Place]:
    yield Place(domain.mail_from, "TXT", "SPF of the envelope" if domain.envelope else "SPF", "spf")
    yield Place(domain.name, "TXT", "SPF", "spf")
    for selector in domain.selectors:
        source = "" if selector.state == "retired" else _KEY
        yield Place(selector.record_name, "TXT", f"DKIM key, {selector.state}", source=source)
    yield Place(f"_dmarc.{domain.name}", "TXT", "DMARC", "dmarc")
    yield Place(domain.name, "MX", "where answers and bounces go", source=_MX)
    yield Place(domain.mail_from, "MX", "where bounces go", source=_MX)
    policy = Place(f"_mta-sts.{domain.name}", "TXT", "MTA-STS", "STSv1", _POLICY.format(name=domain.name))
    yield policy
    if not domain.policy_host:
        yield Place(f"mta-sts.{domain.name}", "A", "host of the MTA-STS policy", source=_WEB, beside=policy.key)
        yield Place(f"mta-sts.{domain.name}", "AAAA", "")
    yield Place(f"_smtp._tls.{domain.name}", "TXT", "TLS reporting", "TLSRPTv1")
    for one in _addresses(fleet, domain):
        yield Place(one.reverse_name, "PTR", f"reverse name of {one.host}", source=_NAME)
        if "<" not in one.proper_name:
            yield Place(one.proper_name, one.forward_type, f"address of {one.host}")
        if _is_own(fleet, one.helo):
            yield Place(one.helo, one.forward_type, f"address of {one.host}")
            yield Place(one.helo, "TXT", f"SPF of the greeting of {one.host}", "spf")


_KEY = (
    "the public key of what the signer signs with: the .txt file of opendkim-genkey, what rspamadm dkim_keygen "
    "printed, or on the host: openssl pkey -in KEY -pubout"
)
_MX = "the host that takes its mail, which the inventory does not say"
_WEB = "the web server that is to serve the policy, which the inventory does not say"
_POLICY = "publish it once https://mta-sts.{name}/.well-known/mta-sts.txt serves the policy"
_NAME = "a name of your own for the host: neither its HELO name nor its name in the inventory is fit"


def _addresses(fleet: Fleet, domain: Domain) -> Iterator[Address]:
    for name in domain.hosts:
        if name in fleet.by_name:
            yield from fleet.by_name[name].addresses


def _is_own(fleet: Fleet, helo: str) -> bool:
    """Whether a greeting is a name, and one of the fleet's: nobody can publish anything at others."""
    if not is_qualified(helo) or check_syntax(helo) or is_ip_text(helo) or looks_like_literal(helo):
        return False
    names = (name for one in fleet.domains for name in (one.name, one.mail_from))
    return is_within(helo, {one for name in names if (one := owned(name))})


def _of_root(name: str, domain: Domain) -> Mapping[str, Callable[[Any], Any]]:
    """Return what makes the part of SPF facts that one record is about."""

    def records(whole: SpfRecords) -> SpfRecords:
        return replace(whole, roots=tuple(root for root in whole.roots if root.name == name))

    def paths(whole: SpfPaths) -> SpfPaths:
        return whole if name == domain.mail_from else SpfPaths(())

    def owners(whole: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(one for one in whole if one.node.name == name)

    def explanations(whole: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(one for one in whole if (*one.node.path, one.node.name)[0] == name)

    def reliances(whole: Any) -> Any:
        return replace(whole, records=records(whole.records), each=explanations(whole.each))

    return {
        "spf": records,
        "spf_paths": paths,
        "spf_owners": owners,
        "spf_explanations": explanations,
        "spf_reliances": reliances,
    }


def _of_name(name: str) -> Callable[[MailDomains], MailDomains]:
    return lambda whole: replace(whole, names=tuple(one for one in whole.names if one.name == name))
