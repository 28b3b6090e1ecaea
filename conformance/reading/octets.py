"""Addresses hidden in names: octets in decimal or hexadecimal, in any order, padded, glued or spread over labels."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from itertools import pairwise

__all__ = ["Embedding", "Number", "address_form", "find_octets", "numbers"]

Address = IPv4Address | IPv6Address

_DIGITS = re.compile(r"[0-9]+", re.ASCII)
_NOT_HEX = re.compile(r"[^0-9a-f]")
_HEX_GROUP = re.compile(r"(?<![0-9a-z])[a-z]?([0-9a-f]{1,4})(?![0-9a-z])")
_FOUR_NUMBERS = re.compile(r"(?<![0-9])(?=([0-9]{1,3}(?:[-._x][0-9]{1,3}){3})(?![0-9]))", re.ASCII)
_PADDED = re.compile(r"(?<![0-9])([0-9]{2,3}(?:[0-2][0-9]{2}){3})(?![0-9])", re.ASCII)
_HEX_V4 = re.compile(r"(?<![0-9a-z])(?:0x|[g-z]|[a-z]{2,5}(?=[0-9]))?([0-9a-f]{8})(?![0-9a-z])")
_HEX_V6 = re.compile(r"[0-9a-f]{32}")
_MIN_DIGITS_OF_HEX = 3
"""Below this, eight hexadecimal digits are as likely to be a word with a number (`feedface1`)."""


@dataclass(frozen=True, slots=True)
class Embedding:
    """How much of an address a name gives away.

    ``degree`` counts octets, 0 to 4; of an IPv6 address 4 is all of it, 3 one half, 1 its last group. ``text`` is
    what shows it. ``tail``: the last two octets stand side by side.
    """

    degree: int
    text: str
    tail: bool = False


@dataclass(frozen=True, slots=True)
class Number:
    """A value of a name and the digits it was read from: several numbers may share one run of glued digits."""

    value: int
    start: int
    end: int
    glued: bool = False


NOTHING = Embedding(0, "")


def find_octets(text: str, address: Address) -> Embedding:
    """Return the most of ``address`` that the lower-case ``text`` holds. Time is linear in the text."""
    if isinstance(address, IPv6Address):
        return _find_groups(text, address)
    octets = tuple(address.packed)
    return _find_hex(text, octets) or _find_numbers(text, octets)


def _find_hex(text: str, octets: tuple[int, ...]) -> Embedding | None:
    """Find all four octets, or the last three, in hexadecimal, also reversed and with separators."""
    for label in (*text.split("."), text):
        compact = _NOT_HEX.sub("", label)
        for count in (4, 3):
            for chosen in (octets[-count:], octets[::-1][:count]):
                digits = bytes(chosen).hex()
                if digits in compact and (count == 4 or not digits.isdigit()):
                    return Embedding(count, digits, tail=True)
    return None


def _find_numbers(text: str, octets: tuple[int, ...]) -> Embedding:
    found = list(numbers(text, octets))
    for window in _windows(found, 4):
        if sorted(n.value for n in window) == sorted(octets):
            return _embedding(text, window)
    for window in _windows(found, 3):
        if _in_order(window, octets) and _span(window) <= _span_limit(window):
            return _embedding(text, window)
    pairs = [pair for pair in _windows(found, 2) if _in_order(pair, octets) and _close(text, pair)]
    tails = [pair for pair in pairs if {n.value for n in pair} == set(octets[2:])]
    if pairs:
        return _embedding(text, (tails or pairs)[0], tail=bool(tails))
    last = [n for n in found if n.value == octets[3] and n.end - n.start > 1]
    return _embedding(text, last[:1]) if last else NOTHING


def _embedding(text: str, window: list[Number], tail: bool = False) -> Embedding:
    shown = text[window[0].start : window[-1].end]
    return Embedding(len(window), shown, tail=tail or len(window) >= 3)


def _windows(found: list[Number], size: int) -> Iterator[list[Number]]:
    return (found[at : at + size] for at in range(len(found) - size + 1))


def _in_order(window: list[Number], octets: tuple[int, ...]) -> bool:
    """Whether the values are neighbouring octets, forwards or backwards."""
    values = tuple(number.value for number in window)
    size = len(values)
    runs = [octets[at : at + size] for at in range(4 - size + 1)]
    return values in runs or values[::-1] in runs


def _span(window: list[Number]) -> int:
    return window[-1].end - window[0].start


def _span_limit(window: list[Number]) -> int:
    """Small numbers meet by chance (`s1.c2.r3`): the fewer digits, the closer they must stand."""
    digits = sum(len(str(number.value)) for number in window)
    return digits + (8 if digits >= 5 else 2)


def _close(text: str, pair: list[Number]) -> bool:
    """Whether at most one separator stands between two numbers, or both come from one run of digits."""
    left, right = pair
    return (left.glued and left.start == right.start) or text[left.end : right.start] in ("-", ".", "_", "x")


def numbers(text: str, octets: tuple[int, ...] = ()) -> Iterator[Number]:
    """Yield the numbers of ``text`` in order; a long run of digits is read as glued ``octets`` where it is that."""
    for run in _DIGITS.finditer(text):
        digits = run[0]
        parts = _unglue(digits, octets) if 4 <= len(digits) <= 12 else None
        if parts:
            yield from (Number(part, run.start(), run.end(), glued=True) for part in parts)
        else:
            yield Number(int(digits[:12]), run.start(), run.end())


def _unglue(digits: str, octets: tuple[int, ...]) -> tuple[int, ...] | None:
    """Split digits into two to four neighbouring octets, each plain or padded to three digits."""
    for size in (4, 3, 2):
        for at in range(len(octets) - size + 1):
            run = octets[at : at + size]
            for parts in (run, run[::-1]):
                if _spells(digits, parts):
                    return parts
    return None


def _spells(digits: str, parts: tuple[int, ...]) -> bool:
    if not parts:
        return not digits
    forms = {str(parts[0]), f"{parts[0]:03}"}
    return any(digits.startswith(form) and _spells(digits[len(form) :], parts[1:]) for form in forms)


def _find_groups(text: str, address: IPv6Address) -> Embedding:
    """Find an IPv6 address: 32 hexadecimal digits, groups with separators, reversed nibbles, one half of it."""
    whole = address.packed.hex()
    groups = "".join(group.zfill(4) for group in _HEX_GROUP.findall(text))
    haystacks = (_NOT_HEX.sub("", text), groups, *(_NOT_HEX.sub("", label) for label in text.split(".")))
    dashed = str(address).replace(":", "-")
    if any(whole in hay or whole[::-1] in hay for hay in haystacks) or (len(dashed) > 8 and dashed in text):
        return Embedding(4, whole, tail=True)
    for half in (whole[:16], whole[16:]):
        if len(half.strip("0")) >= 8 and any(half in hay or half[::-1] in hay for hay in haystacks):
            return Embedding(3, half, tail=True)
    last = whole[-4:].lstrip("0")
    if len(last) >= 3 and re.search(rf"(?<![0-9a-f]){last}(?![0-9a-z])", text):
        return Embedding(1, last)
    return NOTHING


def address_form(text: str, *, hexadecimal: bool = False) -> str | None:
    """Return the part of ``text`` that has the form of an address, whosever it is.

    Four numbers up to 255, the same padded and glued, 32 hexadecimal digits; eight only when ``hexadecimal``, as
    names and serial numbers have that form too.
    """
    for decimal in (*_FOUR_NUMBERS.findall(text), *_PADDED.findall(text)):
        if all(part <= 255 for part in _values(decimal)):
            return str(decimal)
    if long := _HEX_V6.search(text):
        return long[0]
    short = (match[1] for match in _HEX_V4.finditer(text)) if hexadecimal else ()
    return next((hexes for hexes in short if _mixed(hexes)), None)


def _mixed(hexes: str) -> bool:
    return not hexes.isdigit() and sum(map(str.isdigit, hexes)) >= _MIN_DIGITS_OF_HEX


def _values(form: str) -> list[int]:
    if form.isdigit():
        cuts = [0, *range(len(form) - 9, len(form) + 1, 3)]
        return [int(form[a:b]) for a, b in pairwise(cuts)]
    return [int(part) for part in _DIGITS.findall(form)]
