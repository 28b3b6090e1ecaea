"""The resolver as a whole: each question once, no faster than allowed, and nothing left behind."""

from __future__ import annotations

import asyncio
import gc
import time
import weakref

import pytest
from dns_server import Asked, Reply, address, ask_all, asking, closed_port, reply, serving, silent, statuses

from conformance.facts.answer import Status
from conformance.facts.dns import Resolver
from conformance.facts.upstream import Call


def test_each_question_is_asked_once() -> None:
    async def run() -> None:
        async with asking(address, delay=0.01) as (server, resolver):
            wanted = [("a.example.org", "A"), ("A.Example.ORG.", "a"), ("a.example.org", "MX")] * 3
            first = await ask_all(resolver, wanted)
            again = await ask_all(resolver, wanted)
            assert sorted(server.names) == ["a.example.org A", "a.example.org MX"]
            assert (resolver.questions, resolver.queries) == (2, 2)
            assert all(one is other for one, other in zip(first, again, strict=True))
            assert first[0] is first[1]

    asyncio.run(run())


def test_the_target_of_an_alias_is_asked_once_for_all() -> None:
    def handler(asked: Asked) -> Reply:
        target = asked.name.startswith("target")
        return address(asked) if target else reply(asked, f"{asked.name}. 5 CNAME target.example.org.")

    async def run() -> None:
        async with asking(handler, delay=0.01) as (server, resolver):
            answers = await ask_all(
                resolver, [(f"{n}.example.org", "A") for n in range(3)] + [("target.example.org", "A")]
            )
            assert statuses(answers) == {Status.FOUND: 4}
            assert server.names.count("target.example.org A") == 1

    asyncio.run(run())


def test_rate_and_window_are_kept() -> None:
    flying = 0
    most = 0

    async def run() -> float:
        async with asking(address, rate=200.0, in_flight=8, delay=0.01, timeout=5.0) as (server, resolver):

            def count(asked: Asked) -> Reply:
                nonlocal flying, most
                flying += 1
                most = max(most, flying)
                asyncio.get_running_loop().call_later(0.009, landed)
                return address(asked)

            def landed() -> None:
                nonlocal flying
                flying -= 1

            server.handler = count
            start = time.monotonic()
            answers = await ask_all(resolver, [(f"a.z{n}.example", "A") for n in range(60)])
            assert statuses(answers) == {Status.FOUND: 60}
            return time.monotonic() - start

    assert asyncio.run(run()) > (60 - 8) / 200
    assert 2 <= most <= 8


def test_a_cancelled_question_leaves_nothing_behind() -> None:
    async def run() -> None:
        async with asking(silent, timeout=5.0) as (server, resolver):
            first, second, other = (
                asyncio.create_task(resolver.ask(n, "A")) for n in ("a.example", "a.example", "b.example")
            )
            await asyncio.sleep(0.03)
            first.cancel()
            other.cancel()
            await asyncio.gather(first, other, return_exceptions=True)
            server.handler = address
            assert (await asyncio.wait_for(resolver.ask("b.example", "A"), 1)).found
            assert not second.done()
            assert server.names.count("b.example A") == 2
            assert server.names.count("a.example A") == 1
            second.cancel()
            await asyncio.gather(second, return_exceptions=True)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(run())


def test_a_question_cancelled_at_the_second_server_leaves_nothing_behind() -> None:
    async def run() -> None:
        async with (
            serving(lambda asked: reply(asked, rcode="REFUSED")) as first,
            serving(silent) as second,
            Resolver([first.address, second.address], timeout=0.2, retries=0) as resolver,
        ):
            lonely, kept, dropped = (
                asyncio.create_task(resolver.ask(n, "A")) for n in ("a.example", "b.example", "b.example")
            )
            await asyncio.sleep(0.05)
            assert {"a.example A", "b.example A"} <= set(second.names)
            lonely.cancel()
            dropped.cancel()
            await asyncio.gather(lonely, dropped, return_exceptions=True)
            assert (await asyncio.wait_for(kept, 2)).status is Status.UNDETERMINED
            second.handler = address
            assert (await asyncio.wait_for(resolver.ask("a.example", "A"), 1)).found
            assert [one.names.count("a.example A") for one in (first, second)] == [2, 2]
            assert [one.names.count("b.example A") for one in (first, second)] == [1, 1]

    asyncio.run(run())


def test_a_cancelled_question_is_not_repeated() -> None:
    async def run() -> None:
        async with asking(silent, timeout=0.05) as (server, resolver):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(resolver.ask("a.example", "A"), 0.02)
            await asyncio.sleep(0.1)
            assert server.names == ["a.example A"]

    asyncio.run(run())


@pytest.mark.parametrize("over_tcp", [False, True])
def test_closing_ends_everything(over_tcp: bool) -> None:
    def handler(asked: Asked) -> Reply:
        return reply(asked, flags=0x0200) if over_tcp and asked.transport == "udp" else None

    async def run() -> None:
        async with serving(handler) as server:
            async with Resolver([server.address], timeout=5.0) as resolver:
                asks = [asyncio.create_task(resolver.ask(f"a{n}.example", "A")) for n in range(5)]
                await asyncio.sleep(0.05)
            ended = await asyncio.gather(*asks, return_exceptions=True)
            assert {type(one) for one in ended} == {asyncio.CancelledError}
            with pytest.raises(RuntimeError, match="closed"):
                await resolver.ask("a.example", "A")

    start = time.monotonic()
    asyncio.run(run())
    assert time.monotonic() - start < 3


def test_limits_that_make_no_sense() -> None:
    with pytest.raises(ValueError, match="no name server"):
        Resolver([])
    for limits in ({"timeout": 0.0}, {"retries": -1}, {"rate": 0.0}, {"in_flight": 0}):
        with pytest.raises(ValueError, match="must be positive"):
            Resolver([closed_port()], **limits)  # type: ignore[arg-type]


def test_nothing_waits_for_the_garbage_collector() -> None:
    async def run() -> weakref.ref[Resolver]:
        async with serving(address) as server, Resolver([server.address]) as resolver:
            await ask_all(resolver, [(f"n{number}.example.org", "A") for number in range(20)])
            left = [one for one in gc.get_objects() if isinstance(one, Call)]
            assert not left
            return weakref.ref(resolver)

    gc.collect()
    gc.disable()
    try:
        assert asyncio.run(run())() is None
    finally:
        gc.enable()
