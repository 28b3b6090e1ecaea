"""What the rules on DANE say of records, of how they were answered, and of certificates."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from verdicts import FINDING, NOT_APPLICABLE, PASS, UNDETERMINED, Verdict, built, domain, verdict

from conformance.cases import test_dane
from conformance.check import Level
from conformance.facts.dane import Dane, Exchanger, Place, dane
from conformance.facts.session import Authority, Certificate, Digests, End, Reply, Session
from conformance.fleet.model import Listener

LEAF = Digests("1a" * 32, "1b" * 64, "1c" * 32, "1d" * 64)
ISSUER = Digests("2a" * 32, "2b" * 64, "2c" * 32, "2d" * 64)
ROOT = Digests("3a" * 32, "3b" * 64, "3c" * 32, "3d" * 64)
YEAR = "2026-01-01T00:00:00+00:00", "2026-12-31T00:00:00+00:00"
CERTIFICATE = Certificate(
    "CN=mx", "CN=issuer", ("mx.example.net",), (), *YEAR, LEAF.sha256,
    verified=True,
    digests=LEAF,
    path=(Authority("CN=issuer", ISSUER, *YEAR), Authority("CN=root", ROOT, *YEAR)),
)  # fmt: skip
SESSION = Session(
    "mx.example.net", 25, "starttls", "203.0.113.1", End.COMPLETE,
    started="2026-06-01T12:00:00+00:00",
    greeting=Reply(220, ("ready",)),
    ehlo=Reply(250, ("mx.example.net", "STARTTLS")),
    starttls=Reply(220, ("go",)),
    tls_version="TLSv1.3",
    certificate=CERTIFICATE,
)  # fmt: skip
LISTENER = Listener("mx.example.net", 25, "starttls", "no", "192.0.2.9", (ipaddress.ip_address("203.0.113.1"),))
ZONE: dict[str, Any] = {
    "example.com MX": [(10, "mx.example.net")],
    "example.com SOA": ["soa"],
    "example.net SOA": ["soa"],
    "mx.example.net A": ["203.0.113.1"],
}
SIGNED = ("example.com", "example.net")
KEY, NEXT = f"3 1 1 {LEAF.key_sha256}", f"3 1 1 {'ff' * 32}"
SERVICE = "_25._tcp.mx.example.net TLSA"


def facts(
    records: Sequence[str] = (),
    *,
    session: Session = SESSION,
    listener: Listener = LISTENER,
    zone: dict[str, Any] | None = None,
    signed: Sequence[str] = SIGNED,
) -> Dane:
    """Return the exchangers of example.com, which is mx.example.net unless ``zone`` says otherwise."""
    whole = {**ZONE, SERVICE: list(records), **(zone or {})}
    place = Place(domain(), (listener,))
    shown = replace(session, sni=listener.sni)
    found: Dane = built(dane, whole, place, sessions={listener.id: shown}, signed=signed)
    return found


def matched(records: Sequence[str] = (), **more: Any) -> Verdict:
    return verdict(test_dane.test_dane_tlsa, facts(records, **more))


def rolled(records: Sequence[str] = (), **more: Any) -> Verdict:
    return verdict(test_dane.test_dane_rollover, facts(records, **more))


def with_certificate(**changes: Any) -> Session:
    return replace(SESSION, certificate=replace(CERTIFICATE, **changes))


MATCHING = [
    KEY,
    f"3 0 1 {LEAF.sha256}",
    f"3 0 2 {LEAF.sha512}",
    f"3 1 2 {LEAF.key_sha512}",
    f"2 1 1 {ISSUER.key_sha256}",
    f"2 0 1 {ROOT.sha256}",
    f"2 0 2 {ROOT.sha512}",
]


@pytest.mark.parametrize("record", MATCHING)
def test_records_that_match(record: str) -> None:
    assert matched([record]).said == PASS
    assert matched([NEXT, record]).said == PASS


@pytest.mark.parametrize(
    "session",
    [
        with_certificate(not_after="2026-01-02T00:00:00+00:00"),
        with_certificate(names=("elsewhere.example",)),
        with_certificate(verified=False, verify_error="certificate has expired", path=()),
    ],
)
def test_names_and_dates_do_not_matter_to_a_key_of_the_server_itself(session: Session) -> None:
    assert matched([KEY], session=session).said == PASS


@pytest.mark.parametrize(
    ("session", "text"),
    [
        (with_certificate(not_after="2026-01-02T00:00:00+00:00"), "but it expired on 2026-01-02"),
        (with_certificate(names=("elsewhere.example",)), "for 'elsewhere.example', not for mx.example.net"),
        (with_certificate(path=()), "another certificate"),
        (
            with_certificate(path=(replace(CERTIFICATE.path[0], not_after=YEAR[0]), CERTIFICATE.path[1])),  # type: ignore[index]
            "but it expired on 2026-01-01",
        ),
    ],
)
def test_names_and_dates_matter_to_an_authority(session: Session, text: str) -> None:
    found = matched([f"2 1 1 {ROOT.key_sha256}"], session=session)
    assert (found.said, found.at_most, text in found.text) == (FINDING, None, True), found


@pytest.mark.parametrize("names", [("example.com",), ("*.example.net",), ("x.example", "mx.example.net")])
def test_the_mail_domain_is_a_name_too(names: tuple[str, ...]) -> None:
    assert matched([f"2 1 1 {ISSUER.key_sha256}"], session=with_certificate(names=names)).said == PASS


@pytest.mark.parametrize(
    "records",
    [
        [NEXT],
        [f"2 1 1 {LEAF.key_sha256}"],
        [f"3 1 1 {ISSUER.key_sha256}"],
        [f"3 0 1 {LEAF.key_sha256}"],
        [NEXT, f"1 1 1 {LEAF.key_sha256}"],
    ],
)
def test_records_that_match_nothing(records: list[str]) -> None:
    found = matched(records)
    assert (found.said, found.at_most) == (FINDING, None), found
    assert LEAF.key_sha256 in found.text
    assert f"_25._tcp.mx.example.net. IN TLSA 3 1 1 {LEAF.key_sha256}." in (found.fix or "")


@pytest.mark.parametrize(
    ("session", "text"),
    [
        (replace(SESSION, ehlo=Reply(250, ("mx",)), certificate=None, starttls=None), "offers no STARTTLS"),
        (replace(SESSION, starttls=Reply(454, ("no",)), certificate=None), "answers STARTTLS by 454"),
    ],
)
def test_records_without_tls(session: Session, text: str) -> None:
    found = matched([KEY], session=session)
    assert (found.said, found.at_most, text in found.text) == (FINDING, None, True), found


@pytest.mark.parametrize(
    ("record", "text"),
    [
        (f"1 1 1 {LEAF.key_sha256}", "usage 1, PKIX-EE, is not for SMTP"),
        (f"0 0 1 {ROOT.sha256}", "usage 0, PKIX-TA, is not for SMTP"),
        ("3 1 1 abcd", "SHA-256 has 32 octets, not 2"),
        (f"3 1 2 {LEAF.key_sha256}", "SHA-512 has 64 octets"),
        (f"3 7 1 {LEAF.key_sha256}", "no selector 7"),
    ],
)
def test_records_that_nobody_uses(record: str, text: str) -> None:
    for records in ([record], [KEY, record]):
        found = matched(records)
        assert (found.said, found.at_most, text in found.text) == (FINDING, Level.SHOULD, True), found
    assert rolled([record]).said == NOT_APPLICABLE


def test_none_in_a_signed_zone_is_told() -> None:
    found = matched()
    assert (found.said, found.at_most, found.text) == (FINDING, Level.INFO, "_25._tcp.mx.example.net TLSA: NXDOMAIN")
    assert rolled().said == NOT_APPLICABLE


def test_none_in_an_unsigned_zone_does_not_matter() -> None:
    for records in ([], [NEXT]):
        found = matched(records, signed=["example.com"])
        assert (found.said, found.text) == (NOT_APPLICABLE, "the zone of mx.example.net is not signed")
        assert rolled(records, signed=["example.com"]).said == NOT_APPLICABLE


def test_the_zone_of_the_exchanger_decides_and_not_that_of_the_domain() -> None:
    assert matched([NEXT], signed=["example.net"]).said == FINDING


@pytest.mark.parametrize("rule", [matched, rolled])
@pytest.mark.parametrize(
    "world",
    [
        # The resolver does not validate: the zone has a DS record, and no answer has AD.
        {"zone": {"example.net DS": ["1 13 2 ab"]}, "signed": []},
        {"zone": {SERVICE: None}},
        {"zone": {"mx.example.net A": None, "mx.example.net AAAA": None}},
        {"zone": {"mx.example.net A": None, "mx.example.net A +cdflag": ["203.0.113.1"]}},
        {"zone": {"example.com MX": None}},
        # The addresses are validated, the TLSA records are not.
        {"zone": {SERVICE: "-> tlsa.example.org", "tlsa.example.org TLSA": [KEY]}},
        {"zone": {SERVICE: "-> tlsa.example.org", "tlsa.example.org A": ["203.0.113.1"]}},
    ],
)
def test_what_was_not_validated_is_undetermined(rule: Any, world: dict[str, Any]) -> None:
    assert rule([KEY, NEXT], **world).said == UNDETERMINED


@pytest.mark.parametrize(
    "session",
    [
        Session("mx.example.net", 25, "starttls", "203.0.113.1", End.TIMEOUT, stage="connect"),
        replace(SESSION, certificate=None, tls_version="", end=End.TLS_ERROR, stage="handshake"),
        with_certificate(digests=None, path=None),
    ],
)
def test_a_certificate_that_was_not_seen_is_undetermined(session: Session) -> None:
    assert matched([NEXT], session=session).said == UNDETERMINED
    assert rolled([KEY, NEXT], session=session).said == UNDETERMINED


def test_an_authority_that_was_not_seen_is_undetermined() -> None:
    anchor = f"2 1 1 {ISSUER.key_sha256}"
    assert matched([anchor], session=with_certificate(path=None)).said == UNDETERMINED
    assert rolled([KEY, anchor], session=with_certificate(path=None)).said == UNDETERMINED
    assert matched([KEY, anchor], session=with_certificate(path=None)).said == PASS
    assert matched(["2 0 0 3003020105"]).said == UNDETERMINED


def test_a_run_that_dials_nobody_judges_the_records_alone() -> None:
    skipped = Session.begun(LISTENER, End.SKIPPED, error="this run opens no SMTP session (probe level none)")
    assert matched([KEY], session=skipped).said == NOT_APPLICABLE
    assert matched([f"1 1 1 {LEAF.key_sha256}"], session=skipped).said == FINDING
    assert matched([], session=skipped).said == FINDING


def test_exchangers_of_others_are_not_dialled() -> None:
    elsewhere = replace(LISTENER, host="mx1.example.org", addresses=())
    found = matched([NEXT], listener=elsewhere)
    assert (found.said, "no listener of the fleet" in found.text) == (NOT_APPLICABLE, True)
    assert matched([], listener=elsewhere).said == FINDING
    assert rolled([KEY], listener=elsewhere).said == FINDING
    assert rolled([KEY, NEXT], listener=elsewhere).said == PASS
    assert rolled([KEY, f"3 0 1 {LEAF.sha256}"], listener=elsewhere).said == FINDING


def test_a_listener_under_another_name_is_asked_for_that_of_the_records() -> None:
    listener = replace(LISTENER, host="node7.example.org", sni="mx.example.net")
    session = replace(SESSION, host="node7.example.org")
    assert matched([KEY], listener=listener, session=session).said == PASS
    found = matched([NEXT], listener=listener, session=session)
    assert (found.said, "node7.example.org:25 as mx.example.net shows" in found.text) == (FINDING, True), found


def test_records_are_sought_where_aliases_lead_first() -> None:
    alias = {
        "example.com MX": [(10, "mail.example.com")],
        "mail.example.com A": "-> mx.example.net",
        "mail.example.com AAAA": "-> mx.example.net",
    }
    assert matched([KEY], zone=alias).said == PASS
    assert matched([NEXT], zone=alias).said == FINDING
    own = {**alias, "_25._tcp.mail.example.com TLSA": [KEY]}
    listener = replace(LISTENER, sni="mail.example.com")
    assert matched([], zone=own, listener=listener).said == PASS
    assert matched([NEXT], zone=own).said == FINDING
    missing = matched([], zone=alias)
    assert (missing.at_most, missing.text) == (Level.INFO, "_25._tcp.mx.example.net TLSA: NXDOMAIN")


def test_domains_without_exchangers() -> None:
    assert matched(zone={"example.com MX": [(0, ".")]}).said == NOT_APPLICABLE
    assert matched(zone={"example.com MX": []}).said == NOT_APPLICABLE
    assert matched(zone={"example.com MX": [(10, "gone.example.net")]}).said == NOT_APPLICABLE


def test_without_mx_the_domain_is_its_own_exchanger() -> None:
    zone = {"example.com MX": [], "example.com A": ["203.0.113.1"]}
    found = matched(zone=zone)
    assert (found.said, found.text) == (FINDING, "_25._tcp.example.com TLSA: NXDOMAIN")


@pytest.mark.parametrize(
    "records",
    [
        [KEY, NEXT],
        [KEY, f"2 1 1 {ISSUER.key_sha256}"],
        [KEY, NEXT, f"3 0 1 {LEAF.sha256}", f"3 0 1 {'ee' * 32}"],
        [f"2 1 1 {ISSUER.key_sha256}", f"2 1 1 {'ee' * 32}"],
    ],
)
def test_a_next_key(records: list[str]) -> None:
    assert rolled(records).said == PASS


@pytest.mark.parametrize("records", [[KEY], [KEY, KEY], [KEY, f"3 0 1 {LEAF.sha256}"], [f"2 1 1 {ROOT.key_sha256}"]])
def test_no_next_key(records: list[str]) -> None:
    found = rolled(records)
    assert (found.said, found.at_most) == (FINDING, Level.INFO), found


@pytest.mark.parametrize("other", [f"3 1 2 {'ee' * 64}", f"3 0 1 {'ee' * 32}", f"2 1 1 {'ee' * 32}"])
def test_a_kind_of_records_that_does_not_match(other: str) -> None:
    found = rolled([KEY, NEXT, other])
    assert (found.said, found.at_most, f"no record {other[:5]} matches" in found.text) == (FINDING, None, True), found


def test_rollover_leaves_to_the_other_rule_what_matches_nothing() -> None:
    assert rolled([NEXT, f"3 1 1 {'ee' * 32}"]).said == NOT_APPLICABLE


def test_exchangers_are_looked_at_once() -> None:
    zone = {"bounce.example.com MX": [(10, "mx.example.net")]}
    found: Dane = built(
        dane,
        {**ZONE, **zone, SERVICE: [KEY]},
        Place(domain(envelope="bounce.example.com"), (LISTENER,)),
        sessions={LISTENER.id: SESSION},
        signed=SIGNED,
    )
    (one,) = found.exchangers
    assert isinstance(one, Exchanger)
    assert one.domains == ("example.com", "bounce.example.com")
