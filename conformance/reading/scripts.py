"""Which scripts a name mixes (UTS #39 section 5), by the Unicode properties of the regex library."""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Final

from conformance.reading.orgdomain import to_unicode

__all__ = ["id_in_both_forms", "in_both_forms", "mixed_label", "mixed_scripts"]

_NAMES: Final = (
    "Latin Han Hiragana Katakana Hangul Bopomofo Cyrillic Greek Armenian Hebrew Arabic Thai Devanagari Bengali Tamil "
    "Telugu Kannada Malayalam Gujarati Gurmukhi Oriya Sinhala Lao Tibetan Myanmar Georgian Ethiopic Khmer Mongolian "
    "Thaana Syriac Cherokee Tifinagh Coptic Javanese Balinese Nko Yi"
)
_SCRIPTS: Final = tuple(_NAMES.split())
_EAST_ASIAN: Final = (
    frozenset({"Latin", "Han", "Hiragana", "Katakana"}),
    frozenset({"Latin", "Han", "Bopomofo"}),
    frozenset({"Latin", "Han", "Hangul"}),
)
"""What may stand together in a highly restrictive name (UTS #39 section 5.2)."""
_LONGEST = 253
_NAME = re.compile(r"[A-Za-z0-9._-]*xn--[A-Za-z0-9._-]*", re.IGNORECASE)
_MOST_NAMES = 5


@cache
def _pattern(script: str) -> Any:
    import regex

    return regex.compile(rf"\p{{scx={script}}}")


@cache
def _everywhere() -> Any:
    import regex

    return regex.compile(r"[\p{scx=Common}\p{scx=Inherited}]")


@cache
def _scripts_of(character: str) -> frozenset[str] | None:
    """Return the scripts that a character belongs to; None for one that is at home in all."""
    if _everywhere().match(character):
        return None
    return frozenset(script for script in _SCRIPTS if _pattern(script).match(character)) or frozenset({"another"})


def mixed_scripts(label: str) -> tuple[str, ...]:
    """Return the scripts of a label that mixes more than the highly restrictive level allows; empty where it does not.

    A label of US-ASCII, of one script, or of Latin with Japanese, Chinese or Korean writing is allowed.
    """
    if label.isascii():
        return ()
    sets = [one for character in label[:_LONGEST] if (one := _scripts_of(character)) is not None]
    if not sets or frozenset.intersection(*sets) or any(all(one & fit for one in sets) for fit in _EAST_ASIAN):
        return ()
    return tuple(dict.fromkeys(min(one) for one in sets))


def mixed_label(domain: str) -> tuple[str, tuple[str, ...]] | None:
    """Return the first label of a domain that mixes scripts, and which; None where none does or it is no name."""
    unicode = to_unicode(domain)
    for label in (unicode or "").split("."):
        if scripts := mixed_scripts(label):
            return label, scripts
    return None


def id_in_both_forms(subject: str) -> str:
    """Return the id of a subject with what people read of each name in it, where that is another text."""
    if "xn--" not in subject.lower():
        return subject
    names = dict.fromkeys(_NAME.findall(subject)[:_MOST_NAMES])
    forms = (in_both_forms(name).removeprefix(name) for name in names)
    return subject + "".join(form for form in forms if form)


def in_both_forms(domain: str) -> str:
    """Return a domain as A-labels with what people read beside it, where that differs and mixes no scripts.

    A name that mixes them is made to be taken for another, and is shown as A-labels alone (UTS #39 section 5.1).
    """
    unicode = to_unicode(domain)
    return f"{domain} ({unicode})" if unicode and unicode != domain.lower() and not mixed_label(domain) else domain
