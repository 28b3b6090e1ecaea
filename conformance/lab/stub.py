"""Zones that the lab's name server does not hold: questions for them are passed on to the server that does."""

from __future__ import annotations

import asyncio

import dns.exception
import dns.message
import dns.name
import dns.rcode

from conformance.lab.zone import ancestors

ANSWER_SECONDS = 5.0
_FLAGS = 3
"""The octet that holds AD and the code (RFC 4035 section 4.1.2)."""


class Stubs:
    """Domains, and the server that answers for each and for all below it, asked over TCP at port 53."""

    def __init__(self) -> None:
        self._servers: dict[dns.name.Name, str] = {}
        self._vouched: set[str] = set()

    def add(self, domain: str, server: str, *, authentic: bool = False) -> None:
        """Have questions for a domain answered by another server; ``authentic``: as a resolver that validates does."""
        self._servers[dns.name.from_text(domain)] = server
        if authentic:
            self._vouched.add(server)

    def server_for(self, wire: bytes) -> str | None:
        """Return the server that a question is for, None when it is none of these."""
        if not self._servers:
            return None
        try:
            name = dns.message.from_wire(wire, ignore_trailing=True).question[0].name
        except (dns.exception.DNSException, ValueError, IndexError):
            return None
        return next((self._servers[above] for above in ancestors(name) if above in self._servers), None)

    def vouches_for(self, server: str) -> bool:
        """Return whether answers of a server count as validated."""
        return server in self._vouched


async def passed_on(wire: bytes, server: str, authentic: bool = False) -> bytes | None:
    """Return what another server says to a message; None when it does not answer in time."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            reader, writer = await asyncio.open_connection(server, 53)
            try:
                writer.write(len(wire).to_bytes(2, "big") + wire)
                answer = await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
                return vouched(answer) if authentic else answer
            finally:
                writer.close()
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        return None


def vouched(answer: bytes) -> bytes:
    """Return an answer that says that it was validated (AD, RFC 4035 section 3.2.3), where it has something to say."""
    says = len(answer) > _FLAGS and answer[_FLAGS] & 0x0F in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)
    return bytes((*answer[:_FLAGS], answer[_FLAGS] | 0x20, *answer[_FLAGS + 1 :])) if says else answer
