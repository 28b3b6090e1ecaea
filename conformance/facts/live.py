"""The asker that asks the network: each question and each session once, all kept in the store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import TYPE_CHECKING, TypeVar

from msgspec.structs import replace

from conformance.facts import captured
from conformance.facts.answer import Answer
from conformance.facts.authorities import unasked
from conformance.facts.page import Fetched, Page, Place
from conformance.facts.session import End, Session
from conformance.facts.store import UNCHECKED, Store, canonical, directly, key_of
from conformance.facts.trial import State, Trial
from conformance.fleet.model import Listener
from conformance.fleet.sending import Probe

if TYPE_CHECKING:
    from conformance.facts.authorities import Authorities
    from conformance.facts.campaign import Trier
    from conformance.facts.dns import Resolver
    from conformance.facts.smtp import Prober
    from conformance.facts.web import Fetcher

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Live:
    """An asker over a resolver, a prober, what makes hosts send, and what fetches policies.

    ``prober`` is None where no SMTP session may be opened, ``trier`` where nobody is made to send, ``authorities``
    where authoritative servers are not asked, ``fetcher`` where no web server is.
    """

    def __init__(
        self,
        store: Store,
        resolver: Resolver,
        prober: Prober | None,
        trier: Trier | None = None,
        authorities: Authorities | None = None,
        fetcher: Fetcher | None = None,
    ) -> None:
        self.store = store
        self._authorities = authorities
        self._resolver = resolver
        self._prober = prober
        self._trier = trier
        self._fetcher = fetcher
        self._dns: dict[tuple[str, str], asyncio.Task[Answer]] = {}
        self._web: dict[str, asyncio.Task[Page]] = {}
        self._smtp: dict[str, asyncio.Task[Session]] = {}
        self._trials: dict[tuple[str, str, str], asyncio.Task[Trial]] = {}

    async def dns(self, name: str, rdtype: str) -> Answer:
        """Ask the resolver, once for each name and type."""
        key = canonical(name), rdtype
        if (known := self.store.answers.get(key)) is not None:
            return known
        answer = await self._resolver.ask(*key)
        # Several may have waited for it.
        return self.store.answers.get(key) or self.store.add(answer)

    async def unchecked(self, name: str, rdtype: str) -> Answer:
        """Ask the resolver for what it cannot validate, too, once."""
        key = canonical(name), f"{rdtype} {UNCHECKED}"
        if (known := self.store.answers.get(key)) is not None:
            return known
        return await _once(self._dns, key, lambda: self._ask_unchecked(key[0], rdtype))

    async def direct(self, server: str, name: str, rdtype: str, *, tcp: bool = False) -> Answer:
        """Ask one authoritative server, once for each question."""
        key = canonical(name), directly(server, rdtype, tcp=tcp)
        if (known := self.store.answers.get(key)) is not None:
            return known
        authorities = self._authorities
        if authorities is None:
            return unasked(*key)
        return await _once(self._dns, key, lambda: self._ask_directly(authorities, server, key[0], rdtype, tcp))

    @property
    def authoritative(self) -> bool:
        """Whether authoritative servers are asked."""
        return self._authorities is not None

    async def smtp(self, listener: Listener) -> Session:
        """Dial a listener, once."""
        if (known := self.store.sessions.get(listener.id)) is not None:
            return known
        return await _once(self._smtp, listener.id, lambda: self._dial(listener))

    async def web(self, place: Place) -> Page:
        """Fetch a policy, once for each host."""
        if (known := self.store.pages.get(place.host)) is not None:
            return known
        return await _once(self._web, place.host, lambda: self._fetch(place))

    async def trial(self, probe: Probe, name: str) -> Trial:
        """Make a stream send, once for each recipe and source address; what was captured before is read."""
        key = key_of(probe, name)
        # While one is being made, the store has what is known of it so far.
        if key not in self._trials and (known := self.store.trials.get(key)) is not None:
            return known
        return await _once(self._trials, key, lambda: self._try(probe, name))

    async def stop(self) -> None:
        """End trials that are being made: what is known of them stays in the store."""
        for task in self._trials.values():
            task.cancel()
        await asyncio.gather(*self._trials.values(), return_exceptions=True)

    def alive(self, server: str) -> bool:
        """Say whether a name server has answered some question of this run."""
        return server in self.store.servers

    async def _ask_unchecked(self, name: str, rdtype: str) -> Answer:
        answer = await self._resolver.ask(name, rdtype, checking=False)
        return self.store.add(replace(answer, rdtype=f"{rdtype} {UNCHECKED}"))

    async def _ask_directly(self, authorities: Authorities, server: str, name: str, rdtype: str, tcp: bool) -> Answer:
        return self.store.add(await authorities.ask(server, name, rdtype, tcp=tcp))

    async def _dial(self, listener: Listener) -> Session:
        if self._prober is None:
            text = "this run opens no SMTP session (probe level none)"
            session = Session.begun(listener, End.SKIPPED, error=text)
        else:
            session = await self._prober.session(listener)
        self.store.sessions[listener.id] = session
        return session

    async def _fetch(self, place: Place) -> Page:
        if self._fetcher is None:
            page = Page(place.host, Fetched.SKIPPED, error="this run fetches no policy (probe level none)")
        else:
            page = await self._fetcher.fetch(place)
        self.store.pages[place.host] = page
        return page

    async def _try(self, probe: Probe, name: str) -> Trial:
        key = key_of(probe, name)
        if not probe.stream.tries(name):
            text = f"the trial {name} is not among the trials of the stream in mailconform_streams"
            trial = Trial(*key, state=State.SKIPPED, error=text)
        elif probe.stream.how == "file":
            known = captured.load(probe.stream.settings["file"])
            text = f"{probe.stream.settings['file']} holds no such trial"
            trial = known.get(key) or Trial(*key, state=State.UNAVAILABLE, error=text)
        elif self._trier is not None:
            trial = await self._trier.trial(probe, name)
        else:
            trial = Trial(*key, state=State.SKIPPED)
        self.store.trials[key] = trial
        return trial


async def _once(tasks: dict[K, asyncio.Task[V]], key: K, start: Callable[[], Coroutine[None, None, V]]) -> V:
    if key not in tasks:
        tasks[key] = asyncio.create_task(start())
    return await asyncio.shield(tasks[key])
