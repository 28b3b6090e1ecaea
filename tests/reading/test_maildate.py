"""Dates, Message-IDs and Received fields."""

from __future__ import annotations

import datetime
from contextlib import suppress
from email.utils import format_datetime, make_msgid, parsedate_to_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.reading.clock import distance, told
from conformance.reading.maildate import DateError, read_date
from conformance.reading.messageid import MessageIdError, fault, read_id, read_ids, slips
from conformance.reading.received import read_received

NINE = datetime.datetime(2026, 3, 2, 9, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    "text",
    [
        "Mon, 02 Mar 2026 09:00:00 +0000",
        "Mon, 2 Mar 2026 09:00 +0000",
        "2 Mar 2026 10:00:00 +0100 (CET)",
        "Mon,  2 Mar 2026 04:00:00 -0500 (EST (winter))",
        "mon, 02 mar 2026 09:00:00 -0000",
    ],
)
def test_lawful_dates(text: str) -> None:
    found = read_date(text)
    assert found.moment == NINE
    assert not found.obsolete


@pytest.mark.parametrize(
    "text",
    [
        "Mon, 02 Mar 2026 09:00:00 GMT",
        "Mon, 02 Mar 26 09:00:00 +0000",
        "Mon, 02 Mar 2026 04:00:00 EST",
        "(now) Mon, 02 Mar 2026 09:00:00 +0000",
        "Mon, 02 Mar 2026 09:00:00 Z",
    ],
)
def test_obsolete_dates_are_understood_and_told(text: str) -> None:
    found = read_date(text)
    assert found.moment == NINE
    assert found.obsolete


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        ("now", "not of the form"),
        ("2026-03-02T09:00:00Z", "not of the form"),
        ("Tue, 02 Mar 2026 09:00:00 +0000", "falls on Mon"),
        ("Foo, 02 Mar 2026 09:00:00 +0000", "no day of the week"),
        ("30 Feb 2026 09:00:00 +0000", "no such date"),
        ("02 Foo 2026 09:00:00 +0000", "no month"),
        ("Mon, 02 Mar 2026 25:00:00 +0000", "no such date"),
        ("Mon, 02 Mar 2026 09:00:61 +0000", "seconds are 61"),
        ("Mon, 02 Mar 2026 09:00:00", "no zone"),
        ("Mon, 02 Mar 2026 09:00:00 +01", "four digits"),
        ("Mon, 02 Mar 2026 09:00:00 +0175", "no zone"),
        ("Mon, 02 Mar 2026 09:00:00 CEST", "no zone of mail"),
        ("Mon, 02 Mar 2026 09:00:00 +0000 (open", "does not end"),
        ("Mon, 02 Mar 1899 09:00:00 +0000", "before 1900"),
    ],
)
def test_no_dates(text: str, why: str) -> None:
    with pytest.raises(DateError, match=why):
        read_date(text)


def test_a_leap_second_is_lawful() -> None:
    assert read_date("Sat, 31 Dec 2016 23:59:60 +0000").moment.second == 59


@given(st.text(st.sampled_from("Mon, 02MarFeb:+-(GT)\\zZ\t"), max_size=40))
def test_any_text_is_a_date_or_none(text: str) -> None:
    with suppress(DateError):
        assert read_date(text).moment.tzinfo


ZONES = st.integers(-1439, 1439).map(lambda minutes: datetime.timezone(datetime.timedelta(minutes=minutes)))


@given(st.datetimes(datetime.datetime(1970, 1, 1), datetime.datetime(2100, 1, 1), timezones=ZONES))
def test_what_the_library_writes_is_read(moment: datetime.datetime) -> None:
    text = format_datetime(moment)
    assert read_date(text).moment == parsedate_to_datetime(text)
    assert not read_date(text).obsolete


@pytest.mark.parametrize(
    ("hours", "handed", "off"),
    [(0, 0, 0), (-2, 0, -2), (50, 0, 0), (52, 0, 2), (-500, None, 0), (52, None, 2)],
)
def test_time_in_a_queue_is_no_clock_error(hours: int, handed: int | None, off: int) -> None:
    came = (NINE + datetime.timedelta(hours=50)).isoformat()
    found = distance(NINE + datetime.timedelta(hours=hours), NINE.isoformat() if handed is not None else "", came)
    assert found == off * 3600


def test_spans_in_words() -> None:
    assert (told(-5400), told(5 * 86400)) == ("1.5 hours", "5 days")


@pytest.mark.parametrize(
    "text", ["<a@example.com>", "<a.b$c@[192.0.2.1]>", "(made here) <a@example.com> (so)", "<=?x@a.example.com>"]
)
def test_lawful_ids(text: str) -> None:
    assert not fault(text)
    assert not slips(text)


