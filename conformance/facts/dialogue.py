"""One connection with a listener: greeting, EHLO, STARTTLS, EHLO again, QUIT; never MAIL, RCPT or AUTH.

The client is aiosmtplib's protocol: it writes the commands, waits for replies, and turns to TLS. What
:class:`Conversation` adds to it: every line both ways is kept with its time; a reply keeps its lines; a reply too
long for the library is still a reply; what a server says unasked is kept but never taken for the next reply.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import re
import socket
import ssl
from dataclasses import dataclass, replace
from typing import Any

from aiosmtplib.errors import SMTPException, SMTPResponseException
from aiosmtplib.protocol import SMTPProtocol

from conformance.facts import certificate
from conformance.facts.session import End, Reply, Session
from conformance.facts.transcript import NotAReplyError, Transcript, could_begin_reply, is_last, quoted, read_reply
from conformance.fleet.model import Listener

FLOOD = 262_144
"""Octets after which a connection is cut: no server has that much to say before mail."""
PARTING = 2.0
"""Seconds that a server has to answer QUIT."""

_HOST_NAME = re.compile(r"(?=.{1,253}$)(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z][A-Za-z0-9-]{0,62}")


class RefusedError(Exception):
    """A reply that ends the dialogue."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(f"{reply.code} {quoted(' '.join(reply.lines))}")


class Conversation(SMTPProtocol):
    """aiosmtplib's protocol, recording; see the module. One reply at a time reaches the library: its last line."""

    def __init__(self, loop: asyncio.AbstractEventLoop, transcript: Transcript) -> None:
        super().__init__(loop=loop)
        self.loss: Exception | None = None
        self.lost = asyncio.Event()
        self.flooded = False
        self._transcript = transcript
        self._octets = 0
        self._heard: list[str] = []
        self._awaited = True

    def data_received(self, data: bytes) -> None:
        """Keep octets of the server; hand the end of the reply that is awaited to the library."""
        self._octets += len(data)
        for line in self._transcript.received(data):
            if self._awaited:
                self._hear(line)
        if self._octets > FLOOD and not self.flooded and isinstance(self.transport, asyncio.WriteTransport):
            self.flooded = True
            self.transport.abort()

    @property
    def spoke(self) -> bool:
        """Whether anything came from the server."""
        return self._octets > 0

    def _hear(self, line: str) -> None:
        self._heard.append(line)
        try:
            self._awaited = not is_last(line)
        except NotAReplyError:
            self._awaited = False
        if not self._awaited:
            super().data_received(f"{line}\r\n".encode("latin-1"))

    def write(self, data: bytes) -> None:
        """Send a command, and keep it."""
        super().write(data)
        self._transcript.sent(data)
        self._heard.clear()
        self._awaited = True

    def connection_lost(self, exc: Exception | None) -> None:
        """Keep why the connection ended."""
        self.loss = exc
        self.lost.set()
        super().connection_lost(exc)

    def reply(self) -> Reply:
        """Return the reply heard since the last command. Raises NotAReplyError, also while it has no end."""
        if self._awaited:
            raise NotAReplyError("no whole reply")
        return read_reply(self._heard)

    async def greeting(self, timeout: float) -> Reply:
        """Wait for the server's first reply. Raises NotAReplyError, OSError, SMTPException."""
        # The library is stricter or laxer than RFC 5321 in places: our reader decides, here and below.
        with contextlib.suppress(SMTPResponseException):
            await self.read_response(timeout)
        return self.reply()

    async def command(self, *words: str, timeout: float) -> Reply:
        """Send a command and return the reply, whatever its code. Raises NotAReplyError, OSError, SMTPException."""
        with contextlib.suppress(SMTPResponseException):
            await self.execute_command(*(word.encode("ascii") for word in words), timeout=timeout)
        return self.reply()

    async def leave(self, timeout: float) -> None:
        """Say QUIT if the connection stands, wait for the answer and the end, then cut it. Never raises."""
        try:
            with contextlib.suppress(OSError, SMTPException, NotAReplyError):
                async with asyncio.timeout(timeout):
                    await self.command("QUIT", timeout=timeout)
                    if self.transport is not None:
                        self.transport.close()
                    await self.lost.wait()
        finally:
            self.cut()

    def cut(self) -> None:
        """End the connection at once."""
        if isinstance(self.transport, asyncio.WriteTransport):
            self.transport.abort()


