"""How fast what the basic rules look at is gathered of 10,000 hosts and 10,000 domains, and with how many questions.

Run: python -m bench.fleet [--hosts N] [--domains N]. Needs knotd (apt-get install knot).
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import time

from bench.fleetzones import fleet, host, questions, zones
from bench.gather import UNCAPPED
from bench.knot import knot, missing
from conformance.facts.answer import Status
from conformance.facts.gather import Limits, gather
from conformance.facts.plan import FACTS, Wanted
from conformance.facts.snapshot import Gathering
from conformance.facts.store import Store
from conformance.fleet.model import Fleet

HOSTS = DOMAINS = 10_000
MOST_SECONDS = 20.0
MOST_QUESTIONS = 75_000

OF_ADDRESS = ("ptr", "forward", "helo")
OF_DOMAIN = ("spf", "spf_paths", "dmarc")


def wanted(whole: Fleet) -> list[Wanted]:
    """Return what the rules of reverse names, greetings, SPF, DKIM keys and DMARC look at."""
    found = [Wanted(fact, address) for address in whole.addresses for fact in OF_ADDRESS]
    found += [Wanted(fact, domain) for domain in whole.domains for fact in OF_DOMAIN]
    found += [Wanted("dkim_key", selector) for selector in whole.selectors]
    assert {one.fact for one in found} <= FACTS.keys()
    return found


def measure(hosts: int, domains: int) -> tuple[float, Store, int]:
    """Gather it all. Returns seconds, what was gathered, and the queries sent."""
    whole, store, gathering = fleet(hosts, domains), Store(), Gathering()
    with knot(zones(hosts, domains), host(0)) as port:
        limits = Limits((f"127.0.0.1:{port}",), probe="none", dns_rate=UNCAPPED)
        start = time.perf_counter()
        gather(wanted(whole), whole, store, limits, gathering, lambda _: None)
        return time.perf_counter() - start, store, gathering.queries


def main() -> int:
    """Print the measurement; return 1 when it breaks a bound or something was not answered."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, default=HOSTS)
    parser.add_argument("--domains", type=int, default=DOMAINS)
    options = parser.parse_args()
    if absent := missing("knotd"):
        print(f"not measured: no {' and no '.join(absent)} on this machine")
        return 0
    seconds, store, queries = measure(options.hosts, options.domains)
    least = len(questions(options.hosts, options.domains))
    unknown = sum(answer.status is Status.UNDETERMINED for answer in store.answers.values())
    asked = len(store.answers)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{options.hosts:,} hosts and {options.domains:,} domains, Knot on loopback: {seconds:.1f} s")
    print(f"  load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    print(f"  {asked:,} questions in {queries:,} queries, where {least:,} are the least; {unknown} unanswered")
    print(f"  {asked / seconds:,.0f} questions a second with all that is made of the answers, {memory:.0f} MiB")
    return int(bool(unknown) or seconds > MOST_SECONDS or asked > MOST_QUESTIONS)


if __name__ == "__main__":
    sys.exit(main())
