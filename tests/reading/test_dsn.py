"""The form of delivery status notifications against RFC 3464 section 2."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.reading.bodylines import dotted_lines
from conformance.reading.dsn import faults, tells_no_failure

GOOD = """From: Mail <mailer-daemon@mx1.example.com>
To: bounces@example.com
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

Your message did not arrive.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx1.example.com

Final-Recipient: rfc822; a@example.net
Action: failed
Status: 5.1.1

--b--
"""


def test_a_notification_has_the_form():
    assert faults(GOOD.encode()) == []
    assert faults(GOOD.replace("\n", "\r\n").encode()) == []
    assert faults(GOOD.replace("message/delivery", "message/global-delivery").encode()) == []
    assert faults(GOOD.replace("delivery-status", "global-delivery-status").replace("rfc822;", "utf-8;").encode()) == []
    assert faults(GOOD.replace("failed", "failed (given up)").encode()) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (GOOD, False),
        (GOOD.replace("failed", "Delayed"), True),
        (GOOD.replace("failed", "relayed"), True),
        (GOOD.replace("failed", "delayed (for 4 hours)"), True),
        (GOOD.replace("message/", "message/global-").replace("failed", "delayed"), True),
        (GOOD.replace("message/", "message/global-"), False),
        (GOOD.replace("failed", "lost"), False),
        (GOOD.replace("Action: failed\n", ""), False),
        (GOOD.replace("Status: 5.1.1\n", "Status: 5.1.1\n\nAction: delayed\n"), False),
        ("From: a@example.com\n\nAction: delayed\n", False),
    ],
)
def test_what_tells_of_no_failure_is_told_from_a_bounce(text: str, expected: bool) -> None:
    assert tells_no_failure(text.encode()) is expected


@given(st.binary())
def test_any_octets_are_a_notification_of_something(octets: bytes) -> None:
    assert tells_no_failure(octets) in (True, False)


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("From: Mail <mailer-daemon@mx1.example.com>\n", "", "it has no From"),
        ("multipart/report", "multipart/mixed", "its Content-Type is 'multipart/mixed', not multipart/report"),
        (" report-type=delivery-status;", "", "it has no report-type"),
        ("delivery-status;", "disposition-notification;", "its report-type is 'disposition-notification', not"),
        ("Content-Type: message/delivery-status", "Content-Type: text/plain", "it has no part message/delivery-status"),
        ("Reporting-MTA: dns; mx1.example.com", "X: y", "its delivery status has no Reporting-MTA"),
        ("Status: 5.1.1\n", "", "its delivery status has no Status for a recipient"),
        ("Action: failed", "Action: lost", "its Action is 'lost', which RFC 3464 section 2.3.3 does not know"),
        ("Final-Recipient: rfc822; a@example.net\nAction: failed\nStatus: 5.1.1\n", "", "names no recipient"),
    ],
)
def test_what_is_missing_is_told(old, new, fault):
    told = faults(GOOD.replace(old, new).encode())
    assert any(fault in text for text in told), told


@given(st.binary(max_size=400))
def test_any_octets_are_read(octets):
    faults(octets)
    dotted_lines(octets)
    faults(GOOD.replace("5.1.1", octets.decode("latin-1")).encode("latin-1"))


def test_dotted_lines_are_found_whatever_carries_them():
    assert dotted_lines(b"Subject: x\r\n\r\n.one\r\n..two\r\nthree\r\n") == [".one", "..two"]
    head = b"Content-Transfer-Encoding: quoted-printable\r\n\r\n"
    assert dotted_lines(head + b"=2Eone\r\n=2E=\r\n.two\r\n") == [".one", "..two"]
    assert dotted_lines(b"Content-Type: image/png\r\n\r\n.one\r\n") == []


@pytest.mark.parametrize("read", [faults, tells_no_failure, dotted_lines])
def test_parts_that_nest_without_end_are_read(read):
    nested = "".join(f"Content-Type: multipart/mixed; boundary=b{one}\n\n--b{one}\n" for one in range(2_000))
    assert read((GOOD.partition("\n--b")[0] + "\n--b\n" + nested).encode()) is not None
