"""Who seals a message: any octets end in names."""

from hypothesis import given
from hypothesis import strategies as st

from conformance.reading.arckeys import sealers
from conformance.reading.message import read

PIECES = st.sampled_from(
    [b"ARC-Seal: ", b"i=1; ", b"d=Example.COM; ", b"s=s1; ", b"b=AAAA", b"\r\n", b"\r\n ", b"d=..;"]
)


def test_seals_and_signatures_name_keys() -> None:
    message = read(
        b"ARC-Seal: i=2; d=Example.COM; s=S1; b=AAAA\r\n"
        b"ARC-Message-Signature: i=2; d=example.com; s=s1;\r\n h=from; bh=AAAA; b=AAAA\r\n"
        b"ARC-Seal: i=1; d=b\xc3\xbccher.example; s=s2; b=AAAA\r\n"
        b"ARC-Seal: i=1; d=example.com; b=AAAA\r\n"
        b"DKIM-Signature: v=1; d=example.com; s=other; h=from; bh=AAAA; b=AAAA\r\n\r\nHello\r\n"
    )
    assert sealers(message)[0] == ("s1", "example.com")
    assert ("other", "example.com") not in sealers(message)
    assert len(sealers(message)) <= 2


@given(st.lists(PIECES | st.binary(max_size=40), max_size=20))
def test_any_octets(pieces: list[bytes]) -> None:
    for selector, domain in sealers(read(b"".join(pieces))):
        assert selector and domain
