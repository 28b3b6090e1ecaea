"""How a run begins: its settings, its fleet, and the lab if the fleet is one.

Light until waivers and inventory are found right: what is wrong with them is told before all that gathers and tells is
loaded.
"""

from __future__ import annotations

import os
import pickle
import signal
import tempfile
import threading
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from _pytest.config.findpaths import load_config_dict_from_file

from conformance import policy
from conformance.declared import declared
from conformance.fleet.model import Fleet
from conformance.options import Settings, UsageError, duration, settle, unknown

if TYPE_CHECKING:
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

    Raises UsageError and InventoryError.
    """
    if not __debug__:
        raise UsageError("Python runs with -O or PYTHONOPTIMIZE, which takes the checks out: run without it")
    if (given := getattr(config, "workerinput", None)) is not None:
        return _of_worker(given["workerid"], Path(given["mailconform_shared"]))
    with ExitStack() as held:
        held.callback(terminate_like_interrupt())
        chosen = settings(config)
        fleet, weighed = declared(chosen)

        from conformance import gate
        from conformance.run import Run

        run = Run(chosen, fleet, weighed)
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


def _of_worker(name: str, shared: Path) -> Run:
    """Return the run of a worker of pytest-xdist, which judges what the controller has settled."""
    from conformance.run import Run

    # The file is our own, in a folder that only this user can read.
    settled, fleet, weighed = pickle.loads((shared / "run").read_bytes())  # noqa: S301
    return Run(settled, fleet, weighed, name, shared)


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


def enter_lab(fleet: Fleet, settings: Settings, held: ExitStack, notes: list[str]) -> Settings:
    """Start the embedded lab around this process, or fall back to the facts shipped with it.

    Returns the settings of whoever looks at it; ``held`` stops it. Raises UsageError.
    """
    from conformance.lab import runtime
    from conformance.lab.namespace import NamespaceError
    from conformance.problems import split
    from conformance.proposed import overlays

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
