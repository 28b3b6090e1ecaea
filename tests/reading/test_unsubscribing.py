"""Ways out of bulk mail: which links say what they are for."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.reading import unsubscribing
from conformance.reading.message import read
from conformance.reading.mime import structure


@pytest.mark.parametrize(
    "body",
    [
        b'<p>To unsubscribe, <a href="https://t.example.com/u/abc">click here</a>.</p>',
        b'<p><a href="https://t.example.com/u/abc">Click here</a> to unsubscribe.</p>',
        b'<a href="https://t.example.com/m">Manage your e-mail subscriptions</a>',
        b'<p>If you no longer wish to receive this, <a href="https://t.example.com/m">click here</a>.</p>',
        b'<a href="https://t.example.com/m">Stop receiving these emails</a>',
        b'<a href="https://t.example.com/m">Email settings</a>',
        "<a href='https://t.example.com/m'>Gérer mes abonnements</a>".encode(),
    ],
)
def test_words_beside_a_link_say_what_it_is_for(body):
    parts = structure(read(b"Content-Type: text/html\r\n\r\n" + body))
    assert unsubscribing.says_so(unsubscribing.body_links(parts), ())


def test_words_after_an_address_say_what_it_is_for():
    parts = structure(read(b"Content-Type: text/plain\r\n\r\nhttps://t.example.com/u/abc (unsubscribe)\r\n"))
    assert unsubscribing.says_so(unsubscribing.body_links(parts), ())


@pytest.mark.parametrize("text", ["Renew your subscription", "Subscribe now", "Manage your account"])
def test_words_for_other_things_say_nothing_of_it(text):
    link = f'<a href="https://t.example.com/s">{text}</a>'.encode()
    parts = structure(read(b"Content-Type: text/html\r\n\r\n" + link))
    assert not unsubscribing.says_so(unsubscribing.body_links(parts), ())


def test_words_far_from_a_link_say_nothing_of_it():
    far = (
        b"Why people unsubscribe. " + b"<p>The story goes on.</p> " * 60 + b'<a href="https://t.example.com/s">More</a>'
    )
    parts = structure(read(b"Content-Type: text/html\r\n\r\n" + far))
    assert not unsubscribing.says_so(unsubscribing.body_links(parts), ())


def plain(text: str) -> tuple[tuple[str, str], ...]:
    return unsubscribing.body_links(structure(read(b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + text.encode())))


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("To unsubscribe, write to mailto:x7@example.com.", "mailto:x7@example.com"),
        ("To unsubscribe, write to <news+x7@example.com>.", "mailto:news+x7@example.com"),
        ("Unsubscribe: www.example.com/u/1", "http://www.example.com/u/1"),
    ],
)
def test_what_mail_programs_show_as_a_link_is_one(text: str, target: str) -> None:
    links = plain(text)
    assert [one for one, _ in links] == [target]
    assert unsubscribing.says_so(links, ())


def test_an_address_for_other_things_is_no_way_out() -> None:
    assert plain("Questions? Write to info@example.com.") == ()
    assert [one for one, _ in plain("See https://example.com/?from=leave@example.com")] == [
        "https://example.com/?from=leave@example.com"
    ]


@given(st.text(st.sampled_from("www.@a-+=/:<> leave"), max_size=80))
def test_any_text_has_links_or_none(text: str) -> None:
    plain(text)


@pytest.mark.parametrize("piece", ["a", "+", "www.", "a@", "a@a.", "www.a/", "leave@a.b "])
def test_long_texts_are_read_soon(piece: str) -> None:
    began = time.perf_counter()
    plain(piece * (1_000_000 // len(piece)))
    assert time.perf_counter() - began < 20
