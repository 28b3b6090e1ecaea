"""What the receiver promised, and to whom: openings with their tokens. It is the policy of the SMTP engine."""

from __future__ import annotations

import asyncio
import datetime
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from conformance.receiver import dane
from conformance.receiver import tokens as make
from conformance.receiver.announcement import Announcement, Busy, NoSuchToken, Unavailable, Unkept
from conformance.receiver.database import DatabaseError
from conformance.receiver.leases import MARGIN, Leases
from conformance.receiver.names import Names
from conformance.receiver.opening import Opening
from conformance.receiver.policy import Grant
from conformance.receiver.routes import ROUTES, Site, Target, plain_address
from conformance.receiver.sts import DOMAINS, Policies

if TYPE_CHECKING:
    from conformance.receiver.archive import Archive, Page
    from conformance.receiver.capture import Capture
    from conformance.receiver.signing import Signer

CLEAR = Grant("", "no-starttls")
"""What the exchange plays that never offers STARTTLS: to everybody, whose mail is whosever."""
_MOST_UNKEPT = 8
"""Sessions of one token that are remembered as lost."""
_UNKEPT = "unkept"
"""The tally of these, which outlives a restart wherever there is room for one more number."""
_EARLIER = "they came before it was started anew"
REFUSAL = "refuse-rcpt"
"""The scenario of an exchange that refuses every recipient for good."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much may be asked for: seconds that an opening and a lease last, recipients of one opening, tokens in all."""

    longest: float = 14 * 86400.0
    lease: float = 3600.0
    recipients: int = 100
    tokens: int = 100_000
    octets: int = 0
    """The largest message that the engine takes, to be announced."""


