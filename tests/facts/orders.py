"""Orders for tests: what a host is to send."""

from __future__ import annotations

import datetime
from typing import Any

from conformance.facts.letter import Order
from conformance.fleet.sending import Probe, Stream

WRITTEN = datetime.datetime(2026, 3, 2, 9, 0, tzinfo=datetime.UTC)
DOMAIN = "conform.example.net"


def stream(**fields: Any) -> Stream:
    given = {
        "host": "mx1.example.com",
        "name": "news",
        "author": "news@example.com",
        "domain": "example.com",
        "mail_from": "bounce.example.com",
        "sender": "news@bounce.example.com",
    }
    return Stream(**{**given, **fields})


def order(trial: str = "accept", recipients: int = 1, **fields: Any) -> Order:
    tokens = tuple(f"token{number}" for number in range(recipients))
    given: dict[str, Any] = {
        "probe": Probe(stream()),
        "trial": trial,
        "sender": "news@bounce.example.com",
        "recipients": tuple(f"{token}@label.{DOMAIN}" for token in tokens),
        "tokens": tokens,
        "author": "news@example.com",
        "run": "r-1234",
        "written": WRITTEN,
    }
    return Order(**{**given, **fields})
