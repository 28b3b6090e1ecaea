"""The findings as lines for a terminal: by rule, worst first, for a reader who wants to know what to do."""

from __future__ import annotations

import os
import re
import textwrap
from collections.abc import Iterator, Sequence

from conformance.reading.scripts import id_in_both_forms
from conformance.report.base import sentences
from conformance.report.grouping import (
    LETTERS,
    WORDS,
    WORST,
    Cause,
    Group,
    Remedy,
    Result,
    Results,
    causes,
    changed,
    groups,
    inconclusive,
    sentence,
    verdict,
)
from conformance.report.text import clip, plural, printable
from conformance.report.waived import lapse, notices, sentence_of
from conformance.report.words import proposal

ENTRY_LINES = 8
"""Lines of one entry, at most."""
_NARROWEST = 60
_CAUSES = 20
_NOTICES = 10
_STREAMS = 12
_NAMED = 5
_QUIET_FINDINGS = 20
_INDENT = " " * 10
_COMMAND = re.compile(r"^(\s*:):(?=[a-zA-Z-]+(?: .*)?::)|(##)\[")
"""What a step on GitHub would obey: ``::name ...::`` at the beginning of a line, ``##[name]`` anywhere."""
_COLORS = {"F": "\x1b[1;31m", "?": "\x1b[35m", "k": "\x1b[33m", "a": "\x1b[33m"}


def lines(
    results: Results,
    *,
    quiet: bool = False,
    color: bool = False,
    width: int = 100,
    report_path: str | os.PathLike[str] | None = None,
    notes: Sequence[str] = (),
) -> list[str]:
    """Return what a run has to say. No line holds a control character, except for our own colour codes.

    ``quiet`` gives one line and one more for each thing that is broken or could not be looked at. Letters carry the
    meaning, ``color`` only repeats it. ``width`` is in columns; fixes are never cut to it, so that they can be copied.
    ``notes`` are those of the run that nobody was told before.
    """
    width = max(width, _NARROWEST)
    found = groups(results)
    reasons = causes(results)
    if results["run"].get("inconclusive"):
        return _inert([*inconclusive(results), *_summary(results, report_path, notes)])
    if quiet:
        return _inert([*_headline(results), *_short_findings(found, color), *_short_causes(reasons, color)])
    entries = [_finding(group, color, width) for group in found if group.outcome == "fail"]
    entries += [_cause(cause, color, width) for cause in reasons[:_CAUSES]]
    if len(reasons) > _CAUSES:
        entries.append([f"{_mark('?', color)} and {len(reasons) - _CAUSES:,} more causes, see the report"])
    entries += [_advice(group, color, width) for group in found if group.outcome in ("known", "advice")]
    if told := list(_streams(results, width)):
        entries.append(told)
    return _inert([*(line for entry in entries for line in [*entry, ""]), *_summary(results, report_path, notes)])


def _inert(told: Sequence[str]) -> list[str]:
    """Return lines in which a runner on GitHub, which reads the log of a step, finds no command of its own."""
    return [_COMMAND.sub(lambda found: f"{found[1] or found[2]}\\x{ord(found[0][-1]):02x}", line) for line in told]


def _streams(results: Results, width: int) -> Iterator[str]:
    """Say of each stream that was made to send what a receiver would write of it, what does not pass first."""
    accounts = [one for one in results.get("streams", ()) if one["state"] != "skipped"]
    ordered = sorted(
        accounts, key=lambda one: all(each["result"] == "pass" for each in one["authentication"]) and bool(one["came"])
    )
    for one in ordered[:_STREAMS]:
        said = f"no message came: {one['why']}"
        if came := one["came"]:
            found = dict.fromkeys(f"{each['method']}={each['result']}" for each in one["authentication"])
            said = f"{' '.join(found)} from {came['address']} as {came['helo']}"
        yield clip(printable(f"{one['probe']}: {said}", 3 * width), width)
    if len(accounts) > _STREAMS:
        yield f"and {len(accounts) - _STREAMS:,} more streams, see the report"


def _mark(letter: str, color: bool) -> str:
    return f"{_COLORS[letter]}{letter}\x1b[0m" if color else letter


def _finding(group: Group, color: bool, width: int) -> list[str]:
    remedies = group.remedies
    entry = [_rule(group, color, width), *_subjects(group.findings, width, room=3), *_lapsed(group, width)]
    entry += _required(remedies, group.title, width)
    entry += _fixes(remedies, ENTRY_LINES - len(entry) - 1)
    return [*entry, *_why(group, width, min(ENTRY_LINES - len(entry), 2))]


def _advice(group: Group, color: bool, width: int) -> list[str]:
    told = [_rule(group, color, width), *_subjects(group.findings, width, room=2)]
    return [*told, *_lapsed(group, width), *_fixes(group.remedies, 1)]


