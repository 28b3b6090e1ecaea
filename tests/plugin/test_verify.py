"""One message in a file, judged by the rules of a run: what it shows, what it cannot, and what is no message."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Iterator
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.lab.world import World, serve_world
from conformance.onemessage import Sent, Told, as_sent, fleet_of, trials_of
from conformance.options import UsageError
from conformance.reading.message import read
from conformance.verify import told_of
from tests import worlds
from tests.plugin import fleet
from tests.worlds import captures, signing

IP = "203.0.113.1"
TOLD = Told(ipaddress.ip_address(IP), "mx1.example.com", "bounces@bounce.example.com")
AT = "--at=Fri, 06 Mar 2026 09:00:00 +0100"
BARE = "$ORIGIN example.com.\n@ 60 SOA ns hostmaster 1 60 60 60 60\n@ NS ns\n@ MX 10 mx1\nmx1 A 203.0.113.1\n"
RECEIVED = (
    b"Return-Path: <bounces@bounce.example.com>\nDelivered-To: desk@example.net\n"
    b"Received: from mx1.example.com (mx1.example.com [203.0.113.1])\n\tby mx.example.net with ESMTPS id 4Z;\n"
    b"\tMon, 02 Mar 2026 09:00:02 +0000\nAuthentication-Results: mx.example.net; spf=pass\n"
)


@pytest.fixture(scope="module")
def good() -> Iterator[World]:
    with serve_world(worlds.load("good").zones) as world:
        yield world


def message(header: dict[str, Any] | None = None, kind: str = "transactional") -> bytes:
    """Return a message that conforms, signed."""
    made = captures.message("news@example.com", "desk@example.net", "mx1.example.com", header or {}, None, kind)
    return signing.signed(made)


def judged(world: World, folder: Path, octets: bytes, *arguments: str, **told: str) -> fleet.Ran:
    """Verify a message in a process of its own."""
    (folder / "one.eml").write_bytes(octets)
    given = {"ip": IP, "helo": "mx1.example.com", "mail-from": "bounces@bounce.example.com"} | told
    options = [f"--{name}={value}" for name, value in given.items()]
    options += [f"--report-dir={folder / 'told'}", f"--resolver={world.resolver}", "--dns-timeout=2"]
    command = ["-m", "conformance.cli", "verify", str(folder / "one.eml"), *options, *arguments]
    return fleet.run(*command, cwd=folder, environ=fleet.environment(world), folder="told")


def test_a_message_that_conforms(good: World, tmp_path: Path) -> None:
    ran = judged(good, tmp_path, message({}, "bulk"), "--kind=bulk", AT, "--skip-rules=ip.public")
    assert ran.status == 0, ran.said
    passed = {one["check"] for one in ran.results if one["outcome"] == "pass"}
    assert {
        "msg.date",
        "msg.from-one",
        "msg.cte",
        "unsub.oneclick",
        "spf.exists",
        "dmarc.exists",
        "ptr.exists",
    } <= passed
    unknown = {one["check"]: one["outcome"] for one in ran.results if one["check"] not in passed}
    assert set(unknown.values()) <= {"not-applicable", "advice"}
    for name in (
        "ip.declared",
        "helo.declared",
        "msg.no-bare-lf",
        "msg.message-id",
        "smtp.quit",
        "queue.retries",
        "tls.out-used",
    ):
        assert unknown[name] == "not-applicable"
    assert {name for name in passed if name.startswith(("queue.", "tls.", "srv."))} == {"tls.out-logged"}


def test_domains_without_spf_and_dmarc_a_null_sender_and_a_literal(good: World, tmp_path: Path) -> None:
    (tmp_path / "bare.zone").write_text(BARE)
    late = format_datetime(datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=2))
    octets = captures.message("news@example.com", "desk@example.net", "mx1.example.com", {"Date": late}, None)
    told = {"helo": f"[{IP}]", "mail-from": "<>", "dns": str(tmp_path / "bare.zone")}
    ran = judged(good, tmp_path, octets, **told)
    assert ran.status == 1, ran.said
    assert not [one for one in ran.results if "extra" in one and "traceback" in one["extra"]]
    failed = {one["check"]: one["seen"] for one in ran.results if one["outcome"] == "fail"}
    assert {"spf.exists", "dmarc.exists", "msg.date"} <= failed.keys()
    assert "after the message came" in failed["msg.date"]


def test_a_file_as_a_receiver_keeps_it(good: World, tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = -n 2 -x\n")
    ran = judged(good, tmp_path, RECEIVED + message().replace(b"\r\n", b"\n"), "--rules=msg.*", "--rules=dkim.*")
    assert ran.status == 0, ran.said
    assert "LF counts as CRLF" in ran.said
    assert "left out the first 5 lines" in ran.said
    assert ran.outcomes["msg.no-return-path mx1.example.com/message"] == "pass"


def test_what_is_no_message_is_no_internal_error(good: World, tmp_path: Path) -> None:
    hostile = b"\0\xff: \x1b[31m<script>\r\nFrom: \x1b]0;x\x07@\r\nDKIM-Signature: v=1; d=\xff..; s=../..\r\n"
    hostile += bytes(range(256))
    ran = judged(good, tmp_path, hostile, helo="\x1b[31m <b>")
    assert ran.status == 1, ran.said
    assert not [one for one in ran.results if "extra" in one and "traceback" in one["extra"]]
    assert "\x1b[31m" not in ran.out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"ip": "203.0.113"}, "--ip: '203.0.113' is no IP address"),
        ({"helo": " "}, "--helo"),
        ({"mail_from": "nobody"}, "--mail-from: 'nobody' is neither"),
        ({"mail_from": "a@example.com, b@example.com"}, "--mail-from"),
        ({"at": "2026-03-02T09:00:00"}, "--at"),
    ],
)
def test_what_cannot_be_told(options: dict[str, str], said: str) -> None:
    given = {"path": "x.eml", "ip": IP, "helo": "mx1", "mail_from": "<>", "kind": "bulk"}
    with pytest.raises(UsageError, match=said):
        told_of(**(given | options))


def test_wrong_usage_ends_with_4(good: World, tmp_path: Path) -> None:
    ran = judged(good, tmp_path, b" \r\n")
    assert ran.status == 4
    assert "is empty" in ran.err
    assert judged(good, tmp_path, message(), ip="nobody").status == 4


def test_what_a_receiver_added_is_left_out_and_nothing_else() -> None:
    own = message()
    assert as_sent(own, TOLD.ip) == Sent(own)
    kept = as_sent(RECEIVED + own.replace(b"\r\n", b"\n"), TOLD.ip)
    assert kept.came == datetime.datetime(2026, 3, 2, 9, 0, 2, tzinfo=datetime.UTC)
    assert kept.octets == b"Authentication-Results: mx.example.net; spf=pass\r\n" + own
    assert as_sent(b"From x Mon Mar  2\n" + own, TOLD.ip).octets == own
    assert as_sent(b"Return-Path: <a@example.com>\r\n" + own, TOLD.ip).octets == own
    other = ipaddress.ip_address("198.51.100.7")
    assert as_sent(RECEIVED.replace(b"\n", b"\r\n") + own, other).octets.startswith(b"Received: from mx1")


def test_the_fleet_of_a_message() -> None:
    found = fleet_of(read(message()), TOLD)
    (host,) = found.mtas
    assert [address.id for address in host.addresses] == [f"mx1.example.com/{IP}"]
    assert [(one.name, one.mail_from) for one in found.domains] == [("example.com", "bounce.example.com")]
    assert [one.id for one in found.selectors] == ["example.com/s1", "example.com/s2"]
    assert not found.tried_streams
    trials = {one.name: one.state for one in trials_of(found, Sent(message()), TOLD)}
    assert trials.pop("accept") == "watched"
    assert set(trials.values()) == {"skipped"}


@given(st.binary(max_size=200), st.text(max_size=30), st.text(max_size=30))
def test_any_octets_make_a_fleet(octets: bytes, helo: str, mail_from: str) -> None:
    told = Told(TOLD.ip, helo or "x", mail_from)
    sent = as_sent(octets, told.ip)
    found = fleet_of(read(sent.octets), told)
    assert all(part.isascii() for one in (*found.probes, *found.addresses, *found.domains) for part in one.id)
    assert list(trials_of(found, sent, told))
