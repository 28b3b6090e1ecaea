"""Silence: what is dead costs one round of time-outs, what lives is not harmed, and the causes say which is which."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

import pytest
from dns_server import Asked, Reply, address, ask_all, asking, closed_port, reply, serving, silent, statuses

from conformance.facts.answer import Answer, Status
from conformance.facts.breaker import Circuit, Trouble, likely_zone
from conformance.facts.dns import Resolver

PREFIXES = ("", "", "_dmarc.", "s1._domainkey.", "s2._domainkey.", "mail.", "mx1.", "mx2.", "www.", "_mta-sts.")


def questions(zone: str) -> list[tuple[str, str]]:
    """Return what a mail domain is asked for."""
    return [(f"{prefix}{zone}", "A" if number else "MX") for number, prefix in enumerate(PREFIXES)]


def causes(answers: list[Answer]) -> Counter[str]:
    return Counter(answer.cause for answer in answers if answer.status is Status.UNDETERMINED)


def dead_below(*zones: str) -> object:
    """Answer everything but names in the given zones."""

    def handler(asked: Asked) -> Reply:
        return None if asked.name.endswith(zones) else address(asked)

    return handler


def test_a_silent_resolver_costs_one_round_of_time_outs() -> None:
    async def run() -> None:
        async with asking(silent, timeout=0.2) as (server, resolver):
            start = time.monotonic()
            answers = await ask_all(resolver, [q for n in range(75) for q in questions(f"z{n}.example")])
            assert time.monotonic() - start < 3.0
            assert statuses(answers) == {Status.UNDETERMINED: 750}
            assert causes(answers) == {f"no answer from {server}": 750}
            assert len(server.log) <= 2 * 64 + 1

            asked = len(server.log)
            later = await ask_all(resolver, questions("later.example"))
            assert len(server.log) == asked
            assert causes(later) == {f"no answer from {server}": 10}
            assert later[0].error.startswith("not asked")

    asyncio.run(run())


def test_a_refusing_port_has_one_cause() -> None:
    async def run() -> None:
        server = closed_port()
        async with Resolver([server], timeout=0.1) as resolver:
            answers = await ask_all(resolver, [q for n in range(20) for q in questions(f"z{n}.example")])
            assert causes(answers) == {f"no answer from {server}: connection refused": 200}
            assert resolver.queries <= 2 * 64 + 1

    asyncio.run(run())


@pytest.mark.parametrize("dead_first", [True, False])
def test_dead_zones_do_not_harm_live_ones(dead_first: bool) -> None:
    dead = [f"dead{n}.example" for n in range(20)]
    live = [f"live{n}.example" for n in range(40)]
    zones = dead + live if dead_first else live + dead

    async def run() -> None:
        async with asking(dead_below(*dead, "."), timeout=0.2, rate=5000.0, delay=0.005) as (server, resolver):  # type: ignore[arg-type]
            start = time.monotonic()
            answers = await ask_all(resolver, [q for zone in zones for q in questions(zone)])
            assert time.monotonic() - start < 4.0
            by_life: dict[bool, list[Answer]] = {True: [], False: []}
            for answer in answers:
                by_life[not answer.name.endswith(tuple(dead))].append(answer)
            assert Status.UNDETERMINED not in statuses(by_life[True])
            assert causes(by_life[False]) == {f"no answer from {server} about {zone}": 10 for zone in dead}
            assert sum(asked.name.endswith(tuple(dead)) for asked in server.log) <= 20 * 3 * 2

            # The silence of these zones alone was under way at the end; the next wave is answered all the same.
            later = await ask_all(resolver, [(f"later.{zone}", "A") for zone in (*live, "new.example")])
            assert statuses(later) == {Status.FOUND: 41}
            assert (
                await resolver.ask("later.dead0.example", "A")
            ).cause == f"no answer from {server} about dead0.example"

    asyncio.run(run())


@pytest.mark.parametrize("known", [True, False])
def test_questions_about_dead_zones_alone_do_not_accuse_the_resolver(known: bool) -> None:
    dead = tuple(f"dead{n}.example" for n in range(10))
    root = (".",) if known else ()

    async def run() -> None:
        async with asking(dead_below(*dead, *root), timeout=0.1) as (server, resolver):  # type: ignore[arg-type]
            if known:
                assert (await resolver.ask("known.example", "A")).found
            answers = await ask_all(resolver, [q for zone in dead for q in questions(zone)])
            assert causes(answers) == {f"no answer from {server} about {zone}": 10 for zone in dead}
            assert (await resolver.ask("live.example", "A")).found

    asyncio.run(run())


def test_one_silent_name_says_nothing_about_its_neighbours() -> None:
    async def run() -> None:
        async with asking(dead_below("bad.zone.example"), timeout=0.1) as (server, resolver):  # type: ignore[arg-type]
            bad = [("bad.zone.example", rdtype) for rdtype in ("A", "AAAA", "MX", "TXT")]
            answers = await ask_all(resolver, bad + questions("zone.example"))
            own = {f"no answer from {server} about {name} {rdtype}": 1 for name, rdtype in bad}
            assert causes(answers) == own
            assert (await resolver.ask("later.zone.example", "A")).found

    asyncio.run(run())


def test_silent_names_among_answered_ones_do_not_accuse_their_zone() -> None:
    bad = [(f"bad{n}.zone.example", "A") for n in range(5)]

    async def run() -> None:
        async with asking(dead_below(*(name for name, _ in bad)), timeout=0.1) as (server, resolver):  # type: ignore[arg-type]
            wanted = questions("zone.example")
            answers = await ask_all(resolver, wanted[:3] + bad + wanted[3:])
            assert causes(answers) == {f"no answer from {server} about {name} A": 1 for name, _ in bad}
            assert (await resolver.ask("later.zone.example", "A")).found

    asyncio.run(run())


def test_a_zone_known_by_one_name_is_asked_all_its_questions() -> None:
    async def run() -> None:
        async with asking(dead_below("example"), timeout=0.05, retries=0) as (server, resolver):  # type: ignore[arg-type]
            types = ("A", "AAAA", "MX", "TXT", "NS", "SOA")
            answers = await ask_all(resolver, [("one.example", rdtype) for rdtype in types])
            assert causes(answers) == {f"no answer from {server} about one.example": 6}
            assert {f"one.example {rdtype}" for rdtype in types} <= set(server.names)

    asyncio.run(run())


def test_staggered_questions_about_a_dead_zone_cost_one_round() -> None:
    async def run() -> None:
        async with asking(dead_below("dead.example"), timeout=0.1, rate=50.0, in_flight=1 + 3) as (server, resolver):  # type: ignore[arg-type]
            await ask_all(resolver, [(f"{n}.live.example", "A") for n in range(4)])
            await ask_all(resolver, questions("dead.example"))
            assert sum(asked.name.endswith("dead.example") for asked in server.log) == 3 * 2

    asyncio.run(run())


def test_dead_zones_leave_room_for_others() -> None:
    """More of their questions are left unanswered than may be under way, and none waits for a time-out of theirs."""
    dead = [f"dead{n}.example" for n in range(40)]

    async def run() -> None:
        async with asking(dead_below(*dead), timeout=10.0, rate=100_000.0) as (_, resolver):  # type: ignore[arg-type]
            await resolver.ask("first.example", "A")
            lost = asyncio.create_task(ask_all(resolver, [q for zone in dead for q in questions(zone)]))
            await asyncio.sleep(0)
            async with asyncio.timeout(8.0):
                answers = await ask_all(resolver, [q for n in range(40) for q in questions(f"live{n}.example")])
            assert Status.UNDETERMINED not in statuses(answers)
            lost.cancel()

    asyncio.run(run())


def test_a_resolver_that_dies_in_the_middle_and_recovers() -> None:
    async def run() -> None:
        async with asking(address, timeout=0.1, rate=100_000.0, delay=0.002) as (server, resolver):

            def die(asked: Asked) -> Reply:
                if len(server.log) > 200:
                    server.handler = silent
                return address(asked)

            server.handler = die
            answers = await ask_all(resolver, [q for n in range(60) for q in questions(f"z{n}.example")])
            assert len(server.log) <= 201 + 2 * 64 + 64 + 1
            # How many of the first replies came in time is the machine's affair.
            assert 0 < len(answers) - statuses(answers)[Status.UNDETERMINED] <= 201
            assert set(causes(answers)) == {f"no answer from {server}"}

            server.handler = address
            still = await resolver.ask("still.example", "A")
            assert still.status is Status.UNDETERMINED
            await asyncio.sleep(0.6)
            # One question is let through to see; its answer lets all others pass.
            trial = await ask_all(resolver, [(f"trial{n}.example", "A") for n in range(3)])
            assert statuses(trial)[Status.FOUND] >= 1
            assert statuses(await ask_all(resolver, questions("z0.example.net")))[Status.UNDETERMINED] == 0
            assert await resolver.ask("still.example", "A") is still

    asyncio.run(run())


def test_servfail_is_life() -> None:
    async def run() -> None:
        async with asking(lambda asked: reply(asked, rcode="SERVFAIL"), timeout=2.0) as (server, resolver):
            answers = await ask_all(resolver, questions("bad.example") + questions("worse.example"))
            assert {answer.rcode for answer in answers} == {"SERVFAIL"}
            assert causes(answers) == {
                f"SERVFAIL from {server} about {zone}": 10 for zone in ("bad.example", "worse.example")
            }
            assert len(server.log) == len({*questions("bad.example"), *questions("worse.example")})

    asyncio.run(run())


def test_a_dead_first_server_is_passed_over() -> None:
    async def run() -> None:
        async with (
            serving(silent) as mute,
            serving(address) as good,
            Resolver([mute.address, good.address], timeout=0.2) as resolver,
        ):
            await ask_all(resolver, questions("one.example"))
            asked = len(mute.log)
            answers = await ask_all(resolver, [q for n in range(10) for q in questions(f"z{n}.example")])
            assert Status.UNDETERMINED not in statuses(answers)
            assert len(mute.log) <= asked + 2

    asyncio.run(run())


def test_a_zone_that_has_not_answered_gets_few_places() -> None:
    async def run() -> None:
        async with asking(silent, timeout=0.2, retries=0) as (server, resolver):
            wanted = asyncio.gather(*(resolver.ask(*question) for question in questions("zone.example")))
            await asyncio.sleep(0.1)
            assert sorted(server.names) == ["_dmarc.zone.example A", "zone.example A", "zone.example MX"]
            await wanted

    asyncio.run(run())


def test_the_caller_says_what_a_zone_is() -> None:
    seen: list[str] = []

    def zone_of(name: str) -> str:
        seen.append(name)
        return "everything"

    async def run() -> None:
        async with asking(dead_below("dead.example"), zone_of=zone_of) as (server, resolver):  # type: ignore[arg-type]
            answers = await ask_all(resolver, [(f"{n}.Dead.example", "A") for n in range(5)])
            assert causes(answers) == {f"no answer from {server} about everything": 5}

    asyncio.run(run())
    assert set(seen) == {f"{n}.dead.example" for n in range(5)}


def test_a_circuit_opens_on_distinct_questions_in_a_row() -> None:
    trouble = Trouble("TIMEOUT", "no answer")
    circuit = Circuit(pause=10)
    for name in ("a", "a", "b"):
        circuit.unanswered(name, "A", trouble, now=1)
    assert circuit.refuses(1) is None
    circuit.answered(2)
    for name in ("c", "d"):
        circuit.unanswered(name, "A", trouble, now=3)
    assert circuit.refuses(3) is None
    circuit.unanswered("e", "A", trouble, now=4)
    assert circuit.refuses(13.9) is trouble
    assert circuit.refuses(14) is None
    circuit.begin(14)
    assert circuit.refuses(15) is trouble
    circuit.answered(16)
    assert circuit.refuses(16) is None
    assert circuit.trusted


@pytest.mark.parametrize(
    ("name", "zone"),
    [
        ("example.org", "example.org"),
        ("s1._domainkey.mail.example.org", "example.org"),
        ("mail.example.co.uk", "example.co.uk"),
        ("co.uk", "co.uk"),
        ("org", "org"),
        (".", "."),
        ("5.113.0.203.in-addr.arpa", "113.0.203.in-addr.arpa"),
        (".".join("0123456789abcdef" * 2) + ".ip6.arpa", ".".join("0123456789abcdef") + ".ip6.arpa"),
    ],
)
def test_likely_zones(name: str, zone: str) -> None:
    assert likely_zone(name) == zone
