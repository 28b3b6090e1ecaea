"""How fast the receiver takes 5,000 messages, 200 at a time, none lost or mixed up, and in how much memory.

Once it only counts them, once it keeps each durably before it answers.

The clients are one of our own, which sends messages that can be told apart, and smtp-source of Postfix where it is
installed. A server that only answers, byte for byte as little as can be, is the measure.

Run: python -m bench.receiver
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from multiprocessing.connection import Connection
from pathlib import Path

from conformance.receiver.archive import Archive
from conformance.receiver.capture import Capture
from conformance.receiver.policy import Grant
from conformance.receiver.server import serve

MESSAGES = 5000
WARM_UP = 2000
SESSIONS = 200
SIZE = 8192
MOST_GROWTH = 1.3
DOMAIN = "conform.example.net"
SMTP_SOURCE = shutil.which("smtp-source") or shutil.which("smtp-source", path="/usr/sbin")


class Counting:
    """A policy that takes everybody in; without an archive it keeps counts alone, so that memory is the engine's."""

    def __init__(self, archive: Archive | None = None) -> None:
        self._archive = archive
        self.accepted: Counter[str] = Counter()
        self.mixed = 0
        self._done: set[str] = set()

    def exchange(self, local: str) -> str:
        return f"mx.{DOMAIN}"

    def at_connect(self, local: str, peer: str) -> Grant | None:
        return None

    def at_recipient(self, address: str, local: str) -> Grant | None:
        token, _, domain = address.partition("@")
        return Grant(token) if domain == DOMAIN else None

    def tally(self, token: str, what: str) -> int:
        return 1

    async def keep(self, capture: Capture) -> None:
        if self._archive:
            await self._archive.keep(capture, time.time())
        if capture.id in self._done:
            self._done.remove(capture.id)
            return
        for transaction in capture.transactions:
            if transaction.accepted:
                (recipient,) = transaction.recipients
                self.accepted[recipient.token] += 1
                self.mixed += not self._fits(capture, recipient.token, transaction.message)
                self._done.add(capture.id)

    @staticmethod
    def _fits(capture: Capture, token: str, message: bytes) -> bool:
        """Whether name, recipient and message are of one delivery. smtp-source's messages are all the same."""
        own = [hello.argument for hello in capture.hellos] == [f"{token}.example.com"]
        return message == body(token) if own else b"XXXX" in message


def body(token: str) -> bytes:
    """Return a message that no other recipient gets."""
    lines = f"{token} {'.' * 60}\r\n".encode()
    return f"Subject: {token}\r\n\r\n".encode() + lines * (SIZE // len(lines))


async def null(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer commands and look at nothing: what a server in Python costs at the least."""
    writer.write(b"220 mx ESMTP\r\n")
    while line := await reader.readline():
        if line == b"DATA\r\n":
            writer.write(b"354 \r\n")
            await reader.readuntil(b"\r\n.\r\n")
        writer.write(b"221 \r\n" if line == b"QUIT\r\n" else b"250 \r\n")
        if line == b"QUIT\r\n":
            break
    writer.close()


def run(which: str, channel: Connection) -> None:
    """Serve in a process of its own: tell the port; when asked, what came since and the memory taken; stop at None."""

    async def engine(archive: Archive | None) -> None:
        policy = Counting(archive)
        server = await serve(policy, [("127.0.0.1", 0)])
        channel.send(server.endpoints[0][1])
        while await asyncio.to_thread(channel.recv):
            channel.send((policy.accepted, policy.mixed, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))
            policy.accepted, policy.mixed = Counter(), 0
        await server.stop()

    async def floor() -> None:
        server = await asyncio.start_server(null, "127.0.0.1", 0, limit=2**20, backlog=SESSIONS * 2)
        channel.send(server.sockets[0].getsockname()[1])
        while await asyncio.to_thread(channel.recv):
            channel.send((Counter(), 0, 1))

    if which == "floor":
        asyncio.run(floor())
    elif which == "counting":
        asyncio.run(engine(None))
    else:
        with tempfile.TemporaryDirectory(prefix="mailconform-bench-") as folder:
            archive = Archive(Path(folder) / "captures.db")
            archive.start()
            asyncio.run(engine(archive))
            archive.stop()


async def deliver(port: int, token: str) -> None:
    """Deliver one message in a session of its own. Raises AssertionError when it is refused."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
    commands = (f"EHLO {token}.example.com", "MAIL FROM:<a@example.com>", f"RCPT TO:<{token}@{DOMAIN}>", "DATA")
    stuffed = body(token).replace(b"\r\n.", b"\r\n..")
    for octets in (b"", *(f"{one}\r\n".encode() for one in commands), stuffed + b".\r\n", b"QUIT\r\n"):
        writer.write(octets)
        while (line := await reader.readline())[3:4] == b"-":
            pass
        assert line[:1] in (b"2", b"3"), line
    writer.close()


async def own_client(port: int, messages: int) -> None:
    tokens = iter([f"t{number}" for number in range(messages)])

    async def work() -> None:
        for token in tokens:
            await deliver(port, token)

    await asyncio.gather(*(work() for _ in range(SESSIONS)))


async def smtp_source(port: int, messages: int) -> None:
    command = [str(SMTP_SOURCE), "-N", "-s", str(SESSIONS), "-m", str(messages), "-l", str(SIZE)]
    command += ["-M", "source.example.com", "-f", "a@example.com", "-t", f"@{DOMAIN}", f"127.0.0.1:{port}"]
    await asyncio.to_thread(subprocess.run, command, check=True)


Client = Callable[[int, int], Coroutine[None, None, None]]


def measure(which: str, client: Client) -> tuple[float, Counter[str], int, float]:
    """Let a client loose on a server that is warm.

    Returns seconds, what was accepted, what was mixed up, and by what factor the server's memory grew.
    """
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=run, args=(which, theirs))
    process.start()
    port = ours.recv()
    asyncio.run(client(port, WARM_UP))
    ours.send("so far")
    *_, before = ours.recv()
    start = time.perf_counter()
    asyncio.run(client(port, MESSAGES))
    seconds = time.perf_counter() - start
    ours.send("since")
    accepted, mixed, after = ours.recv()
    ours.send(None)
    process.join()
    return seconds, accepted, mixed, after / before


def main() -> int:
    """Print the measurements; return 1 when a message was lost, taken twice or mixed up, or memory grew with them."""
    print(f"{MESSAGES} messages of {SIZE} octets, {SESSIONS} sessions at a time, {os.cpu_count()} cores")
    wrong = 0
    for name, client in (("own client", own_client), ("smtp-source", smtp_source if SMTP_SOURCE else None)):
        if client is None:
            print(f"{name}: not installed (Debian package postfix)")
            continue
        floor, *_ = measure("floor", client)
        for which in ("counting", "keeping"):
            seconds, accepted, mixed, growth = measure(which, client)
            lost, twice = MESSAGES - len(accepted), sum(accepted.values()) - len(accepted)
            print(f"{name}, {which}: {seconds:.2f} s, {seconds / floor:.2f} times a server that only answers")
            print(f"  {lost} lost, {twice} taken twice, {mixed} mixed up")
            print(f"  memory grew {growth:.2f}-fold after the first {WARM_UP} messages")
            wrong += lost + twice + mixed + (growth > MOST_GROWTH)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
