"""Repaired records are records, and names of certificates stand for one label at most."""

from __future__ import annotations

import ipaddress
import time

import dns.rdata
import dns.rdataclass
import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.reading import dmarc, ranges, remedy, spf
from conformance.reading.excerpt import listed, quoted
from conformance.reading.servername import covered

terms = st.lists(st.sampled_from(["a", "mx", "ip4:192.0.2.1", "-all", "~all", "all", "redirect=a.example", "x=y"]))


@given(terms)
def test_spf_stays_spf(words: list[str]) -> None:
    text = " ".join(["v=spf1", *words])
    added = spf.parse_all(remedy.spf_with(text, "ip4:203.0.113.1"))[0]
    assert "ip4:203.0.113.1" not in [term.text for term in added.unreachable]
    assert spf.parse(remedy.spf_ending(text, "~all")).all == "~"
    assert not spf.parse(remedy.spf_reordered(text)).unreachable
    assert remedy.spf_reordered(remedy.spf_reordered(text)) == remedy.spf_reordered(text)


@given(st.lists(st.text(max_size=300), max_size=5))
def test_no_text_is_too_odd(texts: list[str]) -> None:
    assert spf.is_spf(remedy.spf_merged(texts))
    assert all(spf.is_spf(remedy.spf_with(text, "a")) and spf.is_spf(remedy.spf_reordered(text)) for text in texts)
    assert all(dmarc.is_dmarc(remedy.dmarc_with(text, p="none", sp=None)) for text in texts)
    remedy.spf_respaced(texts)
    assert remedy.publish("example.com", "".join(texts)).startswith("Publish: example.com. IN TXT ")


@given(st.text(), st.text())
def test_no_name_is_too_odd(pattern: str, name: str) -> None:
    assert covered([pattern], [name]) in ((), (name,))
    assert ascii(quoted(pattern)).isascii()


def test_two_records_become_one() -> None:
    merged = remedy.spf_merged(["v=spf1 a MX -all", "v=spf1 mx redirect=b.example", "v=spf1 a ~all"])
    assert merged == "v=spf1 a mx include:b.example ~all"
    assert remedy.spf_merged(["v=spf1 a -all", "v=spf1 b -all"]) == "v=spf1 a b -all"
    assert remedy.spf_merged(["v=spf1 a ~all include:gone.example", "v=spf1 mx"]) == "v=spf1 a mx ~all"
    assert not spf.parse_all(remedy.spf_merged(["v=spf1 a exp=a.example -all", "v=spf1 mx exp=b.example -all"]))[1]


def test_what_is_garbled_stays_for_its_owner_to_repair() -> None:
    text = "v=spf1  a ipv4:192.0.2.1 a  exp=x.example ~all"
    assert remedy.spf_without(text, [text.rindex("a ")]) == "v=spf1 a ipv4:192.0.2.1 exp=x.example ~all"


def test_a_record_that_costs_too_much_is_not_told_without_saying_so() -> None:
    ten = " ".join(f"include:i{n}.example.net" for n in range(10))
    assert remedy.publish_spf("a.example", f"v=spf1 {ten} -all") == remedy.publish("a.example", f"v=spf1 {ten} -all")
    told = remedy.publish_spf("a.example", f"v=spf1 {ten} a -all")
    assert told.startswith(remedy.publish("a.example", f"v=spf1 {ten} a -all"))
    assert "11 of them make receivers ask, 10 are allowed" in told


@pytest.mark.parametrize("text", [f"p=none v{' ' * 60_000}", f"v={' ' * 60_000}x; p=none", f"v=dmarc{'1' * 60_000}x"])
def test_a_long_text_takes_no_longer_than_its_length(text: str) -> None:
    began = time.monotonic()
    remedy.dmarc_with(text)
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    ("strings", "meant"),
    [
        (["v=spf1 a ", "mx -all"], None),
        (["v=spf1 include:spf.exam", "ple.net -all"], None),
        (["v=spf1 ip6:2001:db8:", "a:b::1 -all"], None),
        (["v=spf1 a", "mx -all"], "v=spf1 a mx -all"),
        (["v=spf1 a", "-all"], "v=spf1 a -all"),
        (["v=spf1", "ip4:192.0.2.1 -all"], "v=spf1 ip4:192.0.2.1 -all"),
        (["v=spf1 ip4:192.0.", " 2.1 -all"], "v=spf1 ip4:192.0.2.1 -all"),
        (["v=spf1 nonsense:x ", "-all"], None),
        ([], None),
    ],
)
def test_strings(strings: list[str], meant: str | None) -> None:
    assert remedy.spf_respaced(strings) == meant


def test_long_records_are_split_and_quotes_escaped() -> None:
    assert remedy.publish("a.example", 'x"\\' + "y" * 255).endswith(f'TXT "x\\"\\\\{"y" * 252}" "yyy"')


def test_dmarc_tags_change_in_place() -> None:
    text = "v=DMARC1; rua=mailto:a@example.com; P=none; pct=5; nonsense"
    assert remedy.dmarc_with(text, pct=None) == "v=DMARC1; p=none; rua=mailto:a@example.com"
    assert remedy.dmarc_with(text, p="reject", pct=None).startswith("v=DMARC1; p=reject; rua")


@pytest.mark.parametrize(
    ("pattern", "name", "same"),
    [
        ("mx.example.com", "MX.example.com.", True),
        ("*.example.com", "mx.example.com", True),
        ("*.example.com", "a.mx.example.com", False),
        ("*.example.com", "example.com", False),
        ("m*.example.com", "mx.example.com", False),
        ("mx.*.com", "mx.example.com", False),
        ("*.com", "example.com", False),
        ("*", "localhost", False),
        ("", "", False),
    ],
)
def test_names(pattern: str, name: str, same: bool) -> None:
    assert covered([pattern], [name]) == ((name,) if same else ())


def test_lists() -> None:
    assert covered(["*.example.com"], ["a.example.com", "b.example.net"]) == ("a.example.com",)
    assert listed(map(str, range(7))) == "0, 1, 2, 3, 4 and 2 more"
    assert listed(["a", "b"], joint="; ") == "a; b"
    assert quoted("x\x1b" * 99, 4) == "'x\\x1bx\\x1b'..."


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("10.1.2.3", "private"),
        ("100.64.0.1", "carrier-grade"),
        ("::ffff:192.168.0.1", "private"),
        ("fd00::1", "unique local"),
        ("203.0.113.1", None),
        ("2001:db8::1", None),
        ("172.32.0.1", None),
    ],
)
def test_ranges(address: str, reason: str | None) -> None:
    found = ranges.unreachable(ipaddress.ip_address(address))
    assert found is None if reason is None else reason in (found or "")


@given(st.binary(max_size=1000))
def test_txt_data_reads_back_in_strings_of_255_octets(octets: bytes) -> None:
    written = remedy.txt_data(octets.decode("latin-1"))
    read = dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.TXT, written)
    assert b"".join(read.strings) == octets  # type: ignore[attr-defined]
    assert written.isascii()
    assert written.isprintable()


@given(st.text())
def test_any_text_can_be_wrapped(text: str) -> None:
    assert remedy.txt_data(text).isascii()
