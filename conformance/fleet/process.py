"""Runs the process that reads the inventory: bounded in time and size, and gone with its children when we are."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

LARGEST_ANSWER = 512 * 1024 * 1024
LONGEST_GOODBYE = 5.0


class HelperFailed(Exception):
    """The process gave no answer. ``last`` is the last message it gave, empty if none."""

    def __init__(self, text: str, last: Mapping[str, Any] | None = None) -> None:
        super().__init__(text)
        self.last = last or {}


def ask(
    command: Sequence[str], request: Mapping[str, Any], timeout: float, meanwhile: Callable[[], object] | None = None
) -> dict[str, Any]:
    """Start a command with a JSON request as last argument and return the last JSON line of its answer.

    ``timeout`` is in seconds. ``meanwhile`` is called once the command runs, before its answer is waited for. Raises
    HelperFailed; OSError when the command cannot be started.
    """
    with tempfile.TemporaryDirectory(prefix="mailconform-") as folder, contextlib.ExitStack() as stack:
        answers, out = _pipe(stack)
        lifeline, _ = _pipe(stack)
        errors = stack.enter_context((Path(folder) / "errors").open("w+b"))
        process = subprocess.Popen(
            [*command, json.dumps({**request, "out": out.fileno(), "lifeline": lifeline.fileno()})],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            env=environment(folder),
            pass_fds=(out.fileno(), lifeline.fileno()),
            start_new_session=True,
        )
        stack.callback(_end, process)
        out.close()
        lifeline.close()
        deadline = time.monotonic() + timeout
        if meanwhile is not None:
            meanwhile()
        text = _read(answers, deadline, timeout)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(LONGEST_GOODBYE)
        lines = text.splitlines()
        if not lines or b'"warnings"' not in lines[-1]:
            raise HelperFailed(_last_words(errors) or f"it ended with status {process.returncode}")
        answer: dict[str, Any] = json.loads(lines[-1])
        return answer


def environment(folder: str) -> dict[str, str]:
    """Return the variables of the child: Ansible's own, made strict, mute and independent of locale and home."""
    given = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    strict = {
        "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "1",
        "ANSIBLE_INVENTORY_UNPARSED_FAILED": "1",
        "ANSIBLE_VERBOSITY": "0",
        "ANSIBLE_DEBUG": "0",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_DEPRECATION_WARNINGS": "0",
        "ANSIBLE_LOCAL_TEMP": folder,
        "LC_ALL": "C.UTF-8",
    }
    if "ANSIBLE_HOME" not in given and not _can_write(Path("~/.ansible")):
        strict["ANSIBLE_HOME"] = folder
    return given | strict


def _can_write(path: Path) -> bool:
    with contextlib.suppress(RuntimeError):
        path = path.expanduser()
        existing = next((place for place in (path, *path.parents) if place.exists()), None)
        return existing is not None and existing.is_dir() and os.access(existing, os.W_OK)
    return False


def _pipe(stack: contextlib.ExitStack) -> tuple[Any, Any]:
    reading, writing = os.pipe()
    return stack.enter_context(open(reading, "rb", 0)), stack.enter_context(open(writing, "wb", 0))  # noqa: PTH123


def _read(answers: Any, deadline: float, timeout: float) -> bytes:
    parts: list[bytes] = []
    size = 0
    for part in _parts(answers, deadline):
        if part is None:
            said = b"".join(parts).splitlines()
            last = json.loads(said[-1]) if said else {}
            raise HelperFailed(f"it took more than {timeout:.0f} s", last)
        parts.append(part)
        size += len(part)
        if size > LARGEST_ANSWER:
            raise HelperFailed(f"its answer is larger than {LARGEST_ANSWER >> 20} MiB")
    return b"".join(parts)


def _parts(answers: Any, deadline: float) -> Iterator[bytes | None]:
    """Yield what comes through a pipe until it is closed; None when time is up."""
    with selectors.DefaultSelector() as selector:
        selector.register(answers, selectors.EVENT_READ)
        while (left := deadline - time.monotonic()) > 0:
            if selector.select(left):
                part = os.read(answers.fileno(), 1 << 20)
                if not part:
                    return
                yield part
    yield None


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _last_words(errors: Any) -> str:
    errors.seek(0, os.SEEK_END)
    errors.seek(max(0, errors.tell() - 4096))
    lines = errors.read().decode("utf-8", "replace").strip().splitlines()
    return lines[-1].strip()[:400] if lines else ""
