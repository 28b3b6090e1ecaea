"""The addresses that mail really comes from. Findings speak to mail engineers: PYTEST_DONT_REWRITE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.check import check, listed, seen
from conformance.reading.ranges import special

if TYPE_CHECKING:
    from conformance.facts.delivery import Delivery
    from conformance.facts.neighbours import Neighbours


@check(
    "Z SPF: must", "Y sending IPs: must", "RFC7208 10.1: should",
    fix="Declare the address in mailconform_send_from of {stream.host}, or let the host send from a declared one.",
)  # fmt: skip
def test_ip_declared(delivery: Delivery) -> None:
    """Mail leaves from an address that the inventory declares.

    SPF, PTR and reputation are kept for the addresses that people know of; an unknown one has none of them.
    """
    sources = delivery.probe.stream.sources
    assert delivery.observed.peer in sources, seen(
        f"came from {delivery.peer}; declared: {', '.join(map(str, sources)) or 'none'}"
    )


@check(
    "MS-ts: must",
    "G IP addresses: must",
    fix=(
        "Let {stream.host} send from a public address, through NAT that is not in the receiver's way; name "
        "ranges of your own network that stand for public ones in mailconform_treat_as_public."
    ),
)
def test_ip_public(delivery: Delivery, treat_as_public: tuple[str, ...]) -> None:
    """Mail leaves from a public address.

    An address that the world cannot reach has no PTR, no SPF and no reputation.
    """
    kind = special(delivery.peer, treat_as_public)
    assert not kind, seen(f"came from {delivery.peer} ({kind})")


@check(
    "G: should",
    "Y: should",
    "AP: info",
    fix="Send bulk mail from an address of its own: mailconform_streams of {stream.host}, sources.",
)
def test_ip_consistent(neighbours: Neighbours) -> None:
    """Bulk mail and other mail leave from different addresses.

    Complaints about one class of mail are held against all that comes from its address.
    """
    shared = neighbours.sharing
    capped = "info" if neighbours.addresses < 2 else None
    assert not shared, seen(f"{neighbours.delivery.peer} sends {listed(shared, 3)} too", at_most=capped)
