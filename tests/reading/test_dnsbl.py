"""Answers of DNS lists: which are listings, and what is asked."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.reading import dnsbl


@pytest.mark.parametrize("code", ["127.0.0.2", "127.0.0.10", "127.0.1.2", "127.1.0.1", "127.255.254.1"])
def test_listings(code: str) -> None:
    assert dnsbl.error(code) == ""


@pytest.mark.parametrize(
    "code",
    ["127.0.0.1", "127.0.1.255", "127.255.255.252", "127.255.255.254", "127.255.255.7", "128.0.0.2", "203.0.113.1", ""],
)
def test_errors(code: str) -> None:
    assert dnsbl.error(code)


@given(st.text(max_size=40))
def test_any_text_is_judged(text: str) -> None:
    assert isinstance(dnsbl.error(text), str)
    assert isinstance(dnsbl.dynamic_codes(text), tuple)


@pytest.mark.parametrize(
    ("address", "label"),
    [
        ("192.0.2.99", "99.2.0.192"),
        (
            "2001:db8:1:2:3:4:567:89ab",
            "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2",
        ),
    ],
)
def test_names_of_addresses(address: str, label: str) -> None:
    """The examples of RFC 5782 sections 2.1 and 2.4."""
    assert dnsbl.address_label(ip_address(address)) == label


def test_what_is_known_of_lists() -> None:
    assert "127.0.0.10" in dnsbl.dynamic_codes("zen.spamhaus.org")
    assert "127.0.0.10" in dnsbl.dynamic_codes("key.zen.dq.spamhaus.net")
    assert dnsbl.dynamic_codes("notzen.spamhaus.org") == ()
