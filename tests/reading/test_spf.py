"""The SPF reader against the grammar of RFC 7208."""

import ipaddress
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.reading import spf

ANY_TEXT = st.binary(max_size=300).map(lambda octets: octets.decode("latin-1"))
PIECES = st.sampled_from(
    ["v=spf1", " ", "  ", "a", "mx", "all", "-", "~", "include:", "ip4:", "ip6:", "192.0.2.0", "2001:db8::", "/24",
     "//64", "/", ":", "=", "redirect=", "exp=", "%{i}", "%{l1r+-}", "%", "{", "}", ".", "example.org", "\x00", "\xe2",
     "ptr", "exists:", "x-y=", "1", "0"]
)  # fmt: skip
SPF_LIKE = st.lists(PIECES, max_size=25).map(lambda pieces: "v=spf1 " + "".join(pieces))


def test_mechanisms_are_read_with_all_their_parts():
    record = spf.parse("v=spf1 a:mail.example.org/24//64 ?MX/28 ip6:2001:db8::1/32 -include:%{d2}.example.org ~all")
    host, exchange, network, include, end = record.mechanisms
    assert (host.qualifier, host.name, host.value, host.cidr4, host.cidr6) == ("+", "a", "mail.example.org", 24, 64)
    assert (exchange.qualifier, exchange.name, exchange.value, exchange.cidr4) == ("?", "mx", "", 28)
    assert network.network == ipaddress.ip_network("2001:db8::/32")
    assert (network.value, network.cidr4, network.cidr6) == ("2001:db8::1", None, 32)
    assert (include.qualifier, include.value) == ("-", "%{d2}.example.org")
    assert (end.text, end.position) == ("~all", record.text.index("~all"))
    assert record.all == "~"


def test_what_a_record_says_of_itself():
    record = spf.parse(
        "v=spf1 a ip4:192.0.2.9/28 -ip4:198.51.100.1 exists:%{I}.x.example.org mx redirect=r.example.org"
    )
    assert record.redirect == "r.example.org"
    assert record.all is None
    assert [term.name for term in record.querying] == ["a", "exists", "mx", "redirect"]
    assert record.networks == (ipaddress.ip_network("192.0.2.0/28"),)
    assert record.macros == {"i"}


def test_what_follows_all_is_unreachable_and_asks_nothing():
    record = spf.parse("v=spf1 redirect=r.example.org mx -all include:late.example.org exp=why.example.org")
    assert [term.name for term in record.unreachable] == ["redirect", "include"]
    assert [term.name for term in record.querying] == ["mx"]


def test_a_mechanism_written_as_a_modifier_is_lawful_and_noticed():
    record = spf.parse("v=spf1 ip4=192.0.2.1 op=yes -all")
    assert [modifier.text for modifier in record.mistaken] == ["ip4=192.0.2.1"]


@pytest.mark.parametrize(
    "text",
    ["v=spf1", "V=SPF1 ", "v=spf1   -all  ", "v=spf1 moo.cow-far_out=man:dog/cat -all", "v=spf1 a//0 a/0 mx/32//128",
     "v=spf1 ip6:::ffff:192.0.2.1 -ALL", "v=spf1 include:_spf.%{d}", "v=spf1 exists:%{l1r-}.%{i}._.%{d2} ?all",
     "v=spf1 a:foo:8080.example.org", "v=spf1 a:x.example.xn--zckzah.", "v=spf1 redirect=%{d}.d.example.org.",
     "v=spf1 default=+", "v=spf1 a:macro%%percent%_%_space%-url-space.example.com -all", "v=spf1 ptr ptr:example.org",
     "v=spf1 a:a.1-2", "v=spf1 x=%{c}%{r}%{t}", "v=spf1 x="]
)  # fmt: skip
def test_lawful_records(text):
    assert spf.is_spf(text)
    assert spf.parse(text).text == text


@pytest.mark.parametrize(
    ("term", "offset"),
    [("moo", 0), ("moo:x.example.org", 0), ("redirect:example.org", 0), ("all.", 0), ("-all:x", 4), ("all/8", 3),
     ("include", 7), ("include:", 8), ("include:example", 8), ("include:a.example/24", 10),
     ("a:", 2), ("a/", 1), ("a/33", 2), ("a//129", 3), ("a/032", 2), ("a/24/64", 5), ("a:x.123", 4), ("a:x.-org", 4),
     ("a:x.org-", 4), ("a:museum.", 2), ("ptr/0", 3), ("exists", 6), ("ip4", 3), ("ip4:", 4), ("ip4:192.0.2", 4),
     ("ip4:192.0.2.1/33", 14), ("ip4:192.0.2.1//32", 14), ("ip4:192.0.2.01", 4), ("ip4:192.0.2.1:25", 4),
     ("ip4:2001:db8::1", 4), ("ip6:192.0.2.1", 4), ("ip6:fe80::1%eth0", 4), ("ip6::1::2", 4), ("ip6:::/129", 7),
     ("-redirect=x.example", 0), ("exp=", 4), ("exp=-all", 4), ("=all", 0), ("1up=x", 0), ("x=%a", 2), ("x=%", 2),
     ("exists:%{q}.example.org", 7), ("exists:%{c}.example.org", 7), ("exists:%{i0}.example.org", 7),
     ("exists:%(i).example.org", 7), ("exists:%{i", 7), ("exists:%{d}.", 11), ("exists:%{d}x", 11),
     ("a:ex\x00ample.org", 4), ("\x80all", 0), ("~all\u201d", 4), ("~all\xe2\x80\x9d", 4), ("a:ex\xe4mple.org", 4),
     ("a\tmx", 1)]
)  # fmt: skip
def test_every_error_is_found_at_its_place(term, offset):
    with pytest.raises(spf.SpfSyntaxError) as error:
        spf.parse(f"v=spf1 mx {term} -all")
    assert error.value.text == term
    assert error.value.position == len("v=spf1 mx ") + offset


