"""What is said of mail for exchanges with TLSA records."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from conformance.facts.answer import Answer, Status
from conformance.facts.daneclient import Dane
from conformance.facts.store import Recorded, Store
from conformance.facts.trial import Trial
from conformance.facts.tried import Missing, made
from conformance.fleet.sending import Stream
from conformance.outcome import NotApplicable, Undetermined
from tests.facts.tries import ENDLESS, said, trial, view

DOMAIN = "conform.example.net"
LEFT: dict[str, Any] = {"tls": {"version": "", "error": "refused"}, "transactions": [], "ended": "handshake"}
CLEAR: dict[str, Any] = {"tls": False, "transactions": []}
SENT = "TLSA records for another key: the message was sent all the same, {}"


def against(*changed: Trial) -> list[str]:
    """Return what is said against a host that obeys TLSA records but for what came in some trials."""
    trials = {name: trial(name) for name in ("dane-another-key", "dane-unknown-key", "dane-bad-certificate")}
    return view(Dane, *(trials | {one.name: one for one in changed}).values()).sent_against


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
    text = said(lambda: against(trial("dane-another-key", **changes)))
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
    ("changes", "withheld", "sent"),
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
def test_mail_for_the_key_that_is_named(changes: dict[str, Any], withheld: str, sent: str) -> None:
    one = trial("dane-bad-certificate", **changes)
    for expected, text in ((withheld, said(lambda: view(Dane, one).withheld)), (sent, said(lambda: against(one)))):
        assert text.startswith(expected), text
        assert bool(text) is bool(expected), text


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ""),
        ({"until": -590}, ""),
        ({"sessions": [LEFT]}, ""),
        ({"sessions": [{}]}, "TLSA records that cannot be looked up: the message was sent all the same, inside TLS"),
    ],
)
def test_mail_for_a_key_that_cannot_be_looked_up(changes: dict[str, Any], expected: str) -> None:
    assert said(lambda: against(trial("dane-unknown-key", **changes))) == expected


def test_what_is_found_in_one_trial_holds_whatever_the_others_are() -> None:
    sent, unseen = trial("dane-unknown-key", sessions=[{}]), trial("dane-another-key", sessions=[])
    assert said(lambda: against(sent, unseen)).startswith("TLSA records that cannot be looked up")


@pytest.mark.parametrize(
    ("policy", "records", "expected"),
    [
        ({}, {}, ""),
        ({"sessions": [CLEAR | {"transactions": None}]}, {}, "an enforced policy without STARTTLS"),
        (
            {},
            {"sessions": [{"tls": False}]},
            "TLSA records, and no STARTTLS: the message was sent all the same, in clear",
        ),
        ({"until": -580}, {}, "undetermined: mx1/news sts-plain"),
        ({}, {"until": -580}, "undetermined: mx1/news dane-no-starttls"),
        ({}, {"sessions": []}, "undetermined: mx1/news dane-no-starttls: nothing came"),
    ],
)
def test_mail_without_tls(policy: dict[str, Any], records: dict[str, Any], expected: str) -> None:
    trials = (trial("sts-enforce"), trial("sts-plain", **policy), trial("dane-no-starttls", **records))
    text = said(lambda: view(Dane, *trials).stripped)
    assert text.startswith(expected), text
    assert bool(text) is bool(expected), text


def test_who_claims_one_kind_of_policy_is_judged_by_it() -> None:
    unclaimed: dict[str, Missing] = {name: NotApplicable("not claimed") for name in ("sts-enforce", "sts-plain")}
    assert said(lambda: view(Dane, trial("dane-no-starttls"), missing=unclaimed).stripped) == ""
    neither = unclaimed | {"dane-no-starttls": NotApplicable("not claimed")}
    assert said(lambda: view(Dane, missing=neither).stripped) == "not applicable: not claimed"


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
    held = asyncio.run(Dane.of("dane-another-key", "dane-unknown-key", "dane-bad-certificate")(Recorded(store), stream))
    if not expected:
        assert held.sent_against
        return
    with pytest.raises(Undetermined) as error:
        _ = held.sent_against
    assert error.value.text.startswith(f"mx1/news dane-another-key: {DOMAIN} was not validated")
    assert expected in error.value.text


def test_what_a_host_does_not_claim_is_not_tried() -> None:
    stream = Stream("mx1", "news", "news@example.com", "example.com", "example.com", claims=("dane",))
    with pytest.raises(NotApplicable, match="mailconform_tls_policies of mx1 does not name mta-sts"):
        asyncio.run(made(None, stream, "sts-dane"))  # type: ignore[arg-type]
