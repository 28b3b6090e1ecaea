"""SPF of mail that came, RFC 7208. Findings speak to mail engineers: PYTEST_DONT_REWRITE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.check import NotApplicable, check, seen
from conformance.reading import remedy
from conformance.reading.excerpt import quoted

if TYPE_CHECKING:
    from conformance.facts.authentication import Authentication

ENVELOPE = (
    "Send the mail of {stream.author} with MAIL FROM in {stream.domain} or a subdomain (Postfix: sendmail -f, "
    "smtp_generic_maps; Exim: return_path on the transport), or sign it with d={stream.domain}."
)


@check(
    "Z SPF: must",
    "G SPF: must",
    "Y SPF: must",
    "MS 5.7.515: must",
    "OR: must",
    "LP: must",
    "RFC7208 8.3: should",
    fix="Add the address to SPF of the domain in MAIL FROM, or let the stream leave from an address that it names.",
)
def test_spf_authorises(authentication: Authentication) -> None:
    """The address that mail comes from passes SPF of the domain in its MAIL FROM.

    What counts is where mail really leaves and with which envelope, not what was planned.
    """
    says, domain = authentication.spf, authentication.spf_domain
    if not authentication.delivery.sender:
        raise NotApplicable("MAIL FROM is empty, see spf.helo and spf.null-sender")
    if says.known().result == "none" and domain in authentication.declared_domains:
        raise NotApplicable(f"{domain} has no SPF record, see spf.exists")
    assert says.result != "permerror", seen(
        f"{says.ip} for {domain}: {says.describe()}",
        fix=f"Repair SPF of {domain} first: it cannot be evaluated.",
    )
    assert says.result == "pass", seen(
        f"{says.ip} with MAIL FROM {quoted(authentication.delivery.sender)}: {says.describe()}",
        fix=_authorising(authentication),
    )


def _authorising(authentication: Authentication) -> str:
    says, term = authentication.spf, authentication.mechanism
    if not says.record:
        return remedy.publish(authentication.spf_domain, remedy.spf_of([term]))
    text = remedy.spf_authorising(says.record, [term], first=not says.by_default)
    return remedy.publish(says.owner, text) + authentication.elsewhere


@check(
    "G SPF or DKIM, bulk: should",
    "Y SPF or DKIM, bulk: should",
    "MS: should",
    "LP: should",
    "RFC9989 4.4.2: should",
    fix=ENVELOPE,
)
def test_spf_align(authentication: Authentication) -> None:
    """MAIL FROM is aligned with the domain in From.

    SPF speaks for MAIL FROM alone; for the author only when both are of one organization.
    """
    if not authentication.delivery.sender:
        raise NotApplicable("MAIL FROM is empty, see spf.null-sender")
    mode, _ = authentication.modes()
    assert authentication.envelope_aligned(mode), seen(
        f"From is of {authentication.author}, MAIL FROM {quoted(authentication.delivery.sender)}",
        at_most="info" if authentication.dkim_aligned() else None,
    )


@check(
    "RFC7208 2.4, 10.1.3: should",
    "RFC9989 4.4.2: should",
    "G SPF or DKIM: should",
    fix=(
        "Give the name that {stream.host} greets with an SPF record that passes, and sign bounces with the domain in "
        "their From (Postfix: internal_mail_filter_classes = bounce, with the signer in non_smtpd_milters)."
    ),
)
def test_spf_null_sender(null_sender: Authentication) -> None:
    """Mail with an empty MAIL FROM is authenticated: by the HELO name, or by a signature.

    Bounces and automatic replies have no envelope sender; the greeting stands in for it.
    """
    if null_sender.delivery.sender:
        raise NotApplicable(f"the host replaced the null sender by {quoted(null_sender.delivery.sender)}")
    says = null_sender.spf.known()
    assert says.result in ("pass", "none"), seen(f"{says.ip} for {quoted(says.domain)}: {says.describe()}")
    assert null_sender.passes, seen(f"From is of {null_sender.author}, {null_sender.describe()}")


@check(
    "EXO 4.7.26: must",
    "G-err 550 5.7.1: must",
    fix=(
        "Add the IPv6 address to SPF of the domain in MAIL FROM, or send over IPv4 alone "
        "(Postfix: inet_protocols = ipv4, Exim: disable_ipv6 = true)."
    ),
)
def test_spf_ipv6_cover(authentication: Authentication) -> None:
    """Mail that comes over IPv6 passes SPF.

    Receivers take mail over IPv6 only when it is authenticated, and hosts choose IPv6 unnoticed.
    """
    if authentication.delivery.peer.version == 4:
        raise NotApplicable("the mail came over IPv4")
    says = authentication.spf.known()
    assert says.result == "pass", seen(
        f"{says.ip} for {quoted(says.domain)}: {says.describe()}",
        fix=_authorising(authentication) if authentication.delivery.sender and says.result != "permerror" else None,
        at_most="should" if authentication.dkim_aligned() else None,
    )
