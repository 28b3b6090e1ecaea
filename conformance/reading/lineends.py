"""Line ends on the wire: only CRLF ends a line, and only CRLF.CRLF a message (RFC 5321 sections 2.3.8 and 4.1.1.4)."""

from __future__ import annotations

import re

_NAMES = {"\r\n": "CRLF", "\n": "LF", "\r": "CR"}
_BARE = re.compile(r"(?<!\r)\n|\r(?!\n)")
_END = re.compile(r"(?P<before>\r\n|\n|\r)\.(?=(?P<after>\r\n|\n|\r))")


def bare(text: str, *, cut: bool = False) -> str | None:
    """Return the first CR or LF that is not part of a CRLF, such as ``LF at octet 12``; octets count from 1.

    ``cut`` says that the text may go on behind its end, so that a CR there says nothing.
    """
    found = _BARE.search(text)
    if not found or (cut and found.end() == len(text) and found[0] == "\r"):
        return None
    return f"{_NAMES[found[0]]} at octet {found.start() + 1}"


def false_end(text: str) -> str | None:
    """Return the first sequence that some receivers take for the end of the message, such as ``LF.LF at octet 12``.

    What ends the text is its true end. Source: SMTP smuggling, CVE-2023-51764 and its kin.
    """
    for found in _END.finditer(text):
        if found["before"] == "\r\n" == found["after"]:
            continue
        return f"{_NAMES[found['before']]}.{_NAMES[found['after']]} at octet {found.start() + 1}"
    return None
