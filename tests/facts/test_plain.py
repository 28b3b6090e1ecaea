"""The reader of plain replies says what dnspython says, of whatever octets, or leaves them to it."""

from __future__ import annotations

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rrset
import msgspec
import pytest
from dns.rdatatype import RdataType
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.facts.answer import Status
from conformance.facts.plain import read_plain
from conformance.facts.reply import Origin, full_step, now, plain_step
from conformance.facts.wire import Question, encode_query, make_query, parse_name, question_in

ORIGIN = Origin("192.0.2.1:53", "udp", 1.0, "example.org")
NUMBER = 0x4D43
TYPES = ("A", "AAAA", "MX", "NS", "PTR", "TXT", "CNAME", "SOA")
SOA = "ns.example.org. hostmaster.example.org. 1 7200 3600 86400 300"

labels = st.text("abcXYZ019-_", min_size=1, max_size=12) | st.sampled_from(["*", "a\\.b", "\\000", "x" * 63])
names = st.lists(labels, min_size=1, max_size=5).map(".".join).filter(lambda name: len(name) < 200)
rdatas = {
    "A": st.ip_addresses(v=4).map(str),
    "AAAA": (st.ip_addresses(v=6) | st.sampled_from(["::", "::1", "::ffff:192.0.2.1", "1:0:0:2::3"])).map(str),
    "MX": st.tuples(st.integers(0, 65535), names | st.just("")).map(lambda mx: f"{mx[0]} {mx[1]}."),
    "NS": names.map("{}.".format),
    "PTR": names.map("{}.".format),
    "CNAME": names.map("{}.".format),
    "TXT": st.lists(st.text("aZ=; ", max_size=40), min_size=1, max_size=4).map(
        lambda strings: " ".join(f'"{string}"' for string in strings)
    ),
    "SOA": st.just(SOA),
}
ttls = st.integers(0, (1 << 31) - 1)


@st.composite
def replies(draw: st.DrawFn) -> tuple[Question, dns.message.Message]:
    """Return a question and something like a reply to it."""
    rdtype = draw(st.sampled_from(TYPES))
    asked = draw(names)
    question = Question.read(asked.lower(), RdataType[rdtype])
    query = make_query(question, edns=True, number=NUMBER)
    reply = dns.message.make_response(query)
    reply.flags |= draw(st.sampled_from([0, dns.flags.AA, dns.flags.AD, dns.flags.RA, dns.flags.TC]))
    reply.set_rcode(draw(st.sampled_from([0, 0, 0, 3, 2, 5, 16])))
    kinds = draw(st.lists(st.just(rdtype) | st.sampled_from(TYPES), max_size=3, unique=True))
    for kind in kinds:
        owner = draw(st.just(asked) | names)
        lines = draw(st.lists(rdatas[kind], min_size=1, max_size=4))
        reply.answer.append(dns.rrset.from_text(f"{owner}.", draw(ttls), "IN", kind, *lines))
    above = asked.split(".", draw(st.integers(0, 3)))[-1]
    for kind in draw(st.lists(st.sampled_from(["SOA", "NS"]), max_size=2, unique=True)):
        owner = draw(st.just(above) | names)
        reply.authority.append(dns.rrset.from_text(f"{owner}.", draw(ttls), "IN", kind, draw(rdatas[kind])))
    for kind in draw(st.lists(st.sampled_from(["A", "A", "AAAA", "TXT"]), max_size=2)):
        owner = draw(st.just(asked) | names)
        reply.additional.append(dns.rrset.from_text(f"{owner}.", draw(ttls), "IN", kind, draw(rdatas[kind])))
    if draw(st.integers(0, 4)) == 0:
        reply.use_edns(False)
    # What writes it shuffles records, which a strategy may not.
    return question, reply


def agree(question: Question, data: bytes) -> bool:
    """Return whether a reply is plain; when it is, both readers must say the same."""
    plain = read_plain(data, question_in(encode_query(question, NUMBER)))
    if plain is None:
        return False
    step = plain_step(plain, question, ORIGIN.server, ORIGIN.ms, now())
    assert step.like(full_step(data, question, NUMBER, ORIGIN))
    return True


