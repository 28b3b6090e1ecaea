"""A small SMTP server for tests, on loopback, that does exactly as each test says."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from conformance.facts.smtp import Prober
from conformance.fleet.model import Listener

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[None, None, None]]

GREETING = b"220 mx.example.net ESMTP\r\n"
EHLO = b"250-mx.example.net\r\n250-STARTTLS\r\n250 SIZE 1000\r\n"


def listener(port: int, tls: str = "none", connect_to: str = "127.0.0.1", timeout: float | None = None) -> Listener:
    return Listener("mx.example.net", port, tls, "no", connect_to, timeout=timeout)


def prober(**options: object) -> Prober:
    defaults: dict[str, object] = {"ehlo": "probe.example.org", "timeout": 5.0, "retries": 0}
    return Prober(**{**defaults, **options})  # type: ignore[arg-type]


@dataclass
class Server:
    """What clients did: ``commands`` of all connections in order, and how many connections there were."""

    port: int = 0
    commands: list[str] = field(default_factory=list)
    connections: int = 0
    at_once: int = 0
    most_at_once: int = 0


@asynccontextmanager
async def serving(
    handler: Handler, tls: ssl.SSLContext | None = None, seen: Server | None = None
) -> AsyncIterator[Server]:
    """Run a handler for each connection; whatever still runs at the end is cancelled."""
    seen = seen or Server()
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.connections += 1
        seen.at_once += 1
        seen.most_at_once = max(seen.most_at_once, seen.at_once)
        task = asyncio.ensure_future(handler(reader, writer))
        tasks.add(task)
        try:
            await task
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            seen.at_once -= 1
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls, limit=2**20)
    seen.port = server.sockets[0].getsockname()[1]
    try:
        yield seen
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def smtp(
    replies: Mapping[str, bytes] | None = None,
    *,
    greeting: bytes = GREETING,
    starttls: ssl.SSLContext | None = None,
    implicit: ssl.SSLContext | None = None,
) -> AsyncIterator[Server]:
    """Run a server that greets and answers each verb; ``replies`` changes single answers."""
    answers = {"EHLO": EHLO, "HELO": b"250 mx.example.net\r\n", "STARTTLS": b"220 go\r\n", **(replies or {})}

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        while line := await reader.readline():
            command = line.decode("latin-1").removesuffix("\r\n")
            server.commands.append(command)
            verb = command.split(" ")[0]
            writer.write(b"221 bye\r\n" if verb == "QUIT" else answers[verb])
            if verb == "QUIT":
                return
            if verb == "STARTTLS" and starttls and answers[verb].startswith(b"220"):
                await writer.start_tls(starttls)

    async with serving(handle, implicit) as server:
        yield server


def reset(writer: asyncio.StreamWriter) -> None:
    """Close a connection so that the peer gets a RST."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
