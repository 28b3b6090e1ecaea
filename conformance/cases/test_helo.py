"""The name a host greets with, as declared. Findings speak to mail engineers: PYTEST_DONT_REWRITE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.check import NotApplicable, check, findings, listed, seen
from conformance.reading import ptrname
from conformance.reading.hostname import (
    check_syntax,
    is_ip_text,
    is_localhost,
    is_qualified,
    looks_like_literal,
    parse_literal,
)
from conformance.reading.orgdomain import is_within, known_tld, owned, registrable, special_use, to_ascii

if TYPE_CHECKING:
    from conformance.facts.greeting import Exchanges, HeloName, ServerNames
    from conformance.facts.reverse import ReverseName
    from conformance.fleet.model import Address

_GREET = "Greet with {name} (Postfix: smtp_helo_name, Exim: helo_data) and publish: {name}. IN {type} {ip}"
RENAME = _GREET.format(name="{address.proper_name}", type="{address.forward_type}", ip="{address.ip}")
PUBLISH = "Publish: {address.helo}. IN {address.forward_type} {address.ip}"
LEAD_BACK = (
    "Greet with a name that leads to {address.ip} (Postfix: smtp_helo_name, Exim: helo_data). Only where hosts share "
    "{address.helo} on purpose, add: "
)
BIG_PROVIDERS = frozenset(
    {"gmail.com", "google.com", "yahoo.com", "outlook.com", "hotmail.com", "live.com", "aol.com", "icloud.com"}
)


def greet_with(name: str, address: Address) -> str:
    """Return the remedy for a greeting that has to be another name."""
    return _GREET.format(name=name, type=address.forward_type, ip=address.ip)


def require_domains(own_domains: frozenset[str]) -> None:
    """Raise NotApplicable when the fleet declares no domain to compare with."""
    if not own_domains:
        raise NotApplicable("the catalogue of domains is empty")


def make_resolve(helo: HeloName, own_domains: frozenset[str], own_name: str) -> str | None:
    """Return the remedy for a name that the fleet cannot publish, or not beside an alias; None for any other."""
    address, is_foreign = helo.address, bool(own_domains) and not is_within(helo.name, own_domains)
    if is_foreign or not known_tld(helo.name):
        return greet_with(own_name, address)
    if helo.forward.aliases:
        return f"Put in place of the CNAME: {helo.name}. IN {address.forward_type} {address.ip}"
    return None


@check(
    "RFC5321 2.3.5, 4.1.1.1: must",
    "GMX: must",
    "OR 20x: must",
    "G-err 501 5.5.4: must",
    "RSP: should",
    "SA FSL_HELO_NON_FQDN_1: should",
    "HK: info",
    "Z HELO: should",
    fix=RENAME,
)
def test_helo_fqdn(address: Address) -> None:
    """Every host greets with a fully qualified name.

    The greeting tells receivers who is calling; a bare machine name tells them nothing.
    """
    if looks_like_literal(address.helo):
        raise NotApplicable("the greeting is an address literal, see helo.literal-valid")
    if is_ip_text(address.helo):
        raise NotApplicable("the greeting is a bare IP address, see helo.not-bare-ip")
    assert is_qualified(address.helo), seen(f"{address.helo!r} has no dot between two labels")


@check(
    "RFC5321 4.1.2: must",
    "G-err 501 5.5.4: must",
    "EX: info",
    "HK: info",
    fix=RENAME,
)
def test_helo_syntax(address: Address) -> None:
    """The HELO name has letters, digits, hyphens and dots only.

    Machine names with an underscore are the usual slip; strict servers answer them with a syntax error.
    """
    if looks_like_literal(address.helo):
        raise NotApplicable("the greeting is an address literal, see helo.literal-valid")
    if is_ip_text(address.helo):
        raise NotApplicable("the greeting is a bare IP address, see helo.not-bare-ip")
    why = check_syntax(address.helo)
    assert not why, seen(f"{address.helo!r}: {why}")


@check(
    "Z HELO: should",
    "RSP: should",
    fix=PUBLISH,
)
def test_helo_exists(helo: HeloName, own_domains: frozenset[str], own_name: str) -> None:
    """The HELO name exists in DNS.

    A name that does not exist is the first sign of a forged or forgotten host.
    """
    aliases = helo.forward.aliases
    which = f"{helo.name} is an alias of {aliases[-1]}, which" if aliases else helo.name
    assert helo.forward.exists, seen(
        f"{which} does not exist (NXDOMAIN)", fix=make_resolve(helo, own_domains, own_name)
    )


@check(
    "Z HELO: must",
    "RFC5321 2.3.5: must",
    "OR 20x: must",
    "GMX: must",
    "SA: should",
    "RSP: should",
    "HK forward_dns: should",
    fix=PUBLISH,
)
def test_helo_resolves(helo: HeloName, own_domains: frozenset[str], own_name: str) -> None:
    """The HELO name has an A or AAAA record.

    Receivers look the name up; an MX record alone does not make it a host.
    """
    assert helo.forward.resolves, seen(
        f"{helo.name} has no address ({helo.forward.describe()})", fix=make_resolve(helo, own_domains, own_name)
    )


@check(
    "RFC5321 2.3.5: must",
    fix=(
        "Greet with the canonical name, or replace the alias by {address.helo}. IN {address.forward_type} {address.ip}"
    ),
)
def test_helo_primary_name(helo: HeloName) -> None:
    """The HELO name is a primary name, not an alias.

    Elsewhere SMTP allows aliases, in the greeting it does not.
    """
    assert not helo.forward.aliases, seen(f"{helo.name} is a CNAME to {helo.forward.aliases[0]}")


@check(
    "Z HELO: should",
    "RSP: should",
    "SA HELO_LH_HOME: should",
    "IRM: must",
    fix=RENAME,
)
def test_helo_tld_real(address: Address) -> None:
    """The HELO name ends in a delegated top-level domain.

    Home-made suffixes such as .local or .lan mean nothing outside your network.
    """
    if looks_like_literal(address.helo):
        raise NotApplicable("the greeting is an address literal, see helo.literal-valid")
    if is_ip_text(address.helo) or is_localhost(address.helo) or not is_qualified(address.helo):
        raise NotApplicable("the greeting is no name below a top-level domain, see helo.fqdn and helo.not-localhost")
    if to_ascii(address.helo) is None:
        raise NotApplicable("the greeting is not a host name, see helo.syntax")
    assert not special_use(address.helo), seen(
        f"{address.helo} ends in a special-use suffix: {special_use(address.helo)}"
    )
    assert known_tld(address.helo), seen(f"{address.helo} ends in no delegated top-level domain")


@check(
    "Z HELO: should",
    "SA HELO_LOCALHOST: should",
    "IRM: must",
    "SH: must",
    fix=RENAME,
)
def test_helo_not_localhost(address: Address) -> None:
    """No host greets as localhost.

    Only a host that nobody configured calls itself localhost.
    """
    assert not is_localhost(address.helo), seen(f"the host greets as {address.helo}")


@check(
    "Z HELO: should",
    "RFC5321 4.1.3: must",
    "RSP: should",
    "IRM: must",
    "HK: info",
    fix=RENAME,
)
def test_helo_not_bare_ip(address: Address) -> None:
    """No host greets with an IP address without brackets.

    An address may stand there in brackets only, and a name is better.
    """
    if looks_like_literal(address.helo):
        raise NotApplicable("the greeting is an address literal, see helo.literal-valid")
    assert not is_ip_text(address.helo), seen(f"the host greets as {address.helo}")


@check(
    "RFC5321 4.1.3: must",
    "HK literal_mismatch: info",
    "EX: info",
    fix=RENAME,
)
def test_helo_literal_valid(address: Address) -> None:
    """An address literal in the greeting is well-formed and is the sending address.

    A literal is lawful for a host without a name; a fleet's host has one.
    """
    if not looks_like_literal(address.helo):
        raise NotApplicable("the greeting is a name")
    literal = parse_literal(address.helo)
    assert literal is not None, seen(f"{address.helo} is no address literal")
    assert literal == address.ip, seen(f"{address.helo} is not {address.ip}")
    assert False, seen(f"{address.helo} is lawful, but a name is expected of a fleet's host", at_most="should")


@check(
    "Z HELO: should",
    "CSA: must",
    fix=RENAME,
)
def test_helo_own_domain(helo: HeloName, address: Address, own_domains: frozenset[str], own_name: str) -> None:
    """The HELO name lies in a domain of the fleet.

    Receivers trust a host less that greets with somebody else's domain.
    """
    require_domains(own_domains)
    assert is_within(helo.name, own_domains), seen(
        f"{helo.name} lies outside the fleet's domains ({listed(sorted(own_domains), 3)})",
        fix=greet_with(own_name, address),
    )


@check(
    "Z HELO: should",
    fix=(
        "Greet with the name of a mail exchanger, or accept that sending and receiving hosts differ "
        "(mailconform_levels)."
    ),
)
def test_helo_matches_mx(helo: HeloName, exchanges: Exchanges) -> None:
    """The HELO name agrees with a mail exchanger of a domain the host sends for.

    Zendesk asks for it; it cannot hold where sending and receiving hosts are separate.
    """
    domain = owned(helo.name)

    def agrees(exchange: str) -> bool:
        return to_ascii(exchange) == to_ascii(helo.name) or (domain is not None and owned(exchange) == domain)

    same = exchanges.having(agrees)
    if not same and not exchanges.targets:
        raise NotApplicable("no domain of this host has a mail exchanger")
    assert same, seen(f"{helo.name} is no exchanger and not in the domain of one: {listed(exchanges.targets)}")


@check(
    "SA KHOP_HELO_FCRDNS: should",
    "RSP HELO_IP_A: should",
    "SH: should",
    "RFC7208 2.3: should",
    "RFC5321 4.1.4: info",
    "Z HELO: should",
    fix=LEAD_BACK + "{address.helo}. IN {address.forward_type} {address.ip}",
)
def test_helo_matches_ip(helo: HeloName, address: Address) -> None:
    """An address of the HELO name is the sending address.

    A name that points at the web server is the common slip.
    """
    if not helo.forward.resolves:
        raise NotApplicable("the name has no address, see helo.resolves")
    assert helo.forward.leads_to(address.ip), seen(
        f"{helo.name} has {helo.forward.describe()}, not {address.ip}",
        fix=_lead_back_by_alias(helo, address) if helo.forward.aliases else None,
    )


def _lead_back_by_alias(helo: HeloName, address: Address) -> str:
    canonical = helo.forward.aliases[-1]
    return f"{LEAD_BACK.format(address=address)}{canonical}. IN {address.forward_type} {address.ip}"


@check(
    "SA HELO_DYNAMIC: should",
    "RSP hfilter: should",
    "IRM: info",
    "HK: info",
    "Z HELO: should",
    fix=RENAME,
)
def test_helo_not_dynamic(helo: HeloName, address: Address, own_domains: frozenset[str]) -> None:
    """The HELO name does not look dynamically assigned.

    Filters judge the greeting by the same patterns as the PTR name.
    """
    verdict = ptrname.judge(helo.name, address.ip, own_domains)
    assert verdict.kind != "dynamic", seen(f"{helo.name} looks dynamic: {verdict.evidence}")


@check(
    "IRM: must",
    "HK big_company: info",
    fix=RENAME,
)
def test_helo_not_big_provider(helo: HeloName, ptr: ReverseName, address: Address, own_name: str) -> None:
    """The HELO name is not in the domain of a big mailbox provider.

    Forgers like these names; only a host whose PTR is there too may use one.
    """
    domain = registrable(helo.name)
    if domain not in BIG_PROVIDERS:
        return
    assert domain in [registrable(name) for name in ptr.names], seen(
        f"{helo.name} is in {domain}, the PTR is not", fix=greet_with(own_name, address)
    )


@check(
    "RFC5321 4.2, 4.3.1: must",
    "FILTERS: info",
    fix=(
        "Let the server greet with a qualified name that resolves (Postfix myhostname, Exim "
        "primary_hostname, smtpd_banner)."
    ),
)
def test_helo_server_banner(server_names: ServerNames) -> None:
    """The banner and the EHLO reply of every listener carry a name that resolves.

    Both begin with the server's domain by the standard; a generic banner may hide the software, not the name.
    """
    literals = [(where, name) for where, name in server_names.said if parse_literal(name)]
    for where, name in server_names.said:
        fit = (where, name) in literals or (is_qualified(name) and not check_syntax(name))
        assert fit, seen(f"{where} says {name!r}, which is no qualified name")
    lost = findings(server_names.forward, lambda forward: None if forward.resolves else forward)
    assert not lost, seen("; ".join(f"{forward.name} has no address ({forward.describe()})" for forward in lost))
    assert not literals, seen(
        "; ".join(f"{where} says {name}: lawful, but a name is expected" for where, name in literals), at_most="should"
    )
