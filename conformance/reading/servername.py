"""Which names a certificate stands for (RFC 6125 section 6.4)."""

from __future__ import annotations

from collections.abc import Iterable

from conformance.reading.orgdomain import to_ascii


def covers(pattern: str, name: str) -> bool:
    """Say whether a certificate's DNS name stands for a name; a whole left-most label may be ``*``, for one label."""
    wanted, given = to_ascii(name), to_ascii(pattern)
    if wanted is None or given is None:
        return False
    first, _, rest = given.partition(".")
    if first == "*" and "." in rest:
        return wanted.partition(".")[2] == rest
    return "*" not in given and wanted == given


def covered(patterns: Iterable[str], names: Iterable[str]) -> tuple[str, ...]:
    """Return those of some names that one of a certificate's names stands for."""
    known = tuple(patterns)
    return tuple(name for name in names if any(covers(pattern, name) for pattern in known))
