"""Zones and listeners of a world, served on loopback from a thread."""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from conformance.lab.runtime import START_SECONDS, Services
from conformance.lab.smtpd import Contact
from conformance.lab.spec import ListenerSpec, PolicySpec

if TYPE_CHECKING:
    from conformance.lab.nameserver import Query

_T = TypeVar("_T")


@dataclass(frozen=True)
class World:
    """Zones and listeners on loopback. ``ports`` leads from a listener's host and port to the one on 127.0.0.1."""

    resolver: str
    ports: Mapping[tuple[str, int], int]
    ca_file: Path
    policy_port: int
    """Where MTA-STS policies are served on 127.0.0.1."""
    _services: Services
    _loop: asyncio.AbstractEventLoop

    def queries(self) -> list[Query]:
        """Return the questions that were asked so far, the latest hundred thousand of them."""

        async def copy() -> list[Query]:
            return list(self._services.authority.log)

        return _in_loop(self._loop, copy())

    def load(self, origin: str, text: str) -> None:
        """Replace a zone."""

        async def load() -> None:
            self._services.authority.load(origin, text)

        _in_loop(self._loop, load())

    def contacts(self) -> list[Contact]:
        """Return the SMTP connections that were made so far."""

        async def copy() -> list[Contact]:
            return list(self._services.contacts)

        return _in_loop(self._loop, copy())


def _in_loop(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, _T]) -> _T:
    return asyncio.run_coroutine_threadsafe(work, loop).result(START_SECONDS)


@contextmanager
def serve_world(
    zones: Mapping[str, str],
    listeners: Sequence[ListenerSpec] = (),
    faults: Sequence[str] = (),
    servers: Mapping[str, Mapping[str, Any]] | None = None,
    policies: Sequence[PolicySpec] = (),
) -> Iterator[World]:
    """Serve zones (origin to text) and listeners on loopback, at free ports, from a thread.

    ``faults`` are lines ``NAME [TYPE] KIND [subtree]`` with absolute names. ``servers`` are further name
    servers at the same port, by address, each with ``zones`` and ``faults`` of its own. Raises ZoneError and LabError.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="mailconform world", daemon=True)
    thread.start()
    services = Services()
    with tempfile.TemporaryDirectory(prefix="mailconform-world-") as directory:
        ca_file = Path(directory) / "ca.pem"
        ca_file.write_bytes(services.certificates.bundle)
        try:
            port, ports = _in_loop(loop, _open_world(services, zones, listeners, faults))
            for address, one in (servers or {}).items():
                _in_loop(loop, services.add_authority(address, port, one["zones"], one["faults"]))
            policy_port = _in_loop(loop, services.add_policies(policies, "127.0.0.1", 0))
            yield World(f"127.0.0.1:{port}", ports, ca_file, policy_port, services, loop)
        finally:
            _in_loop(loop, services.close())
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()


async def _open_world(
    services: Services, zones: Mapping[str, str], listeners: Sequence[ListenerSpec], faults: Sequence[str]
) -> tuple[int, dict[tuple[str, int], int]]:
    for origin, text in zones.items():
        services.authority.load(origin, text)
    for line in faults:
        services.authority.fault_line(line)
    ports = {(spec.host, spec.port): await services.add_listener(spec, "127.0.0.1", 0) for spec in listeners}
    return await services.add_nameserver("127.0.0.1", 0), ports
