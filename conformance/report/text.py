"""Hostile text made fit to be shown: one definition for terminal, page and JUnit."""

from __future__ import annotations

import re

_SECTION = re.compile(r"\d+(\.\d+)*")
_RFC = re.compile(r"https://www\.rfc-editor\.org/rfc/rfc\d+(\.html)?/?")


def printable(text: str, limit: int = 400, *, newlines: bool = False) -> str:
    r"""Return text with everything that is not plainly visible written out, at most ``limit`` characters of it.

    Control characters, bidirectional overrides, zero-width and separator characters, lone surrogates and unassigned
    code points become ``\xNN`` or ``\u{...}``; a line feed stays where ``newlines`` is set. Of a longer text the
    beginning and the end are kept, since the end of a record is often its policy, with its length between them.
    """
    if len(text) <= limit:
        return _visible(text, newlines)
    tail = limit // 4
    head = _visible(text[: limit - tail], newlines)
    return f"{head}… ({len(text)} characters) …{_visible(text[len(text) - tail :], newlines)}"


def _visible(text: str, newlines: bool) -> str:
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or (newlines and c == "\n") else _written_out(ord(c)) for c in text)


def _written_out(point: int) -> str:
    return f"\\x{point:02x}" if point < 0x100 else f"\\u{{{point:x}}}"


def clip(text: str, width: int) -> str:
    """Return at most ``width`` characters of a text, the last one an ellipsis when something was cut off."""
    return text if len(text) <= width else f"{text[: max(width - 1, 0)]}…"


def look_ups(cost: int, known: bool) -> str:
    """Return how many look-ups an SPF record costs; ``known``: whether all that it includes was seen."""
    if known:
        return plural(cost, "look-up")
    return f"at least {plural(cost, 'look-up')}" if cost else "look-ups not known"


def plural(count: int, noun: str) -> str:
    """Return ``1 host``, ``2 hosts``, ``1,200 hosts``."""
    if count == 1:
        return f"1 {noun}"
    if noun.endswith("ry"):
        return f"{count:,} {noun[:-1]}ies"
    return f"{count:,} {noun}es" if noun.endswith("s") else f"{count:,} {noun}s"


def place_address(address: str, cite: str) -> str | None:
    """Return the web address of a cited place, with the section of an RFC; None of what is no web address.

    ``cite`` is ``KEY place``, e.g. ``RFC5321 4.1.1.1``.
    """
    if not address.startswith(("https://", "http://")):
        return None
    place = cite.partition(" ")[2].strip()
    if _RFC.fullmatch(address) and _SECTION.fullmatch(place):
        return f"{address.rstrip('/')}#section-{place}"
    return address
