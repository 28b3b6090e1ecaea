"""Messages as octets: fields, folding, line ends, what is no field."""

from __future__ import annotations

import email
import email.policy
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.reading import message
from conformance.reading.message import header_of, line_ends, read

GOOD = b"From: a@example.com\r\nSubject: one\r\n two\r\nX: \r\n\r\nbody\r\n"


def test_fields_are_read_in_order_and_unfolded() -> None:
    found = read(GOOD)
    assert [(one.name, one.text, one.line) for one in found.fields] == [
        ("From", "a@example.com", 1),
        ("Subject", "one two", 2),
        ("X", "", 4),
    ]
    assert found.body == b"body\r\n"
    assert not found.faults
    assert found.text("SUBJECT") == "one two"
    assert found.text("Date") == ""
    assert found.first("Date") is None


@pytest.mark.parametrize(
    ("octets", "line", "obsolete"),
    [
        (b"no field\r\n\r\n", 1, False),
        (b" continues nothing\r\n\r\n", 1, False),
        (b"A: b\r\nB\xc3\xa4: c\r\n\r\n", 2, False),
        (b": nameless\r\n\r\n", 1, False),
        (b"A : b\r\n\r\n", 1, True),
        (b"A: b\r\n \r\n c\r\n\r\n", 1, True),
    ],
)
def test_what_is_no_field(octets: bytes, line: int, obsolete: bool) -> None:
    (fault,) = read(octets).faults
    assert (fault.line, fault.obsolete) == (line, obsolete)


def test_a_bare_lf_ends_a_line_for_structure_and_is_counted() -> None:
    octets = b"From: a@example.com\nDate: x\r\n\nbody\r"
    assert [one.name for one in read(octets).fields] == ["From", "Date"]
    found = line_ends(octets)
    assert (found.bare_cr, found.bare_lf, found.first_bare) == (1, 2, 1)


def test_lengths_are_between_crlf() -> None:
    found = line_ends(b"a" * 998 + b"\r\n" + b"b" * 999 + b"\r\n" + b"c\n" * 600)
    assert (found.over, found.longest, found.longest_at) == (2, 1200, 3)


def test_control_characters_are_found_and_folding_is_none() -> None:
    fields = {one.name: one.control for one in read(b"A: b\r\n c\tA\r\nN: \0\r\nR: a\rb\r\nB: \x07\r\n\r\n").fields}
    assert fields == {"A": None, "N": 0, "R": 13, "B": 7}


def test_text_is_utf8_or_latin_1() -> None:
    assert [one.text for one in read(b"A: \xc3\xbc\r\nB: \xfc\r\n\r\n").fields] == ["ü", "ü"]
    assert not read(b"A: \xfc\r\n\r\n").fields[0].is_ascii


@pytest.mark.parametrize(
    ("octets", "body"),
    [(b"", b""), (b"\r\nbody", b"body"), (b"A: b", b""), (b"A: b\r\n\r\n\r\nx", b"\r\nx"), (b"A: b\n\nx", b"x")],
)
def test_the_empty_line_ends_the_header(octets: bytes, body: bytes) -> None:
    assert header_of(octets)[1] == body


def test_a_header_without_end_is_bounded() -> None:
    assert "more than 5000 fields" in read(b"A: b\r\n" * 6000).incomplete
    assert "octets" in read(b"A: " + b"b" * message.LARGEST_HEADER + b"\r\n\r\n").incomplete


def test_time_is_linear() -> None:
    began = time.process_time()
    for piece in (b"a", b"\r", b"\n", b":", b" ", b"\r\n ", b"A: b\r\n", b"A:\r\n \r\n"):
        octets = piece * (4_000_000 // len(piece))
        read(octets)
        line_ends(octets)
    assert time.process_time() - began < 60


@given(st.lists(st.sampled_from([b"From", b": ", b"\r\n", b"\n", b"\r", b" ", b"a", b"\0", b"\xff", b"\t", b":"])))
def test_any_octets_are_read(pieces: list[bytes]) -> None:
    octets = b"".join(pieces)
    found = read(octets)
    assert octets.startswith(found.header)
    assert octets.endswith(found.body)
    assert all(one.raw in octets for one in found.fields)
    found_ends = line_ends(octets)
    assert found_ends.bare_cr >= 0
    assert found_ends.bare_lf >= 0


NAMES = st.text("ABCabc-", min_size=1, max_size=8).filter(lambda name: name.strip("-"))
BODIES = st.text("abc @<>.,\t", max_size=30).map(str.strip).filter(lambda body: body)


@given(st.lists(st.tuples(NAMES, BODIES), min_size=1, max_size=10))
def test_the_library_sees_the_same_fields_where_nothing_is_wrong(fields: list[tuple[str, str]]) -> None:
    octets = "".join(f"{name}: {body}\r\n" for name, body in fields).encode() + b"\r\nbody\r\n"
    library = email.message_from_bytes(octets, policy=email.policy.compat32)
    assert [(one.name, one.text) for one in read(octets).fields] == [(k, str(v).strip()) for k, v in library.items()]
