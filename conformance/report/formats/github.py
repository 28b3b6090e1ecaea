"""Annotations on GitHub: workflow commands, which a step prints.

GitHub shows ten errors, ten warnings and ten notices of a step and drops the rest in silence; here the last of each
kind says how many there are beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from conformance.reading.scripts import id_in_both_forms
from conformance.report.base import sentences
from conformance.report.grouping import Cause, Result, Results, causes, sentence, verdict
from conformance.report.text import printable
from conformance.report.waived import Notice, lapse, notices
from conformance.report.words import declared, ordered, proposal, shortfall

MOST = 10
"""Annotations of one kind."""


class Annotation(NamedTuple):
    """One annotation; ``place`` is file and line."""

    title: str
    text: str
    place: tuple[str, int | None] | None = None


def render(results: Results) -> str:
    """Return what fails as errors, what could not be looked at and what should be as warnings, the rest as notices."""
    found = ordered(results)
    broken = [one for one in found if one["outcome"] == "fail"]
    advice = [one for one in found if one["outcome"] == "advice"]
    why = shortfall(results)
    own = [Annotation("mailconform: the run fell short", printable(why))] if why else []
    kinds = {
        "error": [*own, *map(_finding, broken)],
        "warning": [
            *map(_cause, causes(results)),
            *map(_notice, notices(results)),
            *(_finding(one) for one in advice if one["level"] != "info"),
        ],
        "notice": [
            *([Annotation("mailconform: what was known", text)] if (text := " ".join(sentences(results))) else []),
            Annotation(f"mailconform: {_proposed(results)}{verdict(results)}", sentence(results)),
            *(_finding(one) for one in found if one["outcome"] == "known"),
            *(_finding(one) for one in advice if one["level"] == "info"),
        ],
    }
    return "".join(f"{line}\n" for kind, told in kinds.items() for line in _commands(kind, told))


def _proposed(results: Results) -> str:
    return "PROPOSED: " if proposal(results) else ""


def _finding(result: Result) -> Annotation:
    fix = printable(result["fix"], 1000, newlines=True)
    lapsed = printable(lapse(result))
    text = f"{printable(id_in_both_forms(result['subject']))}: {printable(result['seen'])}"
    text += f"\nfix: {fix}" if fix else ""
    text += f"\n{lapsed}" if lapsed else ""
    known = f", known since {result['known_since']}" if "known_since" in result else ""
    return Annotation(f"{result['check']} [{result['level']}{known}]", text, declared(result))


def _notice(notice: Notice) -> Annotation:
    return Annotation(f"waiver: {notice.kind}", printable(notice.text), declared({"declared_at": notice.place}))


def _cause(cause: Cause) -> Annotation:
    text = f"{printable(cause.text)}: {cause.consequence}"
    return Annotation("could not look", text, declared(cause.results[0]))


def _commands(kind: str, told: Sequence[Annotation]) -> Iterator[str]:
    shown = told if len(told) <= MOST else told[: MOST - 1]
    yield from (_command(kind, one) for one in shown)
    if len(shown) < len(told):
        more = f"and {len(told) - len(shown):,} more like these: see the job summary or report.html"
        yield _command(kind, Annotation("mailconform: more than GitHub shows", more))


def _command(kind: str, told: Annotation) -> str:
    """Return a workflow command: what it could be taken apart by is written as %XX."""
    properties = [f"title={_property(told.title)}"]
    if told.place is not None:
        path, line = told.place
        properties += [f"file={_property(path)}", *([f"line={line}"] if line else [])]
    return f"::{kind} {','.join(properties)}::{_data(told.text)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(printable(text)).replace(":", "%3A").replace(",", "%2C")
