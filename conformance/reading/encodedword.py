"""Encoded-words in header fields (RFC 2047)."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass

from conformance.reading import charsets

__all__ = ["LONGEST", "EncodedWord", "decode", "words"]

LONGEST = 75
"""Characters of an encoded-word (RFC 2047 section 2)."""
_LONGEST_TEXT = 1 << 18

_WORD = re.compile(r"=\?([^?\s=]{1,80})\?([BbQq])\?([^?\r\n]*)\?=")
_NEARLY = re.compile(r"=\?([^?\s=]{1,80})\?([^?\s]{0,10})\?([^?\s]{0,200})\?=")
_BETWEEN = re.compile(r"[ \t\r\n]+")
_B64 = re.compile(r"[A-Za-z0-9+/]*={0,2}")
_Q = re.compile(r"(?:[!-<>@-~]|=[0-9A-Fa-f]{2})*")


@dataclass(frozen=True, slots=True)
class EncodedWord:
    """One encoded-word. ``faults`` say why it cannot be decoded, ``slips`` what of the RFC it breaks besides.

    ``text`` is None where it could not be decoded, or where Python has no codec for its character set.
    """

    raw: str
    start: int
    end: int
    charset: str
    octets: bytes = b""
    text: str | None = None
    faults: tuple[str, ...] = ()
    slips: tuple[str, ...] = ()


def words(text: str) -> list[EncodedWord]:
    """Return all encoded-words of an unfolded field body, and what was meant as one."""
    found = [_word(match) for match in _WORD.finditer(text[:_LONGEST_TEXT])]
    taken = {word.start for word in found}
    for match in _NEARLY.finditer(text[:_LONGEST_TEXT]):
        if match.start() not in taken:
            fault = f"its encoding is {match[2]!a}, neither B nor Q"
            found.append(EncodedWord(match[0], match.start(), match.end(), match[1], faults=(fault,)))
    found.sort(key=lambda word: word.start)
    return list(_joint(found, text))


def _word(match: re.Match[str]) -> EncodedWord:
    raw, name, encoding, coded = match[0], match[1].partition("*")[0], match[2].upper(), match[3]
    slips = [f"it has {len(raw)} characters, more than {LONGEST}"] if len(raw) > LONGEST else []
    faults: list[str] = []
    octets = b""
    if encoding == "B":
        if _B64.fullmatch(coded) is None:
            faults.append("it is no base64")
        else:
            octets = (
                binascii.a2b_base64(coded.rstrip("=") + "=" * (-len(coded.rstrip("=")) % 4)) if _whole(coded) else b""
            )
            faults += [] if _whole(coded) else ["its base64 is cut short"]
            slips += [] if len(coded) % 4 == 0 or not _whole(coded) else ["its base64 lacks padding"]
    else:
        if " " in coded or "\t" in coded:
            slips.append("it has a blank inside, which must be an underscore")
        elif _Q.fullmatch(coded) is None:
            slips.append("it has characters that must be encoded")
        octets = _unquoted(coded)
    text = None
    if not faults:
        if (charset := charsets.lookup(name)) is None:
            faults.append(f"its character set {name!a} is unknown")
        else:
            try:
                text = charsets.decoded(octets, charset)
            except UnicodeDecodeError:
                faults.append(f"its octets are no {charset.name}")
    return EncodedWord(raw, match.start(), match.end(), name, octets, text, tuple(faults), tuple(slips))


def _whole(coded: str) -> bool:
    """Whether base64 ends where octets do, padding apart."""
    return len(coded.rstrip("=")) % 4 != 1


def _unquoted(coded: str) -> bytes:
    octets = coded.replace("_", " ").encode("utf-8", "surrogateescape")
    return re.sub(rb"=([0-9A-Fa-f]{2})", lambda match: bytes([int(match[1], 16)]), octets)


def _joint(found: list[EncodedWord], text: str) -> Iterator[EncodedWord]:
    """Yield the words; of those cut inside a character, which only decode together, say so (RFC 2047 section 5)."""
    at = 0
    while at < len(found):
        run = [found[at]]
        while at + len(run) < len(found) and _adjacent(run[-1], found[at + len(run)], text):
            run.append(found[at + len(run)])
        at += len(run)
        whole = _decoded_together(run)
        if whole is None:
            yield from run
            continue
        for number, word in enumerate(run):
            slips = (*word.slips, "a character is cut in two between it and the next") if word.faults else word.slips
            said = whole if number == 0 else ""
            yield EncodedWord(word.raw, word.start, word.end, word.charset, word.octets, said, (), slips)


def _adjacent(one: EncodedWord, other: EncodedWord, text: str) -> bool:
    same = one.charset.lower() == other.charset.lower()
    return same and _BETWEEN.fullmatch(text, one.end, other.start) is not None


def _decoded_together(run: list[EncodedWord]) -> str | None:
    """Return the text of words that decode only together, None where that is not so."""
    cut = [word for word in run if word.faults]
    if len(run) < 2 or not cut or any("octets are no" not in word.faults[0] for word in cut):
        return None
    charset = charsets.lookup(run[0].charset)
    try:
        return charsets.decoded(b"".join(word.octets for word in run), charset) if charset else None
    except UnicodeDecodeError:
        return None


def decode(text: str) -> str:
    """Return a field body as people read it; what cannot be decoded stays as it is written."""
    said: list[str] = []
    at = 0
    last: EncodedWord | None = None
    for word in words(text):
        if word.text is None:
            continue
        between = text[at : word.start]
        if last is None or _BETWEEN.fullmatch(between) is None or last.end != at:
            said.append(between)
        said.append(word.text)
        at, last = word.end, word
    return "".join((*said, text[at:]))
