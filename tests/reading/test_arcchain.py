"""The ARC chain reader: any octets end in a status or in its own error."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.reading.arcchain import LARGEST, ArcError, validate

SET = (
    b"ARC-Seal: i=1; a=rsa-sha256; cv=none; d=example.com; s=s1; b=AAAA\r\n"
    b"ARC-Message-Signature: i=1; a=rsa-sha256; d=example.com; s=s1; h=from; bh=AAAA; b=AAAA\r\n"
    b"ARC-Authentication-Results: i=1; example.com; spf=pass\r\n"
)
PIECES = st.sampled_from(
    [SET, b"ARC-Seal: ", b"i=1; ", b"i=99999999999; ", b"cv=fail; ", b"\r\n", b"From: a@b.example\r\n"]
)


def test_status_of_chains_that_are_none_or_broken() -> None:
    assert validate(b"From: a@example.com\r\n\r\nHello\r\n", {}, 0).status == "none"
    assert validate(SET + b"From: a@example.com\r\n\r\nHello\r\n", {}, 0).status == "fail"
    with pytest.raises(ArcError):
        validate(b"a" * (LARGEST + 1), {}, 0)


@settings(deadline=None)
@given(st.lists(PIECES | st.binary(max_size=40), max_size=12))
def test_any_octets(pieces: list[bytes]) -> None:
    with contextlib.suppress(ArcError):
        assert validate(b"".join(pieces), {"s1._domainkey.example.com": "p=AAAA"}, 0).status in ("none", "pass", "fail")
