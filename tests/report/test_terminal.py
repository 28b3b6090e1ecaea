from __future__ import annotations

import re

import pytest
from sample_results import TITLES, fleet, result, results

from conformance.report.grouping import verdict
from conformance.report.terminal import ENTRY_LINES, lines

HOSTILE = [
    "<script>alert(1)</script>",
    "\x1b]0;owned\x07\x1b[2J",
    "a\0b\rc\nd",
    "\u202etxt.exe",
    "x" * 61_440,
    "\udc80",
]


def entries(text: list[str]) -> list[list[str]]:
    """Entries of the terminal, without the summary."""
    parts: list[list[str]] = [[]]
    for line in text:
        if line:
            parts[-1].append(line)
        else:
            parts.append([])
    return parts[:-1]


def test_what_failed_and_what_is_advised_of_one_rule_are_told_apart() -> None:
    found = results(
        result("ptr.exists", "mx1/198.51.100.25", "fail"),
        result("ptr.exists", "mx2/198.51.100.26", "advice", level="info"),
        result("ptr.exists", "mx3/198.51.100.27", "advice", level="info"),
    )
    told = [entry[0] for entry in entries(lines(found))]
    assert [line.split()[:2] for line in told] == [["F", "MUST"], ["a", "INFO"]]
    assert "subjects" not in told[0]
    assert "(2 subjects)" in told[1]


def test_among_new_findings_the_known_ones_say_since_when() -> None:
    old = result("ptr.exists", "mx2/198.51.100.26", "fail", known_since="2026-11-01")
    (entry,) = entries(lines(results(result("ptr.exists", "mx1/198.51.100.25", "fail"), old)))
    assert entry[0].endswith("(2 subjects, 1 known)")
    assert [line.endswith("; known since 2026-11-01") for line in entry[1:3]] == [False, True]
    narrow = entries(lines(results(result("ptr.exists", "mx1", "fail"), old | {"seen": "x" * 200}), width=60))[0]
    assert narrow[2].endswith("…; known since 2026-11-01") and len(narrow[2]) == 60


@pytest.mark.parametrize(
    ("levels", "said"),
    [
        (["must"], "leaves 1 check undetermined, which gates: ptr.exists"),
        (["must", "must"], "leaves 2 checks undetermined, all of them gate: ptr.exists"),
        (["must", "info"], "leaves 2 checks undetermined, 1 of them gates: ptr.exists"),
        (["must", "must", "info"], "leaves 3 checks undetermined, 2 of them gate: ptr.exists"),
        (["info"], "leaves 1 check undetermined, none of them gates: ptr.exists"),
    ],
)
def test_what_a_cause_leaves_open_is_counted(levels: list[str], said: str) -> None:
    rows = [
        result("ptr.exists", f"mx{number}", "undetermined", level=level, cause="no answer")
        for number, level in enumerate(levels)
    ]
    assert said in "\n".join(lines(results(*rows, exit=6)))


def test_a_run_that_knows_nothing_names_nothing_broken() -> None:
    rows = [result("ptr.exists", "mx1", "fail"), result("spf.exists", "example.com", "fail")]
    assert any(line.startswith("Broken, worst first") for line in lines(results(*rows)))
    dark = lines(results(*rows, exit=6, inconclusive="192.0.2.53 left 60 of 90 questions without an answer"))
    assert not any(line.startswith("Broken") for line in dark)


def test_notes_are_told_as_far_as_there_is_room() -> None:
    told = lines(results(), notes=[f"note\x1b {number}" for number in range(12)])
    assert next(line for line in told if line.startswith("Note: ")) == r"Note: note\x1b 0"
    assert "and 2 more notes, see the report" in told


def test_a_long_output_ends_with_what_is_broken() -> None:
    rules = ("ptr.exists", "ptr.answers", "ptr.single", "helo.fqdn", "spf.exists", "srv.quit")
    found = results(*(result(check, "mx1", "fail") for check in rules), result("ptr.exists", "mx2", "fail"))
    told = next(line for line in lines(found) if line.startswith("Broken"))
    assert told == (
        "Broken, worst first: ptr.exists (2), helo.fqdn (1), ptr.answers (1), ptr.single (1), spf.exists (1)"
        " and 1 more rule."
    )


