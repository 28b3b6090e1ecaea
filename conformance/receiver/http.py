"""A small HTTP/1.1 server (RFC 9112, by h11): bounded in connections, octets, requests and time."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import cast

import h11

MAX_CONNECTIONS = 100
MAX_HEADER = 16 * 1024
MAX_BODY = 256 * 1024
MAX_REQUESTS = 1000
"""Requests of one connection."""
IDLE = 60.0
"""Seconds between two requests."""
PATIENCE = 20.0
"""Seconds in which a request has to arrive, and in which its answer has to be taken."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request. Header names are in lower case; of fields that are repeated the last counts."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    peer: str = ""
    """The address that it came from."""


@dataclass(frozen=True, slots=True)
class Response:
    """A response; ``body`` is JSON unless ``headers`` say something else."""

    status: HTTPStatus
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Request], Awaitable[Response]]


class _TooLarge(Exception):
    """A request has more octets than are read."""


class Running:
    """A server that listens on ``port``. Use it from its own event loop."""

    def __init__(self, port: int, server: asyncio.Server, connections: set[asyncio.Task[None]]) -> None:
        self.port = port
        self._server = server
        self._connections = connections

    def close(self) -> None:
        """Stop listening and drop open connections."""
        self._server.close()
        for connection in self._connections:
            connection.cancel()


async def serve(handler: Handler, listening: socket.socket, tls: ssl.SSLContext | None) -> Running:
    """Serve on a socket that is bound already, inside TLS where a context is given."""
    connections: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = cast("asyncio.Task[None]", asyncio.current_task())
        connections.add(task)
        try:
            if len(connections) <= MAX_CONNECTIONS:
                await _Connection(handler, reader, writer).hold()
        except (OSError, TimeoutError, h11.LocalProtocolError, asyncio.CancelledError):
            pass  # Cancelled by close() alone, and nobody waits for this task.
        finally:
            connections.discard(task)
            writer.close()

    listening.setblocking(False)
    server = await asyncio.start_server(
        connected, sock=listening, ssl=tls, ssl_handshake_timeout=PATIENCE if tls else None
    )
    return Running(listening.getsockname()[1], server, connections)


class _Connection:
    def __init__(self, handler: Handler, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._handler = handler
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEADER)

    async def hold(self) -> None:
        """Answer requests until the connection is over."""
        for _ in range(MAX_REQUESTS):
            try:
                request = await self._read()
            except h11.RemoteProtocolError as error:
                await self._refuse(HTTPStatus(error.error_status_hint))
                return
            except _TooLarge:
                await self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
                return
            if request is None:
                return
            await self._write(await self._handler(request), bare=request.method == "HEAD")
            if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
                return
            self._http.start_next_cycle()

    async def _read(self) -> Request | None:
        """Return the next request, None at the end. Raises RemoteProtocolError, _TooLarge and TimeoutError."""
        async with asyncio.timeout(IDLE) as limit:
            head, body = None, b""
            while True:
                event = self._http.next_event()
                if event is h11.NEED_DATA:
                    if self._http.they_are_waiting_for_100_continue:
                        self._send(h11.InformationalResponse(status_code=100, headers=[]))
                    octets = await self._reader.read(MAX_HEADER)
                    if head is None and octets:
                        limit.reschedule(min(limit.when() or 0.0, asyncio.get_running_loop().time() + PATIENCE))
                    self._http.receive_data(octets)
                elif isinstance(event, h11.Request):
                    head = event
                elif isinstance(event, h11.Data):
                    body += bytes(event.data)
                    if len(body) > MAX_BODY:
                        raise _TooLarge
                elif isinstance(event, h11.EndOfMessage) and head is not None:
                    return _request(head, body, self._writer.get_extra_info("peername")[0])
                else:
                    return None

    async def _refuse(self, status: HTTPStatus) -> None:
        """Answer what is no request, as far as HTTP still allows it."""
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            with suppress(h11.LocalProtocolError):
                text = f'{{"error": "http", "message": "{status.phrase}"}}'
                await self._write(Response(status, text.encode(), {"connection": "close"}))

    async def _write(self, response: Response, *, bare: bool = False) -> None:
        headers = {
            "content-type": "application/json",
            "cache-control": "no-store",
            "content-length": str(len(response.body)),
            **response.headers,
        }
        self._send(h11.Response(status_code=response.status, headers=list(headers.items())))
        if not bare:
            self._send(h11.Data(data=response.body))
        self._send(h11.EndOfMessage())
        await asyncio.wait_for(self._writer.drain(), PATIENCE)

    def _send(self, event: h11.Event) -> None:
        if octets := self._http.send(event):
            self._writer.write(octets)


def _request(head: h11.Request, body: bytes, peer: str) -> Request:
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in head.headers}
    return Request(head.method.decode("latin-1"), head.target.decode("latin-1"), headers, body, peer)
