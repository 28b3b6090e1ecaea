from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.reading import hostname

HOSTILE = st.text() | st.text(alphabet="abz09-._[]:%\\IPv6\x00\x1b ", max_size=300)


@pytest.mark.parametrize(
    "name",
    [
        "mail.example.com",
        "MAIL.Example.COM",
        "3com.example",
        "a",
        "1.2.3.4.example.net",
        "xn--bcher-kva.example",
        "a--b.example",
        "a" * 63 + ".example",
        ".".join(["a" * 49] * 5)[:253],
    ],
)
def test_valid_names(name: str) -> None:
    assert hostname.check_syntax(name) is None


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "empty"),
        (".", "dot"),
        ("mail.example.com.", "ends with a dot"),
        ("mail..example.com", "empty label"),
        (".example.com", "empty label"),
        ("mail_1.example.com", "underscore"),
        ("-mail.example.com", "hyphen"),
        ("mail-.example.com", "hyphen"),
        ("-", "hyphen"),
        ("a" * 64 + ".example", "64 characters"),
        (".".join(["a" * 50] * 5), "254 characters"),
        ("1.2.3.4", "all digits"),
        ("host.123", "all digits"),
        ("mail example.com", "white space"),
        ("b\u00fccher.example", "U+00FC"),
        ("mail\\000.example", "octet 0"),
        ("mail\\.relay.example", "'\\\\'"),
        ("a\x1b[31m.example", "U+001B"),
        ("[192.0.2.1]", "'['"),
        ("a.example\n", "white space"),
        ("\u0661.example", "U+0661"),
    ],
)
def test_invalid_names_are_told_why(name: str, why: str) -> None:
    reason = hostname.check_syntax(name)
    assert reason is not None
    assert why in reason


def test_a_name_of_253_characters_is_the_longest() -> None:
    longest = ".".join(["a" * 62] * 4) + ".a"
    assert len(longest) == 253
    assert hostname.check_syntax(longest) is None
    assert hostname.check_syntax("a" + longest) is not None


def test_one_final_dot_is_allowed_when_asked_for() -> None:
    assert hostname.check_syntax("mail.example.com.", final_dot=True) is None
    assert hostname.check_syntax("mail.example.com..", final_dot=True) is not None


@given(HOSTILE)
def test_a_reason_never_repeats_what_could_harm_a_terminal(name: str) -> None:
    reason = hostname.check_syntax(name)
    assert reason is None or (reason.isascii() and reason.isprintable())


@given(st.lists(st.from_regex(r"[a-z]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True), min_size=1, max_size=8))
def test_names_of_good_labels_are_good(labels: list[str]) -> None:
    assert hostname.check_syntax(".".join(labels)) is None


def test_qualified_names_have_two_labels() -> None:
    assert hostname.is_qualified("example.com")
    assert hostname.is_qualified("mail.example.com.")
    assert not hostname.is_qualified("mail")
    assert not hostname.is_qualified("mail.")
    assert not hostname.is_qualified("")
    assert not hostname.is_qualified("-")


@pytest.mark.parametrize("text", ["192.0.2.1", "2001:db8::1", "[192.0.2.1]", "[IPv6:2001:db8::1]", "192.0.2.1.", "::"])
def test_addresses_in_text(text: str) -> None:
    assert hostname.is_ip_text(text)


@pytest.mark.parametrize("text", ["", "192-0-2-1", "192.0.2", "192.0.2.1.example.com", "fe80::1%eth0", "10.0.0.0/8"])
def test_not_addresses_in_text(text: str) -> None:
    assert not hostname.is_ip_text(text)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("[192.0.2.1]", IPv4Address("192.0.2.1")),
        ("[IPv6:2001:db8::1]", IPv6Address("2001:db8::1")),
        ("[ipv6:::1]", IPv6Address("::1")),
        ("[IPv6:::ffff:192.0.2.1]", IPv6Address("::ffff:192.0.2.1")),
        ("192.0.2.1", None),
        ("[192.0.2.1", None),
        ("[192.0.2.256]", None),
        ("[192.0.02.1]", None),
        ("[192.0.2.1 ]", None),
        ("[2001:db8::1]", None),
        ("[IPv6:192.0.2.1]", None),
        ("[IPv6:fe80::1%eth0]", None),
        ("[]", None),
        ("[IPv6:]", None),
        ("", None),
    ],
)
def test_literals(text: str, address: IPv4Address | IPv6Address | None) -> None:
    assert hostname.parse_literal(text) == address


@given(st.ip_addresses())
def test_every_address_has_a_literal(address: IPv4Address | IPv6Address) -> None:
    tag = "IPv6:" if address.version == 6 else ""
    text = f"[{tag}{address}]"
    assert hostname.looks_like_literal(text)
    assert hostname.parse_literal(text) == address
    assert hostname.is_ip_text(text)
    assert hostname.is_ip_text(str(address))


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST.", "mx.localhost", "localhost.localdomain", "mx.localdomain"])
def test_localhost(name: str) -> None:
    assert hostname.is_localhost(name)


@pytest.mark.parametrize("name", ["localhost.example.com", "notlocalhost", "", "localdomain.example"])
def test_not_localhost(name: str) -> None:
    assert not hostname.is_localhost(name)


def test_reverse_zone_suffix() -> None:
    assert hostname.zone_suffix("mail.example.com.2.0.192.in-addr.arpa") == "in-addr.arpa"
    assert hostname.zone_suffix("mail.example.com.8.B.D.0.IP6.ARPA.") == "ip6.arpa"
    assert hostname.zone_suffix("in-addr.arpa") == "in-addr.arpa"
    assert hostname.zone_suffix("mail.in-addr.example.com") is None
    assert hostname.zone_suffix("xin-addr.arpa") is None


@given(HOSTILE)
def test_any_text_is_read(text: str) -> None:
    hostname.check_syntax(text, final_dot=True)
    hostname.is_qualified(text)
    hostname.is_localhost(text)
    hostname.zone_suffix(text)
    assert hostname.parse_literal(text) is None or hostname.looks_like_literal(text)
    assert not hostname.is_ip_text(text) or hostname.check_syntax(text) is not None
