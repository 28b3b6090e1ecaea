"""``mailconform verify``: one message in a file, judged by the rules and the machinery of a run."""

from __future__ import annotations

import datetime
import ipaddress
import tempfile
from collections.abc import Generator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from conformance.asked import RUN
from conformance.onemessage import LARGEST, Told, as_sent, fleet_of, trials_of
from conformance.options import Settings, UsageError
from conformance.reading.mailbox import read_addresses
from conformance.reading.maildate import DateError, read_date
from conformance.reading.message import read
from conformance.run import Run
from conformance.start import terminate_like_interrupt

COMMAND = ("--pyargs", "conformance.cases", "-p", "conformance.plugin", "-p", "no:cacheprovider", "-o", "addopts=")
_QUIET = ("-W", "ignore::pytest.PytestAssertRewriteWarning")
"""The cases are imported already, and are not to be rewritten anyway."""


def told_of(path: str, ip: str, helo: str, mail_from: str, kind: str, at: str | None = None) -> Told:
    """Return what the options tell. Raises UsageError for what cannot be."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        raise UsageError(f"--ip: {ip!r} is no IP address") from None
    if not helo.strip() or len(helo) > 255:
        raise UsageError(f"--helo: {helo[:80]!r} is no name that a host can greet with")
    sender = mail_from.strip()
    sender = sender[1:-1] if sender.startswith("<") and sender.endswith(">") else sender
    found = read_addresses(sender).mailboxes
    if sender and (len(found) != 1 or found[0].spec != sender or not found[0].valid):
        raise UsageError(f"--mail-from: {mail_from[:80]!r} is neither an address nor <>")
    return Told(address, helo.strip(), sender, kind, path, _moment(at) if at else None)


def _moment(text: str) -> datetime.datetime:
    """Read a date as mail has it, or ISO 8601 with a zone. Raises UsageError."""
    with suppress(DateError):
        return read_date(text).moment
    with suppress(ValueError):
        moment = datetime.datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment
    raise UsageError(f"--at: {text[:80]!r} is no time such as 2026-03-02T09:00:00+00:00")


def load(path: str) -> bytes:
    """Return the octets of a file, or of standard input for ``-``. Raises UsageError."""
    import sys

    try:
        if path == "-":
            octets = sys.stdin.buffer.read(LARGEST + 1)
        else:
            with Path(path).open("rb") as file:
                octets = file.read(LARGEST + 1)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from None
    if len(octets) > LARGEST:
        raise UsageError(f"{path}: is larger than {LARGEST >> 20} MiB")
    if not octets.strip():
        raise UsageError(f"{path}: is empty")
    return octets


def verify(told: Told, octets: bytes, chosen: Settings, quiet: int = 0) -> int:
    """Judge a message and return the exit status of the run. Raises UsageError."""
    with tempfile.TemporaryDirectory(prefix="mailconform-") as folder, ExitStack() as held:
        held.callback(terminate_like_interrupt())
        kept = chosen["report-dir"]
        run = _run(told, octets, chosen.changed({"report-dir": kept or folder}))
        run.passing = not kept
        return int(pytest.main([*COMMAND, *_QUIET, *["-q"] * quiet], plugins=[_Given(run)]))


def _run(told: Told, octets: bytes, chosen: Settings) -> Run:
    sent = as_sent(octets, told.ip)
    fleet = fleet_of(read(sent.octets), told)
    run = Run(chosen.changed({"inventory": [told.path], "probe": "none", "replay": None}), fleet, notes=[*sent.notes])
    run.store.trials.update((trial.key, trial) for trial in trials_of(fleet, sent, told))
    run.validate()
    run.make_folder()
    return run


class _Given:
    """Hands pytest a run that is made already."""

    def __init__(self, run: Run) -> None:
        self.run = run

    @pytest.hookimpl(wrapper=True)
    def pytest_cmdline_main(self, config: pytest.Config) -> Generator[None, Any, Any]:
        """Give the run before the plugin would make one."""
        config.stash[RUN] = self.run
        return (yield)
