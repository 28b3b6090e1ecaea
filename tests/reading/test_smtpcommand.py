"""The syntax and length of MAIL and RCPT against RFC 5321 sections 4.1.2 and 4.5.3.1."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.reading.smtpcommand import length_fault, syntax_fault

OFFERED = ("SIZE 1000", "8bitmime", "DSN")


@pytest.mark.parametrize(
    "argument",
    [
        "<>",
        "<a@example.com>",
        '<"a b>c"@example.com>',
        "<@relay.example:a@example.com>",
        "<a@example.com> SIZE=100 BODY=8BITMIME",
        "<a@example.com> NOTIFY=FAILURE ORCPT=rfc822;a@example.com",
        "<jürgen@example.com>",
        "<\xc3\x85sa@example.com>",
    ],
)
def test_lawful_arguments(argument):
    assert syntax_fault(argument, OFFERED) is None


@pytest.mark.parametrize(
    ("argument", "fault"),
    [
        (" <a@example.com>", "a blank after the colon"),
        ("a@example.com", "no brackets around the path: 'a@example.com'"),
        ("<a@example.com", "no path in brackets: '<a@example.com'"),
        ("<a@example.com>x", "'x' after the path"),
        ("<a@example.com>  SIZE=1", "'' where a parameter belongs"),
        ("<a@example.com> SIZE=1 ", "'' where a parameter belongs"),
        ("<a@example.com> =1", "'=1' where a parameter belongs"),
        ("<a@example.com> SMTPUTF8", "the parameter SMTPUTF8, which was not offered"),
        ("<a@example.com> AUTH=<>", "the parameter AUTH, which was not offered"),
    ],
)
def test_unlawful_arguments(argument, fault):
    assert syntax_fault(argument, OFFERED) == fault


def test_nothing_is_offered_to_helo():
    assert syntax_fault("<a@example.com> SIZE=1", ()) == "the parameter SIZE, which was not offered"


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        (f"EHLO {'a' * 505}", None),
        (f"EHLO {'a' * 506}", "a command of 513 octets, more than 512"),
        (f"MAIL FROM:<{'a' * 64}@example.com>", None),
        (f"MAIL FROM:<{'a' * 65}@example.com>", "a local part of 65 octets, more than 64"),
        (f"RCPT TO:<a@{'b' * 253}>", "a path of 257 octets, more than 256"),
        (f"RCPT TO:<a@b.example> ORCPT=rfc822;{'c' * 500}", None),
        (f"RCPT TO:<a@b.example> ORCPT=rfc822;{'c' * 1000}", "a command of 1037 octets, more than 1012"),
        ("", None),
    ],
)
def test_lengths(command, fault):
    assert length_fault(command) == fault


@given(st.text(max_size=300), st.lists(st.text(max_size=20), max_size=4))
def test_any_text_is_read(text, offered):
    syntax_fault(text, offered)
    length_fault(text)
    length_fault(f"MAIL FROM:{text}")


def test_hostile_paths_take_no_time():
    assert syntax_fault('<"' + "\\" * 100_000, ()) is not None
    assert syntax_fault("<" + '"a"' * 50_000, ()) is not None
