"""One run at a time of an inventory, and of a folder for results: a second one is told who is at it."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

STEP = 0.5
"""Seconds between two looks at a lock that is held."""


class Locked(Exception):
    """Another run goes on; the message says which."""


@contextmanager
def of_inventory(top: Path, inventory: Sequence[str], wait: float = 0.0) -> Iterator[None]:
    """Hold the lock of an inventory's runs below a folder.

    Waits at most ``wait`` seconds. Raises Locked; OSError where the file of the lock cannot be made.
    """
    key = hashlib.sha256("\n".join(sorted(str(Path(one).resolve()) for one in inventory)).encode()).hexdigest()[:12]
    with (top / f".lock.{key}").open("a+", encoding="utf-8") as file:

        def busy() -> str:
            file.seek(0)
            return f"another run of {', '.join(inventory)} goes on{_holder(file.read(1000))}"

        _take(file.fileno(), wait, busy)
        file.seek(0)
        file.truncate()
        file.write(json.dumps({"pid": os.getpid(), "since": int(time.time())}))
        file.flush()
        yield


@contextmanager
def of_folder(folder: Path, wait: float = 0.0) -> Iterator[None]:
    """Hold the lock of a folder that gets the results of one run. As :func:`of_inventory`."""
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _take(number, wait, lambda: f"another run writes to {folder}")
        yield
    finally:
        os.close(number)


def _take(number: int, wait: float, busy: Callable[[], str]) -> None:
    end = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                raise Locked(f"{busy()}; wait for it with --lock-wait SECONDS") from None
            time.sleep(STEP)
        else:
            return


def _holder(text: str) -> str:
    with suppress(ValueError, KeyError, TypeError):
        held = json.loads(text)
        return f": process {int(held['pid'])}, for {max(int(time.time()) - int(held['since']), 0)} s"
    return ""
