"""What one answer of a name server comes to: found, absent or undetermined, and never an exception."""

from __future__ import annotations

import asyncio
import time

import dns.flags
import dns.message
import dns.rdatatype
import dns.rrset
import pytest
from dns_server import SOA, Asked, Handler, address, ask, asking, closed_port, reply, serving, silent, table
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.facts.answer import Answer, Status
from conformance.facts.dns import Resolver, Server, system_servers


@pytest.mark.parametrize(
    ("rdtype", "rdata", "record"),
    [
        ("A", "192.0.2.7", "192.0.2.7"),
        ("AAAA", "2001:db8::7", "2001:db8::7"),
        ("PTR", "MX1.Example.NET.", "MX1.Example.NET"),
        ("NS", "ns.example.org.", "ns.example.org"),
        ("CNAME", "other.example.org.", "other.example.org"),
        ("MX", "10 Mail.example.org.", (10, "Mail.example.org")),
        ("MX", "0 .", (0, ".")),
        ("TXT", '"v=spf1 " "-all"', ("v=spf1 ", "-all")),
        ("SOA", "ns.example.org. h.example.org. 1 2 3 4 5", "ns.example.org. h.example.org. 1 2 3 4 5"),
        ("CAA", '0 issue "ca.example"', '0 issue "ca.example"'),
        ("TYPE65280", "\\# 2 abcd", "\\# 2 abcd"),
    ],
)
def test_records_of_each_type(rdtype: str, rdata: str, record: object) -> None:
    answer, _ = ask(table(host=(f"host.example.org. 300 {rdtype} {rdata}",)), "host.example.org", rdtype)
    assert (answer.status, answer.rcode, answer.records) == (Status.FOUND, "NOERROR", (record,))


def test_an_answer_says_where_it_came_from() -> None:
    records = ("host.example.org. 300 A 192.0.2.2", "host.example.org. 60 A 192.0.2.1")
    answer, server = ask(table(host=records), "Host.Example.ORG.", "a")
    assert (answer.name, answer.rdtype, answer.question) == ("host.example.org", "A", "host.example.org A")
    assert (answer.records, answer.ttl) == (("192.0.2.2", "192.0.2.1"), 60)
    assert (answer.server, answer.transport, answer.layer) == (str(server), "udp", "live")
    assert 0 < answer.ms < 1000
    assert answer.at.endswith("+00:00")
    assert not answer.authenticated


def test_queries_ask_for_recursion_ad_and_edns() -> None:
    def validated(asked: Asked) -> dns.message.Message:
        return reply(asked, "a.example.org. 300 A 192.0.2.1", flags=dns.flags.AD)

    answer, server = ask(validated, "a.example.org", "A")
    query = server.log[0].query
    assert query.flags & dns.flags.RD
    assert query.flags & dns.flags.AD
    assert (query.edns, query.payload) == (0, 1232)
    assert answer.authenticated


def test_octets_are_kept() -> None:
    lines = (r'x.example.org. 5 TXT "\000\027[31m\255<script>"', r"x.example.org. 5 PTR a\000b\027\.c\255.example.org.")
    txt, _ = ask(table(x=lines[:1]), "x.example.org", "TXT")
    assert txt.records == (("\0\x1b[31m\xff<script>",),)
    ptr, _ = ask(table(x=lines[1:]), "x.example.org", "PTR")
    assert ptr.records == (r"a\000b\027\.c\255.example.org",)


