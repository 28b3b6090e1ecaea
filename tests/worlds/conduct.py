"""How a stream that conforms goes on with receivers of all kinds, for :mod:`tests.worlds.captures`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from conformance.facts.trial import Letter
from conformance.facts.trials import Recipe
from conformance.receiver.capture import Capture, Ended, Line, Transaction

AGAIN = 600
"""Seconds between two attempts of a host that conforms."""

Session = Mapping[str, Any]

TLS_REPORT = """From: TLS reports <tls@example.com>
To: the address in rua
Subject: Report Domain: conform.example.net Submitter: example.com Report-ID: <1@example.com>
Date: Tue, 03 Mar 2026 11:00:00 +0000
Message-ID: <1@example.com>
TLS-Report-Domain: conform.example.net
TLS-Report-Submitter: example.com
MIME-Version: 1.0
Content-Type: multipart/report; report-type=tlsrpt; boundary="r"

--r
Content-Type: text/plain

A report on TLS.
--r
Content-Type: application/tlsrpt+json

{"organization-name": "Example", "contact-info": "tls@example.com", "report-id": "1@example.com",
 "date-range": {"start-datetime": "2026-03-02T00:00:00Z", "end-datetime": "2026-03-02T23:59:59Z"},
 "policies": [{"policy": {"policy-type": "no-policy-found", "policy-domain": "conform.example.net"},
               "summary": {"total-successful-session-count": 1, "total-failure-session-count": 0}}]}
--r--
"""
"""A report of the day on which the letter was sent (RFC 8460)."""

_CLEAR = {"tls": False}
_LINES = "Subject: Conformance probe\r\n\r\n"
_DOTS = "..one\r\n.\r\n.two\r\n"
_FIRST, _SECOND = ({"exchange": f"mx{n}.conform.example.net", "local": f"198.51.100.{n}"} for n in (1, 2))

_UNTRUSTED: Sequence[Session] = [
    {"hellos": [{"at": 5, "verb": "EHLO", "argument": "mx1.example.com", "code": 250}], "transactions": []}
]

_SESSIONS: Mapping[str, Sequence[Session]] = {
    "unknown-2yz": [{"codes": {"mail": 259, "rcpt": 259}}],
    "unknown-4yz": [{"at": 1, "codes": {"rcpt": 477}}, {"at": 1 + AGAIN}],
    "unknown-5yz": [{"codes": {"rcpt": 599}}],
    "rcpt-limit": [
        {"at": 1, "codes": {"rcpt": [250, 250, 452, 452, 452]}},
        {"at": 1 + AGAIN, "recipients": [2, 3, 4], "codes": {"rcpt": [250, 250, 452]}},
        {"at": 1 + 2 * AGAIN, "recipients": [4]},
    ],
    "rcpt-mixed": [{"at": 1, "codes": {"rcpt": [250, 450, 550]}}, {"at": 1 + AGAIN, "recipients": [1]}],
    "two-domains": [{"at": 1, "recipients": [0]}, {"at": 2, "recipients": [1]}],
    "ehlo-502": [
        {
            "hellos": [
                {"at": 5, "verb": "EHLO", "argument": "mx1.example.com", "code": 502},
                {"at": 9, "verb": "HELO", "argument": "mx1.example.com", "code": 250},
            ],
            "extensions": [],
            "parameters": [],
            **_CLEAR,
        }
    ],
    "no-extensions": [{"extensions": [], "parameters": [], **_CLEAR}],
    "no-8bitmime": [{"extensions": ["PIPELINING", "SIZE 20480000", "STARTTLS"], "parameters": ["SIZE=1000"]}],
    "no-pipelining": [{"extensions": ["SIZE 20480000", "STARTTLS", "8BITMIME"]}],
    "no-starttls": [_CLEAR],
    "starttls-454": [_CLEAR],
    "small-size": [{"extensions": ["SIZE 1000", "STARTTLS"], "transactions": []}],
    "no-smtputf8": [{"extensions": ["SIZE 20480000", "STARTTLS", "8BITMIME"], "transactions": []}],
    "slow-dot": [{"ms": 92000.0}],
    "tls-12": [{"tls": "TLSv1.2"}],
    "tls-10": [
        {"at": 1, "tls": {"version": "", "error": "protocol version"}, "transactions": [], "ended": "handshake"},
        {"at": 2, **_CLEAR},
    ],
    "tls-reset": [
        {"at": 1, "tls": {"version": "", "error": "reset"}, "transactions": [], "ended": "dropped"},
        {"at": 1 + AGAIN},
    ],
    "dots": [{"body": _DOTS.replace("\r\n", "\n")}],
    "tls-report": [{"at": 1}, {"at": 26 * 3600, "message": TLS_REPORT}],
    "mx-two": [{"at": 1 + n, "letter": n, **(_FIRST if n % 3 else _SECOND)} for n in range(10)],
    "mx-dead-first": [{"at": 31, **_SECOND}],
    "mx-moved": [{"at": 1, **_FIRST}, {"at": 1 + AGAIN, "letter": 1, **_SECOND}],
    "mx-refuse-first": [{"codes": {"rcpt": 550}, **_FIRST}],
    "mx-null": [],
    "mx-not-a": [],
    "undeclared-author": [],
    "sts-unlisted": [],
    "sts-mismatch": [
        {"tls": {"error": "refused", "alert": "bad_certificate"}, "transactions": [], "ended": "handshake"}
    ],
    "requiretls": [{"parameters": ["SIZE=1000", "REQUIRETLS"]}],
    "requiretls-missing": [{"transactions": []}],
    "requiretls-clear": [{"transactions": [], **_CLEAR}],
    "sts-plain": [{"transactions": [], **_CLEAR}],
    "sts-dane": _UNTRUSTED,
    "dane-another-key": _UNTRUSTED,
    "dane-unknown-key": [],
    "dane-no-starttls": [{"transactions": [], **_CLEAR}],
}
_LETTERS: Mapping[str, Mapping[str, Any]] = {
    "dots": {"message": _LINES + _DOTS},
    "small-size": {"message": _LINES + "x" * 70 * 100},
    "no-8bitmime": {"message": _LINES + "caf\xc3\xa9\r\n"},
    "no-extensions": {"message": _LINES + "caf\xc3\xa9\r\n"},
    "undeclared-author": {"taken": False, "reply": "553 5.7.1 sender address rejected"},
}
_BOUNCED = (
    "small-size",
    "no-smtputf8",
    "unknown-5yz",
    "rcpt-mixed",
    "mx-refuse-first",
    "mx-null",
    "mx-not-a",
    "requiretls-missing",
)


def conforming(name: str, recipe: Recipe) -> dict[str, Any]:
    """Return the trial of a host that conforms: sessions, bounces, fields of letters."""
    bounced = name in _BOUNCED or name.startswith("refuse-")
    returns = [{}] if bounced and recipe.sender == "receiver" else []
    made: dict[str, Any] = {"sessions": list(_sessions(name, recipe)), "returns": returns}
    made["letter"] = _LETTERS.get(name, {})
    if name == "undeclared-author":
        made["state"] = "unsent"
    return made


def _sessions(name: str, recipe: Recipe) -> Iterator[Session]:
    verb, _, step = recipe.scenario.rpartition("-")
    if name in _SESSIONS:
        yield from _SESSIONS[name]
    elif verb in ("tempfail", "busy", "refuse", "drop"):
        code = {"tempfail": 451, "busy": 421, "refuse": 554 if step == "banner" else 550}.get(verb, 0)
        ended = {"ended": "dropped"} if verb in ("drop", "busy") else {}
        yield {"at": 1, "codes": {"dot" if step == "body" else step: code}, **ended}
        if verb != "refuse":
            yield {"at": 1 + AGAIN}
        elif recipe.again:
            yield {"at": 1 + AGAIN, "letter": 1, "codes": {step: code}}
    elif verb == "greylist":
        yield from ({"at": 1 + AGAIN * number, "codes": {"rcpt": 451}} for number in range(int(step)))
        yield {"at": 1 + AGAIN * int(step)}
    else:
        yield from ({"at": 1 + AGAIN * number, "letter": number} for number in range(recipe.letters + recipe.again))


def bounce(letter: Letter, host: str) -> str:
    """Return a delivery status notification about a letter (RFC 3464)."""
    return f"""From: Mail delivery <mailer-daemon@example.com>
