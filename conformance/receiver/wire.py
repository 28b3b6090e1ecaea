"""One connection: what came in and when, octet for octet, in clear text and inside TLS.

aiosmtpd, the usual server library, gives neither octets nor times, nor what a client sends before it may, and asyncio's
streams show no ClientHello and no alert. That is just what the receiver is there to see.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from conformance.receiver.capture import Ended
from conformance.receiver.limits import Limits
from conformance.receiver.tls import Channel, TlsError

_LOG = logging.getLogger(__name__)

_PENDING = 1024 * 1024
_PIECES = 4096
"""Octets, and pieces of them, that wait to be read before the client is made to wait."""
_RESET_SECONDS = 0.6
"""How long it takes at most until an answer is reset, at the other end of the world."""
_LOOKS = 30


class Over(Exception):
    """The session is over; says how it ended, and why where there is more to say."""

    def __init__(self, ended: Ended, error: str = "", *, silent: bool = False) -> None:
        super().__init__(error or ended)
        self.ended = ended
        self.error = error
        self.silent = silent
        """Whether the receiver closes without a word, and at once."""


@dataclass(slots=True)
class Piece:
    """Octets that came at once, ``at`` milliseconds after the connection was accepted."""

    at: float
    octets: bytes
    early: bool = False
    """Whether they have been told to be too early."""


class Wire(asyncio.Protocol):
    """A connection as the session sees it. Methods that wait raise Over when it ends."""

    peer = local = ("", 0)

    def __init__(self, limits: Limits, connected: Callable[[Wire], None]) -> None:
        self._limits = limits
        self._connected = connected
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._pieces: deque[Piece] = deque()
        self._woken = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._received = self._waiting = 0
        self._channel: Channel | None = None
        self._end: Over | None = None
        self._hung_up = False
        self._said = False
        self._abort: asyncio.TimerHandle | None = None
        self.ended_at = 0.0
        """When the connection ended; 0: it has not."""
        self.encrypted_at = 0.0
        """When the TLS handshake was done."""
        self.unfinished = b""
        """What there was of a line when the connection ended."""

    @property
    def now(self) -> float:
        """Milliseconds since the connection was accepted."""
        return round((self._loop.time() - self._began) * 1000, 3)

    @property
    def encrypted(self) -> bool:
        """Whether TLS has begun."""
        return self._channel is not None

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the session."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        peer, local = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        if not peer or not local:
            # The client had gone before it was looked at: nobody to write anything down of.
            transport.abort()
            return
        self.peer, self.local = peer[:2], local[:2]
        # asyncio does it only for sockets that were made with the protocol's number.
        with contextlib.suppress(OSError):
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connected(self)

    def data_received(self, data: bytes) -> None:
        """Take what came in."""
        self._received += len(data)
        if self._received > self._limits.session_octets:
            self.end(Ended.LIMIT, f"more than {self._limits.session_octets} octets")
            self.discard()
        if self._end is not None:
            return
        if self._channel is not None:
            data = self._decrypted(self._channel, data)
        if data:
            self._pieces.append(Piece(self.now, data))
            self._waiting += len(data)
        if self._channel is not None and self._channel.closed:
            self.end(Ended.CLOSED)
        if self._crowded:
            self._transport.pause_reading()
        self._woken.set()

    def eof_received(self) -> bool:
        """Note that the client sends no more; it may still read."""
        self._hung_up = True
        self.end(Ended.CLOSED)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that there is no connection any more."""
        self._hung_up = True
        self._writable.set()
        if self._abort is not None:
            self._abort.cancel()
        self.end(Ended.RESET if exc else Ended.CLOSED)

    def pause_writing(self) -> None:
        """Note that the client reads more slowly than we write."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Note that the client has read."""
        self._writable.set()

    # What the session calls.

    def end(self, ended: Ended, error: str = "") -> None:
        """End the session once it has read what has come; the first reason counts."""
        if self._end is None:
            self._end = Over(ended, error)
            self.ended_at = self.now
        self._woken.set()

    async def piece(self) -> Piece:
        """Return what came next, taking it off the wire."""
        if not self._pieces:
            await self._arrival(self._limits.idle_seconds)
        piece = self._pieces.popleft()
        self._waiting -= len(piece.octets)
        if not self._crowded:
            self._transport.resume_reading()
        return piece

    def unread(self, piece: Piece, octets: bytes) -> None:
        """Put the rest of a piece back."""
        if octets:
            self._pieces.appendleft(Piece(piece.at, octets, piece.early))
            self._waiting += len(octets)

    async def line(self, longest: int) -> tuple[Piece, bool]:
        """Return the next line with its end, which is LF, CRLF or what came of it, and whether it was longer.

        The rest of a line that is longer is not kept.
        """
        kept, size = bytearray(), 0
        while True:
            try:
                piece = await self.piece()
            except Over:
                self.unfinished = bytes(kept)
                raise
            line, feed, rest = piece.octets.partition(b"\n")
            self.unread(piece, rest)
            kept += (line + feed)[: longest - len(kept)]
            size += len(line) + len(feed)
            if feed:
                return Piece(piece.at, bytes(kept)), size > longest

    async def pause(self, seconds: float) -> None:
        """Wait while nothing is said. Raises Over when the connection ends meanwhile."""
        if not seconds:
            return
        try:
            async with asyncio.timeout(seconds):
                while self._end is None:
                    self._woken.clear()
                    await self._woken.wait()
        except TimeoutError:
            return
        raise self._end

    async def settle(self) -> None:
        """Let what has come so far be taken in."""
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    def early(self) -> list[Piece]:
        """Return what came and was not yet read, each piece once."""
        pieces = [piece for piece in self._pieces if not piece.early]
        for piece in pieces:
            piece.early = True
        return pieces

    def discard(self) -> None:
        """Throw away what came and was not yet read."""
        self._pieces.clear()
        self._waiting = 0
        self._transport.resume_reading()

    def write(self, octets: bytes) -> None:
        """Say something. Raises Over when nobody can hear it."""
        if self._transport.is_closing():
            raise self._end or Over(Ended.RESET)
        if self._channel is None:
            self._transport.write(octets)
            return
        try:
            self._channel.send(octets)
        except TlsError as error:
            raise Over(Ended.RESET, f"TLS: {error}") from None

    async def drain(self) -> None:
        """Wait while the client reads more slowly than we write. Raises Over when it reads nothing."""
        if self._writable.is_set():
            return
        try:
            async with asyncio.timeout(self._limits.idle_seconds):
                await self._writable.wait()
        except TimeoutError:
            raise Over(Ended.TIMEOUT, "the client reads nothing") from None

    def start_tls(self, channel: Channel) -> None:
        """Take what comes from now on for TLS."""
        self._channel = channel

    async def handshake(self) -> None:
        """Wait until TLS is there. Raises Over when it fails, with why."""
        channel = self._channel
        assert channel is not None
        try:
            async with asyncio.timeout(self._limits.idle_seconds):
                while not channel.established and self._end is None:
                    self._woken.clear()
                    await self._woken.wait()
        except TimeoutError:
            channel.fail("nothing came for too long")
            raise Over(Ended.TIMEOUT) from None
        if channel.established:
            return
        assert self._end is not None
        if self._end.ended in (Ended.CLOSED, Ended.RESET):
            channel.fail(channel.seen.error or f"the client {_HOW[self._end.ended]} the connection")
            raise Over(Ended.HANDSHAKE, channel.seen.error)
        raise self._end

    def write_raw(self, octets: bytes) -> None:
        """Write octets under TLS."""
        if not self._transport.is_closing():
            self._transport.write(octets)

    def reset(self) -> None:
        """Break the connection off, so that the client sees a reset."""
        connection = self._transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    async def deserted(self) -> bool:
        """Say whether the client closed the connection before what was just written to it.

        One that only says no more, and still reads, is told from it by the reset that a closed socket answers with.
        """
        connection = self._transport.get_extra_info("socket")
        for _ in range(_LOOKS if self._hung_up else 0):
            if self._transport.is_closing() or connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                return True
            await asyncio.sleep(_RESET_SECONDS / _LOOKS)
        return False

    async def close(self, *, linger: bool) -> None:
        """Close the connection; ``linger``: once the client has closed it or its time is up, so that it reads all."""
        if self._channel is not None:
            self._channel.close()
        if linger and not self._hung_up and not self._transport.is_closing():
            with contextlib.suppress(OSError):  # It may have gone just now.
                self._transport.write_eof()
                await self._gone()
        self._transport.close()
        self._abort = self._loop.call_later(self._limits.farewell_seconds, self._transport.abort)

    async def _gone(self) -> None:
        """Wait until the client has closed, and throw away what it still says."""
        try:
            async with asyncio.timeout(self._limits.farewell_seconds):
                while not self._hung_up:
                    self.discard()
                    self._woken.clear()
                    await self._woken.wait()
        except TimeoutError:
            pass

    def abort(self) -> None:
        """Close the connection at once."""
        self._transport.abort()

    def _decrypted(self, channel: Channel, octets: bytes) -> bytes:
        """Return what the client said inside TLS."""
        try:
            said = channel.feed(octets)
        except TlsError as error:
            # A client may refuse what it was shown once its own part of the handshake is done.
            if not self._said:
                channel.fail(str(error))
            self.end(Ended.RESET if self._said else Ended.HANDSHAKE, f"TLS: {error}")
            return b""
        except Exception:
            _LOG.exception("an error in TLS")
            self.end(Ended.ERROR, "an error in the receiver")
            return b""
        self._said = self._said or bool(said)
        if channel.established and not self.encrypted_at:
            self.encrypted_at = self.now
        return said

    @property
    def _crowded(self) -> bool:
        return self._waiting > _PENDING or len(self._pieces) > _PIECES

    async def _arrival(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                while not self._pieces:
                    if self._end is not None:
                        raise self._end
                    self._woken.clear()
                    await self._woken.wait()
        except TimeoutError:
            raise Over(Ended.TIMEOUT) from None


_HOW = {Ended.CLOSED: "closed", Ended.RESET: "reset"}
