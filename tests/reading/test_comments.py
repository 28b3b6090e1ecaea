"""Comments in header fields: they nest, quotes keep them out, and what uses the reader takes lawful fields."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.reading import bodysyntax, charsets, headersyntax, messageid, mime
from conformance.reading.comments import CommentError, strict_without_comments, without_comments
from conformance.reading.message import read


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("1.0", "1.0"),
        ("1.0 (produced by MetaSend Vx.x (beta))", "1.0  "),
        ("(a)(b)c", "  c"),
        (r"a (b \) c) d", "a   d"),
        ('"(no comment)" (one)', '"(no comment)"  '),
        ('(a " b) c', "  c"),
        ('(it"s) "x"', '  "x"'),
        ("a (b", "a (b"),
        ("a) b", "a) b"),
        ("a \\", "a \\"),
    ],
)
def test_without_comments(text: str, bare: str) -> None:
    assert without_comments(text) == bare


@pytest.mark.parametrize(("text", "why"), [("a (b (c)", "does not end"), ("a (b)) c", "never began")])
def test_unmatched(text: str, why: str) -> None:
    with pytest.raises(CommentError, match=why):
        strict_without_comments(text)


@given(st.text(alphabet='()\\" ab', max_size=60))
def test_any_text(text: str) -> None:
    bare = without_comments(text)
    assert without_comments(bare) == bare
    assert len(bare) <= len(text)


def test_long_texts_take_no_long_time() -> None:
    for text in ("(" * 200_000, '"' * 200_001, "(\\" * 100_000, "()" * 100_000):
        without_comments(text)


def test_lawful_fields_with_comments_in_comments() -> None:
    assert bodysyntax.version("1.0 (produced by MetaSend Vx.x (beta))") == "1.0"
    assert messageid.fault("<a@b.de> (c (d))") == ""
    kind = mime.read_type('text/plain (a (b)); charset="utf-8" (c (d))')
    assert (kind.name, kind.parameters["charset"], kind.slip) == ("text/plain", "utf-8", "")
    message = read(b"Content-Transfer-Encoding: 7bit (a (b))\r\nContent-Disposition: inline (x (y))\r\n\r\nx\r\n")
    part = mime.structure(message).parts[0]
    assert (part.encoding, part.disposition) == ("7bit", "inline")


ZONE = b"Tue, 24 Nov 2026 15:00:00 +0100 (=?iso-8859-1?Q?Mitteleurop=E4ische_Zeit?=)"


def test_encoded_words_may_stand_in_comments() -> None:
    assert headersyntax.misplaced_words(read(b"Date: " + ZONE + b"\r\n\r\n")) == ([], [])
    wrong, _ = headersyntax.misplaced_words(read(b"Received: from a by b; " + ZONE + b"\r\n\r\n"))
    assert wrong
    wrong, _ = headersyntax.misplaced_words(read(b"Message-ID: =?us-ascii?Q?x?= (a)\r\n\r\n"))
    assert wrong


@pytest.mark.parametrize(
    ("name", "octets"),
    [("iso-2022-jp", b"\x1b$B\x2d\x21\x1b(B"), ("euc-jp", b"\xad\xa1"), ("ISO-2022-JP", b"\x1b(I1\x1b(B")],
)
def test_what_japanese_mailers_write_is_no_fault(name: str, octets: bytes) -> None:
    charset = charsets.lookup(name)
    assert charset is not None
    charsets.decoded(octets, charset)
    assert charsets.decoded("日本".encode(name), charset) == "日本"
