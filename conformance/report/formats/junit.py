"""JUnit XML, as GitLab, Jenkins and the readers on GitHub take it.

A test case is known by class name (host or domain) and name (rule and subject): neither holds what was seen, a count
or a date, so that a reader can tell what is new. What could not be looked at is an error: readers take a skipped test
for a success.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from xml.sax.saxutils import escape, quoteattr

from conformance.report.grouping import WORDS, Result, Results
from conformance.report.text import printable
from conformance.report.waived import lapse, why_waived
from conformance.report.words import declared, in_words, proposal, shortfall

LIMIT = 28_000_000
"""Octets. GitLab takes files of less than 30 MB."""

_TAGS = {
    "fail": "failure",
    "undetermined": "error",
    "advice": "skipped",
    "known": "skipped",
    "waived": "skipped",
    "not-applicable": "skipped",
}
_FIRST_TO_GO = ("not-applicable", "pass", "waived", "advice", "known", "undetermined", "fail")


def render(results: Results) -> str:
    """Return one suite with a test case a result, and one more where the run itself fell short."""
    told, left_out = _fitting((one["outcome"], _case(one)) for one in results["results"])
    own = list(_own(results, left_out))
    counted = Counter(_TAGS.get(outcome, "") for outcome, _ in told) + Counter(tag for tag, _ in own)
    numbers = f'tests="{len(told) + len(own)}" failures="{counted["failure"]}" errors="{counted["error"]}"'
    numbers += f' skipped="{counted["skipped"]}" time="{results["run"]["seconds"]:.3f}"'
    started = quoteattr(printable(results["run"]["started"]))
    return "\n".join(
        [
            '<?xml version="1.0" encoding="utf-8"?>',
            f'<testsuites name="mailconform" {numbers}>',
            f'<testsuite name="mailconform" {numbers} timestamp={started}>',
            *_properties(results),
            *(case for _, case in told),
            *(case for _, case in own),
            "</testsuite>",
            "</testsuites>",
            "",
        ]
    )


def _properties(results: Results) -> list[str]:
    """Return what is told of the run as a whole where it was not of live DNS; names of test cases stay the same."""
    if not (told := proposal(results)):
        return []
    values = {"dns": "proposed", "proposed": told}
    lines = [f'<property name="{name}" value={quoteattr(printable(value))}/>' for name, value in values.items()]
    return ["<properties>", *lines, "</properties>"]


def _case(result: Result) -> str:
    name = printable(f"{result['check']} [{result['subject']}]", 2000)
    where = printable(result["host"] or result["domain"] or result["kind"], 2000)
    opening = f"<testcase classname={quoteattr(where)} name={quoteattr(name)}"
    tag = _TAGS.get(result["outcome"])
    if tag is None:
        return f"{opening}/>"
    if result["outcome"] == "not-applicable":
        return f"{opening}><skipped message={quoteattr(printable(result['why']))}/></testcase>"
    return f"{opening}{_place(result)}>{_told(tag, result)}</testcase>"


def _told(tag: str, result: Result) -> str:
    kind = result["level"] if tag == "failure" else result["outcome"]
    return f"<{tag} type={quoteattr(kind)} message={quoteattr(_message(result))}>{escape(in_words(result))}</{tag}>"


def _message(result: Result) -> str:
    """Return what happened on one line: readers show a skipped test's message and nothing else of it."""
    seen = printable(result["seen"] or result["cause"] or "")
    if result["outcome"] == "waived":
        return f"waived: {printable(why_waived(result))}; {seen}"
    if result["outcome"] == "known":
        return f"known since {result['known_since']}: {seen}"
    lapsed = lapse(result)
    seen += f"; {printable(lapsed)}" if lapsed else ""
    return f"advice ({result['level']}): {seen}" if result["outcome"] == "advice" else seen


def _place(result: Result) -> str:
    """Return file and line of the declaration, which readers lead to."""
    if (place := declared(result)) is None:
        return ""
    line = f' line="{place[1]}"' if place[1] else ""
    return f" file={quoteattr(printable(place[0]))}{line}"


def _own(results: Results, left_out: Counter[str]) -> Iterator[tuple[str, str]]:
    """Yield test cases of the run itself: that it fell short, that there was no room for all of its results."""
    if why := shortfall(results):
        yield "error", _of_run("the run looked at everything", "error", why)
    if left_out:
        what = ", ".join(f"{count:,} {WORDS[outcome]}" for outcome, count in left_out.items())
        yield "skipped", _of_run("every result is listed", "skipped", f"left out of a file of this size: {what}")


def _of_run(name: str, tag: str, message: str) -> str:
    told = quoteattr(printable(message))
    return f'<testcase classname="mailconform" name="{name}"><{tag} message={told}/></testcase>'


def _fitting(cases: Iterable[tuple[str, str]]) -> tuple[list[tuple[str, str]], Counter[str]]:
    """Return the cases that there is room for, and how many of each outcome are left out.

    Whole outcomes go, those that nobody has to act on first, so that it depends on little which cases are listed.
    What goes is not held: that of a large fleet would be many times what there is room for.
    """
    room, kept, counted = LIMIT, list[tuple[str, str]](), Counter[str]()
    going = iter(_FIRST_TO_GO[:-1])
    gone: list[str] = []
    for outcome, case in cases:
        counted[outcome] += 1
        if outcome in gone:
            continue
        kept.append((outcome, case))
        room -= _size(case)
        while room < 0 and (next_to_go := next(going, None)):
            gone.append(next_to_go)
            room += sum(_size(one) for kind, one in kept if kind == next_to_go)
            kept = [pair for pair in kept if pair[0] != next_to_go]
        if room < 0:
            # Nothing but failures is left, of which the first are listed.
            gone.append(outcome)
            kept.pop()
    left_out = Counter({outcome: counted[outcome] for outcome in gone if counted[outcome]})
    if "fail" in left_out:
        left_out["fail"] -= len(kept)
    return kept, left_out


def _size(case: str) -> int:
    return len(case.encode()) + 1
