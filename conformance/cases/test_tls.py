"""TLS of the fleet's own servers. Findings speak to mail engineers: PYTEST_DONT_REWRITE."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from conformance.check import NotApplicable, Undetermined, check, findings, listed, seen
from conformance.reading.excerpt import quoted

if TYPE_CHECKING:
    from conformance.facts.servercert import ServerCertificate
    from conformance.facts.session import Session

SUBMISSION = 587
IMPLICIT = 465
MODERN = ("TLSv1.2", "TLSv1.3")
DATES = re.compile("expired|not yet valid")
"""What OpenSSL says of a certificate whose dates are told already."""
PLAIN = re.compile("wrong version number|packet length too long|record layer failure")
"""What OpenSSL says of an answer that is no TLS at all."""


@check(
    "IN: must",
    "NCSC: must",
    "OR: should",
    fix="Offer STARTTLS at {listener.id} (Postfix smtpd_tls_security_level = may, Exim tls_advertise_hosts = *).",
)
def test_tls_in_starttls(session: Session) -> None:
    """Every listener that is declared with STARTTLS offers it and begins it.

    Without it mail comes in readable for everybody on the way.
    """
    _require_declared(session)
    if session.tls == "implicit":
        raise NotApplicable("TLS begins with the connection")
    if session.port == SUBMISSION:
        raise NotApplicable("it is a submission port, see tls.in-587")
    assert "STARTTLS" in session.extensions, seen("STARTTLS is not among the extensions after EHLO")
    assert not _refusal(session), seen(_refusal(session))
    _require_begun(session)


def _require_declared(session: Session) -> None:
    if session.tls == "none":
        raise NotApplicable(f"{session.id} is declared without TLS")


def _require_begun(session: Session) -> None:
    if session.tls != "none" and not session.tls_version and session.old_tls != "accepted":
        raise session.undetermined("TLS")


def _refusal(session: Session) -> str:
    reply = session.starttls
    if reply is None or reply.code == 220:
        return ""
    return f"STARTTLS is offered, but answered by {reply.code} {quoted(' '.join(reply.lines))}"


@check(
    "RFC8996: must",
    "IN: must",
    "NCSC-NL: must",
    "RFC9325 3.1.1: should",
    fix="Take TLS 1.2 and later only at {listener.id} (Postfix 3.6 and later smtpd_tls_protocols = "
    ">=TLSv1.2, before !SSLv2, !SSLv3, !TLSv1, !TLSv1.1; Exim openssl_options).",
)
def test_tls_in_versions(tls_session: Session) -> None:
    """Every listener takes TLS 1.2 or later and nothing older.

    TLS 1.0 and 1.1 are given up as insecure.
    """
    assert tls_session.old_tls != "accepted", seen("TLS 1.0 or 1.1 is accepted")
    assert tls_session.tls_version in MODERN, seen(f"the session came to {tls_session.tls_version}")
    if tls_session.old_tls != "refused":
        why = tls_session.old_tls_error or "it was not tried"
        raise Undetermined(f"whether {tls_session.id} takes TLS 1.0 or 1.1 was not seen: {why}")


@check(
    "NCSC: must",
    "IN: info",
    "RFC8461 4.2: info",
    fix="Install at {listener.id} a certificate of a public authority for the name that MX records give it.",
)
def test_tls_in_cert(server_certificate: ServerCertificate) -> None:
    """The certificate of every listener is for a name that leads to it, valid today, and of a known authority.

    Senders that verify refuse to deliver otherwise; the others cannot tell the server from an impostor.
    """
    faults = findings((_dates, _authority, _name), lambda judge: judge(server_certificate))
    assert not faults, seen("; ".join(faults))


def _dates(presented: ServerCertificate) -> str:
    return presented.lapsed


def _authority(presented: ServerCertificate) -> str:
    error = presented.certificate.verify_error
    told = presented.lapsed and DATES.search(error)
    return "" if presented.certificate.verified or told else f"it was not verified: {error}"


def _name(presented: ServerCertificate) -> str:
    if presented.stands_for:
        return ""
    names = listed(quoted(name) for name in presented.certificate.names) or "no name"
    return f"it is for {names}, not for {listed(presented.place.names)} or an MX that leads here"


@check(
    "RFC8314 4.1: must",
    "RFC8314 3.3: should",
    "RFC6409 4.3: should",
    fix=(
        "Offer AUTH inside TLS only at {listener.id}: STARTTLS on 587 (Postfix smtpd_tls_auth_only = yes), TLS from "
        "the first octet on 465 (smtpd_tls_wrappermode = yes)."
    ),
    waivable=False,
)
def test_tls_in_587(session: Session) -> None:
    """Submission offers TLS, and AUTH inside TLS only.

    A password that goes in clear text once is everybody's.
    """
    if session.port not in (SUBMISSION, IMPLICIT):
        raise NotApplicable("it is no submission port")
    implicit = session.port == IMPLICIT or session.tls == "implicit"
    faults = _of_implicit(session) if implicit else _of_starttls(session)
    assert not faults, seen("; ".join(faults))
    _require_begun(session)


def _of_starttls(session: Session) -> list[str]:
    faults = []
    if any(word.partition("=")[0] == "AUTH" for word in session.extensions):
        faults.append("AUTH is offered before TLS")
    if "STARTTLS" not in session.extensions:
        faults.append("STARTTLS is not among the extensions after EHLO")
    return [*faults, *([_refusal(session)] if _refusal(session) else [])]


def _of_implicit(session: Session) -> list[str]:
    if session.tls == "implicit":
        plain = session.end == "tls-error" and PLAIN.search(session.error) and session.old_tls != "accepted"
        return [f"TLS does not begin with the connection: {session.error}"] if plain else []
    session.need(session.greeting, "the banner")
    return [f"the server greets in clear text (declared: {session.tls})"]
