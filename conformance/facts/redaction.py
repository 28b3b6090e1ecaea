"""Takes secrets out of text before it is kept: as they are, and as commands, protocols and logs write them."""

from __future__ import annotations

import base64
import json
import re
import shlex
from collections.abc import Iterable, Iterator
from urllib.parse import quote

HIDDEN = "[secret]"
_LEAST = 4
"""Characters of an encoded secret below which it could be anything."""


class Redactor:
    """Knows secrets. It has no representation that shows them."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._known: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self.know(secrets)

    def __repr__(self) -> str:
        return "Redactor()"

    def know(self, secrets: Iterable[str]) -> None:
        """Take in further secrets; empty ones are none."""
        self._known.update(form for secret in secrets if secret for form in _forms(secret))
        # The longest first: an encoded password may begin with another one.
        forms = sorted(self._known, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, forms))) if forms else None

    def __call__(self, text: str) -> str:
        """Return a text without the secrets."""
        return self._pattern.sub(HIDDEN, text) if self._pattern else text


def _forms(secret: str) -> Iterator[str]:
    """Yield a secret as it may be written."""
    octets = secret.encode("utf-8", "surrogateescape")
    yield secret
    yield octets.decode("latin-1")
    yield json.dumps(secret)[1:-1]
    yield shlex.quote(secret)
    yield secret.replace("'", "'\"'\"'")
    encoded = (quote(octets, safe=""), octets.hex(), octets.hex().upper(), *_base64(octets))
    yield from (form for form in encoded if len(form) >= _LEAST)


def _base64(octets: bytes) -> Iterator[str]:
    """Yield the part of base64 text that is the same whatever stands before and after, for each of three alignments.

    So the password is found in the text of AUTH PLAIN too, where user names precede it (RFC 4616 section 2).
    """
    for before in range(3):
        shifted = bytes(before) + octets
        for text in (base64.b64encode(shifted).decode(), base64.urlsafe_b64encode(shifted).decode()):
            begin = (before * 8 + 5) // 6
            yield text[begin : len(shifted) * 8 // 6]
