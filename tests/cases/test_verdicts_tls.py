"""What the rules of the fleet's own servers say of sessions."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from typing import Any

import pytest
from verdicts import FINDING, NOT_APPLICABLE, PASS, UNDETERMINED, Verdict, Zone, built, verdict

from conformance.cases import test_srv, test_tls
from conformance.facts.servercert import Place, require_tls, server_certificate
from conformance.facts.session import Certificate, End, Reply, Session
from conformance.fleet.model import Listener

CERTIFICATE = Certificate(
    subject="CN=mx1.example.com",
    issuer="CN=authority",
    names=("mx1.example.com", "*.example.net"),
    addresses=(),
    not_before="2026-01-01T00:00:00+00:00",
    not_after="2026-12-31T00:00:00+00:00",
    sha256="00",
    verified=True,
)
GOOD = Session(
    "mx1.example.com", 25, "starttls", "203.0.113.1", End.COMPLETE,
    started="2026-06-01T12:00:00+00:00",
    greeting=Reply(220, ("mx1.example.com ready",)),
    ehlo=Reply(250, ("mx1.example.com", "SIZE 1", "STARTTLS")),
    starttls=Reply(220, ("go",)),
    tls_version="TLSv1.3",
    certificate=CERTIFICATE,
    old_tls="refused",
)  # fmt: skip
SUBMISSION = replace(GOOD, port=587, ehlo=Reply(250, ("mx1.example.com", "STARTTLS")))
IMPLICIT = replace(GOOD, port=465, tls="implicit", starttls=None, ehlo=Reply(250, ("mx1.example.com", "AUTH PLAIN")))
PLAIN = replace(
    GOOD, tls_version="", certificate=None, starttls=None, ehlo=Reply(250, ("mx1", "AUTH LOGIN")), old_tls=""
)
DEAD = Session(
    "mx1.example.com", 25, "starttls", "203.0.113.1", End.REFUSED, stage="connect", error="Connection refused"
)
BROKEN_HANDSHAKE = replace(
    GOOD, end=End.TLS_ERROR, stage="handshake", error="no shared cipher", tls_version="", certificate=None, old_tls=""
)


def judged(name: str, session: Session, zone: Zone | None = None, names: tuple[str, ...] | None = None) -> Verdict:
    """Return what a rule says of a session with mx1.example.com, which is 203.0.113.1."""
    listener = Listener(
        session.host, session.port, session.tls, "no", "192.0.2.9", (ipaddress.ip_address("203.0.113.1"),)
    )
    place = Place(listener, names or ("mx1.example.com",), ("example.com", "example.org"))
    facts: dict[str, Any] = {
        "session": session,
        "tls_session": lambda: require_tls(session),
        "server_certificate": lambda: built(server_certificate, zone or {}, place, sessions={listener.id: session}),
    }
    rule = getattr(test_tls, f"test_tls_{name}", None) or getattr(test_srv, f"test_srv_{name}")
    return verdict(rule, *(facts[fact] for fact in rule.check.subjects))


RULES = ("esmtp_ok", "in_starttls", "in_versions", "in_cert", "in_587")


@pytest.mark.parametrize(
    ("session", "not_judged"),
    [
        (GOOD, {"in_587"}),
        (SUBMISSION, {"in_starttls"}),
        (IMPLICIT, {"in_starttls"}),
        (replace(PLAIN, tls="none"), {"in_starttls", "in_versions", "in_cert", "in_587"}),
    ],
)
def test_good_servers(session: Session, not_judged: set[str]) -> None:
    outcomes = {name: judged(name, session).said for name in RULES}
    assert {name for name, said in outcomes.items() if said == NOT_APPLICABLE} == not_judged
    assert {said for name, said in outcomes.items() if name not in not_judged} == {PASS}


@pytest.mark.parametrize("port", [25, 587])
def test_a_dead_server_is_undetermined(port: int) -> None:
    assert {judged(name, replace(DEAD, port=port)).said for name in RULES} <= {UNDETERMINED, NOT_APPLICABLE}
    assert judged("esmtp_ok", replace(DEAD, port=port)).said == UNDETERMINED


FINDINGS: list[tuple[str, Session, str]] = [
    (
        "esmtp_ok",
        replace(PLAIN, ehlo=Reply(502, ("what?",)), helo=Reply(250, ("mx1",))),
        "EHLO is answered by 502 'what?'",
    ),
    (
        "esmtp_ok",
        replace(DEAD, end=End.BAD_GREETING, stage="greeting", error="no SMTP reply: 'x'"),
        "at greeting: no SMTP",
    ),
    ("in_starttls", PLAIN, "STARTTLS is not among"),
    ("in_starttls", replace(PLAIN, ehlo=GOOD.ehlo, starttls=Reply(454, ("no key",))), "answered by 454 'no key'"),
    ("in_versions", replace(GOOD, old_tls="accepted"), "TLS 1.0 or 1.1 is accepted"),
    ("in_versions", replace(BROKEN_HANDSHAKE, old_tls="accepted"), "TLS 1.0 or 1.1 is accepted"),
    ("in_cert", replace(GOOD, started="2027-01-02T00:00:00+00:00"), "it expired on 2026-12-31 00:00 UTC"),
    ("in_cert", replace(GOOD, started="2025-01-02T00:00:00+00:00"), "not valid before 2026-01-01"),
    ("in_587", replace(SUBMISSION, ehlo=Reply(250, ("mx1", "STARTTLS", "AUTH=LOGIN"))), "AUTH is offered before TLS"),
    ("in_587", replace(PLAIN, port=587, tls="none"), "AUTH is offered before TLS; STARTTLS is not among"),
    (
        "in_587",
        replace(BROKEN_HANDSHAKE, port=465, tls="implicit", error="wrong version number"),
        "wrong version number",
    ),
    ("in_587", replace(PLAIN, port=465), "greets in clear text (declared: starttls)"),
]


@pytest.mark.parametrize(("name", "session", "text"), FINDINGS)
def test_findings(name: str, session: Session, text: str) -> None:
    found = judged(name, session)
    assert (found.said, text in found.text) == (FINDING, True), found


@pytest.mark.parametrize(
    ("name", "session"),
    [
        ("esmtp_ok", replace(PLAIN, ehlo=Reply(550, ("not you",)), helo=Reply(550, ("not you",)), end=End.REFUSED)),
        ("esmtp_ok", replace(DEAD, end=End.BAD_GREETING, greeting=Reply(421, ("later",)))),
        ("in_versions", replace(GOOD, old_tls="", old_tls_error="timeout at handshake")),
        ("in_versions", BROKEN_HANDSHAKE),
        ("in_cert", BROKEN_HANDSHAKE),
        ("in_cert", replace(GOOD, certificate=None)),
        ("in_587", replace(DEAD, port=465, tls="implicit")),
    ],
)
def test_what_was_not_seen_is_undetermined(name: str, session: Session) -> None:
    assert judged(name, session).said == UNDETERMINED


def test_names_of_the_certificate() -> None:
    here = {"example.com MX": [(10, "mx.example.net")], "mx.example.net A": ["203.0.113.1"]}
    other = ("mail.internal",)
    assert judged("in_cert", GOOD, here, other) == Verdict(PASS)
    elsewhere = judged("in_cert", GOOD, {**here, "mx.example.net A": ["203.0.113.7"]}, other)
    assert "it is for 'mx1.example.com', '*.example.net', not for mail.internal" in elsewhere.text
    assert judged("in_cert", GOOD, {"example.com MX": None}, other).said == UNDETERMINED
    assert judged("in_cert", GOOD, {**here, "example.org MX": None}, other) == Verdict(PASS)


def test_unknown_exchangers_matter_only_where_the_certificate_could_name_one() -> None:
    unknown, other = {"example.com MX": None}, ("mail.internal",)
    strange = replace(GOOD, certificate=replace(CERTIFICATE, names=("somewhere.else.example",)))
    assert judged("in_cert", strange, unknown, other).said == FINDING
    assert judged("in_cert", strange, {**unknown, "somewhere.else.example A": None}, other).said == UNDETERMINED
    here = {**unknown, "somewhere.else.example A": ["203.0.113.1"]}
    assert judged("in_cert", strange, here, other).said == UNDETERMINED


def test_what_openssl_says_of_the_certificate() -> None:
    alone = replace(CERTIFICATE, verified=False, verify_error="self-signed certificate")
    assert judged("in_cert", replace(GOOD, certificate=alone)).text == "it was not verified: self-signed certificate"
    late = replace(CERTIFICATE, verified=False, verify_error="certificate has expired")
    expired = judged("in_cert", replace(GOOD, certificate=late, started="2027-01-02T00:00:00+00:00"))
    assert expired.text == "it expired on 2026-12-31 00:00 UTC"
