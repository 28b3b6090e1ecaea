"""Authoritative name servers, asked one by one and without recursion: what each of them says itself."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

from msgspec.structs import replace

from conformance.facts.answer import Answer, Status
from conformance.facts.bounds import Pace
from conformance.facts.store import canonical, directly
from conformance.facts.upstream import Limits, Server, Upstream
from conformance.facts.wire import Question, parse_name, parse_type

RATE = 20.0
"""Questions a second that one server is asked, at most: it serves others."""

_BURST = 4
_IN_FLIGHT = 8


class Authorities:
    """An asynchronous context manager that asks name servers by their addresses, each at its own pace.

    ``timeout`` is in seconds a try, ``retries`` are tries after the first, ``port`` is the one that all are asked at.
    Raises ValueError for what is no port.
    """

    def __init__(self, *, timeout: float, retries: int, port: int = 53, zone_of: Callable[[str], str]) -> None:
        if not 0 < port < 1 << 16:
            raise ValueError(f"{port} is not a port from 1 to 65535")
        self._timeout = timeout
        self._tries = 1 + retries
        self._port = port
        self._zone_of = zone_of
        self._upstreams: dict[str, Upstream] = {}

    async def __aenter__(self) -> Authorities:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for upstream in self._upstreams.values():
            await upstream.close()

    @property
    def queries(self) -> int:
        """Number of messages sent, retries included."""
        return sum(upstream.queries for upstream in self._upstreams.values())

    async def ask(self, server: str, name: str, rdtype: str, *, tcp: bool) -> Answer:
        """Return what the server at an address says; aliases are not followed. Raises ValueError for no name or type.

        The answer's ``rdtype`` says whom it comes from, see :func:`conformance.facts.store.directly`.
        """
        question = Question.of(parse_name(canonical(name)), parse_type(rdtype))
        step = await self._upstream(server).step(question, tcp=tcp)
        return replace(step.answer, name=canonical(name), rdtype=directly(server, rdtype, tcp=tcp))

    def _upstream(self, server: str) -> Upstream:
        if server not in self._upstreams:
            limits = Limits(self._timeout, self._tries, _IN_FLIGHT, Pace(RATE, _BURST), self._zone_of)
            self._upstreams[server] = Upstream(Server(server, self._port), limits, recursion=False)
        return self._upstreams[server]


def unasked(name: str, rdtype: str) -> Answer:
    """Return what is known where authoritative servers are not asked."""
    why = "authoritative name servers are asked with --authoritative only"
    return Answer(canonical(name), rdtype, Status.UNDETERMINED, "UNASKED", error=why, cause=why)