To: {letter.sender}
Subject: Undelivered mail
Date: Mon, 02 Mar 2026 09:00:03 +0000
Message-ID: <bounce.{letter.return_token}@example.com>
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

The receiver refused your message.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; {host}

Final-Recipient: rfc822; {letter.recipients[0]}
Action: failed
Status: 5.1.1

--b--
"""


def dialogue(capture: Capture, banner: int) -> tuple[Line, ...]:
    """Return the lines of a session whose outcome is known."""
    said = _dialogue(capture, banner)
    return tuple(Line(at, side, text if side == "*" else f"{text}\r\n") for at, side, text in said)


def _dialogue(capture: Capture, banner: int) -> Iterator[tuple[float, str, str]]:
    if banner:
        yield 1.0, "S", f"{banner} {capture.exchange} ESMTP"
    for hello in capture.hellos:
        if hello.tls and capture.tls:
            yield capture.tls.at, "C", "STARTTLS"
            yield capture.tls.at, "S", "220 2.0.0 begin"
            yield capture.tls.at, "*", f"TLS: {capture.tls.version} {capture.tls.cipher}"
        yield hello.at, "C", f"{hello.verb} {hello.argument}"
        if hello.code:
            yield hello.at, "S", f"{hello.code} {capture.exchange}"
    for transaction in capture.transactions:
        yield from _transaction(transaction)
    if capture.ended is Ended.QUIT:
        yield capture.ms, "C", "QUIT"
        yield capture.ms, "S", "221 2.0.0 bye"


def _transaction(transaction: Transaction) -> Iterator[tuple[float, str, str]]:
    yield transaction.at, "C", f"MAIL FROM:{transaction.argument}"
    if transaction.code:
        yield transaction.at, "S", f"{transaction.code} sender"
    for recipient in transaction.recipients:
        yield recipient.at, "C", f"RCPT TO:{recipient.argument}"
        if recipient.code:
            yield recipient.at, "S", f"{recipient.code} recipient"
    if transaction.data_code:
        yield transaction.at, "C", "DATA"
        yield transaction.at, "S", f"{transaction.data_code} go on"
    if transaction.size:
        yield transaction.final_at, "*", f"{transaction.size} octets of message"
    if transaction.final_code:
        yield transaction.final_at, "S", f"{transaction.final_code} kept"
