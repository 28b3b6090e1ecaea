"""What is too much: refused properly, and written down as such."""

import asyncio

import pytest
from hand import Client, Receiver, deliver, dialling, played, receiving
from memory import MemoryPolicy

from conformance.receiver.capture import Capture, Ended
from conformance.receiver.limits import Limits
from conformance.receiver.server import serve
from conformance.receiver.turns import address_of, network_of

TO = "t1@conform.example.net"


def test_commands_may_be_longer_than_512_octets() -> None:
    async def do(_: Receiver, client: Client) -> str:
        await client.hear()
        return await client.ask("EHLO " + "a" * 3000)

    capture, reply = played("accept", do)
    assert reply.startswith("250")
    assert len(capture.hellos[0].argument) == 3000


def test_lines_that_are_too_long_are_refused() -> None:
    async def do(_: Receiver, client: Client) -> list[str]:
        await client.hear()
        return [await client.ask("EHLO " + "a" * 100_000), await client.ask("EHLO a")]

    capture, replies = played("accept", do)
    assert [reply[:9] for reply in replies] == ["500 5.5.2", "250-mx.co"]
    long, *_ = (line for line in capture.lines if line.side == "C")
    assert len(long.text) == 4096
    assert [hello.argument for hello in capture.hellos] == ["a"]


def test_messages_that_are_too_large_are_refused() -> None:
    async def do(_: Receiver, client: Client) -> list[str]:
        await client.hear()
        ehlo = await client.ask("EHLO a")
        large = await deliver(client, TO, body=b"x" * 100_000 + b"\r\n")
        return [ehlo, large, await deliver(client, TO)]

    capture, (ehlo, *replies) = played("accept", do, limits=Limits(message=5000))
    assert "SIZE 5000\r\n" in ehlo
    assert [reply[:9] for reply in replies] == ["552 5.3.4", "250 2.0.0"]
    large, fit = capture.transactions
    assert (large.truncated, large.size, large.final_code) == (True, 100_005, 552)
    assert len(large.wire) < 75_000
    assert not fit.truncated


def test_large_messages_in_chunks_are_refused() -> None:
    async def do(_: Receiver, client: Client) -> str:
        await client.hear()
        await client.ask("EHLO a", "MAIL FROM:<>", f"RCPT TO:<{TO}>")
        client.say(b"BDAT 100000\r\n" + b"x" * 100_000)
        assert (await client.hear()).startswith("250")
        return await client.ask(b"BDAT 2 LAST\r\n"[:-2] + b"\r\n")

    capture, reply = played("accept", do, limits=Limits(message=5000))
    assert reply.startswith("552 5.3.4")
    assert (capture.transactions[0].truncated, capture.transactions[0].size) == (True, 100_002)


def test_so_many_recipients() -> None:
    async def do(_: Receiver, client: Client) -> list[str]:
        await client.hear()
        await client.ask("EHLO a", "MAIL FROM:<>")
        return [await client.ask(f"RCPT TO:<{TO}>") for _ in range(4)]

    _, replies = played("accept", do, limits=Limits(recipients=3))
    assert [reply[:9] for reply in replies] == ["250 2.1.5"] * 3 + ["452 4.5.3"]


def limited(limits: Limits, said: bytes = b"NOOP\r\n" * 50) -> tuple[Capture, bytes]:
    async def do(_: Receiver, client: Client) -> bytes:
        await client.hear()
        client.say(said)
        return await client.gone()

    capture, replies = played("accept", do, limits=limits)
    return capture, replies.rstrip().rpartition(b"\r\n")[2]


@pytest.mark.parametrize(
    ("limits", "error"),
    [
        (Limits(commands=10), "more than 10 commands"),
        (Limits(session_octets=100), "more than 100 octets"),
        (Limits(session_seconds=0.2), "more than 0 s"),
    ],
)
def test_sessions_that_are_too_much_are_ended(limits: Limits, error: str) -> None:
    capture, last = limited(limits)
    assert last.startswith(b"421 4.7.0")
    assert (capture.ended, capture.error, capture.ended.by_receiver) == (Ended.LIMIT, error, True)
    assert capture.lines[-1].text == f"limit: {error}"


