"""A receiver inside the process that asks it, for as long as a run takes. Nothing outlives it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import socket
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from conformance.receiver import dnswire, http
from conformance.receiver.announcement import Announcement, ReceiverError, checked, probe_domain
from conformance.receiver.archive import Archive, Retention
from conformance.receiver.capture import Capture
from conformance.receiver.certificates import Certificates
from conformance.receiver.client import LONGEST, Collection, Predicate
from conformance.receiver.database import DatabaseError
from conformance.receiver.desk import Bounds
from conformance.receiver.limits import Limits
from conformance.receiver.routes import DEAD, Exchange, Site
from conformance.receiver.station import Station, bind
from conformance.receiver.sts import PLAIN
from conformance.receiver.zonekey import ZoneKey

if TYPE_CHECKING:
    import ssl

    from pydantic import TypeAdapter

DOMAIN = "conform.example.net"
SPARE = 40
_OWNER = "run"
_ENOUGH = 3
"""Exchanges of which one may be kept for those that must not be offered STARTTLS."""
_ROOM = 512 * 1024 * 1024
"""Octets of sessions that are kept in memory."""


class Ephemeral:
    """A receiver at ``address``, with spare exchanges at the addresses that follow it, as far as the machine has them.

    ``domain`` is the probe domain; ``nameserver`` is where it is answered for (``address`` unless given), at
    ``dns_port``. Port 0 takes a free port; all exchanges have the same. Use it as an asynchronous context manager.

    With ``policies``, the TLS context of policy hosts whose certificate the hosts trust, it serves MTA-STS policies at
    ``https_port``, where that can be had; ``certificates`` then have to be trusted by them, too.

    The zone is signed with ``key``, or with one that is as short-lived as the receiver.
    """

    def __init__(
        self,
        address: str,
        *,
        domain: str = DOMAIN,
        nameserver: str = "",
        pace: float = 1.0,
        spare: int = SPARE,
        smtp_port: int = 25,
        dns_port: int = 53,
        limits: Limits | None = None,
        certificates: Certificates | None = None,
        policies: ssl.SSLContext | None = None,
        https_port: int = 443,
        key: ZoneKey | None = None,
    ) -> None:
        """Raise ValueError for an address or a domain that is none, and for a pace below 1."""
        if not 1 <= pace <= 1000:
            raise ValueError(f"a pace of {pace:g}: it has to lie between 1 and 1000")
        self.domain = probe_domain(domain)
        self.certificates = certificates or Certificates()
        self.nameserver = str(ipaddress.ip_address(nameserver or address))
        self.smtp_port = smtp_port
        self.dns_port = dns_port
        self.https_port = https_port
        self._key = key or ZoneKey()
        self._policies = policies
        self._serving: http.Running | None = None
        self._first = ipaddress.ip_address(address)
        self._pace = pace
        self._spare = spare
        self._limits = limits or Limits()
        self._station: Station | None = None
        self._dead: socket.socket | None = None
        self._collected: dict[tuple[str, ...], Collection] = {}

    async def __aenter__(self) -> Ephemeral:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen. Raises ReceiverError with the address and the port that cannot be had."""
        with contextlib.ExitStack() as stack:
            site, smtp = self._bind_smtp(stack)
            https = self._bind_https(stack)
            site = replace(site, policies=https is not None)
            try:
                names = dnswire.bind(self.nameserver, self.dns_port)
            except OSError as error:
                raise ReceiverError(f"{self.nameserver} port {self.dns_port}: {error.strerror}") from None
            for one in names:
                stack.enter_context(one)
            self.dns_port = names[0].getsockname()[1]
            bounds = Bounds(octets=self._limits.message)
            archive = Archive(None, Retention(octets=_ROOM))
            station = Station(
                site,
                archive,
                self.certificates,
                limits=self._limits,
                bounds=bounds,
                pace=self._pace,
                key=self._key,
            )
            try:
                await station.start(smtp, [names])
            except (OSError, DatabaseError) as error:
                raise ReceiverError(str(error)) from None
            if https and self._policies:
                policies = station.desk.policies
                self._serving = await http.serve(policies, https, policies.context(self._policies))
            stack.pop_all()
        self._station = station

    async def stop(self) -> None:
        """Stop listening, and forget everything."""
        if self._serving:
            self._serving.close()
            self._serving = None
        if self._station:
            await self._station.stop()
            self._station = None
        if self._dead:
            self._dead.close()
            self._dead = None

    def _bind_smtp(self, stack: contextlib.ExitStack) -> tuple[Site, Sequence[socket.socket]]:
        exchanges: list[Exchange] = []
        sockets: list[socket.socket] = []
        for offset in range(self._spare + 1):
            address = str(self._first + offset)
            try:
                bound = stack.enter_context(bind(address, self.smtp_port))
            except OSError as error:
                if exchanges and error.errno in (errno.EADDRNOTAVAIL, errno.EADDRINUSE):
                    continue
                raise ReceiverError(f"{address} port {self.smtp_port}: {error.strerror}") from None
            self.smtp_port = bound.getsockname()[1]
            exchanges.append(Exchange(f"mx{len(exchanges) + 1}", (address,)))
            sockets.append(bound)
        ttl = 5 if self._pace == 1 else 1
        plain = None
        if self._policies and len(exchanges) >= _ENOUGH:
            plain = replace(exchanges.pop(), label=PLAIN)
        return Site(self.domain, tuple(exchanges), self._bind_dead(stack), ttl=ttl, plain=plain), sockets

    def _bind_https(self, stack: contextlib.ExitStack) -> socket.socket | None:
        """Return where policies are served; None where they are not, or the port cannot be had."""
        if self._policies is None:
            return None
        try:
            bound = stack.enter_context(bind(str(self._first), self.https_port))
        except OSError:
            return None
        self.https_port = bound.getsockname()[1]
        return bound

    def _bind_dead(self, stack: contextlib.ExitStack) -> tuple[str, ...]:
        """Return addresses that nobody listens at.

        The one after the exchanges where it is this machine's own: it stays bound, so that nobody else comes to listen
        there. It may be a stranger's otherwise, and hosts must not be led to him.
        """
        address = str(self._first + self._spare + 1)
        try:
            self._dead = stack.enter_context(bind(address, self.smtp_port))
        except OSError:
            return DEAD
        return tuple(dict.fromkeys((address, *(one for one in DEAD if (":" in one) != (":" in address)))))

    @property
    def _up(self) -> Station:
        if self._station is None:
            raise ReceiverError("the receiver is not up")
        return self._station

    async def announce(self) -> Announcement:
        """Return what the receiver is and can do."""
        return self._up.desk.announce()

    async def open(
        self, scenario: str, route: str = "plain", n: int = 1, expires: float = LONGEST, *, peers: Sequence[str] = ()
    ) -> tuple[str, ...]:
        """Return addresses; see :class:`~conformance.receiver.client.Receiver`."""
        try:
            addresses = await self._up.desk.open(_OWNER, scenario, route, n, expires, peers)
        except DatabaseError as error:
            raise ReceiverError(str(error)) from None
        return checked(addresses, self.domain, n)

    async def collect(self, tokens: Sequence[str]) -> tuple[Capture, ...]:
        """Return sessions; see :class:`~conformance.receiver.client.Receiver`."""
        wanted = tuple(dict.fromkeys(tokens))
        seen = self._collected.setdefault(wanted, Collection())
        more = True
        while more:
            try:
                page = await self._up.desk.collect(_OWNER, wanted, seen.after)
            except DatabaseError as error:
                raise ReceiverError(str(error)) from None
            seen.take(_captures().validate_json(body) for body in page.bodies)
            seen.after, more = page.after, page.more
        return seen.sessions

    async def move(self, token: str) -> None:
        """Move a domain; see :class:`~conformance.receiver.client.Receiver`."""
        await self._up.desk.move(_OWNER, token)
        await asyncio.sleep(self._up.desk.site.ttl)

    async def close(self, tokens: Sequence[str]) -> None:
        """Give back what is held; see :class:`~conformance.receiver.client.Receiver`."""
        await self._up.desk.close(_OWNER, tokens)

    async def wait(self, tokens: Sequence[str], until: float, predicate: Predicate) -> tuple[Capture, ...]:
        """Collect until it is enough; see :class:`~conformance.receiver.client.Receiver`."""
        end = time.monotonic() + until
        with self._up.desk.watched(tokens) as news:
            while True:
                news.clear()
                captures = await self.collect(tokens)
                left = end - time.monotonic()
                if left <= 0 or predicate(captures):
                    return captures
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(news.wait(), left)


@cache
def _captures() -> TypeAdapter[Capture]:
    from pydantic import TypeAdapter

    return TypeAdapter(Capture)
