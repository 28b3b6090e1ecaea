"""The readers of MTA-STS (RFC 8461) and of TLS reporting (RFC 8460)."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.reading import fields, mtasts, tlsrpt

POLICY = "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.example.net\r\nmax_age: 1209600\r\n"


def policy(**changes: str | None) -> mtasts.Policy:
    """Return a policy of which some lines are other ones, or left out."""
    lines = {"version": "STSv1", "mode": "enforce", "mx": "mx.example.com", "max_age": "1209600", **changes}
    return mtasts.parse_policy("".join(f"{name}: {value}\n" for name, value in lines.items() if value is not None))


@pytest.mark.parametrize("text", ["v=STSv1; id=20160831085700Z;", "v=STSv1;id=1", "v=STSv1; x=y ; id=a;id=b!"])
def test_records_of_mta_sts(text: str) -> None:
    assert fields.is_record(text, mtasts.VERSION)
    assert mtasts.parse(text).problems == () or text.endswith("!")
    assert mtasts.parse(text).id


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("v=STSv1;", "it has no id="),
        ("v=STSv1; id=", "cannot be the value of id="),
        ("v=STSv1; id=1-2", "is not 1 to 32 letters and digits"),
        (f"v=STSv1; id={'1' * 33}", "is not 1 to 32 letters and digits"),
        ("v=STSv1; id=1;; x=y", "a semicolon follows no field"),
        ("v=STSv1; id", "is not of the form name=value"),
    ],
)
def test_broken_records_of_mta_sts(text: str, problem: str) -> None:
    assert problem in "; ".join(mtasts.parse(text).problems)


@pytest.mark.parametrize("text", ["v=stsv1; id=1", '"v=STSv1; id=1"', " v=STSv1; id=1", "v=STSv1"])
def test_near_misses(text: str) -> None:
    assert not fields.is_record(text, mtasts.VERSION)
    assert fields.near_miss(text, mtasts.VERSION)
    assert fields.near_miss(text.replace("STSv1", "TLSRPTv1").replace("stsv1", "tlsrptv1"), tlsrpt.VERSION)


@pytest.mark.parametrize("text", ["", "v=spf1 -all", "v=STSv1; id=1", "v=DMARC1; p=none"])
def test_no_near_misses(text: str) -> None:
    assert not fields.near_miss(text, mtasts.VERSION)
    assert not fields.near_miss(text, tlsrpt.VERSION)


def test_a_policy() -> None:
    read = mtasts.parse_policy(POLICY)
    assert (read.version, read.mode, read.max_age) == ("STSv1", "enforce", 1209600)
    assert (read.mx, read.problems, read.notes) == (("mail.example.com", "*.example.net"), (), ())


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("mail.example.com", True),
        ("MAIL.Example.com.", True),
        ("mx.example.net", True),
        ("a.mx.example.net", False),
        ("example.net", False),
        ("other.example.com", False),
    ],
)
def test_mail_exchangers_of_a_policy(host: str, allowed: bool) -> None:
    assert mtasts.parse_policy(POLICY).left_out([host, host]) == ([] if allowed else [host])


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"version": None}, "it has no version"),
        ({"version": "STSv2"}, "version is 'STSv2'"),
        ({"mode": "Enforce"}, "mode is 'Enforce'"),
        ({"mode": None}, "it has no mode"),
        ({"max_age": None}, "it has no max_age"),
        ({"max_age": "-1"}, "not a number of seconds"),
        ({"max_age": "31557601"}, "more than 31557600"),
        ({"mx": None}, "it names no mx"),
        ({"mx": "mx.*.example.com"}, "is no host name"),
        ({"mx": ".example.com"}, "is no host name"),
        ({"no colon": None, "x y": "z"}, "is not of the form name: value"),
    ],
)
def test_broken_policies(changes: dict[str, str | None], problem: str) -> None:
    assert problem in "; ".join(policy(**changes).problems)


@pytest.mark.parametrize(
    "changes", [{"mode": "none", "mx": None}, {"max_age": "31557600"}, {"x-more": "a b"}, {"mode": "testing"}]
)
def test_lawful_policies(changes: dict[str, str | None]) -> None:
    assert (policy(**changes).problems, policy(**changes).notes) == ((), ())


def test_what_only_is_to_be_noted() -> None:
    assert "less than a week" in policy(max_age="86400").notes[0]
    assert policy(max_age="86400", mode="testing").notes == ()
    twice = mtasts.parse_policy(POLICY + "mode: none\n")
    assert (twice.mode, twice.notes) == ("enforce", ("mode is given twice: only the first counts",))


def test_records_of_tls_reporting() -> None:
    read = tlsrpt.parse("v=TLSRPTv1; rua=mailto:a%2Bb@Example.COM?subject=x , https://r.example.net:8443/x?a=b;")
    assert [(one.scheme, one.host) for one in read.destinations] == [
        ("mailto", "example.com"),
        ("https", "r.example.net"),
    ]
    assert read.problems == ()


@pytest.mark.parametrize(
    "rua",
    [
        "a@example.com",
        "mailto:example.com",
        "mailto:@example.com",
        "http://example.com/",
        "https:///x",
        "",
        "https://[::1/",
        "mailto:a!b@example.com",
    ],
)
def test_destinations_that_nobody_can_use(rua: str) -> None:
    read = tlsrpt.parse(f"v=TLSRPTv1; rua={rua}")
    assert read.destinations == ()
    assert len(read.problems) == 1


@given(st.text(max_size=300))
def test_any_text_can_be_read(text: str) -> None:
    for prefix in ("", "v=STSv1;", "v=TLSRPTv1; rua="):
        fields.read(prefix + text)
        assert isinstance(mtasts.parse(prefix + text).problems, tuple)
        for one in tlsrpt.parse(prefix + text).destinations:
            assert one.host.isascii()
            assert one.host
    fields.near_miss(text, mtasts.VERSION)
    assert mtasts.parse_policy(text).problems


@given(st.lists(st.sampled_from(["mx:", "mode: ", "max_age:", "1", "version: ", "STSv1", "\r\n", "\n", "*.", "a.b"])))
def test_any_policy_can_be_read(parts: list[str]) -> None:
    mtasts.parse_policy("".join(parts)).left_out(["a.b"])


def test_blanks_before_the_first_semicolon_are_lawful_where_nothing_else_stands() -> None:
    text = "v=STSv1 \t; id=1"
    assert fields.records([text], mtasts.VERSION) == (text,)
    assert mtasts.parse(text).problems == ()
    assert fields.records([text, "v=STSv1; id=2", "other"], mtasts.VERSION) == ("v=STSv1; id=2",)
    assert fields.records([text, "other"], mtasts.VERSION) == ()
    assert fields.records(["v=STSv10 ; id=1"], mtasts.VERSION) == ()


def test_many_patterns_and_exchangers_take_no_longer_than_both_are_long() -> None:
    names = mtasts.parse_policy("mx: a.example.com\n" * 999)
    began = time.monotonic()
    assert len(names.left_out(f"mx{number}.example.org" for number in range(3000))) == 3000
    assert time.monotonic() - began < 2
