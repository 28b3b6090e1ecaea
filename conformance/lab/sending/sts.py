"""MTA-STS as a sending host has it (RFC 8461): the policy of a domain, and whether an exchange agrees with it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

PATH = "/.well-known/mta-sts.txt"
SECONDS = 10.0
LARGEST = 64 * 1024

Lookup = Callable[[str, str], Awaitable[Sequence[str] | None]]


@dataclass(frozen=True, slots=True)
class Policy:
    """What a domain asks for: ``mode`` enforce, testing or none, and patterns of its MX hosts."""

    mode: str
    hosts: tuple[str, ...]

    @property
    def is_enforced(self) -> bool:
        """Whether mail may go to no other exchange, and to none without its certificate."""
        return self.mode == "enforce"

    def lists(self, exchange: str) -> bool:
        """Return whether an MX host is one of those (RFC 8461 section 4.1)."""
        return exchange in self.hosts or f"*.{exchange.partition('.')[2]}" in self.hosts


@lru_cache
def trusting(bundle: bytes) -> ssl.SSLContext:
    """Return a context that takes certificates of these authorities alone, for the name that is asked for."""
    return ssl.create_default_context(cadata=bundle.decode())


async def fetched(domain: str, lookup: Lookup, bundle: bytes, source: str, port: int = 443) -> Policy | None:
    """Return the policy of a domain; None where it has none, or it cannot be had in the right way."""
    records = [one for one in await lookup(f"_mta-sts.{domain}", "TXT") or () if one.startswith('"v=STSv1;')]
    host = f"mta-sts.{domain}"
    addresses = await lookup(host, "AAAA" if ":" in source else "A") or ()
    if len(records) != 1 or not addresses:
        return None
    try:
        async with asyncio.timeout(SECONDS):
            reader, writer = await asyncio.open_connection(
                addresses[0], port, ssl=trusting(bundle), server_hostname=host, local_addr=(source, 0), limit=LARGEST
            )
            try:
                writer.write(f"GET {PATH} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
                head = (await reader.readuntil(b"\r\n\r\n")).split()
                body = await reader.read(LARGEST)
            finally:
                writer.close()
    except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError):
        return None
    # A redirect is not followed (RFC 8461 section 3.3).
    return _read(body.decode("latin-1")) if head[1:2] == [b"200"] else None


def _read(text: str) -> Policy | None:
    pairs = [(name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in text.splitlines())]
    once = dict(pairs)
    if once.get("version") != "STSv1" or once.get("mode") not in ("enforce", "testing", "none"):
        return None
    return Policy(once["mode"], tuple(value.lower() for name, value in pairs if name == "mx"))
