"""Zones of route origins: what their records say."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.reading import routes


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("23028 | 216.90.108.0/24 | US | arin | 1998-09-25", "216.90.108.0/24 by AS23028"),
        ("64500 64501 | 2001:db8::/32 | ZZ | test |", "2001:db8::/32 by AS64500, AS64501"),
        ("{64500,64501}|192.0.2.0/24", "192.0.2.0/24 by AS64500, AS64501"),
        ("64500 64500|192.0.2.0/24|US|arin|", "192.0.2.0/24 by AS64500"),
        ("4294967295 | 0.0.0.0/0", "0.0.0.0/0 by AS4294967295"),
    ],
)
def test_announcements(text: str, said: str) -> None:
    assert str(routes.parse(text)) == said


@pytest.mark.parametrize(
    "text",
    [
        "",
        "|192.0.2.0/24",
        "NA | 192.0.2.0/24",
        "AS64500 | 192.0.2.0/24",
        "64500",
        "64500 | ",
        "64500 | 192.0.2.1/24",
        "64500 | US | 192.0.2.0/24",
        "4294967296 | 192.0.2.0/24",
        "\u0661 | 192.0.2.0/24",
        " ".join(["1"] * 51) + " | 192.0.2.0/24",
    ],
)
def test_other_texts(text: str) -> None:
    assert routes.parse(text) is None


@given(st.text(max_size=80) | st.from_regex(r"[0-9 ,{}]{0,20}\|[0-9a-f.:/ ]{0,40}(\|.*)?", fullmatch=True))
def test_any_text_is_read(text: str) -> None:
    found = routes.parse(text)
    assert found is None or (found.origins and str(found.prefix) in text)


@pytest.mark.parametrize(("version", "text"), routes.ANNOUNCED.items())
def test_the_address_that_is_announced_for_certain_is_one(version: int, text: str) -> None:
    assert ipaddress.ip_address(text).version == version
    assert ipaddress.ip_address(text).is_global
