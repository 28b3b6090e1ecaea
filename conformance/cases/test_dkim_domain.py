"""What a DKIM key may sign for, and the domain it stands in, RFC 6376. For mail engineers: PYTEST_DONT_REWRITE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.check import NotApplicable, check, findings, listed, seen
from conformance.reading.orgdomain import is_within

if TYPE_CHECKING:
    from conformance.facts.dkim import KeyNode, KeyRecord
    from conformance.facts.domain import MailDomain
    from conformance.fleet.model import Selector


@check(
    "RFC6376 3.6.1: info",
    fix="Unless i= of its signatures names a subdomain, add t=s to the record at {selector.record_name}",
)
def test_dkim_key_t_s(dkim_key: KeyRecord) -> None:
    """A key is for identities of its own domain only.

    Without t=s whoever may sign with it may also do so in the name of subdomains, by i=.
    """
    key = dkim_key.valid
    flags = key.flags
    assert key.strict, seen(f"t={':'.join(flags)}" if flags else "the record has no t=")


@check(
    "IN: must",
    "RFC1034 3.1: info",
    fix="Have whoever runs the name servers of {domain.name} answer NOERROR for _domainkey.{domain.name}",
)
def test_dkim_domainkey_node(dkim_nodes: tuple[KeyNode, ...]) -> None:
    """The name above the selectors exists, even where nothing but selectors stands below it.

    Whoever looks there first and is told NXDOMAIN takes the domain to have no DKIM.
    """
    hidden = findings(dkim_nodes, lambda node: node.hidden)
    assert not hidden, seen(
        f"{listed(hidden)} answered NXDOMAIN although keys stand below it",
        fix=f"Have the name servers answer NOERROR for {listed(hidden)} (RFC 8020: what has names below it exists)",
    )


@check(
    "RFC9989 3.2.13: info",
    "Y: info",
    fix="Sign with d= of a domain of your own that has MX or address records.",
)
def test_dkim_d_exists(selector: Selector, signing_domain: MailDomain, own_domains: frozenset[str]) -> None:
    """The d= domain of each selector is the fleet's own, and one that mail can be sent to.

    Receivers distrust names that lead nowhere, and another owner's name aligns with none of yours.
    """
    if selector.state == "retired":
        raise NotApplicable("the selector is retired, see dkim.retired")
    name = signing_domain.name
    assert is_within(name, own_domains), seen(f"d={name}: no domain of the catalogue is of that organization")
    if not signing_domain.exists:
        raise NotApplicable(f"{name} does not exist, see dkim.key-exists")
    assert signing_domain.reachable, seen(f"d={name}: neither MX nor address records")
