"""Registrable domains, top-level domains and A-labels."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.reading import orgdomain


@pytest.mark.parametrize(
    ("name", "domain"),
    [("mail.example.com", "example.com"), ("Mail.EXAMPLE.co.UK.", "example.co.uk"), ("com", None), ("co.uk", None),
     ("", None), (".", None), (".com", None), ("a..com", None), ("192.0.2.1", None), ("www.ck", "www.ck"),
     ("x.y.ck", "x.y.ck"), ("a.b.home-made", "b.home-made"), ("m\u00fcnchen.de", "xn--mnchen-3ya.de"),
     ("www.xn--mnchen-3ya.de", "xn--mnchen-3ya.de"), ("_dmarc.example.org", "example.org"),
     ("user.github.io", "github.io"), ("a b.example.org", None), ("x" * 64 + ".org", None)]
)  # fmt: skip
def test_registrable_domain(name, domain):
    assert orgdomain.registrable(name) == domain


def test_suffixes_that_companies_run_count_when_asked():
    assert orgdomain.registrable("www.user.github.io", private=True) == "user.github.io"
    assert orgdomain.registrable("github.io", private=True) is None
    assert orgdomain.is_public_suffix("github.io", private=True)
    assert not orgdomain.is_public_suffix("github.io")


@pytest.mark.parametrize(
    ("name", "domain"),
    [("mail.example.co.uk", "example.co.uk"), ("a.example.uk.com", "example.uk.com"), ("uk.com", "uk.com"),
     ("a.user.github.io", "user.github.io"), ("github.io", "github.io"), ("com", None), ("", None)]
)  # fmt: skip
def test_what_one_owner_has_of_a_name(name: str, domain: str | None) -> None:
    assert orgdomain.owned(name) == domain


@pytest.mark.parametrize(
    ("name", "within"),
    [("example.uk.com", True), ("MX.Example.UK.com.", True), ("other.uk.com", False), ("uk.com", False),
     ("notexample.uk.com", False), ("mail.m\u00fcnchen.de", True), ("", False), (".", False), ("a..b", False)]
)  # fmt: skip
def test_names_within_domains(name: str, within: bool) -> None:
    assert orgdomain.is_within(name, {"example.uk.com", "xn--mnchen-3ya.de"}) is within


@given(st.text())
def test_any_text_is_within_nothing(text: str) -> None:
    assert not orgdomain.is_within(text, ())
    assert orgdomain.owned(text) is None or orgdomain.is_within(text, {orgdomain.owned(text)})


@pytest.mark.parametrize(
    ("name", "public"), [("com", True), ("Co.Uk.", True), ("example.com", False), ("", False), ("1.2.3.4", False)]
)
def test_public_suffixes(name, public):
    assert orgdomain.is_public_suffix(name) is public


@pytest.mark.parametrize(
    ("name", "known"),
    [("mail.example.com", True), ("x.ck", True), ("4.3.2.1.in-addr.arpa", True), ("x.xn--p1ai", True),
     ("x.\u0440\u0444", True), ("host.lan", False), ("host.intra", False), ("invalid.tld", False),
     ("host.local", False), ("localhost", False), ("x.onion", False), ("192.0.2.1", False), ("-", False), ("", False)]
)  # fmt: skip
def test_known_top_level_domains(name, known):
    assert orgdomain.known_tld(name) is known


@pytest.mark.parametrize(
    ("name", "suffix"),
    [("host.local.", "local"), ("LOCALHOST", "localhost"), ("a.home.arpa", "home.arpa"), ("x.invalid", "invalid"),
     ("mx.example", "example"), ("x.internal", "internal"), ("x.alt", "alt")]
)  # fmt: skip
def test_special_use_names_say_who_reserved_them(name, suffix):
    found = orgdomain.special_use(name)
    assert found is not None
    assert found.startswith(f"{suffix}, ")


@pytest.mark.parametrize(
    "name", ["example.com", "mail.example.net", "notlocal", "local.example.org", "in-addr.arpa", ""]
)
def test_other_names_are_not_special_use(name):
    assert orgdomain.special_use(name) is None


def test_names_convert_both_ways():
    assert orgdomain.to_ascii("B\u00dcCHER.example.") == "xn--bcher-kva.example"
    assert orgdomain.to_unicode("xn--bcher-kva.EXAMPLE") == "b\u00fccher.example"
    assert orgdomain.to_ascii("stra\u00dfe.de") == "xn--strae-oqa.de"
    assert orgdomain.to_ascii("\u4e2d\u56fd\u3002cn") == "xn--fiqs8s.cn"
    assert orgdomain.to_unicode("xn--\x00.org") is None
    assert orgdomain.to_unicode("xn--99999999.org") is None


@given(st.text(max_size=80) | st.binary(max_size=300).map(lambda octets: octets.decode("latin-1")))
def test_hostile_text_is_no_name_or_a_good_one(text):
    ascii_name = orgdomain.to_ascii(text)
    for function in (orgdomain.to_unicode, orgdomain.special_use, orgdomain.registrable):
        assert isinstance(function(text), str | None)
    assert isinstance(orgdomain.known_tld(text) or orgdomain.is_public_suffix(text), bool)
    if ascii_name is not None:
        assert ascii_name.isascii()
        assert orgdomain.to_ascii(ascii_name) == ascii_name
        domain = orgdomain.registrable(text)
        assert domain is None or ascii_name == domain or ascii_name.endswith(f".{domain}")


@pytest.mark.parametrize("piece", ["a", ".", "\u00fc", "xn--", "\u0300", "a.", "\u00fc.", "\x00"])
def test_long_text_is_refused_at_once(piece):
    assert orgdomain.to_ascii(piece * 65536) is None
    assert orgdomain.registrable(piece * 65536) is None