class Desk:
    """Openings over an archive. Belongs to one event loop.

    ``scenarios`` says of each scenario that the engine can play whether it begins before a recipient is named.
    ``clock`` gives Unix time. The zone is signed where there is a ``signer``; ``shown`` as in
    :class:`~conformance.receiver.names.Names`.
    """

    def __init__(
        self,
        site: Site,
        archive: Archive,
        scenarios: Mapping[str, bool],
        *,
        pace: float = 1.0,
        bounds: Bounds | None = None,
        clock: Callable[[], float] = time.time,
        signer: Signer | None = None,
        shown: str = "",
    ) -> None:
        self.site = site
        self.bounds = bounds or Bounds()
        self.strangers = 0
        """Sessions that concerned no token: they are not kept."""
        self.names = Names(site, self.opening_of, signer, shown)
        self._ds = (signer.key.ds(site.domain),) if signer else ()
        self.policies = Policies(site.domain, site.exchanges[0].label)
        self._archive = archive
        self._scenarios = scenarios
        self._pace = pace
        self._clock = clock
        self._by_token: dict[str, Opening] = {}
        self._by_label: dict[str, Opening] = {}
        self._tallies: dict[tuple[str, str], int] = {}
        self._unkept: dict[str, dict[str, str]] = {}
        """Why sessions could not be kept, by token and session; how many they are is tallied."""
        self._watched: dict[str, set[asyncio.Event]] = {}
        self._leases = Leases(site.exchanges[1:], (site.ttl + MARGIN) / pace)
        self._exchanges = {local: one for one in site.listening for local in map(plain_address, one.listening)}

    async def start(self) -> None:
        """Take up what the archive holds. Raises DatabaseError."""
        openings, self._tallies = await self._archive.load()
        now = self._clock()
        for opening in openings:
            self._take(opening)
            self._leases.take(opening, now)
        for (token, what), count in self._tallies.items():
            if what == _UNKEPT and count:
                self._unkept[token] = {f"earlier-{number}": _EARLIER for number in range(count)}

    # What clients ask for.

    def announce(self) -> Announcement:
        """Return what this receiver is and can do."""
        spare = len(self.site.exchanges) - 1
        exclusive = tuple(name for name, early in self._scenarios.items() if early)
        return Announcement(
            domain=self.site.domain,
            time=datetime.datetime.fromtimestamp(self._clock(), datetime.UTC).isoformat(timespec="milliseconds"),
            pace=self._pace,
            ttl=self.site.ttl,
            scenarios=tuple(name for name, early in self._scenarios.items() if spare or not early),
            routes=tuple(name for name in ROUTES if not self._lacks(name)),
            exclusive=exclusive if spare else (),
            spare=spare,
            recipients=self.bounds.recipients,
            octets=self.bounds.octets,
            longest=self.bounds.longest,
            ds=self._ds,
        )

    async def open(
        self, owner: str, scenario: str, route: str, n: int, expires: float, peers: Sequence[str] = (), run: str = ""
    ) -> tuple[str, ...]:
        """Return ``n`` new addresses, open for ``expires`` seconds. Raises Unavailable, Busy and DatabaseError."""
        self._check(scenario, route, n, expires)
        now = self._clock()
        way = ROUTES[route]
        early = self._scenarios[scenario]
        known = tuple(map(plain_address, peers))
        first = self._leases.alone(known, now) if early else self.site.exchanges[0]
        second = self._leases.second(known, now).label if Target.SECOND in way.targets else ""
        opening = Opening(
            labels=tuple(make.label() for _ in range(way.domains)),
            tokens=tuple(make.token() for _ in range(n)),
            owner=owner,
            scenario=scenario,
            route=route,
            opened=now,
            expires=now + expires,
            first=first.label,
            second=second,
            lease=min(now + expires, now + self.bounds.lease) if early else 0.0,
            peers=known,
            run=run,
        )
        # Held before the commit is waited for: another opening must not be given the same exchange meanwhile.
        self._leases.take(opening, now)
        try:
            await self._archive.save(opening)
        except BaseException:
            self._leases.give_back(opening, self._clock())
            raise
        self._take(opening)
        return tuple(address for _, address in opening.addresses(self.site.domain))

    async def collect(self, owner: str, tokens: Sequence[str], after: int = 0) -> Page:
        """Return sessions that concern tokens, after a place in the order of keeping.

        Raises NoSuchToken, and Unkept where some of them were lost for want of room.
        """
        for token in tokens:
            self._owned(owner, token)
        if lost := [why for token in tokens for why in self._unkept.get(token.lower(), {}).values()]:
            raise Unkept(f"{len(lost)} sessions were answered 451 and could not be kept: {lost[0]}")
        return await self._archive.collect([token.lower() for token in tokens], after)

    async def move(self, owner: str, token: str) -> None:
        """Let the domain of a token lead to the other exchange. Raises NoSuchToken, Unavailable, DatabaseError."""
        opening = self._owned(owner, token)
        if not opening.way.moved:
            raise Unavailable(f"the route {opening.route} moves nowhere")
        await self._change(replace(opening, moved=True))

    async def close(self, owner: str, tokens: Sequence[str]) -> None:
        """Give back what is held for tokens. Raises NoSuchToken and DatabaseError."""
        openings = {opening.labels: opening for opening in [self._owned(owner, token) for token in tokens]}
        for opening in openings.values():
            if not opening.closed:
                now = self._clock()
                await self._change(replace(opening, closed=now))
                self._leases.give_back(opening, now)

    async def tidy(self) -> None:
        """Forget what is older than the retention allows. Raises DatabaseError."""
        before = self._clock() - self._archive.retention.seconds
        gone = {opening.labels: opening for opening in self._by_token.values() if opening.expires < before}
        for opening in gone.values():
            for label in opening.labels:
                self._by_label.pop(label, None)
            for token in opening.tokens:
                self._by_token.pop(token, None)
                self._unkept.pop(token, None)
        lost = {token for opening in gone.values() for token in opening.tokens}
        for key in [key for key in self._tallies if key[0] in lost]:
            del self._tallies[key]
        await self._archive.drop(before, gone.values())

    # What the SMTP engine and the name server ask.

    def opening_of(self, label: str) -> Opening | None:
        """Return the opening of a label while it is open, as it is now.

        Where it has given back what it held, its mail goes to the main exchange: others use the spare ones.
        """
        opening = self._by_label.get(label)
        now = self._clock()
        if opening is None or now >= opening.expires:
            return None
        main = self.site.exchanges[0].label
        if opening.closed:
            route = opening.route if opening.way.reports else "plain"
            return replace(opening, route=route, moved=False, first=main)
        if not opening.lease or opening.holds(now):
            return opening
        # The main exchange shows another certificate than the one that TLSA records are for.
        return replace(opening, first=main, route="plain" if opening.way.tlsa else opening.route)

    def exchange(self, local: str) -> str:
        """Return the host name of the exchange at a local address."""
        exchange = self._exchanges.get(plain_address(local))
        return self.site.name(exchange) if exchange else ""

    def at_connect(self, local: str, peer: str) -> Grant | None:
        """Return what the exchange at a local address plays for a peer from the first, if it plays for one alone."""
        exchange = self._exchanges.get(plain_address(local))
        if exchange is not None and exchange is self.site.plain:
            return CLEAR
        opening = self._leases.holder(exchange.label, plain_address(peer), self._clock()) if exchange else None
        return Grant(opening.tokens[0], opening.scenario) if opening else None

    def at_recipient(self, address: str, local: str) -> Grant | None:
        """Return what an address stands for; None when it is none that was handed out, or no longer open."""
        if len(address) > 256 or not address.isascii():
            return None
        part, _, domain = address.lower().rpartition("@")
        opening = self._by_token.get(part)
        now = self._clock()
        if opening is None or now >= opening.expires:
            return None
        if dict(opening.addresses(self.site.domain))[part] != f"{part}@{domain}":
            return None
        return Grant(part, self._scenario(opening, local, now), place=opening.place(part))

    def _scenario(self, opening: Opening, local: str, now: float) -> str:
        """Return what is played for an opening at a local address."""
        exchange = self._exchanges.get(plain_address(local))
        if opening.way.refuses and exchange and exchange.label == opening.first:
            return REFUSAL
        over = opening.closed or (self._scenarios.get(opening.scenario, True) and not opening.holds(now))
        return "accept" if over else opening.scenario

    def tally(self, token: str, what: str) -> int:
        """Count that something happened to a token, and return how often it has."""
        count = self._tallies.get((token, what), 0) + 1
        self._tallies[token, what] = count
        self._archive.tally(token, what, count)
        return count

    async def keep(self, capture: Capture) -> None:
        """Keep a session that concerns one of our tokens. Raises Full and DatabaseError."""
        if not capture.tokens:
            capture = replace(capture, tokens=tuple(self._meant(capture)))
        if not capture.tokens:
            self.strangers += 1
            return
        try:
            await self._archive.keep(self._visited(capture), self._clock())
        except DatabaseError as error:
            for token in capture.tokens:
                lost = self._unkept.setdefault(token, {})
                if len(lost) < _MOST_UNKEPT and capture.id not in lost:
                    lost[capture.id] = str(error)
                    self._archive.tally(token, _UNKEPT, len(lost))
            raise
        else:
            for token in capture.tokens:
                lost = self._unkept.get(token, {})
                if lost.pop(capture.id, None):
                    self._archive.tally(token, _UNKEPT, len(lost))
        finally:
            for token in capture.tokens:
                for news in self._watched.get(token, ()):
                    news.set()

    def _meant(self, capture: Capture) -> Iterator[str]:
        """Yield the first token of each opening that a session was for which named no recipient.

        The exchange that the client names in TLS tells that, where it has TLSA records (RFC 7672 section 8.1): that of
        a single opening, or that of a policy domain, which has openings for hosts of the client's address.
        """
        name = capture.tls.hello.sni.lower().removesuffix(".") if capture.tls and capture.tls.hello else ""
        label, dot, parent = name.partition(".")
        if not dot or parent != self.site.domain:
            return
        if own := self.opening_of(label.removeprefix(dane.PREFIX)):
            known = [own] if own.way.tlsa else []
        else:
            peer = plain_address(capture.peer)
            routes = {name for name, one in DOMAINS.items() if one.needs_signed_zone and one.exchange == label}
            known = [one for one in self._by_label.values() if one.route in routes and peer in one.peers]
        now = self._clock()
        yield from (one.tokens[0] for one in known if not one.closed and now < one.expires)

    def _visited(self, capture: Capture) -> Capture:
        """Return a session with who fetched the policies of its recipients' domains."""
        openings = map(self._by_token.get, capture.tokens)
        labels = {opening.way.policy: None for opening in openings if opening and opening.way.policy}
        visits = tuple(visit for label in labels for visit in self.policies.visits(label))
        return replace(capture, visits=visits) if visits else capture

    @contextmanager
    def watched(self, tokens: Sequence[str]) -> Iterator[asyncio.Event]:
        """Give an event that is set whenever a session that concerns one of the tokens was kept."""
        news = asyncio.Event()
        wanted = {token.lower() for token in tokens}
        for token in wanted:
            self._watched.setdefault(token, set()).add(news)
        try:
            yield news
        finally:
            for token in wanted:
                self._watched[token].discard(news)
                if not self._watched[token]:
                    del self._watched[token]

    def _check(self, scenario: str, route: str, n: int, expires: float) -> None:
        if scenario not in self._scenarios:
            raise Unavailable(f"this receiver knows no scenario {scenario!r}")
        if route not in ROUTES:
            raise Unavailable(f"this receiver knows no route {route!r}")
        if lacking := self._lacks(route):
            raise Unavailable(f"the route {route} needs {lacking}, which this receiver does not have")
        if self._scenarios[scenario] and not ROUTES[route].fits_any_exchange:
            raise Unavailable(f"{scenario} begins before a recipient is named, and is not played with {route}")
        if not 1 <= n <= self.bounds.recipients:
            raise Unavailable(f"addresses are opened by 1 to {self.bounds.recipients}, not {n}")
        if not 0 < expires <= self.bounds.longest:
            raise Unavailable(f"addresses are open for at most {self.bounds.longest:.0f} seconds, not {expires:.0f}")
        if len(self._by_token) + n > self.bounds.tokens:
            raise Busy(f"{len(self._by_token)} addresses are known, which is all that may be")

    def _lacks(self, route: str) -> str:
        if ROUTES[route].refuses and REFUSAL not in self._scenarios:
            return f"the scenario {REFUSAL}"
        return self.site.lacks(ROUTES[route])

    def _owned(self, owner: str, token: str) -> Opening:
        opening = self._by_token.get(token.lower())
        if opening is None or opening.owner != owner:
            raise NoSuchToken("no such token")
        return opening

    async def _change(self, opening: Opening) -> None:
        await self._archive.save(opening)
        self._take(opening)

    def _take(self, opening: Opening) -> None:
        self._by_label.update(dict.fromkeys(opening.labels, opening))
        self._by_token.update(dict.fromkeys(opening.tokens, opening))
