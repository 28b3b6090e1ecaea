"""The UDP sockets on which one server is asked."""

from __future__ import annotations

import asyncio
import os
import socket
from collections import deque
from typing import Protocol

_SOCKETS = 4
"""Sockets for each server, so that port and id together are hard to guess (RFC 5452 section 9.2)."""
_AT_ONCE = 64
"""Datagrams read before other work has its turn."""
_LARGEST = 65535
_RECEIVED = 1 << 20
"""Octets that may wait to be read while this process is busy."""
_HEADER_ID = 2

Mail = bytes | OSError
"""What comes back on a socket: a datagram, or the error that stands for one."""


class Hearer(Protocol):
    """Whoever waits for what comes in under an id."""

    def heard(self, mail: Mail) -> None:
        """Take a datagram or an error. Must not raise."""
        ...


class Link:
    """A UDP socket connected to one server, shared by many queries. Opening it raises OSError."""

    def __init__(self, address: str, port: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._hearers: dict[int, Hearer] = {}
        self._ids: list[int] = []
        self._unsent: deque[bytes] = deque()
        self._buffer = memoryview(bytearray(_LARGEST))
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVED)
            self._socket.connect((address, port))
        except OSError:
            self._socket.close()
            raise
        self._loop.add_reader(self._socket, self._read)

    def expect(self, hearer: Hearer) -> int:
        """Reserve an unpredictable id (RFC 5452 section 9.2), and have what arrives under it handed over."""
        while True:
            if not self._ids:
                self._ids = list(memoryview(os.urandom(1024)).cast("H"))
            number = self._ids.pop()
            if number not in self._hearers:
                self._hearers[number] = hearer
                return number

    def forward(self, number: int, hearer: Hearer) -> None:
        """Hand what arrives under a reserved id to another one."""
        self._hearers[number] = hearer

    def forget(self, number: int, hearer: Hearer) -> None:
        """Release an id, if that is still the one of the given hearer."""
        if self._hearers.get(number) is hearer:
            del self._hearers[number]

    def send(self, data: bytes) -> None:
        """Send a datagram. Errors are heard by all who wait."""
        if self._unsent:
            self._unsent.append(data)
            return
        try:
            self._socket.send(data)
        except BlockingIOError:
            self._unsent.append(data)
            self._loop.add_writer(self._socket, self._send_rest)
        except OSError as error:
            # Not now: whoever sends is not ready to hear.
            self._loop.call_soon(self._failed, error)

    def close(self) -> None:
        """Close the socket."""
        self._unsent.clear()
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._socket.close()

    def _read(self) -> None:
        """Sort datagrams by their ids; what nobody waits for is dropped."""
        receive, hearers, buffer = self._socket.recv_into, self._hearers, self._buffer
        for _ in range(_AT_ONCE):
            try:
                data = bytes(buffer[: receive(buffer)])
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                self._failed(error)
                return
            hearer = hearers.get(int.from_bytes(data[:_HEADER_ID], "big"))
            if hearer is not None and len(data) >= _HEADER_ID:
                hearer.heard(data)

    def _send_rest(self) -> None:
        try:
            while self._unsent:
                self._socket.send(self._unsent[0])
                self._unsent.popleft()
        except BlockingIOError:
            return
        except OSError as error:
            self._unsent.popleft()
            self._failed(error)
            return
        self._loop.remove_writer(self._socket)

    def _failed(self, error: OSError) -> None:
        """Tell every query of this socket: the kernel does not say which of them an ICMP error is about."""
        for hearer in list(self._hearers.values()):
            hearer.heard(error)


class Links:
    """The sockets of one server, opened when the first is needed. ``sent`` counts datagrams."""

    def __init__(self, address: str, port: int) -> None:
        self.sent = 0
        self._remote = address, port
        self._links: list[Link] = []
        self._picks: list[int] = []
        self._outgoing: list[tuple[Link, bytes]] = []

    def pick(self) -> Link:
        """Return one of the sockets at random. Raises OSError when they cannot be opened."""
        while len(self._links) < _SOCKETS:
            self._links.append(Link(*self._remote))
        if not self._picks:
            self._picks = list(os.urandom(1024))
        return self._links[self._picks.pop() % _SOCKETS]

    def send(self, link: Link, data: bytes) -> None:
        """Send a datagram on one of the sockets before the event loop looks for replies, and count it.

        All of a turn are sent in a row: each alone would wake the server for one question, and that takes longer than
        to answer it.
        """
        self.sent += 1
        if not self._outgoing:
            asyncio.get_running_loop().call_soon(self._send)
        self._outgoing.append((link, data))

    def _send(self) -> None:
        outgoing, self._outgoing = self._outgoing, []
        for link, data in outgoing:
            link.send(data)

    def close(self) -> None:
        """Close the sockets."""
        self._outgoing.clear()
        for link in self._links:
            link.close()
        self._links.clear()
