"""PTR names that a provider gave, and nobody since. Findings speak to mail engineers: PYTEST_DONT_REWRITE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.cases.test_ptr import RENAME, at_alias
from conformance.check import check, listed, seen
from conformance.reading import ptrname
from conformance.reading.hostname import zone_suffix

if TYPE_CHECKING:
    from conformance.facts.reverse import ReverseName
    from conformance.fleet.model import Address


@check(
    "GMX: must",
    "RSP: info",
    fix=RENAME,
)
def test_ptr_not_placeholder(ptr_names: tuple[str, ...], ptr: ReverseName) -> None:
    """No PTR name is a provider's word for an address that nobody has named.

    Words such as unassigned or no-rdns tell receivers that nobody takes care of the address.
    """
    bad = [f"{name} says {word!r}" for name in ptr_names if (word := ptrname.placeholder(name))]
    assert not bad, seen(listed(bad), fix=at_alias(ptr))


@check(
    "Z PTR: should",
    "Y: should",
    "CC: must",
    "MS-pol DY-001: must",
    "GMX: must",
    "TO DIAL: must",
    "IL: must",
    "SA RDNS_DYNAMIC: should",
    "RSP hfilter: should",
    "IRM: must",
    "SR Dyna: should",
    fix=RENAME,
)
def test_ptr_not_dynamic(
    ptr_names: tuple[str, ...], ptr: ReverseName, address: Address, own_domains: frozenset[str]
) -> None:
    """No PTR name looks dynamically assigned.

    Receivers take a name with access-network words or address digits for a home connection.
    """
    verdicts = [(name, ptrname.judge(name, address.ip, own_domains)) for name in ptr_names]
    bad = [f"{name} looks dynamic: {verdict.evidence}" for name, verdict in verdicts if verdict.kind == "dynamic"]
    assert not bad, seen(listed(bad), fix=at_alias(ptr))
    hints = [
        f"{name} could be taken for dynamic: {verdict.evidence}"
        for name, verdict in verdicts
        if verdict.kind == "suspect"
    ]
    assert not hints, seen(listed(hints), fix=at_alias(ptr), at_most="info")


@check(
    "GMX: must",
    "Y: should",
    "IL: must",
    "TO 4.1: must",
    "SA HELO_STATIC_HOST: should",
    fix=RENAME,
)
def test_ptr_not_generic(
    ptr_names: tuple[str, ...], ptr: ReverseName, address: Address, own_domains: frozenset[str]
) -> None:
    """No PTR name is a provider's default.

    A default name, even a static one, does not say who operates the host.
    """
    verdicts = [(name, ptrname.judge(name, address.ip, own_domains)) for name in ptr_names]
    bad = [f"{name} is a default name: {verdict.evidence}" for name, verdict in verdicts if verdict.kind == "generic"]
    assert not bad, seen(listed(bad), fix=at_alias(ptr))


@check(
    "Z PTR: should",
    "IL: must",
    "HK: info",
    "IRM: info",
    "SA: info",
    fix=RENAME,
)
def test_ptr_no_ip_digits(ptr_names: tuple[str, ...], ptr: ReverseName, address: Address) -> None:
    """No PTR name contains the digits of the address.

    Names made from the address are what providers give to unnamed customers.
    """
    names = [name for name in ptr_names if not zone_suffix(name)]
    found = [(name, ptrname.embedded(name, address.ip)) for name in names]
    bad = [f"{name} contains {octets.text}, octets of {address.ip}" for name, octets in found if octets.degree > 2]
    assert not bad, seen(listed(bad), fix=at_alias(ptr))
    hints = [
        f"{name} contains {octets.text}, two octets of {address.ip}" for name, octets in found if octets.degree == 2
    ]
    assert not hints, seen(listed(hints), fix=at_alias(ptr), at_most="info")


@check(
    "Z PTR: should",
    "PW: info",
    "IRM: info",
    "RSP: info",
    "SA: info",
    fix=RENAME,
)
def test_ptr_no_isp_words(ptr_names: tuple[str, ...], ptr: ReverseName) -> None:
    """No PTR name contains words of access networks.

    Words such as dsl, cable, dhcp or pool mark a private connection.
    """
    bad = [f"{name} says {', '.join(words)}" for name in ptr_names if (words := ptrname.isp_words(name))]
    assert not bad, seen(listed(bad), fix=at_alias(ptr))
