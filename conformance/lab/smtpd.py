"""Simulated mail servers: what a prober meets at port 25, correct or broken in one way. They never take mail."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING, Protocol, cast

from conformance.lab.spec import Behaviour, ListenerSpec

if TYPE_CHECKING:
    from conformance.lab.certificates import Certificates

MAX_SESSIONS = 100
"""Sessions that one listener holds at a time; more are told 421."""
MAX_LINES = 200
MAX_LINE = 4096
MAX_SECONDS = 60.0
"""Length of a session."""
FAREWELL = 1.0
"""Seconds that a client may take to close."""
MAX_CONTACTS = 10_000

_EXTENSIONS = ("PIPELINING", "SIZE 10485760", "8BITMIME", "ENHANCEDSTATUSCODES")
_FILL_SECONDS = 5.0
_GARBAGE = bytes(range(0x80, 0x100)) + b"\r\n"
_VERSION_ALERT = b"\x15\x03\x01\x00\x02\x02\x46"
"""Fatal alert 70, protocol_version (RFC 5246 section 7.2)."""

_REPLIES = {
    "NOOP": (250, "2.0.0 nothing done"),
    "RSET": (250, "2.0.0 forgotten"),
    "MAIL": (250, "2.1.0 sender noted"),
    "RCPT": (554, "5.7.1 relay access denied"),
    "DATA": (503, "5.5.1 no valid recipients"),
    "VRFY": (252, "2.1.5 send it and see"),
}


@dataclass(slots=True)
class Contact:
    """One connection that was made: from whom, and the command lines that were read, as Latin-1 text."""

    host: str
    port: int
    peer: str
    commands: list[str] = field(default_factory=list)


class Running(Protocol):
    """A listener that is up, on ``port``. Use it from its own event loop."""

    port: int

    def close(self) -> None:
        """Stop listening and drop open connections."""
        ...


@dataclass(slots=True)
class _Sockets:
    """Sockets that nobody serves."""

    port: int
    _sockets: tuple[socket.socket, ...]

    def close(self) -> None:
        for one in self._sockets:
            one.close()


@dataclass(slots=True)
class _Server:
    port: int
    _server: asyncio.Server
    _sessions: set[asyncio.Task[None]]

    def close(self) -> None:
        self._server.close()
        for session in self._sessions:
            session.cancel()


def deaf(host: str, port: int, kind: socket.SocketKind = socket.SOCK_STREAM) -> Running:
    """Bind a socket at which nothing is ever answered: a host or name server that is silent. Raises OSError.

    Linux drops connection requests while the queue of unaccepted connections is full, so one of our own fills it.
    """
    listener = _bind(host, port, kind)
    sockets = [listener]
    if kind == socket.SOCK_STREAM:
        listener.listen(0)
        sockets.append(socket.create_connection(listener.getsockname()[:2], _FILL_SECONDS))
    return _Sockets(listener.getsockname()[1], tuple(sockets))


def _bind(host: str, port: int, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
    family = socket.AF_INET if ip_address(host).version == 4 else socket.AF_INET6
    bound = socket.socket(family, kind)
    try:
        if kind == socket.SOCK_STREAM:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound


async def serve(
    spec: ListenerSpec, certificates: Certificates, host: str, port: int, contacts: deque[Contact] | None = None
) -> Running:
    """Put a simulated listener at an address; port 0 takes a free one.

    ``contacts`` gets an entry for each connection. Raises OSError when it cannot be bound.
    """
    if spec.behaviour == Behaviour.DEAF:
        return deaf(host, port)
    listener = _bind(host, port)
    if spec.behaviour == Behaviour.REFUSE:
        # Bound but not listening: connections are refused, and nobody else can take the port.
        return _Sockets(listener.getsockname()[1], (listener,))
    sessions: set[asyncio.Task[None]] = set()
    log = deque[Contact](maxlen=MAX_CONTACTS) if contacts is None else contacts

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = cast("asyncio.Task[None]", asyncio.current_task())
        contact = Contact(spec.host, spec.port, writer.get_extra_info("peername")[0])
        session = _Session(spec, certificates, reader, writer, contact)
        log.append(contact)
        sessions.add(task)
        try:
            async with asyncio.timeout(MAX_SECONDS):
                await (session.run() if len(sessions) <= MAX_SESSIONS else session.reply(421, "4.3.2 too many"))
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
            pass  # The other side went away, or spoke too long: it is told nothing.
        except asyncio.CancelledError:
            writer.transport.abort()
            raise
        finally:
            sessions.discard(task)
            await _hang_up(writer)

    server = await asyncio.start_server(connected, sock=listener, limit=MAX_LINE)
    return _Server(listener.getsockname()[1], server, sessions)


async def _hang_up(writer: asyncio.StreamWriter) -> None:
    """Close a connection, and leave it at that when the client does not answer TLS's farewell."""
    try:
        writer.close()
        async with asyncio.timeout(FAREWELL):
            await writer.wait_closed()
    except (OSError, TimeoutError):
        pass
    finally:
        writer.transport.abort()


