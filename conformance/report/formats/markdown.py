"""Markdown for comments of merge requests and for chat, and what the step summary shares with it.

Text from outside stands in code: there a forge makes no links, mentions nobody and takes no command of it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from conformance.reading.scripts import id_in_both_forms
from conformance.report.base import sentences
from conformance.report.grouping import WORDS, WORST, Cause, Group, Result, Results, causes, groups, sentence, verdict
from conformance.report.text import plural, printable
from conformance.report.waived import lapse, notices, why_waived
from conformance.report.words import ordered, proposal, shortfall

LIMIT = 15_000
"""Octets. Less than the shortest of what common chats and forges take for one message."""
_FINDINGS = 3
_RESERVE = 500
"""Octets kept free for what says that something is left out."""
_LONGEST_FIX = 2000
_LEVELS = ("must", "should", "info")

_PLAIN = re.compile(r"(?!.*www\.)(?:[A-Za-z0-9 ,.;()'/+-]|: )*")
"""Text that Markdown takes for nothing but text, wherever it stands in a line."""


def render(results: Results) -> str:
    """Return verdict, counts and the worst findings with their fixes, short enough for one message."""
    return page(results, LIMIT, _FINDINGS)


def page(results: Results, limit: int, findings: int) -> str:
    """Return a summary of at most ``limit`` octets that shows at most ``findings`` of each rule, worst rules first."""
    text = _Text(limit)
    text.add(f"## mailconform: {verdict(results)}", sentence(results), *_run(results), _counts(results))
    found = groups(results)
    # What could not be looked at is not crowded out by what is broken, however much that is.
    text.section("What to do", (_group(one, findings) for one in found if one.outcome == "fail"), "rule", 0.7)
    text.section("Could not look", (_cause(one, findings) for one in causes(results)), "cause", 0.85)
    text.section("Known before", (_group(one, findings) for one in found if one.outcome == "known"), "rule", 0.9)
    text.section("Advice", (_group(one, findings) for one in found if one.outcome == "advice"), "rule", 0.95)
    text.section("Waived", _waived(results, findings), "rule", 0.98)
    text.section(
        "Waivers to look at", (f"- {code(one.text)} ({code(one.place)})" for one in notices(results)), "waiver", 1.0
    )
    return text.whole


@dataclass
class _Text:
    """Collects blocks of Markdown for as long as there is room, and says what there is none for."""

    limit: int
    blocks: list[str] = field(default_factory=list)
    size: int = 0

    def add(self, *blocks: str, upto: int | None = None) -> bool:
        """Add blocks, all or none, and return whether there was room for them."""
        size = sum(len(block.encode()) + 2 for block in blocks)
        if self.size + size > (self.limit if upto is None else upto):
            return False
        self.blocks += blocks
        self.size += size
        return True

    def section(self, title: str, parts: Iterable[str], noun: str, share: float) -> None:
        """Add a heading and the first parts, as many as fit into a share of all room, what stands before included."""
        room = int((self.limit - _RESERVE) * share)
        told = list(parts)
        for number, part in enumerate(told):
            if not self.add(*([] if number else [f"### {title}"]), part, upto=room):
                self.add(f"*{title}: {plural(len(told) - number, noun)} left out here, see report.html.*")
                return

    @property
    def whole(self) -> str:
        return "\n\n".join(self.blocks) + "\n"


def _run(results: Results) -> Iterator[str]:
    run = results["run"]
    about = [("inventory", ", ".join(run["inventory"])), ("profile", ",".join(run["profiles"])), ("DNS", run["dns"])]
    about += [("limited to", run["limit"])] if run["limit"] else []
    yield "; ".join(f"{name}: {code(value)}" for name, value in [*about, ("exit", str(run["exit"]))])
    if told := proposal(results):
        yield f"**PROPOSED**: {code(told.removeprefix('PROPOSED: '))}"
    elif run["dns"] != "live":
        yield "**Not the live network.**"
    if why := shortfall(results):
        yield f"**The run fell short:** {code(why)}"
    yield from map(code, sentences(results))
    if run["warnings"]:
        yield f"{plural(len(run['warnings']), 'warning')} about the inventory, first {code(run['warnings'][0])}"


def _counts(results: Results) -> str:
    counted = Counter((one["outcome"], one["level"]) for one in results["results"])
    rows = [
        (WORDS[outcome], *(f"{counted[outcome, level]:,}" for level in _LEVELS))
        for outcome in WORST
        if results["counts"][outcome]
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in [("outcome", *_LEVELS), ("---", *["---:"] * 3), *rows])


def _group(group: Group, most: int) -> str:
    shown = group.findings[:most]
    fixes = dict.fromkeys(one["fix"] for one in shown if one["fix"])
    title = f"**{group.check}** ({group.level}): {plain(group.title)}"
    parts = [title, _list([*map(_finding, shown), *_more(group.findings, most)])]
    return "\n\n".join([*parts, *([block(fixes)] if fixes else [])])


def _finding(result: Result) -> str:
    place = f" ({code(result['declared_at'])})" if result["declared_at"] else ""
    lapsed = lapse(result) or (f"known since {result['known_since']}" if "known_since" in result else "")
    subject = code(id_in_both_forms(result["subject"]))
    return f"{subject}: {code(result['seen'])}{place}{f'; {code(lapsed)}' if lapsed else ''}"


def _cause(cause: Cause, most: int) -> str:
    subjects = [code(one) for one in cause.subjects[:most]]
    touched = f"{', '.join(subjects)}{' and others' if len(cause.subjects) > most else ''}"
    return f"- {code(cause.text)} {cause.consequence}, on {touched}"


def _waived(results: Results, most: int) -> Iterator[str]:
    found: dict[str, list[Result]] = {}
    for one in ordered(results):
        if one["outcome"] == "waived":
            found.setdefault(one["check"], []).append(one)
    for check, own in found.items():
        lines = [f"{code(id_in_both_forms(one['subject']))}: {code(why_waived(one))}" for one in own[:most]]
        yield f"**{check}**\n\n{_list([*lines, *_more(own, most)])}"


def _more(found: Sequence[Result], most: int) -> list[str]:
    return [f"and {len(found) - most:,} more"] if len(found) > most else []


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def plain(text: str) -> str:
    """Return a text as it is when Markdown makes nothing of it, else as code."""
    return text if _PLAIN.fullmatch(text) else code(text)


def code(text: str, limit: int = 400) -> str:
    """Return a text as inline code, whatever is in it."""
    shown = printable(text, limit) or " "
    fence = "`" * (_longest_run(shown) + 1)
    room = " " if shown[0] in "` " or shown[-1] in "` " else ""
    return f"{fence}{room}{shown}{room}{fence}"


def block(texts: Iterable[str]) -> str:
    """Return texts as a block of code, to be copied from."""
    shown = "\n".join(printable(text, _LONGEST_FIX, newlines=True) for text in texts)
    fence = "`" * max(_longest_run(shown) + 1, 3)
    return f"{fence}text\n{shown}\n{fence}"


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)
