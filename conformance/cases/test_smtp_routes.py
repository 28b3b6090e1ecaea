"""Where a host takes mail for a domain. Findings speak to mail engineers: PYTEST_DONT_REWRITE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.check import check, first_seen, listed, seen

if TYPE_CHECKING:
    from conformance.facts.routes import Routes


@check(
    "RFC5321 5.1: must",
    "Z: must",
    fix=(
        "Look MX records up for each delivery: no transport map, relayhost or cache of your own that outlives the TTL "
        "(Postfix: smtp_randomize_addresses = yes and smtp_mx_address_limit of 5 or 0; Exim: driver = dnslookup)."
    ),
)
def test_smtp_mx_lookup(exchanges_used: Routes) -> None:
    """Mail follows the MX records of the moment, to a second host when the first is dead.

    Receivers move their servers, and some of them are always down.
    """
    wrong = first_seen(
        (lambda: exchanges_used.kept_to_old_exchange, lambda stale: seen(stale[0], aspect="moved")),
        (
            lambda: exchanges_used.not_reached("mx-dead-first"),
            lambda lost: seen(f"the first MX is dead: {listed(lost, 2)}", aspect="dead", at_most="should"),
        ),
        (lambda: exchanges_used.not_shuffled, lambda fixed: seen(fixed[0], aspect="shuffle", at_most="should")),
    )
    assert not wrong, wrong


@check(
    "RFC5321 5.1: must",
    fix=(
        "Deliver to the address of a domain without MX records, and never to that of a domain with some (Postfix and "
        "Exim's dnslookup do; no other fallback)."
    ),
)
def test_smtp_implicit_mx(implicit_exchange: Routes) -> None:
    """A domain without MX gets mail at its address, a domain with MX never.

    The address beside an MX is that of a web server, as a rule.
    """
    wrong = first_seen(
        (
            lambda: implicit_exchange.reached("mx-not-a"),
            lambda strays: seen(f"the MX is dead, and {listed(strays, 2)}", aspect="fallback"),
        ),
        (
            lambda: implicit_exchange.not_reached("mx-implicit"),
            lambda lost: seen(f"a domain without MX: {listed(lost, 2)}", aspect="implicit"),
        ),
    )
    assert not wrong, wrong


@check(
    "RFC7505 4.1: must",
    fix="Fail mail to a domain with a null MX at once (5.1.10), as Postfix 3 and Exim 4.90 or later do.",
)
def test_smtp_null_mx(null_exchange: Routes) -> None:
    """A domain with a null MX gets no mail.

    It says that it takes none; whatever answers at its address is no mail server of its.
    """
    strays = null_exchange.reached("mx-null")
    assert not strays, seen(f"the MX is a dot, and {listed(strays, 2)}")


@check(
    "RFC2181 10.3: info",
    "RFC5321 5.1: info",
    fix="Follow the alias, as Postfix and Exim do, though it should not be there.",
)
def test_smtp_mx_cname_tolerant(alias_exchange: Routes) -> None:
    """Mail reaches a domain whose MX is an alias.

    Such records are wrong and common; mail that insists on the rule is lost.
    """
    lost = alias_exchange.not_reached("mx-cname")
    assert not lost, seen(listed(lost, 2))


@check(
    "RFC5321 5.1: should",
    "IN: info",
    fix=(
        "Let the client go on to the next address (Postfix: inet_protocols = all, smtp_mx_address_limit of 5 or 0, "
        "smtp_balance_inet_protocols = yes), or switch IPv6 off where the host has none."
    ),
)
def test_smtp_v6_v4(dead_ipv6: Routes) -> None:
    """Mail goes on by IPv4 when IPv6 fails.

    A broken IPv6 path is common, and the other address works.
    """
    lost = dead_ipv6.not_reached("mx-v6-dead")
    assert not lost, seen(f"the IPv6 address is dead: {listed(lost, 2)}")
