"""How a run begins: whether pytest was asked for one, its settings, its fleet, and the lab if the fleet is one."""

from __future__ import annotations

import dataclasses
import os
import pickle
import tempfile
from pathlib import Path
from typing import Any

import pytest

from conformance.cases import FOLDER
from conformance.fleet.model import Fleet, Mta
from conformance.options import OPTIONS, Settings, UsageError, settle
from conformance.run import Run, split, terminate_like_interrupt

LAB = "embedded"
"""Value of ``mailconform_lab`` that makes an inventory the embedded lab."""


def asked_for(config: pytest.Config) -> bool:
    """Whether pytest's arguments name the cases, or an inventory is given and they lie below an argument."""
    for argument in config.args:
        name = argument.split("::", 1)[0]
        if config.option.pyargs and (name == "conformance" or name.startswith("conformance.cases")):
            return True
        path = (config.invocation_params.dir / name).resolve()
        if path.is_relative_to(FOLDER.parent):
            return True
        if FOLDER.is_relative_to(path) and config.getoption("mailconform_inventory", None):
            return True
    return False


def settings(config: pytest.Config) -> Settings:
    """Return the settings of a run. Raises UsageError."""
    return settle(lambda dest: config.getoption(dest, None), config.getini)


def begin(config: pytest.Config) -> Run:
    """Read settings and fleet, and enter the lab if the fleet is one.

    Raises UsageError, InventoryError and SnapshotError.
    """
    if not __debug__:
        raise UsageError("Python runs with -O or PYTHONOPTIMIZE, which takes the checks out: run without it")
    if (given := getattr(config, "workerinput", None)) is not None:
        shared = Path(given["mailconform_shared"])
        # The file is our own, in a folder that only this user can read.
        settled, fleet = pickle.loads((shared / "run").read_bytes())  # noqa: S301
        return Run(settled, fleet, given["workerid"], shared)
    chosen = settings(config)
    terminate_like_interrupt()
    run = Run(chosen, read_fleet(chosen))
    run.validate()
    if run.fleet.lab and not chosen["replay"] and not config.option.collectonly:
        enter_lab(run)
    return run


def hand_over(run: Run) -> str:
    """Return the folder from which workers of pytest-xdist read what this process settled."""
    if run.shared is None:
        run.shared = Path(tempfile.mkdtemp(prefix="mailconform-"))
        (run.shared / "run").write_bytes(pickle.dumps((run.settings, run.fleet)))
    return str(run.shared)


def read_fleet(chosen: Settings) -> Fleet:
    """Read the inventory. Raises UsageError and InventoryError."""
    from conformance.fleet.ansible import load

    if not chosen["inventory"]:
        raise UsageError("no inventory: name one with --inventory PATH, MAILCONFORM_INVENTORY or mailconform_inventory")
    fleet = load(
        chosen["inventory"],
        limit=chosen["limit"],
        vault_password_file=chosen["vault-password-file"],
        secrets=not chosen["no-secrets"],
        ansible_python=chosen["ansible-python"],
    )
    return _with_options(fleet, chosen)


def _with_options(fleet: Fleet, chosen: Settings) -> Fleet:
    """Let a time-out given for this run win over those of the inventory."""
    if "smtp-timeout" not in chosen.given:
        return fleet

    def without(mta: Mta) -> Mta:
        listeners = tuple(dataclasses.replace(one, timeout=None) for one in mta.listeners)
        return dataclasses.replace(mta, listeners=listeners)

    return dataclasses.replace(fleet, mtas=tuple(without(mta) for mta in fleet.mtas))


def enter_lab(run: Run) -> None:
    """Start the embedded lab around this process, or fall back to the facts shipped with it."""
    from conformance.lab import runtime
    from conformance.lab.namespace import NamespaceError

    folder = Path(runtime.__file__).parent
    if run.fleet.lab != LAB:
        raise UsageError(f"mailconform_lab: {run.fleet.lab!r} is unknown; there is {LAB!r}")
    try:
        lab = runtime.start(folder)
    except NamespaceError as error:
        run.notes.append(f"the embedded lab cannot run here ({error}): facts shipped with it are judged instead")
        run.settings = dataclasses.replace(
            run.settings, values={**run.settings.values, "replay": str(folder / "facts.json")}
        )
        return
    run.stop_lab = lab.stop
    os.environ.update(lab.environ)
    run.notes.append("this run looked at the embedded lab: simulated hosts in a network of their own")
    if "resolver" not in run.settings.given:
        values = {**run.settings.values, "resolver": split(lab.environ["MAILCONFORM_RESOLVER"])}
        run.settings = dataclasses.replace(run.settings, values=values)


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
        parser.addini(option.ini, f"{option.help} (as {option.switch})", default="")
