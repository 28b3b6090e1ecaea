"""pytest hooks of mailconform, each one call away from the work. Silent unless the conformance cases are asked for."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from conformance.asked import CASE, RUN, add_options, asked_for, is_cases
from conformance.check import Check, Level

PROTOCOL: pytest.StashKey[Any] = pytest.StashKey()
"""How checks are run in this session; None: as pytest runs tests."""
LIGHTENER: pytest.StashKey[Any] = pytest.StashKey()
"""What makes the items of this session light."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare options and ini keys."""
    add_options(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Begin a run: bad input ends here, before anything else starts. Enters the lab while there is one thread."""
    return _begin(config) if RUN not in config.stash and asked_for(config) else None


def _begin(config: pytest.Config) -> int | None:
    from conformance.fleet.errors import InventoryError
    from conformance.options import UsageError
    from conformance.report.text import printable
    from conformance.start import begin

    try:
        config.stash[RUN] = begin(config)
    except InventoryError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except UsageError as error:
        sys.stderr.write("".join(f"{printable(line, 2000)}\n" for line in str(error).splitlines()))
        return 4
    except KeyboardInterrupt:
        sys.stderr.write("interrupted before anything was checked\n")
        return 2
    except Exception:
        # Left to itself Python would end with 1, which says that a must is broken.
        traceback.print_exc()
        return 3
    return None


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Register marks, and set pytest's own options to what readers of a conformance run need."""
    areas = sorted({path.stem.split("_")[1] for path in _case_files()})
    for mark in (*Level, *areas):
        config.addinivalue_line(
            "markers", f"{mark}: a conformance check of this {'level' if mark in list(Level) else 'area'}"
        )
    if (run := config.stash.get(RUN, None)) is None:
        return
    from conformance import fixtures

    config.pluginmanager.register(fixtures, "conformance.fixtures")
    # Findings are told by rule in the end; pytest's own account of failures would tell them twice.
    if getattr(config.option, "tbstyle", None) == "auto":
        config.option.tbstyle = "no"
    if getattr(config.option, "reportchars", None) == "fE":
        config.option.reportchars = ""
    if run.worker is None and not config.option.collectonly:
        from conformance.reporting import Reporter

        config.pluginmanager.register(Reporter(run, config), "conformance.reporting")


def _case_files() -> list[Path]:
    from conformance.cases import files

    return files()


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the lab and release what the run holds."""
    if (run := config.stash.get(RUN, None)) is not None:
        run.close()


def pytest_report_header(config: pytest.Config) -> list[str] | None:
    """Say what is judged, by whose rules."""
    if (run := config.stash.get(RUN, None)) is None:
        return None
    from conformance.report.text import plural, printable

    hosts, domains = len(run.fleet.mtas), len(run.fleet.domains)
    lines = [
        f"mailconform: {', '.join(run.settings['inventory'])}: {plural(hosts, 'host')}, {plural(domains, 'domain')}, "
        f"profile {','.join(run.profiles)}, {run.gate} gates",
        *(f"mailconform: {note}" for note in run.notes),
        *(f"inventory warning: {warning}" for warning in run.fleet.warnings),
    ]
    return [printable(line) for line in lines]


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave the cases alone in a test run that did not ask for them."""
    return True if RUN not in config.stash and is_cases(collection_path) else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrise a check by the subjects of the fleet."""
    if not hasattr(metafunc.function, "check") or (run := metafunc.config.stash.get(RUN, None)) is None:
        return
    from conformance.subjects import KINDS, subjects

    for kind in KINDS:
        if kind in metafunc.fixturenames:
            found = subjects(kind, run.fleet)
            metafunc.parametrize(kind, found, ids=[subject.id for subject in found], indirect=True)


@pytest.hookimpl(wrapper=True)
def pytest_pycollect_makeitem(collector: pytest.Collector, name: str, obj: object) -> Generator[None, Any, Any]:
    """Keep of each item no more than it is judged by."""
    if not isinstance(getattr(obj, "check", None), Check) or RUN not in collector.config.stash:
        return (yield)
    from conformance.item import Lightener, unwatched

    lighten = collector.config.stash.setdefault(LIGHTENER, Lightener())
    with unwatched():
        made = yield
        return lighten(made) if isinstance(made, list) else made


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the checks that profiles and rules select, and mark each with its level and area."""
    if (run := config.stash.get(RUN, None)) is None:
        return
    from conformance.item import select

    left_out: list[pytest.Item] = []
    kept: list[pytest.Item] = []
    for item in items:
        if isinstance(item, pytest.Function) and isinstance(getattr(item.function, "check", None), Check):
            if (case := run.case(item)) is None:
                left_out.append(item)
                continue
            select(item, case)
        kept.append(item)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = kept


@pytest.hookimpl(wrapper=True)
def pytest_collection_finish(session: pytest.Session) -> Generator[None, None, None]:
    """Say what will be judged; when all others know it too, gather the facts for it."""
    run = session.config.stash.get(RUN, None)
    if run is None or session.config.option.collectonly:
        return (yield)
    from conformance.facts.snapshot import SnapshotError
    from conformance.item import case_of
    from conformance.reporting import room_for_results

    with room_for_results(run):
        run.expect((item.nodeid, case) for item in session.items if (case := case_of(item)))
    # A worker of pytest-xdist must not keep the controller waiting: it is the one that is interrupted.
    yield
    try:
        with room_for_results(run):
            run.gather(case for item in session.items if (case := case_of(item)))
    except (SnapshotError, ValueError) as error:
        raise pytest.UsageError(str(error)) from None


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """Choose how checks are run, and look again at what is newly broken when everything has been judged once."""
    run = session.config.stash.get(RUN, None)
    if run is None or session.config.option.collectonly:
        return (yield)
    from conformance import protocol
    from conformance.confirm import confirm
    from conformance.item import stay

    stay(session.config)
    session.config.stash[PROTOCOL] = protocol.of(session.config, run)
    try:
        done = yield
    finally:
        # Those that were judged may have been let go.
        session.items = [item for item in session.items if item is not None]
    confirm(run, session.items, run.settings["confirm"])
    return done


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> bool | None:
    """Run a check with one report where that is all that anybody can want."""
    found = item.config.stash.get(PROTOCOL, None)
    if found is None or (definitions := found.of(item)) is None:
        return None
    found.judge(item, definitions)
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn what pytest saw into one of the outcomes."""
    report = yield
    if CASE in item.stash and (call.excinfo is not None or call.when == "call"):
        from conformance.reporting import tell

        tell(report, item.config.stash[RUN].judge(item.stash[CASE], call.excinfo.value if call.excinfo else None))
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(report: Any, config: pytest.Config) -> tuple[str, str, tuple[str, dict[str, bool]]] | None:
    """Give each outcome its category, letter and word; no letter where quiet was asked for."""
    result = getattr(report, "conformance", None)
    if not result:
        return None
    from conformance.reporting import status

    category, letter, word = status(result)
    return category, "" if config.option.verbose < 0 else letter, word


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Hand the fleet to a worker of pytest-xdist."""
    if (run := node.config.stash.get(RUN, None)) is not None:
        from conformance.start import hand_over

        node.workerinput["mailconform_shared"] = hand_over(run)