@pytest.mark.parametrize(
    ("rcode", "authority", "flags", "status", "shown", "ttl"),
    [
        ("NXDOMAIN", (SOA,), dns.flags.AA, Status.ABSENT, "NXDOMAIN", 300),
        ("NXDOMAIN", (), dns.flags.AA, Status.ABSENT, "NXDOMAIN", None),
        ("NOERROR", (SOA,), dns.flags.AA, Status.ABSENT, "NODATA", 300),
        ("NOERROR", (SOA, "example.org. 5 NS ns.example.org."), 0, Status.ABSENT, "NODATA", 300),
        ("NOERROR", (), dns.flags.RA, Status.ABSENT, "NODATA", None),
        ("NOERROR", ("example.org. 5 NS ns.example.org.",), dns.flags.AA, Status.ABSENT, "NODATA", None),
        ("NOERROR", ("org. 5 NS ns.org.",), 0, Status.UNDETERMINED, "referral from {}, ", None),
        ("SERVFAIL", (), 0, Status.UNDETERMINED, "SERVFAIL from {}", None),
        ("REFUSED", (), 0, Status.UNDETERMINED, "REFUSED from {}", None),
    ],
)
def test_three_answers(
    rcode: str, authority: tuple[str, ...], flags: int, status: Status, shown: str, ttl: int | None
) -> None:
    answer, server = ask(
        lambda asked: reply(asked, rcode=rcode, authority=authority, flags=flags), "a.example.org", "A"
    )
    assert answer.status is status
    assert answer.describe().startswith(shown.format(server))
    assert (answer.records, answer.ttl, answer.transport) == ((), ttl, "udp")
    assert bool(answer.cause) is (status is Status.UNDETERMINED)


def test_answers_that_contradict_themselves_decide_nothing() -> None:
    denied, _ = ask(lambda a: reply(a, "a.example.org. 5 A 192.0.2.1", rcode="NXDOMAIN"), "a.example.org", "A")
    beside, _ = ask(lambda a: reply(a, "a.example.org. 5 A 192.0.2.1"), "a.example.org", "AAAA")
    assert [(answer.status, answer.rcode) for answer in (denied, beside)] == [(Status.UNDETERMINED, "MALFORMED")] * 2


def test_silence_is_undetermined_and_retried() -> None:
    answer, server = ask(silent, "a.example.org", "A")
    assert (answer.status, answer.rcode, answer.transport) == (Status.UNDETERMINED, "TIMEOUT", "")
    assert answer.cause == f"no answer from {server}"
    assert answer.error == f"no answer from {server} in 2 x 0.1 s"
    assert server.names == ["a.example.org A", "a.example.org A", ". NS"]
    assert len({asked.query.id for asked in server.log[:2]}) == 1


def test_a_closed_port_is_undetermined_at_once() -> None:
    server = closed_port()

    async def run() -> Answer:
        async with Resolver([server], timeout=1) as resolver:
            answer = await resolver.ask("a.example.org", "A")
            assert resolver.queries == 3
            return answer

    answer = asyncio.run(run())
    assert answer.cause == f"no answer from {server}: connection refused"
    assert 100 < answer.ms < 900


def test_an_address_that_cannot_be_used_is_undetermined() -> None:
    async def run() -> Answer:
        # The kernel refuses to connect a socket to the broadcast address: nothing is sent.
        async with Resolver([Server("255.255.255.255")], timeout=0.1) as resolver:
            return await resolver.ask("a.example.org", "A")

    answer = asyncio.run(run())
    assert (answer.status, answer.rcode) == (Status.UNDETERMINED, "UNREACHABLE")
    assert answer.cause.startswith("no answer from 255.255.255.255:53: ")


def test_replies_to_other_questions_are_not_taken() -> None:
    def spoofed(asked: Asked) -> list[bytes]:
        right = reply(asked, "a.example.org. 300 A 192.0.2.1").to_wire()
        false = reply(asked, "a.example.org. 300 A 192.0.2.66")
        other = dns.message.make_response(dns.message.make_query("b.example.org", "A", id=asked.query.id))
        query = false.to_wire()
        wrong_id = ((false.id + 1) % 65536).to_bytes(2, "big") + query[2:]
        no_response = query[:2] + bytes([query[2] & 0x7F]) + query[3:]
        return [wrong_id, other.to_wire(), no_response, b"", right[:1], right]

    answer, server = ask(spoofed, "a.example.org", "A")
    assert answer.texts == ("192.0.2.1",)
    assert len(server.log) == 1


