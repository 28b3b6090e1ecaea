"""A delivery of an invented stream, authenticated over records written down here."""

from __future__ import annotations

import asyncio
from typing import Any

from conformance.facts.authentication import Authentication, authenticate
from conformance.facts.delivery import first_of
from conformance.fleet.sending import Probe, Stream
from tests import worlds
from tests.cases.verdicts import Records
from tests.worlds.captures import Maker

STREAM = Stream("mx1.example.com", "news", "news@example.com", "example.com", "example.com")
ZONE: dict[str, Any] = {
    "example.com TXT": ["v=spf1 ip4:203.0.113.1 -all"],
    "mx1.example.com TXT": ["v=spf1 a -all"],
    "mx1.example.com A": ["203.0.113.1"],
    "1.113.0.203.in-addr.arpa PTR": ["mx1.example.com"],
    "s1._domainkey.example.com TXT": [f"v=DKIM1; p={worlds.keys()['rsa2048']}"],
    "s2._domainkey.example.com TXT": [f"v=DKIM1; k=ed25519; p={worlds.keys()['ed25519']}"],
    "_dmarc.example.com TXT": ["v=DMARC1; p=reject; sp=quarantine"],
}


def came(zone: dict[str, Any] | None = None, **session: Any) -> Authentication:
    """Authenticate a delivery that conforms, but for some records and some of what a world may say of a session."""
    maker = Maker(STREAM.id, {"from": STREAM.author}, "203.0.113.1", "mx1.example.com")
    trial = maker.trial("accept", {"sessions": [session]})
    records = Records(ZONE | (zone or {}))
    return asyncio.run(authenticate(records, first_of(Probe(STREAM), trial)))
