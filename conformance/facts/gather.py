"""Gathers all planned facts in one pass over the network, and hands them to the checks afterwards."""

from __future__ import annotations

import asyncio
import copy
import datetime
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from conformance.facts.plan import Wanted
from conformance.facts.snapshot import Gathering
from conformance.facts.store import Recorded, Store
from conformance.fleet.model import Fleet
from conformance.outcome import NotApplicable, Undetermined
from conformance.reading.orgdomain import registrable

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Limits:
    """How facts may be gathered. Times are seconds, ``rate`` questions a second."""

    resolvers: tuple[str, ...] = ()
    probe: str = "connect"
    ehlo: str = ""
    dns_timeout: float = 2.0
    dns_retries: int = 1
    dns_rate: float = 1000.0
    smtp_timeout: float = 10.0
    smtp_sessions: int = 20


def parse_server(text: str) -> str:
    """Return the address and port of a name server as text. Raises ValueError for what is neither."""
    from conformance.facts.dns import Server

    return str(Server.parse(text))


def gather(wanted: Sequence[Wanted], fleet: Fleet, store: Store, limits: Limits, progress: Progress) -> Gathering:
    """Fill the store with all that the wanted facts ask for. Raises ValueError for a malformed resolver."""
    gathering = Gathering(gathered=_now(), probe=limits.probe)
    start = time.monotonic()
    with asyncio.Runner() as runner:
        runner.run(_gather(wanted, fleet, store, limits, progress, gathering))
    gathering.seconds = time.monotonic() - start
    return gathering


async def _gather(
    wanted: Sequence[Wanted], fleet: Fleet, store: Store, limits: Limits, progress: Progress, gathering: Gathering
) -> None:
    from conformance.facts.dns import Resolver, Server, system_servers
    from conformance.facts.live import Live

    servers = tuple(Server.parse(text) for text in limits.resolvers) or system_servers()
    gathering.resolvers = tuple(str(server) for server in servers)
    resolver = Resolver(
        servers, timeout=limits.dns_timeout, retries=limits.dns_retries, rate=limits.dns_rate, zone_of=zone_of
    )
    async with resolver:
        live = Live(store, resolver, _prober(limits))
        work = asyncio.gather(*(_build(one, live, fleet) for one in wanted))
        watcher = asyncio.create_task(_watch(store, resolver, progress))
        try:
            await work
        finally:
            watcher.cancel()
            gathering.queries = resolver.queries
            await asyncio.gather(watcher, return_exceptions=True)


def _prober(limits: Limits) -> Any:
    if limits.probe == "none":
        return None
    from conformance.facts.smtp import Prober

    return Prober(ehlo=limits.ehlo, timeout=limits.smtp_timeout, sessions=limits.smtp_sessions)


def zone_of(name: str) -> str:
    """Return the zone that answers for a name, as far as its text can tell: what fails together.

    Forward names: the registrable domain. Reverse names: the /24 or /64 network, the finest that is delegated alone.
    """
    labels = name.rstrip(".").split(".")
    if labels[-2:] == ["in-addr", "arpa"]:
        return ".".join(labels[-5:])
    if labels[-2:] == ["ip6", "arpa"]:
        return ".".join(labels[-18:])
    return registrable(name) or name


async def _build(wanted: Wanted, live: Any, fleet: Fleet) -> None:
    try:
        await wanted.build(live, fleet)
    except (NotApplicable, Undetermined):
        return


async def _watch(store: Store, resolver: Any, progress: Progress) -> None:
    while True:
        progress(f"{len(store.answers)} of {resolver.questions} DNS answers, {len(store.sessions)} SMTP sessions")
        await asyncio.sleep(0.2)


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True)
class _Entry:
    """A fact as it was built: its value, or why there is none, and what was asked for it."""

    value: Any
    missing: NotApplicable | Undetermined | None
    asked: tuple[str, ...]


class Gathered:
    """The facts of a run as the checks see them: built from the store on first use, then kept."""

    def __init__(self, store: Store, fleet: Fleet) -> None:
        self.store = store
        self._fleet = fleet
        self._loop = asyncio.new_event_loop()
        self._entries: dict[tuple[str, str], _Entry] = {}

    def __call__(self, fact: str, subject: Any) -> Any:
        """Return a fact of a subject. Raises NotApplicable when it has none, Undetermined when none was seen."""
        entry = self._entry(Wanted(fact, subject))
        if entry.missing is not None:
            # A copy: an exception that is raised again and again would keep every traceback.
            raise copy.copy(entry.missing)
        return entry.value

    def evidence(self, wanted: Iterable[Wanted]) -> list[str]:
        """Return what the given facts were made of: ``dns:QUESTION`` and ``smtp:HOST:PORT``, each once."""
        return list(dict.fromkeys(asked for one in wanted for asked in self._entry(one).asked))

    def close(self) -> None:
        """Release the loop."""
        self._loop.close()

    def _entry(self, wanted: Wanted) -> _Entry:
        if wanted.key not in self._entries:
            ask = Recorded(self.store)
            value = missing = None
            try:
                value = self._loop.run_until_complete(wanted.build(ask, self._fleet))
            except (NotApplicable, Undetermined) as why:
                missing = why
            self._entries[wanted.key] = _Entry(value, missing, tuple(ask.asked))
        return self._entries[wanted.key]