def test_another_case_in_the_question_is_the_same_question() -> None:
    def shouting(asked: Asked) -> dns.message.Message:
        message = reply(asked, "HOST.EXAMPLE.ORG. 300 A 192.0.2.1")
        message.question = [dns.rrset.RRset(dns.name.from_text("HOST.example.ORG"), 1, 1)]
        return message

    assert ask(shouting, "host.example.org", "A")[0].texts == ("192.0.2.1",)


def test_a_malformed_reply_does_not_end_the_wait() -> None:
    def broken_first(asked: Asked) -> list[bytes]:
        right = reply(asked, "a.example.org. 300 A 192.0.2.1").to_wire()
        return [right[:-3], right[:2], right + b"junk", right]

    assert ask(broken_first, "a.example.org", "A")[0].texts == ("192.0.2.1",)


def test_malformed_replies_alone_are_undetermined() -> None:
    answer, server = ask(lambda a: reply(a, "a.example.org. 5 A 192.0.2.1").to_wire()[:-3], "a.example.org", "A")
    assert (answer.status, answer.rcode) == (Status.UNDETERMINED, "MALFORMED")
    assert answer.cause == f"malformed answer from {server}"


def test_a_malformed_reply_tells_more_than_later_silence() -> None:
    replies = iter([b"\x84\0\0\1"])

    def once(asked: Asked) -> bytes | None:
        tail = next(replies, None)
        return tail and asked.query.id.to_bytes(2, "big") + tail

    assert ask(once, "a.example.org", "A")[0].rcode == "MALFORMED"


def test_a_reply_that_came_while_the_process_was_busy_is_in_time() -> None:
    def stall(asked: Asked) -> dns.message.Message:
        asyncio.get_running_loop().call_later(0, time.sleep, 0.1)
        return address(asked)

    assert ask(stall, "a.example.org", "A", timeout=0.05, retries=0)[0].found


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=80), st.sampled_from([b"\x84\x00", b"\x84\x03", b"\x86\x00", b"\x00\x00", b"\xac\x05"]))
def test_no_octets_raise(octets: bytes, flags: bytes) -> None:
    def noise(asked: Asked) -> list[bytes]:
        question = asked.query.to_wire()[4 : -11 if asked.query.edns == 0 else None]
        return [asked.query.id.to_bytes(2, "big") + flags + tail for tail in (octets, question + octets)]

    answer, _ = ask(noise, "a.example.org", "TXT", timeout=0.005, retries=0)
    assert answer.status is not Status.FOUND or answer.records


def truncated(records: tuple[str, ...]) -> Handler:
    """Answer over TCP alone."""

    def handler(asked: Asked) -> dns.message.Message | bytes:
        if asked.transport == "tcp":
            return reply(asked, *records)
        return reply(asked, *records, flags=dns.flags.TC).to_wire(max_size=65535)[:600]

    return handler


def test_a_truncated_answer_is_asked_for_over_tcp() -> None:
    strings = " ".join(['"' + "x" * 255 + '"'] * 240)
    answer, server = ask(truncated((f"big.example.org. 300 TXT {strings}",)), "big.example.org", "TXT")
    assert [asked.transport for asked in server.log] == ["udp", "tcp"]
    assert answer.transport == "tcp"
    assert answer.joined == ("x" * 255 * 240,)


@pytest.mark.parametrize("over_tcp", [None, b"\0" * 20])
def test_a_truncated_answer_without_tcp_is_undetermined(over_tcp: bytes | None) -> None:
    def handler(asked: Asked) -> dns.message.Message | bytes | None:
        return over_tcp if asked.transport == "tcp" else reply(asked, flags=dns.flags.TC)

    async def run() -> None:
        async with asking(handler) as (server, resolver):
            answers = await asyncio.gather(*(resolver.ask(f"{n}.example.org", "TXT") for n in range(5)))
            tries = sum(asked.transport == "tcp" for asked in server.log)
            late = await resolver.ask("late.example.org", "TXT")
            assert {answer.status for answer in (*answers, late)} == {Status.UNDETERMINED}
            assert len({answer.cause for answer in (*answers, late)}) == 1
            assert "over TCP" in late.cause
            assert tries <= 10
            assert sum(asked.transport == "tcp" for asked in server.log) == tries

    asyncio.run(run())