class _Session:
    """One session of a listener."""

    def __init__(
        self,
        spec: ListenerSpec,
        certificates: Certificates,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        contact: Contact,
    ) -> None:
        self._spec = spec
        self._certificates = certificates
        self._reader = reader
        self._writer = writer
        self._contact = contact
        self._encrypted = False

    async def run(self) -> None:
        """Greet and obey until the client quits, misbehaves or has had its lines."""
        if not (await self._open() and await self._greet()):
            return
        for _ in range(MAX_LINES):
            line = (await self._reader.readuntil(b"\n")).decode("latin-1").rstrip("\r\n")
            self._contact.commands.append(line)
            if not await self._obey(line.partition(" ")[0].upper()):
                return

    async def reply(self, code: int, *lines: str) -> None:
        """Send one reply; all lines but the last carry a hyphen (RFC 5321 section 4.2.1)."""
        marks = ["-"] * (len(lines) - 1) + [" "]
        text = "".join(f"{code}{mark}{line}\r\n" for mark, line in zip(marks, lines, strict=True))
        self._writer.write(text.encode("latin-1"))
        await self._writer.drain()

    async def _open(self) -> bool:
        """Get as far as the greeting. Whether the session goes on."""
        match self._spec.behaviour:
            case Behaviour.SILENT:
                await self._wait()
            case Behaviour.CLOSE:
                pass
            case Behaviour.RESET:
                self._reset()
            case Behaviour.HANDSHAKE_BROKEN if self._spec.tls == "implicit":
                await self._break_handshake()
            case _:
                if self._spec.tls == "implicit":
                    await self._encrypt()
                return True
        return False

    async def _greet(self) -> bool:
        """Send the greeting, or what there is instead. Whether the session goes on."""
        await asyncio.sleep(self._spec.banner_delay)
        match self._spec.behaviour:
            case Behaviour.BANNER_554:
                await self.reply(554, f"5.7.1 {self._spec.name} takes no mail from you")
                await self._refuse_all()
            case Behaviour.BANNER_GARBAGE:
                self._writer.write(_GARBAGE)
                await self._wait()
            case _:
                await self.reply(220, *self._spec.greeting)
                return True
        return False

    async def _obey(self, verb: str) -> bool:
        """Answer one command. Whether the session goes on."""
        match verb:
            case "QUIT":
                await self.reply(221, f"2.0.0 {self._spec.name} closes")
                return False
            case "EHLO" if self._spec.behaviour == Behaviour.EHLO_HANG:
                await self._wait()
                return False
            case "EHLO" if self._spec.behaviour != Behaviour.EHLO_502:
                await self.reply(250, *self._extensions())
            case "HELO":
                await self.reply(250, self._spec.name)
            case "STARTTLS" if self._offers_starttls:
                return await self._start_tls()
            case _:
                await self.reply(*_REPLIES.get(verb, (502, "5.5.1 not implemented")))
        return True

    @property
    def _offers_starttls(self) -> bool:
        return self._spec.tls == "starttls" and not self._encrypted

    def _extensions(self) -> tuple[str, ...]:
        lines = self._spec.ehlo or (self._spec.name, *_EXTENSIONS)
        return (*lines, "STARTTLS") if self._offers_starttls else lines

    async def _start_tls(self) -> bool:
        if self._spec.behaviour == Behaviour.STARTTLS_454:
            await self.reply(454, "4.7.0 TLS not available for now")
            return True
        await self.reply(220, "2.0.0 go ahead")
        if self._spec.behaviour == Behaviour.HANDSHAKE_BROKEN:
            await self._break_handshake()
            return False
        await self._encrypt()
        return True

    async def _encrypt(self) -> None:
        spec = self._spec
        names = spec.certificate_names or (spec.host,)
        context = self._certificates.context(spec.certificate, names, spec.tls_min, spec.tls_max)
        # asyncio drops OpenSSL's alert together with the connection: a second handle keeps it open to say why.
        with self._writer.get_extra_info("socket").dup() as handle:
            try:
                await self._writer.start_tls(context, ssl_handshake_timeout=MAX_SECONDS)
            except OSError as error:
                if getattr(error, "reason", "") == "UNSUPPORTED_PROTOCOL":
                    handle.send(_VERSION_ALERT)
                raise
        self._encrypted = True

    async def _break_handshake(self) -> None:
        """Answer the client's part of a TLS handshake in plain text."""
        await self._reader.read(MAX_LINE)
        await self.reply(500, "5.5.1 this is no handshake")

    async def _refuse_all(self) -> None:
        """Say 503 to everything but QUIT, as a server that has greeted with 554 does (RFC 5321 section 3.1)."""
        for _ in range(MAX_LINES):
            line = await self._reader.readuntil(b"\n")
            if line.strip().upper() == b"QUIT":
                await self.reply(221, f"2.0.0 {self._spec.name} closes")
                return
            await self.reply(503, "5.5.1 no service here")

    async def _wait(self) -> None:
        """Say nothing until the client goes away."""
        while await self._reader.read(MAX_LINE):
            pass

    def _reset(self) -> None:
        """Break the connection off so that the client sees a reset instead of an end."""
        connection = self._writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
