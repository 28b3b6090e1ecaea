"""What receivers tell a sender who asks. Findings speak to mail engineers: PYTEST_DONT_REWRITE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.check import check, listed, seen

if TYPE_CHECKING:
    from conformance.facts.consoles import Consoles


@check(
    "Y: should",
    "G: info",
    "MS: info",
    "OR: info",
    fix=(
        "Publish the TXT record that the console gave you, at {domain.name} or at the domain that is registered there; "
        "or take a console that is given up out of consoles in mailconform_domains."
    ),
)
def test_proc_consoles(consoles: Consoles) -> None:
    """The records by which receivers' consoles know the owner of the domain are in place.

    A console that no longer finds its record stops telling of complaints and reputation. That a record is there does
    not prove that anybody is registered: only the console itself can tell.
    """
    lost = consoles.lost
    assert not lost, seen(listed(lost, joint="; "))
