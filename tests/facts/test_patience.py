"""What is said of hosts that retry, give up, ask elsewhere, or tell nobody."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.facts.attempts import spelled
from conformance.facts.patience import Patience
from tests.facts.tries import ENDLESS, said, trial, view

DEFERRED = {"at": 1, "codes": {"rcpt": 451}}
REFUSED = {"at": 1, "codes": {"rcpt": 550}}
V6 = {"local": "2001:db8:1::1"}
NO_TLS = {"at": 1, "tls": {"version": "", "error": "no"}, "transactions": [], "ended": "handshake"}
DELAYED = """From: mailer-daemon@example.com
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx1.example.com

Final-Recipient: rfc822; a@example.net
Action: delayed
Status: 4.0.0

--b--
"""


def patience(name: str, *others: str, **changes: Any) -> Patience:
    return view(Patience, trial(name, **changes), *map(trial, others))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ""),
        ({"sessions": [DEFERRED], "returns": [{}]}, "451 to RCPT, then the host sent a bounce"),
        ({"sessions": [DEFERRED], "until": ENDLESS}, "451 to RCPT, and no other attempt in 28 h"),
        (
            {"sessions": [DEFERRED], "letter": {"taken": False, "reply": "exit 75"}, "state": "unsent"},
            "451 to RCPT, then the host gave the message back: exit 75",
        ),
        (
            {"sessions": [DEFERRED]},
            "undetermined: mx1/news greylist: 451 to RCPT, and no other attempt in 20 min: it may come later",
        ),
        ({"sessions": []}, "undetermined: mx1/news greylist: nothing came in 1200 s: it may still be in"),
        ({"sessions": [{}]}, "undetermined: mx1/news greylist: the receiver refused nothing, so that"),
        ({"sessions": [DEFERRED, {"at": 2, **V6}]}, ""),
        # Both addresses of one exchange are one round, however often it is asked.
        ({"sessions": [DEFERRED, {**DEFERRED, "at": 2, **V6}], "until": ENDLESS}, "451 to RCPT, and no other attempt"),
        ({"sessions": [DEFERRED, {**DEFERRED, "at": 901, **V6}], "until": ENDLESS}, ""),
        (
            {"sessions": [{"at": 1, "codes": {"mail": 555}}], "returns": [{}]},
            "undetermined: mx1/news greylist: 555 to MAIL, for what the host said itself",
        ),
        # TLS that fails and clear text after it are one attempt.
        ({"sessions": [NO_TLS, {**DEFERRED, "at": 2, "tls": False}], "until": ENDLESS}, "the TLS handshake failed"),
        ({"sessions": [DEFERRED], "returns": [{"message": DELAYED}]}, "undetermined: mx1/news greylist: 451 to RCPT"),
    ],
)
def test_a_deferral_is_followed_by_another_attempt(changes: dict[str, Any], expected: str) -> None:
    text = said(lambda: patience("greylist", **changes).unretried)
    assert text.startswith(expected)
    assert bool(text) is bool(expected)


def test_time_counts_at_the_pace_of_the_receiver() -> None:
    slow = patience("greylist", sessions=[DEFERRED], until=500, pace=60.0)
    assert said(lambda: slow.unretried) == "451 to RCPT, and no other attempt in 18 h"
    quick = patience("greylist", sessions=[DEFERRED, {"at": 3}], pace=60.0)
    assert said(lambda: quick.hasty) == ""
    assert said(lambda: patience("greylist", sessions=[DEFERRED, {"at": 3}]).hasty) == (
        "451 to RCPT, tried again after 2.0 s"
    )


@pytest.mark.parametrize(
    ("sessions", "hasty"),
    [
        ([DEFERRED, {"at": 62}], ""),
        ([DEFERRED, {"at": 60}], "451 to RCPT, tried again after 59 s"),
        # The other address of the exchange is part of the same attempt.
        ([DEFERRED, {**DEFERRED, "at": 2, **V6}, {"at": 900}], ""),
        ([DEFERRED, {**DEFERRED, "at": 2, **V6}, {"at": 4}], "451 to RCPT, tried again after 2.0 s"),
        ([NO_TLS, {**DEFERRED, "at": 2, "tls": False}, {"at": 900}], ""),
        ([DEFERRED, {"at": 2, **V6}], "not applicable: another address of the receiver took the message at once"),
    ],
)
def test_the_second_attempt_is_not_the_one_at_the_next_address(sessions: list[Any], hasty: str) -> None:
    assert said(lambda: patience("greylist", sessions=sessions).hasty) == hasty


@pytest.mark.parametrize(
    ("changes", "late"),
    [
        ({"sessions": [DEFERRED, {"at": 3600}]}, ""),
        ({"sessions": [DEFERRED, {"at": 5000}]}, "451 to RCPT, not tried again in 83 min"),
        ({"sessions": [DEFERRED], "until": 4000}, "451 to RCPT, not tried again in 77 min"),
        ({"sessions": [DEFERRED], "returns": [{}]}, "not applicable: the host sent a bounce, see queue.retries"),
    ],
)
def test_a_late_second_attempt(changes: dict[str, Any], late: str) -> None:
    assert said(lambda: patience("greylist", **changes).late) == late


@pytest.mark.parametrize(
    ("peers", "found"),
    [
        (["203.0.113.1", "203.0.113.99"], ""),
        (["::ffff:203.0.113.1", "203.0.113.99"], ""),
        (["203.0.113.1", "198.51.100.9"], "first came 203.0.113.1 (203.0.113.0/24), then 198.51.100.9 (198.51.100"),
        (["2001:db8::1", "2001:db8::ffff:1"], ""),
        (["2001:db8::1", "2001:db8:0:1::1"], "first came 2001:db8::1 (2001:db8::/64), then 2001:db8:0:1::1"),
        (["2001:db8::1", "203.0.113.1"], ""),
    ],
)
def test_attempts_from_other_networks(peers: list[str], found: str) -> None:
    sessions = [{"peer": peers[0], **DEFERRED}, {"peer": peers[1], "at": 600}]
    text = said(lambda: patience("greylist", sessions=sessions).strays)
    assert text.startswith(found)
    assert bool(text) is bool(found)


@pytest.mark.parametrize(
    ("name", "changes", "expected"),
    [
        ("refuse-rcpt", {}, ""),
        (
            "refuse-rcpt",
            {"returns": []},
            "undetermined: mx1/news refuse-rcpt: 550 to RCPT; not offered again in 15 min",
        ),
        ("refuse-rcpt", {"returns": [], "until": 2000}, ""),
        ("refuse-rcpt", {"sessions": [REFUSED, {**REFUSED, "at": 301}]}, "550 to RCPT, offered again after 5 min"),
        ("refuse-rcpt", {"sessions": [REFUSED, {**REFUSED, "at": 2, **V6}]}, ""),
        (
            "refuse-rcpt",
            {"sessions": [DEFERRED]},
            "undetermined: mx1/news refuse-rcpt: 451 to RCPT, which is no refusal",
        ),
        # A second letter is no second attempt.
        ("refuse-mail", {}, ""),
        (
            "refuse-mail",
            {"sessions": [{"at": at, "codes": {"mail": 550}} for at in (1, 301, 601)]},
            "550 to MAIL, offered again after 5 min",
        ),
    ],
)
def test_what_was_refused_for_good_is_not_offered_again(name: str, changes: dict[str, Any], expected: str) -> None:
    text = said(lambda: patience(name, "greylist", **changes).repeated)
    assert text.startswith(expected)
    assert bool(text) is bool(expected)


def test_a_host_that_never_deferred_has_to_be_watched_for_long() -> None:
    quiet = view(Patience, trial("refuse-rcpt", returns=[], until=2000), trial("greylist", sessions=[]))
    assert said(lambda: quiet.repeated).startswith("undetermined: ")


def test_refusals_at_the_greeting_are_told_where_they_are_seen() -> None:
    again = {"codes": {"banner": 554}}
    seen = patience("refuse-banner", sessions=[{**again, "at": 1}, {**again, "at": 301}])
    assert seen.repeated_if_seen == ["554 as banner, offered again after 5 min"]
    assert patience("refuse-banner", returns=[]).repeated_if_seen == []
    assert view(Patience, trial("refuse-banner", sessions=[])).repeated_if_seen == []


FIRST, SECOND = ({"local": f"198.51.100.{n}", "exchange": f"mx{n}.conform.example.net"} for n in (1, 2))


@pytest.mark.parametrize(
    ("sessions", "expected"),
    [
        ([{**REFUSED, **FIRST}], ""),
        (
            [{**REFUSED, **FIRST}, {"at": 3, **SECOND}],
            "550 to RCPT by mx1.conform.example.net, then offered to mx2.conform.example.net after 2.0 s",
        ),
        ([{"at": 1, "codes": {"banner": 554}, **FIRST}, {"at": 3, **SECOND}], "not applicable: 554 as banner: this"),
        ([{"at": 1, "codes": {"ehlo": 550}, **FIRST}, {"at": 3, **SECOND}], "not applicable: 550 to EHLO: this"),
        ([{**DEFERRED, **FIRST}, {"at": 3, **SECOND}], "undetermined: "),
        ([{"at": 1, **SECOND}], "undetermined: mx1/news mx-refuse-first: the receiver refused nothing"),
    ],
)
def test_a_refusal_is_not_taken_to_the_next_exchange(sessions: list[Any], expected: str) -> None:
    text = said(lambda: patience("mx-refuse-first", sessions=sessions).next_exchange)
    assert text.startswith(expected)
    assert bool(text) is bool(expected)


def test_a_refusal_that_was_just_seen_may_still_be_taken_elsewhere() -> None:
    short = patience("mx-refuse-first", sessions=[{**REFUSED, **FIRST}], returns=[], until=-590)
    assert said(lambda: short.next_exchange).startswith("undetermined: ")


MIXED = {"at": 1, "codes": {"rcpt": [250, 450, 550]}}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ""),
        (
            {"sessions": [MIXED, {"at": 601}]},
            "a recipient that was taken got the message 2 times; 550 to RCPT, offered",
        ),
        ({"sessions": [MIXED], "returns": [{}, {}]}, "450 to RCPT, and no other attempt in 20 min"),
        ({"sessions": [MIXED]}, "undetermined: mx1/news rcpt-mixed: 450 to RCPT, and no other attempt"),
        # A session that breaks before RCPT was for the one that was put off.
        ({"sessions": [MIXED, {**NO_TLS, "at": 601}, {"at": 602, "tls": False, "recipients": [1]}]}, ""),
        # What was put off first was refused when it came again.
        (
            {
                "sessions": [
                    MIXED,
                    {"at": 601, "recipients": [1], "codes": {"rcpt": [550]}},
                ]
            },
            "",
        ),
        ({"sessions": [{}]}, "undetermined: mx1/news rcpt-mixed: the recipients were not answered 250, 4yz and 5yz"),
    ],
)
def test_mixed_replies(changes: dict[str, Any], expected: str) -> None:
    text = said(lambda: patience("rcpt-mixed", **changes).mixed)
    assert text.startswith(expected)
    assert bool(text) is bool(expected)


LIMITED = {"at": 1, "codes": {"rcpt": [250, 250, 452, 452, 452]}}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ""),
        ({"sessions": [{}]}, "not applicable: no transaction came to the receiver's limit of recipients"),
        ({"sessions": [LIMITED]}, "undetermined: mx1/news rcpt-limit: 452 to RCPT, and no other attempt in 20 min"),
        ({"sessions": [LIMITED], "until": ENDLESS}, "452 to RCPT, and no other attempt in 28 h"),
        ({"sessions": [LIMITED, {"at": 601}]}, "a recipient got the message 2 times"),
    ],
)
def test_recipients_beyond_a_limit(changes: dict[str, Any], expected: str) -> None:
    text = said(lambda: patience("rcpt-limit", **changes).spilled)
    assert text.startswith(expected)
    assert bool(text) is bool(expected)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ""),
        ({"returns": [{}, {}]}, "550 to RCPT, then 2 bounces"),
        ({"returns": [{"sender": "root@mx1.example.com"}]}, "550 to RCPT, then a bounce with MAIL FROM:<root@mx1.exa"),
        ({"returns": [{"codes": {"data": 0}}]}, ""),
        ({"returns": [], "letter": {"return_token": ""}}, "not applicable: the host sends with no sender at the rec"),
        ({"letter": {"taken": False}}, "not applicable: the host told the sender at once"),
    ],
)
def test_bounces(changes: dict[str, Any], expected: str) -> None:
    text = said(lambda: patience("refuse-rcpt", "accept", **changes).bounce_faults)
    assert text.startswith(expected)
    assert bool(text) is bool(expected)


def test_silence_is_told_where_other_mail_came_and_time_enough_went_by() -> None:
    assert said(lambda: patience("refuse-rcpt", "accept", returns=[]).silence) == "550 to RCPT, and no bounce in 15 min"
    short = patience("refuse-rcpt", "accept", returns=[], until=-500)
    assert said(lambda: short.silence).startswith("undetermined: mx1/news refuse-rcpt: 550 to RCPT, and no bounce in")
    slow = view(Patience, trial("refuse-rcpt", returns=[]), trial("accept", sessions=[{"at": 600}]))
    assert said(lambda: slow.silence).startswith("undetermined: mx1/news refuse-rcpt: 550 to RCPT, and no bounce in")
    alone = view(Patience, trial("refuse-rcpt", returns=[]), trial("accept", sessions=[]))
    assert said(lambda: alone.silence).startswith("undetermined: mx1/news accept: nothing came")
    elsewhere = patience("refuse-rcpt", "accept", returns=[], letter={"return_token": ""})
    assert said(lambda: elsewhere.silence) == ""


def test_the_form_of_a_bounce_needs_one() -> None:
    assert said(lambda: patience("refuse-rcpt", "accept").bounce_form_faults) == ""
    none = patience("refuse-rcpt", "accept", returns=[])
    assert said(lambda: none.bounce_form_faults) == "not applicable: no bounce was seen, see queue.bounce-sent"


def test_a_refusal_is_for_one_letter() -> None:
    first = {"at": 1, "codes": {"mail": 550}}
    assert said(lambda: patience("refuse-mail").refused_unseen) == ""
    unasked = patience("refuse-mail", sessions=[first], returns=[], letter={"taken": False, "reply": "550 no"})
    assert said(lambda: unasked.refused_unseen).startswith("550 to MAIL for the first letter; the host gave")
    late = patience("refuse-mail", sessions=[first], returns=[])
    assert said(lambda: late.refused_unseen).startswith("undetermined: mx1/news refuse-mail: the second letter did")
    alone = patience("refuse-mail", sessions=[first], letters=1)
    assert said(lambda: alone.refused_unseen).endswith("there was no second letter")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (59.0, "59 s"), (119.0, "119 s"), (600.0, "10 min"), (7200.0, "2 h")],
)
def test_spans_of_time_are_spelled(seconds: float, text: str) -> None:
    assert spelled(seconds) == text
