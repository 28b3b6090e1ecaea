"""Between pytest's reports and ours: outcomes into reports, reports into results, results into words."""

from __future__ import annotations

import errno
import io
import sys
import traceback
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from html import escape
from typing import Any, TextIO

import msgspec
import pytest

from conformance.facts.answer import Answer
from conformance.facts.session import Line, Session
from conformance.facts.trial import Trial
from conformance.judge import is_defect
from conformance.notify import notify
from conformance.receiver import capture
from conformance.report import news
from conformance.report.evidence import answer_text, session_text
from conformance.report.grouping import Results
from conformance.report.terminal import noted
from conformance.report.text import plural, printable
from conformance.report.words import WIDE, in_words, way
from conformance.run import Run
from conformance.start import end_in_peace

_SHOWN = 3
"""Errors of our own that are shown with the way to them."""
_LOG_WIDTH = 120
"""Columns where the output is no terminal."""
_LINES = 80
"""Lines of an SMTP session that are shown."""
_SESSIONS = 3
"""Sessions of a trial that are shown."""

_TOLD = pytest.TestReport("", ("", None, ""), {}, "passed", None, "call")
"""Stands for each report that has been told."""
LETTERS = {
    "pass": ("passed", ".", ("PASSED", {"green": True})),
    "fail": ("failed", "F", ("FAILED", {"red": True})),
    "advice": ("advice", "a", ("ADVICE", {"yellow": True})),
    "known": ("known", "k", ("KNOWN", {"yellow": True})),
    "waived": ("waived", "w", ("WAIVED", {"yellow": True})),
    "undetermined": ("undetermined", "?", ("UNDETERMINED", {"purple": True})),
    "not-applicable": ("not applicable", "-", ("NOT APPLICABLE", {"blue": True})),
}
"""Category, letter and word of each outcome."""
UNNEEDED = ("passed though waived", "s", ("PASSED THOUGH WAIVED", {"yellow": True}))
"""Of what conforms, although a waiver excuses it. The waiver is stale where nothing else needs it either."""
_PYTEST_OUTCOME = {
    "pass": "passed",
    "fail": "failed",
    "advice": "skipped",
    "known": "skipped",
    "waived": "skipped",
    "undetermined": "failed",
    "not-applicable": "skipped",
}


def tell(report: pytest.TestReport, result: dict[str, Any]) -> None:
    """Make a report say what a result says: in pytest's own outcomes, and whole as ``report.conformance``."""
    outcome = result["outcome"]
    told: Any = report
    told.conformance = result
    told.outcome = _PYTEST_OUTCOME[outcome]
    told.longrepr = None
    if outcome in ("fail", "undetermined"):
        told.longrepr = in_words(result)
    elif outcome == "not-applicable":
        path, line, _ = report.location
        told.longrepr = (path, (line or 0) + 1, printable(result["why"]))
    elif outcome in ("advice", "known", "waived"):
        told.wasxfail = in_words(result)
    if outcome == "undetermined":
        # pytest and JUnit call it an error, not a failure, only when it happened outside the call.
        told.when = "setup"


def status(result: Mapping[str, Any]) -> tuple[str, str, tuple[str, dict[str, bool]]]:
    """Return category, letter and word of a result."""
    return UNNEEDED if result["outcome"] == "pass" and result["waiver"] else LETTERS[result["outcome"]]


def adds_up_times(config: pytest.Config) -> bool:
    """Whether pytest's terminal looks at all reports of a file again, to say how long it took."""
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    return getattr(terminal, "_show_progress_info", None) == "times"


def _observed(one: Answer | Session | Trial) -> Iterator[str]:
    """Yield an observation line by line."""
    if isinstance(one, Trial):
        yield f"trial:{one.ref}: {plural(len(one.captures), 'session')}"
        for held in one.captures[:_SESSIONS]:
            yield f"{held.started} from {held.peer} port {held.peer_port}, ended: {held.ended}"
            yield from _lines(held.lines)
        return
    if isinstance(one, Answer):
        about = ", ".join(filter(None, (one.server, one.transport, f"ttl {one.ttl}", f"{one.ms:.1f} ms", one.layer)))
        yield f"{one.question}: {answer_text(msgspec.structs.asdict(one))} ({about})"
        return
    yield f"{one.id}: {session_text(asdict(one))}"
    yield from _lines(one.lines)


def _lines(lines: Sequence[Line | capture.Line]) -> Iterator[str]:
    for line in lines[:_LINES]:
        text = line.text.removesuffix("\r\n")
        yield f"{line.at:>9.1f} {line.side} {text}"
    if len(lines) > _LINES:
        yield f"{len(lines) - _LINES} more lines in facts.json"


@contextmanager
def room_for_results(run: Run) -> Generator[None]:
    """End the run with 3 and one line where its folder takes nothing more: the way to it would explain nothing."""
    try:
        yield
    except OSError as error:
        if not (said := _no_room(error)):
            raise
        run.cut_short = said
        pytest.exit(said, returncode=3)


def _no_room(error: Exception) -> str:
    """Return what to say of a folder that takes nothing more; nothing of any other error."""
    if not isinstance(error, OSError) or error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
        return ""
    return f"the results of this run cannot be written: {error.strerror}"


def _width(terminalreporter: Any) -> int:
    """Return the columns to write: those of the terminal, and enough to read a log by where there is none."""
    wide: int = terminalreporter._tw.fullwidth
    return wide if terminalreporter.isatty else max(wide, _LOG_WIDTH)


class _Reported(set[int]):
    """Counts what was reported, for pytest's terminal: it would keep the id of each check to the end."""

    def add(self, nodeid: object) -> None:
        super().add(hash(nodeid))


