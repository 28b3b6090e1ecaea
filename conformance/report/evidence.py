"""What was observed, as text beside the findings it convinced: DNS answers and SMTP transcripts, each written once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from markupsafe import Markup, escape

from conformance.report.grouping import Results
from conformance.report.matrix import anchor
from conformance.report.text import printable

_LINES = 80
"""Lines of a transcript that are shown."""
_RECORDS = 12
_QUESTION_WIDTH = 48

Section = tuple[str, str]
"""A section of the page: ``h`` or ``d`` and the name of the host or domain."""


class Evidence:
    """Answers and sessions by the section of the page in which they stand.

    The answers that a rule looked at stand with the domain or else the host it judged first, so that nothing is
    written twice. ``trials`` are those that stand elsewhere on the page.
    """

    def __init__(self, results: Results, facts: Mapping[str, Any] | None, trials: Collection[str] = ()) -> None:
        self._answers: Sequence[Mapping[str, Any]] = (facts or {}).get("answers", ())
        self._held: Sequence[Mapping[str, Any]] = (facts or {}).get("sessions", ())
        self._sessions = {f"{s['host']}:{s['port']}": number for number, s in enumerate(self._held)}
        self._usual = _usual(self._answers)
        homes, linked = _homes(results)
        self._homes = {section: [ref for ref in refs if self._exists(ref)] for section, refs in homes.items()}
        self._linked = linked
        self._anchored = {ref for ref in linked if self._exists(ref)}.union(trials)
        self._labelled = frozenset(self._anchored)
        self.shown: dict[Section, Markup] = {}
        self.left_out: set[Section] = set()

    @property
    def usual(self) -> str:
        """Where an answer came from unless its line says otherwise."""
        return ", ".join(part for part in self._usual if part)

    def write(self, sections: Sequence[Section], room: int) -> None:
        """Write the evidence of sections, given the most important first, in at most ``room`` characters.

        Where not all of it fits, that of findings comes first; for what is left out ``facts.json`` is referred to.
        """
        # Of a large fleet most are never shown: they are not kept to know how long they are.
        sizes = {section: len(self._text(refs)) for section in sections if (refs := self._homes.get(section))}
        if sum(sizes.values()) > room:
            for section in sizes:
                text = self._text([ref for ref in self._homes[section] if ref in self._linked])
                if len(text) > room:
                    self._anchored -= set(self._homes[section])
                    text = Markup("")
                self.shown[section] = text
                room -= len(text)
        for section, size in sizes.items():
            more = size - len(self.shown.get(section, ""))
            if more <= room:
                self.shown[section] = self._text(self._homes[section])
                room -= more
            else:
                self.left_out.add(section)

    def links(self, refs: Iterable[str]) -> list[tuple[str, str]]:
        """Return (anchor or nothing, reference) of what a finding was judged by."""
        return [(evidence_anchor(ref) if ref in self._anchored else "", ref) for ref in refs]

    def _exists(self, ref: str) -> bool:
        kind, _, rest = ref.partition(":")
        if kind == "dns":
            return rest.isdecimal() and 1 <= int(rest) <= len(self._answers)
        return kind == "smtp" and rest in self._sessions

    def _text(self, refs: Sequence[str]) -> Markup:
        answers = [self._answer(ref) for ref in refs if ref.startswith("dns:")]
        parts = [Markup('<pre class="dns">{}</pre>').format(Markup("\n").join(answers))] if answers else []
        parts += [self._session(ref) for ref in refs if ref.startswith("smtp:")]
        return Markup("").join(parts)

    def _answer(self, ref: str) -> Markup:
        answer = self._answers[int(ref.partition(":")[2]) - 1]
        question = printable(f"{answer['name']} {answer['rdtype']}", 255)
        about = [f"ttl {answer['ttl']}"] if answer.get("ttl") is not None else []
        about += [f"{answer.get('ms', 0):.1f} ms"]
        about += [part for part, usual in zip(_origin(answer), self._usual, strict=True) if part and part != usual]
        return Markup("{} {:<{}} {}  <i>{}</i>").format(
            self._label(ref), question, _QUESTION_WIDTH, answer_text(answer), printable(", ".join(about))
        )

    def _label(self, ref: str) -> Markup:
        if ref not in self._labelled:
            return escape(f"{ref:<8}")
        return Markup('<b id="{}">{}</b>{}').format(evidence_anchor(ref), ref, " " * (8 - len(ref)))

    def _session(self, ref: str) -> Markup:
        session = self._held[self._sessions[ref.partition(":")[2]]]
        identity = Markup(' id="{}"').format(evidence_anchor(ref)) if ref in self._labelled else ""
        return Markup('<p class="smtp"{}><b>{}</b> {}</p>{}<pre>{}</pre>').format(
            identity, printable(ref), session_text(session), _certificate(session), "\n".join(_transcript(session))
        )


def evidence_anchor(ref: str) -> str:
    """Return the id of an answer or session on the page: ``dns-12``."""
    kind, _, name = ref.partition(":")
    return anchor(kind, name)


def _origin(answer: Mapping[str, Any]) -> tuple[str, str, str]:
    server = answer.get("server", "")
    return server and f"from {server}", answer.get("transport", ""), answer.get("layer", "live")


def _usual(answers: Sequence[Mapping[str, Any]]) -> tuple[str, str, str]:
    counted = Counter(origin for origin in map(_origin, answers) if origin[0])
    return counted.most_common(1)[0][0] if counted else ("", "", "live")


def _homes(results: Results) -> tuple[dict[Section, list[str]], set[str]]:
    """Return the evidence by section, and what findings link to."""
    homes: dict[Section, dict[str, None]] = {}
    taken: set[str] = set()
    linked: set[str] = set()
    for late in (False, True):
        for result in results["results"]:
            if not result["evidence"] or (result["kind"] == "sender") is not late:
                continue
            if result["outcome"] not in ("pass", "not-applicable"):
                linked.update(result["evidence"])
            section = ("d", result["domain"]) if result["domain"] else ("h", result["host"] or "")
            fresh = [ref for ref in result["evidence"] if ref not in taken]
            homes.setdefault(section, {}).update(dict.fromkeys(fresh))
            taken.update(fresh)
    return {section: list(refs) for section, refs in homes.items()}, linked


def answer_text(answer: Mapping[str, Any]) -> str:
    """Return what was answered: the records, that there are none, or why nobody knows."""
    if answer["status"] == "undetermined":
        return f"? {printable(answer.get('error') or answer['rcode'])}"
    via = "".join(f"{printable(alias, 255)}: " for alias in answer.get("aliases", ()))
    if answer["status"] == "absent":
        return via + ("NXDOMAIN" if answer["rcode"] == "NXDOMAIN" else "no such record")
    records = answer.get("records", ())
    shown = ", ".join(_record(record) for record in records[:_RECORDS])
    return via + shown + (f" and {len(records) - _RECORDS} more" if len(records) > _RECORDS else "")


def _record(record: str | Sequence[int | str]) -> str:
    if isinstance(record, str):
        return printable(record, 255)
    if len(record) == 2 and isinstance(record[0], int):
        return f"{record[0]} {printable(str(record[1]), 255)}"
    return printable(" ".join(f'"{part}"' for part in record), 600)


def session_text(session: Mapping[str, Any]) -> str:
    """Return in one sentence how a session went."""
    parts = [f"dialled {printable(session['target'])}", str(session["end"])]
    if session.get("stage"):
        parts[-1] += f" at {printable(session['stage'])}"
    if session.get("error"):
        parts[-1] += f" ({printable(session['error'])})"
    if session.get("tls_version"):
        parts.append(f"{printable(session['tls_version'])} {printable(session.get('cipher', ''))}".strip())
    if session.get("old_tls"):
        parts.append(f"TLS 1.0 and 1.1 {printable(session['old_tls'])}")
    if session.get("started"):
        parts.append(printable(session["started"]))
    return ", ".join([*parts, f"{session.get('ms', 0):.0f} ms"])


def _transcript(session: Mapping[str, Any]) -> list[str]:
    lines = session.get("lines", ())
    out = [f"{line['at']:>7.1f} {printable(line['side'], 8)} {printable(line['text'], 300)}" for line in lines[:_LINES]]
    if len(lines) > _LINES:
        out.append(f"        … {len(lines) - _LINES} more lines in facts.json")
    if session.get("truncated"):
        out.append("        … cut while it was recorded")
    return out or ["        nothing was said"]


def _certificate(session: Mapping[str, Any]) -> Markup:
    found = session.get("certificate")
    if not found:
        return Markup("")
    trust = "verified" if found["verified"] else f"not verified: {printable(found.get('verify_error', ''))}"
    names = printable(", ".join([*found["names"], *found["addresses"]]), 300)
    return Markup('<p class="smtp">Certificate for {} by {}, {} to {}, {}, SHA-256 {}</p>').format(
        names or printable(found["subject"]),
        printable(found["issuer"], 120),
        printable(found["not_before"][:10]),
        printable(found["not_after"][:10]),
        trust,
        printable(found["sha256"][:16]),
    )
