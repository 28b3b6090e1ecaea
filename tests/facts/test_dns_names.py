"""Names: aliases are followed within bounds, and what is no name in the DNS is absent without being asked."""

from __future__ import annotations

import dns.message
import pytest
from dns_server import SOA, Asked, Handler, address, ask, reply, table
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.facts.answer import Status
from conformance.facts.store import canonical

CHAIN = ("a.example.org. 300 CNAME B.example.net.", "B.example.net. 60 CNAME c.example.net.")


def test_aliases_within_an_answer() -> None:
    answer, server = ask(table(a=(*CHAIN, "c.example.net. 90 A 192.0.2.1")), "a.example.org", "A")
    assert (answer.records, answer.aliases, answer.ttl) == (("192.0.2.1",), ("B.example.net", "c.example.net"), 60)
    assert len(server.log) == 1


def test_aliases_across_answers() -> None:
    answer, server = ask(table(a=CHAIN[:1], b=CHAIN[1:], c=("c.example.net. 9 A 192.0.2.1",)), "a.example.org", "A")
    assert (answer.name, answer.records, answer.ttl) == ("a.example.org", ("192.0.2.1",), 9)
    assert answer.aliases == ("B.example.net", "c.example.net")
    assert server.names == ["a.example.org A", "b.example.net A", "c.example.net A"]


def test_a_question_for_the_alias_itself_is_not_followed() -> None:
    answer, server = ask(table(a=CHAIN), "a.example.org", "CNAME")
    assert (answer.records, answer.aliases, len(server.log)) == (("B.example.net",), (), 1)


def test_an_alias_of_nothing() -> None:
    def handler(asked: Asked) -> dns.message.Message:
        return reply(asked, *CHAIN, rcode="NXDOMAIN")

    answer, _ = ask(handler, "a.example.org", "A")
    assert (answer.status, answer.rcode) == (Status.ABSENT, "NXDOMAIN")
    assert answer.aliases == ("B.example.net", "c.example.net")


def test_an_alias_denied_by_its_own_zone_is_not_asked_again() -> None:
    def handler(asked: Asked) -> dns.message.Message:
        return reply(asked, *CHAIN, authority=(SOA.replace("example.org", "example.net"),))

    answer, server = ask(handler, "a.example.org", "A")
    assert (answer.status, answer.describe(), answer.ttl, len(server.log)) == (
        Status.ABSENT,
        "NODATA at c.example.net, where a CNAME leads",
        60,
        1,
    )


@pytest.mark.parametrize(
    "handler",
    [
        table(a=("a.example.org. 5 CNAME a.example.org.",)),
        table(a=("a.example.org. 5 CNAME b.example.org.", "b.example.org. 5 CNAME A.example.org.")),
        table(a=("a.example.org. 5 CNAME b.example.org.",), b=("b.example.org. 5 CNAME a.example.org.",)),
    ],
)
def test_a_loop_of_aliases(handler: Handler) -> None:
    answer, server = ask(handler, "a.example.org", "A")
    assert answer.status is Status.UNDETERMINED
    assert answer.error.startswith("CNAME loop: a.example.org -> ")
    assert len(server.log) <= 2


@pytest.mark.parametrize("inside", [True, False])
def test_a_chain_of_aliases_is_bounded(inside: bool) -> None:
    def endless(asked: Asked) -> dns.message.Message:
        first = int(asked.name.partition(".")[0])
        return reply(asked, *(f"{n}.example. 5 CNAME {n + 1}.example." for n in range(first, first + 1 + 40 * inside)))

    answer, server = ask(endless, "0.example", "A")
    assert answer.status is Status.UNDETERMINED
    assert answer.error.startswith("chain of more than 8 CNAME records")
    assert len(server.log) <= 9


def test_a_target_that_cannot_be_asked_leaves_the_question_open() -> None:
    def handler(asked: Asked) -> dns.message.Message:
        return reply(asked, *CHAIN[:1]) if asked.name[0] == "a" else reply(asked, rcode="SERVFAIL")

    answer, server = ask(handler, "a.example.org", "A")
    assert (answer.status, answer.rcode, answer.aliases) == (Status.UNDETERMINED, "SERVFAIL", ("B.example.net",))
    assert answer.error == f"at its alias b.example.net: SERVFAIL from {server}"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("a..example.org", "an empty label"),
        ("example.org..", "an empty label"),
        (".example.org", "an empty label"),
        ("a" * 64 + ".org", "a label longer than 63 octets"),
        (".".join(["abcdefg"] * 32) + ".x", "longer than 255 octets"),
        ("x" * 100_000, "longer than 255 octets"),
        ("a\\", "a malformed escape"),
        ("a\\300.org", "a malformed escape"),
        ("\u20ac.org", "it holds characters that are not octets"),
    ],
)
def test_what_is_no_name_is_absent(name: str, why: str) -> None:
    answer, server = ask(address, name, "A")
    assert (answer.status, answer.rcode, server.log) == (Status.ABSENT, "NOTANAME", [])
    assert answer.error == f"not a domain name: {why}"
    assert answer.describe() == "NOTANAME"


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("a\xe9b.org", (b"a\xe9b", b"org")),
        (r"a\233\.b.org", (b"a\xe9.b", b"org")),
        ("a b\0\x1b.org", (b"a b\0\x1b", b"org")),
        ("@", (b"@",)),
        ("-.*._x.org.", (b"-", b"*", b"_x", b"org")),
    ],
)
def test_any_octets_may_be_a_name(name: str, labels: tuple[bytes, ...]) -> None:
    answer, server = ask(address, name, "A")
    assert answer.name == canonical(name)
    assert answer.found
    assert server.log[0].query.question[0].name.labels == (*labels, b"")


@given(st.text(max_size=300))
@settings(max_examples=60, deadline=None)
def test_no_text_raises(text: str) -> None:
    answer, _ = ask(address, text, "A")
    assert answer.name == canonical(canonical(text)) == canonical(text)
    assert answer.status in (Status.FOUND, Status.ABSENT)
