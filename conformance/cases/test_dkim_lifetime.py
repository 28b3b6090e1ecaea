"""DKIM keys over time, and who shares them: RFC 6376 section 3.1. Speaks to mail engineers: PYTEST_DONT_REWRITE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.check import NotApplicable, check, listed, seen

if TYPE_CHECKING:
    from conformance.facts.dkim import KeyRecord
    from conformance.facts.keyhistory import KeyHistory
    from conformance.facts.keyusers import KeyUsers
    from conformance.fleet.model import Selector

OWN = (
    "Give each system a selector of its own, such as <system>-{year}a._domainkey.{selector.signing_domain}, with a key "
    "of its own."
)
DAYS_A_MONTH = 30.5


@check(
    "RFC6376 3.1: info",
    "MS FAQ 12: info",
    fix=(
        "Publish a new key at a selector that {selector.signing_domain} never had, sign with it, and let "
        '{selector.record_name} end as "v=DKIM1; p=" once no mail that it signed is under way.'
    ),
)
def test_dkim_selector_unique(dkim_key: KeyRecord, key_history: KeyHistory, key_users: KeyUsers) -> None:
    """A selector keeps its key for as long as it is used, and belongs to one sending system.

    Mail under way fails when another key stands where its own was, and nobody can tell by a selector that two systems
    share which of them signed, nor take the key from one alone.
    """
    strangers = key_users.strangers
    if not strangers and not key_history.seen:
        raise NotApplicable("no earlier run tells which key stood there")
    if dkim_key.key.revoked:
        raise NotApplicable("the key is revoked, see dkim.key-not-revoked")
    assert not strangers, seen(
        f"{' and '.join(strangers)} sign with the same key, and no group of the inventory has both",
        fix=OWN.replace("{year}", key_history.now[:4]),
        aspect="shared",
    )
    others = (f"{one.spki[:16]} (from {one.first[:10]} to {one.last[:10]})" for one in key_history.others)
    assert not key_history.others, seen(
        f"the key has the SHA-256 {key_history.current[:16]}, earlier runs saw another one there: {listed(others)}",
        aspect="other-key",
    )


@check(
    "M3 DKIM key rotation: info",
    "RFC6376 3.1: info",
    fix=(
        "Make a key, publish it at a new selector of {selector.signing_domain}, then sign with it, and retire "
        "{selector.record_name}; twelve months will do for a small sender: declare max_months of the selector."
    ),
)
def test_dkim_rotation(dkim_key: KeyRecord, key_history: KeyHistory, selector: Selector) -> None:
    """The key of a selector that signs is changed every six months, or as often as the inventory declares.

    Whoever got hold of a private key can sign as the domain until it is changed.
    """
    if not key_history.begins:
        raise NotApplicable("no earlier run tells how old the key is")
    if dkim_key.key.revoked or selector.state != "signing":
        raise NotApplicable("nothing is signed with the key")
    months = selector.max_months
    since = key_history.since[:10]
    assert key_history.days <= months * DAYS_A_MONTH, seen(
        f"the key has been there for {key_history.days} days at least, since {since}: longer than {months} months"
    )
    if not key_history.is_whole:
        raise NotApplicable(f"the key was there when the first run looked, on {since}: how old it is is not known")
