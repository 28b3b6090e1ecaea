"""How fast domains are asked about through a delay, and what dead zones cost. Run: python -m bench.dns_client"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import dns.asyncresolver
import dns.exception

from bench.nameserver import Records, mail_records, name_server
from conformance.facts.answer import Answer, Status
from conformance.facts.dns import Resolver, Server

DELAY = 0.02
DOMAINS = 200
DEAD = 20
PEER_DOMAINS = 50
AT_ONCE = 64
RATE = 1000.0
TIMEOUT = 2.0
RETRIES = 1
LONGEST = 60.0
"""Seconds after which a measurement is given up."""

Question = tuple[str, str]
T = TypeVar("T")


def domains(count: int) -> list[str]:
    return [f"d{number}.example" for number in range(count)]


def records(names: Sequence[str]) -> Records:
    return [record for name in names for record in mail_records(name)]


def questions(domain: str) -> list[Question]:
    """Return what a domain, its host and its policies are asked for."""
    return [
        *((domain, rdtype) for rdtype in ("MX", "TXT", "A", "AAAA")),
        *((f"mx.{domain}", rdtype) for rdtype in ("A", "AAAA", "TXT")),
        *((f"{label}.{domain}", "TXT") for label in ("_spf", "_dmarc", "s1._domainkey", "s2._domainkey", "_mta-sts")),
    ]


async def ours(port: int, wanted: Sequence[Question], rate: float = RATE) -> tuple[list[Answer], int]:
    """Ask everything at once; return the answers and the number of queries."""
    server = Server("127.0.0.1", port)
    async with Resolver([server], timeout=TIMEOUT, retries=RETRIES, rate=rate, in_flight=AT_ONCE) as resolver:
        return await asyncio.gather(*(resolver.ask(*question) for question in wanted)), resolver.queries


async def peer(port: int, wanted: Sequence[Question]) -> None:
    """Ask the same through dnspython's own resolver, as many at once."""
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = ["127.0.0.1"], port
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(name: str, rdtype: str) -> None:
        async with gate:
            await resolver.resolve(name, rdtype, raise_on_no_answer=False)

    results = await asyncio.gather(*(one(*question) for question in wanted), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, dns.exception.DNSException):
            raise result


def timed(ask: Callable[[], Awaitable[T]]) -> tuple[float, T]:
    async def run() -> T:
        async with asyncio.timeout(LONGEST):
            return await ask()

    start = time.perf_counter()
    result = asyncio.run(run())
    return time.perf_counter() - start, result


def healthy() -> bool:
    """Measure domains that all answer; return whether all answers were right."""
    names = domains(DOMAINS)
    wanted = [question for name in names for question in questions(name)]
    share = wanted[: len(wanted) * PEER_DOMAINS // DOMAINS]
    with name_server(records(names), delay=DELAY) as port:
        seconds, (answers, queries) = timed(lambda: ours(port, wanted))
        unpaced, _ = timed(lambda: ours(port, share, rate=1e6))
        theirs, _ = timed(lambda: peer(port, share))
    serial = len(wanted) * DELAY
    print(f"{DOMAINS} domains through {DELAY * 1000:.0f} ms: {seconds:.2f} s, {queries / DOMAINS:.1f} queries a domain")
    print(f"  {serial / seconds:.1f} times as fast as one after another ({serial:.0f} s)")
    print(f"  {seconds * RATE / queries:.2f} times the least that {RATE:.0f} queries a second allow")
    print(
        f"  {PEER_DOMAINS} domains without that cap: {unpaced:.2f} s, {theirs / unpaced:.2f} times as fast as dnspython"
    )
    return Counter(answer.status for answer in answers) == {Status.FOUND: 8 * DOMAINS, Status.ABSENT: 4 * DOMAINS}


def dying() -> bool:
    """Measure domains of which some are dead; return whether each of those is one cause and no other suffered."""
    names = domains(DOMAINS)
    wanted = [question for name in names for question in questions(name)]
    with name_server(records(names), delay=DELAY, silent=names[:: DOMAINS // DEAD]) as port:
        seconds, (answers, queries) = timed(lambda: ours(port, wanted))
    causes = Counter(answer.cause for answer in answers if answer.status is Status.UNDETERMINED)
    unbroken = DEAD * len(questions("")) * TIMEOUT * (1 + RETRIES) / AT_ONCE
    print(f"{DEAD} dead of {DOMAINS}: {seconds:.2f} s, {queries / DOMAINS:.1f} queries a domain, {len(causes)} causes")
    print(f"  one time-out a question, {AT_ONCE} at once, would alone take {unbroken:.0f} s")
    return sorted(causes.values()) == [len(questions(""))] * DEAD


def main() -> int:
    """Print the measurements; return 1 when an answer is not what it must be."""
    return int(not all([healthy(), dying()]))


if __name__ == "__main__":
    sys.exit(main())
