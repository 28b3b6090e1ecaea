"""Records in sentences, and the strings of long texts."""

from __future__ import annotations

import dns.rdata
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.reading import remedy
from conformance.reading.zonetext import LONGEST_STRING, Named, is_conditional, named_in, quoted_string, split

OCTETS = st.binary(max_size=1200).map(lambda octets: octets.decode("latin-1"))
FILLED = OCTETS.filter(lambda text: "..." not in text and "<" not in text)


@given(OCTETS)
def test_the_strings_of_a_text_are_that_text(text: str) -> None:
    strings = split(text)
    assert "".join(strings) == text
    assert all(len(one) == LONGEST_STRING for one in strings[:-1])
    assert len(strings[-1]) <= LONGEST_STRING


@given(OCTETS)
def test_a_zone_file_says_what_was_written(text: str) -> None:
    written = " ".join(map(quoted_string, split(text)))
    assert written.isascii()
    assert "\n" not in written
    rdata = dns.rdata.from_text("IN", "TXT", written)
    assert b"".join(rdata.strings) == text.encode("latin-1")  # type: ignore[attr-defined]


def test_a_text_beyond_octets_is_published_as_utf8() -> None:
    assert split("v=spf1 \N{LATIN SMALL LETTER U WITH DIAERESIS}") == ("v=spf1 \xfc",)
    assert split("\N{SNOWMAN}") == ("\xe2\x98\x83",)


@given(FILLED)
def test_what_a_remedy_publishes_is_read_back(text: str) -> None:
    sentence = f"When nothing hinders: {remedy.publish('a.example.com', text)}; {remedy.publish('b.example.com', 'x')}"
    assert named_in(sentence) == (
        Named("a.example.com", "TXT", split(text)),
        Named("b.example.com", "TXT", ("x",)),
    )


@given(st.text(max_size=300))
def test_any_sentence_can_be_read(text: str) -> None:
    for sentence in (text, f"x IN TXT {text}", f'x IN TXT "{text}"', f"x IN MX 10 {text}", f"x IN PTR {text}"):
        assert isinstance(named_in(sentence), tuple)


@pytest.mark.parametrize(
    ("sentence", "wanted"),
    [
        ("Publish: a.example. IN MX 0 . as its only MX record", [Named("a.example", "MX", (0, "."))]),
        ("Publish: a.example. IN MX 10 <host that takes its mail>", [Named("a.example", "MX", None)]),
        ('Publish: k.example. IN TXT "v=DKIM1; k=rsa; p=..." with', [Named("k.example", "TXT", None)]),
        (
            "publish mx.example. IN A 192.0.2.1, and 1.2.0.192.in-addr.arpa. IN PTR mx.example.",
            [Named("mx.example", "A", "192.0.2.1"), Named("1.2.0.192.in-addr.arpa", "PTR", "mx.example")],
        ),
        ("1.2.0.192.in-addr.arpa. IN PTR <host>.<your domain>.", [Named("1.2.0.192.in-addr.arpa", "PTR", None)]),
        ("mx.example. IN AAAA 2001:DB8::1.", [Named("mx.example", "AAAA", "2001:db8::1")]),
        ("mx.example. IN A somewhere", []),
        ('x.example. IN TXT "\\999"', [Named("x.example", "TXT", None)]),
        ("<name>. IN A 192.0.2.1", []),
    ],
)
def test_records_in_a_sentence(sentence: str, wanted: list[Named]) -> None:
    assert list(named_in(sentence)) == wanted


def test_conditions() -> None:
    assert is_conditional("When reports show that all mail passes: Publish: x")
    assert is_conditional("Unless others register names below: Publish: x")
    assert not is_conditional("Publish: x. IN A 192.0.2.1")
