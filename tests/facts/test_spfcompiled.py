"""Records compiled to networks say what pyspf says, of every address."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from ipaddress import ip_address

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.facts import spfjudged
from conformance.facts.answer import Answer, Status
from conformance.facts.spfcheck import SpfResult, check_host
from conformance.facts.spfcompiled import Compiled, Span, compiled
from conformance.facts.spfjudged import SAMPLE, evaluate, judge
from conformance.facts.spfmatrix import row
from conformance.facts.spfnumbered import Numbered
from conformance.facts.spftree import tree
from conformance.facts.store import Recorded, Store
from conformance.fleet.model import Address, Domain
from conformance.fleet.origin import IPAddress
from conformance.outcome import Undetermined

TERMS = st.one_of(
    st.builds("{}ip4:192.0.2.{}/{}".format, st.sampled_from(["", "-", "~"]), st.integers(0, 255), st.integers(24, 32)),
    st.sampled_from(["a", "-a/28", "mx", "~mx/26", "include:i.example", "?include:i.example", "-include:i.example",
                     "all", "ip6:2001:db8::/32", "~all", "a:none.example", "redirect=i.example"]),
)  # fmt: skip


def recorded(text: str, inner: str = "v=spf1 -all") -> Recorded:
    """Return what was gathered of d.example and of what its records lead to."""
    kept = Store()
    kept.add(Answer("d.example", "TXT", Status.FOUND, "NOERROR", ((text,),)))
    kept.add(Answer("i.example", "TXT", Status.FOUND, "NOERROR", ((inner,),)))
    for name in ("d.example", "i.example"):
        kept.add(Answer(name, "MX", Status.FOUND, "NOERROR", ((10, "m.example"),)))
        kept.add(Answer(name, "A", Status.FOUND, "NOERROR", ("192.0.2.77",)))
        kept.add(Answer(name, "AAAA", Status.ABSENT, "NOERROR"))
    kept.add(Answer("m.example", "A", Status.FOUND, "NOERROR", ("192.0.2.90", "192.0.2.200")))
    kept.add(Answer("m.example", "AAAA", Status.FOUND, "NOERROR", ("2001:db8::9",)))
    for rdtype in ("A", "AAAA"):
        kept.add(Answer("none.example", rdtype, Status.ABSENT, "NXDOMAIN"))
    return Recorded(kept)


async def both(ask: Recorded, text: str) -> tuple[str, str] | None:
    """Return what the compiled record and pyspf say of an address; None where networks do not say all."""
    ip = ip_address(text)
    record = (await compiled(ask, await tree(ask, "d.example"))).get(ip.version)
    if record is None:
        return None
    said = await check_host(ask, ip, "x@d.example", "h.example")
    return record.check(ip).result, said.result


@settings(deadline=None)
@given(st.lists(TERMS, max_size=6), st.lists(TERMS, max_size=4), st.integers(0, 255))
def test_compiled_is_what_pyspf_says(outer: list[str], inner: list[str], host: int) -> None:
    ask = recorded(" ".join(["v=spf1", *outer]), " ".join(["v=spf1", *inner]))
    for ip in (f"192.0.2.{host}", f"2001:db8::{host:x}", "198.51.100.1"):
        said = asyncio.run(both(ask, ip))
        assert said is None or said[0] == said[1], (ip, outer, inner)


@pytest.mark.parametrize(
    "text",
    ["v=spf1 ptr -all", "v=spf1 exists:d.example -all", "v=spf1 include:%{d}.example -all", "v=spf1 ip4:1 -all",
     "v=spf1 include:d.example -all", "v=spf1 include:unasked.example -all", "no record"],
)  # fmt: skip
def test_what_networks_do_not_say_is_left_to_pyspf(text: str) -> None:
    assert asyncio.run(both(recorded(text), "192.0.2.1")) is None


def test_a_row_names_the_term_and_counts_who_else_passes() -> None:
    ask = recorded("v=spf1 ip4:192.0.2.0/30 include:i.example -all", "v=spf1 ip4:192.0.2.64/26 -all")
    own = [Address("mx1", ip_address(text), "h.example") for text in ("192.0.2.1", "192.0.2.65", "198.51.100.1")]
    made = asyncio.run(row(ask, Domain("d.example"), Numbered(own)))
    assert [(cell.result, cell.term, cell.path) for cell in made.by_number.values()] == [
        ("pass", "ip4:192.0.2.0/30", ("d.example",)),
        ("pass", "ip4:192.0.2.64/26", ("d.example", "i.example")),
        ("fail", "-all", ("d.example",)),
    ]
    assert [(one.record, one.v4, one.v6) for one in made.others] == [
        ("d.example", 3, 0),
        ("d.example > i.example", 63, 0),
    ]
    assert made.by_networks == (4, 6)


OWN = [
    Address("mx1", ip_address(text), "h.example") for text in ("192.0.2.1", "192.0.2.2", "198.51.100.1", "2001:db8::1")
]


@settings(deadline=None)
@given(st.lists(TERMS, max_size=6), st.lists(TERMS, max_size=4))
def test_rules_see_what_pyspf_says(outer: list[str], inner: list[str]) -> None:
    ask = recorded(" ".join(["v=spf1", *outer]), " ".join(["v=spf1", *inner]))
    found = asyncio.run(judge(ask, Domain("d.example"), OWN))
    assert not found.networks.disputes
    for address, one in zip(OWN, found.results, strict=True):
        said = asyncio.run(evaluate(ask, Domain("d.example"), address))
        names = ("ip", "domain", "helo", "result", "mechanism", "record", "owner")
        assert [getattr(one, name) for name in names] == [getattr(said, name) for name in names]


def test_where_the_two_differ_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    def otherwise(self: Compiled, ip: IPAddress) -> Span:
        return replace(check(self, ip), result="pass")

    check = Compiled.check
    monkeypatch.setattr(Compiled, "check", otherwise)
    ask = recorded("v=spf1 ip4:192.0.2.1 ip6:2001:db8::/32 -all")
    found = asyncio.run(judge(ask, Domain("d.example"), OWN))
    assert set(found.networks.disputes) == {4}
    assert [one.result for one in found.results] == ["temperror", "temperror", "temperror", "pass"]
    with pytest.raises(Undetermined, match=r"for 192\.0\.2\.2: pyspf says fail, .*networks of the record say pass"):
        found.results[0].known()
    made = asyncio.run(row(ask, Domain("d.example"), Numbered(OWN)))
    assert [cell.result for cell in made.by_number.values()] == ["", "", "", "pass"]
    assert made.by_networks == (6,)
    assert not [one for one in made.others if one.v4]


def test_a_silent_include_and_slow_answers_are_left_to_pyspf() -> None:
    ask = recorded("v=spf1 ip4:192.0.2.1 include:i.example -all")
    ask.store.add(msgspec.structs.replace(ask.store.answers["i.example", "TXT"], ms=10_001.0))
    slow = asyncio.run(judge(ask, Domain("d.example"), OWN))
    assert not slow.networks.records
    assert [one.ms > 10_000 for one in slow.results] == [False, True, True, True]
    ask.store.add(Answer("i.example", "TXT", Status.UNDETERMINED, "SERVFAIL", error="SERVFAIL", cause="SERVFAIL"))
    silent = asyncio.run(judge(ask, Domain("d.example"), OWN))
    assert [bool(one.unknown) for one in silent.results] == [False, True, True, True]


def test_the_sample_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    async def counted(ask: Recorded, domain: Domain, address: Address) -> SpfResult:
        asked.append(address.ip)
        return await evaluate(ask, domain, address)

    monkeypatch.setattr(spfjudged, "evaluate", counted)
    text = " ".join(f"ip4:192.0.2.{host}" for host in range(60))
    own = [Address("mx1", ip_address(f"192.0.2.{host}"), "h.example") for host in range(250)]
    asyncio.run(judge(recorded(f"v=spf1 {text} -all"), Domain("d.example"), own))
    assert len(asked) == SAMPLE


@settings(deadline=None)
@given(
    st.lists(TERMS, max_size=6),
    st.lists(TERMS, max_size=4),
    st.lists(st.tuples(st.sampled_from(["mx1", "mx2", "mx3"]), st.sampled_from(OWN)), max_size=12),
)
def test_a_row_says_of_each_address_what_a_look_at_it_says(
    outer: list[str], inner: list[str], drawn: list[tuple[str, Address]]
) -> None:
    ask = recorded(" ".join(["v=spf1", *outer]), " ".join(["v=spf1", *inner]))
    domain = Domain("d.example", hosts=("mx2",))
    own = [replace(address, host=host) for host, address in drawn]
    made = asyncio.run(row(ask, domain, Numbered(own)))
    assert list(made.by_number) == list(range(len(own)))
    found = asyncio.run(judge(ask, domain, own))
    for number, (address, said) in enumerate(zip(own, found.results, strict=True)):
        cell, span = made.by_number[number], found.networks.span(address.ip)
        assert cell.result == ("" if said.unknown else said.result)
        assert span is None or (cell.term, cell.path) == (span.term, span.path)
    firsts = [int(at.split()[0].split("-")[0]) for _, at in made.cells]
    assert firsts == sorted(firsts)
    assert len({cell for cell, _ in made.cells}) == len(made.cells)


class _Counted(Numbered):
    """Says how many numbers were looked at."""

    looked = 0

    def within(self, version: int, first: int, last: int) -> list[int]:
        found = super().within(version, first, last)
        self.looked += len(found)
        return found


def test_a_row_of_a_large_fleet_takes_no_look_at_most_of_it() -> None:
    own = [Address(f"mx{n}", ip_address(0xC6120000 + n), "h.example") for n in range(5_000)]
    every = _Counted(own)
    text = "v=spf1 ip4:198.18.0.7 ip4:198.18.1.0/30 -all"
    made = asyncio.run(row(recorded(text), Domain("d.example", hosts=("mx7",)), every))
    assert every.looked == 5
    assert [(cell.term, at) for cell, at in made.cells] == [
        ("-all", "0-6 8-255 260-4999"),
        ("ip4:198.18.0.7", "7"),
        ("ip4:198.18.1.0/30", "256-259"),
    ]
