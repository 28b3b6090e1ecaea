"""List header fields: URIs in angle brackets (RFC 2369) and list identifiers (RFC 2919)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from conformance.reading.comments import without_comments

__all__ = ["ListField", "list_id", "read_list_field"]

_LONGEST = 8_192
_BRACKETED = re.compile(r"(<[^<>]*>)")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_ID = re.compile(r"<([^<>\s]+)>\s*(?:\((?:[^()\\]|\\.)*\)\s*)?")
_ID_BODY = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)+")


@dataclass(frozen=True, slots=True)
class ListField:
    """The URIs of a List-* field; ``fault`` says what is wrong with it, empty for nothing."""

    uris: tuple[str, ...]
    fault: str = ""

    def of(self, scheme: str) -> tuple[str, ...]:
        """Return the URIs of a scheme."""
        return tuple(uri for uri in self.uris if uri.lower().startswith(f"{scheme}:"))


def read_list_field(text: str) -> ListField:
    """Read an unfolded field body (RFC 2369 section 2). What is no URI in angle brackets ends it."""
    pieces = _BRACKETED.split(text[:_LONGEST])
    # A URI may hold parentheses.
    rest = "".join(one if one.startswith("<") else without_comments(one) for one in pieces).strip(" \t\r\n")
    if rest.upper() == "NO":
        return ListField(())
    if not rest:
        return ListField((), "it is empty")
    uris: list[str] = []
    while rest:
        if not rest.startswith("<"):
            return ListField(tuple(uris), f"{rest[:60]!a} does not stand in angle brackets")
        uri, closed, rest = rest[1:].partition(">")
        if not closed:
            return ListField(tuple(uris), "an angle bracket is not closed")
        # Blanks come from folding and count as not there.
        uri = re.sub(r"[ \t\r\n]+", "", uri)
        if _SCHEME.match(uri) is None:
            return ListField(tuple(uris), f"{uri[:60]!a} is no URI")
        uris.append(uri)
        rest = rest.lstrip(" \t\r\n")
        if rest and not rest.startswith(","):
            return ListField(tuple(uris), f"{rest[:60]!a} follows a URI without a comma")
        rest = rest.lstrip(", \t\r\n")
    return ListField(tuple(uris))


def list_id(text: str) -> str | None:
    """Return the identifier of a List-Id; None where it has none of the form ``<list.example.com>`` (RFC 2919)."""
    shown = text[:_LONGEST]
    match = _ID.fullmatch(shown, max(shown.rfind("<"), 0))
    return match[1] if match and _ID_BODY.fullmatch(match[1]) and len(match[1]) <= 255 else None
