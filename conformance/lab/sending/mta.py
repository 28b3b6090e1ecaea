"""A simulated mail server with a queue: finds the way, delivers, tries again, and reports what failed for good."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_address

from conformance.lab.sending.conduct import Conduct, Wrong
from conformance.lab.sending.courier import Courier, Failed, Reply
from conformance.lab.sending.dane import named_keys
from conformance.lab.sending.letters import Letter, Signer, bounce, prepared, signed
from conformance.lab.sending.sts import Policy, fetched

RETRY_AFTER = (120.0, 180.0, 300.0, 600.0)
"""Seconds from one attempt to the next, before they are divided by the pace."""
AT_ONCE = 0.05
ELSEWHERE = 1
MAX_QUEUED = 10_000
_DNS_SECONDS = 5.0

Lookup = Callable[[str, str], Awaitable[Sequence[str] | None]]
"""Returns the data of a record set as text, empty when there is none; None when the name server gives no answer."""


class NoWay(Exception):
    """There is no exchange for a domain. ``code`` is 4yz or 5yz."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code, self.text = code, text


@dataclass
class Mta:
    """A host that sends. ``pace`` divides the times between attempts, ``trusted`` are the authorities it knows."""

    name: str
    sources: tuple[str, ...]
    conduct: Conduct
    signer: Signer
    lookup: Lookup
    pace: float = 1.0
    port: int = 25
    trusted: bytes = b""
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _known: dict[str, list[str]] = field(default_factory=dict)
    _sessions: int = 0

    def take(
        self, sender: str, recipients: Sequence[str], content: bytes, client: str, *, needs_tls: bool = False
    ) -> str:
        """Take a message for delivery. Returns why not, nothing when it is taken."""
        needs_tls = needs_tls and not self._does(Wrong.FORGETS_REQUIRETLS)
        letter = Letter(sender, tuple(recipients), content, needs_tls)
        if letter.author not in self.conduct.domains and not self._does(Wrong.ANY_AUTHOR):
            return f"550 5.7.1 {letter.author or 'nobody'} is not yours to write for"
        if len(self._tasks) > MAX_QUEUED:
            return "452 4.3.1 the queue is full"
        letter = replace(letter, content=prepared(letter, self.name, client, self.conduct))
        for group in self._groups(letter.recipients):
            self._start(replace(letter, recipients=group))
        return ""

    def close(self) -> None:
        """Forget the queue."""
        for task in self._tasks:
            task.cancel()

    def _does(self, wrong: Wrong) -> bool:
        return self.conduct.does(wrong)

    def _groups(self, recipients: Sequence[str]) -> list[tuple[str, ...]]:
        """Return the recipients that share a transaction: those of one domain."""
        if self._does(Wrong.ONE_COPY_EACH):
            return [(one,) for one in recipients]
        if self._does(Wrong.MIXES_DOMAINS):
            return [tuple(recipients)]
        domains: dict[str, list[str]] = {}
        for one in recipients:
            domains.setdefault(one.rpartition("@")[2].lower(), []).append(one)
        return [tuple(group) for group in domains.values()]

    def _start(self, letter: Letter) -> None:
        task = asyncio.create_task(self._deliver(letter))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, letter: Letter) -> None:
        """Try until every recipient has its final reply."""
        failed: dict[str, str] = {}
        for wait in (*RETRY_AFTER, None):
            replies = await self._attempt(letter)
            refused = {one: f"{code} {text}" for one, (code, text) in replies.items() if code // 100 == 5}
            deferred = [one for one, (code, _) in replies.items() if code // 100 not in (2, 5)]
            if self._does(Wrong.RETRIES_REFUSED):
                deferred, refused = [*deferred, *refused], {}
            failed |= refused
            if deferred and self._does(Wrong.ALL_OR_NOTHING):
                deferred = list(letter.recipients)
            if not deferred:
                break
            if wait is None or self._does(Wrong.NO_RETRY):
                failed |= dict.fromkeys(deferred, "451 4.4.7 delivery time expired")
                break
            letter = replace(letter, recipients=tuple(deferred))
            await asyncio.sleep(AT_ONCE if self._does(Wrong.RETRIES_AT_ONCE) else wait / self.pace)
        if failed and letter.sender and not self._does(Wrong.SILENT_ABOUT_FAILURE):
            self._report(letter, failed)

    def _report(self, letter: Letter, failed: Mapping[str, str]) -> None:
        sender = f"mailer-daemon@{self.conduct.domains[0]}" if self._does(Wrong.BOUNCES_WITH_SENDER) else ""
        content = bounce(letter, failed, self.name, self.conduct)
        self._start(Letter(sender, (letter.sender,), content))

    async def _attempt(self, letter: Letter) -> Mapping[str, Reply]:
        """Offer a message to the exchanges of its domain in their order, until one has an answer to it."""
        self._sessions += 1
        last = Failed(451, "no exchange answers")
        domain = letter.recipients[0].rpartition("@")[2]
        policy = None if letter.needs_none else await self._policy(domain)
        try:
            async for exchange, address in self._way(domain):
                if policy and not policy.lists(exchange):
                    last = Failed(451, f"4.7.5 the policy of {domain} does not list {exchange}")
                    continue
                try:
                    keys = await self._keys(exchange, policy)
                    replies = await self._carry(letter, exchange, address, self.trusted if policy else b"", keys)
                except Failed as error:
                    last = error
                    if error.next_exchange or (error.code // 100 == 5 and self._does(Wrong.REFUSED_TO_NEXT_MX)):
                        continue
                    break
                shops = self._does(Wrong.REFUSED_TO_NEXT_MX) and all(code // 100 == 5 for code, _ in replies.values())
                if not shops:
                    return replies
                last = Failed(*next(iter(replies.values())))
        except NoWay as error:
            last = Failed(error.code, error.text)
        return dict.fromkeys(letter.recipients, (last.code, last.text))

    async def _policy(self, domain: str) -> Policy | None:
        """Return the policy of a domain, where this host has one to obey."""
        if not self.conduct.mta_sts:
            return None
        policy = await fetched(domain, self.lookup, self.trusted, self.sources[0])
        return policy if policy and policy.is_enforced and not self._does(Wrong.IGNORES_POLICIES) else None

    async def _keys(self, exchange: str, policy: Policy | None) -> frozenset[str]:
        """Return what TLSA records name the key of an exchange, where this host obeys such; empty: nothing.

        Raises Failed where they cannot be looked up (RFC 7672 section 2.1.2).
        """
        left_aside = self._does(Wrong.IGNORES_TLSA) or (policy and self._does(Wrong.POLICY_OVER_TLSA))
        if not self.conduct.dane or left_aside:
            return frozenset()
        records = await self.lookup(f"_25._tcp.{exchange}", "TLSA")
        if records is None:
            raise Failed(451, f"4.7.5 the TLSA records of {exchange} cannot be looked up", next_exchange=True)
        return named_keys(records)

    async def _carry(
        self,
        letter: Letter,
        exchange: str,
        address: str,
        verified: bytes = b"",
        keys: frozenset[str] = frozenset(),
    ) -> Mapping[str, Reply]:
        """Carry a message to one exchange; in clear text where TLS does not come about (RFC 3207 section 4.1).

        Where the exchange has to be ``verified``, or to have one of some ``keys``, it does not go in clear text.
        """
        courier = self._courier(letter, address)
        courier.verified = verified = verified or (self.trusted if letter.needs_tls else b"")
        courier.keys = keys
        try:
            return await courier.carry(letter, exchange, address, self.port)
        except Failed as error:
            if not error.tls or error.code // 100 == 5 or verified or keys:
                raise
        courier = self._courier(letter, address)
        courier.clear = True
        return await courier.carry(letter, exchange, address, self.port)

    def _courier(self, letter: Letter, address: str) -> Courier:
        version = ip_address(address).version
        sources = [one for one in self.sources if ip_address(one).version == version] or [self.sources[0]]
        helo = self.conduct.helo or self.name
        odd = self._sessions % 2 == 0
        source = sources[0]
        if self._does(Wrong.RETRIES_ELSEWHERE) and len(sources) > ELSEWHERE and odd:
            source = sources[ELSEWHERE]
        if self._does(Wrong.HELO_CHANGES) and odd:
            helo = f"other.{self.name}"

        def sign(content: bytes) -> bytes:
            return signed(content, letter.author, self.name, self.signer, self.conduct)

        return Courier(self.name, self.conduct, helo, source, sign)

    async def _way(self, domain: str) -> AsyncIterator[tuple[str, str]]:
        """Yield exchanges with their addresses in the order to try (RFC 5321 section 5.1). Raises NoWay."""
        hosts = self._known.get(domain) if self._does(Wrong.RESOLVES_ONCE) else None
        if hosts is None:
            hosts = await self._exchanges(domain)
            self._known[domain] = hosts
        tried = 0
        for host in hosts[:1] if self._does(Wrong.FIRST_MX_ONLY) else hosts:
            for address in await self._addresses(host):
                tried += 1
                yield host, address
        if self._does(Wrong.FALLS_BACK_TO_A) and domain not in hosts:
            for address in await self._addresses(domain):
                tried += 1
                yield domain, address
        if not tried:
            raise NoWay(451, f"4.4.3 no address of {', '.join(hosts)}")

    async def _exchanges(self, domain: str) -> list[str]:
        records = await self.lookup(domain, "MX")
        if records is None:
            raise NoWay(451, f"4.4.3 the name server of {domain} does not answer")
        pairs = [(int(preference), host.rstrip(".")) for preference, host in (one.split() for one in records)]
        random.shuffle(pairs)
        hosts = [host for _, host in sorted(pairs, key=lambda pair: pair[0])]
        if hosts == [""] and not self._does(Wrong.IGNORES_NULL_MX):
            raise NoWay(556, "5.1.10 the domain takes no mail")
        if not hosts and self._does(Wrong.NEEDS_MX):
            raise NoWay(550, f"5.4.4 no MX of {domain}")
        return [host for host in hosts if host] or [domain]

    async def _addresses(self, host: str) -> list[str]:
        """Return the addresses of a host that this one can reach, IPv6 first."""
        families = {ip_address(source).version for source in self.sources}
        found: list[str] = []
        for rdtype, version in (("AAAA", 6), ("A", 4)):
            if version in families:
                found += await self.lookup(host, rdtype) or ()
        return found[:1] if self._does(Wrong.NO_OTHER_FAMILY) else found


def resolver(address: str, port: int = 53) -> Lookup:
    """Return a look-up at a name server that validates."""
    import dns.asyncresolver
    import dns.exception
    import dns.flags
    import dns.resolver

    asking = dns.asyncresolver.Resolver(configure=False)
    asking.nameservers, asking.lifetime = [address], _DNS_SECONDS
    asking.port = port
    asking.flags = dns.flags.RD | dns.flags.AD

    async def lookup(name: str, rdtype: str) -> Sequence[str] | None:
        try:
            answer = await asking.resolve(f"{name}.", rdtype, raise_on_no_answer=False)
        except dns.resolver.NXDOMAIN:
            return []
        except dns.exception.DNSException:
            return None
        if rdtype == "TLSA" and not answer.response.flags & dns.flags.AD:
            # What was not validated may be anybody's word (RFC 7672 section 2.1.1).
            return []
        return [record.to_text() for record in answer.rrset or ()]

    return lookup
