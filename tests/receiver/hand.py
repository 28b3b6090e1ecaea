"""A receiver on loopback, and a client that says octets as they are."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

from memory import MemoryPolicy

from conformance.receiver.capture import Capture
from conformance.receiver.certificates import Certificates
from conformance.receiver.limits import Limits
from conformance.receiver.policy import Grant
from conformance.receiver.server import Server, serve

DOMAIN = "conform.example.net"
NAME = "mx.conform.example.net"
PATIENCE = 60.0
PACE = 300.0


@cache
def certificates() -> Certificates:
    """Making keys takes time: once for all tests."""
    return Certificates()


class Receiver:
    """A receiver with its policy."""

    def __init__(self, server: Server, policy: MemoryPolicy) -> None:
        self.server, self.policy = server, policy
        self.address, self.port = server.endpoints[0]

    @property
    def captures(self) -> list[Capture]:
        return list(self.policy.captures.values())

    def grant(self, token: str = "t1", scenario: str = "accept", n: int = 1, place: int = 1) -> str:
        """Open a token, and let the local address play its scenario; return its address."""
        grant = Grant(token, scenario, n, place)
        self.policy.bound[self.address] = grant
        return self.policy.grant(grant)

    async def session(self) -> Capture:
        """Return the one session, once it is over."""
        async with asyncio.timeout(PATIENCE):
            while self.server.sessions:
                await asyncio.sleep(0.005)
        return self.captures[-1]


class Client:
    """A connection to a receiver."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def say(self, octets: bytes) -> None:
        self.writer.write(octets)

    async def hear(self) -> str:
        """Return one reply, all lines of it; empty at the end of the connection."""
        reply = b""
        async with asyncio.timeout(PATIENCE):
            while line := await self.reader.readline():
                reply += line
                if line[3:4] != b"-":
                    break
        return reply.decode("latin-1")

    async def ask(self, *lines: str | bytes) -> str:
        """Say lines one by one, and return the reply to the last."""
        reply = ""
        for line in lines:
            self.say((line.encode("latin-1") if isinstance(line, str) else line) + b"\r\n")
            reply = await self.hear()
        return reply

    async def start_tls(self, context: ssl.SSLContext | None = None, name: str = NAME) -> None:
        await self.ask("STARTTLS")
        await self.writer.start_tls(context or trusting(), server_hostname=name)

    async def gone(self) -> bytes:
        """Return all that still comes until the end."""
        async with asyncio.timeout(PATIENCE):
            return await self.reader.read()

    def close(self) -> None:
        self.writer.close()


def trusting(**options: Any) -> ssl.SSLContext:
    """Return a client's context that takes any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    for name, value in options.items():
        setattr(context, name, value)
    return context


@asynccontextmanager
async def receiving(limits: Limits | None = None, pace: float = PACE) -> AsyncIterator[Receiver]:
    """Run a receiver."""
    policy = MemoryPolicy(DOMAIN)
    policy.exchanges["127.0.0.1"] = NAME
    server = await serve(policy, [("127.0.0.1", 0)], limits, certificates(), pace)
    try:
        yield Receiver(server, policy)
    finally:
        await server.stop()


@asynccontextmanager
async def dialling(receiver: Receiver) -> AsyncIterator[Client]:
    """Connect to a receiver, and hear no banner yet."""
    client = Client(*await asyncio.open_connection(receiver.address, receiver.port))
    try:
        yield client
    finally:
        client.close()


@asynccontextmanager
async def greeting(receiver: Receiver, hello: str = "EHLO mx1.example.com") -> AsyncIterator[Client]:
    """Connect, hear the banner and say EHLO."""
    async with dialling(receiver) as client:
        await client.hear()
        await client.ask(hello)
        yield client


async def deliver(client: Client, *recipients: str, body: bytes = b"Subject: x\r\n\r\nHello\r\n") -> str:
    """Deliver a message, and return the first reply that is no success, or the last one."""
    for line in ("MAIL FROM:<a@example.com>", *(f"RCPT TO:<{one}>" for one in recipients), "DATA"):
        reply = await client.ask(line)
        if reply[:1] not in "23" or not reply:
            return reply
    return await client.ask(body + b".")


Doing = Callable[[Receiver, Client], Awaitable[Any]]


def played(scenario: str, do: Doing, *, n: int = 1, limits: Limits | None = None) -> tuple[Capture, Any]:
    """Play a scenario for token t1 to a client that has connected; return the last session and what ``do`` returned."""
    return asyncio.run(_play(scenario, do, n, limits))[1:]


def played_all(scenario: str, do: Doing) -> list[Capture]:
    """Play a scenario for token t1 to a client that has connected; return all sessions."""
    return asyncio.run(_play(scenario, do, 1, None))[0]


async def _play(scenario: str, do: Doing, n: int, limits: Limits | None) -> tuple[list[Capture], Capture, Any]:
    async with receiving(limits) as receiver:
        receiver.grant("t1", scenario, n)
        async with dialling(receiver) as client:
            result = await do(receiver, client)
        last = await receiver.session()
        return receiver.captures, last, result
