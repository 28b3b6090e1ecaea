"""All that a test run must know before it is a conformance run: its options, and whether it was asked to be one.

Light, since every test run of a machine that has the plugin imports it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from conformance.cases import FOLDER
from conformance.options import OPTIONS

if TYPE_CHECKING:
    from conformance.judge import Case
    from conformance.run import Run

RUN: pytest.StashKey[Run] = pytest.StashKey()
"""The conformance run, in pytest's config; any other test run has none."""

CASE: pytest.StashKey[Case] = pytest.StashKey()
"""The case of an item that is a conformance check."""


def add_options(parser: pytest.Parser) -> None:
    """Declare the options and ini keys of a run."""
    group = parser.getgroup("mailconform", "mailconform: conformance of outbound mail fleets")
    for option in OPTIONS:
        keywords: dict[str, Any] = {"dest": option.dest, "help": option.help, "default": None}
        if option.flag:
            keywords |= {"action": "store_const", "const": True}
        else:
            keywords |= {"action": "append" if option.many else "store"}
            keywords |= {"choices": option.choices} if option.choices else {"metavar": option.metavar}
            keywords |= {"type": float} if option.number else {}
        group.addoption(option.switch, **keywords)
        kind: Any = "linelist" if option.many else "string"
        parser.addini(option.ini, f"{option.help} (as {option.switch})", type=kind, default="")


def asked_for(config: pytest.Config) -> bool:
    """Whether pytest's arguments name the cases, or an inventory is given and they lie below an argument."""
    cases = FOLDER.resolve()
    for argument in config.args:
        name = argument.split("::", 1)[0]
        if config.option.pyargs and (name == "conformance" or f"{name}.".startswith("conformance.cases.")):
            return True
        path = (config.invocation_params.dir / name).resolve()
        if path.is_relative_to(cases.parent):
            return True
        if cases.is_relative_to(path) and config.getoption("mailconform_inventory", None):
            return True
    return False


def is_cases(path: Path) -> bool:
    """Whether a path is the folder of the cases."""
    return path.name == FOLDER.name and path.resolve() == FOLDER.resolve()