@pytest.mark.parametrize(
    ("text", "slip"),
    [
        ("<a@localhost>", "no domain"),
        ("<a@mx1.local>", "no domain"),
        ("<a@host>", "no domain"),
        ('<"a b"@example.com>', "quoted string"),
        ("< a@example.com >", "blanks"),
        ("<a..b@example.com>", "empty word"),
        ("<a@b@example.com>", "left side has '@'"),
        ("<1:2@example.com>", "left side has ':'"),
    ],
)
def test_ids_with_a_slip(text: str, slip: str) -> None:
    assert not fault(text)
    assert any(slip in one for one in slips(text))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        ("a@example.com", "angle brackets"),
        ("<a>", "no @"),
        ("<@example.com>", "left side is empty"),
        ("<a@>", "right side is empty"),
        ("<" + "a" * 999 + "@example.com>", "characters"),
    ],
)
def test_no_ids(text: str, why: str) -> None:
    assert why in fault(text)
    assert slips(text) == []


def test_references() -> None:
    assert [str(one) for one in read_ids("<a@example.com>\r\n <b@example.com> junk <c>")] == [
        "<a@example.com>",
        "<b@example.com>",
    ]


@given(st.text(st.sampled_from('<>@a.b"\\()[] \t\0'), max_size=30))
def test_any_text_is_an_id_or_none(text: str) -> None:
    read_ids(text)
    with suppress(MessageIdError):
        assert read_id(text).left
        assert not fault(text)


def test_ids_of_the_library_are_lawful() -> None:
    assert not fault(make_msgid(domain="example.com"))
    assert not slips(make_msgid(domain="example.com"))


POSTFIX = (
    "from app.example.com (app.example.com [192.0.2.9])\r\n\tby mx1.example.com (Postfix) with ESMTPSA id 4X;\r\n"
    "\tMon, 02 Mar 2026 09:00:00 +0000 (UTC)"
)
EXIM = (
    "from [192.0.2.9] (helo=app) by mx1.example.com with esmtpsa (TLS1.3:X:256) (Exim 4.96) "
    "(envelope-from <a@example.com>) id 1x-2; Mon, 02 Mar 2026 09:00:00 +0000"
)
LOCAL = "by mx1.example.com (Postfix, from userid 1000) id 4X; Mon, 02 Mar 2026 09:00:00 +0000"
SENDMAIL = "(from root@localhost) by mx1.example.com (8.17/8.17/Submit) id 4X; Mon, 2 Mar 2026 09:00:00 GMT"


POSTFIX_TLS = (
    "from app.example.com (app.example.com [192.0.2.9])\r\n\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 "
    "(256/256 bits)\r\n\t key-exchange X25519 server-signature RSA-PSS (2048 bits) server-digest SHA256)\r\n"
    "\t(Client did not present a certificate)\r\n\tby mx1.example.com (Postfix) with ESMTPSA id 4X\r\n"
    "\tfor <a@example.net>; Mon, 02 Mar 2026 09:00:00 +0000 (UTC)"
)


@pytest.mark.parametrize("text", [POSTFIX, POSTFIX_TLS, EXIM, LOCAL])
def test_received_as_servers_write_it(text: str) -> None:
    found = read_received(text)
    assert not found.faults
    assert found.clauses["by"] == "mx1.example.com"
    assert found.date
    assert found.date.moment == NINE
    assert found.origins == (set() if text == LOCAL else {"192.0.2.9"})


def test_what_nests_in_a_comment_is_no_clause() -> None:
    assert read_received(POSTFIX_TLS).clauses["with"] == "ESMTPSA"
    assert read_received(r"by a (x (by b) \) with c) with ESMTP; 2 Mar 2026 09:00:00 -0000").clauses["with"] == "ESMTP"
    assert read_received("by a (with (b; 2 Mar 2026 09:00:00 -0000").clauses["by"] == "a"
    assert read_received("by a " + "(" * 8_000).clauses["by"] == "a"


def test_received_of_others() -> None:
    assert read_received(SENDMAIL).faults == ("its date: its zone is GMT and no number",)
    qmail = read_received("(qmail 123 invoked by uid 89); 2 Mar 2026 09:00:00 -0000")
    assert qmail.faults == ("it does not say by whom",)
    assert any("no date" in one for one in read_received("from a by b").faults)
    assert any("cannot be read" in one for one in read_received("by b; yesterday").faults)
    assert read_received("from x ([IPv6:2001:DB8:0::1]) by y; x").origins == {"2001:db8::1"}
    assert read_received("from foo [192.0.2.1]\r\n by y; x").origins == {"192.0.2.1"}


@given(st.text(st.sampled_from('from by;()<>" \\[]:.1aF'), max_size=60))
def test_any_text_is_read(text: str) -> None:
    read_received(text)
