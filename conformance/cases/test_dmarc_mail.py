"""DMARC of mail that came, RFC 9989. Findings speak to mail engineers: PYTEST_DONT_REWRITE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.check import NotApplicable, check, findings, seen

if TYPE_CHECKING:
    from conformance.facts.authentication import Authentication
    from conformance.facts.participation import Participation

SIGN = "Sign the mail of {stream.author} with d={stream.domain}, by a key that is published."
BOTH = (
    SIGN
    + " Send it with MAIL FROM in {stream.domain} or a subdomain, from an address that the SPF record there authorises."
)


@check(
    "G-err 550 5.7.1: must",
    "RFC9989 4.2, 11.5: should",
    "Y: should",
    fix="Write one From field with one address of {stream.domain} in it; name others in Reply-To.",
)
def test_dmarc_from_one(authentication: Authentication) -> None:
    """From is one field, with addresses of one domain.

    DMARC asks for the policy of the domain in From: with several of them, or none, receivers refuse.
    """
    assert not authentication.author_fault, seen(authentication.author_fault)


@check(
    "Y: must",
    "MS 5.7.515: must",
    "OR: must",
    "LP: must",
    "QQ: must",
    "G bulk, 5.7.32: info",
    fix=BOTH,
)
def test_dmarc_pass(authentication: Authentication) -> None:
    """Every message passes DMARC.

    Neither its envelope sender nor a signature stands for the domain in From otherwise: receivers apply its policy.
    """
    source = authentication.applied
    assert authentication.passes, seen(
        f"From is of {authentication.author}, {authentication.describe()}; "
        f"the record of {source.domain} asks for {authentication.policy}",
        at_most="should" if authentication.doubtful else None,
    )


def _need_pass(authentication: Authentication) -> None:
    if not authentication.passes:
        raise NotApplicable("the message does not pass DMARC, see dmarc.pass")


@check(
    "GMX: must",
    "RFC9989 7.4, 8: info",
    fix=SIGN,
)
def test_dmarc_pass_dkim(authentication: Authentication) -> None:
    """Every message passes DMARC by DKIM, not by SPF alone.

    SPF does not survive the first forwarder.
    """
    _need_pass(authentication)
    assert authentication.dkim_aligned(), seen(
        f"by SPF alone: {authentication.describe()}", at_most="should" if authentication.doubtful else None
    )


@check(
    "G SPF and DKIM: should",
    "MS: info",
    "RFC9989 8: info",
    fix=BOTH,
)
def test_dmarc_pass_both(authentication: Authentication) -> None:
    """Every message passes DMARC by SPF and by DKIM.

    Where one of them fails on the way, or in the DNS of a bad day, the other one holds.
    """
    _need_pass(authentication)
    ways = (("DKIM", lambda: bool(authentication.dkim_aligned())), ("SPF", authentication.spf_aligned))
    missing = findings(ways, lambda way: None if way[1]() else way[0])
    assert not missing, seen(f"not by {missing[0]}: {authentication.describe()}")


@check(
    "RFC9989 3.2.10.2: should",
    fix=(
        "Sign with d={stream.domain} itself where adkim=s, send with MAIL FROM in {stream.domain} itself where aspf=s; "
        "or publish relaxed alignment."
    ),
)
def test_dmarc_strict_ok(authentication: Authentication) -> None:
    """Where the DMARC record asks for strict alignment, identifiers are the very domain in From.

    A subdomain is not aligned then, though it would be otherwise.
    """
    aspf, adkim = authentication.applied.record.aspf, authentication.applied.record.adkim
    if (aspf, adkim) == ("r", "r"):
        raise NotApplicable("the record asks for relaxed alignment")
    ways = (
        ("aspf=s", aspf == "s" and authentication.spf_aligned("r") and not authentication.spf_aligned("s")),
        ("adkim=s", adkim == "s" and authentication.dkim_aligned("r") and not authentication.dkim_aligned("s")),
    )
    lost = [way for way, is_lost in ways if is_lost]
    assert not lost, seen(
        f"{' and '.join(lost)}: From is of {authentication.author}, {authentication.describe()}",
        at_most="info" if authentication.passes else None,
    )


@check(
    "RFC9989 7.4, 8: must",
    fix=SIGN + " Until then publish p=none for {stream.domain}.",
)
def test_dmarc_reject_needs_dkim(authentication: Authentication) -> None:
    """Where the policy is to reject, all mail has an aligned signature.

    Mail that has SPF alone is refused as soon as somebody forwards it.
    """
    policy = authentication.applied.record.policy(subdomain=authentication.applied.kind != "author")
    if policy != "reject":
        raise NotApplicable(f"the policy is {policy or 'none'}")
    assert authentication.dkim_aligned(), seen(
        f"p=reject, and {authentication.describe()}", at_most="should" if authentication.doubtful else None
    )


@check(
    "RFC9989 8: info",
    fix="Do what is named here for {stream.domain}; then its owner takes part in DMARC to the full.",
)
def test_dmarc_participation(participation: Participation) -> None:
    """The author's domain takes part in DMARC to the full.

    SPF and DKIM aligned, records at the domain and its organization, a mailbox for reports: then policies can bite.
    """
    missing = findings(participation.parts, lambda part: part())
    assert not missing, seen("; ".join(missing))
