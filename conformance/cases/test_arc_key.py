"""The keys of ARC seals, RFC 8617. Findings speak to mail engineers: PYTEST_DONT_REWRITE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.check import check, findings, listed, seen

if TYPE_CHECKING:
    from conformance.facts.dkim import KeyRecord


@check(
    "RFC8617 4.1.2, 4.1.3: should",
    "RFC8301 3.2",
    "RFC6376 3.6.1",
    fix=(
        "Publish where the seals of {domain.name} have it, as <selector>._domainkey.<d= domain> IN TXT "
        '"v=DKIM1; k=rsa; p=...", the public half of an RSA key of 2048 bits, in one record.'
    ),
)
def test_arc_key(arc_keys: tuple[KeyRecord, ...]) -> None:
    """The keys of ARC seals are such as DKIM has them.

    Receivers that trust a forwarder's word on what it received look its key up as they do for DKIM; without it the
    chain fails, and with it all that the seal says.
    """
    wrong = findings(arc_keys, lambda key: f"{key.answer.question}: {why}" if (why := key.unfit) else None)
    assert not wrong, seen(listed(wrong, joint="; "))
