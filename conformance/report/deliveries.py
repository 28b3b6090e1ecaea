"""The section of the page about what hosts were made to send: sessions, messages, and what speaks for their authors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

from conformance.reading.message import header_of
from conformance.report.beside import Beside
from conformance.report.findings import rule_link
from conformance.report.grouping import LETTERS, WORST, Result, Results
from conformance.report.matrix import anchor, tally
from conformance.report.text import clip, plural, printable

_LINES = 100
"""Lines of a session that are shown."""
_SESSIONS = 4
_REPLY_LINES = 30
_FIELDS = 80
_TRIALS = 12
"""Trials of a stream that are shown: those with findings, and the one that took the mail at once."""
_WIDE = 400
_SEEN = 240
_TOLD = ("fail", "advice", "waived", "undetermined")
_LETTER_WIDTH = 10
_SUMMARY = 1_500
"""Characters that a stream takes without sessions."""

_SLOT = re.compile(r"/(?:observed|signature-[0-9]+)\Z")
"""What subjects that are seen only once mail has come are called after their probe."""

Trial = Mapping[str, Any]


@dataclass(frozen=True)
class Stream:
    """One probe as the page shows it."""

    name: str
    anchor: str
    clean: bool
    tally: list[tuple[str, int]]
    state: str
    about: list[tuple[str, str]]
    authentication: Markup
    header: Markup
    trials: list[tuple[str, str, Markup]]
    """Anchor, what it is, its sessions."""
    left_out: bool


class Deliveries:
    """What came of each probe. ``refs`` are the trials whose sessions are on the page, as evidence names them."""

    def __init__(self, results: Results, facts: Mapping[str, Any] | None, room: int) -> None:
        self.refs: set[str] = set()
        self._trials = {ref_of(trial): trial for trial in (facts or {}).get("trials", ())}
        self._judged: dict[str, list[Result]] = {}
        for result in results["results"]:
            if result["kind"] in ("probe", "stream", "address", "selector"):
                self._judged.setdefault(_SLOT.sub("", result["subject"]), []).append(result)
        accounts = sorted(results.get("streams", ()), key=lambda one: _weight(self._of(one)))
        self.streams: list[Stream] = []
        for account in accounts:
            made = self._stream(account, room)
            room -= _SUMMARY + len(made.header) + sum(len(text) for _, _, text in made.trials)
            self.streams.append(made)

    def _of(self, account: Mapping[str, Any]) -> list[Result]:
        """Return the results of a probe, with those of its stream where it is the one that was tried."""
        names = dict.fromkeys((account["probe"], f"{account['host']}/{account['stream']}"))
        return [result for name in names for result in self._judged.get(name, ())]

    def _stream(self, account: Mapping[str, Any], room: int) -> Stream:
        own = self._of(account)
        told = sorted((r for r in own if r["outcome"] in _TOLD), key=lambda r: _TOLD.index(r["outcome"]))
        first = account["came"]["trial"] if account["came"] else ""
        by_trial: dict[str, list[Result]] = {first: []}
        for result in told:
            by_trial.setdefault(_trial_of(result, first, self._trials), []).append(result)
        beside = Beside(by_trial.pop(first))
        authentication = _authentication(account["authentication"], beside)
        header = _header(self._trials.get(first), beside) if room > 0 else Markup("")
        told_of = [(first, beside), *((ref, Beside(found)) for ref, found in by_trial.items())]
        known = [(ref, found) for ref, found in told_of if ref in self._trials]
        trials = list(self._sessions(known[:_TRIALS], room))
        return Stream(
            account["probe"],
            anchor("s", account["probe"]),
            not told,
            tally(own),
            _state(account),
            list(_about(account)),
            authentication,
            header,
            trials,
            len(trials) < len(known),
        )

    def _sessions(self, known: Sequence[tuple[str, Beside]], room: int) -> Iterator[tuple[str, str, Markup]]:
        """Yield the trials of a stream while there is room."""
        for ref, beside in known:
            if room <= 0:
                return
            made = self._trial(ref, beside)
            room -= len(made[2])
            yield made

    def _trial(self, ref: str, beside: Beside) -> tuple[str, str, Markup]:
        trial = self._trials[ref]
        self.refs.add(ref)
        captures = trial.get("captures", ())
        sessions = [_session(capture, beside) for capture in captures[:_SESSIONS]]
        if len(captures) > _SESSIONS:
            sessions.append(_calm(f"{len(captures) - _SESSIONS} more sessions are in facts.json"))
        if not captures:
            sessions.append(_calm(printable(trial.get("error") or "no session was seen")))
        rest = Markup("").join(_note(result) for result in beside.rest())
        parts = [Markup("<pre>{}</pre>").format(rest)] if rest else []
        return anchor("trial", ref.partition(":")[2]), _title(trial), Markup("").join([*parts, *sessions])


def ref_of(trial: Trial) -> str:
    """Return how evidence names a trial of ``facts.json``."""
    at = f"@{trial['source']}" if trial.get("source") else ""
    return f"trial:{trial['stream']}{at} {trial['name']}"


def _weight(own: Sequence[Result]) -> tuple[int, ...]:
    counts = dict.fromkeys(WORST, 0)
    for result in own:
        counts[result["outcome"]] += 1
    return tuple(-counts[outcome] for outcome in WORST[:4])


def _trial_of(result: Result, first: str, trials: Mapping[str, Trial]) -> str:
    """Return the trial that a result is about: the first that is not the plain one, where there is one."""
    refs = [ref for ref in result["evidence"] if ref in trials]
    if result["kind"] != "stream":
        return first
    return next((ref for ref in refs if ref != first), first)


def _state(account: Mapping[str, Any]) -> str:
    if account["state"] != "came":
        return f"no message came: {account['why']}"
    short = dict.fromkeys(f"{one['method']}={one['result']}" for one in account["authentication"])
    return " ".join(short)


def _about(account: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    source = f", told to use {account['source']}" if account["source"] else ""
    yield "Declared", f"{account['kind']} mail from {account['from']}, by {account['how']}{source}"
    if came := account["came"]:
        yield "Came", f"from {came['address']}, greeting as {came['helo']}, {came['at']}"
        yield "Envelope", f"MAIL FROM:<{came['mail_from']}>"
        yield "Message", f"{plural(came['octets'], 'octet')}, {came['tls'] or 'in clear text'}"


def _authentication(results: Iterable[Mapping[str, Any]], beside: Beside) -> Markup:
    """Return what a receiver would write, each result with the findings about it."""
    lines: list[Markup] = []
    for one in results:
        properties = " ".join(f"{name}={printable(value, 120)}" for name, value in one["properties"].items())
        reason = Markup("  <i>{}</i>").format(printable(one["reason"], _WIDE)) if one["reason"] else Markup("")
        text = f"{one['method']}={printable(one['result'], 20)} {properties}"
        lines.append(Markup("<span>{}{}\n</span>").format(text, reason))
        lines += map(_note, beside.at(f"auth {one['method']}"))
    lines += map(_note, beside.rest("auth"))
    return Markup('<pre class="lines">{}</pre>').format(Markup("").join(lines)) if lines else Markup("")


def _header(trial: Trial | None, beside: Beside) -> Markup:
    """Return the header of the first message of a trial, each field with the findings about it."""
    message = next(iter(_messages(trial or {})), None)
    if message is None:
        return Markup("")
    fields = _fields(header_of(message)[0])
    names = [field.partition(b":")[0].strip().lower().decode("latin-1") for field in fields]
    lines: list[Markup] = []
    for number, (name, field) in enumerate(zip(names, fields, strict=True)):
        if number < _FIELDS:
            lines.append(Markup("<span>{}\n</span>").format(_folded(field)))
        if name not in names[number + 1 :]:
            lines += map(_note, beside.at(f"header {name}"))
    if len(fields) > _FIELDS:
        lines.append(_quiet(f"{len(fields) - _FIELDS} more fields in facts.json"))
    lines += map(_note, beside.rest("header"))
    return Markup('<pre class="lines">{}</pre>').format(Markup("").join(lines))


def _messages(trial: Trial) -> Iterator[bytes]:
    for capture in trial.get("captures", ()):
        for transaction in capture.get("transactions", ()):
            if wire := transaction.get("wire"):
                octets = wire.encode("latin-1", "replace")
                yield octets.replace(b"\r\n.", b"\r\n") if transaction.get("how") == "DATA" else octets


def _fields(header: bytes) -> list[bytes]:
    fields: list[bytes] = []
    for line in header.splitlines():
        if line[:1] in b" \t" and fields:
            fields[-1] += b"\n" + line
        else:
            fields.append(line)
    return fields


def _folded(field: bytes) -> str:
    try:
        text = field.decode("utf-8")
    except UnicodeDecodeError:
        text = field.decode("latin-1")
    return printable(text.replace("\t", "    "), 3 * _WIDE, newlines=True)


def _title(trial: Trial) -> str:
    letters = trial.get("letters", ())
    handed = f", handed over {letters[0]['handed']}" if letters else ""
    return f"{trial['name']}{handed}, {plural(len(trial.get('captures', ())), 'session')}"


def _session(capture: Mapping[str, Any], beside: Beside) -> Markup:
    """Return one session: where it came from, its lines with their times, and the findings about them."""
    local = printable(capture.get("exchange") or capture["local"], 120)
    about = f"{capture['started']} from {capture['peer']} port {capture['peer_port']} to {local}"
    connected = Markup("<span>{}\n</span>").format(f"        * connected: {about}")
    lines = [connected, *map(_note, beside.at("line connected"))]
    said = capture.get("lines", ())
    for number, line in enumerate(said):
        if len(lines) > _LINES:
            lines.append(_quiet(f"{len(said) - number} more lines in facts.json"))
            break
        first, *more = _shown(line["text"])
        lines.append(Markup("<span>{}\n</span>").format(f"{line['at']:>7.1f} {line['side']} {first}"))
        lines += [Markup("<span>{}\n</span>").format(f"{'':>7} {line['side']} {text}") for text in more]
        if line["side"] != "S":
            lines += map(_note, beside.at(f"line {_word(line['side'], first)}"))
    if capture.get("truncated"):
        lines.append(_quiet("cut while it was recorded"))
    if not said or said[-1]["side"] != "*":
        ended = f"{capture.get('ms', 0):>7.1f} * {capture.get('ended', 'open')}"
        ended += f": {printable(capture['error'])}" if capture.get("error") else ""
        lines.append(Markup("<span>{}\n</span>").format(ended))
    lines += map(_note, beside.at("line end"))
    return Markup('<pre class="lines">{}</pre>').format(Markup("").join(lines))


def _shown(text: str) -> list[str]:
    """Return the lines of what went over the wire at once; a CR or LF that stands alone stays in its line."""
    bare = text.removesuffix("\r\n")
    return [printable(line, _WIDE) for line in bare.split("\r\n", _REPLY_LINES)]


def _word(side: str, text: str) -> str:
    """Return what a line of the client is: its verb, or ``message``."""
    if side == "*":
        return "message" if "octets of message" in text else "STARTTLS" if text.startswith("TLS") else ""
    verb = text.partition(" ")[0].partition(":")[0].upper()
    return {"HELO": "EHLO", "BDAT": "DATA"}.get(verb, verb)


def _note(result: Result) -> Markup:
    """Return a finding as a line below the one it belongs to."""
    outcome, link = result["outcome"], rule_link(result["check"])
    said = result["cause"] if outcome == "undetermined" else result["seen"]
    return Markup('<span class="note"><b class="mark {}">{}</b> <a href="{}">{}</a> {}\n</span>').format(
        outcome, LETTERS[outcome], link.href, link.text, clip(printable(said or "", _SEEN * 2), _SEEN)
    )


def _quiet(text: str) -> Markup:
    return Markup("<span>        … {}\n</span>").format(text)


def _calm(text: str) -> Markup:
    return Markup('<p class="calm">{}</p>').format(escape(text))
