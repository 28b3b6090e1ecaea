"""A web server that serves MTA-STS policies (RFC 8461 section 3.3), rightly or in some way wrongly."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from contextlib import suppress
from http import HTTPStatus

from conformance.lab.certificates import Certificates
from conformance.lab.spec import PolicySpec

_SECONDS = 10.0
_PREFIX = "mta-sts."


class PolicyServer:
    """Serves the policy of the domain that the client names in TLS; ``*`` among the domains stands for the rest."""

    def __init__(self, policies: Sequence[PolicySpec], certificates: Certificates) -> None:
        self._policies = {policy.domain: policy for policy in policies}
        self._certificates = certificates
        self._server: asyncio.Server | None = None
        self.port = 0

    async def listen(self, host: str, port: int) -> int:
        """Listen at an address and return the port. Raises OSError."""
        context = self._certificates.context("good", ("unnamed.example",), "1.2", "1.3")
        context.sni_callback = self._choose
        self._server = await asyncio.start_server(self._serve, host, port, ssl=context)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self.port

    def close(self) -> None:
        """Stop listening."""
        if self._server:
            self._server.close()

    def _of(self, host: str) -> PolicySpec | None:
        return self._policies.get(host.removeprefix(_PREFIX)) or self._policies.get("*")

    def _choose(self, peer: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> int | None:
        policy = self._of(name or "")
        if name is None or policy is None:
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        peer.context = self._certificates.context(policy.certificate, (name,), "1.2", "1.3")
        return None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            async with asyncio.timeout(_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                hosts = [
                    line[5:].strip() for line in head.decode("latin-1").split("\r\n") if line[:5].lower() == "host:"
                ]
                writer.write(_answer(self._of(hosts[0] if hosts else "")))
                await writer.drain()
        writer.close()


def _answer(policy: PolicySpec | None) -> bytes:
    if policy is None:
        return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    body = policy.text.encode("latin-1")
    lines = [
        f"HTTP/1.1 {policy.status} {HTTPStatus(policy.status).phrase}",
        f"Content-Type: {policy.media_type}",
        f"Content-Length: {len(body)}",
        *([f"Location: {policy.location}"] if policy.location else []),
        "Connection: close",
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
