"""Names as the inventory may write them: domains, selectors, host names."""

from __future__ import annotations

import re

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_SELECTOR_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}")
_LONGEST = 253


def is_host_name(name: str) -> bool:
    """Say whether an inventory's host name can stand in the ids of subjects."""
    return _HOST.fullmatch(name) is not None


def domain_name(text: str) -> str:
    """Return a domain name as A-labels in lower case without a final dot (RFC 5890 section 2.3.2.1, RFC 1035 2.3.1).

    Raises ValueError, which says what is expected.
    """
    name = text.removesuffix(".")
    if not name.isascii():
        name = _to_ascii(name)
    name = name.lower()
    labels = name.split(".")
    if len(name) > _LONGEST or not all(map(_LABEL.fullmatch, labels)) or labels[-1].isdigit():
        raise ValueError("a domain name")
    return name


def selector(text: str) -> str:
    """Return a DKIM selector in lower case (RFC 6376 section 3.1; underscores too, since DNS has them).

    Raises ValueError, which says what is expected.
    """
    name = text.lower()
    if len(name) > _LONGEST or not all(map(_SELECTOR_LABEL.fullmatch, name.split("."))):
        raise ValueError("a DKIM selector, such as s2026a")
    return name


def _to_ascii(name: str) -> str:
    import idna

    if len(name) > _LONGEST:
        raise ValueError("a domain name")
    try:
        return idna.encode(name, uts46=True).decode("ascii")
    except idna.IDNAError as error:
        raise ValueError(f"a domain name ({error})") from None
