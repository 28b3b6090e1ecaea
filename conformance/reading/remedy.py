"""Records put right: what to publish instead of what stands there, from the text alone. The owner decides."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

from conformance.reading import dmarc, spf, taglist, zonetext
from conformance.reading.typography import DECORATION, plain

_VERSION: Final = "v=spf1"
_WORD = re.compile("[^ ]+")
_BEGINS_TERM = re.compile(
    r"[+\-?~]?(?:(?:include|exists|ip4|ip6):|(?:mx|ptr)(?:[:/ ]|\Z)|all(?: |\Z))|(?:redirect|exp)=", re.IGNORECASE
)
_WITHIN_TERM = re.compile(r" [+\-?~]\n|[:=/\-_]\n|\.\n(?:mx|ptr|all)(?: |\Z)", re.IGNORECASE)
"""The seam of two strings within a term: after a qualifier, what no term ends with, or a dot before a top label."""

_VERSION_LIKE = re.compile(r"v\s*+(?:[=:\-]\s*+)?d[-_]?marc[-_ ]?[0-9]*[\s;,]*", re.IGNORECASE)
_BEFORE_TAG = re.compile(rf"(?<![\s,;])[\s,;]++(?=(?:{dmarc.TAGS})\s*+[=:])", re.IGNORECASE)
_COLON = re.compile(rf"(\A|; )({dmarc.TAGS})\s*:\s*", re.IGNORECASE)
_REPORTS = re.compile(r"((?:\A|; )ru[af]\s*=\s*)([^;]*)", re.IGNORECASE)


def publish(name: str, text: str) -> str:
    """Return the words that ask for a TXT record, as a zone file takes it."""
    return f"Publish: {name}. IN TXT {txt_data(text)}"


def publish_spf(name: str, text: str) -> str:
    """Return the words that ask for an SPF record, with what is to be done first where its own terms are too many."""
    asking = len(spf.parse_all(text)[0].querying)
    if asking <= spf.MOST_LOOKUPS:
        return publish(name, text)
    return (
        f"{publish(name, text)}, but first put addresses (ip4, ip6) in place of some terms: {asking} of them make "
        f"receivers ask, {spf.MOST_LOOKUPS} are allowed"
    )


def publish_at(name: str, owner: str, text: str) -> str:
    """Return the words that ask for a TXT record that is missing at a name, or at the owner that a CNAME leads to."""
    instead = "" if name == owner else f", or at {name}. in place of the CNAME, if that is a wildcard's"
    return f"{publish(owner, text)}{instead}"


def txt_data(text: str) -> str:
    """Return a TXT value as quoted strings for a zone file, each of at most 255 octets (RFC 1035 section 3.3.14).

    ``text`` is octets decoded as Latin-1, as answers keep them; a text beyond Latin-1 is taken as UTF-8. Quotes,
    backslashes and what is not printable ASCII are escaped (RFC 1035 section 5.1).
    """
    return " ".join(map(zonetext.quoted_string, zonetext.split(text)))


def spf_of(mechanisms: Iterable[str], end: str = "~all") -> str:
    """Return a record of some terms."""
    return " ".join((_VERSION, *mechanisms, end))


def spf_with(text: str, mechanism: str, *, first: bool = False) -> str:
    """Return a record with one more mechanism: before everything, or before what ends the record."""
    words = _words(text)
    ends = [index for index, word in enumerate(words) if _is_all(word) or _is_redirect(word)]
    at = 0 if first else min(ends, default=len(words))
    return " ".join((_VERSION, *words[:at], mechanism, *words[at:]))


def spf_authorising(text: str, mechanisms: Iterable[str], *, first: bool = False) -> str:
    """Return a record that names some addresses too; other terms that ``all`` made void stay so."""
    words = _words(text)
    end = _end(words)
    there = {word.lower() for word in words[:end]}
    missing = {one.lower(): one for one in mechanisms if first or one.lower() not in there}
    if not missing:
        return text
    void = [word for word in words[end:] if word.lower() not in missing]
    return spf_with(" ".join((_VERSION, *words[:end], *void)), " ".join(missing.values()), first=first)


def spf_ending(text: str, end: str) -> str:
    """Return a record with another ``all`` in place of the first, or at the end; redirect= goes.

    Mechanisms behind it stay void: nobody knows whether they are meant, or any good.
    """
    words = [word for word in _words(text) if not _is_redirect(word)]
    at = _end(words)
    return " ".join((_VERSION, *words[:at], end, *words[at + 1 :]))


def spf_reordered(text: str) -> str:
    """Return a record with its first ``all`` at the end, so that every mechanism counts (RFC 7208 section 5.1)."""
    words = _words(text)
    end = next((word for word in words if _is_all(word)), "~all")
    return spf_of((word for word in words if not _is_all(word) and not _is_redirect(word)), end)


def spf_without(text: str, positions: Iterable[int]) -> str:
    """Return a record without the terms at some positions; what is garbled stays, for its owner to repair."""
    left_out = set(positions)
    kept = (match[0] for match in _WORD.finditer(text, len(_VERSION)) if match.start() not in left_out)
    return " ".join((_VERSION, *kept))


def spf_merged(texts: Sequence[str]) -> str:
    """Return one record that authorises what several do, and that fails no harder than the mildest of them."""
    each = [_words(text) for text in texts]
    ends = {words[end].lower() for words in each if (end := _end(words)) < len(words)}
    counting = (word for words in each for word in words[: _end(words)])
    plain = (f"include:{word.partition('=')[2]}" if _is_redirect(word) else word for word in counting)
    # exp= may stand once in a record (RFC 7208 section 6).
    once = {"exp=" if word.lower().startswith("exp=") else word.lower(): word for word in plain}
    return spf_of(once.values(), "-all" if ends == {"-all"} else "~all")


def spf_respaced(strings: Sequence[str]) -> str | None:
    """Return the record that strings were meant to be when they lose or add a space between them; None when not."""
    joined = "".join(strings)
    spaced = strings[0] if strings else ""
    for before, after in pairwise(strings):
        begins = before.lower() == _VERSION or _BEGINS_TERM.match(after)
        glued = begins and not _WITHIN_TERM.search(f"{before}\n{after}")
        spaced += f" {after}" if glued and after and not before.endswith(" ") and after[0] != " " else after
    if spaced != joined:
        return spaced
    if len(strings) < 2 or not spf.parse_all(joined)[1]:
        return None
    bare = [text.strip(" ") for text in strings]
    candidates = ("".join(bare), " ".join(bare))
    return next((text for text in candidates if not spf.parse_all(text)[1]), None)


def dmarc_meant(text: str) -> str:
    """Return a garbled DMARC record as it seems to be meant: separators, colons, quotes and ``mailto:`` put right."""
    typed = re.sub(r"[\"'\\]", "", plain(text, limit=len(text))).lstrip(DECORATION)
    bare = _VERSION_LIKE.sub("v=DMARC1; ", typed, count=1)
    spaced = _BEFORE_TAG.sub("; ", bare)
    tagged = _COLON.sub(r"\1\2=", spaced)
    return _REPORTS.sub(lambda match: match[1] + ",".join(map(_uri, match[2].split(","))), tagged)


def _uri(written: str) -> str:
    piece = written.strip()
    return f"mailto:{piece}" if "@" in piece and ":" not in piece else piece


def dmarc_with(text: str, **changes: str | None) -> str:
    """Return a DMARC record with some tags set, or dropped where None; p= comes first.

    A garbled record is read as it was meant, so that nothing is lost that can be told; what is no tag is left out.
    """
    garbled = not dmarc.is_dmarc(text) or dmarc.parse(text).problems
    tags, _ = taglist.read(dmarc_meant(text) if garbled else text, fold_case=True)
    values = {tag.name: tag.value for tag in tags} | changes
    order = sorted(values, key=lambda name: name != "p")
    kept = (f"{name}={values[name]}" for name in order if name != "v" and values[name] is not None)
    return "; ".join(("v=DMARC1", *kept))


def _words(text: str) -> list[str]:
    return text.split()[1:]


def _end(words: Sequence[str]) -> int:
    """Return where the first ``all`` stands, which makes void what follows; the number of words without one."""
    return next((index for index, word in enumerate(words) if _is_all(word)), len(words))


def _is_all(word: str) -> bool:
    return word.lower().lstrip("+-~?") == "all"


def _is_redirect(word: str) -> bool:
    return word.lower().startswith("redirect=")
