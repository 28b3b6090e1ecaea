"""How fast 1,000 addresses are judged by SPF of 1,000 domains: records compiled to networks against pyspf on a sample.

Run: python -m bench.spf
"""

from __future__ import annotations

import asyncio
import sys
import time
from ipaddress import ip_address

from conformance.facts.answer import Answer, Record, Status
from conformance.facts.spfcheck import check_host
from conformance.facts.spfmatrix import Row, row
from conformance.facts.spfnumbered import Numbered
from conformance.facts.store import Recorded, Store
from conformance.fleet.model import Address, Domain

ADDRESSES = 1000
DOMAINS = 1000
SAMPLE = 2000
MOST_SECONDS = 10.0


def found(name: str, rdtype: str, *records: Record) -> Answer:
    return Answer(name, rdtype, Status.FOUND, "NOERROR", records)


def store() -> Store:
    """Return what was gathered: of each domain a record with networks, an include, an mx and an end."""
    kept = Store()
    for number in range(DOMAINS):
        name = f"d{number}.example"
        text = f"v=spf1 ip4:198.51.{number % 256}.0/25 include:spf{number % 50}.example mx ip6:2001:db8::/48 -all"
        kept.add(found(name, "TXT", (text,)))
        kept.add(found(name, "MX", (10, f"mx.{name}")))
        kept.add(found(f"mx.{name}", "A", f"203.0.113.{number % 256}"))
        kept.add(Answer(f"mx.{name}", "AAAA", Status.ABSENT, "NOERROR"))
    for number in range(50):
        networks = " ".join(f"ip4:192.0.{net}.0/24" for net in range(number, number + 20))
        kept.add(found(f"spf{number}.example", "TXT", (f"v=spf1 {networks} -all",)))
    return kept


def addresses() -> list[Address]:
    """Return addresses within and without the networks, a tenth of them IPv6."""
    v4 = [f"198.51.{number % 256}.{number // 4 % 256}" for number in range(ADDRESSES * 9 // 10)]
    v6 = [f"2001:db8:{number}::1" for number in range(ADDRESSES - len(v4))]
    return [Address(f"h{n}", ip_address(text), f"h{n}.example") for n, text in enumerate((*v4, *v6))]


async def judged(ask: Recorded, own: Numbered) -> tuple[float, list[Row]]:
    start = time.perf_counter()
    rows = [await row(ask, Domain(f"d{number}.example"), own) for number in range(DOMAINS)]
    return time.perf_counter() - start, rows


async def compared(ask: Recorded, own: list[Address], rows: list[Row]) -> tuple[float, int]:
    """Return the seconds that pyspf takes for a sample, and how many of its results differ."""
    cells, different = [one.by_number for one in rows], 0
    start = time.perf_counter()
    for number in range(SAMPLE):
        place = number * 7 % len(own)
        address, domain = own[place], rows[number * 11 % len(rows)]
        said = await check_host(ask, address.ip, f"postmaster@{domain.domain}", address.helo)
        different += said.result != cells[number * 11 % len(rows)][place].result
    return time.perf_counter() - start, different


def main() -> int:
    """Print seconds and the ratio. Returns 1 when a result differs or the time is not kept."""
    ask, own = Recorded(store()), addresses()
    seconds, rows = asyncio.run(judged(ask, Numbered(own)))
    slow, different = asyncio.run(compared(ask, own, rows))
    cells = len(own) * len(rows)
    ratio = (slow / SAMPLE) / (seconds / cells)
    print(f"{cells:,} cells of {len(rows):,} domains in {seconds:.1f} s, {seconds / cells * 1e6:.2f} us each")
    print(f"pyspf: {slow / SAMPLE * 1e6:.0f} us each on a sample of {SAMPLE:,}: {ratio:.0f} times as long")
    print(f"results that differ: {different}")
    return int(bool(different) or seconds > MOST_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
