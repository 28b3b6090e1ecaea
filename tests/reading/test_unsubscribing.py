"""Ways out of bulk mail: which links say what they are for."""

from __future__ import annotations

import pytest

from conformance.reading import unsubscribing
from conformance.reading.message import read
from conformance.reading.mime import structure


@pytest.mark.parametrize(
    "body",
    [
        b'<p>To unsubscribe, <a href="https://t.example.com/u/abc">click here</a>.</p>',
        b'<p><a href="https://t.example.com/u/abc">Click here</a> to unsubscribe.</p>',
    ],
)
def test_words_beside_a_link_say_what_it_is_for(body):
    parts = structure(read(b"Content-Type: text/html\r\n\r\n" + body))
    assert unsubscribing.says_so(unsubscribing.body_links(parts), ())


def test_words_after_an_address_say_what_it_is_for():
    parts = structure(read(b"Content-Type: text/plain\r\n\r\nhttps://t.example.com/u/abc (unsubscribe)\r\n"))
    assert unsubscribing.says_so(unsubscribing.body_links(parts), ())


def test_words_far_from_a_link_say_nothing_of_it():
    far = (
        b"Why people unsubscribe. " + b"<p>The story goes on.</p> " * 60 + b'<a href="https://t.example.com/s">More</a>'
    )
    parts = structure(read(b"Content-Type: text/html\r\n\r\n" + far))
    assert not unsubscribing.says_so(unsubscribing.body_links(parts), ())
