"""The messages that mailconform writes itself."""

from __future__ import annotations

import email
import email.policy
import re

import pytest

from conformance.facts.letter import compose, strange_author, stuffed
from conformance.facts.trials import TRIALS
from tests.facts.orders import order

BODIES = {name: recipe for name, recipe in TRIALS.items() if recipe.body != "plain"}


@pytest.mark.parametrize("name", sorted(TRIALS))
def test_every_message_says_what_it_is(name: str) -> None:
    octets = compose(order(name, TRIALS[name].recipients))
    read = email.message_from_bytes(octets, policy=email.policy.SMTPUTF8)
    assert not read.defects
    assert (read["From"], read["Mailconform-Run"]) == ("news@example.com", "r-1234")
    assert read["Mailconform-Trial"] == f"mx1.example.com/news {name}"
    assert read["Auto-Submitted"] == "auto-generated"
    assert read["Message-ID"] == "<token0@example.com>"
    assert "conformance probe" in read.get_content()
    assert all(read.get_all(field) and len(read.get_all(field)) == 1 for field in ("Date", "To", "Subject"))


@pytest.mark.parametrize("name", sorted(set(TRIALS) - {"long-lines", "smuggling", "no-8bitmime", "no-extensions"}))
def test_messages_keep_to_rfc_5322_but_where_a_trial_is_about_that(name: str) -> None:
    octets = compose(order(name, TRIALS[name].recipients))
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", octets)
    assert max(map(len, octets.split(b"\r\n"))) <= 998
    header, _, body = octets.partition(b"\r\n\r\n")
    assert body.isascii()
    assert header.isascii() or name == "no-smtputf8"


def test_every_body_of_a_recipe_is_written() -> None:
    plain = compose(order("accept"))
    assert {recipe.body for recipe in BODIES.values()} == {
        *("eight-bit", "long-lines", "dots", "smuggling", "large", "bcc", "utf8-address"),
        *("requiretls", "tls-optional"),
    }
    for name, recipe in BODIES.items():
        header, _, body = compose(order(name, recipe.recipients)).partition(b"\r\n\r\n")
        wanted = {
            "eight-bit": not body.isascii() and b"Content-Transfer-Encoding: 8bit" in header,
            "long-lines": any(len(line) > 998 for line in body.split(b"\r\n")),
            "dots": b"\r\n.\r\n" in body,
            "smuggling": all(end in body for end in (b"\n.\n", b"\r.\r", b"\n.\r\n", b"\r.\r\n")),
            "large": len(body) > 5000,
            "bcc": b"Bcc: token1@" in header and b"To: token0@" in header,
            "utf8-address": not header.isascii(),
            "requiretls": b"\r\nTLS-Required:" not in header,
            "tls-optional": b"\r\nTLS-Required: No\r\n" in header,
        }
        assert wanted[recipe.body], name
    assert b"Bcc" not in plain


def test_dots_are_doubled_at_ends_of_lines_alone() -> None:
    assert stuffed(b".a\r\n.\r\nb\n.\nc.\r\n") == b"..a\r\n..\r\nb\n.\nc.\r\n.\r\n"
    assert stuffed(b"no end") == b"no end\r\n.\r\n"


def test_a_stranger_is_nobody_of_the_fleet() -> None:
    assert strange_author(frozenset()) == "mailconform-probe@example.com"
    assert strange_author(frozenset({"example.com", "news.example.org"})) == "mailconform-probe@example.net"
    assert strange_author(frozenset({"example.com", "example.org", "example.net"})) == "mailconform-probe@iana.org"
