"""What DKIM signatures cover and how, RFC 6376. Findings speak to mail engineers: PYTEST_DONT_REWRITE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.check import NotApplicable, check, listed, seen
from conformance.reading.dkimsig import NO_FROM

if TYPE_CHECKING:
    from conformance.facts.authentication import Authentication

RECOMMENDED = (
    *("reply-to", "subject", "date", "to", "cc", "message-id", "mime-version", "content-type"),
    *("content-transfer-encoding", "in-reply-to", "references"),
    *("resent-date", "resent-from", "resent-to", "resent-cc", "resent-message-id"),
)
OVERSIGNED = ("from", "to", "subject", "date", "reply-to")
TRACES = (
    "return-path",
    "received",
    "comments",
    "keywords",
    "dkim-signature",
    "x-originating-ip",
    "x-originating-email",
)


@check(
    "RFC6376 5.4: must",
    fix="Name From in h= (OpenDKIM: SignHeaders, Exim: dkim_sign_headers; both sign it unless told otherwise).",
)
def test_dkim_from_signed(authentication: Authentication) -> None:
    """Every signature covers From.

    Receivers ignore a signature that does not say whose words it signs.
    """
    open_ones = [one.signature for one in authentication.ours if NO_FROM in one.signature.faults]
    assert not open_ones, seen(f"{listed(one.describe() for one in open_ones)}: h= does not name From")


@check(
    "RFC6376 5.4.1: info",
    fix="Name the fields in h= (OpenDKIM: SignHeaders; Exim: dkim_sign_headers = _DKIM_SIGN_HEADERS).",
)
def test_dkim_headers(authentication: Authentication) -> None:
    """A signature covers the fields that readers see and programs act on.

    What is not signed can be changed on the way, and the signature still holds.
    """
    there = {field.key for field in authentication.message.fields}
    covered = authentication.covered
    bare = [name for name in RECOMMENDED if name in there and name not in covered]
    assert not bare, seen(f"not signed: {listed(bare, most=20)}")


@check(
    "RFC8058 3.1, 4: must",
    "G One-click: must",
    fix="Name List-Unsubscribe and List-Unsubscribe-Post in h= of a signature that holds (OpenDKIM: SignHeaders).",
)
def test_dkim_unsub_signed(authentication: Authentication) -> None:
    """One-click unsubscription is signed.

    Receivers offer the button only where a signature that holds covers both fields.
    """
    if not authentication.message.named("list-unsubscribe-post"):
        raise NotApplicable("the message has no List-Unsubscribe-Post")
    fields = [field for field in _UNSUBSCRIBE if authentication.message.named(field)]
    bare = authentication.unsealed(*fields)
    assert not bare, seen(
        f"no signature that holds covers {listed(bare, joint=' and ')}",
        at_most="should" if authentication.disputed else None,
    )


_UNSUBSCRIBE = ("list-unsubscribe", "list-unsubscribe-post")


@check(
    "RFC6376 5.4: should",
    fix="Take the fields named here out of h= (OpenDKIM: OmitHeaders, Exim: dkim_sign_headers).",
)
def test_dkim_no_trace_signed(authentication: Authentication) -> None:
    """No signature covers fields that change on the way.

    Every host that mail passes adds or takes away some of them, and breaks the signature.
    """
    named = {name for one in authentication.ours for name in one.signature.signed}
    traces = [name for name in TRACES if name in named]
    assert not traces, seen(f"h= names {listed(traces)}")


@check(
    "RFC6376 5.4.2, 8.15: info",
    fix=(
        "Name the fields once more than they are there (OpenDKIM: OversignHeaders From,To,Subject,Date,Reply-To; Exim: "
        "dkim_sign_headers = _DKIM_SIGN_HEADERS:_DKIM_OVERSIGN_HEADERS)."
    ),
)
def test_dkim_oversign(authentication: Authentication) -> None:
    """Nobody can add a second From, To, Subject, Date or Reply-To to signed mail.

    Programs that show the first of two would show a forgery; a field that is named once more than it is there is safe.
    """
    sure = authentication.oversigned
    open_ones = [name for name in OVERSIGNED if name not in sure]
    assert not open_ones, seen(f"can be added unseen: {listed(open_ones)}")


@check(
    "RFC6376 8.2: info",
    fix="Sign the whole body: no l= (OpenDKIM: no BodyLengthDB).",
)
def test_dkim_no_l(authentication: Authentication) -> None:
    """Signatures cover the whole body.

    Behind the length that l= gives anybody can add what he likes.
    """
    cut = [one.signature for one in authentication.ours if one.signature.length is not None]
    assert not cut, seen("; ".join(f"{one.describe()}: l={one.length}" for one in cut))


@check(
    "RFC6376 3.4: info",
    fix="Sign with c=relaxed/relaxed (OpenDKIM: Canonicalization relaxed/relaxed, Exim: dkim_canon = relaxed).",
)
def test_dkim_canon(authentication: Authentication) -> None:
    """Signatures take the header relaxed.

    With simple, one blank that a relay folds otherwise breaks them.
    """
    strict = [one.signature for one in authentication.ours if one.signature.canon[0] == "simple"]
    assert not strict, seen("; ".join(f"{one.describe()}: c={'/'.join(one.canon)}" for one in strict))
