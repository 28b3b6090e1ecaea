"""Gathers all planned facts in one pass over the network, and hands them to the checks afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import datetime
import gc
import socket
import sys
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from conformance.facts.account import account
from conformance.facts.answer import Status
from conformance.facts.plan import Wanted, want
from conformance.facts.snapshot import Gathering
from conformance.facts.store import Recorded, Store
from conformance.fleet.model import Fleet
from conformance.fleet.sending import Stream
from conformance.outcome import NotApplicable, Undetermined
from conformance.reading.hostname import is_ip_text
from conformance.reading.orgdomain import registrable

if TYPE_CHECKING:
    from conformance.facts.campaign import Campaign

Progress = Callable[[str], None]

_OWN_NAME_SECONDS = 5.0

_IN_FLIGHT = 512
"""Questions under way to a name server far away."""

_OBJECTS = 200_000
"""New objects after which garbage is looked for while facts are gathered."""

_TRACEBACKS = 3
"""Errors of our own that are shown with the way to them."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How facts may be gathered. Times are seconds, ``rate`` questions a second."""

    resolvers: tuple[str, ...] = ()
    probe: str = "connect"
    ehlo: str = ""
    dns_timeout: float = 2.0
    dns_retries: int = 1
    dns_rate: float = 1000.0
    dns_paranoid: bool = False
    """Whether all replies are read by dnspython too."""
    smtp_timeout: float = 10.0
    smtp_sessions: int = 20
    dnssec: str = "resolver"
    """Who validates: ``resolver`` or, by the chain from the trust anchor, ``validate``."""
    trust_anchor: str = ""
    """File with trust anchors; empty: those of the root."""
    authoritative: bool = False
    """Whether authoritative name servers are asked as well, each by itself."""
    authoritative_port: int = 53
    overlays: tuple[str, ...] = ()
    """What is proposed and answers before live DNS, as :mod:`conformance.facts.overlays` reads it."""
    campaign: Campaign | None = None
    """How hosts are made to send; None: they are not."""


def parse_server(text: str) -> str:
    """Return the address and port of a name server as text. Raises ValueError for what is neither."""
    from conformance.facts.dns import Server

    return str(Server.parse(text))


def gather(
    wanted: Sequence[Wanted], fleet: Fleet, store: Store, limits: Limits, gathering: Gathering, progress: Progress
) -> None:
    """Fill the store with all that the wanted facts ask for, and ``gathering`` with how.

    An interrupt leaves what there is so far. Raises ValueError for limits that make no sense, for no resolver, and for
    overlays and trust anchors that cannot be read.
    """
    gathering.gathered, gathering.probe = _now(), limits.probe
    gathering.overlays = limits.overlays
    start = time.monotonic()
    try:
        with rare_collections(), asyncio.Runner() as runner:
            runner.get_loop().set_exception_handler(_unless_interrupted)
            runner.run(_gather(wanted, fleet, store, limits, gathering, progress))
    finally:
        gathering.seconds = time.monotonic() - start
        store.sort()


async def _gather(
    wanted: Sequence[Wanted], fleet: Fleet, store: Store, limits: Limits, gathering: Gathering, progress: Progress
) -> None:
    from conformance.facts.dns import Resolver, Server, system_servers
    from conformance.facts.live import Live
    from conformance.facts.overlays import load

    servers = tuple(Server.parse(text) for text in limits.resolvers) or system_servers()
    gathering.resolvers = tuple(str(server) for server in servers)
    resolver = Resolver(
        servers,
        timeout=limits.dns_timeout,
        retries=limits.dns_retries,
        rate=limits.dns_rate,
        in_flight=_IN_FLIGHT,
        zone_of=zone_of,
        layers=load(limits.overlays),
        paranoid=limits.dns_paranoid,
        anchors=_anchors(limits, gathering),
    )
    async with resolver, contextlib.AsyncExitStack() as ends:
        dials = limits.probe != "none" and any(one.dials for one in wanted)
        trier = await ends.enter_async_context(_trier(wanted, fleet, store, limits, gathering, resolver))
        authorities = await ends.enter_async_context(_authorities(limits)) if limits.authoritative else None
        store.authoritative = gathering.authoritative = limits.authoritative
        prober = await _prober(limits, resolver) if dials else None
        fetcher = None if limits.probe == "none" else _fetcher(limits, resolver)
        live = Live(store, resolver, prober, trier, authorities, fetcher)
        work = asyncio.gather(*(_build(one, live, fleet, gathering) for one in wanted))
        watcher = asyncio.create_task(_watch(store, resolver, trier, progress))
        try:
            await work
        finally:
            watcher.cancel()
            await live.stop()
            gathering.queries = resolver.queries + (authorities.queries if authorities else 0)
            gathering.defects += [f"two readers of DNS differ: {text}" for text in resolver.differences[:_TRACEBACKS]]
            await asyncio.gather(watcher, return_exceptions=True)


