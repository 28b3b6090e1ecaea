"""Line ends and false ends of messages against RFC 5321 sections 2.3.8 and 4.1.1.4."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.reading.lineends import bare, false_end


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("one\r\ntwo\r\n", None),
        ("one\ntwo\r\n", "LF at octet 4"),
        ("one\rtwo\r\n", "CR at octet 4"),
        ("one\r\r\n", "CR at octet 4"),
        ("one\r", "CR at octet 4"),
        ("", None),
    ],
)
def test_bare_line_ends(text, where):
    assert bare(text) == where


def test_a_cut_says_nothing_about_its_last_octet():
    assert bare("one\r", cut=True) is None
    assert bare("one\rtwo\r", cut=True) == "CR at octet 4"


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("a\r\n.\r\n", None),
        ("a\r\n..\r\nb\r\n.\r\n", None),
        ("a\n.\n", "LF.LF at octet 2"),
        ("a\n.\r\nb", "LF.CRLF at octet 2"),
        ("a\r.\rb", "CR.CR at octet 2"),
        ("a\r\n.\nb", "CRLF.LF at octet 2"),
        ("a\r\n.\rb", "CRLF.CR at octet 2"),
        ("a\n..\n", None),
        ("a.\n", None),
    ],
)
def test_false_ends(text, where):
    assert false_end(text) == where


@given(st.text("\r\n.ab", max_size=60))
def test_a_text_with_lawful_line_ends_has_no_false_end(text):
    lawful = "\r\n".join(text.splitlines())
    assert bare(lawful) is None
    assert false_end(lawful) is None
    bare(text)
    false_end(text)
