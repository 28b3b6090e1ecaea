"""Zones that the lab's name server does not hold: questions for them are passed on to the server that does."""

from __future__ import annotations

import asyncio

import dns.exception
import dns.message
import dns.name

from conformance.lab.zone import ancestors

ANSWER_SECONDS = 5.0


class Stubs:
    """Domains, and the server that answers for each and for all below it, asked over TCP at port 53."""

    def __init__(self) -> None:
        self._servers: dict[dns.name.Name, str] = {}

    def add(self, domain: str, server: str) -> None:
        """Have questions for a domain answered by another server."""
        self._servers[dns.name.from_text(domain)] = server

    def server_for(self, wire: bytes) -> str | None:
        """Return the server that a question is for, None when it is none of these."""
        if not self._servers:
            return None
        try:
            name = dns.message.from_wire(wire, ignore_trailing=True).question[0].name
        except (dns.exception.DNSException, ValueError, IndexError):
            return None
        return next((self._servers[above] for above in ancestors(name) if above in self._servers), None)


async def passed_on(wire: bytes, server: str) -> bytes | None:
    """Return what another server says to a message; None when it does not answer in time."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            reader, writer = await asyncio.open_connection(server, 53)
            try:
                writer.write(len(wire).to_bytes(2, "big") + wire)
                return await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
            finally:
                writer.close()
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        return None