class Reporter:
    """Collects the results of a run, in pytest's only process or in the controller of pytest-xdist."""

    def __init__(self, run: Run, config: pytest.Config) -> None:
        self._run = run
        self._config = config
        self._aside: TextIO | None = None
        """Where the terminal is, where nothing is said but news."""
        self._told = tuple(run.notes)
        """Notes that the header tells."""

    def pytest_sessionstart(self) -> None:
        """Leave out pytest's progress and count where quiet was asked for: one line and the findings are enough."""
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        if terminal is not None:
            terminal._progress_nodeids_reported = _Reported()
        if terminal is not None and self._run.settings["quiet-ok"]:
            self._aside = terminal._tw._file
            terminal._tw._file = io.StringIO()
        if terminal is not None and self._config.option.verbose == -1:
            terminal._show_progress_info = False
            self._config.option.verbose = -2

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> Generator[None]:
        """Collect a result, and give its JUnit test case a name that never changes."""
        self._collect(report)
        yield
        self._forget(report)

    def _forget(self, report: pytest.TestReport) -> None:
        """Leave pytest's terminal the count alone of what it has told, where it will not tell it again."""
        terminal, option = self._config.pluginmanager.get_plugin("terminalreporter"), self._config.option
        if terminal is None or option.reportchars or option.durations or option.tbstyle != "no":
            return
        if adds_up_times(self._config):
            return
        if (result := getattr(report, "conformance", None)) is not None:
            told = terminal.stats[status(result)[0]]
            if told and told[-1] is report:
                told[-1] = _TOLD

    def _collect(self, report: pytest.TestReport) -> None:
        if (results := self._run.results) is None:
            return
        if (result := getattr(report, "conformance", None)) is not None:
            with room_for_results(self._run):
                self._run.adopt()
                results.add(report.nodeid, result)
            results.internal |= is_defect(result)
            self._name(report, result)
        elif report.failed and report.nodeid in results.expected:
            # A worker of pytest-xdist that crashed.
            results.internal = True
        elif report.failed:
            results.failed_elsewhere = True

    def _name(self, report: pytest.TestReport, result: dict[str, Any]) -> None:
        from _pytest.junitxml import xml_key

        if (xml := self._config.stash.get(xml_key, None)) is not None:
            case = xml.node_reporter(report)
            case.add_attribute("classname", result["host"] or result["domain"] or result["kind"])
            case.add_attribute("name", f"{result['check']} [{result['subject']}]")

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: list[str]) -> None:
        """Expect what the first worker collected; the others collect the same."""
        self._run.expect_of_workers()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_keyboard_interrupt(self) -> Generator[None]:
        """Interrupted once, the run ends; a second signal must not keep it from writing what it found."""
        end_in_peace()
        yield
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        if terminal is not None and not self._config.option.fulltrace:
            # pytest would name the line of ours that the signal came to, as if something were wrong with it.
            terminal._keyboardinterrupt_memo.reprcrash.message = self._run.cut_short or "interrupted"

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Write all outputs and settle the exit status."""
        end_in_peace()
        try:
            self._run.adopt()
            session.exitstatus = self._run.finish(int(exitstatus))
        except Exception as error:
            # Left to itself Python would end with 1, which says that a must is broken.
            if said := _no_room(error):
                sys.stderr.write(f"{said}\n")
            else:
                traceback.print_exc(file=sys.stderr)
            session.exitstatus = 3

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say what was found, worst first, and what the exit status means."""
        if self._run.document is None:
            return
        for line in notify(self._run.settings["notify"], self._run.document):
            sys.stderr.write(f"{printable(line)}\n")
        if self._aside is not None:
            self._say_news(self._aside, self._run.document)
            return
        from conformance.report.terminal import lines

        quiet = self._config.option.verbose < 0
        told = lines(
            self._run.document,
            quiet=quiet,
            color=terminalreporter.hasmarkup,
            width=_width(terminalreporter),
            report_path=self._run.page,
            notes=self._notes(self._run.document),
        )
        if not quiet:
            terminalreporter.section("conformance")
        for line in told:
            terminalreporter.write_line(line)
        for result in list(filter(is_defect, self._run.document["results"]))[:_SHOWN]:
            terminalreporter.section(f"internal error: {result['check']} [{result['subject']}]")
            for line in way(result):
                terminalreporter.write_line(printable(line, WIDE))

    def _notes(self, document: Results) -> list[str]:
        """Return what came up after the header was written: the fate of the baseline, a history that is damaged."""
        return [note for note in document["run"]["notes"] if note not in self._told]

    def _say_news(self, out: TextIO, document: Results) -> None:
        if news.is_news(document):
            told = [*news.lines(document, self._run.page), *noted(self._notes(document))]
            out.write("".join(f"{line}\n" for line in told))
            out.flush()

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_table_header(self, cells: list[str]) -> None:
        """Add the columns of a conformance check to pytest-html's table."""
        cells[1:2] = [f"<th>{name}</th>" for name in ("Check", "Level", "Subject", "Seen")]

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_table_row(self, report: Any, cells: list[str]) -> None:
        """Fill the columns. pytest-html escapes none of its cells."""
        result = getattr(report, "conformance", None) or {}
        texts = [printable(str(result.get(name, ""))) for name in ("check", "level", "subject", "seen")]
        cells[1:2] = [f"<td>{escape(text)}</td>" for text in texts]

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_table_html(self, report: Any, data: list[str]) -> None:
        """Put required, seen, fix and evidence into the log pane."""
        if (result := getattr(report, "conformance", None)) is not None:
            data[:] = [f"<pre>{escape(in_words(result) + self._evidence(result))}</pre>"]

    def _evidence(self, result: dict[str, Any]) -> str:
        lines = (line for one in self._run.observed(result["evidence"]) for line in _observed(one))
        return "".join("\n" + printable(line, WIDE) for line in lines)
