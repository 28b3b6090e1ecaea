"""The section of the page about what hosts were made to send."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
from sample_results import result, results
from test_page import HOSTILE, Page

from conformance.report import schema
from conformance.report.beside import place_of
from conformance.report.deliveries import Deliveries
from conformance.report.page import render
from conformance.report.terminal import lines

PROBE = "mx1.example.net/news"
REF = f"trial:{PROBE} accept"
HEADER = "Received: from app\r\n\tby mx1\r\nDKIM-Signature: v=1;\r\n d=example.net\r\nFrom: n@example.net\r\n"
WIRE = f"{HEADER}To: t@x\r\n\r\nHi.\r\n..\r\n.\r\n"


def capture(*said: tuple[float, str, str], wire: str = WIRE, **more: Any) -> dict[str, Any]:
    told = said or (
        (1.0, "S", "220 mx ESMTP\r\n"),
        (5.0, "C", "EHLO mx1.example.net\r\n"),
        (5.5, "S", "250-mx\r\n250 SIZE\r\n"),
        (6.0, "C", "STARTTLS\r\n"),
        (9.0, "*", "TLS: TLSv1.3 TLS_AES_256_GCM_SHA384"),
        (12.0, "C", "MAIL FROM:<b@example.net>\r\n"),
        (20.0, "*", "140 octets of message"),
        (21.0, "C", "QUIT\n"),
    )
    return {
        "started": "2026-03-02T09:00:01.000+00:00",
        "peer": "203.0.113.1",
        "peer_port": 40000,
        "local": "198.51.100.1",
        "exchange": "mx.conform.example.net",
        "ms": 30.0,
        "ended": "quit",
        "lines": [{"at": at, "side": side, "text": text} for at, side, text in told],
        "transactions": [{"at": 12.0, "argument": "", "sender": "b@example.net", "how": "DATA", "wire": wire}],
    } | more


def trial(name: str = "accept", *captures: dict[str, Any], stream: str = PROBE) -> dict[str, Any]:
    letters = [{"handed": "2026-03-02T09:00:00.000+00:00", "sender": "", "recipients": [], "tokens": []}]
    return {"stream": stream, "name": name, "letters": letters, "captures": list(captures or [capture()])}


def account(probe: str = PROBE, **more: Any) -> dict[str, Any]:
    host, _, stream = probe.partition("@")[0].partition("/")
    came = {
        "at": "2026-03-02T09:00:01.000+00:00",
        "address": "203.0.113.1",
        "helo": "mx1.example.net",
        "mail_from": "b@example.net",
        "tls": "TLSv1.3 TLS_AES_256_GCM_SHA384",
        "octets": 140,
        "trial": f"trial:{probe} accept",
    }
    return {
        "probe": probe,
        "host": host,
        "stream": stream,
        "kind": "bulk",
        "how": "submission",
        "from": "n@example.net",
        "source": None,
        "state": "came",
        "why": "",
        "came": came,
        "authentication": [
            {"method": "iprev", "result": "pass", "properties": {"policy.iprev": "203.0.113.1"}, "reason": ""},
            {"method": "spf", "result": "fail", "properties": {"smtp.mailfrom": "b@example.net"}, "reason": "by -all"},
            {"method": "dmarc", "result": "none", "properties": {"header.from": "example.net"}, "reason": ""},
        ],
    } | more


def probe_result(check: str, outcome: str = "fail", **more: Any) -> dict[str, Any]:
    own = {"kind": "probe", "host": "mx1.example.net", "evidence": [REF], "seen": f"seen by {check}"}
    return result(check, more.pop("subject", PROBE), outcome, **(own | more))


def page(*own: dict[str, Any], streams: list[dict[str, Any]], trials: list[dict[str, Any]]) -> tuple[Page, str]:
    found = results(*own) | {"streams": streams}
    jsonschema.Draft202012Validator(schema()).validate(found)
    text = render(found, {"schema": 1, "answers": [], "trials": trials})
    read = Page(text)
    assert read.broken_links() == set()
    assert len(read.ids) == len(set(read.ids))
    return read, text


def test_findings_stand_below_the_lines_they_belong_to() -> None:
    where = {
        "ip.declared": "* connected:",
        "ptr.exists": "iprev=pass policy.iprev=203.0.113.1",
        "spf.authorises": "spf=fail smtp.mailfrom=b@example.net",
        "dmarc.pass": "dmarc=none header.from=example.net",
        "dkim.oversign": "d=example.net",
        "msg.from-valid": "From: n@example.net",
        "helo.declared": "5.0 C EHLO mx1.example.net",
        "tls.out-logged": "by mx1",
        "smtp.mailfrom-valid": "12.0 C MAIL FROM:<b@example.net>",
        "msg.size": "20.0 * 140 octets of message",
        "msg.date": "To: t@x",
    }
    own = [probe_result(check, "fail" if number % 2 else "advice") for number, check in enumerate(where)]
    read, text = page(*own, streams=[account()], trials=[trial()])
    section = text[text.index('<section id="streams">') : text.index('<section id="hosts"')]
    spans = [part.partition("</span>")[0] for part in section.split("<span")[1:]]
    bare = [Page(f"<p{part}</p>").text for part in spans]
    for check, line in where.items():
        at = next(number for number, one in enumerate(bare) if f"seen by {check}" in one)
        while "seen by" in bare[at]:
            at -= 1
        assert line in bare[at], check
    assert [one for one in bare if "QUIT" in one] == [r"21.0 C QUIT\x0a"]
    assert [one for one in bare if "250" in one] == ["5.5 S 250-mx", "S 250 SIZE"]
    assert "trial-mx1.example.net/news~20accept" in read.ids


def test_a_trial_with_findings_is_shown_and_others_are_not() -> None:
    own = [
        probe_result("queue.retries", kind="stream", evidence=[REF, f"trial:{PROBE} greylist"]),
        probe_result("smtp.quit", "pass", kind="stream", evidence=[f"trial:{PROBE} slow-dot"]),
        probe_result("helo.exists", "undetermined", kind="address", subject=f"{PROBE}/observed", cause="no answer"),
    ]
    trials = [trial(), trial("greylist", capture(), capture(ended="reset")), trial("slow-dot")]
    read, _ = page(*own, streams=[account()], trials=trials)
    assert [one for one in read.ids if one.startswith("trial-")] == [
        "trial-mx1.example.net/news~20accept",
        "trial-mx1.example.net/news~20greylist",
    ]
    assert "* reset" in read.text
    assert "? helo.exists no answer" in read.text


def test_what_did_not_come_says_why() -> None:
    missing = account(state="missing", why="nothing came in 60 s", came=None, authentication=[])
    read, _ = page(probe_result("ip.declared", "undetermined", cause="nothing came"), streams=[missing], trials=[])
    assert "no message came: nothing came in 60 s" in read.text
    found = results(probe_result("ip.declared", "undetermined")) | {"streams": [missing, account()]}
    told = lines(found, width=100)
    assert f"{PROBE}: no message came: nothing came in 60 s" in told
    assert f"{PROBE}: iprev=pass spf=fail dmarc=none from 203.0.113.1 as mx1.example.net" in told


def test_the_terminal_says_first_what_does_not_pass() -> None:
    fine = [account(f"mx1.example.net/s{number}", authentication=[]) for number in range(30)]
    told = lines(results(probe_result("ip.declared")) | {"streams": [*fine, account()]}, width=100)
    own = [line for line in told if line.startswith("mx1.example.net/")]
    assert own[0].startswith(f"{PROBE}: iprev=pass spf=fail")
    assert len(own) == 12
    assert "and 19 more streams, see the report" in told


def test_hostile_text_stays_text() -> None:
    bad = HOSTILE[:600]
    hostile = capture((1.0, "C", f"EHLO {bad}\r\n"), wire=f"Subject: {bad}\r\n\r\n.\r\n", exchange=bad, error=bad)
    told = account(why=bad, came=account()["came"] | {"helo": bad, "mail_from": bad})
    told["authentication"][1] |= {"properties": {"smtp.mailfrom": bad}, "reason": bad}
    read, text = page(probe_result("helo.declared", seen=bad), streams=[told], trials=[trial("accept", hostile)])
    assert "img" not in read.tags
    assert read.tags.count("script") == 1
    assert not any(char in text for char in "\x1b\0\u202e\udc80")


def test_the_section_is_bounded() -> None:
    many = [account(f"mx1.example.net/s{number}") for number in range(60)]
    long = capture(*((float(n), "C", "NOOP " + "x" * 4000 + "\r\n") for n in range(1000)))
    trials = [trial("accept", *[long] * 20, stream=f"mx1.example.net/s{number}") for number in range(60)]
    found = results() | {"streams": many}
    whole = Deliveries(found, {"trials": trials}, 100_000)
    sizes = [sum(len(text) for _, _, text in one.trials) for one in whole.streams]
    assert 0 < sizes[0] < 400_000
    assert sum(map(bool, sizes)) == 1
    assert [one.left_out for one in whole.streams] == [False] + [True] * 59
    assert whole.refs == {"trial:mx1.example.net/s0 accept"}


def test_every_rule_on_deliveries_has_a_place() -> None:
    from conformance.catalogue import checks
    from conformance.subjects import kind_of

    judged = [name for name, check in checks().items() if kind_of(check) in ("probe", "stream")]
    assert not [name for name in judged if not place_of(name)]


def test_results_with_streams_are_json() -> None:
    found = results(probe_result("ip.declared")) | {"streams": [account()]}
    assert json.loads(json.dumps(found)) == found
