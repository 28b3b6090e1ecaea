"""Transcripts: nothing is lost within the bounds, nothing is kept beyond them."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.facts.session import Reply
from conformance.facts.transcript import (
    LINE_LIMIT,
    LINES_LIMIT,
    SESSION_LIMIT,
    NotAReplyError,
    Transcript,
    could_begin_reply,
    is_last,
    quoted,
    read_reply,
)

CHUNKS = st.lists(st.binary(max_size=200) | st.just(b"\r\n") | st.just(b"x" * 5000), max_size=30)


@given(CHUNKS)
def test_lines_do_not_depend_on_how_octets_arrive(chunks: list[bytes]) -> None:
    pieces, whole = Transcript(), Transcript()
    arrived = [line for chunk in chunks for line in pieces.received(chunk)]
    assert arrived == whole.received(b"".join(chunks))
    assert pieces.unfinished == whole.unfinished
    assert [line.text for line in pieces.lines] == [line.text for line in whole.lines]
    assert pieces.truncated == whole.truncated


@given(CHUNKS)
def test_what_is_kept_is_bounded_and_cuts_are_told(chunks: list[bytes]) -> None:
    transcript = Transcript()
    for chunk in chunks:
        transcript.received(chunk)
    transcript.flush()
    kept = [line.text for line in transcript.lines]
    assert max(map(len, kept), default=0) <= LINE_LIMIT
    sent = [piece.removesuffix(b"\r") for piece in b"".join(chunks).split(b"\n")]
    assert transcript.truncated == any(len(piece) > LINE_LIMIT for piece in sent)


def test_a_session_keeps_so_many_octets_and_lines() -> None:
    long, many = Transcript(), Transcript()
    long.received(b"220-" + b"x" * 4000 + b"\r\n" + (b"x" * 4000 + b"\r\n") * 40)
    assert sum(len(line.text) for line in long.lines) <= SESSION_LIMIT
    many.received(b"\n" * 5000)
    assert len(many.lines) == LINES_LIMIT
    assert long.truncated
    assert many.truncated
    long.sent(b"QUIT\r\n")
    assert (long.lines[-1].side, long.lines[-1].text) == ("C", "QUIT")


def test_a_command_ends_an_unfinished_line() -> None:
    transcript = Transcript()
    transcript.received(b"220 hal")
    transcript.sent(b"QUIT\r\n")
    transcript.received(b"f\r\n")
    assert [(line.side, line.text) for line in transcript.lines] == [("S", "220 hal"), ("C", "QUIT"), ("S", "f")]


@given(st.lists(st.text(max_size=40) | st.from_regex(r"[0-9]{3}[ -]?.*"), max_size=5))
def test_a_reply_is_read_or_refused(lines: list[str]) -> None:
    with contextlib.suppress(NotAReplyError):
        reply = read_reply(lines)
        assert 200 <= reply.code <= 599
        assert len(reply.lines) == len(lines)


@pytest.mark.parametrize(("line", "last"), [("220 x", True), ("220-x", False), ("220", True), ("220-", False)])
def test_the_last_line_of_a_reply_is_known(line: str, last: bool) -> None:
    assert is_last(line) is last


@pytest.mark.parametrize("line", ["", "22", "2200", "220\tx", "120 x", "620 x", "\u0662\u0662\u0660 x", "abc"])
def test_other_lines_are_no_part_of_a_reply(line: str) -> None:
    with pytest.raises(NotAReplyError):
        is_last(line)


def test_a_reply_has_the_code_of_its_last_line() -> None:
    assert read_reply(["250-a", "250-", "550 b c"]) == Reply(550, ("a", "", "b c"))


@given(st.text(max_size=10))
def test_what_is_a_reply_line_can_begin_one(text: str) -> None:
    with contextlib.suppress(NotAReplyError):
        is_last(text)
        assert could_begin_reply(text)


@given(st.text())
def test_quoted_text_is_printable_and_short(text: str) -> None:
    assert quoted(text).isascii()
    assert quoted(text).isprintable()
    assert len(quoted(text)) < 900
