"""Garbled records read as they were meant."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.reading import mending, spf, tlsrpt
from conformance.reading.dkim import parse_key

KEY = "QNpk0tFaBC2N4XKN6W6I3ailGxaWX3VuY38MVHk6Zps="


@pytest.mark.parametrize(
    ("garbled", "meant", "lost"),
    [
        ("v=spf1 ipv4:192.0.2.1 -all", "v=spf1 ip4:192.0.2.1 -all", ()),
        ("v=spf1 ip4=192.0.2.1 ip6=2001:db8::1 ~all", "v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 ~all", ()),
        ("v=spf1 ip4:2001:db8::1 ~all", "v=spf1 ip6:2001:db8::1 ~all", ()),
        ("v=spf1, 192.0.2.1, include=a.example, -all", "v=spf1 ip4:192.0.2.1 include:a.example -all", ()),
        ("v=spf1 redirect:a.example", "v=spf1 redirect=a.example", ()),
        ("v=spf1 redirect=a.example redirect=b.example", "v=spf1 redirect=a.example", ("redirect=b.example",)),
        ("v=spf1 ip4:192.0.2.256 mx -all", "v=spf1 mx -all", ("ip4:192.0.2.256",)),
        ('"v=spf1 mx -all"', "v=spf1 mx -all", ()),
        ("spf1 mx -all", "v=spf1 mx -all", ()),
        ("v=spf1; mx; -all;", "v=spf1 mx -all", ()),
        ("v=spf1 a mx -all", "v=spf1 a mx -all", ()),
    ],
)
def test_spf(garbled: str, meant: str, lost: tuple[str, ...]) -> None:
    assert mending.spf_mended(garbled) == (meant, lost)


@given(
    st.text(max_size=120)
    | st.lists(st.sampled_from(["v=spf1", "ip4:", "all", "redirect=", "%{", "mx/33"])).map(" ".join)
)
def test_any_spf_is_mended_into_spf(text: str) -> None:
    mended, _ = mending.spf_mended(text)
    assert not spf.parse_all(mended)[1]


@pytest.mark.parametrize(
    ("record", "others", "wanted"),
    [
        ("v=spf1 a:x.example mx -all", {7: ()}, "v=spf1 mx -all"),
        ("v=spf1 a:x.example mx -all", {7: ("ip4:192.0.2.1", "MX")}, "v=spf1 ip4:192.0.2.1 mx -all"),
        ("v=spf1 mx redirect=x.example", {10: ()}, "v=spf1 mx ~all"),
        ("v=spf1 mx", {7: ("a",)}, "v=spf1 a"),
    ],
)
def test_terms_of_spf_are_replaced(record: str, others: dict[int, tuple[str, ...]], wanted: str) -> None:
    assert mending.spf_replaced(record, others) == wanted


@pytest.mark.parametrize(
    ("garbled", "meant"),
    [
        (f"v=DKIM1\\; k=ed25519\\; p={KEY}", f"v=DKIM1; k=ed25519; p={KEY}"),
        (f'"v=DKIM1; k=ed25519; p={KEY}"', f"v=DKIM1; k=ed25519; p={KEY}"),
        ("v=DKIM1; k=ed25519; p=AAAA", ""),
        ("v=DKIM1; p=", ""),
        (f"v=DKIM1; k=unheard; p={KEY}", ""),
    ],
)
def test_keys(garbled: str, meant: str) -> None:
    assert mending.key_mended(garbled) == meant


@given(st.text(max_size=200))
def test_no_text_becomes_a_key_that_is_none(text: str) -> None:
    if mended := mending.key_mended(text):
        assert parse_key(mended).public


def test_tags_of_keys() -> None:
    key = f"v=DKIM1; k=ed25519; h=sha1; t=y:s; s=tlsrpt; p={KEY}"
    assert mending.key_with(key, mending.without_tag("h")) == f"v=DKIM1; k=ed25519; t=y:s; s=tlsrpt; p={KEY}"
    assert mending.key_with(key, mending.without_flag("y")) == f"v=DKIM1; k=ed25519; h=sha1; t=s; s=tlsrpt; p={KEY}"
    assert mending.key_with("v=DKIM1; t=y; p=x", mending.without_flag("y")) == "v=DKIM1; p=x"


@pytest.mark.parametrize(
    ("garbled", "meant"),
    [
        ("v=TLSRPTv1; rua=tls@example.com", "v=TLSRPTv1; rua=mailto:tls@example.com"),
        (
            "v=TLSRPTv1; rua=tls@example.com, https://a.example/t; x=1",
            "v=TLSRPTv1; rua=mailto:tls@example.com,https://a.example/t; x=1",
        ),
        ("v=TLSRPTv1; rua=nobody", ""),
        ("v=TLSRPTv1", ""),
    ],
)
def test_reports_of_tls(garbled: str, meant: str) -> None:
    assert mending.tlsrpt_mended(garbled) == meant


@given(st.text(max_size=200))
def test_what_is_mended_can_be_used(text: str) -> None:
    if mended := mending.tlsrpt_mended(f"v=TLSRPTv1; rua={text}"):
        assert not tlsrpt.parse(mended).problems
