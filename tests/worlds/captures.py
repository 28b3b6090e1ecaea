"""Captured trials for worlds: what a stream that conforms does with every receiver, and what a world changes in that.

A world says under ``trials``, by ``HOST/STREAM TRIAL``, what differs: ``sessions`` (a list of mappings, see
:meth:`Maker.session`), ``returns`` (likewise, bounces), ``letters`` (how many), ``letter`` (fields of all of them),
``until`` (seconds after the last letter), or any field of :class:`conformance.facts.trial.Trial`. The trial ``*``
stands for all that the world does not name.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from conformance.facts.trial import Letter, State, Trial
from conformance.facts.trials import TRIALS, Recipe
from conformance.receiver.capture import (
    Capture,
    Chunk,
    ClientHello,
    Early,
    Ended,
    Hello,
    Line,
    Recipient,
    Tls,
    Transaction,
    Visit,
)
from tests.worlds.conduct import AGAIN, bounce, conforming, dialogue
from tests.worlds.signing import signed

BEGAN = datetime.datetime(2026, 3, 2, 9, 0, tzinfo=datetime.UTC)
PROBE_DOMAIN = "conform.example.net"
EXTENSIONS = ("PIPELINING", "SIZE 20480000", "STARTTLS", "8BITMIME", "ENHANCEDSTATUSCODES", "CHUNKING", "SMTPUTF8")


def moment(seconds: float) -> str:
    """Return a time so many seconds after the letter was handed over."""
    return (BEGAN + datetime.timedelta(seconds=seconds)).isoformat(timespec="milliseconds")


def token(name: str, number: int) -> str:
    """Return the token of a recipient of a trial."""
    return f"t{number}{re.sub('[^a-z0-9]', '', name)}0000000000000000"[:20]


BOUNDARY = "=_conforming"
ALTERNATIVE = f"""--{BOUNDARY}
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 7bit

Hello. To hear no more of us: https://example.com/unsubscribe/2c9b61
Example Ltd, 1 Example Street, Exampletown
--{BOUNDARY}
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: quoted-printable

