"""What the rules on signatures say where not all is known, or the verifiers differ."""

from __future__ import annotations

from typing import Any

import pytest
from verdicts import FINDING, PASS, UNDETERMINED, verdict

from conformance.cases import test_dkim_header, test_dmarc_mail, test_unsub
from conformance.facts.authentication import Authentication
from tests.facts.arrivals import came

POST = {"List-Unsubscribe": "<https://example.com/u/1>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
BARE = {"less": ["list-unsubscribe", "list-unsubscribe-post"]}
OTHER = {"selector": "s2", "key": "ed25519"}
LOST = {"s1._domainkey.example.com TXT": None}
ABSENT: dict[str, Any] = {"s1._domainkey.example.com TXT": []}
DISPUTED = {"tags": {"q": "dns/txt:other"}}
"""Verifiers pass over a method that they do not know (RFC 6376 section 3.5); dkimpy takes none beside dns/txt."""


def unsubscribing(found: Authentication) -> list[Any]:
    return [
        verdict(test_dkim_header.test_dkim_unsub_signed, found),
        verdict(test_unsub.test_unsub_dkim, found.message, found),
    ]


@pytest.mark.parametrize(
    ("zone", "sign", "said"),
    [
        ({}, [{}, {**OTHER, **BARE}], PASS),
        (LOST, [{}, {**OTHER, **BARE}], UNDETERMINED),
        (LOST, [{}, OTHER], PASS),
        (LOST, [BARE, {**OTHER, **BARE}], FINDING),
        (ABSENT, [{}, {**OTHER, **BARE}], FINDING),
        ({}, [BARE], FINDING),
        (LOST, [{}], UNDETERMINED),
    ],
)
def test_a_key_that_was_not_seen_leaves_open_what_its_signature_covers(zone: Any, sign: Any, said: str) -> None:
    assert [one.said for one in unsubscribing(came(zone, header=POST, sign=sign))] == [said, said]


def test_what_verifiers_differ_on_is_advice() -> None:
    found = came(header=POST, sign=[DISPUTED])
    told = [*unsubscribing(found), verdict(test_dmarc_mail.test_dmarc_pass_dkim, found)]
    assert [(one.said, one.at_most) for one in told] == [(FINDING, "should")] * 3
    sure = unsubscribing(came(header=POST, sign=[BARE]))
    assert [(one.said, one.at_most) for one in sure] == [(FINDING, None)] * 2
