"""Names that mix scripts, HTML parts, List fields, display names."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.reading import displayname, html
from conformance.reading.freemail import provider_of
from conformance.reading.listfield import list_id, read_list_field
from conformance.reading.mailbox import read_addresses
from conformance.reading.message import read
from conformance.reading.mime import structure
from conformance.reading.scripts import in_both_forms, mixed_label, mixed_scripts

ONE = """
example bücher пример παράδειγμα 例え 例子 一〇八 佐々木 〆切 カード shopの店 ㄅㄆㄇ注音 台灣ㄅabc 한국韓國 shop한국
١٢٣عرب مثال١ שלום ตัวอย่าง उदाहरण 123 a-b ß café naïve2 ラーメンshop 日本
"""


@pytest.mark.parametrize("label", ONE.split())
def test_labels_that_are_fine(label: str) -> None:
    assert not mixed_scripts(label)


@pytest.mark.parametrize("label", ["pаypal", "googlе", "ехample", "αbc", "例пример", "한국の", "ㄅの", "عربa"])
def test_labels_that_mix(label: str) -> None:
    assert len(mixed_scripts(label)) > 1


def test_labels_of_a_domain_are_judged_alone() -> None:
    assert mixed_label("пример.example.com") is None
    assert mixed_label("xn--e1afmkfd.example.com") is None
    assert mixed_label("www.xn--pypal-4ve.com") == ("pаypal", ("Latin", "Cyrillic"))
    assert mixed_label("xn--a.example.com") is None
    assert mixed_label("not a name") is None


@given(st.text(max_size=20))
def test_any_label(label: str) -> None:
    mixed_scripts(label)
    mixed_label(label)


HTML = """<head><title>no</title><style>p{}</style></head><p onclick="x()">Hello <a href=" https://example.com/a ">our
 <b>site</b></a><a href="javascript:x()">bad</a><img alt="logo"><script>let a = "<p>"</script> end"""


def test_html_is_seen_as_people_do() -> None:
    found = html.read_html(HTML)
    assert found.links == (("https://example.com/a", "our site"), ("javascript:x()", "bad"))
    assert found.scripts == 3
    assert "Hello" in found.text
    assert "logo" in found.text
    assert "no" not in found.text.split()
    assert "let" not in found.text


def test_links_of_a_message() -> None:
    octets = b"Content-Type: text/plain\r\n\r\nSee https://a.example.com/x. Or (http://b.example.com)."
    parts = structure(read(octets))
    assert html.links(parts) == ("https://a.example.com/x", "http://b.example.com")
    assert [html.host_of(one) for one in html.links(parts)] == ["a.example.com", "b.example.com"]
    assert html.host_of("https://[oops") == ""


def test_html_takes_bounded_time() -> None:
    began = time.process_time()
    for piece in ("<", "<a ", "<a href=x>", "&", "<!--", "<![", "</", "<a b='", "<script>", "]]>", "<a\t=", "http://"):
        html.read_html(piece * (1_100_000 // len(piece)))
        html.urls(piece * (1_100_000 // len(piece)))
    assert time.process_time() - began < 60


@given(st.text(st.sampled_from("<>&;!-[]/='\"ascript href#x\0 "), max_size=60))
def test_any_html(text: str) -> None:
    html.read_html(text)
    html.urls(text)


@pytest.mark.parametrize(
    ("text", "uris"),
    [
        ("<https://example.com/u>, <mailto:u@example.com>", ["https://example.com/u", "mailto:u@example.com"]),
        ("<mailto:u@example.com> (by mail)", ["mailto:u@example.com"]),
        ("(go here) <https://example.com/\r\n u>", ["https://example.com/u"]),
        ("NO (posting is not allowed)", []),
    ],
)
def test_list_fields(text: str, uris: list[str]) -> None:
    found = read_list_field(text)
    assert list(found.uris) == uris
    assert not found.fault


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "empty"),
        ("https://example.com/u", "angle brackets"),
        ("<https://example.com/u", "not closed"),
        ("<example.com/u>", "no URI"),
        ("<https://a.example> <mailto:b@example.com>", "without a comma"),
    ],
)
def test_list_fields_with_a_fault(text: str, fault: str) -> None:
    assert fault in read_list_field(text).fault


def test_list_fields_by_scheme() -> None:
    found = read_list_field("<HTTPS://example.com/u>,<mailto:u@example.com>")
    assert found.of("https") == ("HTTPS://example.com/u",)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Posts <posts.example.com>", "posts.example.com"),
        ('"Our <posts>" <posts.example.com> (list)', "posts.example.com"),
        ("<posts.example.com>", "posts.example.com"),
        ("posts.example.com", None),
        ("<posts>", None),
        ("<posts@example.com>", None),
        ("", None),
    ],
)
def test_list_ids(text: str, found: str | None) -> None:
    assert list_id(text) == found


@given(st.text(st.sampled_from("<>,:()\\ab.\r\n "), max_size=40))
def test_any_list_field(text: str) -> None:
    read_list_field(text)
    list_id(text)


@pytest.mark.parametrize(
    ("text", "pretence"),
    [
        ("billing@bank.example.org <a@example.com>", "another domain"),
        ('"billing@bank.org" <a@example.com>', "another domain"),
        ('"=?utf-8?Q?billing=40bank.org?=" <a@example.com>', "another domain"),
        ('"a@mail.example.com" <a@example.com>', ""),
        ('"Desk (3)" <a@example.com>', "counted"),
        ('"Re: order" <a@example.com>', "like a reply"),
        ("=?utf-8?B?4pyF?= Bank <a@example.com>", "verified"),
        ('"Area 51 (Nevada)" <a@example.com>', ""),
        ('"Example Days [2026]" <a@example.com>', ""),
        ("Jürgen <a@example.com>", ""),
    ],
)
def test_pretences(text: str, pretence: str) -> None:
    said = [one for mailbox in read_addresses(text).mailboxes for one in displayname.pretences(mailbox)]
    assert bool(said) == bool(pretence)
    assert not pretence or pretence in said[0]


@pytest.mark.parametrize(
    ("header", "body", "prefix"),
    [
        ("Subject: Hello", "x", ""),
        ("Subject: RE: Hello", "x", "RE:"),
        ("Subject: Re: Hello\r\nIn-Reply-To: <a@b>", "x", ""),
        ("Subject: =?utf-8?Q?Re=3A?= Hello", "x", "Re:"),
        ("Subject: Fwd: Hello", "x", "Fwd:"),
        ("Subject: Fwd: Hello", "look\r\n\r\n---------- Forwarded message ---------\r\nx", ""),
        ("Subject: Reply: no", "x", ""),
        ("Subject: Re: x\r\nContent-Type: message/rfc822", "Subject: x\r\n\r\n", ""),
    ],
)
def test_subjects_that_pretend(header: str, body: str, prefix: str) -> None:
    message = read(f"{header}\r\n\r\n{body}".encode())
    assert displayname.unanswered_reply(message, structure(message)) == prefix


def test_mailbox_providers() -> None:
    assert "google.com" in provider_of("GMAIL.com")
    assert provider_of("example.com") == ()


@pytest.mark.parametrize(
    ("domain", "shown"),
    [
        ("example.com", "example.com"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example (b\u00fccher.example)"),
        ("xn--pple-43d.example", "xn--pple-43d.example"),
        ("xn--\x1b.example", "xn--\x1b.example"),
        ("", ""),
    ],
)
def test_domains_in_both_forms(domain: str, shown: str) -> None:
    assert in_both_forms(domain) == shown
