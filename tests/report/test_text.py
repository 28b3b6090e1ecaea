from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.report.text import clip, place_address, plural, printable

ANY = st.text(st.characters())


@given(ANY, st.integers(4, 200))
def test_printable_shows_nothing_but_visible_characters(text: str, limit: int) -> None:
    shown = printable(text, limit)
    assert shown.isprintable()
    shown.encode()


@given(st.text(max_size=400))
def test_printable_leaves_visible_text_alone(text: str) -> None:
    if text.isprintable():
        assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\0b", "a\\x00b"),
        ("\x85\x9b\x7f", "\\x85\\x9b\\x7f"),
        ("\u202eevil\u2066\u200b\ufeff", "\\u{202e}evil\\u{2066}\\u{200b}\\u{feff}"),
        ("\u2028\u2029", "\\u{2028}\\u{2029}"),
        ("\udcff", "\\u{dcff}"),
        ("one\ntwo", "one\\x0atwo"),
        ("münchen 例", "münchen 例"),
    ],
)
def test_printable_writes_out(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_printable_keeps_line_feeds_where_they_are_wanted() -> None:
    assert printable("one\ntwo\r", newlines=True) == "one\ntwo\\x0d"


def test_printable_cuts_in_the_middle_and_says_how_long_it_was() -> None:
    shown = printable("v=spf1 " + "x" * 61_428 + " -all", 100)
    assert "… (61440 characters)" in shown
    assert shown.startswith("v=spf1 ")
    assert shown.endswith(" -all")
    assert len(shown) < 140


def test_places() -> None:
    rfc = "https://www.rfc-editor.org/rfc/rfc1912"
    assert place_address(rfc, "RFC1912 2.1") == f"{rfc}#section-2.1"
    assert place_address(rfc, "RFC1912") == rfc
    assert place_address("https://support.google.com/mail/answer/81126", "G 1.2") is not None
    assert place_address("javascript:alert(1)", "Z ptr") is None


def test_small_words() -> None:
    assert [plural(n, "host") for n in (0, 1, 1200)] == ["0 hosts", "1 host", "1,200 hosts"]
    assert plural(2, "query") == "2 queries"
    assert plural(2, "address") == "2 addresses"
    assert (clip("abcdef", 4), clip("abcd", 4)) == ("abc…", "abcd")
