"""DANE of the mail exchangers of the fleet's domains. Findings speak to mail engineers: PYTEST_DONT_REWRITE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.check import check, seen

if TYPE_CHECKING:
    from conformance.facts.dane import Dane


@check(
    "RFC7671 8: must",
    "RFC7672 3.1.3: should",
    "RFC7672 3.1: info",
    "IN: must",
    fix=(
        "Publish for each mail exchanger of {domain.name}: _25._tcp.<mail exchanger>. IN TLSA 3 1 1 <SHA-256 of the "
        "public key>, which openssl x509 -in <certificate> -noout -pubkey | openssl pkey -pubin -outform DER | "
        "openssl dgst -sha256 gives."
    ),
)
def test_dane_tlsa(dane: Dane) -> None:
    """TLSA records of every mail exchanger in a signed zone match the certificate that it shows.

    Senders that verify them deliver nothing while no record matches. Without records they cannot tell the server from
    somebody in between.
    """
    mismatched = dane.mismatched
    assert not mismatched, seen("; ".join(mismatched), fix=dane.to_publish or None)
    unusable = dane.unusable
    assert not unusable, seen("; ".join(unusable), at_most="should", aspect="unusable")
    missing = dane.missing
    assert not missing, seen("; ".join(missing), at_most="info", aspect="missing")


@check(
    "RFC7671 8: must",
    "RFC7671 8.1: info",
    "IN: info",
    fix=(
        "Publish two records for each mail exchanger of {domain.name}: _25._tcp.<mail exchanger>. IN TLSA 3 1 1 "
        "<SHA-256 of the public key in use>, and the same of the key that comes next, two TTLs before it is in use; "
        "remove what matches neither."
    ),
)
def test_dane_rollover(dane: Dane) -> None:
    """TLSA records are there for the key in use and for the next one, and each kind of them matches.

    A key that is changed before its record is known to all senders stops the mail of those that verify.
    """
    stale = dane.stale
    assert not stale, seen("; ".join(stale), aspect="stale")
    lonely = dane.lonely
    assert not lonely, seen("; ".join(lonely), at_most="info", aspect="next")
