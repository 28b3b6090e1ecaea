"""MTA-STS of the domains that mail comes to. Findings speak to mail engineers: PYTEST_DONT_REWRITE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.check import check, listed, seen
from conformance.reading.excerpt import quoted

if TYPE_CHECKING:
    from conformance.facts.mtasts import StrictTransport


@check(
    "RFC8461 3.1: must",
    "NCSC: info",
    fix=(
        'Publish: _mta-sts.{domain.name}. IN TXT "v=STSv1; id=1", with another id whenever the policy changes, and '
        "serve the policy at https://mta-sts.{domain.name}/.well-known/mta-sts.txt."
    ),
)
def test_mtasts_record(strict_transport: StrictTransport) -> None:
    """Every domain that takes mail has one record that announces its MTA-STS policy.

    Without it senders cannot know that TLS is to be had, and whoever sits between can take it away.
    """
    faults = strict_transport.faults
    assert not faults, seen(listed(faults, joint="; "))
    published = strict_transport.published
    assert published.records, seen(published.absence, at_most="info")


@check(
    "RFC8461 3.4: info",
    fix=(
        'Publish, to protect mail to {domain.name}: _mta-sts.{domain.name}. IN TXT "v=STSv1; id=1", and a '
        "policy of its own at https://mta-sts.{domain.name}/.well-known/mta-sts.txt."
    ),
)
def test_mtasts_no_parent(strict_transport: StrictTransport) -> None:
    """No subdomain that takes mail relies on the MTA-STS policy of the domain above.

    A policy holds for its own domain alone; mail to the subdomain goes unprotected.
    """
    above = strict_transport.parent_record
    text = f"{strict_transport.published.absence}; that of {strict_transport.parent} does not hold: {quoted(above)}"
    assert not above, seen(text)
