"""What is said of mail for exchanges with TLSA records."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from conformance.facts.answer import Answer, Status
from conformance.facts.daneclient import Dane
from conformance.facts.store import Recorded, Store
from conformance.facts.tried import made
from conformance.fleet.model import Stream
from conformance.outcome import NotApplicable, Undetermined
from tests.facts.tries import ENDLESS, said, trial, view

DOMAIN = "conform.example.net"
LEFT: dict[str, Any] = {"tls": {"version": "", "error": "refused"}, "transactions": [], "ended": "handshake"}
CLEAR: dict[str, Any] = {"tls": False, "transactions": []}
SENT = "TLSA records for another key: the message was sent all the same, {}"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ""),
        ({"sessions": [LEFT]}, ""),
        ({"sessions": [LEFT, LEFT | {"at": 300}], "until": -250}, ""),
        ({"sessions": [{}]}, SENT.format("inside TLS")),
        ({"sessions": [LEFT, {"at": 3, "tls": False}]}, SENT.format("in clear text")),
        ({"sessions": [LEFT], "until": -580}, "undetermined: mx1/news dane-another-key: the TLS handshake failed"),
        ({"sessions": [LEFT], "until": -580, "returns": [{}]}, ""),
        ({"sessions": [LEFT | {"at": 1 + 0.5 * n} for n in range(12)], "until": -585}, ""),
        ({"sessions": [CLEAR]}, "undetermined: mx1/news dane-another-key: sessions came without the mail"),
        ({"sessions": []}, "undetermined: mx1/news dane-another-key: nothing came"),
        ({"sessions": [], "until": ENDLESS}, "undetermined: mx1/news dane-another-key: nothing came"),
    ],
)
def test_mail_for_another_key(changes: dict[str, Any], expected: str) -> None:
    text = said(lambda: view(Dane, trial("dane-another-key", **changes)).sent_to_another_key)
    assert text.startswith(expected), text
    assert bool(text) is bool(expected), text


@pytest.mark.parametrize(
    ("over", "plain", "expected"),
    [
        ({}, {}, ""),
        ({}, {"sessions": []}, ""),
        (
            {"sessions": [{}]},
            {},
            "TLSA records for another key, and an enforced MTA-STS policy that all agrees with: the",
        ),
        ({"sessions": [{}]}, {"sessions": [{}]}, "not applicable: TLSA records are not obeyed"),
        ({"sessions": []}, {}, "undetermined: mx1/news sts-dane: nothing came"),
    ],
)
def test_mail_that_a_policy_lets_pass(over: dict[str, Any], plain: dict[str, Any], expected: str) -> None:
    both = view(Dane, trial("sts-dane", **over), trial("dane-another-key", **plain))
    text = said(lambda: both.overridden)
    assert text.startswith(expected), text
    assert bool(text) is bool(expected), text


@pytest.mark.parametrize(
    ("changes", "withheld", "clear"),
    [
        ({}, "", ""),
        ({"sessions": [{"tls": False}]}, "", "TLSA records for the key"),
        ({"sessions": [LEFT]}, "undetermined: mx1/news dane-bad-certificate", ""),
        ({"sessions": [LEFT], "returns": [{}]}, "TLSA records for the key", ""),
        ({"sessions": [LEFT, LEFT | {"at": 300}]}, "TLSA records for the key", ""),
        ({"sessions": [LEFT, {"at": 300}]}, "", ""),
        ({"sessions": []}, "undetermined: ", "undetermined: "),
    ],
)
def test_mail_for_the_key_that_is_named(changes: dict[str, Any], withheld: str, clear: str) -> None:
    one = view(Dane, trial("dane-bad-certificate", **changes))
    for expected, text in ((withheld, said(lambda: one.withheld)), (clear, said(lambda: one.clear))):
        assert text.startswith(expected), text
        assert bool(text) is bool(expected), text


SOA = Answer(
    DOMAIN, "SOA", Status.FOUND, "NOERROR", ("ns 1 2 3 4 5",), server="192.0.2.53", authenticated=True, zone=DOMAIN
)
DS = Answer(DOMAIN, "DS", Status.FOUND, "NOERROR", ("1 13 2 AB",))
DOT = Answer(".", "SOA", Status.FOUND, "NOERROR", ("a 1 2 3 4 5",))


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ((SOA,), ""),
        ((replace(SOA, authenticated=False), replace(DS, status=Status.ABSENT, records=())), "DS is not there"),
        ((replace(SOA, authenticated=False), DS, DOT), "DS is there, but 192.0.2.53 does not validate"),
        ((replace(SOA, authenticated=False),), "the answer lacks AD"),
        ((replace(SOA, status=Status.UNDETERMINED, rcode="SERVFAIL", authenticated=False),), "SOA: SERVFAIL"),
        ((), "SOA: not among the gathered facts"),
    ],
)
def test_trials_count_where_the_zone_was_validated(answers: tuple[Answer, ...], expected: str) -> None:
    store = Store()
    for answer in answers:
        store.add(answer)
    one = trial("dane-another-key", sessions=[{}])
    store.trials[one.key] = one
    stream = Stream("mx1", "news", "news@example.com", "example.com", "example.com", claims=("dane",))
    held = asyncio.run(Dane.of("dane-another-key")(Recorded(store), stream))
    if not expected:
        assert held.sent_to_another_key
        return
    with pytest.raises(Undetermined) as error:
        _ = held.sent_to_another_key
    assert error.value.text.startswith(f"mx1/news dane-another-key: {DOMAIN} was not validated")
    assert expected in error.value.text


def test_what_a_host_does_not_claim_is_not_tried() -> None:
    stream = Stream("mx1", "news", "news@example.com", "example.com", "example.com", claims=("dane",))
    with pytest.raises(NotApplicable, match="mailconform_tls_policies of mx1 does not name mta-sts"):
        asyncio.run(made(None, stream, "sts-dane"))  # type: ignore[arg-type]
