"""Encoded-words and the names of character sets."""

from __future__ import annotations

import time
from contextlib import suppress
from email.header import Header, decode_header

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.reading import charsets
from conformance.reading.encodedword import decode, words


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("plain", "plain"),
        ("=?utf-8?Q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
        ("=?UTF-8?b?R3LDvMOfZQ==?= and more", "Grüße and more"),
        ("=?utf-8?Q?a?= =?utf-8?Q?b?=", "ab"),
        ("=?utf-8?Q?a?=\r\n =?iso-8859-1?Q?=FC?=", "aü"),
        ("=?utf-8?Q?_?=", " "),
        ("=?utf-8*de?Q?a_b?=", "a b"),
        ("=?nobody?Q?a?=", "=?nobody?Q?a?="),
        ("=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=", "日本"),
        ("1 =? 2", "1 =? 2"),
        ("=?utf-8?B?R3LD?= =?utf-8?B?vMOfZQ==?=", "Grüße"),
    ],
)
def test_decoding(text: str, said: str) -> None:
    assert decode(text) == said


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("=?utf-8?B?a?=", "cut short"),
        ("=?utf-8?B?a-b=?=", "no base64"),
        ("=?utf-8?B?/w==?=", "are no utf-8"),
        ("=?nobody?Q?a?=", "is unknown"),
        ("=?utf-8?X?a?=", "neither B nor Q"),
    ],
)
def test_faults(text: str, fault: str) -> None:
    (word,) = words(text)
    assert fault in word.faults[0]


@pytest.mark.parametrize(
    ("text", "slip"),
    [
        (f"=?utf-8?Q?{'a' * 70}?=", "82 characters, more than 75"),
        ("=?utf-8?Q?a b?=", "a blank inside"),
        ("=?utf-8?Q?ü?=", "must be encoded"),
        ("=?utf-8?B?YWI?=", "lacks padding"),
        ("=?utf-8?B?R3LD?= =?utf-8?B?vMOfZQ==?=", "cut in two"),
    ],
)
def test_slips_are_understood(text: str, slip: str) -> None:
    found = words(text)
    assert not any(word.faults for word in found)
    assert any(slip in one for word in found for one in word.slips)


def test_75_characters_are_enough() -> None:
    (word,) = words(f"=?utf-8?Q?{'a' * 63}?=")
    assert (len(word.raw), word.slips) == (75, ())


def test_time_is_linear() -> None:
    began = time.process_time()
    for piece in ("=?", "=?a?B?", "?=", "=?utf-8?Q?a?=", "=?utf-8?Q?a?= ", "=?utf-8?B?/w==?= ", "=?a?b?c"):
        decode(piece * (250_000 // len(piece)))
    assert time.process_time() - began < 60


@given(st.text(st.sampled_from("=?utf-8QB_ab \t\x00ü/+"), max_size=80))
def test_any_text_is_read(text: str) -> None:
    decode(text)


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=60))
def test_what_the_library_writes_is_read(text: str) -> None:
    written = Header(text, "utf-8", maxlinelen=75).encode()
    assert not any(word.faults or word.slips for word in words(written))
    expected = "".join(part if isinstance(part, str) else part.decode("utf-8") for part, _ in decode_header(written))
    assert decode(written.replace("\n", "")) == expected


KNOWN = """
utf-8 UTF8 us-ascii iso-8859-1 ISO_8859-15 iso-8859-8-i windows-874 windows-31j windows-936 windows-949 windows-950
windows-1252 ks_c_5601-1987 cp932 cp850 cp51932 shift_jis x-sjis euc-jp euc-kr euc-tw gb2312 gbk gb18030 big5
big5-hkscs hz-gb-2312 iso-2022-jp iso-2022-jp-2 iso-2022-kr iso-2022-cn koi8-r koi8-u koi7-switched macintosh
x-mac-roman x-mac-cyrillic tis-620 viscii tcvn utf-7 utf-16 utf-16le utf-32 unicode-1-1-utf-7 iso-10646-ucs-2 cesu-8
scsu ibm866 cp1252 ansi_x3.4-1968 latin1 unknown-8bit csisolatin1 hp-roman8 iso-ir-100 ibm-thai
"""


@pytest.mark.parametrize("name", KNOWN.split())
def test_known_character_sets(name: str) -> None:
    assert charsets.lookup(name)
    assert charsets.lookup(name.upper())


@pytest.mark.parametrize("name", ["", "x-made-up", "nobody", "utf-9", "rot13", "hex", "idna", "utf\0", "a" * 99])
def test_unknown_character_sets(name: str) -> None:
    assert charsets.lookup(name) is None


@pytest.mark.parametrize(
    ("name", "octets", "text"), [("windows-874", b"\xca\xc7", "สว"), ("windows-31j", b"\x87\x40", "①")]
)
def test_names_that_python_lacks_decode(name: str, octets: bytes, text: str) -> None:
    charset = charsets.lookup(name)
    assert charset
    assert charsets.decoded(octets, charset) == text


def test_no_codec_says_nothing() -> None:
    charset = charsets.lookup("viscii")
    assert charset
    assert charsets.decoded(b"\xff", charset) is None


@given(st.text(max_size=30), st.binary(max_size=20))
def test_any_name_and_octets(name: str, octets: bytes) -> None:
    if charset := charsets.lookup(name):
        with suppress(UnicodeDecodeError):
            charsets.decoded(octets, charset)
