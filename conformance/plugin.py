"""pytest hooks of mailconform, each one call away from the work. Silent unless the conformance cases are asked for."""

from __future__ import annotations

import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from conformance.check import Check, Level

LETTERS = {
    "pass": ("passed", ".", ("PASSED", {"green": True})),
    "fail": ("failed", "F", ("FAILED", {"red": True})),
    "advice": ("advice", "a", ("ADVICE", {"yellow": True})),
    "waived": ("waived", "w", ("WAIVED", {"yellow": True})),
    "undetermined": ("undetermined", "?", ("UNDETERMINED", {"purple": True})),
    "not-applicable": ("not applicable", "-", ("NOT APPLICABLE", {"blue": True})),
}
"""Category, letter and word of each outcome."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare options and ini keys."""
    from conformance.start import add_options

    add_options(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Begin a run: bad input ends here, before anything else starts. Enters the lab while there is one thread."""
    from conformance.start import asked_for

    return _begin(config) if asked_for(config) else None


def _begin(config: pytest.Config) -> int | None:
    from conformance.facts.snapshot import SnapshotError
    from conformance.fleet.errors import InventoryError
    from conformance.options import UsageError
    from conformance.report.text import printable
    from conformance.run import RUN
    from conformance.start import begin

    try:
        config.stash[RUN] = begin(config)
    except InventoryError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except (UsageError, SnapshotError) as error:
        sys.stderr.write(f"{printable(str(error))}\n")
        return 4
    return None


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Register marks, and set pytest's own options to what readers of a conformance run need."""
    from conformance.run import RUN

    areas = sorted({path.stem.removeprefix("test_") for path in _case_files()})
    for mark in (*Level, *areas):
        config.addinivalue_line(
            "markers", f"{mark}: a conformance check of this {'level' if mark in list(Level) else 'area'}"
        )
    run = config.stash.get(RUN, None)
    if run is None:
        return
    from conformance import fixtures

    config.pluginmanager.register(fixtures, "conformance.fixtures")
    if config.option.tbstyle == "auto":
        config.option.tbstyle = "no"
    if config.option.reportchars == "fE":
        config.option.reportchars = ""
    if run.worker is None and not config.option.collectonly:
        from conformance.reporting import Reporter

        config.pluginmanager.register(Reporter(run, config), "conformance.reporting")
        config.option.xmlpath = config.option.xmlpath or str(run.folder / "junit.xml")


def _case_files() -> list[Path]:
    from conformance.cases import files

    return files()


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the lab and release what the run holds."""
    from conformance.run import RUN

    if (run := config.stash.get(RUN, None)) is not None:
        run.close()


def pytest_report_header(config: pytest.Config) -> list[str] | None:
    """Say what is judged, by whose rules."""
    from conformance.run import RUN

    if (run := config.stash.get(RUN, None)) is None:
        return None
    from conformance.report.text import printable

    hosts, domains = len(run.fleet.mtas), len(run.fleet.domains)
    lines = [
        f"mailconform: {', '.join(run.settings['inventory'])}: {hosts} hosts, {domains} domains, "
        f"profile {','.join(run.profiles)}, {run.gate} gates",
        *(f"mailconform: {note}" for note in run.notes),
        *(f"inventory warning: {warning}" for warning in run.fleet.warnings),
    ]
    return [printable(line) for line in lines]


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave the cases alone in a test run that did not ask for them."""
    from conformance.cases import FOLDER
    from conformance.run import RUN

    return True if collection_path == FOLDER and RUN not in config.stash else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrise a check by the subjects of the fleet."""
    from conformance.run import RUN
    from conformance.subjects import KINDS, subjects

    if not hasattr(metafunc.function, "check") or (run := metafunc.config.stash.get(RUN, None)) is None:
        return
    for kind in KINDS:
        if kind in metafunc.fixturenames:
            found = subjects(kind, run.fleet)
            metafunc.parametrize(kind, found, ids=[subject.id for subject in found], scope="session", indirect=True)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the checks that profiles and rules select, and mark each with its level and area."""
    from conformance.run import CASE, RUN

    if (run := config.stash.get(RUN, None)) is None:
        return
    left_out: list[pytest.Item] = []
    for item in items:
        if isinstance(item, pytest.Function) and isinstance(getattr(item.function, "check", None), Check):
            if (case := run.case(item)) is None:
                left_out.append(item)
                continue
            item.stash[CASE] = case
            item.add_marker(case.level.value)
            item.add_marker(case.check.area)
            item.user_properties += [
                ("check", case.check.id),
                ("level", case.level.value),
                ("subject", case.subject_id),
            ]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Gather the facts that the selected checks need."""
    from conformance.facts.snapshot import SnapshotError
    from conformance.run import CASE, RUN

    run = session.config.stash.get(RUN, None)
    cases = [(item.nodeid, item.stash[CASE]) for item in session.items if CASE in item.stash]
    if run is None or session.config.option.collectonly or not cases:
        return
    try:
        run.gather(cases)
    except (SnapshotError, ValueError) as error:
        raise pytest.UsageError(str(error)) from None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn what pytest saw into one of the outcomes."""
    from conformance.run import CASE, RUN

    report = yield
    if CASE in item.stash and (call.excinfo is not None or call.when == "call"):
        from conformance.reporting import tell

        tell(report, item.config.stash[RUN].judge(item.stash[CASE], call.excinfo.value if call.excinfo else None))
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(report: Any) -> tuple[str, str, tuple[str, dict[str, bool]]] | None:
    """Give each outcome its category, letter and word."""
    result = getattr(report, "conformance", None)
    return LETTERS[result["outcome"]] if result else None


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Hand the fleet to a worker of pytest-xdist."""
    from conformance.run import RUN
    from conformance.start import hand_over

    if (run := node.config.stash.get(RUN, None)) is not None:
        node.workerinput["mailconform_shared"] = hand_over(run)
