"""What terms of one record say together."""

from __future__ import annotations

import time
from ipaddress import ip_address

from hypothesis import given
from hypothesis import strategies as st

from conformance.reading import spf, spfterms

QUALIFIERS = st.sampled_from(["", "+", "-", "~"])
NETWORKS = st.builds("{}ip4:203.0.113.{}/{}".format, QUALIFIERS, st.integers(0, 255), st.integers(22, 32))
TERMS = st.one_of(NETWORKS, st.sampled_from(["a", "-a", "mx", "a:x.example", "all", "a/24", "ip6:2001:db8::1/64"]))


def decided(record: spf.Record, address: str, left_out: frozenset[int]) -> str:
    """Return the qualifier of the first network that holds an address."""
    ip = ip_address(address)
    for term in spfterms.reachable(record):
        if term.position not in left_out and term.network is not None and ip in term.network:
            return term.qualifier
    return ""


@given(st.lists(TERMS, max_size=12), st.integers(0, 255))
def test_without_superfluous_terms_all_is_decided_as_before(terms: list[str], host: int) -> None:
    record = spf.parse(" ".join(["v=spf1", *terms]))
    pairs = spfterms.superfluous(record)
    left_out = frozenset(term.position for term, _ in pairs)
    assert all(by.position not in left_out for _, by in pairs)
    address = f"203.0.113.{host}"
    assert decided(record, address, left_out) == decided(record, address, frozenset())


@given(st.text(max_size=200).map(lambda text: f"v=spf1 {text}"))
def test_any_record_can_be_looked_at(text: str) -> None:
    record, _ = spf.parse_all(text)
    spfterms.superfluous(record)
    spfterms.wide(record, {4: 16, 6: 32})
    spfterms.secluded(record)
    spfterms.with_host_bits(record)
    spfterms.telling(record)
    for error in spf.explanation_errors(text):
        assert 0 <= error.position < len(text)


def seconds(text: str) -> float:
    """Return the processor time that it takes to read a text in all ways."""
    start = time.process_time()
    record, _ = spf.parse_all(text)
    spfterms.superfluous(record)
    spfterms.with_host_bits(record)
    spfterms.telling(record)
    spf.explanation_errors(text)
    return time.process_time() - start


def test_readers_take_time_in_proportion_to_the_text() -> None:
    for piece in (
        "ip4:203.0.113.7/24 ",
        "a:%{d}.example.com ",
        "%{",
        "x" * 50,
        "ip6::: ",
        "%%",
        "a=" * 3,
        "exists:%{i}",
    ):
        short, long = (min(seconds("v=spf1 " + piece * count) for _ in range(3)) for count in (4_000, 16_000))
        assert long < 12 * short + 0.05, piece


def test_the_part_of_a_name_that_macros_leave_alone() -> None:
    parts = {
        "spf.example.com": "spf.example.com",
        "%{i}._spf.example.com": "_spf.example.com",
        "%{i}spf.example.com": "example.com",
        "%{ir}.%{d}": "",
        "%%.example.com": "%%.example.com",
    }
    assert {spec: spf.fixed_part(spec) for spec in parts} == parts