def test_so_many_octets_in_a_message() -> None:
    async def do(_: Receiver, client: Client) -> bytes:
        await client.hear()
        await client.ask("EHLO a", "MAIL FROM:<>", f"RCPT TO:<{TO}>", "DATA")
        for _ in range(20):
            client.say(b"x" * 1000)
            await asyncio.sleep(0.001)
        return await client.gone()

    capture, said = played("accept", do, limits=Limits(session_octets=10_000))
    assert said.startswith(b"421 4.7.0")
    assert capture.ended is Ended.LIMIT
    assert 0 < capture.transactions[0].size < 10_000
    assert capture.transactions[0].final_code == 0


def test_not_more_lines_are_shown_than_wanted() -> None:
    capture, _ = limited(Limits(lines=10), b"NOOP\r\n" * 50 + b"QUIT\r\n")
    assert (len(capture.lines), capture.truncated, capture.ended) == (10, True, Ended.QUIT)


def test_chunks_beyond_the_limit_are_one() -> None:
    async def do(_: Receiver, client: Client) -> None:
        await client.hear()
        await client.ask("EHLO a", "MAIL FROM:<>", f"RCPT TO:<{TO}>")
        for number in range(10):
            await client.ask(b"BDAT 3" + (b" LAST" if number == 9 else b"") + b"\r\nx")

    capture, _ = played("accept", do, limits=Limits(chunks=4))
    assert [chunk.end for chunk in capture.transactions[0].chunks] == [3, 6, 9, 30]


def test_so_many_sessions() -> None:
    async def do() -> tuple[list[Capture], list[str]]:
        async with receiving(Limits(sessions=2)) as receiver:
            receiver.grant()
            banners = []
            async with dialling(receiver) as first, dialling(receiver) as second:
                banners += [await first.hear(), await second.hear()]
                async with dialling(receiver) as third:
                    banners.append(await third.hear())
                    await third.gone()
                refused = receiver.captures
            await receiver.session()
            async with dialling(receiver) as fourth:
                banners.append(await fourth.hear())
            return refused, banners

    refused, banners = asyncio.run(do())
    assert [banner[:3] for banner in banners] == ["220", "220", "421", "220"]
    assert [(one.ended, one.error, one.tokens) for one in refused] == [(Ended.LIMIT, "too many sessions", ("t1",))]


def test_so_many_octets_of_all_sessions_together() -> None:
    async def do() -> list[str]:
        async with receiving(Limits(held=10_000)) as receiver:
            receiver.grant()
            replies = []
            async with dialling(receiver) as first:
                for body in (b"x" * 6000, b"x" * 6000, b"x" * 100):
                    await first.hear() if not replies else None
                    await first.ask("EHLO a")
                    replies.append(await deliver(first, TO, body=body + b"\r\n"))
            await receiver.session()
            async with dialling(receiver) as second:
                await second.hear()
                await second.ask("EHLO a")
                replies.append(await deliver(second, TO, body=b"x" * 9000 + b"\r\n"))
            return [reply[:9] for reply in replies]

    assert asyncio.run(do()) == ["250 2.0.0", "452 4.3.1", "250 2.0.0", "250 2.0.0"]


def test_a_client_that_reads_nothing_does_not_keep_the_receiver() -> None:
    async def do(_: Receiver, client: Client) -> None:
        await client.hear()
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        for _ in range(2000):
            client.say(b"EHLO a\r\n" * 20)
        await asyncio.sleep(1)

    capture, _ = played("accept", do, limits=Limits(idle_seconds=0.3, commands=10**6, lines=10))
    assert capture.ended in (Ended.TIMEOUT, Ended.CLOSED, Ended.RESET)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::1"),
        ("2001:DB8::1", "2001:db8::1"),
        ("", ""),
    ],
)
def test_addresses_are_those_of_their_family(text: str, address: str) -> None:
    assert address_of(text) == address


def test_networks_of_peers() -> None:
    assert network_of("192.0.2.77") == "192.0.2.0/24"
    assert network_of("2001:db8:1:2:3::4") == "2001:db8:1:2::/64"


@pytest.mark.parametrize("pace", [0.5, 0, -1, float("nan")])
def test_a_receiver_does_not_dawdle(pace: float) -> None:
    with pytest.raises(ValueError, match="pace"):
        asyncio.run(serve(MemoryPolicy("x.example"), [], pace=pace))


def test_an_endpoint_that_is_taken_is_an_error() -> None:
    async def do() -> None:
        async with receiving() as receiver:
            with pytest.raises(OSError, match="in use"):
                await serve(MemoryPolicy("x.example"), [("127.0.0.1", 0), (receiver.address, receiver.port)])

    asyncio.run(do())
