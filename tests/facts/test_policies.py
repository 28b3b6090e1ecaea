"""What is said of mail for domains whose policies ask for TLS."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from conformance.facts.policies import Policies
from conformance.facts.tried import made
from conformance.fleet.sending import Stream
from conformance.outcome import NotApplicable
from tests.facts.tries import said, trial, view

OWN = {"at": "2026-03-02T09:00:00.000+00:00", "peer": "203.0.113.1", "status": 200}
OTHER = OWN | {"peer": "198.51.100.7"}
FAILED = {"at": "", "peer": "", "status": 0}
SENT = "an enforced policy that lists another exchange: {} fetched the policy, and the message was sent all the same"
UNTRUSTED = "undetermined: mx1/news sts-unlisted: sts-unlisted: mail came, and a client left the policy host"


@pytest.mark.parametrize(
    ("changes", "control", "expected"),
    [
        ({}, {}, ""),
        ({"sessions": [{"visits": [OWN]}]}, {}, SENT.format("203.0.113.1")),
        ({"sessions": [{"visits": [OWN, FAILED]}]}, {}, SENT.format("203.0.113.1")),
        ({"sessions": [{"visits": [OTHER]}]}, {}, SENT.format("198.51.100.7")),
        ({"sessions": [{}]}, {"sessions": []}, SENT.format("nobody")),
        ({"sessions": [{"visits": [FAILED]}]}, {}, UNTRUSTED),
        ({"sessions": [{"visits": [OTHER, FAILED]}]}, {}, UNTRUSTED),
        ({}, {"sessions": []}, "undetermined: mx1/news sts-enforce: nothing came"),
        ({}, {"sessions": [{"codes": {"dot": 451}}]}, "undetermined: mx1/news sts-enforce: 1 sessions came"),
        ({"until": -580}, {}, "undetermined: mx1/news sts-unlisted: nothing came in 20 s"),
        ({"until": -500}, {"sessions": [{"at": 300}]}, "undetermined: mx1/news sts-unlisted: nothing came in 100 s"),
        ({"until": -580, "returns": [{}]}, {}, ""),
    ],
)
def test_mail_that_a_policy_forbids(changes: dict[str, Any], control: dict[str, Any], expected: str) -> None:
    both = view(Policies, trial("sts-unlisted", **changes), trial("sts-enforce", **control))
    text = said(lambda: both.sent_against("sts-unlisted"))
    assert text.startswith(expected), text
    assert bool(text) is bool(expected), text


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ""),
        ({"sessions": [], "until": 20}, "undetermined: mx1/news sts-testing: nothing came"),
        ({"sessions": [{"tls": {"version": "", "error": "refused"}, "transactions": []}], "returns": [{}]}, "a policy"),
    ],
)
def test_mail_that_no_policy_forbids(changes: dict[str, Any], expected: str) -> None:
    text = said(lambda: view(Policies, trial("sts-testing", **changes)).withheld("sts-testing"))
    assert text.startswith(expected), text
    assert bool(text) is bool(expected), text


def test_what_a_host_does_not_claim_is_not_tried() -> None:
    stream = Stream("mx1", "news", "news@example.com", "example.com", "example.com")
    with pytest.raises(NotApplicable, match="mailconform_tls_policies of mx1 does not name mta-sts"):
        asyncio.run(made(None, stream, "sts-enforce"))  # type: ignore[arg-type]
