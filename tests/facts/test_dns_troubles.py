"""All that can go wrong with one question, in one table: each is undetermined, or exact."""

from __future__ import annotations

import asyncio
import itertools

import dns.flags
import dns.message
import pytest
from dns_server import Asked, Handler, Reply, ask, asking, reply, serving

from conformance.facts.answer import Answer, Status
from conformance.facts.authorities import Authorities

NAME = "x.example.org"
RIGHT = f"{NAME}. 60 TXT right"


def with_code(rcode: str) -> Handler:
    return lambda asked: reply(asked, rcode=rcode)


def silent(_asked: Asked) -> Reply:
    return None


def wrong_id(asked: Asked) -> Reply:
    wire = reply(asked, RIGHT).to_wire()
    return bytes((wire[0] ^ 0xFF, *wire[1:]))


def wrong_question(asked: Asked) -> Reply:
    other = dns.message.make_query("y.example.org", "TXT", id=asked.query.id)
    return dns.message.make_response(other)


def truncated_without_tcp(asked: Asked) -> Reply:
    return reply(asked, flags=dns.flags.TC) if asked.transport == "udp" else None


def loop(asked: Asked) -> Reply:
    return reply(asked, f"{NAME}. 60 CNAME y.example.org.", f"y.example.org. 60 CNAME {NAME}.")


def eleven_steps(asked: Asked) -> Reply:
    names = [NAME, *(f"{number}.example.org" for number in range(11))]
    links = (f"{one}. 60 CNAME {other}." for one, other in itertools.pairwise(names))
    return reply(asked, *links, "10.example.org. 60 TXT right")


def lame(asked: Asked) -> Reply:
    return reply(asked, authority=("org. 60 NS ns.org.",), flags=0)


def foreign_records(asked: Asked) -> Reply:
    return reply(asked, "other.example.org. 60 TXT wrong")


@pytest.mark.parametrize(
    ("handler", "said"),
    [
        (silent, "no answer from"),
        (with_code("SERVFAIL"), "SERVFAIL from"),
        (with_code("REFUSED"), "REFUSED from"),
        (with_code("FORMERR"), "FORMERR from"),
        (with_code("NOTIMP"), "NOTIMP from"),
        (wrong_id, "no answer from"),
        (wrong_question, "no answer from"),
        (truncated_without_tcp, "no answer over TCP from"),
        (loop, "CNAME loop"),
        (eleven_steps, "chain of more than 8 CNAME records"),
        (lame, "referral from"),
        (foreign_records, "malformed answer from"),
    ],
)
def test_what_decides_nothing_is_undetermined(handler: Handler, said: str) -> None:
    answer, _ = ask(handler, NAME, "TXT")
    assert answer.status is Status.UNDETERMINED
    assert answer.error.startswith(said)
    assert answer.records == ()
    assert answer.cause


@pytest.mark.parametrize("octets", [1, 255, 4000, 64 * 1024 - 600])
def test_long_texts_arrive_whole(octets: int) -> None:
    text = ("0123456789" * (octets // 10 + 1))[:octets]
    strings = [text[start : start + 255] for start in range(0, octets, 255)]
    record = f"{NAME}. 60 TXT " + " ".join(f'"{one}"' for one in strings)

    def large(asked: Asked) -> Reply:
        fits = asked.transport == "tcp" or octets < 500
        return reply(asked, record) if fits else reply(asked, flags=dns.flags.TC)

    answer, _ = ask(large, NAME, "TXT", timeout=5.0)
    assert answer.status is Status.FOUND
    assert answer.joined == (text,)
    assert answer.transport == ("tcp" if octets >= 500 else "udp")


def test_an_answer_of_a_dns_list_that_is_an_error_is_found_as_it_stands() -> None:
    """The resolver takes it for the address it is; that it is no listing is for the reader of lists to say."""
    answer, _ = ask(lambda asked: reply(asked, f"{NAME}. 60 A 127.255.255.254"), NAME, "A", timeout=5.0)
    assert answer.texts == ("127.255.255.254",)


@pytest.mark.parametrize("checking", [True, False])
def test_validation_is_waived_only_where_that_is_asked_for(checking: bool) -> None:
    async def run() -> bool:
        async with asking(lambda asked: reply(asked, RIGHT), timeout=5.0) as (server, resolver):
            await resolver.ask(NAME, "TXT", checking=checking)
            return bool(server.log[0].query.flags & dns.flags.CD)

    assert asyncio.run(run()) is not checking


@pytest.mark.parametrize("tcp", [False, True])
def test_authoritative_servers_are_asked_without_recursion(tcp: bool) -> None:
    async def run() -> tuple[Answer, Asked]:
        async with (
            serving(lambda asked: reply(asked, RIGHT)) as server,
            Authorities(timeout=5.0, retries=0, port=server.port, zone_of=str) as authorities,
        ):
            return await authorities.ask("127.0.0.1", NAME, "TXT", tcp=tcp), server.log[0]

    answer, asked = asyncio.run(run())
    assert not asked.query.flags & (dns.flags.RD | dns.flags.AD)
    assert asked.transport == answer.transport == ("tcp" if tcp else "udp")
    assert answer.authoritative
    assert answer.question == f"{NAME} TXT @127.0.0.1" + (" +tcp" if tcp else "")


def test_an_answer_without_authority_is_told_from_one_with_it() -> None:
    async def run() -> Answer:
        async with (
            serving(lambda asked: reply(asked, RIGHT, flags=0)) as server,
            Authorities(timeout=5.0, retries=0, port=server.port, zone_of=str) as authorities,
        ):
            return await authorities.ask("127.0.0.1", NAME, "TXT", tcp=False)

    answer = asyncio.run(run())
    assert answer.status is Status.FOUND
    assert not answer.authoritative