def _lapsed(group: Group, width: int) -> list[str]:
    """Return what the first waiver said that does not count any more, and how many others there are."""
    texts = list(dict.fromkeys(text for finding in group.findings if (text := lapse(finding))))
    more = f" (and {plural(len(texts) - 1, 'other waiver')})" if len(texts) > 1 else ""
    return _wrapped(printable(texts[0], 1000) + more, width, 2) if texts else []


def _rule(group: Group, color: bool, width: int) -> str:
    numbers = [f"{len(group.findings):,} subjects"] if len(group.findings) > 1 else []
    numbers += [f"{group.known:,} known" if numbers else _known(group.findings[0])] if group.known else []
    number = f" ({', '.join(numbers)})" if numbers else ""
    text = f"{group.level.upper():<7} {printable(group.check)}: {printable(group.title)}"
    return f"{_mark(LETTERS[group.outcome], color)} {clip(text, width - 2 - len(number))}{number}"


def _known(finding: Result) -> str:
    return f"known since {printable(finding['known_since'])}"


def _subjects(findings: Sequence[Result], width: int, room: int) -> list[str]:
    if len(findings) == 1:
        return _wrapped(_seen(findings[0], 3 * width), width, 2)
    shown = findings if len(findings) <= room else findings[: room - 1]
    mixed = 0 < sum("known_since" in finding for finding in findings) < len(findings)
    out = [_INDENT + _one_line(finding, width - len(_INDENT), mixed) for finding in shown]
    if len(shown) < len(findings):
        out.append(f"{_INDENT}and {len(findings) - len(shown):,} more, see the report")
    return out


def _wrapped(text: str, width: int, room: int) -> list[str]:
    """Return a text in at most ``room`` indented lines."""
    wide = width - len(_INDENT)
    broken = textwrap.wrap(text, wide, break_on_hyphens=False)
    if len(broken) > room:
        broken = [*broken[: room - 1], clip(" ".join(broken[room - 1 :]), wide)]
    return [_INDENT + line for line in broken]


def _seen(finding: Result, limit: int) -> str:
    origin = f" ({printable(finding['declared_at'])})" if finding["declared_at"] else ""
    return f"{printable(id_in_both_forms(finding['subject']))}: {printable(finding['seen'], limit)}{origin}"


def _one_line(finding: Result, wide: int, mixed: bool) -> str:
    """Return subject and what was seen, with the place of declaration where it fits.

    Among findings some of which are new, those that are not say since when they are known.
    """
    known = f"; {_known(finding)}" if mixed and "known_since" in finding else ""
    text = _seen(finding, 3 * wide) + known
    if len(text) <= wide:
        return text
    return clip(_seen({**finding, "declared_at": None}, 3 * wide), wide - len(known)) + known


def _required(remedies: Sequence[Remedy], title: str, width: int) -> list[str]:
    wanted = list(dict.fromkeys(remedy.required for remedy in remedies if remedy.required))
    if not wanted or wanted == [title]:
        return []
    more = f" (and {len(wanted) - 1:,} others like it)" if len(wanted) > 1 else ""
    return [f"{_INDENT}required: {clip(printable(wanted[0]), width - len(_INDENT) - 10 - len(more))}{more}"]


def _fixes(remedies: Sequence[Remedy], room: int) -> list[str]:
    if len(remedies) == 1:
        out = [printable(line, 2000) for line in remedies[0].fix.splitlines() if line.strip()]
        rest = "and more, see the report"
    else:
        out = [printable(remedy.fix, 2000) for remedy in remedies if remedy.fix]
        rest = "and {:,} more like it, see the report"
    if len(out) > room:
        hidden = len(out) - max(room - 1, 1)
        out = [*out[: room - 1], rest.format(hidden)] if room > 1 else [f"{out[0]} ({rest.format(hidden)})"]
    return [f"{_INDENT}{'fix: ' if number == 0 else '     '}{line}" for number, line in enumerate(out)]


def _why(group: Group, width: int, room: int) -> list[str]:
    asking = [source["cite"] for source in group.sources if source["level"] == group.level]
    cites = "; ".join(printable(cite) for cite in (asking or [source["cite"] for source in group.sources])[:3])
    asked = f" ({clip(cites, width // 2)})" if cites else ""
    reason = printable(" ".join(group.reason.split()), 1000)
    text = clip(reason, max(room * (width - len(_INDENT)) - 15 - len(asked), 20)) + asked
    return _wrapped(f"why: {text}", width, room) if text.strip() else []


