"""Runs commands on the hosts of a fleet, over the connection that Ansible has for each: ssh, local, docker and others.

pytest-testinfra knows the connections. It runs programs without any bound and puts an ssh password into an argument,
where all can read it: :class:`_Local` takes that one step over.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import copy
import functools
import logging
import os
import re
import selectors
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.facts.redaction import Redactor
from conformance.fleet.model import Mta

LARGEST_OUTPUT = 65_536
"""Octets of output that are read of a command."""
LARGEST_COMMAND = 120_000
"""Octets of a command: one argument may have 128 KiB (execve(2), MAX_ARG_STRLEN)."""
SHOWN = 1000
"""Characters of output that are kept."""
AT_ONCE = 16

_PASSWORDS = ("ansible_password", "ansible_ssh_pass", "ansible_ssh_password")
_WORD = re.compile(r"[A-Za-z0-9_.:%\[\]][A-Za-z0-9_.:%\[\]\\-]*")
_YES = ("1", "true", "yes", "on", "y", "t")


class ShellError(Exception):
    """A command could not be run at all; the message says why."""


@dataclass(frozen=True, slots=True)
class Output:
    """What a command did: its exit status and what it printed, without secrets."""

    status: int
    text: str


class Shells:
    """Runs commands on hosts, some at once, each bounded in time and output. Close it to end what still runs."""

    def __init__(self, sources: Sequence[str], redact: Redactor, vault_password_file: str = "") -> None:
        self._sources = tuple(sources)
        self._vault = vault_password_file
        self._redact = redact
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="shell")
        self._local = _Local()
        # It logs whole commands and what they printed.
        logging.getLogger("testinfra").setLevel(logging.WARNING)

    async def run(self, mta: Mta, script: str, timeout: float) -> Output:
        """Run a shell script on a host; ``timeout`` is in seconds. Raises ShellError."""
        if len(script.encode()) > LARGEST_COMMAND:
            raise ShellError(f"the command is longer than {LARGEST_COMMAND // 1000} kB")
        work = functools.partial(self._run, mta, script, time.monotonic() + timeout)
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def close(self) -> None:
        """End all commands, and wait for that."""
        self._local.end()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _run(self, mta: Mta, script: str, deadline: float) -> Output:
        password = next((str(mta.connection[name]) for name in _PASSWORDS if mta.connection.get(name)), "")
        try:
            backend = self._connected(mta)
            if backend.get_connection_type() == "ansible":
                return self._by_ansible(backend, script)
            backend.run_local = functools.partial(self._local.run, backend, deadline, password)
            done = backend.run("/bin/sh -c %s", script)
        except ShellError:
            raise
        except Exception as error:
            # testinfra raises whatever a connection plugin, a missing program or Ansible makes of a host.
            raise ShellError(self._excuse(error)) from None
        said = b"\n".join(part for part in (done.stdout_bytes.strip(), done.stderr_bytes.strip()) if part)
        return Output(done.rc, self._shown(said))

    def _by_ansible(self, backend: Any, script: str) -> Output:
        """Run a script by Ansible itself, encoded: it would take braces for Jinja. Raises ShellError."""
        encoded = base64.b64encode(script.encode()).decode()
        done = backend.run_ansible("raw", f'/bin/sh -c "$(printf %s {encoded} | base64 -d)"', check=False)
        if "rc" not in done or done.get("unreachable"):
            raise ShellError(self._shown(str(done.get("msg", "Ansible gives no reason")).encode()))
        said = "\n".join(part for name in ("stdout", "stderr") if (part := str(done.get(name, "")).strip()))
        return Output(int(done["rc"]), self._shown(said.encode()))

    def _connected(self, mta: Mta) -> Any:
        """Return testinfra's connection with a host, one that nobody else uses."""
        import testinfra
        from testinfra.utils.ansible_runner import get_ansible_config, get_ansible_host

        inventory = {"all": {"hosts": [mta.name]}, "_meta": {"hostvars": {mta.name: _variables(mta)}}}
        host = get_ansible_host(get_ansible_config(), inventory, mta.name)
        if host is None:
            self._tell_ansible()
            host = testinfra.get_host(f"ansible://{mta.name}?force_ansible=true")
        backend = copy.copy(host.backend)
        # Asked for it, testinfra starts Python on the host to learn the encoding there.
        backend._encoding = "utf-8"
        return backend

    def _tell_ansible(self) -> None:
        """Tell ``ansible``, which testinfra starts for other connections, about the run's inventory and bounds."""
        here = str(Path(sys.executable).parent)
        os.environ |= {
            "ANSIBLE_INVENTORY": ",".join(self._sources),
            "ANSIBLE_TASK_TIMEOUT": "60",
            "ANSIBLE_TIMEOUT": "20",
            "PATH": os.pathsep.join(dict.fromkeys((here, *os.environ.get("PATH", "").split(os.pathsep)))),
        }
        if self._vault:
            os.environ["ANSIBLE_VAULT_PASSWORD_FILE"] = self._vault

    def _excuse(self, error: Exception) -> str:
        """Return what an error says, without the command that testinfra repeats in it."""
        result = error.args[0] if error.args else ""
        stderr = getattr(result, "stderr_bytes", None)
        if isinstance(stderr, bytes):
            return self._shown(stderr.strip()) or f"it ended with status {getattr(result, 'rc', '?')}"
        return self._shown(f"{type(error).__name__}: {error}".encode())

    def _shown(self, octets: bytes) -> str:
        text = self._redact(octets.decode("utf-8", "replace"))
        return text if len(text) <= SHOWN else f"{text[: SHOWN // 2]} ... {text[-SHOWN // 2 :]}"


