"""What was gathered in a run, and the two ways to ask: of the network, or of what was gathered before."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from conformance.facts.answer import Answer, Status
from conformance.facts.keyhistory import Sightings
from conformance.facts.page import Fetched, Page, Place
from conformance.facts.session import End, Session
from conformance.facts.trial import State, Trial
from conformance.fleet.model import Listener
from conformance.fleet.sending import Probe

_ASCII_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


def canonical(name: str) -> str:
    """Return a question's name as it is compared: ASCII lower case, no final dot (the root stays a dot).

    A dot that ends an empty label (``example.org..``) or is escaped belongs to the name and stays.
    """
    lowered = name.lower() if name.isascii() else name.translate(_ASCII_LOWER)
    return (lowered if lowered.endswith(("..", "\\.")) else lowered.removesuffix(".")) or "."


def directly(server: str, rdtype: str, *, tcp: bool) -> str:
    """Return how answers of one server are told from those of the resolver, in the words of dig: ``SOA @192.0.2.1``."""
    return f"{rdtype} @{server} +tcp" if tcp else f"{rdtype} @{server}"


def key_of(probe: Probe, name: str) -> tuple[str, str, str]:
    """Return the key of a trial of a probe."""
    return probe.stream.id, name, str(probe.source or "")


UNCHECKED = "+cdflag"
"""What is added to the type of records that were asked for without validation, in the words of dig."""


class Asker(Protocol):
    """Where facts come from. Asking never raises: what could not be observed is an answer that says so."""

    async def dns(self, name: str, rdtype: str) -> Answer:
        """Ask for the records of one type at one name."""
        ...

    async def unchecked(self, name: str, rdtype: str) -> Answer:
        """Ask for records whether or not the resolver can validate them; ``rdtype`` of the answer ends in +cdflag."""
        ...

    async def direct(self, server: str, name: str, rdtype: str, *, tcp: bool = False) -> Answer:
        """Ask one authoritative server, by its address; see :mod:`conformance.facts.authorities`."""
        ...

    @property
    def authoritative(self) -> bool:
        """Whether authoritative servers are asked in this run."""
        ...

    async def smtp(self, listener: Listener) -> Session:
        """Hold one session with a listener."""
        ...

    async def web(self, place: Place) -> Page:
        """Fetch the policy that a host serves."""
        ...

    async def trial(self, probe: Probe, name: str) -> Trial:
        """Make a stream send as the recipe ``name`` has it, once."""
        ...

    def alive(self, server: str) -> bool:
        """Say whether a name server has answered some question of this run."""
        ...


@dataclass
class Store:
    """Everything that was observed, each question once."""

    answers: dict[tuple[str, str], Answer] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    trials: dict[tuple[str, str, str], Trial] = field(default_factory=dict)
    pages: dict[str, Page] = field(default_factory=dict)
    keys: Sightings = field(default_factory=dict)
    """DKIM keys that earlier runs saw."""

    servers: set[str] = field(default_factory=set)
    """Name servers that answered a question: found, or not there."""
    authoritative: bool = False
    """Whether authoritative servers were asked, each by itself."""

    def add(self, answer: Answer) -> Answer:
        """Keep an answer."""
        self.answers[canonical(answer.name), answer.rdtype] = answer
        if answer.status is not Status.UNDETERMINED and answer.server:
            self.servers.add(answer.server)
        return answer

    def known(self) -> Store:
        """Return what was observed, without what could not be: that is to be asked again."""
        store = Store(authoritative=self.authoritative, keys=self.keys)
        for answer in self.answers.values():
            if answer.status is not Status.UNDETERMINED:
                store.add(answer)
        store.sessions = {name: one for name, one in self.sessions.items() if one.end is End.COMPLETE}
        store.trials = {key: one for key, one in self.trials.items() if one.state is State.WATCHED}
        store.pages = {host: one for host, one in self.pages.items() if one.state is Fetched.ANSWERED}
        return store

    def sort(self) -> None:
        """Bring all into an order that does not depend on who answered first, so that evidence keeps its numbers."""
        self.answers = dict(sorted(self.answers.items()))
        self.sessions = dict(sorted(self.sessions.items()))
        self.trials = dict(sorted(self.trials.items()))
        self.pages = dict(sorted(self.pages.items()))


class Recorded:
    """An asker over a store alone. ``asked`` lists the questions and sessions that were looked at: the evidence."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.asked: list[str] = []

    async def dns(self, name: str, rdtype: str) -> Answer:
        """Return the stored answer; a question that was never asked is undetermined."""
        key = canonical(name), rdtype
        if (answer := self.store.answers.get(key)) is None:
            text = "not among the gathered facts"
            return Answer(key[0], rdtype, Status.UNDETERMINED, "UNASKED", error=text, cause=text)
        self.asked.append(f"dns:{answer.question}")
        return answer

    async def unchecked(self, name: str, rdtype: str) -> Answer:
        """Return the stored answer to a question that was asked without validation."""
        return await self.dns(name, f"{rdtype} {UNCHECKED}")

    async def direct(self, server: str, name: str, rdtype: str, *, tcp: bool = False) -> Answer:
        """Return the stored answer of one server."""
        return await self.dns(name, directly(server, rdtype, tcp=tcp))

    @property
    def authoritative(self) -> bool:
        """Whether authoritative servers were asked."""
        return self.store.authoritative

    async def smtp(self, listener: Listener) -> Session:
        """Return the stored session; a listener that was never dialled is undetermined."""
        if (session := self.store.sessions.get(listener.id)) is None:
            return Session.begun(listener, End.UNASKED, error="not among the gathered facts")
        self.asked.append(f"smtp:{listener.id}")
        return session

    async def web(self, place: Place) -> Page:
        """Return the stored policy; one that was never asked for is undetermined."""
        if (page := self.store.pages.get(place.host)) is None:
            return Page(place.host, Fetched.UNASKED, error="not among the gathered facts")
        self.asked.append(f"web:{place.host}")
        return page

    async def trial(self, probe: Probe, name: str) -> Trial:
        """Return the stored trial; one that was never made is undetermined."""
        key = key_of(probe, name)
        if (trial := self.store.trials.get(key)) is None:
            return Trial(*key, state=State.UNASKED, error="not among the gathered facts")
        self.asked.append(f"trial:{trial.ref}")
        return trial

    def alive(self, server: str) -> bool:
        """Say whether a name server has answered some question of this run."""
        return server in self.store.servers