def _unless_interrupted(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Say nothing of a task in the middle of which the run was interrupted: the interrupt itself goes on."""
    if not isinstance(context.get("exception"), KeyboardInterrupt):
        loop.default_exception_handler(context)


@contextmanager
def rare_collections() -> Iterator[None]:
    """Look for garbage in circles rarely: each time costs a walk over all who wait for answers."""
    before = gc.get_threshold()
    gc.set_threshold(max(before[0], _OBJECTS), *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


@contextlib.asynccontextmanager
async def _trier(
    wanted: Sequence[Wanted], fleet: Fleet, store: Store, limits: Limits, gathering: Gathering, resolver: Any
) -> AsyncIterator[Any]:
    """Give what makes the wanted trials; None where nobody is to be made to send. Raises ValueError."""
    streams = [getattr(one.subject, "stream", one.subject) for one in wanted]
    if limits.campaign is None or all(not isinstance(one, Stream) or one.how == "file" for one in streams):
        yield None
        return
    from conformance.facts.campaign import begin

    async with begin(
        limits.campaign,
        fleet,
        store,
        gathering.notes,
        ehlo=limits.ehlo or await _own_name(),
        timeout=limits.smtp_timeout,
        resolve=_resolving(resolver),
    ) as trier:
        yield trier


def _anchors(limits: Limits, gathering: Gathering) -> Any:
    """Return what validation begins with, None where the resolver validates. Raises ValueError."""
    if limits.dnssec != "validate":
        return None
    from conformance.facts.anchors import load

    anchors = load(limits.trust_anchor)
    zones = ", ".join(str(zone) for zone in anchors)
    gathering.notes.append(f"this run validated DNS answers itself, from trust anchors of {zones}")
    return anchors


def _authorities(limits: Limits) -> Any:
    from conformance.facts.authorities import Authorities

    return Authorities(
        timeout=limits.dns_timeout, retries=limits.dns_retries, port=limits.authoritative_port, zone_of=zone_of
    )


async def _prober(limits: Limits, resolver: Any) -> Any:
    from conformance.facts.smtp import Prober

    return Prober(
        ehlo=limits.ehlo or await _own_name(),
        timeout=limits.smtp_timeout,
        sessions=limits.smtp_sessions,
        resolve=_resolving(resolver) if limits.resolvers or limits.overlays else None,
    )


def _fetcher(limits: Limits, resolver: Any) -> Any:
    from conformance.facts.web import Fetcher

    return Fetcher(_resolving(resolver), timeout=limits.smtp_timeout)


async def _own_name() -> str:
    """Return the name of this machine, without its domain where DNS does not tell that in time."""
    short = socket.gethostname()
    try:
        async with asyncio.timeout(_OWN_NAME_SECONDS):
            return short if "." in short else await asyncio.to_thread(socket.getfqdn)
    except TimeoutError:
        return short


def _resolving(resolver: Any) -> Callable[[str], Awaitable[Sequence[str]]]:
    """Look up where a host is dialled at the name servers of the run; names of one label are this machine's affair."""
    from conformance.facts.smtp import system_addresses

    async def resolve(name: str) -> Sequence[str]:
        if is_ip_text(name):
            return [name]
        if "." not in name.rstrip("."):
            return await system_addresses(name)
        answers = await asyncio.gather(resolver.ask(name, "A"), resolver.ask(name, "AAAA"))
        known = [address for answer in answers if answer.status is Status.FOUND for address in answer.texts]
        return known or [address for answer in answers for address in answer.texts]

    return resolve


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


async def _build(wanted: Wanted, live: Any, fleet: Fleet, gathering: Gathering) -> None:
    """Build one fact. An error in one is told, and keeps no other from being gathered."""
    try:
        await wanted.build(live, fleet)
    except (NotApplicable, Undetermined):
        return
    except Exception as error:
        if len(gathering.defects) < _TRACEBACKS:
            traceback.print_exc(file=sys.stderr)
        what = f"{wanted.fact} of {wanted.subject.id}"
        gathering.defects.append(f"internal error while gathering {what}: {type(error).__name__}: {error}")


async def _watch(store: Store, resolver: Any, trier: Any, progress: Progress) -> None:
    while True:
        text = f"{len(store.answers)} of {resolver.questions} DNS answers, {len(store.sessions)} SMTP sessions"
        progress(f"{text}, {trier.ended} of {trier.begun} trials" if trier else text)
        await asyncio.sleep(0.2)


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True)
class _Entry:
    """A fact as it was built: its value, or why there is none, and what was asked for it."""

    value: Any
    missing: Exception | None
    asked: tuple[str, ...]


