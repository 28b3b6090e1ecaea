"""The reader of TLSA records (RFC 6698, RFC 7671)."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.reading import tlsa

SHA256 = "ab" * 32
DER = b"\x30\x03\x02\x01\x05"
LONG = b"\x30\x81\x80" + bytes(128)


@pytest.mark.parametrize("usage", [2, 3])
@pytest.mark.parametrize("selector", [0, 1])
@pytest.mark.parametrize("data", [f"1 {SHA256}", f"2 {SHA256}{SHA256}", f"0 {DER.hex()}", f"0 {LONG.hex()}"])
def test_records_that_senders_use(usage: int, selector: int, data: str) -> None:
    record = tlsa.parse(f"{usage} {selector} {data}")
    assert (record.problems, record.usable, record.usage, record.selector) == ((), True, usage, selector)


def test_data_may_stand_in_pieces() -> None:
    pieces = f"3 1 1 {SHA256[:20].upper()} {SHA256[20:]}"
    assert tlsa.parse(pieces) == tlsa.parse(f"3 1 1 {SHA256}")
    assert tlsa.parse(pieces).sum == (1, 1, SHA256)


def test_whole_data_is_compared_by_its_digest() -> None:
    assert tlsa.parse(f"3 0 0 {DER.hex()}").sum == (0, 1, hashlib.sha256(DER).hexdigest())


def test_a_record_is_shown_short() -> None:
    assert str(tlsa.parse(f"3 1 1 {SHA256}")) == "3 1 1 abababababababab..."
    assert str(tlsa.parse("3 1 1 ab")) == "3 1 1 ab"
    assert str(tlsa.parse("3 1 1")) == "3 1 1"


@pytest.mark.parametrize("usage", [0, 1])
def test_usages_of_the_web_are_not_used(usage: int) -> None:
    record = tlsa.parse(f"{usage} 1 1 {SHA256}")
    assert (record.problems, record.usable) == ((), False)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f"4 1 1 {SHA256}", "no usage 4 is known"),
        (f"255 1 1 {SHA256}", "no usage 255 is known"),
        (f"3 2 1 {SHA256}", "no selector 2 is known"),
        (f"3 1 3 {SHA256}", "no matching type 3 is known"),
        (f"3 1 1 {SHA256[2:]}", "SHA-256 has 32 octets, not 31"),
        (f"3 1 2 {SHA256}", "SHA-512 has 64 octets, not 32"),
        ("3 1 1", "SHA-256 has 32 octets, not 0"),
        (f"3 1 0 {SHA256}", "neither a certificate nor a key"),
        ("3 1 0", "neither a certificate nor a key"),
        (f"3 1 0 {DER.hex()}00", "neither a certificate nor a key"),
        ("3 1 0 3084ffffffff", "neither a certificate nor a key"),
        (f"3 1 1 {SHA256}a", "not of the form"),
        ("3 1", "not of the form"),
        ("-3 1 1 ab", "not of the form"),
        ("", "not of the form"),
    ],
)
def test_records_that_nobody_can_use(text: str, problem: str) -> None:
    record = tlsa.parse(text)
    assert problem in "; ".join(record.problems)
    assert not record.usable


@given(st.text() | st.from_regex(r"[0-9]{1,4} [0-9]{1,4} [0-9]{1,4} [0-9a-f ]*", fullmatch=True))
def test_any_text_is_read(text: str) -> None:
    record = tlsa.parse(text)
    assert isinstance(str(record), str)
    assert record.usable == (not record.problems and record.usage in (2, 3))
    assert not record.usable or len(record.sum[2]) in (64, 128)


@given(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255), st.binary(max_size=300))
def test_any_record_is_read(usage: int, selector: int, matching: int, data: bytes) -> None:
    record = tlsa.parse(f"{usage} {selector} {matching} {data.hex()}")
    assert (record.parameters, record.data) == ((usage, selector, matching), data)
