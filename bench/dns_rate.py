"""How many questions a second the DNS client puts to Knot, as a share of what dnsperf does in the same run.

Run: python -m bench.dns_rate [--rounds N]. Needs knotd and dnsperf (apt-get install knot dnsperf).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import re
import resource
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence

import dns.asyncresolver
from dns.rdatatype import RdataType

from bench.fleetzones import Question, host, questions, zones
from bench.knot import knot, missing
from conformance.facts.answer import Status
from conformance.facts.dns import Resolver, Server
from conformance.facts.gather import rare_collections
from conformance.facts.wire import Question as Asked
from conformance.facts.wire import encode_query

HOSTS = DOMAINS = 3_000
AT_ONCE = 100
BARE_SECONDS = 5.0
GOAL = 0.40
"""Share of dnsperf's rate."""


def dnsperf(port: int, wanted: Sequence[Question]) -> float:
    """Return dnsperf's questions a second."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("".join(f"{name} {rdtype}\n" for name, rdtype in wanted))
        file.flush()
        command = ["dnsperf", "-s", "127.0.0.1", "-p", str(port), "-d", file.name, "-n", "1"]
        command += ["-q", str(AT_ONCE), "-c", "4", "-T", "1", "-e"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    found = re.search(r"Queries per second:\s+([\d.]+)", done.stdout)
    assert found, done.stdout
    return float(found[1])


async def everything(wanted: Sequence[Question], ask: Callable[[str, str], object]) -> None:
    left = iter(wanted)

    async def worker() -> None:
        for name, rdtype in left:
            await ask(name, rdtype)  # type: ignore[misc]

    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))


async def ours(port: int, wanted: Sequence[Question]) -> None:
    """Ask through the client of the suite, whole: each question once, answers kept, breaker and pace at work."""
    async with Resolver([Server("127.0.0.1", port)], rate=1e9, in_flight=AT_ONCE) as resolver:

        async def ask(name: str, rdtype: str) -> None:
            assert (await resolver.ask(name, rdtype)).status is Status.FOUND

        await everything(wanted, ask)
        assert resolver.questions == len(wanted)


async def bare(port: int, wanted: Sequence[Question]) -> None:
    """Send and receive and do no more than tell which question a reply is about: the most that Python can do."""
    ready = selectors.DefaultSelector()
    links = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(4)]
    for link in links:
        link.setblocking(False)
        link.connect(("127.0.0.1", port))
        ready.register(link, selectors.EVENT_READ)
    asked = [Asked.read(name, RdataType[rdtype]) for name, rdtype in wanted]
    left = iter([encode_query(one, 0)[2:] for one in asked])
    flying: dict[int, bytes] = {}
    number = answered = 0

    def send() -> None:
        nonlocal number
        if (query := next(left, None)) is not None:
            number = (number + 1) & 0xFFFF
            flying[number] = query
            links[number & 3].send(number.to_bytes(2, "big") + query)

    for _ in range(AT_ONCE):
        send()
    while answered < len(wanted):
        if not (events := ready.select(BARE_SECONDS)):
            raise RuntimeError("replies were lost")
        for key, _ in events:
            link = links[links.index(key.fileobj)]  # type: ignore[arg-type]
            with contextlib.suppress(BlockingIOError):
                while True:
                    data = link.recv(4096)
                    query = flying.pop(int.from_bytes(data[:2], "big"))
                    assert data[12:].startswith(query[10:-11])
                    answered += 1
                    send()
    for link in links:
        link.close()


async def peer(port: int, wanted: Sequence[Question]) -> None:
    """Ask through dnspython's asyncio resolver."""
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = ["127.0.0.1"], port
    await everything(wanted, resolver.resolve)


def measured(
    ask: Callable[[int, Sequence[Question]], object], port: int, wanted: Sequence[Question]
) -> tuple[float, float]:
    """Return questions a second, and microseconds of processor time a question."""
    busy, start = _busy(), time.perf_counter()
    with rare_collections():
        asyncio.run(ask(port, wanted))  # type: ignore[arg-type]
    return len(wanted) / (time.perf_counter() - start), (_busy() - busy) / len(wanted) * 1e6


def _busy() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> int:
    """Print rates and ratios; return 1 when the share is below the goal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    if absent := missing("knotd", "dnsperf"):
        print(f"not measured: no {' and no '.join(absent)} on this machine")
        return 0
    wanted = questions(HOSTS, DOMAINS)
    few = wanted[:: len(wanted) // 2000]
    names = ("dnsperf", "mailconform", "a bare loop in Python", "dnspython's asyncio resolver")
    rates: dict[str, list[float]] = {name: [] for name in names}
    costs: dict[str, list[float]] = {name: [] for name in names}
    with knot(zones(HOSTS, DOMAINS), host(0)) as port:
        for _ in range(rounds):
            rates["dnsperf"].append(dnsperf(port, wanted))
            for name, ask, asked in ((names[1], ours, wanted), (names[2], bare, wanted), (names[3], peer, few)):
                rate, cost = measured(ask, port, asked)
                rates[name].append(rate)
                costs[name].append(cost)
    base = statistics.median(rates["dnsperf"])
    print(f"{len(wanted)} questions to Knot on loopback, {AT_ONCE} at once, medians of {rounds} rounds")
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    for name in names:
        rate = statistics.median(rates[name])
        cost = f"{statistics.median(costs[name]):.0f} us of processor time a question" if costs[name] else ""
        print(f"  {name:<30}{rate:>8.0f} a second{rate / base:>7.2f} of dnsperf  {cost}".rstrip())
    return int(statistics.median(rates["mailconform"]) / base < GOAL)


if __name__ == "__main__":
    sys.exit(main())
