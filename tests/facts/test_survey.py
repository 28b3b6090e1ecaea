"""What is made of the words of single name servers."""

from __future__ import annotations

import errno
import os

import pytest

from conformance.facts.answer import Answer, Status
from conformance.facts.reverse import Forward
from conformance.facts.survey import ServerWord, Survey
from conformance.facts.zone import ZonePlace
from conformance.outcome import Undetermined

SERIAL = "ns.example. hostmaster.example. {} 3600 600 86400 60"


def answer(status: Status = Status.FOUND, *, serial: int = 1, aa: bool = True, **more: str) -> Answer:
    records = (SERIAL.format(serial),) if status is Status.FOUND else ()
    filled = {"rcode": "NOERROR", "transport": "udp"} | more
    return Answer("example", "SOA @192.0.2.1", status, records=records, authoritative=aa, **filled)  # type: ignore[arg-type]


def silence(error: str = "no answer", rcode: str = "TIMEOUT") -> Answer:
    return answer(Status.UNDETERMINED, rcode=rcode, transport="", error=error, cause=error)


def survey(*words: ServerWord) -> Survey:
    absent = Answer("ns", "A", Status.ABSENT, "NOERROR")
    servers = tuple(Forward(name, absent, absent) for name in dict.fromkeys(word.name for word in words))
    names = Answer("example", "NS", Status.FOUND, "NOERROR", tuple(server.name for server in servers))
    return Survey(ZonePlace("example", answer(), "example", names, servers), words)


def test_lame_servers_are_found_whatever_the_others_say() -> None:
    refused = answer(Status.UNDETERMINED, rcode="REFUSED", error="REFUSED from 192.0.2.2:53")
    words = (
        ServerWord("a", "192.0.2.1", silence()),
        ServerWord("b", "192.0.2.2", refused),
        ServerWord("c", "192.0.2.3", answer(aa=False)),
    )
    assert survey(*words).lame == [
        "b (192.0.2.2): REFUSED from 192.0.2.2:53",
        "c (192.0.2.3) answers without authority (AA)",
    ]


def test_silence_is_no_lameness() -> None:
    words = ServerWord("a", "192.0.2.1", answer()), ServerWord("b", "192.0.2.2", silence())
    with pytest.raises(Undetermined):
        assert survey(*words).lame
    with pytest.raises(Undetermined):
        assert survey(*words).serials


def test_serials_that_differ_are_told_in_spite_of_silence() -> None:
    words = (
        ServerWord("a", "192.0.2.1", answer(serial=1)),
        ServerWord("b", "192.0.2.2", answer(serial=2)),
        ServerWord("c", "192.0.2.3", silence()),
    )
    assert survey(*words).serials == "serial 1 at a (192.0.2.1); serial 2 at b (192.0.2.2)"


@pytest.mark.parametrize(
    "code",
    [errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT],
    ids=["no route", "IPv6 switched off", "built without IPv6"],
)
def test_an_address_without_a_way_to_it_says_nothing_of_a_server_that_answered(code: int) -> None:
    away = silence(f"no answer from [2001:db8::1]:53: {os.strerror(code).lower()}", "UNREACHABLE")
    six = ServerWord("a", "2001:db8::1", away)
    assert survey(ServerWord("a", "192.0.2.1", answer()), six).lame == []
    with pytest.raises(Undetermined):
        assert survey(six).lame


@pytest.mark.parametrize(
    ("tcp", "said"),
    [
        (answer(transport="tcp"), []),
        (
            silence("no answer over TCP from 192.0.2.1:53: connection refused", "UNREACHABLE"),
            ["a (192.0.2.1) refuses TCP"],
        ),
        (silence("no answer over TCP from 192.0.2.1:53"), None),
    ],
)
def test_tcp(tcp: Answer, said: list[str] | None) -> None:
    well = ServerWord("b", "192.0.2.2", answer(), answer(transport="tcp"))
    one = survey(ServerWord("a", "192.0.2.1", answer(), tcp), well)
    if said is None:
        with pytest.raises(Undetermined):
            assert one.deaf
    else:
        assert one.deaf == said


def test_what_seems_wrong_with_all_servers_may_lie_on_the_way() -> None:
    refusing = silence("no answer over TCP: connection refused", "UNREACHABLE")
    one = survey(
        ServerWord("a", "192.0.2.1", answer(aa=False), refusing),
        ServerWord("b", "192.0.2.2", answer(aa=False), refusing),
    )
    with pytest.raises(Undetermined, match="intercepted"):
        assert one.lame
    with pytest.raises(Undetermined, match="filtered"):
        assert one.deaf


def test_servers_that_are_not_known() -> None:
    with pytest.raises(Undetermined):
        assert Survey(ZonePlace("example", silence(), "", None, ()), ()).lame
