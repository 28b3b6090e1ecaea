"""The zones of the sending domains: SOA, name servers, CAA, scripts. For mail engineers: PYTEST_DONT_REWRITE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.check import check, listed, seen
from conformance.reading.excerpt import quoted
from conformance.reading.scripts import mixed_label

if TYPE_CHECKING:
    from conformance.facts.survey import NameServers
    from conformance.facts.validity import Validity
    from conformance.facts.zone import Authorization, DomainZones
    from conformance.fleet.model import Domain


@check(
    "Y-err 451, 554: must",
    "RFC8020 2: must",
    fix="Let the name servers of {domain.name} answer NOERROR to a question for SOA, as they do to one for MX.",
)
def test_dom_soa(domain_zones: DomainZones) -> None:
    """The domains in From and in the envelope exist for a question for SOA as well.

    Some receivers look for the SOA record and refuse a sender whose name servers deny the name. A name below the
    apex of its zone has none of its own, which is in order.
    """
    denied = domain_zones.denied
    assert not denied, seen("; ".join(denied))


@check(
    "IN: should",
    "RFC1912 2.8: should",
    fix=(
        "Have at least two name servers at different addresses (<zone>. IN NS <second server>, at its parent as well) "
        "that all load the zone, answer with authority over UDP and TCP, and follow the primary (NOTIFY, refresh)."
    ),
)
def test_dom_ns_health(domain_zones: DomainZones, name_servers: NameServers) -> None:
    """The zones of the domains in From and in the envelope have two name servers or more, which all serve them alike.

    While one is down, lame or behind, some receivers see records that others do not see.
    """
    lonely = domain_zones.lonely
    assert not lonely, seen("; ".join(lonely))
    lame = name_servers.lame
    assert not lame, seen("; ".join(lame), aspect="lame")
    deaf = name_servers.deaf
    assert not deaf, seen("; ".join(deaf), aspect="tcp")
    serials = name_servers.serials
    assert not serials, seen("; ".join(serials), at_most="info", aspect="serial")


@check(
    "RFC4035 2.2: should",
    "IN: must",
    "NCSC: info",
    fix=(
        "Sign the zone of {domain.name} and publish its DS record at the parent; where validation fails, renew the "
        "signatures, or let the DS record at the parent match a key of the zone."
    ),
)
def test_dom_dnssec(domain_validity: Validity) -> None:
    """The zone of the domain is signed, and what it says validates.

    Receivers that validate see nothing of a zone whose signatures fail: no SPF, no DKIM, no MX.
    """
    assert not domain_validity.bogus, seen(domain_validity.describe_bogus(), aspect="bogus")
    assert domain_validity.signed, seen(domain_validity.describe(), at_most="info", aspect="unsigned")


@check(
    "IN: should",
    fix="Publish an AAAA record at each name server and mail exchanger named here, and let it answer there.",
)
def test_dom_ipv6(domain_zones: DomainZones) -> None:
    """Two name servers and every mail exchanger of the domain have an IPv6 address.

    Receivers and senders that speak IPv6 alone cannot reach the domain otherwise.
    """
    lacking = domain_zones.without_ipv6
    assert not lacking, seen(f"no AAAA record: {listed(lacking)}")


@check(
    "IN: info",
    "RFC8659 3: info",
    fix='Publish: {domain.name}. IN CAA 0 issue "<the certification authority that you use>"',
)
def test_dom_caa(authorization: Authorization) -> None:
    """CAA records say who may issue certificates for the domain.

    Without them every authority may, for its mail exchangers and its MTA-STS policy too.
    """
    assert authorization.found, seen(f"no CAA record at {listed(one.name for one in authorization.answers)}")


@check(
    "G: must",
    "Z: info",
    fix="Send for a domain whose labels are each written in one script.",
)
def test_dom_lookalike_idn(domain: Domain) -> None:
    """No label of the domains in From and in the envelope mixes scripts.

    Letters of several scripts in one label are how names are imitated; receivers show such names with a warning.
    """
    mixed = {name: found for name in (domain.name, domain.mail_from) if (found := mixed_label(name))}
    assert not mixed, seen(
        "; ".join(f"{name} ({quoted(label)}) mixes {listed(scripts)}" for name, (label, scripts) in mixed.items())
    )