@dataclass(frozen=True, slots=True)
class Call:
    """What every connection to one listener has in common. ``deadline`` is in the loop's time."""

    listener: Listener
    target: str
    ehlo: str
    timeout: float
    deadline: float
    transcript: Transcript

    @property
    def server_name(self) -> str:
        """The name for SNI (RFC 6066 section 3): the first that is a host name, else none."""
        names = (self.listener.sni, self.listener.host, self.listener.connect_to.removesuffix("."))
        return next((name for name in names if _HOST_NAME.fullmatch(name)), "")


class Dialogue:
    """One connection with a listener; ``session`` is what is known so far, ``failure`` what ended it."""

    def __init__(self, call: Call, context: ssl.SSLContext, distrust: str = "") -> None:
        self.call = call
        self.failure: Exception | None = None
        self.session = Session.begun(call.listener, End.SKIPPED, target=call.target, stage="connect")
        self._context = context
        self._distrust = distrust
        self._conversation: Conversation | None = None

    async def hold(self) -> Session:
        """Hold the session to its end. Raises nothing for what network or server do."""
        try:
            async with asyncio.timeout_at(self.call.deadline):
                await self._talk()
            self._know(end=End.COMPLETE, stage="")
        except (OSError, SMTPException, NotAReplyError, RefusedError) as error:
            self.failure = error
            end, text = self._judged(error)
            self._know(end=end, error=text)
            self.call.transcript.note(f"{end.value} at {self.session.stage}: {text}")
        except BaseException:
            if self._conversation:
                self._conversation.cut()
            raise
        await self._part()
        return self.session

    def _know(self, **facts: Any) -> None:
        self.session = replace(self.session, **facts)

    @property
    def _line(self) -> Conversation:
        if self._conversation is None:
            raise ConnectionError("not connected")
        return self._conversation

    async def _talk(self) -> None:
        implicit = self.call.listener.tls == "implicit"
        await self._connect(implicit)
        self._know(stage="greeting")
        greeting = await self._line.greeting(self.call.timeout)
        self._know(greeting=greeting)
        if greeting.code != 220:
            raise RefusedError(greeting)
        await self._hello()
        if implicit:
            self._know(ehlo_tls=self.session.ehlo)
        elif self.call.listener.tls == "starttls" and "STARTTLS" in self.session.extensions:
            await self._start_tls()
            self._know(stage="ehlo-tls")
            self._know(ehlo_tls=await self._line.command("EHLO", self.call.ehlo, timeout=self.call.timeout))
            _accepted(self.session.ehlo_tls)

    async def _connect(self, implicit: bool) -> None:
        loop, conversation = asyncio.get_running_loop(), Conversation(asyncio.get_running_loop(), self.call.transcript)
        sock = await self._dial()
        tls: dict[str, Any] = {}
        if implicit:
            self._know(stage="handshake")
            tls = {"ssl": self._context, "server_hostname": self.call.server_name}
        async with asyncio.timeout(self.call.timeout):
            await loop.create_connection(lambda: conversation, sock=sock, **tls)
        self._conversation = conversation
        if implicit:
            self._see_tls()

    async def _dial(self) -> socket.socket:
        """Return a connected socket: what happens before this and after it are different ends."""
        call = self.call
        call.transcript.note(f"connecting to {call.target} port {call.listener.dial_port or call.listener.port}")
        sock = socket.socket(socket.AF_INET6 if ":" in call.target else socket.AF_INET, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            async with asyncio.timeout(call.timeout):
                port = call.listener.dial_port or call.listener.port
                await asyncio.get_running_loop().sock_connect(sock, (call.target, port))
        except BaseException:
            sock.close()
            raise
        return sock

    async def _hello(self) -> None:
        self._know(stage="ehlo")
        self._know(ehlo=await self._line.command("EHLO", self.call.ehlo, timeout=self.call.timeout))
        if self.session.ehlo and self.session.ehlo.code // 100 == 5:
            self._know(helo=await self._line.command("HELO", self.call.ehlo, timeout=self.call.timeout))
        _accepted(self.session.helo or self.session.ehlo)

    async def _start_tls(self) -> None:
        self._know(stage="starttls")
        try:
            await self._line.start_tls(
                self._context, server_hostname=self.call.server_name or None, timeout=self.call.timeout
            )
        except SMTPResponseException:
            raise RefusedError(self._line.reply()) from None
        finally:
            self._saw_starttls()
        self._see_tls()

    def _saw_starttls(self) -> None:
        """Tell apart what the library does in one call: the reply to STARTTLS, and the handshake after it."""
        try:
            reply = self._line.reply()
        except NotAReplyError:
            return
        self._know(starttls=reply, stage="handshake" if reply.code == 220 else "starttls")

    def _see_tls(self) -> None:
        transport = self._line.transport
        peer = transport.get_extra_info("ssl_object") if transport else None
        if peer is None:
            raise ConnectionError("connection lost")
        cipher = peer.cipher()
        self._know(tls_version=peer.version() or "", cipher=cipher[0] if cipher else "")
        self.call.transcript.note(f"{self.session.tls_version}, {self.session.cipher}")
        try:
            self._know(certificate=certificate.presented(peer, self._distrust))
        except ValueError as error:
            self._know(error=f"the certificate cannot be read: {error}")

    async def _part(self) -> None:
        """Say QUIT to a server that has spoken; until then a client keeps silent (RFC 5321 section 3.1)."""
        if (line := self._conversation) is None:
            return
        left = self.call.deadline - asyncio.get_running_loop().time()
        if not line.spoke or self.session.stage == "handshake" or left <= 0:
            line.cut()
        else:
            await line.leave(min(PARTING, self.call.timeout, left))
        self.call.transcript.flush()

    def _judged(self, error: Exception) -> tuple[End, str]:
        """Say what kind of end an error is, in words that are the same for the same cause."""
        stage, pending = self.session.stage, self.call.transcript.unfinished
        line = self._conversation
        if line is not None and line.flooded:
            return End.BAD_GREETING, f"more than {FLOOD // 1024} KiB came"
        if isinstance(error, NotAReplyError):
            return (End.TLS_ERROR if stage == "starttls" else End.BAD_GREETING), str(error)
        if isinstance(error, RefusedError):
            ends = {"greeting": End.BAD_GREETING, "starttls": End.TLS_ERROR}
            return ends.get(stage, End.REFUSED), str(error)
        if stage == "greeting" and not could_begin_reply(pending):
            return End.BAD_GREETING, f"no SMTP reply: {quoted(pending)}"
        cause = (line.loss if line else None) or error.__cause__ or error
        if isinstance(error, TimeoutError) or (stage == "handshake" and _is_timeout(error)):
            return End.TIMEOUT, self._lateness()
        return _lost(cause, stage)

    def _lateness(self) -> str:
        if asyncio.get_running_loop().time() >= self.call.deadline:
            return "the time for one listener is over"
        return f"no answer within {self.call.timeout:g} s"


def _accepted(reply: Reply | None) -> None:
    """Raise RefusedError unless a reply says yes."""
    if reply is not None and reply.code // 100 != 2:
        raise RefusedError(reply)


def _is_timeout(error: BaseException) -> bool:
    """Say whether asyncio gave a handshake up: it says so by an abort without a number."""
    return isinstance(error, ConnectionAbortedError) and error.errno is None


def _lost(cause: BaseException, stage: str) -> tuple[End, str]:
    """Say how a connection was lost, or why none came about."""
    if isinstance(cause, ssl.SSLEOFError):
        return End.CLOSED, "the server closed the connection"
    if isinstance(cause, ssl.SSLError):
        return End.TLS_ERROR, certificate.explain(cause)
    number = cause.errno if isinstance(cause, OSError) else None
    if isinstance(cause, ConnectionRefusedError):
        return End.REFUSED, os.strerror(errno.ECONNREFUSED)
    if number in {errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED}:
        return End.RESET, os.strerror(errno.ECONNRESET)
    if number is None and stage != "connect":
        return End.CLOSED, "the server closed the connection"
    return End.UNREACHABLE, os.strerror(number) if number else str(cause)
