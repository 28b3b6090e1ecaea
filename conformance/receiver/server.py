"""The receiver's SMTP server: listens, holds sessions and stops cleanly. It opens no connection to anybody."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from ipaddress import ip_address

from conformance.receiver.capture import Ended
from conformance.receiver.certificates import Certificates
from conformance.receiver.limits import Limits
from conformance.receiver.message import Budget
from conformance.receiver.policy import Policy
from conformance.receiver.session import Session
from conformance.receiver.talk import Settings
from conformance.receiver.turns import Turns, address_of
from conformance.receiver.wire import Wire

_BACKLOG = 512
_FLOOD = 4
"""How many times the sessions that are held may be connected; of more nothing is written down."""


class Server:
    """A receiver that is up. Use it from its own event loop."""

    def __init__(self, policy: Policy, settings: Settings) -> None:
        self._policy = policy
        self._settings = settings
        self._servers: list[asyncio.Server] = []
        self._sessions: dict[asyncio.Task[None], tuple[Session, Wire]] = {}

    @property
    def endpoints(self) -> list[tuple[str, int]]:
        """Addresses and ports that it listens at."""
        return [tuple(one.getsockname()[:2]) for server in self._servers for one in server.sockets]

    @property
    def sessions(self) -> int:
        """How many sessions go on."""
        return sum(not session.over for session, _ in self._sessions.values())

    async def listen(self, listener: socket.socket) -> None:
        """Serve a socket, too."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(self._wire, sock=listener, backlog=_BACKLOG)
        self._servers.append(server)

    async def stop(self) -> None:
        """Stop listening, end all sessions with 421, and return once they are kept."""
        for server in self._servers:
            server.close()
        for _, wire in self._sessions.values():
            wire.end(Ended.OPEN, "the receiver was stopped")
        if self._sessions:
            _, late = await asyncio.wait(self._sessions, timeout=self._settings.limits.stop_seconds)
            for task in late:
                self._sessions[task][1].abort()
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _wire(self) -> Wire:
        return Wire(self._settings.limits, self._connected)

    def _connected(self, wire: Wire) -> None:
        limits = self._settings.limits
        if len(self._sessions) >= _FLOOD * limits.sessions:
            wire.abort()
            return
        turns = Turns(self._policy, address_of(wire.local[0]), address_of(wire.peer[0]))
        session = Session(wire, turns, self._settings)
        task = asyncio.create_task(session.run(crowded=self.sessions >= limits.sessions))
        self._sessions[task] = session, wire
        clock = asyncio.get_running_loop().call_later(
            limits.session_seconds, wire.end, Ended.LIMIT, f"more than {limits.session_seconds:.0f} s"
        )
        task.add_done_callback(lambda _: clock.cancel())
        task.add_done_callback(self._sessions.pop)


async def serve(
    policy: Policy,
    endpoints: Iterable[tuple[str, int] | socket.socket],
    limits: Limits | None = None,
    certificates: Certificates | None = None,
    pace: float = 1.0,
    name: str = "receiver.invalid",
) -> Server:
    """Start a receiver. Port 0 takes a free port; sockets are bound already, and the server's from now on.

    ``pace`` divides all pauses of scenarios, ``name`` is that of addresses for which the policy has none. Raises
    OSError when an endpoint cannot be bound, ValueError for a pace below 1.
    """
    if not pace >= 1:
        raise ValueError(f"a pace of {pace}")
    limits = limits or Limits()
    certificates = certificates or Certificates()
    settings = Settings(limits, certificates, pace, name, Budget(limits.held))
    server = Server(policy, settings)
    bound: list[socket.socket] = []
    try:
        for endpoint in endpoints:
            bound.append(endpoint if isinstance(endpoint, socket.socket) else _bind(*endpoint))
        for listener in bound:
            await server.listen(listener)
    except OSError:
        for listener in bound:
            listener.close()
        await server.stop()
        raise
    return server


def _bind(address: str, port: int) -> socket.socket:
    family = socket.AF_INET if ip_address(address).version == 4 else socket.AF_INET6
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind((address, port))
    except OSError:
        bound.close()
        raise
    return bound