class Gathered:
    """The facts of a run as the checks see them: built from the store on first use, then kept."""

    def __init__(self, store: Store, fleet: Fleet) -> None:
        self.store = store
        self._fleet = fleet
        self._loop = asyncio.new_event_loop()
        self._entries: dict[tuple[str, str], _Entry] = {}

    def __call__(self, fact: str, subject: Any) -> Any:
        """Return a fact of a subject. Raises NotApplicable when it has none, Undetermined when none was seen.

        What else it raises is an error in the fact.
        """
        entry = self._entry(want(fact, subject))
        if isinstance(entry.missing, NotApplicable | Undetermined):
            # A copy: an exception that is raised again and again would keep every traceback.
            raise copy.copy(entry.missing)
        if entry.missing is not None:
            raise entry.missing
        return entry.value

    @contextmanager
    def seeing(self, store: Store) -> Iterator[None]:
        """See another store for a while."""
        before = self.store, self._entries
        self.store, self._entries = store, {}
        try:
            yield
        finally:
            self.store, self._entries = before

    def evidence(self, wanted: Iterable[Wanted]) -> list[str]:
        """Return what the given facts were made of: ``dns:QUESTION`` and ``smtp:HOST:PORT``, each once."""
        return list(dict.fromkeys(asked for one in wanted for asked in self._entry(one).asked))

    def accounts(self) -> list[dict[str, Any]]:
        """Return what came of each probe that was made."""
        made = {(trial.stream, trial.source) for trial in self.store.trials.values() if trial.name == "accept"}
        probes = [one for one in self._fleet.probes if (one.stream.id, str(one.source or "")) in made]
        return [self._loop.run_until_complete(account(Recorded(self.store), probe)) for probe in probes]

    def spf(self) -> dict[str, Any]:
        """Return what SPF says of the fleet; empty where that was not looked up."""
        from conformance.facts.spfaccount import accounts

        found = self._loop.run_until_complete(accounts(self.store, self._fleet))
        return found if found["domains"] else {}

    def close(self) -> None:
        """Release the loop."""
        self._loop.close()

    def _entry(self, wanted: Wanted) -> _Entry:
        if wanted.key not in self._entries:
            ask = Recorded(self.store)
            value: Any = None
            missing: Exception | None = None
            try:
                value = self._loop.run_until_complete(wanted.build(ask, self._fleet))
            except (NotApplicable, Undetermined) as why:
                # The way to it tells nothing, and would keep all that was on it.
                missing = why.with_traceback(None)
            except Exception as why:
                missing = why
            self._entries[wanted.key] = _Entry(value, missing, tuple(ask.asked))
        return self._entries[wanted.key]
