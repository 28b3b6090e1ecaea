"""The addresses and names on DNS lists. Findings speak to mail engineers: PYTEST_DONT_REWRITE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.check import NotApplicable, check, listed, seen
from conformance.reading.orgdomain import owned

if TYPE_CHECKING:
    from conformance.facts.dnsbl import ListAnswers, Listings
    from conformance.fleet.model import Address, Fleet


@check(
    "Y-err: must",
    "MS-ts OU-001: must",
    "CC: must",
    "GMX: must",
    "TO BL: must",
    "NE: must",
    "G shared IPs: must",
    fix=(
        "Find and stop what {address.host} was listed for, then ask the list to remove {address.ip}; answers that do "
        "not matter to you belong into ignore of that list in mailconform_dnsbl."
    ),
)
def test_ip_not_listed(listings: Listings) -> None:
    """No sending address is on a DNS list that the inventory names.

    Receivers refuse mail from addresses on the lists that they ask.
    """
    found = listings.harmful
    assert not found, seen("; ".join(found))


@check(
    "CC: must",
    "GMX: must",
    "OR: must",
    "MS-pol: must",
    "TO DIAL: must",
    "SA RCVD_IN_PBL: info",
    "SR Dyna: info",
    fix=(
        "Let {address.ip} be taken off the list of addresses that are not meant to send (its owner can do that at the "
        "list), after giving it a static PTR name, {address.proper_name}; or send by a relay with a static address."
    ),
)
def test_ip_static(listings: Listings) -> None:
    """No sending address is on a list of dynamic addresses.

    Mail straight from an access line is taken for that of a captured computer.
    """
    found = listings.dynamic
    assert not found, seen("; ".join(found))


@check(
    "G shared IPs: must",
    "Y-err: info",
    fix=(
        "Name the lists on which {address.ip} is to be watched in mailconform_dnsbl of {address.host}; while it is "
        "listed, send by another address."
    ),
)
def test_ip_not_shared_bad(address: Address, fleet: Fleet) -> None:
    """An address that several domains share is watched on DNS lists.

    What one of them does is held against all.
    """
    host = fleet.by_name[address.host]
    owners = sorted({owned(name) or name for name in host.sends_for})
    if len(owners) < 2:
        raise NotApplicable(f"{address.host} sends for one organisation")
    watched = [one for one in host.blocklists if not one.of_names]
    assert watched, seen(f"sends for {listed(owners)}; mailconform_dnsbl names no list of addresses", at_most="info")


@check(
    "RFC5782 5: info",
    fix="Take {blocklist.zone} out of mailconform_dnsbl: it is closed, moved, or not a list of this kind.",
)
def test_ip_dnsbl_sane(list_answers: ListAnswers) -> None:
    """Every DNS list that is asked lists its own test entry, and not what must never be listed.

    A list that has closed may answer that all is listed, or that nothing is.
    """
    faults = list_answers.faults
    assert not faults, seen(listed(faults, 2, joint="; "))


@check(
    "SH usage: must",
    "RFC5782 2.1: info",
    fix=(
        "Ask {blocklist.zone} by a resolver of your own (--resolver), with the name of the zone and the key that its "
        "operator gave you."
    ),
)
def test_ip_dnsbl_codes(list_answers: ListAnswers) -> None:
    """Every DNS list that is asked answers with listings, not with error codes.

    An error code that is taken for a listing accuses an innocent address, one that is taken for none hides a listing.
    """
    wrong = list_answers.errors
    assert not wrong, seen(listed(wrong, 2, joint="; "))


@check(
    "SH: should",
    "CSA: must",
    "G: info",
    fix="Find out at the list what {domain.name} or its host was listed for, end that, and ask for its removal.",
)
def test_ip_dnsbl_domain(domain_listings: Listings) -> None:
    """No name that mail of the domain shows is on a DNS list of names that the inventory names.

    From, MAIL FROM, d=, the greeting and the PTR name are looked up at such lists.
    """
    found = domain_listings.harmful
    assert not found, seen("; ".join(found))
