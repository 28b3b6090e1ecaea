"""Trust anchors: the keys that validation begins with (RFC 4033 section 2)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import dns.exception
import dns.zonefile
from dns.name import Name
from dns.rdata import Rdata
from dns.rdatatype import RdataType

ROOT = Path(__file__).with_name("root.ds")
"""The anchors of the root zone that mailconform comes with."""

MOST = 100

Anchors = Mapping[Name, tuple[Rdata, ...]]
"""By zone: its DS and DNSKEY records."""


def load(path: str = "") -> Anchors:
    """Read a file of DS and DNSKEY records as they stand in zone files; without a path, the anchors of the root.

    Raises ValueError, which names the file, for one that cannot be read and for one without a record of these types.
    """
    where = Path(path) if path else ROOT
    try:
        sets = dns.zonefile.read_rrsets(where.read_text("utf-8"), default_ttl=0, rdclass=None)
    except OSError as error:
        raise ValueError(f"{where}: cannot be read: {error.strerror}") from None
    except (dns.exception.DNSException, ValueError) as error:
        raise ValueError(f"{where}: is no file of DS or DNSKEY records: {error}") from None
    found: dict[Name, tuple[Rdata, ...]] = {}
    for one in sets:
        if one.rdtype not in (RdataType.DS, RdataType.DNSKEY):
            raise ValueError(f"{where}: {one.name} has a record that is neither DS nor DNSKEY")
        found[one.name] = (*found.get(one.name, ()), *one)
    if not 0 < sum(map(len, found.values())) <= MOST:
        raise ValueError(f"{where}: holds no DS or DNSKEY record, or more than {MOST}")
    return found
