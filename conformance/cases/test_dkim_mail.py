"""DKIM signatures on mail that came, RFC 6376. Findings speak to mail engineers: PYTEST_DONT_REWRITE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.check import NotApplicable, check, findings, listed, seen
from conformance.reading.dkimsig import NO_FROM

if TYPE_CHECKING:
    from conformance.facts.authentication import Authentication
    from conformance.facts.reshaped import Reshaped
    from conformance.facts.signatures import Checked

_DAY = 86_400
LEAST_LIFE = 5 * _DAY
MOST_SKEW = 300
LAST = (
    "Sign last: let nothing rewrite mail between the signer and the wire "
    "(Postfix: the signer as the last smtpd_milters and non_smtpd_milters; Exim: on the transport)."
)
SIGN = (
    "Sign the mail of {stream.author} with d={stream.domain} (Postfix: the signer in smtpd_milters and "
    "non_smtpd_milters; Exim: dkim_domain, dkim_selector and dkim_private_key on the transport)."
)


@check(
    "MS: must",
    "AP: must",
    "GMX: must",
    "OR 535: must",
    "MR: must",
    "CSA: must",
    "NCSC: must",
    "IN: should",
    "Z DKIM: info",
    "G SPF or DKIM, bulk both, 5.7.30: info",
    "Y SPF or DKIM, bulk both: info",
    fix=SIGN,
)
def test_dkim_signed(authentication: Authentication) -> None:
    """Every message carries a DKIM signature.

    The mail of cron jobs, forms and second mail servers on a host is what is forgotten most.
    """
    assert authentication.signatures, seen("the message has no DKIM-Signature")


@check(
    "Z DKIM: must",
    "MS: must",
    "G DKIM: must",
    "RFC6376 6.1.3: should",
    fix=LAST,
)
def test_dkim_valid(authentication: Authentication) -> None:
    """A DKIM signature of every message holds when it arrives.

    A signature that fails is worth no more than none, and costs trust at some receivers.
    """
    found = authentication.ours
    holding = authentication.holding()
    one = next(iter(sorted(found, key=_telling)))
    assert holding, seen(
        "; ".join(each.describe() for each in found),
        fix=_mended(one),
        at_most="should" if any(each.doubtful for each in authentication.signatures) else None,
    )
    testing = [each for each in holding if not each.counts]
    assert len(testing) < len(holding), seen(
        f"{testing[0].signature.describe()}: pass, but the key is in test mode (t=y)",
        fix=f"Remove y from t= at {testing[0].signature.key_name}.",
        at_most="info",
    )


def _telling(one: Checked) -> int:
    """Order signatures by how much their failure says of what to do."""
    return 0 if one.own.body_holds else 1


def _mended(one: Checked) -> str | None:
    """Return the remedy for a signature that does not hold."""
    name = one.signature.key_name
    if one.own.passes or one.own.key_fits or one.own.body_holds is False:
        return LAST
    if one.own.result == "policy":
        return f"Sign with rsa-sha256 and a key of 2048 bits at a new selector of {one.signature.domain}, without x=."
    if one.key and one.own.result == "permerror" and not one.signature.faults:
        return f"Let the record at {name}. admit what it signs ({one.own.reason}), or sign with another selector."
    if not name or one.signature.faults:
        return f"Repair the signer's settings: {'; '.join(one.signature.faults)}."
    return f"Publish the public half of the key that signs at {name}., or sign with the key that is published there."


@check(
    "MS: must",
    "GMX: must",
    "G SPF or DKIM: must",
    "Y SPF or DKIM: must",
    "LP: should",
    "RFC9989 4.4.1: should",
    fix=SIGN,
)
def test_dkim_align(authentication: Authentication) -> None:
    """A signature that holds is aligned with the domain in From.

    Only then does it speak for the author; a provider's own signature beside it does no harm, and no good.
    """
    _need(authentication)
    holding = authentication.holding()
    if not holding:
        raise NotApplicable("no signature holds, see dkim.valid")
    assert authentication.dkim_aligned(), seen(
        f"From is of {authentication.author}, signed is by {listed(one.signature.describe() for one in holding)}",
        at_most="should" if authentication.spf_aligned() else None,
    )


def _need(authentication: Authentication) -> None:
    if not authentication.signatures:
        raise NotApplicable("the message is not signed, see dkim.signed")


@check(
    "Y-faq: should",
    "RFC6376 6.1: info",
    fix="Let every signer on the way hold to the end, or sign once: " + LAST,
)
def test_dkim_all_valid(authentication: Authentication) -> None:
    """No signature of the author's own domain fails.

    One that holds is enough by the RFC; with a failing one beside it some receivers promise nothing.
    """
    _need(authentication)
    if not authentication.holding():
        raise NotApplicable("no signature holds, see dkim.valid")
    failing = findings(authentication.signatures, lambda one: None if one.passes else one)
    ours = [one for one in failing if one in authentication.own]
    assert not failing, seen("; ".join(one.describe() for one in failing), at_most=None if ours else "info")
    authentication.all_verified()


@check(
    "RFC8301 3.1: must",
    "RFC8463 5: should",
    fix="Sign with rsa-sha256 (OpenDKIM: SignatureAlgorithm rsa-sha256, Exim: dkim_hash = sha256).",
)
def test_dkim_alg(authentication: Authentication) -> None:
    """Signatures are made with rsa-sha256 or ed25519-sha256.

    Receivers take no rsa-sha1 any more, and other algorithms never.
    """
    others = [one.signature for one in authentication.ours if one.signature.algorithm not in _ALGORITHMS]
    assert not others, seen("; ".join(f"{one.describe()}: a={one.algorithm[:40]}" for one in others))


_ALGORITHMS = ("rsa-sha256", "ed25519-sha256")


@check(
    "RFC8463 5, 6: should",
    fix="Sign twice: with rsa-sha256 at a selector of its own, besides ed25519-sha256.",
)
def test_dkim_ed25519_dual(authentication: Authentication) -> None:
    """Mail that is signed with ed25519 is signed with RSA too.

    Large receivers know no ed25519: for them such mail is not signed.
    """
    ours = [one.signature for one in authentication.ours]
    modern = [one for one in ours if one.key_type == "ed25519"]
    if not modern:
        raise NotApplicable("no signature is made with ed25519")
    classic = {one.domain for one in ours if one.key_type == "rsa"}
    alone = [one for one in modern if one.domain not in classic]
    assert not alone, seen(f"{listed(one.describe() for one in alone)}: ed25519 alone")


@check(
    "RFC6376 3.2, 3.5, 6.1.1: must",
    fix="Repair the signer's settings so that its signatures have the tags of RFC 6376 section 3.5, each once.",
)
def test_dkim_sig_tags(authentication: Authentication) -> None:
    """The tags of a signature are complete, each once, and agree with each other.

    Receivers ignore a signature that they cannot read.
    """
    faulty = [(one.signature, [why for why in one.signature.faults if why != NO_FROM]) for one in authentication.ours]
    told = [f"{one.describe()}: {'; '.join(faults)}" for one, faults in faulty if faults]
    assert not told, seen("; ".join(told))
    ahead = [(one.signature, (one.signature.at or 0) - authentication.came_at) for one in authentication.ours]
    early = [f"{one.describe()}: t= is {skew:.0f} s after the mail came" for one, skew in ahead if skew > MOST_SKEW]
    fix = f"Set the clock of {authentication.stream.host} by NTP."
    assert not early, seen("; ".join(early), at_most="should", fix=fix)


@check(
    "RFC5321 4.5.4.1: should",
    "RFC6376 3.5: info",
    fix="Leave x= out, or let it be two weeks after t= (OpenDKIM: SignatureTTL 1209600).",
)
def test_dkim_expiry(authentication: Authentication) -> None:
    """A signature outlives the time that mail may wait in a queue.

    Mail that was deferred for four days arrives with a signature that has expired.
    """
    ends = [(one.signature, one.signature.expires) for one in authentication.ours]
    lives = [(one, end - (one.at or authentication.came_at)) for one, end in ends if end is not None]
    if not lives:
        raise NotApplicable("no signature has x=")
    short = [f"{one.describe()}: x= is {life / _DAY:.1f} days after t=" for one, life in lives if life < LEAST_LIFE]
    assert not short, seen("; ".join(short))


@check(
    "RFC6376 5.3: should",
    "Z DKIM: should",
    fix=LAST,
)
def test_dkim_sign_after_edit(authentication: Authentication) -> None:
    """Nothing edits a message after it was signed.

    Footers, virus notes and rewritten headers are what breaks signatures most.
    """
    edited = findings(authentication.ours, lambda one: one.edited or None)
    assert not edited, seen("; ".join(edited))


@check(
    "RFC6376 5.3: must",
    "RFC5321 4.5.3.1.6: must",
    fix=(
        "Convert to quoted-printable or base64 before signing (Postfix from 3.9: force_mime_input_conversion = yes; "
        "others: in the application), and write no line over 998 octets."
    ),
)
def test_dkim_transport_safe(converted: tuple[Reshaped, ...]) -> None:
    """Signatures hold at a receiver that takes no 8-bit data, and on lines that are too long for SMTP.

    Whoever has to rewrite a signed body on the way breaks what was signed.
    """
    broken = findings(converted, _told)
    assert not broken, seen("; ".join(broken))


@check(
    "RFC6376 3.4.3, 3.4.4, 5.3: must",
    "RFC5321 4.5.2: must",
    fix="Sign the message as it goes over the wire: lines end in CRLF, dots not yet doubled (OpenDKIM: FixCRLF yes).",
)
def test_dkim_crlf_safe(transcribed: tuple[Reshaped, ...]) -> None:
    """Signatures hold on lines that begin with dots, and on line ends that the sender wrote otherwise.

    SMTP writes both in its own way; the signer has to see what the receiver will.
    """
    broken = findings(transcribed, _told)
    assert not broken, seen("; ".join(broken))


def _told(one: Reshaped) -> str:
    return f"{one.about}: {one.broken}" if one.broken else ""
