"""The name server: what an authority says (RFC 1034, 4592, 8482), its faults, and that nothing upsets it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import dns.asyncquery
import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.lab.nameserver import Authority
from conformance.lab.zone import ZoneError
from conformance.receiver.dnswire import Transport, serve

ZONE = (
    """\
@ 300 SOA ns hostmaster 1 3600 600 86400 30
@ NS ns
ns A 203.0.113.53
www CNAME host
host A 203.0.113.1
host A 203.0.113.2
Mixed TXT "text"
a.b.c A 203.0.113.3
*.wild TXT "covered"
*.alias CNAME host
x.y.wild A 203.0.113.4
out CNAME mx.other.example.
dead CNAME nothing.other.example.
away CNAME www.elsewhere.invalid.
loop CNAME pool
pool CNAME loop
sub NS ns.sub
sub NS ns.elsewhere.invalid.
ns.sub A 203.0.113.54
below.sub TXT "occluded"
big TXT "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
"""
    + "".join(f'big TXT "{i}{"x" * 90}"\n' for i in range(20))
    + "".join(f'mid TXT "{i}{"x" * 90}"\n' for i in range(8))
)

OTHER = "mx AAAA 2001:db8::1\nlate A 203.0.113.9\n"


@pytest.fixture(scope="module")
def authority() -> Authority:
    made = Authority()
    made.load("example.net", ZONE)
    made.load("other.example.", OTHER)
    return made


def ask(
    authority: Authority, name: str, rdtype: str = "A", transport: Transport = "udp", payload: int = 1232
) -> dns.message.Message:
    """Return the answer to one question, put together from octets; payload 0 means without EDNS."""
    question = dns.message.make_query(name, rdtype, use_edns=0 if payload else False, payload=payload)
    reply = authority.answer(question.to_wire(), transport, "192.0.2.1")
    assert reply.wire is not None
    answer = dns.message.from_wire(reply.wire)
    assert question.is_response(answer)
    assert not answer.flags & dns.flags.RA
    return answer


def shape(answer: dns.message.Message) -> tuple[str, bool, list[str], list[str]]:
    """Return rcode, AA, answer records and types in the authority section."""
    records = [f"{rrset.name} {rd.to_text()}" for rrset in answer.answer for rd in rrset]
    types = [rrset.to_text().split()[3] for rrset in answer.authority]
    return dns.rcode.to_text(answer.rcode()), bool(answer.flags & dns.flags.AA), records, types


@pytest.mark.parametrize(
    ("name", "rdtype", "expected"),
    [
        ("host.example.net", "A", ("NOERROR", True, ["203.0.113.1", "203.0.113.2"], [])),
        ("host.example.net", "MX", ("NOERROR", True, [], ["SOA"])),
        ("nothing.example.net", "A", ("NXDOMAIN", True, [], ["SOA"])),
        ("b.c.example.net", "A", ("NOERROR", True, [], ["SOA"])),
        ("other.b.c.example.net", "A", ("NXDOMAIN", True, [], ["SOA"])),
        ("example.net", "NS", ("NOERROR", True, ["ns.example.net."], [])),
        ("other.example", "NS", ("NOERROR", True, ["ns.other.example."], [])),
        ("any.wild.example.net", "TXT", ("NOERROR", True, ['"covered"'], [])),
        ("an.y.wild.example.net", "TXT", ("NXDOMAIN", True, [], ["SOA"])),
        ("y.wild.example.net", "TXT", ("NOERROR", True, [], ["SOA"])),
        ("any.wild.example.net", "A", ("NOERROR", True, [], ["SOA"])),
        ("q.alias.example.net", "A", ("NOERROR", True, ["host.example.net.", "203.0.113.1", "203.0.113.2"], [])),
        ("www.example.net", "CNAME", ("NOERROR", True, ["host.example.net."], [])),
        ("www.example.net", "TXT", ("NOERROR", True, ["host.example.net."], ["SOA"])),
        ("out.example.net", "AAAA", ("NOERROR", True, ["mx.other.example.", "2001:db8::1"], [])),
        ("dead.example.net", "A", ("NXDOMAIN", True, ["nothing.other.example."], ["SOA"])),
        ("away.example.net", "A", ("NOERROR", True, ["www.elsewhere.invalid."], [])),
        ("loop.example.net", "A", ("SERVFAIL", False, [], [])),
        ("below.sub.example.net", "TXT", ("NOERROR", False, [], ["NS"])),
        ("sub.example.net", "NS", ("NOERROR", False, [], ["NS"])),
        ("sub.example.net", "DS", ("NOERROR", True, [], ["SOA"])),
        ("example.org", "A", ("REFUSED", False, [], [])),
        ("example.net", "AXFR", ("REFUSED", False, [], [])),
        ("host.example.net", "ANY", ("NOERROR", True, ["203.0.113.1", "203.0.113.2"], [])),
        ("b.c.example.net", "ANY", ("NOERROR", True, [], ["SOA"])),
    ],
)
def test_answers(
    authority: Authority, name: str, rdtype: str, expected: tuple[str, bool, list[str], list[str]]
) -> None:
    rcode, aa, records, authorities = shape(ask(authority, name, rdtype))
    assert (rcode, aa, [record.split(" ", 1)[1] for record in records], authorities) == expected


def test_negative_answers_carry_the_soa_with_the_negative_ttl(authority: Authority) -> None:
    soa = ask(authority, "nothing.example.net").authority[0]
    assert soa.name.to_text() == "example.net."
    assert soa.ttl == 30


def test_records_of_a_wildcard_bear_the_name_asked_for(authority: Authority) -> None:
    assert shape(ask(authority, "q.wild.example.net", "TXT"))[2] == ['q.wild.example.net. "covered"']


def test_a_referral_carries_the_glue_there_is(authority: Authority) -> None:
    glue = [rrset.to_text() for rrset in ask(authority, "sub.example.net").additional]
    assert glue == ["ns.sub.example.net. 60 IN A 203.0.113.54"]


def test_letter_case_of_the_question_is_kept_and_ignored(authority: Authority) -> None:
    answer = ask(authority, "mIxEd.eXaMpLe.NeT", "TXT")
    assert answer.question[0].name.to_text() == "mIxEd.eXaMpLe.NeT."
    assert shape(answer)[2] == ['mIxEd.eXaMpLe.NeT. "text"']


@pytest.mark.parametrize(
    ("name", "transport", "payload", "whole"),
    [
        ("mid.example.net", "udp", 1232, True),
        ("mid.example.net", "udp", 512, False),
        ("mid.example.net", "udp", 0, False),
        ("mid.example.net", "udp", 100, False),
        ("big.example.net", "udp", 4096, False),
        ("big.example.net", "tcp", 512, True),
    ],
)
def test_what_does_not_fit_is_truncated(
    authority: Authority, name: str, transport: Transport, payload: int, whole: bool
) -> None:
    answer = ask(authority, name, "TXT", transport, payload)
    assert bool(answer.flags & dns.flags.TC) is not whole
    assert bool(answer.answer) is whole
    assert (answer.edns >= 0) is bool(payload)


def test_names_above_an_inner_zone_exist_in_the_outer_one() -> None:
    authority = Authority()
    authority.load("a.b.example", "@ A 203.0.113.1\n")
    authority.load(".", "org TXT x\n")
    authority.load("c.d.example", "@ A 203.0.113.1\n")
    assert {shape(ask(authority, name))[0] for name in ("example", "b.example", "d.example", "org")} == {"NOERROR"}
    assert shape(ask(authority, "e.example"))[0] == "NXDOMAIN"


def test_a_zone_loaded_again_replaces_the_old_one(authority: Authority) -> None:
    own = Authority()
    own.load("example.net", "host A 203.0.113.1\n")
    assert shape(ask(own, "host.example.net"))[2] == ["host.example.net. 203.0.113.1"]
    own.load("example.net", "host A 203.0.113.2\n")
    assert shape(ask(own, "host.example.net"))[2] == ["host.example.net. 203.0.113.2"]


def test_unusual_messages_get_their_codes(authority: Authority) -> None:
    question = dns.message.make_query("host.example.net", "A", use_edns=0)
    newer = dns.message.make_query("host.example.net", "A", use_edns=1)
    notify = bytearray(question.to_wire())
    notify[2] |= 4 << 3
    for wire, rcode in ((newer.to_wire(), 16), (bytes(notify), 4), (b"\xab\xcd" + bytes(10), 1)):
        reply = authority.answer(wire, "udp", "192.0.2.1")
        assert reply.wire is not None
        assert reply.wire[:2] == wire[:2]
        assert dns.message.from_wire(reply.wire).rcode() == rcode
    assert authority.answer(b"short", "udp", "192.0.2.1").wire is None
    answer = dns.message.make_response(question).to_wire()
    assert authority.answer(answer, "udp", "192.0.2.1").wire is None


@given(st.binary(max_size=80), st.booleans())
def test_any_octets_are_answered_or_dropped(noise: bytes, after_header: bool) -> None:
    authority = Authority()
    authority.load("example.net", ZONE)
    header = bytes.fromhex("123401000001000000000001") if after_header else b""
    wire = authority.answer(header + noise, "udp", "192.0.2.1").wire
    assert wire is None or (len(wire) >= 12 and wire[2] & 0x80)


@pytest.fixture
def faulty() -> Authority:
    made = Authority()
    made.load(
        "example.net",
        "a A 203.0.113.1\na TXT t\nx.dead A 203.0.113.1\nalias CNAME x.dead\n"
        ";fault a TXT servfail\n;fault dead refused subtree\n",
    )
    made.load("other.example", OTHER)
    return made


def test_faults_hold_for_their_type_name_or_subtree(faulty: Authority) -> None:
    seen = {
        name + " " + rdtype: shape(ask(faulty, f"{name}.example.net", rdtype))[0]
        for name, rdtype in (("a", "A"), ("a", "TXT"), ("dead", "A"), ("x.dead", "MX"), ("alias", "A"))
    }
    assert seen == {
        "a A": "NOERROR",
        "a TXT": "SERVFAIL",
        "dead A": "REFUSED",
        "x.dead MX": "REFUSED",
        "alias A": "REFUSED",
    }


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("servfail", ("SERVFAIL", False, [], [])),
        ("formerr", ("FORMERR", False, [], [])),
        ("nxdomain", ("NXDOMAIN", True, [], ["SOA"])),
        ("truncate", ("NOERROR", True, [], [])),
    ],
)
def test_faults_that_are_answers(
    faulty: Authority, kind: str, expected: tuple[str, bool, list[str], list[str]]
) -> None:
    assert shape(ask(faulty, "mx.other.example", "AAAA"))[2]
    faulty.fault("mx.other.example", kind)
    answer = ask(faulty, "mx.other.example", "AAAA")
    assert shape(answer) == expected
    assert bool(answer.flags & dns.flags.TC) is (kind == "truncate")
    over_tcp = ask(faulty, "mx.other.example", "AAAA", "tcp")
    assert bool(over_tcp.answer) is (kind == "truncate")


@pytest.mark.parametrize(
    "line",
    ["a", "a burn", "a delay", "a delay:x", "a delay:nan", "a delay:61", "a drop:1", "a NOTYPE drop", "a..b drop"],
)
def test_wrong_faults_are_errors_with_their_place(line: str) -> None:
    with pytest.raises(ZoneError, match=r"^zone example\.net:2: "):
        Authority().load("example.net", f"a A 203.0.113.1\n;fault {line}\n")


def test_files_are_named_by_their_origin(tmp_path: Path) -> None:
    (tmp_path / "root.zone").write_text("org TXT x\n")
    (tmp_path / "example.net.zone").write_text("a A 203.0.113.1\n")
    authority = Authority()
    for path in tmp_path.iterdir():
        authority.load_file(path)
    assert shape(ask(authority, "a.example.net"))[2] == ["a.example.net. 203.0.113.1"]
    assert shape(ask(authority, "nothing"))[0] == "NXDOMAIN"
    with pytest.raises(ZoneError):
        authority.load_file(tmp_path / "missing.zone")


async def exchange(
    authority: Authority, host: str, name: str, *, tcp: bool = False, **options: object
) -> dns.message.Message:
    """Ask a served authority one question."""
    running = await serve(authority.answer, host)
    try:
        question = dns.message.make_query(name, "A")
        query = dns.asyncquery.tcp if tcp else dns.asyncquery.udp
        return await query(question, host, timeout=0.5, port=running.port, **options)  # type: ignore[arg-type]
    finally:
        running.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("tcp", [False, True])
def test_one_port_serves_udp_and_tcp(authority: Authority, host: str, tcp: bool) -> None:
    authority.log.clear()
    answer = asyncio.run(exchange(authority, host, "host.example.net", tcp=tcp))
    assert len(answer.answer[0]) == 2
    (query,) = authority.log
    assert (query.transport, query.client, query.name) == ("tcp" if tcp else "udp", host, "host.example.net.")
    assert query.at > 0


@pytest.mark.parametrize("tcp", [False, True])
def test_faults_on_the_wire(faulty: Authority, tcp: bool) -> None:
    faulty.fault("drop.other.example", "drop")
    with pytest.raises(dns.exception.Timeout):
        asyncio.run(exchange(faulty, "127.0.0.1", "drop.other.example", tcp=tcp))
    assert faulty.log[-1].rcode == "DROP"

    faulty.fault("late.other.example", "delay:0.1")
    answer = asyncio.run(exchange(faulty, "127.0.0.1", "late.other.example", tcp=tcp))
    assert answer.answer
    assert answer.time >= 0.1


def test_the_wrong_id_comes_first_and_then_the_right_one(faulty: Authority) -> None:
    faulty.fault("late.other.example", "badid")
    with pytest.raises(dns.query.BadResponse):
        asyncio.run(exchange(faulty, "127.0.0.1", "late.other.example"))
    assert asyncio.run(exchange(faulty, "127.0.0.1", "late.other.example", ignore_errors=True)).answer


def test_a_tcp_session_holds_several_questions(authority: Authority) -> None:
    async def two() -> list[int]:
        running = await serve(authority.answer, "127.0.0.1")
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        rcodes = []
        for name in ("host.example.net", "nothing.example.net"):
            wire = dns.message.make_query(name, "A").to_wire()
            writer.write(len(wire).to_bytes(2, "big") + wire)
            length = int.from_bytes(await reader.readexactly(2), "big")
            rcodes.append(int(dns.message.from_wire(await reader.readexactly(length)).rcode()))
        writer.close()
        running.close()
        return rcodes

    assert asyncio.run(two()) == [dns.rcode.NOERROR, dns.rcode.NXDOMAIN]


def test_the_command_serves_files_and_refuses_broken_ones(tmp_path: Path) -> None:
    good, bad = tmp_path / "example.net.zone", tmp_path / "example.org.zone"
    good.write_text("host A 203.0.113.1\n")
    bad.write_text("host A nonsense\n")
    command = [sys.executable, "-m", "conformance.lab.nameserver", "--listen", "127.0.0.1:0"]
    with subprocess.Popen([*command, str(good)], stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr
            said = process.stderr.readline()
            assert said.startswith("listening on 127.0.0.1 port ")
            question = dns.message.make_query("host.example.net", "A")
            assert dns.query.udp(question, "127.0.0.1", port=int(said.split()[-1]), timeout=3).answer
        finally:
            process.terminate()
    done = subprocess.run([*command, str(good), str(bad)], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert "example.org.zone:" in done.stderr


def test_a_zone_elsewhere_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async def elsewhere(wire: bytes, server: str, _authentic: bool) -> bytes | None:
        asked.append(server)
        other = Authority()
        other.load("conform.example.net.", "@ MX 0 mx\n")
        return other.answer(wire, "tcp", "127.0.0.1").wire

    async def ask() -> dns.message.Message:
        authority = Authority()
        authority.load("example.net.", "@ MX 0 .\n")
        authority.stubs.add("conform.example.net", "127.0.0.9")
        running = await serve(authority.answer, "127.0.0.1")
        try:
            question = dns.message.make_query("conform.example.net.", "MX")
            over_tcp = await dns.asyncquery.tcp(question, "127.0.0.1", 5, port=running.port)
            over_udp = await dns.asyncquery.udp(question, "127.0.0.1", 5, port=running.port)
            assert over_tcp.answer == over_udp.answer
            return over_udp
        finally:
            running.close()

    asked: list[str] = []
    monkeypatch.setattr("conformance.lab.nameserver.passed_on", elsewhere)
    assert [record.to_text() for record in asyncio.run(ask()).answer[0]] == ["0 mx.conform.example.net."]
    assert asked == ["127.0.0.9"] * 2
