"""The addresses that mail really comes from. Findings speak to mail engineers: PYTEST_DONT_REWRITE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.check import check, seen

if TYPE_CHECKING:
    from conformance.facts.delivery import Delivery


@check(
    "Z SPF: must", "Y sending IPs: must", "RFC7208 10.1: should",
    fix="Declare the address in mailconform_send_from of {stream.host}, or let the host send from a declared one.",
)  # fmt: skip
def test_ip_declared(delivery: Delivery) -> None:
    """Mail leaves from an address that the inventory declares.

    SPF, PTR and reputation are kept for the addresses that people know of; an unknown one has none of them.
    """
    sources = delivery.probe.stream.sources
    assert delivery.peer in sources, seen(
        f"came from {delivery.peer}; declared: {', '.join(map(str, sources)) or 'none'}"
    )
