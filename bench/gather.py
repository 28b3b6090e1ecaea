"""How fast all facts of 200 domains are gathered through a delay, with none and 20 of them dead.

Once as fast as the client can, once as politely as it does unless told otherwise.

Run: python -m bench.gather
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from ipaddress import ip_address

from bench.dns_client import DEAD, DELAY, DOMAINS, RATE, RETRIES, TIMEOUT, domains
from bench.nameserver import Records, mail_records, name_server
from conformance.facts.answer import Status
from conformance.facts.gather import Limits, gather
from conformance.facts.plan import FACTS, Wanted, want
from conformance.facts.snapshot import Gathering
from conformance.facts.store import Store
from conformance.fleet.model import Address, Domain, Fleet, Mta, Selector, Sender
from conformance.fleet.origin import IPAddress

UNCAPPED = 1e6
"""Queries a second that no machine sends: how fast the client is, and not how polite."""

OF_ADDRESS = ("ptr", "forward", "helo", "exchanges", "spf_helo")
OF_DOMAIN = ("spf", "spf_paths", "dmarc", "dmarc_reports", "mail_domains")


def records(names: Sequence[str]) -> Records:
    reverse = [(f"{ip(n).reverse_pointer}.", "PTR", f"mx.{name}.") for n, name in enumerate(names)]
    forward = [(f"mx.{name}.", "A", str(ip(n))) for n, name in enumerate(names)]
    of_domains = [record for name in names for record in mail_records(name) if record[:2] != (f"mx.{name}.", "A")]
    return [*reverse, *forward, *of_domains]


def ip(number: int) -> IPAddress:
    return ip_address(f"198.51.{100 + number // 250}.{1 + number % 250}")


def fleet(names: Sequence[str]) -> Fleet:
    """Return a fleet of one host a domain."""
    mtas, catalogue = [], []
    for number, name in enumerate(names):
        host = f"mx.{name}"
        selectors = tuple(Selector(name, selector, name) for selector in ("s1", "s2"))
        catalogue.append(Domain(name, selectors=selectors, hosts=(host,)))
        mtas.append(Mta(host, addresses=(Address(host, ip(number), host),), sends_for=(name,)))
    return Fleet(tuple(mtas), tuple(catalogue))


def wanted(whole: Fleet) -> list[Wanted]:
    """Return every fact that DNS gives of a fleet."""
    found = [Wanted(fact, address) for address in whole.addresses for fact in OF_ADDRESS]
    found += [Wanted(fact, domain) for domain in whole.domains for fact in OF_DOMAIN]
    found += [Wanted("dkim_key", selector) for selector in whole.selectors]
    found += [want("spf_sender", Sender(*pair)) for pair in zip(whole.addresses, whole.domains, strict=True)]
    assert {one.fact for one in found} <= FACTS.keys()
    return found


def measure(dead: int, rate: float, count: int = DOMAINS) -> tuple[float, Store, int]:
    """Gather all facts while some zones are silent, at most ``rate`` queries a second.

    Returns seconds, what was gathered, and the queries sent.
    """
    names = domains(count)
    silent = names[:: count // dead] if dead else []
    whole, store, gathering = fleet(names), Store(), Gathering()
    with name_server(records(names), delay=DELAY, silent=silent) as port:
        limits = Limits((f"127.0.0.1:{port}",), probe="none", dns_timeout=TIMEOUT, dns_retries=RETRIES, dns_rate=rate)
        start = time.perf_counter()
        gather(wanted(whole), whole, store, limits, gathering, lambda _: None)
        return time.perf_counter() - start, store, gathering.queries


def main() -> int:
    """Print the measurements; return 1 when a dead zone harmed a live one."""
    harmed = 0
    # What is imported and read once a process is no part of it.
    measure(0, UNCAPPED, count=5)
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    for dead, rate in ((0, UNCAPPED), (DEAD, UNCAPPED), (0, RATE), (DEAD, RATE)):
        seconds, store, queries = measure(dead, rate)
        causes = {answer.cause for answer in store.answers.values() if answer.status is Status.UNDETERMINED}
        capped = "" if rate == UNCAPPED else f", at most {RATE:.0f} queries a second"
        print(f"{DOMAINS} domains, {dead} of them dead, {DELAY * 1000:.0f} ms away{capped}: {seconds:.2f} s")
        print(f"  {queries / DOMAINS:.1f} queries a domain, {len(causes)} causes of undetermined facts")
        print(f"  {queries * DELAY / seconds:.1f} times as fast as one query after another")
        harmed += len(causes) > dead
    return int(bool(harmed))


if __name__ == "__main__":
    sys.exit(main())