@pytest.mark.parametrize("start", ["ip4:", "ip6:", "a/", "a//", "ip4:192.0.2.1/", "exists:%{l"])
def test_absurd_numbers_are_plain_errors(start):
    with pytest.raises(spf.SpfSyntaxError):
        spf.parse(f"v=spf1 {start}{'1' * 5000}")


def test_modifiers_known_to_spf_may_stand_once():
    assert spf.parse("v=spf1 x=1 x=2 -all")
    for text in (
        "v=spf1 redirect=a.example.org redirect=a.example.org",
        "v=spf1 exp=a.example.org -all EXP=b.example.org",
    ):
        with pytest.raises(spf.SpfSyntaxError, match="given twice"):
            spf.parse(text)


def test_all_errors_are_listed_at_once_and_good_terms_kept():
    record, errors = spf.parse_all("v=spf1 ip4:192.0.2.300 mx inclde:x.example.org a/99 ~all")
    assert [error.text for error in errors] == ["ip4:192.0.2.300", "inclde:x.example.org", "a/99"]
    assert [term.text for term in record.terms] == ["mx", "~all"]


@pytest.mark.parametrize(
    "text",
    ["v=spf1;", "v=spf1; -all", "v=spf10", "v=spf1include:x.example.org", '"v=spf1 -all"', " v=spf1 mx -all",
     "'v=spf1 -all", "v=spf 1 mx", "v = spf1 mx -all", "spf1 include:x.example.org -all", "\u201cv=spf1 -all\u201d",
     "\xe2\x80\x9cv=spf1 -all", "\x93v=spf1 -all\x94", "\xef\xbb\xbfv=spf1 -all", "v=spf1\xa0-all",
     "v=spf1\u202f-all", "v=spf-1 -all", "vspf1 -all", "v:spf1 -all", "v=spf2 -all", "v=spfl -all", "v=spf1,mx",
     "key=abc v=spf1 include:x.example.org ~all", "v=spf1\t-all", "\\v=spf1 -all", "v=spf\u200b1 -all"]
)  # fmt: skip
def test_near_misses_are_explained(text):
    assert not spf.is_spf(text)
    assert spf.near_miss(text)
    with pytest.raises(spf.SpfSyntaxError):
        spf.parse(text)


@pytest.mark.parametrize(
    "text",
    ["v=spf1 mx -all", "V=SPF1", "v=spf1 \u201d", "spf2.0/pra +all", "spf2.0/mfrom,pra -all", "", "v=DMARC1; p=none",
     "v=DKIM1; p=", "google-site-verification=spf1abc", "MS=ms12345", "spf1-token=42", "vsp: all", "velvet spf1",
     "see v=spf1"]
)  # fmt: skip
def test_other_texts_are_not_near_misses(text):
    assert spf.near_miss(text) is None


@given(ANY_TEXT | SPF_LIKE)
def test_any_text_gives_a_record_or_an_error_with_a_place(text):
    assert isinstance(spf.near_miss(text), str | None)
    record, errors = spf.parse_all(text)
    assert all(0 <= error.position <= len(text) and error.why for error in errors)
    assert all(text[term.position :].startswith(term.text) for term in record.terms)
    if not errors:
        assert spf.parse(text) == record
        assert len(record.terms) == len(text[6:].split(" ")) - text[6:].split(" ").count("")


@given(st.ip_addresses(v=4), st.integers(0, 32), st.ip_addresses(v=6), st.integers(0, 128))
def test_networks_are_those_of_the_standard_library(ip4, length4, ip6, length6):
    record = spf.parse(f"v=spf1 ip4:{ip4}/{length4} ip6:{ip6}/{length6} -all")
    assert record.networks == (
        ipaddress.ip_network((ip4, length4), strict=False),
        ipaddress.ip_network((ip6, length6), strict=False),
    )


@pytest.mark.parametrize(
    "piece",
    [
        "a ",
        "a:",
        "/",
        "/1",
        "//1",
        "1",
        "%",
        "%{",
        "%{i}",
        "x=",
        "-",
        ".",
        "a.",
        "a-",
        "\x00",
        "\xe2\x80\x9d",
        "exp=a.b ",
    ],
)
def test_time_is_linear_in_the_text(piece):
    began = time.process_time()
    for start in ("v=spf1 ", "v=spf1 a:", "v=spf1 a/", "v=spf1 ip4:", "v=spf1 ip6:", "v=spf1 x=", "", "v"):
        text = (start + piece * 65536)[:65536]
        record, _ = spf.parse_all(text)
        assert len(record.querying) + len(record.macros) <= len(text)
        spf.near_miss(text)
    assert time.process_time() - began < 6
