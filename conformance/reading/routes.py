"""What a zone of route origins says: the prefix that holds an address, and the networks that announce it.

Such zones are filled from route collectors; Team Cymru's, origin.asn.cymru.com and origin6.asn.cymru.com, set the form:
``64500 64501 | 192.0.2.0/24 | ...`` (https://www.team-cymru.com/ip-asn-mapping).
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Final

ANNOUNCED: Final = {4: "198.41.0.4", 6: "2001:503:ba3e::2:30"}
"""An address that is announced as long as there is DNS, by address family: a.root-servers.net."""

_NUMBER = re.compile(r"[0-9]{1,10}")
_SEPARATORS = re.compile(r"[\s,{}]+")
_MOST_ORIGINS = 50
_LARGEST = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Announcement:
    """A prefix, and the autonomous systems that announce it, by number."""

    prefix: IPv4Network | IPv6Network
    origins: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.prefix} by {', '.join(f'AS{number}' for number in self.origins)}"


def parse(text: str) -> Announcement | None:
    """Read a TXT record of such a zone; None where it is of another form."""
    numbers, _, rest = text.partition("|")
    words = [word for word in _SEPARATORS.split(numbers) if word]
    if not 0 < len(words) <= _MOST_ORIGINS or not all(map(_NUMBER.fullmatch, words)):
        return None
    origins = tuple(dict.fromkeys(map(int, words)))
    try:
        prefix = ipaddress.ip_network(rest.partition("|")[0].strip())
    except ValueError:
        return None
    return Announcement(prefix, origins) if max(origins) <= _LARGEST else None
