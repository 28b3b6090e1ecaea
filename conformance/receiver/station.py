"""A receiver that is up in one event loop: names, SMTP and storage together."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Iterable
from dataclasses import replace

import dns.name

from conformance.receiver import dnswire, server
from conformance.receiver.archive import Archive
from conformance.receiver.certificates import Certificates
from conformance.receiver.database import DatabaseError
from conformance.receiver.desk import Bounds, Desk
from conformance.receiver.limits import Limits
from conformance.receiver.routes import Site
from conformance.receiver.scenario import SCENARIOS
from conformance.receiver.signing import Signer
from conformance.receiver.zonekey import ZoneKey

TIDY = 600.0
"""Seconds between two looks for what is older than the retention allows."""

_LOG = logging.getLogger("mailconform.receiver")


class Station:
    """One receiver. ``desk`` is what it promised, ``key`` signs the zone, which is not signed without."""

    def __init__(
        self,
        site: Site,
        archive: Archive,
        certificates: Certificates,
        *,
        limits: Limits | None = None,
        bounds: Bounds | None = None,
        pace: float = 1.0,
        key: ZoneKey | None = None,
    ) -> None:
        scenarios = {name: scenario.before_rcpt for name, scenario in SCENARIOS.items()}
        signer = Signer(dns.name.from_text(site.domain), key) if key else None
        shown = certificates.bad_key_digest
        self.desk = Desk(
            replace(site, signed=signer is not None),
            archive,
            scenarios,
            pace=pace,
            bounds=bounds,
            signer=signer,
            shown=shown,
        )
        self._archive = archive
        self._certificates = certificates
        self._limits = limits or Limits()
        self._pace = pace
        self._names: list[dnswire.Running] = []
        self._smtp: server.Server | None = None
        self._tidying: asyncio.Task[None] | None = None

    async def start(self, smtp: Iterable[socket.socket], names: Iterable[tuple[socket.socket, socket.socket]]) -> None:
        """Serve on sockets that are bound; ``names`` are pairs of UDP and TCP. Raises DatabaseError and OSError."""
        self._archive.start()
        try:
            await self.desk.start()
            for udp, tcp in names:
                self._names.append(await dnswire.serve_on(self.desk.names.answer, udp, tcp))
            main = self.desk.site.name(self.desk.site.exchanges[0])
            self._smtp = await server.serve(self.desk, smtp, self._limits, self._certificates, self._pace, main)
        except BaseException:
            await self.stop()
            raise
        self._tidying = asyncio.create_task(self._tidy())

    async def stop(self) -> None:
        """Stop serving; sessions are ended, and what they brought is kept."""
        if self._tidying:
            self._tidying.cancel()
        if self._smtp:
            await self._smtp.stop()
            self._smtp = None
        for running in self._names:
            running.close()
        self._names.clear()
        # Its thread ends what it was given, which no other task may have to wait for.
        await asyncio.to_thread(self._archive.stop)

    @property
    def trouble(self) -> str:
        """What is wrong with the receiver; empty: nothing."""
        if self._smtp is None:
            return "it is not up"
        trouble = self._archive.trouble or self._archive.database.broken
        return f"nothing can be stored: {trouble}" if trouble else ""

    async def _tidy(self) -> None:
        while True:
            try:
                await self.desk.tidy()
            except DatabaseError as error:
                _LOG.error("old sessions could not be deleted: %s", error)
            await asyncio.sleep(TIDY)


def bind(address: str, port: int, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
    """Return a socket of an address, IPv6 alone where it is IPv6. Raises OSError."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with contextlib.ExitStack() as stack:
        bound = stack.enter_context(socket.socket(family, kind))
        if kind == socket.SOCK_STREAM:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind((address, port))
        stack.pop_all()
    return bound