def test_a_truncated_answer_where_tcp_is_refused_is_undetermined() -> None:
    answer, server = ask(lambda asked: reply(asked, flags=dns.flags.TC), "x.example.org", "TXT", over_tcp=False)
    assert answer.status is Status.UNDETERMINED
    assert answer.error == f"no answer over TCP from {server}: connection refused"


@pytest.mark.parametrize("rcode", ["FORMERR", "NOTIMP", "BADVERS"])
def test_a_server_without_edns_is_asked_without(rcode: str) -> None:
    def old(asked: Asked) -> dns.message.Message:
        if asked.query.edns < 0:
            return reply(asked, "a.example.org. 300 A 192.0.2.1")
        message = reply(asked, rcode=rcode)
        if rcode == "FORMERR":
            message.question = []
            message.use_edns(False)
        return message

    answer, server = ask(old, "a.example.org", "A")
    assert answer.texts == ("192.0.2.1",)
    assert [asked.query.edns for asked in server.log] == [0, -1]


def test_unknown_types_are_a_mistake_of_the_caller() -> None:
    for rdtype in ("NONSENSE", "ANY", "AXFR", "OPT"):
        with pytest.raises(ValueError, match=rdtype):
            ask(address, "a.example.org", rdtype)


@pytest.mark.parametrize(
    "first", [silent, lambda a: reply(a, rcode="SERVFAIL"), lambda a: reply(a, rcode="REFUSED"), None]
)
def test_the_next_server_is_asked(first: Handler | None) -> None:
    async def run() -> None:
        async with serving(first or silent) as bad, serving(address) as good:
            servers = [bad.address if first else closed_port(), good.address]
            async with Resolver(servers, timeout=0.05) as resolver:
                answer = await resolver.ask("a.example.org", "A")
            assert (answer.texts, answer.server) == (("192.0.2.1",), str(good))

    asyncio.run(run())


def test_when_all_servers_fail_a_reply_tells_more_than_silence() -> None:
    async def run() -> None:
        async with serving(lambda a: reply(a, rcode="SERVFAIL")) as failing, serving(silent) as mute:
            async with Resolver([mute.address, failing.address, mute.address], timeout=0.05) as resolver:
                assert (await resolver.ask("a.example.org", "A")).rcode == "SERVFAIL"
            async with Resolver([mute.address, mute2 := closed_port()], timeout=0.05) as resolver:
                answer = await resolver.ask("a.example.org", "A")
            assert answer.cause == f"no answer from {mute}; no answer from {mute2}: connection refused"

    asyncio.run(run())


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("192.0.2.1", Server("192.0.2.1", 53)),
        ("192.0.2.1:5353", Server("192.0.2.1", 5353)),
        ("::1", Server("::1", 53)),
        ("[::1]", Server("::1", 53)),
        ("[2001:DB8::1]:5353", Server("2001:db8::1", 5353)),
    ],
)
def test_server_addresses(text: str, server: Server) -> None:
    assert Server.parse(text) == server
    assert Server.parse(str(server)) == server


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ns.example.org",
        "1.2.3",
        "1.2.3.4:",
        "1.2.3.4:0",
        "1.2.3.4:65536",
        "1.2.3.4:x",
        "1.2.3.4:\u0665",
        "[::1",
        "[::1]5",
    ],
)
def test_server_addresses_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="name server"):
        Server.parse(text)


def test_system_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(resolver: dns.resolver.Resolver, _: object) -> None:
        resolver.nameservers = ["192.0.2.1", "2001:db8::1"]

    monkeypatch.setattr("dns.resolver.Resolver.read_resolv_conf", read)
    assert system_servers() == (Server("192.0.2.1"), Server("2001:db8::1"))


def test_no_system_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(resolver: object, _: object) -> None:
        raise dns.resolver.NoResolverConfiguration

    monkeypatch.setattr("dns.resolver.Resolver.read_resolv_conf", read)
    with pytest.raises(ValueError, match="names no name server"):
        system_servers()
