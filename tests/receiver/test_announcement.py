"""What a receiver hands out is checked before a host is told of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.receiver.announcement import Foreign, checked, probe_domain, token_of

DOMAIN = "conform.example.net"


def test_plain_mailboxes_below_the_probe_domain_pass() -> None:
    addresses = (f"abc2@one.{DOMAIN}", f"xyz7@two.{DOMAIN}")
    assert checked(addresses, DOMAIN, 2) == addresses
    assert token_of(addresses[0]) == "abc2"


@pytest.mark.parametrize(
    "address",
    [
        f"token@{DOMAIN}",
        "token@one.example.net",
        f"token@one.not{DOMAIN}",
        "token@conform.example.net.example.org",
        f"token@one.two.{DOMAIN}",
        f"token@one.{DOMAIN}.",
        f"ceo%bank.example@one.{DOMAIN}",
        f"@bank.example:token@one.{DOMAIN}",
        f'"a b"@one.{DOMAIN}',
        f"ceo@bank.example,token@one.{DOMAIN}",
        f"-oQ@one.{DOMAIN}",
        f"token@one.{DOMAIN}\n",
        f"token@-one.{DOMAIN}",
        f"tokén@one.{DOMAIN}",
        f"token@bank.example@one.{DOMAIN}",
        f"token;rm@one.{DOMAIN}",
        f"{'a' * 65}@one.{DOMAIN}",
        "",
    ],
)
def test_anything_else_is_foreign(address: str) -> None:
    with pytest.raises(Foreign):
        checked((address,), DOMAIN, 1)


def test_the_count_has_to_be_right() -> None:
    with pytest.raises(Foreign):
        checked((f"a@one.{DOMAIN}",), DOMAIN, 2)
    with pytest.raises(Foreign):
        checked((f"a@one.{DOMAIN}", f"a@one.{DOMAIN}"), DOMAIN, 2)


@given(st.text(max_size=80))
def test_no_text_gets_past_the_domain(text: str) -> None:
    for address in (text, f"{text}@one.{DOMAIN}", f"token@{text}.{DOMAIN}", f"token@one.{text}"):
        try:
            checked((address,), DOMAIN, 1)
        except Foreign:
            continue
        assert address.endswith(f".{DOMAIN}")
        assert address.count("@") == 1
        assert set(address) <= set("abcdefghijklmnopqrstuvwxyz0123456789-.@")


def test_probe_domains_are_names_with_room() -> None:
    assert probe_domain("Conform.Example.NET.") == DOMAIN
    for wrong in (
        "net",
        "",
        "a b.example",
        f"{'a.' * 96}example",
        "conform..example",
        "*.example.net",
        "é.example.net",
    ):
        with pytest.raises(ValueError, match="no domain"):
            probe_domain(wrong)
