"""How a host greets in its own sessions. Findings speak to mail engineers: PYTEST_DONT_REWRITE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.check import NotApplicable, check, first_seen, listed, seen
from conformance.reading.excerpt import quoted

if TYPE_CHECKING:
    from conformance.facts.delivery import Delivery
    from conformance.facts.greeted import Greeted
    from conformance.facts.greetings import Greetings
    from conformance.fleet.model import Address

NAME = "smtp_helo_name, Exim: helo_data"


@check(
    "RFC5321 2.2.1: should",
    "RFC5321 3.2: must",
    fix="Begin with EHLO, and with HELO only after 5yz to it (Postfix: smtp_always_send_ehlo = yes; Exim does).",
)
def test_helo_ehlo_first(greetings: Greetings, plain_greetings: Greetings) -> None:
    """Sessions begin with EHLO, and with HELO where EHLO is not known.

    Without EHLO there is no TLS; without HELO there is no mail to old servers.
    """
    wrong = first_seen(
        (lambda: greetings.not_ehlo, lambda old: seen(old[0], at_most="should")),
        (
            lambda: plain_greetings.no_fallback,
            lambda lost: seen(f"a receiver that answers 502 to EHLO got no mail: {lost[0]}", aspect="fallback"),
        ),
    )
    assert not wrong, wrong


@check(
    "RFC5321 4.1.1.1, 4.1.4: must",
    "G-err 501 5.5.4, 503 5.5.1: must",
    fix=f"Greet with one name and nothing else before MAIL (Postfix: {NAME}).",
)
def test_helo_present(greetings: Greetings) -> None:
    """Every session greets with exactly one name before mail.

    Servers answer anything else with a syntax error.
    """
    faults = greetings.malformed
    assert not faults, seen(listed(dict.fromkeys(faults), 3))


@check(
    "SH: info",
    "AP: should",
    "G: should",
    fix=f"Let all mail software behind an address greet with one name (Postfix: {NAME}).",
)
def test_helo_consistent(greetings: Greetings) -> None:
    """An address greets with one name in all sessions.

    Several names behind one address look like a bot, or like hosts behind one NAT address.
    """
    several = greetings.names
    assert not several, seen(listed(several, 3))


@check(
    "HK: info",
    "IRM: info",
    "EX: info",
    "RFC5321 4.1.1.1: must",
    fix=f"Greet with the host's own name, whatever the receiver's banner says (Postfix: {NAME}).",
)
def test_helo_not_recipient(greetings: Greetings) -> None:
    """No session greets with the receiver's own name or address.

    Only forgers do; many receivers refuse it at once.
    """
    parroted = greetings.receivers
    assert not parroted, seen(listed(dict.fromkeys(parroted), 3))


@check(
    "RFC3207 4.2: should",
    fix=f"Send EHLO again after the TLS handshake, with the same name (Postfix: {NAME}).",
)
def test_helo_after_starttls(greetings: Greetings) -> None:
    """After STARTTLS the session greets again, with the same name.

    TLS begins a session anew: what was said before does not count.
    """
    lost = greetings.lost_in_tls
    assert not lost, seen(lost[0])
    changed = greetings.changed_in_tls
    assert not changed, seen(changed[0], aspect="name")


@check(
    "Z HELO: should",
    "G: should",
    "AP: should",
    fix="Greet with the declared name, or declare in mailconform_helo what {stream.host} greets with.",
)
def test_helo_declared(delivery: Delivery, declared_helo: str) -> None:
    """Mail is greeted with the name that the inventory declares.

    All rules on the declared name are about the name that receivers see.
    """
    assert delivery.observed.helo.lower() == declared_helo.lower(), seen(
        f"{delivery.peer} greets with {quoted(delivery.helo)}; declared: {declared_helo}",
        fix=f"Greet with {declared_helo} (Postfix: {NAME}), or declare in mailconform_helo what the host greets with.",
    )


@check(
    "SH: info",
    "SA: should",
    "RSP: should",
    "RFC7208 2.3: should",
    fix=(
        "Give each address a name that leads to it (Postfix: smtp_bind_address with smtp_helo_name in master.cf; Exim: "
        "helo_data by $sending_ip_address), or list all addresses at the one name."
    ),
)
def test_helo_per_ip(greeted: Greeted, source_addresses: tuple[Address, ...]) -> None:
    """Where a host has several addresses, each greets with a name that leads to it.

    One name for all of them fits one at best.
    """
    if len(source_addresses) < 2:
        raise NotApplicable("the host has one address, see helo.matches-ip")
    if not greeted.forward.resolves:
        raise NotApplicable("the name has no address, see helo.resolves")
    assert greeted.leads_back, seen(
        f"{greeted.delivery.peer} greets with {greeted.forward.name}, which has {greeted.forward.describe()}"
    )
