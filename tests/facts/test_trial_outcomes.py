"""What is said of mail at receivers that are odd, slow or break off, and of where it goes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from conformance.facts.outcomes import Outcomes
from conformance.facts.routes import Routes
from conformance.facts.trials import TRIALS
from conformance.outcome import NotApplicable
from tests.facts.tries import ENDLESS, said, trial, view

LOST = {"at": 1, "codes": {"rcpt": 0}, "ended": "dropped"}


def outcomes(name: str, **changes: Any) -> Outcomes:
    return view(Outcomes, trial(name, **changes))


def check(text: str, expected: str) -> None:
    assert text.startswith(expected), text
    assert bool(text) is bool(expected), text


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ""),
        ({"sessions": [{"codes": {"data": 0}}], "returns": [{}]}, "no reply to DATA, then the host sent a bounce"),
        (
            {"sessions": [{"codes": {"data": 0}}]},
            "undetermined: mx1/news fuzzy-replies: no reply to DATA, and",
        ),
        ({"sessions": [{"codes": {"data": 0}}] * 2}, "2 attempts failed alike: no reply to DATA"),
        ({"sessions": [{"codes": {"data": 0}}, {}]}, ""),
        (
            {"sessions": [{"codes": {"mail": 555}}], "returns": [{}]},
            "undetermined: mx1/news fuzzy-replies: 555 to MAIL, for what the host said itself",
        ),
        ({"sessions": []}, "undetermined: mx1/news fuzzy-replies: nothing came in 720 s"),
        ({"sessions": [], "returns": [{}]}, "undetermined: mx1/news fuzzy-replies: nothing came in 720 s"),
        ({"state": "skipped", "sessions": []}, "undetermined: "),
    ],
)
def test_mail_that_does_not_get_through(changes: dict[str, Any], expected: str) -> None:
    check(said(lambda: outcomes("fuzzy-replies", **changes).undelivered), expected)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ""),
        ({"sessions": [LOST, {"at": 601}, {"at": 1201}]}, "drop-rcpt: the message came 2 times"),
        ({"sessions": [LOST], "returns": [{}]}, "drop-rcpt: no reply to RCPT, then the host sent a bounce"),
        ({"sessions": [LOST]}, "undetermined: mx1/news drop-rcpt: no reply to RCPT, and no other attempt in 20 min"),
        (
            {"sessions": [{"codes": {"mail": 501}}], "returns": [{}]},
            "undetermined: mx1/news drop-rcpt: 501 to MAIL, for what the host said itself",
        ),
        ({"sessions": [LOST], "until": ENDLESS}, "drop-rcpt: no reply to RCPT, and no other attempt in 28 h"),
    ],
)
def test_sessions_that_break_off(changes: dict[str, Any], expected: str) -> None:
    check(said(lambda: outcomes("drop-rcpt", **changes).lost_or_doubled), expected)


def test_a_finding_holds_beside_what_is_unknown() -> None:
    both = view(Outcomes, trial("drop-rcpt", sessions=[LOST]), trial("drop-mail", sessions=[{}, {}]))
    assert said(lambda: both.lost_or_doubled) == "drop-mail: the message came 2 times"


def test_trials_that_do_not_apply_are_left_out() -> None:
    why = NotApplicable("not to be made")
    some = view(Outcomes, trial("drop-rcpt"), missing={"drop-mail": why})
    assert said(lambda: some.lost_or_doubled) == ""
    none = view(Outcomes, missing={"drop-mail": why})
    assert said(lambda: none.lost_or_doubled) == "not applicable: not to be made"


LEFT = {"at": 1, "ms": 30050.0, "codes": {"dot": 0}, "ended": "closed"}


@pytest.mark.parametrize(
    ("changes", "copies", "impatient"),
    [
        ({}, "", ""),
        ({"sessions": [LEFT, {**LEFT, "at": 900}]}, "the message came 2 times", "the client left 30 s after the end"),
        (
            {"sessions": [LEFT]},
            "undetermined: mx1/news slow-dot: the client left",
            "the client left 30 s after the end",
        ),
        ({"sessions": [LEFT], "pace": 30.0}, "", ""),
        ({"sessions": [{"codes": {"dot": 451}}, {"at": 900}]}, "", ""),
        ({"sessions": [{"codes": {"dot": 451}}, {"at": 900}, {"at": 1800}]}, "the message came 2 times", ""),
        ({"sessions": [{}, {"at": 900, "codes": {"dot": 451}}]}, "the message came 2 times", ""),
        ({"sessions": [{"codes": {"dot": 0}, "ended": "dropped"}, {"at": 900}]}, "undetermined: ", ""),
        # A translator of addresses that forgets the connection resets it too.
        ({"sessions": [{**LEFT, "ended": "reset"}]}, "undetermined: ", "undetermined: mx1/news slow-dot: the client l"),
        (
            {"sessions": [{**LEFT, "ended": "reset"}, {**LEFT, "at": 900}]},
            "the message came 2 times",
            "the client left 30 s after the end",
        ),
        ({"sessions": [{**LEFT, "ended": "timeout"}]}, "undetermined: ", ""),
        ({"sessions": [{**LEFT, "ended": "open"}]}, "undetermined: ", ""),
        ({"sessions": []}, "undetermined: ", "undetermined: "),
    ],
)
def test_slow_replies(changes: dict[str, Any], copies: str, impatient: str) -> None:
    check(said(lambda: outcomes("slow-dot", **changes).copies), copies)
    check(said(lambda: outcomes("slow-dot", **changes).impatient), impatient)


def test_a_message_in_chunks_is_whole_after_the_last_one() -> None:
    left = {**LEFT, "how": "BDAT", "lines": [[1, "C", "BDAT 100 LAST\r\n"]]}
    check(said(lambda: outcomes("slow-dot", sessions=[left]).impatient), "the client left 30 s after the end")
    broken = {**left, "lines": [[1, "C", "BDAT 100\r\n"]]}
    check(said(lambda: outcomes("slow-dot", sessions=[broken]).impatient), "")
    check(said(lambda: outcomes("slow-dot", sessions=[broken]).copies), "undetermined: ")
    taken = {"how": "BDAT", "lines": []}
    check(said(lambda: outcomes("slow-dot", sessions=[taken]).copies), "")


def test_a_client_that_leaves_before_the_banner_is_told() -> None:
    left = {"banner_at": None, "ms": 20000.0, "hellos": [], "transactions": [], "tls": False, "ended": "closed"}
    expected = "the client left after 20 s without a banner; 300 s are asked for"
    assert said(lambda: outcomes("slow-banner", sessions=[left]).impatient) == expected
    ours = {**left, "ended": "open"}
    assert said(lambda: outcomes("slow-banner", sessions=[ours]).impatient) == ""


PLAIN = {"extensions": ["SIZE 1000"], "parameters": []}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ""),
        ({"sessions": [{**PLAIN, "body": "café\n", "sign": False}]}, "octet 447 of the message is 0xc3"),
        ({"sessions": [{"extensions": ["8BITMIME"], "body": "café\n"}]}, ""),
        ({"sessions": [{**PLAIN, "transactions": []}]}, "undetermined: "),
        (
            {"sessions": [{**PLAIN, "transactions": []}], "letter": {"taken": False, "message": "\xe9"}},
            "not applicable",
        ),
        ({"letter": {"message": ""}}, "not applicable: the message that was to be sent is in ASCII"),
    ],
)
def test_eight_bit_octets(changes: dict[str, Any], expected: str) -> None:
    text = said(lambda: outcomes("no-8bitmime", **changes).eight_bit)
    check(text[:5], expected[:5])


def test_after_helo_nothing_is_offered() -> None:
    helo = [{"at": 5, "verb": "HELO", "argument": "mx1.example.com", "code": 250}]
    session = {"hellos": helo, "extensions": ["8BITMIME"], "tls": False, "body": "café\n"}
    check(said(lambda: outcomes("no-8bitmime", sessions=[session]).eight_bit), "octet ")


@pytest.mark.parametrize(
    ("session", "expected"),
    [
        ({"transactions": []}, "undetermined: mx1/news no-smtputf8: 1 sessions came and none of them brought it"),
        ({}, ""),
        ({"sender": "jürgen@example.com"}, "'MAIL FROM:<j\\xfcrgen@example.com> SIZE=1000 BODY=8BITMIME' was sent"),
        # It was refused, and asked for all the same.
        ({"sender": "jürgen@example.com", "codes": {"mail": 553}}, "'MAIL FROM:<j\\xfcrgen@example.com>"),
        ({"header": {"From": "Jürgen <news@example.com>"}}, "the header field 'From: J"),
    ],
)
def test_addresses_beyond_ascii(session: dict[str, Any], expected: str) -> None:
    told = {"extensions": ["SIZE 1000"], **session}
    check(said(lambda: outcomes("no-smtputf8", sessions=[told], returns=[]).utf8), expected)
    # What came back was not sent on.
    offered = {**told, "extensions": ["SMTPUTF8"]}
    check(said(lambda: outcomes("no-smtputf8", sessions=[offered], returns=[{}]).utf8), "")


def test_a_host_that_refuses_such_a_message_is_not_judged_by_it() -> None:
    refused = outcomes("no-smtputf8", sessions=[], letter={"taken": False, "reply": "553 5.6.7 no"})
    assert said(lambda: refused.utf8) == "not applicable: the host refuses to send such a message: 553 5.6.7 no"


@pytest.mark.parametrize(
    ("changes", "oversized", "undeclared"),
    [
        ({}, "", ""),
        ({"letter": {"message": ""}}, "not applicable: no message over", "not applicable: "),
        ({"sessions": [{**PLAIN, "size": 7000}]}, "7000 octets were sent to", "MAIL FROM:<"),
        ({"sessions": [{**PLAIN, "parameters": ["SIZE=7000"], "codes": {"mail": 552}}]}, "", ""),
        (
            {"sessions": [{**PLAIN, "at": at, "parameters": ["SIZE=7"], "codes": {"mail": 552}} for at in (1, 300)]},
            "tried again after 5 min, though",
            "",
        ),
        ({"sessions": [{"extensions": ["SIZE 9000"]}]}, "not applicable: no message over", "not applicable: "),
    ],
)
def test_sizes(changes: dict[str, Any], oversized: str, undeclared: str) -> None:
    check(said(lambda: outcomes("small-size", **changes).oversized), oversized)
    check(said(lambda: outcomes("small-size", **changes).undeclared_sizes), undeclared)


def test_dots() -> None:
    check(said(lambda: outcomes("dots").undotted), "")
    check(
        said(lambda: outcomes("dots", sessions=[{"wire": "Subject: x\r\n\r\n.one\r\n.\r\n"}]).undotted), "the lines '.."
    )
    check(said(lambda: outcomes("dots", letter={"message": ""}).undotted), "not applicable: ")
    encoded = {"Content-Transfer-Encoding": "quoted-printable"}
    quoted = {"header": encoded, "body": "=2E.one\n=2E\n=2Etwo\n", "sign": False}
    check(said(lambda: outcomes("dots", sessions=[quoted]).undotted), "")
    footer = {"body": "..one\n.\n.two\n-- \n...and more\n"}
    check(said(lambda: outcomes("dots", sessions=[footer]).undotted), "")
    page = "--b\n\n..one\n.\n.two\n--b\nContent-Type: text/html\n\n<style>\n.button { color: red }\n</style>\n--b--\n"
    both = {"header": {"Content-Type": "multipart/alternative; boundary=b"}, "body": page}
    check(said(lambda: outcomes("dots", sessions=[both]).undotted), "")
    check(said(lambda: outcomes("dots", sessions=[{"body": "...one\n..\n..two\n"}]).undotted), "the lines '..")
    check(said(lambda: outcomes("dots", sessions=[{"codes": {"dot": 451}}]).undotted), "undetermined: ")


def test_recipients_of_two_domains() -> None:
    check(said(lambda: outcomes("two-domains").mixed_domains), "")
    check(said(lambda: outcomes("two-domains", sessions=[{}]).mixed_domains), "one transaction had recipients of two")
    check(said(lambda: outcomes("two-domains", sessions=[{"recipients": [0]}]).mixed_domains), "undetermined: ")


def test_copies_for_each_recipient() -> None:
    check(said(lambda: outcomes("recipients").separate_copies), "")
    each = [{"recipients": [place]} for place in range(3)]
    check(said(lambda: outcomes("recipients", sessions=each).separate_copies), "3 recipients of one domain got the m")
    check(said(lambda: outcomes("recipients", sessions=each[:2]).separate_copies), "undetermined: ")
    shared = [{"transactions": [{"recipients": [place]} for place in range(3)]}]
    check(said(lambda: outcomes("recipients", sessions=shared).separate_copies), "3 recipients of one domain got the m")


def test_recipients_that_were_put_off_come_by_themselves() -> None:
    first = {"at": 1, "codes": {"rcpt": [250, 250, 452]}}
    later = {"at": 601, "recipients": [2]}
    check(said(lambda: outcomes("recipients", sessions=[first, later]).separate_copies), "")
    apart = [{"at": 1, "recipients": [0]}, {"at": 2, "recipients": [1, 2], "codes": {"rcpt": [250, 452]}}, later]
    check(said(lambda: outcomes("recipients", sessions=apart).separate_copies), "2 recipients of one domain got the m")


def test_an_address_beside_a_dead_exchange_is_watched_until_that_was_given_up() -> None:
    check(said(lambda: routes("mx-not-a", returns=[]).reached("mx-not-a")), "")
    check(said(lambda: routes("mx-not-a", returns=[], until=-100).reached("mx-not-a")), "undetermined: ")
    assert TRIALS["mx-not-a"].wait >= 600


def routes(name: str, accept: dict[str, Any] | None = None, **changes: Any) -> Routes:
    return view(Routes, trial(name, **changes), trial("accept", **accept or {}))


NOTHING: dict[str, Any] = {"sessions": [], "returns": []}


@pytest.mark.parametrize(
    ("changes", "accept", "expected"),
    [
        ({}, {}, ""),
        ({**NOTHING, "until": 1}, {}, "nothing came in 10 min, while mail for an ordinary domain came"),
        ({**NOTHING, "until": -1}, {}, "undetermined: mx1/news mx-dead-first: nothing came in 599 s"),
        ({**NOTHING, "until": 0}, {"sessions": []}, "undetermined: mx1/news accept: nothing came"),
        ({**NOTHING, "until": 80}, {"sessions": [{"at": 90}]}, "undetermined: mx1/news mx-dead-first: nothing came in"),
        ({**NOTHING, "until": 90}, {"sessions": [{"at": 90}]}, "nothing came in 12 min, while mail for an ordinary"),
        ({**NOTHING, "returns": [{}]}, {}, "no session, then the host sent a bounce"),
    ],
)
def test_a_second_exchange(changes: dict[str, Any], accept: dict[str, Any], expected: str) -> None:
    check(said(lambda: routes("mx-dead-first", accept, **changes).not_reached("mx-dead-first")), expected)


def test_one_dead_address_takes_half_as_long() -> None:
    for until, expected in ((-299, "nothing came in 5 min, while mail"), (-301, "undetermined: mx1/news mx-v6-dead")):
        looked = routes("mx-v6-dead", **NOTHING, until=until)
        check(said(lambda looked=looked: looked.not_reached("mx-v6-dead")), expected)


def test_a_domain_without_mx() -> None:
    check(said(lambda: routes("mx-implicit").not_reached("mx-implicit")), "")
    check(said(lambda: routes("mx-implicit", **NOTHING).not_reached("mx-implicit")), "undetermined: ")
    bounced = routes("mx-implicit", sessions=[], returns=[{}])
    check(said(lambda: bounced.not_reached("mx-implicit")), "no session, then the host sent a bounce")
    handed_back = routes("mx-implicit", **NOTHING, letter={"taken": False, "reply": "550 no MX"})
    check(said(lambda: handed_back.not_reached("mx-implicit")), "no session, then the host gave the message back: 550")


@pytest.mark.parametrize(
    ("changes", "accept", "expected"),
    [
        ({}, {}, ""),
        ({**NOTHING, "until": 0}, {}, ""),
        ({"sessions": [{"local": "198.51.100.9"}]}, {}, "the host came to 198.51.100.9, which is no exchange"),
        # What never came anywhere did not keep away from here.
        (NOTHING, {"sessions": []}, "undetermined: mx1/news accept: nothing came"),
        ({**NOTHING, "until": -550}, {}, "undetermined: mx1/news mx-null: nothing came in 50 s"),
        ({**NOTHING, "until": 0}, {"sessions": [{"at": 400}]}, "undetermined: mx1/news mx-null: nothing came in 600 s"),
    ],
)
def test_a_null_mx(changes: dict[str, Any], accept: dict[str, Any], expected: str) -> None:
    check(said(lambda: routes("mx-null", accept, **changes).reached("mx-null")), expected)


def test_an_mx_that_moves() -> None:
    check(said(lambda: routes("mx-moved").kept_to_old_exchange), "")
    old = {"exchange": "mx1.conform.example.net"}
    stale = routes("mx-moved", sessions=[old, {"at": 601, "letter": 1, **old}])
    check(said(lambda: stale.kept_to_old_exchange), "both messages went to mx1.conform.example.net")
    check(said(lambda: routes("mx-moved", sessions=[old]).kept_to_old_exchange), "undetermined: ")
    check(said(lambda: routes("mx-moved", sessions=[old], letters=1).kept_to_old_exchange), "undetermined: ")


def test_a_session_that_was_open_before_the_mx_moved_tells_nothing() -> None:
    made = trial("mx-moved", sessions=[{"at": 1, "ms": 650_000.0}, {"at": 601, "letter": 1}])
    first, second = made.captures
    again = replace(second.transactions[0], at=640_000.0)
    held = replace(first, transactions=(*first.transactions, again))
    looked = view(Routes, replace(made, captures=(held,)))
    check(said(lambda: looked.kept_to_old_exchange), "undetermined: mx1/news mx-moved: the second letter came in a ses")


def test_exchanges_of_one_preference() -> None:
    check(said(lambda: routes("mx-two").not_shuffled), "")
    one = routes("mx-two", sessions=[{"letter": n} for n in range(10)])
    check(said(lambda: one.not_shuffled), "all 10 sessions went to mx.conform.example.net")
    few = routes("mx-two", sessions=[{"letter": n} for n in range(7)])
    check(said(lambda: few.not_shuffled), "undetermined: mx1/news mx-two: 10 messages came in 7 sessions, too few")
