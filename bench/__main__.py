"""The DNS figures as one table of ratios, each measured beside its peers in this run.

Run: python -m bench. Needs knotd and dnsperf (apt-get install knot dnsperf); aiodns and checkdmarc are measured where
they are installed (pip install aiodns checkdmarc).
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence

from bench import dns_rate, fleet, gather, spf
from bench.fleetzones import Question, host, questions, zones
from bench.gather import UNCAPPED
from bench.knot import knot, missing

ROUNDS = 3
SIZE = 2000
"""Hosts and domains behind the rates."""
CHECKED = 5
"""Domains that checkdmarc looks at: it takes long."""
CHECK_SECONDS = 2.0

Row = tuple[str, str, str]
"""What was measured, the figure, and its ratio."""


async def aiodns(port: int, wanted: Sequence[Question]) -> None:
    """Ask through aiodns, which is c-ares."""
    import aiodns

    resolver = aiodns.DNSResolver(nameservers=["127.0.0.1"], udp_port=port, tcp_port=port, timeout=5)
    await dns_rate.everything(wanted, resolver.query_dns)
    await resolver.close()


def rates() -> list[Row]:
    """Return questions a second of the client and its peers, as shares of what dnsperf does."""
    wanted = questions(SIZE, SIZE)
    few = wanted[::7]
    asked: list[tuple[str, Callable[[int, Sequence[Question]], object], Sequence[Question]]] = [
        ("a bare loop in Python: sockets and ids, nothing else", dns_rate.bare, wanted),
        ("mailconform: each answer read, checked and kept", dns_rate.ours, wanted),
        ("dnspython's asyncio resolver", dns_rate.peer, few),
    ]
    if importlib.util.find_spec("aiodns"):
        asked.insert(2, ("aiodns", aiodns, few))
    found: dict[str, list[float]] = {"dnsperf, in C": [], **{name: [] for name, *_ in asked}}
    with knot(zones(SIZE, SIZE), host(0)) as port:
        for _ in range(ROUNDS):
            found["dnsperf, in C"].append(dns_rate.dnsperf(port, wanted))
            for name, ask, some in asked:
                found[name].append(dns_rate.measured(ask, port, some)[0])
    base = statistics.median(found["dnsperf, in C"])
    middle = {name: statistics.median(rates) for name, rates in found.items()}
    return [(name, f"{rate:,.0f} questions a second", f"{rate / base:.2f} of dnsperf") for name, rate in middle.items()]


def delayed() -> list[Row]:
    """Return how long domains 20 ms away take, and what checkdmarc takes for a few of them."""
    gather.measure(0, UNCAPPED, count=5)
    rows, each = [], 0.0
    for dead, rate, how in (
        (0, UNCAPPED, ""),
        (gather.DEAD, UNCAPPED, ""),
        (0, gather.RATE, ", at most 1,000 a second"),
    ):
        seconds, _, queries = gather.measure(dead, rate)
        each = each or seconds / gather.DOMAINS
        serial = queries * gather.DELAY / seconds
        what = f"{gather.DOMAINS} domains 20 ms away, {dead} of them dead{how}"
        rows.append((what, f"{seconds:.2f} s", f"{serial:.0f} times as fast as one query after another"))
    if importlib.util.find_spec("checkdmarc"):
        seconds = checkdmarc() / CHECKED
        what = f"checkdmarc, SPF and DMARC alone of {CHECKED} such domains"
        rows.append((what, f"{seconds:.2f} s a domain", f"{seconds / each:.0f} times what mailconform takes"))
    return rows


def checkdmarc() -> float:
    """Return the seconds that checkdmarc takes for SPF and DMARC alone of a few domains."""
    import dns.resolver
    from checkdmarc.dmarc import check_dmarc
    from checkdmarc.spf import check_spf

    names = gather.domains(CHECKED)
    with gather.name_server(gather.records(names), delay=gather.DELAY) as port:
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers, resolver.port = ["127.0.0.1"], port
        start = time.perf_counter()
        for name in names:
            check_spf(name, resolver=resolver, timeout=CHECK_SECONDS)
            check_dmarc(name, resolver=resolver, timeout=CHECK_SECONDS)
        return time.perf_counter() - start


def judged() -> list[Row]:
    """Return how long SPF of a thousand addresses and a thousand domains takes."""
    ask, own = spf.Recorded(spf.store()), spf.addresses()
    seconds, rows = asyncio.run(spf.judged(ask, spf.Numbered(own)))
    slow, _ = asyncio.run(spf.compared(ask, own, rows))
    ratio = (slow / spf.SAMPLE) / (seconds / (len(own) * len(rows)))
    what = f"SPF of {len(own):,} addresses by {len(rows):,} domains"
    return [(what, f"{seconds:.1f} s", f"{ratio:.0f} times as fast as pyspf on a sample")]


def whole() -> list[Row]:
    """Return how long a large fleet takes, and with how many questions."""
    seconds, store, _ = fleet.measure(fleet.HOSTS, fleet.DOMAINS)
    least = len(questions(fleet.HOSTS, fleet.DOMAINS))
    what = f"{fleet.HOSTS:,} hosts and {fleet.DOMAINS:,} domains, {len(store.answers):,} questions, basic rules"
    return [(what, f"{seconds:.1f} s", f"{len(store.answers) / least:.2f} of the fewest questions")]


def main() -> int:
    """Print the table as Markdown."""
    if absent := missing("knotd", "dnsperf"):
        print(f"not measured: no {' and no '.join(absent)} on this machine")
        return 0
    print("| What | Figure | Ratio |\n| --- | --- | --- |")
    for part in (rates, delayed, judged, whole):
        for row in part():
            print(f"| {' | '.join(row)} |", flush=True)
    print(f"\nLoad of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