<p>Hello. <a href=3D"https://example.com/unsubscribe/2c9b61">Unsubscribe</=
a></p><p>Example Ltd, 1 Example Street, Exampletown</p>
--{BOUNDARY}--
"""

OF_KIND: Mapping[str, Mapping[str, Any]] = {
    "bulk": {
        "Sender": "news-desk@example.com",
        "Reply-To": "News desk <news@example.com>",
        "List-Unsubscribe": "<https://example.com/u/2c9b61>,\n <mailto:leave-2c9b61@example.com>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "Feedback-ID": "7:news:example:example.com",
    },
    "list": {
        "Sender": "posts-owner@example.com",
        "List-Id": "Posts <posts.example.com>",
        "List-Post": "<mailto:posts@example.com>",
        "List-Help": "<mailto:posts-request@example.com?subject=help>",
        "List-Owner": "<mailto:posts-owner@example.com>",
        "List-Unsubscribe": "<https://example.com/u/77aa01>,\n <mailto:posts-leave@example.com>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "Precedence": "list",
    },
    "auto": {"Auto-Submitted": "auto-generated"},
    "form": {"Reply-To": "Visitor <visitor@example.com>"},
}
"""Header fields that a conforming message of a kind has besides."""


def message(
    sender: str, recipient: str, helo: str, extra: Mapping[str, Any], body: str | None, kind: str = "transactional"
) -> bytes:
    """Return a message that conforms, with some header fields changed: text, None to leave out, a list for several."""
    domain = sender.rpartition("@")[2]
    header: dict[str, Any] = {
        "Received": f"from app.{domain} ([192.0.2.9])\n\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384)\n"
        f"\tby {helo} (Postfix) with ESMTPSA id 4XyZ1;\n\tMon, 02 Mar 2026 09:00:00 +0000",
        "Date": "Mon, 02 Mar 2026 09:00:00 +0000",
        "From": f"News <{sender}>",
        "To": recipient,
        "Subject": "Conformance probe",
        "Message-ID": f"<{recipient.partition('@')[0]}@{domain}>",
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Transfer-Encoding": "7bit",
    }
    if kind == "bulk" and body is None and not extra.keys() & {"Content-Type", "Content-Transfer-Encoding"}:
        header["Content-Type"] = f'multipart/alternative; boundary="{BOUNDARY}"'
        body = ALTERNATIVE
    header.update(OF_KIND.get(kind, {}))
    header.update(extra)
    rows = [(name, one) for name, value in header.items() for one in (value if isinstance(value, list) else [value])]
    text = "".join(f"{name}: {value}\n" for name, value in rows if value is not None)
    text += "\n" + ("Hello.\n" if body is None else body)
    return text.encode("utf-8", "surrogateescape").replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def stuffed(octets: bytes) -> str:
    """Return a message as it goes over the wire after DATA (RFC 5321 section 4.5.2)."""
    doubled = re.sub(rb"(?m)^\.", b"..", octets)
    return (doubled + (b"" if doubled.endswith(b"\r\n") else b"\r\n") + b".\r\n").decode("latin-1")


class Maker:
    """Makes the trials of one stream."""

    def __init__(self, stream: str, settings: Mapping[str, Any], peer: str, helo: str) -> None:
        self.stream, self.peer, self.helo = stream, peer, helo
        self.author = str(settings["from"])
        self.kind = str(settings.get("kind", "transactional"))
        self.mail_from = f"bounces@{settings.get('envelope', self.author.rpartition('@')[2])}"

    def trial(self, name: str, changes: Mapping[str, Any]) -> Trial:
        """Return a trial: that of a stream that conforms, with some of it changed."""
        recipe = TRIALS[name]
        given = conforming(name, recipe) | dict(changes)
        count, fields_of_letters = given.pop("letters", recipe.letters + recipe.again), given.pop("letter")
        letters = [replace(self.letter(name, recipe, number), **fields_of_letters) for number in range(count)]
        sessions, returns = given.pop("sessions"), given.pop("returns")
        until = moment(given.pop("until", max(recipe.wait, 1.0)) + AGAIN * len(letters))
        captures = tuple(self.session(name, number, letters, one) for number, one in enumerate(sessions))
        bounces = tuple(self.bounce(name, number, letters[0], one) for number, one in enumerate(returns))
        return Trial(
            self.stream,
            name,
            state=State(given.pop("state", "watched")),
            letters=tuple(letters),
            captures=captures,
            returns=bounces,
            until=until,
            **given,
        )

    def bounce(self, name: str, number: int, letter: Letter, given: Mapping[str, Any]) -> Capture:
        """Return a session that brings a bounce to a letter's sender; ``given`` as in :meth:`session`."""
        returned = Letter(letter.handed, "", (letter.sender,), (letter.return_token,))
        one = {"at": 3 + number, "id": f"{self.stream}-{name}-r{number}", "message": bounce(letter, self.helo)}
        return self.session(name, number, [returned], one | dict(given))

    def letter(self, name: str, recipe: Recipe, number: int) -> Letter:
        """Return what the host was given to send."""
        tokens = tuple(token(name, 10 * number + place) for place in range(recipe.recipients))
        label = name.replace("-", "")
        turns = 2 if recipe.route == "two-domains" else 1
        domains = [f"{label}{place % turns or ''}.{PROBE_DOMAIN}" for place in range(recipe.recipients)]
        returns = f"r{tokens[0]}" if recipe.sender == "receiver" else ""
        senders = {"null": "", "receiver": f"{returns}@returns.{PROBE_DOMAIN}"}
        return Letter(
            moment(number * AGAIN),
            senders.get(recipe.sender, self.mail_from),
            tuple(f"{one}@{domain}" for one, domain in zip(tokens, domains, strict=True)),
            tokens,
            return_token=returns,
        )

    def session(self, name: str, number: int, letters: Sequence[Letter], given: Mapping[str, Any]) -> Capture:
        """Return one session. What ``given`` may hold:

        ``at`` seconds after the first letter · ``letter`` its number · ``peer``, ``exchange``, ``local`` · ``helo``,
        ``hellos`` (a list of fields) · ``tls`` (a version, false, or fields of Tls, with ``hello`` of ClientHello) ·
        ``extensions`` · ``codes`` (of banner, ehlo, mail, rcpt, data, dot; rcpt may be a list) · ``sender``,
        ``parameters`` · ``recipients`` (places in the letter) · ``header``, ``body``, ``message``, ``sign`` (false, or
        signatures as :mod:`tests.worlds.signing` makes them), ``edit`` (texts to replace afterwards) · ``how``,
        ``wire`` · ``early`` · ``lines`` (a list of [milliseconds, side, text]) · ``ended`` and other fields of Capture.
        """
        one = dict(given)
        at = float(one.pop("at", 1 + number))
        letter = letters[one.pop("letter", 0)]
        codes = {"banner": 220, "ehlo": 250, "mail": 250, "rcpt": 250, "data": 354, "dot": 250} | one.pop("codes", {})
        helo, tls = one.pop("helo", self.helo), one.pop("tls", "TLSv1.3")
        transactions = one.pop("transactions", None)
        begun = codes["banner"] == 220 and codes["ehlo"] == 250
        own = [field.name for field in fields(Capture)]
        rest = {key: one.pop(key) for key in list(one) if key in own and key not in ("lines", "early", "hellos", "tls")}
        offered = tuple(rest.pop("extensions", EXTENSIONS if tls else [o for o in EXTENSIONS if o != "STARTTLS"]))
        made = {
            "id": f"{self.stream}-{name}-{number}",
            "started": moment(at),
            "peer": self.peer,
            "peer_port": 40000 + number,
            "local": "198.51.100.1",
            "local_port": 25,
            "ms": 900.0,
            "exchange": f"mx.{PROBE_DOMAIN}",
            "tokens": letter.tokens,
            "scenario": TRIALS[name].scenario,
            "banner_at": 1.0 if codes["banner"] else None,
            "extensions": offered,
            "extensions_tls": tuple(o for o in offered if o != "STARTTLS") if tls else (),
            "hellos": tuple(_hellos(one.pop("hellos", None), helo, bool(tls), codes)),
            "tls": _tls(tls) if begun else None,
            "early": tuple(Early(*early) for early in one.pop("early", ())),
            "ended": Ended.QUIT,
        }
        if transactions is None:
            transactions = [one] if begun and codes["mail"] else []
        made["transactions"] = tuple(self.transaction(letter, codes, helo, entry) for entry in transactions)
        rest["visits"] = tuple(Visit(**visit) for visit in rest.get("visits", ()))
        if "ended" in rest:
            rest["ended"] = Ended(rest["ended"])
        lines = one.pop("lines", None)
        capture = Capture(**(made | rest))
        shown = tuple(Line(*line) for line in lines) if lines is not None else dialogue(capture, codes["banner"])
        return replace(capture, lines=shown)

    def transaction(self, letter: Letter, codes: Mapping[str, Any], helo: str, given: Mapping[str, Any]) -> Transaction:
        """Return one mail transaction; ``given`` as in :meth:`session`."""
        one = dict(given)
        codes = {**codes, **one.pop("codes", {})}
        sender = one.pop("sender", letter.sender)
        places = one.pop("recipients", range(len(letter.recipients)))
        replies = codes["rcpt"] if isinstance(codes["rcpt"], list) else [codes["rcpt"]] * len(places)
        named = codes["mail"] // 100 == 2
        recipients = tuple(
            Recipient(30.0, f"<{letter.recipients[place]}>", letter.recipients[place], (), letter.tokens[place], code)
            for place, code in zip(places, replies, strict=True)
            if named
        )
        begun = any(recipient.code // 100 == 2 for recipient in recipients) and codes["data"] // 100 == 3
        octets = one.pop("message", None)
        if octets is None:
            to = ", ".join(letter.recipients)
            octets = message(self.author, to, helo, one.pop("header", {}), one.pop("body", None), self.kind)
        elif isinstance(octets, str):
            octets = octets.encode("utf-8").replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        octets = signed(octets, one.pop("sign", True))
        for old, new in one.pop("edit", {}).items():
            octets = octets.replace(old.encode(), new.encode(), 1)
        how = one.pop("how", "DATA")
        wire = one.pop("wire", None) or (stuffed(octets) if how == "DATA" else octets.decode("latin-1"))
        parameters = tuple(one.pop("parameters", ("SIZE=1000", "BODY=8BITMIME")))
        made = {
            "at": 20.0,
            "argument": " ".join((f"<{sender}>", *parameters)),
            "sender": sender,
            "parameters": parameters,
            "code": codes["mail"],
            "recipients": recipients,
            "how": how if begun else "",
            "data_code": codes["data"] if recipients else 0,
            "wire": wire if begun else "",
            "chunks": (Chunk(50.0, len(wire)),) if begun else (),
            "size": len(wire) if begun else 0,
            "final_at": 60.0 if begun else 0.0,
            "final_code": codes["dot"] if begun else 0,
        }
        known = [field.name for field in fields(Transaction)]
        return Transaction(**(made | {key: value for key, value in one.items() if key in known}))


def _hellos(given: Any, helo: str, tls: bool, codes: Mapping[str, int]) -> Iterator[Hello]:
    if given is not None:
        yield from (Hello(**hello) for hello in given)
    elif codes["banner"] == 220:
        yield Hello(5.0, "EHLO", helo, False, codes["ehlo"])
        if tls and codes["ehlo"] == 250:
            yield Hello(15.0, "EHLO", helo, True, 250)


def _tls(given: Any) -> Tls | None:
    if not given:
        return None
    entry = {"version": given} if isinstance(given, str) else dict(given)
    hello = {
        "versions": ("TLSv1.3", "TLSv1.2"),
        "ciphers": ("TLS_AES_256_GCM_SHA384", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
        "sni": f"mx.{PROBE_DOMAIN}",
    } | entry.pop("hello", {})
    shown = ClientHello(**{key: tuple(value) if isinstance(value, list) else value for key, value in hello.items()})
    cipher = "TLS_AES_256_GCM_SHA384" if entry.get("version") else ""
    return Tls(**({"at": 10.0, "hello": shown, "cipher": cipher} | entry))


def trials(maker: Maker, changes: Mapping[str, Any]) -> Iterator[Trial]:
    """Yield every trial of a stream."""
    for name in TRIALS:
        given = changes.get(f"{maker.stream} {name}", changes.get(f"{maker.stream} *"))
        yield maker.trial(name, given or {})
