"""A receiver in the process: what a host meets that looks names up and delivers there, route by route."""

from __future__ import annotations

import asyncio
import os
import smtplib
import socket
from collections.abc import Sequence

import dns.message
import dns.query
import dns.rdatatype
import pytest

from conformance.receiver.announcement import Busy, NoSuchToken, ReceiverError, token_of
from conformance.receiver.capture import Capture
from conformance.receiver.ephemeral import Ephemeral
from conformance.receiver.routes import ROUTES
from conformance.receiver.sts import DOMAINS

PATIENCE = 60.0
ADDRESS = "127.0.5.1"


def ask(receiver: Ephemeral, name: str, rdtype: str) -> list[str]:
    query = dns.message.make_query(name, rdtype)
    answer = dns.query.udp(query, receiver.nameserver, PATIENCE, receiver.dns_port)
    wanted = dns.rdatatype.from_text(rdtype)
    return [item.to_text() for rrset in answer.answer if rrset.rdtype == wanted for item in rrset]


def targets(receiver: Ephemeral, domain: str) -> list[str]:
    """Return addresses to try as RFC 5321 section 5.1 has it, IPv6 first."""
    mx = sorted((int(one.split()[0]), one.split()[1]) for one in ask(receiver, domain, "MX"))
    if mx and mx[0][1] == ".":
        return []
    hosts = [host for _, host in mx] or [domain]
    return [address for host in hosts for rdtype in ("AAAA", "A") for address in ask(receiver, host, rdtype)]