@settings(max_examples=400, deadline=None)
@given(replies())
def test_replies_are_read_alike(reply: tuple[Question, dns.message.Message]) -> None:
    agree(reply[0], reply[1].to_wire())


@settings(max_examples=800, deadline=None)
@given(replies(), st.data())
def test_replies_with_other_octets_are_read_alike(
    reply: tuple[Question, dns.message.Message], data: st.DataObject
) -> None:
    question, octets = reply[0], bytearray(reply[1].to_wire())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(2, len(octets) - 1))
        octets[place] = data.draw(st.integers(0, 255) | st.sampled_from([0, 12, 63, 64, 191, 192, 255]))
    cut = data.draw(st.just(len(octets)) | st.integers(12, len(octets)))
    agree(question, bytes(octets[:cut]) + data.draw(st.sampled_from([b"", b"", b"\0", b"\xc0\x0c"])))


@pytest.mark.parametrize(
    ("rdtype", "rdata"),
    [
        ("A", ["192.0.2.1", "192.0.2.2"]),
        ("AAAA", ["2001:db8::1"]),
        ("MX", ["10 mx1.example.org.", "20 MX2.example.net."]),
        ("NS", ["ns.example.org."]),
        ("PTR", ["mx.host.example.org."]),
        ("TXT", ['"v=spf1 " "-all"', '"\\000\\255"']),
        ("TXT", []),
    ],
)
def test_what_servers_mostly_say_is_plain(rdtype: str, rdata: list[str]) -> None:
    question = Question.read("host.example.org", RdataType[rdtype])
    query = make_query(question, edns=True, number=NUMBER)
    reply = dns.message.make_response(query)
    if rdata:
        reply.answer.append(dns.rrset.from_text("host.example.org.", 300, "IN", rdtype, *rdata))
    else:
        reply.set_rcode(dns.rcode.NXDOMAIN)
        reply.authority.append(dns.rrset.from_text("example.org.", 900, "IN", "SOA", SOA))
    if rdtype == "MX":
        reply.additional.append(dns.rrset.from_text("mx1.example.org.", 300, "IN", "A", "192.0.2.1"))
    assert agree(question, reply.to_wire())


def test_a_truncated_or_foreign_reply_is_not_plain() -> None:
    question = Question.read("host.example.org", RdataType.A)
    query = make_query(question, edns=True, number=NUMBER)
    for other in ("host.example.net", "xost.example.org"):
        foreign = dns.message.make_response(dns.message.make_query(other, "A", id=NUMBER))
        assert not agree(question, foreign.to_wire())
    reply = dns.message.make_response(query)
    assert agree(question, reply.to_wire())
    reply.flags |= dns.flags.TC
    assert not agree(question, reply.to_wire())


@settings(max_examples=300, deadline=None)
@given(names, st.sampled_from(TYPES))
def test_queries_are_those_of_dnspython(name: str, rdtype: str) -> None:
    question = Question.read(name.lower(), RdataType[rdtype])
    assert encode_query(question, NUMBER) == make_query(question, edns=True, number=NUMBER).to_wire()
    assert question == Question.of(parse_name(name), RdataType[rdtype])
    assert question.name == parse_name(name)


def test_steps_that_differ_are_not_alike() -> None:
    question = Question.read("host.example.org", RdataType.A)
    query = make_query(question, edns=True, number=NUMBER)
    data = dns.message.make_response(query).to_wire()
    plain = read_plain(data, question_in(encode_query(question, NUMBER)))
    assert plain is not None
    step = plain_step(plain, question, ORIGIN.server, ORIGIN.ms, now())
    assert step.answer.status is Status.ABSENT
    assert not plain_step(
        msgspec.structs.replace(plain, nxdomain=True), question, ORIGIN.server, ORIGIN.ms, now()
    ).like(step)
    assert not step.like(None)
