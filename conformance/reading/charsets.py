"""Names of character sets in messages (RFC 2978), and how to decode them where Python can."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from typing import Final

__all__ = ["Charset", "decoded", "lookup"]

_PYTHONS: Final = {
    "gb2312": "gb18030",
    "csgb2312": "gb18030",
    "ks_c_5601-1987": "cp949",
    "euc-kr": "cp949",
    "shift_jis": "cp932",
    "big5": "cp950",
    "windows-874": "cp874",
    "windows-31j": "cp932",
    "cswindows31j": "cp932",
    "x-sjis": "cp932",
    "windows-936": "gbk",
    "windows-949": "cp949",
    "windows-950": "cp950",
    "ibm-thai": "cp874",
    "iso-8859-6-e": "iso8859-6",
    "iso-8859-6-i": "iso8859-6",
    "iso-8859-8-e": "iso8859-8",
    "iso-8859-8-i": "iso8859-8",
    "iso-2022-jp-ms": "iso2022_jp_ext",
    "x-gbk": "gbk",
    "x-euc-jp": "euc_jp",
    "x-big5": "big5",
    "x-mac-roman": "mac_roman",
    "utf-8-strict": "utf-8",
}
"""Names that Python does not know or takes too narrowly, with the codec of what mail software writes under them."""

_EXTENDED: Final = frozenset({"iso2022_jp", "iso2022_jp_1", "iso2022_jp_2", "iso2022_jp_3", "iso2022_jp_ext", "euc_jp"})
"""Codecs without the vendors' rows, such as circled digits, which Japanese mail has every day."""

_REGISTERED: Final = re.compile(
    r"""
    (?:ibm-?|cp|ccsid|csibm|csp?c)\d+[a-z0-9-]* | iso-ir-\d+[a-z0-9-]* | csiso[a-z0-9]+ | cs[a-z][a-z0-9]+
    | iso[-_]?8859[-_]\d+(?:[-_:].*)? | iso[-_]10646[-_a-z0-9]* | iso-2022-(?:cn|cn-ext|kr|jp[a-z0-9-]*)
    | iso_[a-z0-9._:-]+
    | windows-\d+[a-z0-9-]* | ebcdic-[a-z-]+ | adobe-[a-z-]+ | hp-[a-z0-9]+ | ks_c_5601[-_]?\d* | ks_c_5636
    | jis_[a-z0-9_-]+ | jus_i\.b1\.00[23][a-z-]* | (?:x-)?euc-?tw | gb_?[a-z0-9_.-]+ | big5[-_a-z0-9]* | koi7-switched
    | koi8-e | viscii | viqr | vscii | tcvn[-0-9:]* | tscii | scsu | bocu-1 | cesu-8 | utf-7-imap | utf-?1[a-z0-9-]*
    | utf-?(?:16|32)(?:le|be)? | unicode-1-1[a-z0-9-]* | unknown-8bit | mnem(?:onic)? | macintosh | x-mac-[a-z]+
    | dec-mcs | t\.61[a-z0-9-]* | videotex-suppl | amiga-?1251 | ptcp?154 | kz-?1048 | rk1048 | brf | invariant
    | (?:us-dk|dk-us|latin-?\w+|l\d+|inis[a-z0-9-]*|nats-[a-z-]+|sen_[a-z0-9_]+|bs_\w+|din_\w+|nf_z_\w+[()\d]*)
    | (?:nc_nc[0-9:-]+|es2?|it|yu|pt2?|uk|us|no2?|fi|se2?|cn|jp(?:-ocr-[ab][a-z-]*)?|kr|hu|fr|ref|dk|gost_[0-9-]+)
    | (?:asmo[-_]\d+|ecma-[a-z0-9]+|elot_\d+|greek[a-z0-9-]*|hebrew|arabic\d*|cyrillic[a-z-]*|csa_[a-z0-9.-]+|cwi-2)
    | (?:x0201[-0-9]*|x0212|x0208|katakana|iec_p27-1|s-mail.*|johab|x-johab|x-windows-\d+|x-cp\d+|x-euc[a-z0-9-]*)
    """,
    re.VERBOSE | re.ASCII,
)
"""Further names of the IANA registry and of widespread software, by family: none of them is a slip."""

_NO_CHARSETS: Final = frozenset({"mbcs", "oem", "palmos", "undefined", "idna", "punycode", "unicode_escape"})
_LONGEST_NAME = 60


@dataclass(frozen=True, slots=True)
class Charset:
    """A known character set. ``codec`` is None where Python cannot decode it."""

    name: str
    codec: str | None
    extended: bool = False
    """Whether mail software writes more under this name than Python's codec knows."""


def lookup(name: str) -> Charset | None:
    """Return the character set of a name in any case; None for a name that nobody knows."""
    lowered = name.strip().lower()
    if not lowered or len(lowered) > _LONGEST_NAME or not lowered.isascii() or "\0" in lowered:
        return None
    if (codec := _codec(_PYTHONS.get(lowered, lowered))) is not None:
        return Charset(lowered, codec, codec in _EXTENDED)
    return Charset(lowered, None) if _REGISTERED.fullmatch(lowered) else None


def _codec(name: str) -> str | None:
    try:
        found = codecs.lookup(name)
    except (LookupError, ValueError):
        return None
    is_text = bool(getattr(found, "_is_text_encoding", True))
    return None if not is_text or found.name.replace("-", "_") in _NO_CHARSETS | {"raw_unicode_escape"} else found.name


def decoded(octets: bytes, charset: Charset) -> str | None:
    """Return octets as text, None where Python has no codec, or none wide enough.

    Raises UnicodeDecodeError where the octets do not fit.
    """
    if charset.codec is None:
        return None
    try:
        return octets.decode(charset.codec)
    except UnicodeDecodeError:
        if charset.extended:
            return None
        raise
    except UnicodeError as error:
        raise UnicodeDecodeError(charset.codec, octets[:1] or b"\0", 0, 1, str(error)) from None
