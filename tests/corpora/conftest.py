"""Public test data that is no part of the project, from the folder that ``MAILCONFORM_CORPORA`` names.

A module here has ``cases(root)``, which returns (id, case) pairs; its tests take the argument ``case``. Without the
folder each test is skipped and says so. At the end stands how many cases of each test came out as the data has them.
"""

import os
from collections import Counter
from pathlib import Path

import pytest

VARIABLE = "MAILCONFORM_CORPORA"


def _root() -> Path | None:
    named = os.environ.get(VARIABLE)
    return Path(named) if named and Path(named).is_dir() else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "case" not in metafunc.fixturenames:
        return
    if root := _root():
        pairs = metafunc.module.cases(root)
        metafunc.parametrize("case", [pytest.param(case, id=name) for name, case in pairs])
    else:
        mark = pytest.mark.skip(reason=f"no public test data: {VARIABLE} names no folder")
        metafunc.parametrize("case", [pytest.param(None, marks=mark, id="no-corpora")])


@pytest.fixture
def corpora() -> Path:
    """Return the folder of the data, or skip."""
    root = _root()
    if root is None:
        pytest.skip(f"no public test data: {VARIABLE} names no folder")
    return root


def _tally(terminalreporter: pytest.TerminalReporter, outcome: str) -> Counter[tuple[str, str]]:
    """Count the cases by module and test that ended in some way."""
    named = (report.nodeid.partition("[") for report in terminalreporter.getreports(outcome))
    tests = (place.rpartition("::") for place, one_of_many, _ in named if one_of_many)
    return Counter((Path(module).name, test) for module, _, test in tests if "test_corpus_" in module)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures of the data."""
    passed, failed = _tally(terminalreporter, "passed"), _tally(terminalreporter, "failed")
    if not (passed or failed) or _root() is None:
        return
    terminalreporter.section("public test data")
    for module, test in sorted(passed | failed):
        right = passed[module, test]
        terminalreporter.line(f"{module} {test}: {right} of {right + failed[module, test]}")