def _cause(cause: Cause, color: bool, width: int) -> list[str]:
    text = f"could not look: {printable(cause.text)}"
    gating = "" if cause.gating else ", none of them gates"
    touched = f"{cause.consequence}{gating}: {', '.join(cause.checks)}"
    first, *rest = _wrapped(text, width, 3)
    subjects = ", ".join(map(id_in_both_forms, cause.subjects[:50]))
    return [
        f"{_mark('?', color)} {first.strip()}",
        *rest,
        _INDENT + clip(printable(touched, 4 * width), width - len(_INDENT)),
        _INDENT + clip(f"on {printable(subjects, 4 * width)}", width - len(_INDENT)),
    ]


def _broken(results: Results) -> Iterator[str]:
    """Say again what is broken, where a long output ends and its first lines have gone by."""
    broken = [group for group in groups(results) if group.outcome == "fail"]
    if len(broken) > 1:
        named = [f"{printable(group.check)} ({len(group.findings):,})" for group in broken[:_NAMED]]
        more = f" and {plural(len(broken) - _NAMED, 'more rule')}" if len(broken) > _NAMED else ""
        yield f"Broken, worst first: {', '.join(named)}{more}."


def _summary(results: Results, report_path: str | os.PathLike[str] | None, notes: Sequence[str]) -> list[str]:
    run = results["run"]
    out = [sentence(results), *(() if run.get("inconclusive") else _broken(results))]
    if run["replay"] or run["dns"] == "replay":
        of = f" of {printable(run['replay'])}" if run["replay"] else ""
        out.append(f"DNS: replay{of}, not the live network.")
    if told := proposal(results):
        out.append(f"{printable(told)}.")
    if run["warnings"]:
        out.append(f"{plural(len(run['warnings']), 'warning')} about the inventory: {printable(run['warnings'][0])}")
    out += [printable(text, 1000) for text in sentences(results)]
    out += changed(results)
    out += _waivers(results)
    out += noted(notes)
    if not run["complete"]:
        out.append(f"Unfinished: {len(run['unreached']):,} not reached{_first(run['unreached'])}.")
    if report_path is not None:
        out.append(f"Report: {printable(os.fspath(report_path), 4096)}")
    return [*out, _exit(results)]


def noted(notes: Sequence[str]) -> list[str]:
    """Return notes of a run, as many as there is room for."""
    out = [f"Note: {printable(note, 1000)}" for note in notes[:_NOTICES]]
    return out + ([f"and {len(notes) - _NOTICES:,} more notes, see the report"] if len(notes) > _NOTICES else [])


def _waivers(results: Results) -> list[str]:
    told = notices(results)
    lines = [
        f"{printable(one.text[:1].upper() + one.text[1:], 1000)} [{printable(one.place)}]" for one in told[:_NOTICES]
    ]
    if len(told) > _NOTICES:
        lines.append(f"and {len(told) - _NOTICES:,} more waivers to look at, see the report")
    return [*filter(None, [sentence_of(results)]), *lines]


def _first(names: Sequence[str]) -> str:
    return f", first {printable(names[0])}" if names else ""


def _exit(results: Results) -> str:
    return f"exit {results['run']['exit']}: {printable(results['run']['exit_text'])}"


def _headline(results: Results) -> list[str]:
    counts = results["counts"]
    numbers = ", ".join(f"{counts[outcome]:,} {WORDS[outcome]}" for outcome in WORST if counts[outcome])
    proposed = "PROPOSED: " if proposal(results) else ""
    return [f"mailconform: {proposed}{verdict(results)}: {numbers or 'no results'}; {_exit(results)}"]


def _short_findings(found: Sequence[Group], color: bool) -> list[str]:
    out = []
    for group in found:
        failed = [finding for finding in group.findings if finding["outcome"] == "fail"]
        out += [
            f"{_mark('F', color)} {finding['level'].upper()} {group.check} {_seen(finding, 200)}{_short_lapse(finding)}"
            for finding in failed[:_QUIET_FINDINGS]
        ]
        if len(failed) > _QUIET_FINDINGS:
            out.append(f"{_mark('F', color)} {group.check} and {len(failed) - _QUIET_FINDINGS:,} more, see the report")
    return out


def _short_lapse(finding: Result) -> str:
    lapsed = lapse(finding)
    return f"; {printable(lapsed, 1000)}" if lapsed else ""


def _short_causes(reasons: Sequence[Cause], color: bool) -> list[str]:
    out = [
        f"{_mark('?', color)} {printable(cause.text)} ({plural(len(cause.results), 'check')})"
        for cause in reasons[:_CAUSES]
    ]
    if len(reasons) > _CAUSES:
        out.append(f"{_mark('?', color)} and {len(reasons) - _CAUSES:,} more causes, see the report")
    return out
