"""Which names of an address may stand in a remedy."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from conformance.fleet.model import Address


@pytest.mark.parametrize(
    ("helo", "proper"),
    [
        ("mail.example.com", "mail.example.com"),
        ("Mail.Example.com", "Mail.Example.com"),
        ("mail.example.com.", "mail.example.com"),
        ("mail.m\u00fcller.de", "mail.xn--mller-kva.de"),
        ("localhost", "mx1.example.net"),
        ("192.0.2.7", "mx1.example.net"),
        ("mail.office.lan", "mx1.example.net"),
        ("host_name.example.com", "mx1.example.net"),
        ("7-2-0-192.dsl.example.com", "mx1.example.net"),
    ],
)
def test_a_remedy_never_repeats_a_name_that_is_the_fault(helo: str, proper: str) -> None:
    assert Address("mx1.example.net", ip_address("192.0.2.7"), helo).proper_name == proper


def test_without_a_fit_name_a_blank_stays() -> None:
    assert Address("mx1", ip_address("192.0.2.7"), "localhost").proper_name == "<host>.<your domain>"