def _variables(mta: Mta) -> dict[str, Any]:
    """Return how a host is reached, as testinfra reads it: no password, and nothing that ssh takes for an option."""
    variables = {name: value for name, value in mta.connection.items() if name not in _PASSWORDS}
    variables.setdefault("ansible_host", mta.name)
    connection = str(variables.get("ansible_connection", "ssh")).removeprefix("ansible.builtin.")
    variables["ansible_connection"] = "ssh" if connection == "paramiko_ssh" else connection
    for name in ("ansible_host", "ansible_user", "ansible_become_user"):
        if (value := variables.get(name)) is not None:
            variables[name] = str(value)
            if not _WORD.fullmatch(variables[name]):
                raise ShellError(f"{name} is {variables[name][:80]!r}, which is no name")
    if isinstance(become := variables.get("ansible_become"), str):
        variables["ansible_become"] = become.strip().lower() in _YES
    return variables


class _Local:
    """Runs programs on this machine for testinfra's connections: bounded, apart, and ended when we end."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._over = False

    def run(self, backend: Any, deadline: float, password: str, command: str, *args: str) -> Any:
        """Run a command as a backend's ``run_local`` does. Raises ShellError when it does not end in time."""
        line = command % tuple(map(shlex.quote, args)) if args else command
        status, out, err = self._run(line, deadline, password if line.startswith("ssh ") else "")
        return backend.result(status, b"", out, err)

    def end(self) -> None:
        """End what runs, and start nothing more."""
        with self._lock:
            self._over = True
            for process in self._running:
                _kill(process)

    def _run(self, line: str, deadline: float, password: str) -> tuple[int, bytes, bytes]:
        with contextlib.ExitStack() as stack:
            passed: tuple[int, ...] = ()
            if password:
                reading = _told(stack, password)
                passed = (reading,)
                line = f"exec sshpass -d {reading} {line}"
            process = self._started(line, passed)
            stack.callback(self._ended, process)
            return _watched(process, deadline)

    def _started(self, line: str, passed: tuple[int, ...]) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._over:
                raise ShellError("the run has ended")
            process = subprocess.Popen(
                ["/bin/sh", "-c", line],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=passed,
                # Without a terminal nothing can ask for a password, and all of it ends together.
                start_new_session=True,
                env={**os.environ, "SSH_ASKPASS_REQUIRE": "never"},
            )
            self._running.add(process)
            return process

    def _ended(self, process: subprocess.Popen[bytes]) -> None:
        with self._lock:
            self._running.discard(process)
            if process.poll() is None:
                _kill(process)
        process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe:
                pipe.close()


def _told(stack: contextlib.ExitStack, password: str) -> int:
    """Return the end of a pipe that a password can be read from once."""
    reading, writing = os.pipe()
    stack.callback(os.close, reading)
    os.write(writing, f"{password}\n".encode())
    os.close(writing)
    return reading


def _watched(process: subprocess.Popen[bytes], deadline: float) -> tuple[int, bytes, bytes]:
    """Return status and output of a process once it has ended. Raises ShellError when time is up."""
    parts: dict[Any, list[bytes]] = {process.stdout: [], process.stderr: []}
    size = 0
    with selectors.DefaultSelector() as selector:
        for pipe in parts:
            selector.register(pipe, selectors.EVENT_READ)
        while selector.get_map():
            left = deadline - time.monotonic()
            ready = selector.select(max(left, 0))
            if not ready and left <= 0:
                raise ShellError("it did not end in time")
            for key, _ in ready:
                part = os.read(key.fd, 8192)
                if not part:
                    selector.unregister(key.fileobj)
                elif size < LARGEST_OUTPUT:
                    parts[key.fileobj].append(part)
                    size += len(part)
    try:
        status = process.wait(max(deadline - time.monotonic(), 0.1))
    except subprocess.TimeoutExpired:
        raise ShellError("it did not end in time") from None
    return status, b"".join(parts[process.stdout]), b"".join(parts[process.stderr])


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