def test_worst_first() -> None:
    found = results(
        result("ptr.single", "mx1/198.51.100.25", "advice", level="info"),
        result("spf.exists", "example.com", "advice", level="should"),
        result("srv.quit", "mx2:25", "undetermined"),
        result("helo.fqdn", "mx1/198.51.100.25", "fail", level="should"),
        result("ptr.exists", "mx1/198.51.100.25", "fail"),
        result("ptr.answers", "mx1/198.51.100.25", "fail"),
        result("ptr.answers", "mx2/198.51.100.26", "fail"),
    )
    heads = [entry[0].split(":")[0].split()[-1] for entry in entries(lines(found))]
    assert heads == ["ptr.answers", "ptr.exists", "helo.fqdn", "look", "spf.exists", "ptr.single"]


def test_one_finding_says_all_that_is_needed() -> None:
    found = results(result("ptr.exists", "mx1.example.net/198.51.100.25", "fail", required="a PTR record"))
    entry = "\n".join(entries(lines(found))[0])
    assert entry.startswith(f"F MUST    ptr.exists: {TITLES['ptr.exists']}")
    for part in ("mx1.example.net/198.51.100.25: 25.100", "(host_vars/mx1.example.net.yml:2)"):
        assert part in entry.replace("\n          ", " ")
    assert "required: a PTR record" in entry
    assert "fix: 25.100.51.198.in-addr.arpa. IN PTR mx1.example.net." in entry
    assert "(Z ptr; G ip-addresses)" in entry


def test_many_subjects_are_folded_and_entries_stay_short() -> None:
    long = {"seen": "word " * 200, "required": "other " * 100, "fix": "line\n" * 30}
    found = results(
        *(result("ptr.exists", f"mx{n}/198.51.100.{n}", "fail") for n in range(1, 45)),
        *(result("ptr.single", f"mx{n}/198.51.100.{n}", "fail", **long) for n in range(1, 45)),
        result("helo.fqdn", "mx1/198.51.100.1", "fail", **long),
        result("helo.syntax", "mx1/198.51.100.1", "advice", level="info", **long),
    )
    text = lines(found)
    assert all(len(entry) <= ENTRY_LINES for entry in entries(text))
    assert "          and 42 more, see the report" in text
    assert not any("mx40/" in line for line in text)


def test_a_fix_is_never_cut() -> None:
    record = 'v=DKIM1; p="' + "A" * 700
    found = results(result("dkim.key-exists", "example.com/s1", "fail", fix=record))
    assert any(line.endswith(record) for line in lines(found, width=80))


def test_any_width_will_do() -> None:
    found, _ = fleet(8, broken=0.3)
    assert lines(found, width=1) == lines(found, width=60)


def test_what_could_not_be_looked_at_is_one_entry_a_cause() -> None:
    found = results(
        *(result("ptr.exists", f"mx{n}/198.51.100.{n}", "undetermined") for n in range(30)),
        *(result("ptr.single", f"mx{n}/198.51.100.{n}", "undetermined", level="info") for n in range(30)),
        exit=6,
        exit_text="something that gates could not be determined",
    )
    text = lines(found)
    assert [entry[0] for entry in entries(text)] == ["? could not look: 192.0.2.53: no answer in 2 s"]
    assert any("60 checks undetermined, 30 of them gate: ptr.exists, ptr.single" in line for line in text)
    assert text[-1] == "exit 6: something that gates could not be determined"
    assert "missing" not in "\n".join(text)


def test_many_causes_are_bounded() -> None:
    found = results(*(result("srv.quit", f"mx{n}:25", "undetermined", cause=f"mx{n}: refused") for n in range(1000)))
    text = lines(found)
    assert len(text) < 120
    assert "? and 980 more causes, see the report" in text


def test_the_end_counts_and_says_the_exit_in_words() -> None:
    found, _ = fleet(2, broken=0.0)
    found["run"] |= {"complete": False, "unreached": ["ptr.exists mx9"], "warnings": ["duplicate key"], "dns": "replay"}
    text = lines(found, report_path="reports/report.html")
    assert text[0] == "202 results on 2 hosts and 1 domain: 196 passed, 6 not applicable."
    assert "DNS: replay, not the live network." in text
    assert "1 warning about the inventory: duplicate key" in text
    assert "Unfinished: 1 not reached, first ptr.exists mx9." in text
    assert text[-2:] == ["Report: reports/report.html", "exit 0: everything that gates conforms"]


