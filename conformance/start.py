"""How a run begins: its settings, its fleet, and the lab if the fleet is one."""

from __future__ import annotations

import dataclasses
import os
import pickle
import signal
import tempfile
import threading
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path

import pytest
from _pytest.config.findpaths import load_config_dict_from_file

from conformance import gate, policy
from conformance.fleet import waivers
from conformance.fleet.errors import USAGE, InventoryError, by_place
from conformance.fleet.model import Fleet, Mta
from conformance.options import Settings, UsageError, duration, settle, unknown
from conformance.problems import split
from conformance.proposed import overlays
from conformance.run import Run

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
LAB = "embedded"
"""Value of ``mailconform_lab`` that makes an inventory the embedded lab."""


def settings(config: pytest.Config) -> Settings:
    """Return the settings of a run. Raises UsageError."""
    try:
        return settle(lambda dest: config.getoption(dest, None), config.getini)
    except (TypeError, pytest.UsageError) as error:
        # What pytest says of a value in a TOML file that is neither text nor a list of texts.
        raise UsageError(str(error)) from None


def _ini_keys(config: pytest.Config) -> Iterable[str]:
    return (load_config_dict_from_file(config.inipath) or ()) if config.inipath else ()


def begin(config: pytest.Config) -> Run:
    """Read settings and fleet, and enter the lab if the fleet is one.

    Raises UsageError, InventoryError and SnapshotError.
    """
    if not __debug__:
        raise UsageError("Python runs with -O or PYTHONOPTIMIZE, which takes the checks out: run without it")
    if (given := getattr(config, "workerinput", None)) is not None:
        shared = Path(given["mailconform_shared"])
        # The file is our own, in a folder that only this user can read.
        settled, fleet, weighed = pickle.loads((shared / "run").read_bytes())  # noqa: S301
        return Run(settled, fleet, weighed, given["workerid"], shared)
    with ExitStack() as held:
        held.callback(terminate_like_interrupt())
        chosen = settings(config)
        run = Run(chosen, *declared(chosen))
        run.notes += unknown(_ini_keys(config))
        if policy.CLOCK in os.environ:
            run.notes.append(f"waivers are judged as of {run.policy.today}, which {policy.CLOCK} says is today")
        run.validate()
        run.policy = gate.with_base(run.policy, chosen, run.profiles, run.notes)
        if not config.option.collectonly:
            run.make_folder()
            if run.fleet.lab and not chosen["replay"]:
                run.settings = enter_lab(run.fleet, run.settings, run.held, run.notes)
            if chosen["budget"]:
                held.callback(end_after(duration(chosen["budget"]), run))
        run.held.push(held.pop_all())
    return run


def terminate_like_interrupt() -> Callable[[], object]:
    """Let SIGTERM end a run as SIGINT does: with partial results and exit status 2.

    Returns what brings back how all signals were handled before.
    """
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    signal.signal(signal.SIGTERM, _interrupt)

    def bring_back() -> None:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)

    return bring_back


def end_in_peace() -> None:
    """Let no signal interrupt a run that is about to end: what it found is written whole. Its budget was kept."""
    if threading.current_thread() is threading.main_thread():
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number in _SIGNALS:
            signal.signal(number, _patience)


def _patience(*_: object) -> None:
    # Not by sys.stderr: what writes to it may be what is interrupted.
    os.write(2, b"the run is about to end: its reports are being written\n")


def end_after(seconds: float, run: Run) -> Callable[[], object]:
    """Let a run end as SIGINT ends it when its time is over. Returns what calls that off."""
    if threading.current_thread() is not threading.main_thread():
        return lambda: None

    def over(*_: object) -> None:
        run.cut_short = f"the budget of {seconds:g} s was used up"
        run.notes.append(run.cut_short)
        _interrupt()

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)

    def call_off() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before or signal.SIG_DFL)

    return call_off


def _interrupt(*_: object) -> None:
    """Interrupt as the handler of SIGINT does; also where SIGINT is ignored, as in a script's background jobs."""
    if not callable(signal.getsignal(signal.SIGINT)):
        raise KeyboardInterrupt
    signal.raise_signal(signal.SIGINT)


def hand_over(run: Run) -> str:
    """Return the folder from which workers of pytest-xdist read what this process settled."""
    if run.shared is None:
        run.shared = Path(tempfile.mkdtemp(prefix="mailconform-"))
        (run.shared / "run").write_bytes(pickle.dumps((run.settings, run.fleet, run.policy)))
    return str(run.shared)


def declared(chosen: Settings) -> tuple[Fleet, policy.Policy]:
    """Read waivers and inventory. Raises UsageError, and InventoryError with all that is wrong with both."""
    day = policy.today()
    found, wrong = waivers.load(chosen["waivers"], policy.rules(), day)
    try:
        fleet = read_fleet(chosen, waivers.patterns(found))
        weighed = policy.build(day, found, fleet, limited=bool(chosen["limit"]))
    except InventoryError as error:
        every = sorted([*wrong, *error.problems], key=by_place)
        raise InventoryError(dict.fromkeys(every), USAGE if wrong else error.exit_code) from None
    if wrong:
        raise InventoryError(dict.fromkeys(sorted(wrong, key=by_place)))
    return fleet, weighed


def read_fleet(chosen: Settings, patterns: tuple[str, ...] = ()) -> Fleet:
    """Read the inventory. Raises UsageError and InventoryError."""
    from conformance.fleet.ansible import load

    if not chosen["inventory"]:
        raise UsageError("no inventory: name one with --inventory PATH, MAILCONFORM_INVENTORY or mailconform_inventory")
    fleet = load(
        chosen["inventory"],
        limit=chosen["limit"],
        patterns=patterns,
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


def enter_lab(fleet: Fleet, settings: Settings, held: ExitStack, notes: list[str]) -> Settings:
    """Start the embedded lab around this process, or fall back to the facts shipped with it.

    Returns the settings of whoever looks at it; ``held`` stops it. Raises UsageError.
    """
    from conformance.lab import runtime
    from conformance.lab.namespace import NamespaceError

    folder = Path(runtime.__file__).parent
    if fleet.lab != LAB:
        raise UsageError(f"mailconform_lab: {fleet.lab!r} is unknown; there is {LAB!r}")
    try:
        lab = runtime.start(folder)
    except NamespaceError as error:
        if overlays(settings):
            raise UsageError(
                f"the embedded lab cannot run here ({error}), and no overlay changes gathered facts"
            ) from None
        notes.append(f"the embedded lab cannot run here ({error}): facts shipped with it are judged instead")
        return settings.changed({"replay": str(folder / "facts.json.xz")})
    held.callback(lab.stop)
    os.environ.update(lab.environ)
    notes.append("this run looked at the embedded lab: simulated hosts in a network of their own")
    values = {"resolver": split(lab.environ["MAILCONFORM_RESOLVER"]), "ehlo": lab.environ.get("MAILCONFORM_EHLO")}
    if receiver := lab.environ.get("MAILCONFORM_RECEIVER"):
        certificate = lab.environ.get("MAILCONFORM_RECEIVER_CERTIFICATE")
        values |= {"receiver": receiver, "probe": "send", "receiver-certificate": certificate}
    return settings.changed({k: value for k, value in values.items() if k not in settings.given})
