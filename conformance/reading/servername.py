"""Which names a certificate stands for (RFC 6125 section 6.4)."""

from __future__ import annotations

from collections.abc import Iterable

from conformance.reading.orgdomain import to_ascii


def covered(patterns: Iterable[str], names: Iterable[str]) -> tuple[str, ...]:
    """Return those of some names that one of a certificate's names stands for.

    A whole left-most label may be ``*``, for one label.
    """
    known = {to_ascii(pattern) for pattern in patterns}
    return tuple(name for name in names if any(one in known for one in _patterns(name)))


def _patterns(name: str) -> tuple[str, ...]:
    """Return the patterns that stand for a name: itself, and that with ``*`` for its first label."""
    wanted = to_ascii(name)
    if wanted is None:
        return ()
    rest = wanted.partition(".")[2]
    return (*([] if "*" in wanted else [wanted]), *([f"*.{rest}"] if "." in rest else []))
