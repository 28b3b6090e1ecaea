"""Public test data that is no part of the project, from the folder that ``MAILCONFORM_CORPORA`` names.

A module here has ``cases(root)``, which returns (id, case) pairs; its tests take the argument ``case``. Without the
folder each test is skipped and says so.
"""

import os
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
