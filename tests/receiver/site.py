"""A receiver's parts for tests: a site on loopback, a clock that is set, a desk over an archive."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from conformance.receiver.archive import Archive, Retention
from conformance.receiver.desk import Bounds, Desk
from conformance.receiver.routes import Exchange, Site
from conformance.receiver.signing import Signer

DOMAIN = "conform.example.net"
MAIN = Exchange("mx1", ("127.0.0.25", "::1"))
SPARE = Exchange("mx2", ("127.0.0.26",))
THIRD = Exchange("mx3", ("198.51.100.27", "2001:db8::27"), ("127.0.0.27", "fd00::27"))
SITE = Site(DOMAIN, (MAIN, SPARE, THIRD), dead=("127.0.0.99", "100::1"))
SCENARIOS = {"accept": False, "greylist-1": False, "refuse-rcpt": False, "tempfail-banner": True, "no-starttls": True}


@dataclass
class Clock:
    """A clock that stands still until it is set."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def desk(
    path: Path | None = None,
    *,
    site: Site = SITE,
    clock: Clock | None = None,
    bounds: Bounds | None = None,
    retention: Retention | None = None,
    signer: Signer | None = None,
    shown: str = "",
) -> AsyncIterator[Desk]:
    """Give a desk over an archive."""
    archive = Archive(path, retention)
    archive.start()
    try:
        made = Desk(site, archive, SCENARIOS, clock=clock or Clock(), bounds=bounds, signer=signer, shown=shown)
        await made.start()
        yield made
    finally:
        archive.stop()
