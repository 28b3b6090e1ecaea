"""Lines of a message's text, whatever encoding carries them."""

from __future__ import annotations

import re

from conformance.reading.stdlibview import parts

_MOST = 100
"""Parts of one message that are looked at."""


def dotted_lines(octets: bytes) -> list[str]:
    """Return the lines of the text parts that begin with a dot, without transfer encoding and blanks at their ends."""
    lines: list[str] = []
    for number, part in enumerate(parts(octets).walk()):
        if number >= _MOST:
            break
        payload = part.get_payload(decode=True)
        if part.get_content_maintype() == "text" and isinstance(payload, bytes):
            lines += (line.rstrip() for line in re.split(r"\r?\n", payload.decode("latin-1")) if line.startswith("."))
    return lines
