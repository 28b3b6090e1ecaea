"""The UDP sockets on which one server is asked."""

from __future__ import annotations

import asyncio
import os
import socket
from collections import deque
from collections.abc import Iterator
from typing import Protocol

_SOCKETS = 4
"""Sockets for each server, a power of two: port and id together are hard to guess (RFC 5452 section 9.2)."""
_AT_ONCE = 64
"""Datagrams read before other work has its turn."""
_LARGEST = 65535
_RECEIVED = 1 << 20
"""Octets that may wait to be read while this process is busy."""
_HEADER_ID = 2
"""Octets of the id that a message begins with."""

Mail = bytes | OSError
"""What comes back on a socket: a datagram, or the error that stands for one."""


class Hearer(Protocol):
    """Whoever waits for what comes in under an id."""

    def heard(self, mail: Mail, at: float) -> None:
        """Take a datagram or an error that came at a time of the event loop's clock. Must not raise."""
        ...


class Link:
    """A UDP socket connected to one server, shared by many queries. ``sent`` counts datagrams.

    Opening it raises OSError.
    """

    def __init__(self, address: str, port: int) -> None:
        self.sent = 0
        self.hearers: dict[int, Hearer] = {}
        """Whoever waits, by the id under which they do."""
        self._loop = asyncio.get_running_loop()
        self._unsent: deque[bytes] = deque()
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

    def forget(self, number: int, hearer: Hearer) -> None:
        """Release an id, if that is still the one of the given hearer."""
        if self.hearers.get(number) is hearer:
            del self.hearers[number]

    def send(self, data: bytes) -> None:
        """Send a datagram. Errors are heard by all who wait."""
        self.sent += 1
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
        # All that is read at once had come by now: what reading it takes is no delay of the server.
        receive, hearers, at = self._socket.recv, self.hearers, self._loop.time()
        for _ in range(_AT_ONCE):
            try:
                data = receive(_LARGEST)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                self._failed(error)
                return
            if len(data) >= _HEADER_ID and (hearer := hearers.get(data[0] << 8 | data[1])) is not None:
                hearer.heard(data, at)

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
        at = self._loop.time()
        for hearer in list(self.hearers.values()):
            hearer.heard(error, at)


class Links:
    """The sockets of one server, opened when the first is needed."""

    def __init__(self, address: str, port: int) -> None:
        self._remote = address, port
        self._closed = 0
        self._links: list[Link] = []
        self._drawn: list[int] = []

    @property
    def sent(self) -> int:
        """Number of datagrams sent."""
        return self._closed + sum(link.sent for link in self._links)

    def place(self, hearer: Hearer) -> tuple[Link, int]:
        """Reserve an unpredictable id on an unpredictable socket (RFC 5452 section 9.2).

        What arrives under it is handed over. Raises OSError when no sockets can be opened.
        """
        links = self._links
        while len(links) < _SOCKETS:
            links.append(Link(*self._remote))
        while True:
            if not self._drawn:
                self._drawn = list(memoryview(os.urandom(4096)).cast("I"))
            drawn = self._drawn.pop()
            link, number = links[drawn >> 16 & _SOCKETS - 1], drawn & 0xFFFF
            if link.hearers.setdefault(number, hearer) is hearer:
                return link, number

    def hearers(self) -> Iterator[Hearer]:
        """Yield all who wait for something."""
        for link in self._links:
            yield from link.hearers.values()

    def close(self) -> None:
        """Close the sockets."""
        self._closed = self.sent
        for link in self._links:
            link.close()
        self._links.clear()