def deliver(receiver: Ephemeral, to: Sequence[str]) -> str:
    """Try to deliver once, as a host without a queue would; return the address that took it."""
    for address in targets(receiver, to[0].partition("@")[2]):
        try:
            with smtplib.SMTP(address, receiver.smtp_port, local_hostname="mx.example.com", timeout=PATIENCE) as client:
                client.sendmail("a@example.com", list(to), "Subject: x\r\n\r\nx\r\n")
                return address
        except smtplib.SMTPRecipientsRefused as error:
            if any(code // 100 == 5 for code, _ in error.recipients.values()):
                return "refused"
        except (OSError, smtplib.SMTPException):
            continue
    return ""


def test_a_domain_asks_for_tls_reports_as_long_as_it_is_open() -> None:
    async def go() -> None:
        async with receiver() as made:
            (address,) = await made.open("accept", "tls-reports")
            (plain,) = await made.open("accept")
            domain, other = (one.partition("@")[2] for one in (address, plain))
            asked = lambda name, rdtype="TXT": asyncio.to_thread(ask, made, name, rdtype)  # noqa: E731
            record = [f'"v=TLSRPTv1; rua=mailto:{address}"']
            assert await asked(f"_smtp._tls.{domain}") == record
            assert await asked(f"_tls.{domain}") == await asked(f"_smtp._tls.{other}") == []
            assert await asked(f"_smtp._tls.{domain}", "A") == await asked(f"x._smtp._tls.{domain}") == []
            assert await asyncio.to_thread(deliver, made, [address])
            await made.close([token_of(address)])
            assert await asked(f"_smtp._tls.{domain}") == record, "reports come after the run"
            assert await asyncio.to_thread(deliver, made, [address])
            assert len(await made.collect([token_of(address)])) == 2

    asyncio.run(go())


def receiver(**more: object) -> Ephemeral:
    return Ephemeral(ADDRESS, smtp_port=0, dns_port=0, spare=3, pace=20, **more)  # type: ignore[arg-type]


def taken(captures: Sequence[Capture]) -> int:
    return sum(transaction.accepted for capture in captures for transaction in capture.transactions)


@pytest.mark.parametrize(
    ("route", "where", "exchanges"),
    [
        ("plain", "127.0.5.1", ["mx1"]),
        ("tls-reports", "127.0.5.1", ["mx1"]),
        ("two-domains", "127.0.5.1", ["mx1"]),
        ("mx-two", "127.0.5.1", ["mx1"]),
        ("mx-dead-first", "127.0.5.1", ["mx1"]),
        ("mx-v6-dead", "127.0.5.1", ["mx1"]),
        ("mx-null", "", []),
        ("mx-moved", "127.0.5.1", ["mx1"]),
        ("mx-refuse-first", "refused", ["mx1"]),
        ("mx-implicit", "127.0.5.1", ["mx1"]),
        ("mx-not-a", "", []),
        ("mx-cname", "127.0.5.1", ["mx1"]),
        ("dane-key", "127.0.5.1", ["mx1"]),
        ("dane-another-key", "127.0.5.1", ["mx1"]),
        ("dane-unknown-key", "127.0.5.1", ["mx1"]),
    ],
)
def test_a_host_finds_each_route(route: str, where: str, exchanges: list[str]) -> None:
    async def go() -> None:
        async with receiver() as made:
            (address,) = await made.open("accept", route)
            assert await asyncio.to_thread(deliver, made, [address]) == where
            wanted = len(exchanges)
            captures = await made.wait(
                [token_of(address)], PATIENCE if wanted else 0.2, lambda all_: len(all_) >= wanted
            )
            assert [capture.exchange.partition(".")[0] for capture in captures] == exchanges
            assert taken(captures) == (where.startswith("127."))

    asyncio.run(go())


def test_every_route_is_tried() -> None:
    marks = test_a_host_finds_each_route.pytestmark  # type: ignore[attr-defined]
    assert {row[0] for row in marks[0].args[1]} == set(ROUTES) - set(DOMAINS)


def test_a_domain_moves_between_two_letters() -> None:
    async def go() -> None:
        async with receiver() as made:
            (address,) = await made.open("accept", "mx-moved")
            assert await asyncio.to_thread(deliver, made, [address]) == "127.0.5.1"
            await made.move(token_of(address))
            assert await asyncio.to_thread(deliver, made, [address]) == "127.0.5.2"
            captures = await made.wait([token_of(address)], PATIENCE, lambda found: taken(found) == 2)
            assert [capture.exchange.partition(".")[0] for capture in captures] == ["mx1", "mx2"]

    asyncio.run(go())


def test_what_acts_before_rcpt_acts_at_an_address_of_its_own() -> None:
    async def go() -> None:
        async with receiver() as made:
            (early,) = await made.open("tempfail-banner")
            (plain,) = await made.open("accept")
            assert await asyncio.to_thread(deliver, made, [plain]) == "127.0.5.1"
            assert await asyncio.to_thread(deliver, made, [early]) == ""
            assert await asyncio.to_thread(deliver, made, [early]) == "127.0.5.2"
            captures = await made.wait([token_of(early)], PATIENCE, lambda found: taken(found) == 1)
            assert [capture.scenario for capture in captures] == ["tempfail-banner"] * 2
            assert [capture.tokens for capture in captures] == [(token_of(early),)] * 2
            assert len(await made.collect([token_of(plain)])) == 1

    asyncio.run(go())


def test_the_pool_is_said_to_be_exhausted() -> None:
    async def go() -> None:
        async with receiver() as made:
            said = await made.announce()
            assert said.spare == 3
            held = [await made.open("tempfail-banner") for _ in range(3)]
            with pytest.raises(Busy):
                await made.open("tempfail-banner")
            await made.open("accept")
            await made.close([token_of(held[0][0])])
            assert await asyncio.to_thread(deliver, made, held[0]) == "127.0.5.1", "given back, and taken at once"

    asyncio.run(go())


def test_a_wait_ends_as_soon_as_enough_has_come() -> None:
    async def go() -> None:
        async with receiver() as made:
            (address,) = await made.open("accept")
            watching = asyncio.create_task(
                made.wait([token_of(address)], 10 * PATIENCE, lambda found: taken(found) == 1)
            )
            await asyncio.to_thread(deliver, made, [address])
            assert taken(await asyncio.wait_for(watching, PATIENCE)) == 1
            assert await made.wait([token_of(address)], 0.0, lambda _found: False)
            with pytest.raises(NoSuchToken):
                await made.wait(["unheard"], 1.0, lambda _found: True)

    asyncio.run(go())


def test_a_port_that_is_taken_and_a_pace_that_is_none_are_said() -> None:
    async def go() -> None:
        with socket.create_server((ADDRESS, 0)) as taken_one:
            made = Ephemeral(ADDRESS, smtp_port=taken_one.getsockname()[1], dns_port=0)
            with pytest.raises(ReceiverError, match="in use"):
                await made.start()
        with pytest.raises(ReceiverError, match="not up"):
            await made.open("accept")

    asyncio.run(go())
    for wrong in ({"pace": 0.5}, {"pace": float("nan")}, {"domain": "net"}, {"nameserver": "x"}):
        with pytest.raises(ValueError, match=r"."):
            Ephemeral(ADDRESS, **wrong)  # type: ignore[arg-type]


def test_only_own_addresses_are_dead_ones() -> None:
    async def go() -> None:
        async with receiver() as made:
            (dead,) = await asyncio.to_thread(ask, made, f"mx-dead.{made.domain}", "A")
            assert dead == "127.0.5.5"
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((dead, made.smtp_port), PATIENCE)
        async with Ephemeral("::1", smtp_port=0, dns_port=0, spare=2) as made:
            found = await asyncio.to_thread(ask, made, f"mx-dead.{made.domain}", "AAAA")
            assert found == ["100::1"], "::4 is a stranger's"
            assert (await made.announce()).spare == 0

    asyncio.run(go())


def test_it_starts_in_a_fork() -> None:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        said = "failed"
        try:

            async def go() -> str:
                async with receiver() as made:
                    (address,) = await made.open("accept")
                    await asyncio.to_thread(deliver, made, [address])
                    return str(taken(await made.wait([token_of(address)], PATIENCE, lambda found: taken(found) == 1)))

            said = asyncio.run(go())
        finally:
            os.write(writing, said.encode())
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        assert pipe.read() == "1"
    os.waitpid(child, 0)
