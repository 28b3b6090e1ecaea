"""What a receiver would say of deliveries: SPF, DKIM by two verifiers, DMARC, in the words of RFC 8601."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.facts.authentication import Authentication
from conformance.facts.authres import results
from conformance.facts.dkimcheck import second_opinion
from conformance.facts.signatures import MOST_SIGNATURES
from conformance.outcome import NotApplicable, Undetermined
from tests.facts.arrivals import ZONE, came
from tests.worlds.signing import signed


def told(found: Authentication) -> list[str]:
    return [f"{one.method}={one.result}" for one in results(found)]


def unsigned() -> bytes:
    return came(sign=False).delivery.message


def test_mail_that_conforms() -> None:
    found = came()
    assert told(found) == ["iprev=pass", "spf=pass", "spf=pass", "dkim=pass", "dkim=pass", "dmarc=pass"]
    shown = [dict(one.properties) for one in results(found)]
    assert shown[1] == {"smtp.mailfrom": "bounces@example.com"}
    assert shown[3].items() > {"header.d": "example.com", "header.s": "s1", "header.a": "rsa-sha256"}.items()
    assert shown[5] == {"header.from": "example.com", "policy.dmarc": "reject"}
    assert not [one.reason for one in results(found) if one.reason]


def test_a_domain_without_records_has_none_and_does_not_fail() -> None:
    zone = {name: [] for name in ZONE if not name.endswith("PTR")}
    found = came(zone, sign=False)
    assert told(found) == ["iprev=fail", "spf=none", "spf=none", "dkim=none", "dmarc=none"]
    with pytest.raises(NotApplicable, match=r"dmarc\.exists"):
        _ = found.applied


def test_the_real_local_part_and_greeting_are_evaluated() -> None:
    zone = {
        "example.com TXT": ["v=spf1 exists:%{l}.%{h}.spf.example.com -all"],
        "bounces.mx1.example.com.spf.example.com A": ["127.0.0.2"],
    }
    assert came(zone).spf.result == "pass"
    assert came(zone, sender="other@example.com").spf.result == "fail"


@pytest.mark.parametrize("helo", ["[203.0.113.1]", "203.0.113.1", "localhost", "", "a" * 64 + ".example.com"])
def test_a_null_sender_with_no_name_to_go_by(helo: str) -> None:
    found = came(sender="", helo=helo)
    assert found.spf.result == "none"
    assert not found.spf_aligned()
    assert told(found)[1] == "spf=none"
    assert found.passes


def test_a_null_sender_counts_for_its_greeting() -> None:
    found = came(sender="", sign=False)
    assert found.spf_domain == "mx1.example.com"
    assert found.spf_aligned("r")
    assert not found.spf_aligned("s")
    assert found.passes


@pytest.mark.parametrize("sender", ["bounces@b\xfccher.example", "x@[192.0.2.1]", "nobody", '"a b"@example.com', "@"])
def test_senders_of_every_kind(sender: str) -> None:
    assert came(sender=sender).spf.result in ("none", "pass")


def test_a_key_that_nobody_could_fetch_is_no_bad_signature() -> None:
    one = came({"s1._domainkey.example.com TXT": None, "s2._domainkey.example.com TXT": None})
    assert told(one)[3:] == ["dkim=temperror", "dkim=temperror", "dmarc=pass"]
    with pytest.raises(Undetermined, match="SERVFAIL"):
        one.holding()
    with pytest.raises(Undetermined):
        one.dkim_aligned()
    two = came({"s1._domainkey.example.com TXT": None})
    assert [each.signature.selector for each in two.holding()] == ["s2"]
    assert two.dkim_aligned()


def test_dmarc_is_not_known_while_one_way_is_open() -> None:
    found = came({"example.com TXT": None}, sign=False)
    assert told(found)[1] == "spf=temperror"
    assert told(found)[-1] == "dmarc=temperror"
    with pytest.raises(Undetermined):
        _ = found.passes
    silent = came({"_dmarc.example.com TXT": None})
    assert told(silent)[-1] == "dmarc=temperror"


def test_a_message_that_was_cut_has_no_verdict() -> None:
    found = came(transactions=[{"truncated": True}])
    with pytest.raises(Undetermined, match="were kept"):
        found.holding()
    assert told(found)[3:5] == ["dkim=temperror", "dkim=temperror"]


def test_verifiers_differ_on_bare_line_feeds_and_it_is_said() -> None:
    octets = signed(unsigned().replace(b"Hello.\r\n", b"Hello.\r\nYou.\r\n"), [{}])
    found = came(sign=False, message=octets.replace(b"Hello.\r\n", b"Hello.\n"), wire=None)
    # What a world's message says of line ends is mended on its way: this one is put on the wire as it is.
    wire = (octets.replace(b"Hello.\r\n", b"Hello.\n") + b".\r\n").decode("latin-1")
    found = came(sign=False, wire=wire)
    (one,) = found.signatures
    assert (one.own.result, one.own.body_holds) == ("fail", False)
    assert one.other is not None
    assert one.other.passes
    assert one.disputed
    assert one.doubtful
    assert "dkimpy says pass" in one.describe()
    assert not found.holding()


def test_verifiers_differ_on_a_second_from_that_nobody_signed() -> None:
    octets = signed(unsigned(), [{"headers": ["from", "subject"]}])
    found = came(sign=False, wire=(b"From: a@evil.example\r\n" + octets + b".\r\n").decode("latin-1"))
    (one,) = found.signatures
    assert one.own.passes
    assert one.disputed
    assert not one.passes
    assert found.author_fault.startswith("2 From fields")
    assert told(found)[-1] == "dmarc=permerror"


BUSY = {
    "blanks in the body": b"A: b\r\n\r\n" + b" " * 1_000_000,
    "folds": b"A:" + b"\r\n " * 100_000,
    "blanks in the header": b"A:" + b" " * 100_000 + b"\r\n\r\n",
    "size": b"A: b\r\n\r\n" + b"x" * 5_000_000,
}


@pytest.mark.parametrize("octets", BUSY.values(), ids=list(BUSY))
def test_what_keeps_dkimpy_busy_is_not_shown_to_it(octets: bytes) -> None:
    start = time.process_time()
    assert second_opinion(octets, 0, b"DKIM-Signature: v=1", "v=DKIM1; p=", 0.0) is None
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    "octets",
    [
        b"DKIM-Signature: v=1; a=rsa-sha256; d=e.example; s=s; h=from; bh=a; b=" + b"a" * 8_000 + b"!",
        b"DKIM-Signature: v=1; a=rsa-sha256; d=e.example; s=s; h=from; bh=a; b=" + b"\r\n  a" * 1_300 + b"!",
        b"DKIM-Signature: v=1; h=" + b" :" * 4_000,
        b"A: b\r\n\r\n" + b"a  \t  \r" * 300_000,
        b"A: b\r\n\r\n" + b"\r\n" * 900_000,
    ],
)
def test_what_is_shown_to_dkimpy_does_not_keep_it_busy(octets: bytes) -> None:
    start = time.process_time()
    second_opinion(octets, 0, octets[:8_000], "v=DKIM1; p=", 0.0)
    assert time.process_time() - start < 10


def test_only_some_signatures_are_verified() -> None:
    octets = signed(unsigned(), [{"key": "other"}] * (MOST_SIGNATURES + 2))
    found = came(sign=False, wire=(octets + b".\r\n").decode("latin-1"))
    assert (len(found.signatures), found.left_out) == (MOST_SIGNATURES, 2)
    with pytest.raises(Undetermined, match="2 signatures"):
        found.holding()


def test_alignment_by_the_list_where_no_record_is_and_by_the_walk_where_one_is() -> None:
    bare = came({"_dmarc.example.com TXT": []}, sender="x@mail.example.com")
    assert bare.envelope_aligned("r")
    assert not bare.envelope_aligned("s")
    apart = came({"_dmarc.mail.example.com TXT": ["v=DMARC1; p=none; psd=n"]}, sender="x@mail.example.com")
    assert not apart.envelope_aligned("r")


def test_the_policy_of_a_subdomain() -> None:
    found = came(header={"From": "a@mail.example.com"}, sign=[{}])
    assert (found.author, found.policy) == ("mail.example.com", "quarantine")
    assert found.passes


@pytest.mark.parametrize(
    ("author", "fault"),
    [
        (None, "there is no From field"),
        ("nobody", "no address with a domain name"),
        ("a@example.com, b@example.net", "2 domains"),
        (["a@example.com", "b@example.com"], "2 From fields"),
        ("undisclosed:;", "no address"),
    ],
)
def test_from_that_names_no_author(author: Any, fault: str) -> None:
    found = came(header={"From": author})
    assert fault in found.author_fault
    assert told(found)[-1] == "dmarc=permerror"
    with pytest.raises(NotApplicable, match=r"dmarc\.from-one"):
        _ = found.author


def test_two_addresses_of_one_domain_are_one_author() -> None:
    assert came(header={"From": "a@example.com, B <b@Example.COM>"}).author == "example.com"


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300), st.text(max_size=30), st.text(max_size=30))
def test_nothing_that_comes_breaks_it(octets: bytes, sender: str, helo: str) -> None:
    hostile = b"DKIM-Signature: " + octets + b"\r\nFrom: " + octets + b"\r\n\r\n" + octets
    found = came(sign=False, wire=hostile.decode("latin-1"), sender=sender, helo=helo)
    words = {one.result for one in results(found)}
    assert words <= {"pass", "fail", "none", "neutral", "softfail", "policy", "temperror", "permerror"}
    assert found.describe()
