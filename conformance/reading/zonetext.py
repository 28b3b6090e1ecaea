"""Records in sentences, as remedies write them, and the strings that a long text is published in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

LONGEST_STRING: Final = 255
"""Octets of one string of a TXT record (RFC 1035 section 3.3)."""

Data = str | tuple[int, str] | tuple[str, ...]
"""A, AAAA, PTR: text. MX: (preference, exchange). TXT: strings of octets decoded as Latin-1."""

_STRING = r'"(?:[^"\\]|\\.)*"'
_RECORD = re.compile(
    rf"(?<![^\s;,\"])(?P<name>[^\s;,\"]+) IN (?:(?P<txt>TXT) (?P<strings>{_STRING}(?: {_STRING})*)"
    r"|MX (?P<preference>\d{1,5}) (?P<exchange>\S+)"
    r"|(?P<other>AAAA|A|PTR) (?P<value>\S+))",
    re.DOTALL,
)
_CONDITION = re.compile(r"(?:When|Once|Unless|Only|If|Declare) ")
_BLANK = re.compile(r"\.\.\.|<")
"""What stands in a remedy for what its reader has to fill in."""


@dataclass(frozen=True, slots=True)
class Named:
    """A record that a sentence names. ``name`` is without the final dot; ``data`` is None where a blank is in it."""

    name: str
    rdtype: str
    data: Data | None


def is_conditional(text: str) -> bool:
    """Whether a remedy begins with a condition that its reader has to see to."""
    return _CONDITION.match(text) is not None


def named_in(text: str) -> tuple[Named, ...]:
    """Return the records of a sentence, in order. What is not written as in a zone file is passed over."""
    return tuple(_named(text))


def _named(text: str) -> Iterator[Named]:
    for found in _RECORD.finditer(text):
        name = _bare(found["name"])
        if not name or _BLANK.search(name):
            continue
        if found["txt"]:
            yield Named(name, "TXT", None if _BLANK.search(found["strings"]) else _strings(found["strings"]))
        elif found["exchange"]:
            target = found["exchange"] if found["exchange"] == "." else _bare(found["exchange"])
            yield Named(name, "MX", None if _BLANK.search(target) else (int(found["preference"]), target))
        elif found["other"] == "PTR":
            target = _bare(found["value"])
            yield Named(name, "PTR", None if _BLANK.search(target) or not target else target)
        elif address := _address(found["value"]):
            yield Named(name, found["other"], address)


def _bare(name: str) -> str:
    return name.rstrip(".,")


def _address(text: str) -> str:
    try:
        return str(ip_address(text.rstrip(".,")))
    except ValueError:
        return ""


def _strings(text: str) -> tuple[str, ...] | None:
    # Every rule's module comes to this one, and dnspython takes longer to import than all of them.
    import dns.exception
    import dns.rdata
    from dns.rdataclass import RdataClass
    from dns.rdatatype import RdataType

    try:
        rdata = dns.rdata.from_text(RdataClass.IN, RdataType.TXT, text)
    except (dns.exception.DNSException, ValueError):
        return None
    return tuple(one.decode("latin-1") for one in rdata.strings)  # type: ignore[attr-defined]


def split(text: str) -> tuple[str, ...]:
    """Return the strings that a text is published in, each as long as may be; joined they are the text.

    ``text`` is octets decoded as Latin-1, as answers keep them; one beyond Latin-1 is published as UTF-8.
    """
    try:
        octets = text.encode("latin-1")
    except UnicodeEncodeError:
        octets = text.encode("utf-8", "replace")
    parts = [octets[start : start + LONGEST_STRING] for start in range(0, len(octets), LONGEST_STRING)]
    return tuple(part.decode("latin-1") for part in parts or [b""])


def quoted_string(text: str) -> str:
    """Return one string as a zone file takes it: quotes, backslashes and all but printable ASCII are escaped."""
    return f'"{"".join(_octet(ord(one)) for one in text)}"'


def _octet(octet: int) -> str:
    if octet in b'"\\':
        return f"\\{octet:c}"
    return chr(octet) if 0x20 <= octet <= 0x7E else f"\\{octet:03d}"
