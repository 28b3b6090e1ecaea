"""What a text from the DNS looks like to the person who typed it: for telling a slip from another kind of record."""

from __future__ import annotations

import codecs
from typing import Final

# Octets 0x91 to 0x97 are the quotes and dashes of Windows-1252.
_LOOKALIKES: Final = {
    '"': "\u201c\u201d\u201e\u201f\u00ab\u00bb\u2033\x93\x94",
    "'": "\u2018\u2019\u201a\u201b\u2039\u203a\u2032\u00b4\x91\x92`",
    "-": "\u2010\u2011\u2012\u2013\u2014\u2212\x96\x97",
    " ": "\u00a0\u2007\u202f\u3000",
    "": "\u200b\u200c\u200d\u2060\ufeff\u00ad",
}
_ASCII: Final = {ord(odd): ascii_char for ascii_char, group in _LOOKALIKES.items() for odd in group}

DECORATION: Final = " \t\r\n\"'\\()"
"""Characters that copying from a page or a zone file leaves around a record."""


def plain(text: str, *, limit: int = 512) -> str:
    """Return the first ``limit`` characters with UTF-8 decoded and typographic quotes, dashes and blanks as ASCII.

    ``text`` is octets decoded as Latin-1 (as DNS facts are) or ordinary text.
    """
    head = text[:limit]
    if not head.isascii():
        try:
            # Not final: a character that the limit cuts in two is no error.
            head = codecs.getincrementaldecoder("utf-8")().decode(head.encode("latin-1"), False)
        except UnicodeError:
            head = text[:limit]
    return head.translate(_ASCII)


def has_typographic_quotes(text: str, *, limit: int = 65536) -> bool:
    """Say whether quotation marks were typed that are not the ASCII ones."""
    seen = plain(text, limit=limit)
    return any(seen.count(quote) > text.count(quote, 0, limit) for quote in ('"', "'"))
