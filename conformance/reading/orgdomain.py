"""Where a name stands in the domain tree: its registrable domain, its top-level domain, its A-labels.

Names are compared as A-labels in lower case without the final dot; the list of public suffixes is the one that
publicsuffixlist ships (https://publicsuffix.org/list/).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList

_DOTS = re.compile("[.\u3002\uff0e\uff61]")
_LABEL = re.compile(r"[\x21-\x2d\x2f-\x7e]{1,63}")

_SPECIAL_USE: Final = {
    "localhost": "RFC 6761",
    "test": "RFC 6761",
    "invalid": "RFC 6761",
    "example": "RFC 6761",
    "local": "RFC 6762",
    "onion": "RFC 7686",
    "home.arpa": "RFC 8375",
    "ipv4only.arpa": "RFC 8880",
    "6tisch.arpa": "RFC 9031",
    "eap-noob.arpa": "RFC 9140",
    "resolver.arpa": "RFC 9462",
    "alt": "RFC 9476",
    "service.arpa": "RFC 9665",
    "internal": "ICANN resolution 2024.07.29.06",
}


@cache
def _suffixes(private: bool) -> PublicSuffixList:
    from publicsuffixlist import PublicSuffixList

    return PublicSuffixList(only_icann=not private)


def to_ascii(name: str) -> str | None:
    """Return a name as A-labels in lower case without its final dot (RFC 5890), None when it cannot be a name.

    ASCII labels are taken as they are, also those with an underscore; a bare dot, empty labels, blanks, control
    characters and names of more than 253 octets are not names.
    """
    if len(name) > 1024:
        return None
    labels = [_label_to_ascii(label) for label in _DOTS.split(name)]
    if len(labels) > 1 and labels[-1] == "":
        labels.pop()
    ascii_name = ".".join(label or "" for label in labels)
    valid = all(label is not None and _LABEL.fullmatch(label) for label in labels)
    return ascii_name if valid and len(ascii_name) <= 253 else None


def _label_to_ascii(label: str) -> str | None:
    if label.isascii():
        return label.lower()
    if len(label) > 63:
        return None
    import idna

    try:
        return idna.encode(label, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError, ValueError, IndexError):
        return None


def to_unicode(name: str) -> str | None:
    """Return a name as people read it, A-labels decoded; None when it is not a name or an A-label is not valid."""
    ascii_name = to_ascii(name)
    if ascii_name is None:
        return None
    labels = [_label_to_unicode(label) for label in ascii_name.split(".")]
    return None if None in labels else ".".join(label for label in labels if label)


def _label_to_unicode(label: str) -> str | None:
    if not label.startswith("xn--"):
        return label
    import idna

    try:
        return idna.decode(label)
    except (idna.IDNAError, UnicodeError, ValueError, IndexError):
        return None


def registrable(name: str, *, private: bool = False) -> str | None:
    """Return the domain that was registered below a public suffix, as A-labels.

    ``mail.example.co.uk`` gives ``example.co.uk``. None when the name is itself a public suffix, an IPv4 address or
    no name. ``private`` also counts the suffixes that companies run (``github.io``), not only those of registries.
    A top-level domain that is not on the list counts as a public suffix.
    """
    ascii_name = to_ascii(name)
    if ascii_name is None or ascii_name.rpartition(".")[2].isdigit():
        return None
    found: str | None = _suffixes(private).privatesuffix(ascii_name)
    return found


def owned(name: str) -> str | None:
    """Return the domain that one owner has of a name: below a company's suffix (``uk.com``) the customer's alone.

    A company's suffix itself is that company's. None as for :func:`registrable`.
    """
    return registrable(name, private=True) or registrable(name)


def is_within(name: str, domains: Collection[str]) -> bool:
    """Say whether a name is one of some domains, given as A-labels in lower case, or lies below one."""
    rest = to_ascii(name) or ""
    while rest:
        if rest in domains:
            return True
        rest = rest.partition(".")[2]
    return False


def is_public_suffix(name: str, *, private: bool = False) -> bool:
    """Say whether names are registered directly below this one; False for what is not a name."""
    ascii_name = to_ascii(name)
    if ascii_name is None or ascii_name.rpartition(".")[2].isdigit():
        return False
    return bool(_suffixes(private).is_public(ascii_name))


def known_tld(name: str) -> bool:
    """Say whether the name ends in a top-level domain of the list's registry section that is not special-use."""
    ascii_name = to_ascii(name)
    if ascii_name is None or special_use(ascii_name):
        return False
    tld = ascii_name.rpartition(".")[2]
    # Some top-level domains are listed by a wildcard only (*.ck), which no shorter name matches.
    return _suffixes(False).publicsuffix(f"a.b.{tld}", accept_unknown=False) is not None


def special_use(name: str) -> str | None:
    """Return the reserved suffix a name ends in and who reserved it (``local, RFC 6762``), None for other names.

    example.com, .net and .org are left out: they are reserved for documentation but they are delegated.
    """
    ascii_name = to_ascii(name)
    if ascii_name is None:
        return None
    labels = ascii_name.split(".")
    for suffix in (labels[-1], ".".join(labels[-2:])):
        if source := _SPECIAL_USE.get(suffix):
            return f"{suffix}, {source}"
    return None