def test_quiet_is_one_line_and_one_a_finding() -> None:
    found = results(
        result("ptr.exists", "mx1/198.51.100.1", "fail"),
        result("ptr.single", "mx1/198.51.100.1", "advice", level="info"),
        result("helo.fqdn", "mx1/198.51.100.1", "undetermined"),
    )
    first, *rest = lines(found, quiet=True)
    assert first == ("mailconform: Does not conform: 1 failed, 1 undetermined, 1 advice; exit 1: a must is broken")
    assert [line[:19] for line in rest] == ["F MUST ptr.exists m", "? 192.0.2.53: no an"]
    assert lines(results(result("ptr.exists", "mx1/198.51.100.1")), quiet=True) == [
        "mailconform: Conforms: 1 passed; exit 0: everything that gates conforms"
    ]


@pytest.mark.parametrize("quiet", [False, True])
def test_what_is_proposed_is_said(quiet: bool) -> None:
    told = list(lines(results(dns="proposed", overlays=["a.zone"]), quiet=quiet, width=120))
    assert any(line.startswith(("mailconform: PROPOSED: ", "PROPOSED: DNS as changed by a.zone")) for line in told)


def test_colour_only_repeats_the_letter() -> None:
    found, _ = fleet(3, broken=0.3)
    plain, coloured = lines(found), lines(found, color=True)
    assert any("\x1b[1;31mF\x1b[0m" in line for line in coloured)
    codes = ("\x1b[1;31m", "\x1b[35m", "\x1b[33m", "\x1b[0m")
    for code in codes:
        coloured = [line.replace(code, "") for line in coloured]
    assert coloured == plain


@pytest.mark.parametrize("text", HOSTILE, ids=["tag", "ansi", "control", "bidi", "long", "surrogate"])
@pytest.mark.parametrize("quiet", [False, True])
def test_hostile_text_is_inert(text: str, quiet: bool) -> None:
    names = ("seen", "required", "fix", "declared_at")
    found = results(
        result("ptr.exists", f"mx{text}", "fail", **dict.fromkeys(names, text)),
        result("ptr.single", f"mx{text}", "advice", level="info", **dict.fromkeys(names, text)),
        result("helo.fqdn", f"mx{text}", "undetermined", cause=text),
        warnings=[text],
        unreached=[text],
        complete=False,
        exit_text=text,
    )
    found["checks"]["ptr.exists"]["reason"] = text
    out = lines(found, quiet=quiet, report_path=text)
    assert all(line.isprintable() for line in out)
    assert sum(map(len, out)) < 20_000
    "".join(out).encode()


@pytest.mark.parametrize(
    ("outcome", "run", "words"),
    [
        ("pass", {}, "Conforms"),
        ("fail", {"exit": 0, "gate": "none"}, "Does not conform"),
        ("undetermined", {"exit": 6}, "Nothing broken seen, but not everything could be looked at"),
        ("not-applicable", {"exit": 5}, "Nothing was judged"),
        ("pass", {"exit": 2, "complete": False}, "Unfinished: nothing broken seen so far"),
        ("pass", {"exit": 3}, "The run failed"),
        ("advice", {}, "Conforms"),
    ],
)
def test_the_verdict_is_of_the_fleet_not_of_the_gate(outcome: str, run: dict[str, object], words: str) -> None:
    assert verdict(results(result("ptr.exists", "mx1/198.51.100.1", outcome), **run)) == words


@pytest.mark.parametrize("text", ["::error title=x::forged", "::stop-commands::x", "##[add-mask]x", "x ##[error]"])
def test_a_runner_of_github_finds_no_command_in_the_log(text: str) -> None:
    # Wrapped, any word of a long text may come first in a line.
    long = " ".join([f"{'x' * number} {text}" for number in range(60)])
    found = results(
        result("ptr.exists", "mx1/198.51.100.25", "fail", seen=long, fix=f"{text}\n{long}"),
        result("ptr.single", "mx1/198.51.100.25", "undetermined", cause=long),
        result("srv.quit", "mx2:25", "advice", seen=text, fix=text),
    )
    told = [line.strip() for quiet in (True, False) for line in lines(found, quiet=quiet, width=80)]
    assert not [line for line in told if re.match("::[a-z-]+.*::", line) or "##[" in line]
    assert [line for line in told if "forged" in line or "\\x3a" in line or "\\x5b" in line]


def test_an_address_at_the_beginning_of_a_line_is_no_command() -> None:
    found = results(result("ptr.exists", "mx1/198.51.100.25", "fail", fix="one:\n::1 localhost\n::ffff:192.0.2.1 a"))
    assert {"::1 localhost", "::ffff:192.0.2.1 a"} <= {line.strip() for line in lines(found)}
