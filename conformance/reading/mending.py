"""Records put right term by term: what can be read stays as it is, what is garbled is read as it was meant."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from itertools import accumulate, compress

from conformance.reading import remedy, spf, taglist, tlsrpt
from conformance.reading.dkim import DkimSyntaxError, parse_key
from conformance.reading.typography import DECORATION, plain

_SLIPS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), meant)
    for pattern, meant in (
        (r"\A([+\-?~]?)ipv?([46])[:=]+", r"\1ip\2:"),
        (r"\A([+\-?~]?)ip4:(?=[0-9a-f]*:)", r"\1ip6:"),
        (r"\A([+\-?~]?)(include|exists|mx|a|ptr)[=]", r"\1\2:"),
        (r"\A(redirect|exp):", r"\1="),
        (r"\A(?=(?:[0-9]+\.){3}[0-9]+(?:/[0-9]+)?\Z)", "ip4:"),
    )
)
_STRAY = ",;\"'"
_VERSION = re.compile(r"\A(?:v\s*[=:\-]?\s*)?spf\W?1?[\s,;]*", re.IGNORECASE)


def spf_mended(text: str) -> tuple[str, tuple[str, ...]]:
    """Return an SPF record as it seems to be meant, and the words that nobody can read, which are left out."""
    body = _VERSION.sub("", plain(text, limit=len(text)).lstrip(DECORATION), count=1)
    written = body.split()
    meant = [_meant(word) for word in written]
    record, _ = spf.parse_all(" ".join(("v=spf1", *filter(None, meant))))
    read = {term.position for term in record.terms}
    starts = accumulate((len(word) + 1 if word else 0 for word in meant), initial=len("v=spf1 "))
    kept = [bool(word) and start in read for word, start in zip(meant, starts, strict=False)]
    lost = (word for word, keep in zip(written, kept, strict=True) if not keep)
    return " ".join(("v=spf1", *compress(meant, kept))), tuple(lost)


def spf_instead(text: str, mechanisms: Iterable[str]) -> tuple[str, tuple[str, ...]]:
    """Return the record that a text was meant to be, or a new one of an empty text, with some mechanisms and an end.

    Beside it the words that nobody can read, which are left out.
    """
    mended, lost = spf_mended(text)
    record = spf.parse_all(mended)[0]
    ended = record.all is not None or record.redirect is not None
    return remedy.spf_authorising(mended if ended else f"{mended} ~all", mechanisms), lost


def _meant(word: str) -> str:
    bare = word.strip(_STRAY)
    for pattern, meant in _SLIPS:
        bare = pattern.sub(meant, bare, count=1)
    return bare


def spf_replaced(text: str, others: Mapping[int, Iterable[str]]) -> str:
    """Return a record with other terms in place of those at some positions; none where there is nothing to put.

    Where an end goes, ``~all`` comes.
    """
    record = spf.parse_all(text)[0]
    before = {one.text.lower() for one in record.terms if one.position not in others}
    words: list[str] = []
    for one in record.terms:
        new = others.get(one.position)
        words += [one.text] if new is None else [word for word in new if word.lower() not in before]
    left = spf.parse_all(" ".join(("v=spf1", *dict.fromkeys(words))))[0]
    ended = left.all is not None or left.redirect is not None
    had = record.all is not None or record.redirect is not None
    return left.text if ended or not had else remedy.spf_of(dict.fromkeys(words))


def key_mended(text: str) -> str:
    """Return a DKIM key record without what zone files and web forms left in it; empty where that gives no key."""
    bare = plain(text, limit=len(text)).lstrip(DECORATION).rstrip(_STRAY + " ").replace("\\;", ";")
    candidate = re.sub(r"\s+", " ", bare)
    try:
        key = parse_key(candidate)
    except DkimSyntaxError:
        return ""
    return "" if key.revoked or not key.known_type else candidate


def key_with(text: str, change: Callable[[str, str], str | None]) -> str:
    """Return a key record with tags changed: ``change`` takes name and value, and returns the value or None."""
    tags, _ = taglist.read(text)
    kept = ((tag.name, change(tag.name, tag.value)) for tag in tags)
    return "; ".join(f"{name}={value}" for name, value in kept if value is not None)


def without_flag(flag: str) -> Callable[[str, str], str | None]:
    """Return a change of a key record that takes one flag out of ``t=``."""

    def change(name: str, value: str) -> str | None:
        if name != "t":
            return value
        return ":".join(one for one in value.split(":") if one.strip() != flag) or None

    return change


def without_tag(unwanted: str) -> Callable[[str, str], str | None]:
    """Return a change of a key record that drops one tag."""
    return lambda name, value: None if name == unwanted else value


def tlsrpt_mended(text: str) -> str:
    """Return a record of TLS reporting with ``mailto:`` before bare addresses; empty where it is unusable still."""
    head, found, rest = text.partition("rua=")
    uris, semicolon, tail = rest.partition(";")
    meant = ",".join(_uri(one.strip()) for one in uris.split(",") if one.strip())
    mended = f"{head}{found}{meant}{semicolon}{tail}"
    return "" if tlsrpt.parse(mended).problems else mended


def _uri(written: str) -> str:
    return f"mailto:{written}" if "@" in written and ":" not in written else written
