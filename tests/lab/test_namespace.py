"""The private network, entered in a process of its own: as who runs the tests, and from root as a plain user too."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable

import pytest

Run = Callable[[str, str], dict[str, object]]

PREAMBLE = """
import ctypes, encodings.idna, errno, json, os, socket, subprocess, sys, threading, time
from ipaddress import ip_address, ip_network
from pathlib import Path
from conformance.lab.namespace import Network, NamespaceError, enter

if sys.argv[1] == "nobody":
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
    ctypes.CDLL(None).prctl(4, 1)  # PR_SET_DUMPABLE: who changes ids loses /proc/self, a login does not

network = Network((ip_network("203.0.113.0/24"),), (ip_address("2001:db8::25"),), ip_address("203.0.113.2"))
before = os.readlink("/proc/self/ns/net"), os.getuid(), os.getgid()
seen = {}

def attempt(network=network):
    try:
        enter(network)
    except NamespaceError as error:
        return str(error)

def changed():
    return os.readlink("/proc/self/ns/net") != before[0]
"""


@pytest.fixture(params=["self", "nobody"])
def user(request: pytest.FixtureRequest) -> str:
    if request.param == "nobody" and os.getuid() != 0:
        pytest.skip("only root can become another user; this user is a plain one already")
    return str(request.param)


@pytest.fixture
def run(permitted: Callable[[object], None]) -> Run:
    """Return a function that runs code in a process of its own, as a user, and returns what it saw."""

    def run_as(user: str, body: str) -> dict[str, object]:
        script = PREAMBLE + textwrap.dedent(body) + "\nprint(json.dumps(seen))\n"
        command = [sys.executable, "-c", script, user]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        seen: dict[str, object] = json.loads(done.stdout)
        permitted(seen.pop("error", None))
        return seen

    return run_as


def test_addresses_and_low_ports_are_real_and_nothing_leads_out(run: Run, user: str) -> None:
    seen = run(
        user,
        """
        seen["error"] = attempt()
        if not seen["error"]:
            for address in ("203.0.113.200", "2001:db8::25", "127.0.0.1"):
                family = socket.AF_INET6 if ":" in address else socket.AF_INET
                with socket.create_server((address, 25), family=family) as server:
                    client = socket.create_connection((address, 25), 2)
                    seen[address] = server.accept()[1][0]
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM).bind(("203.0.113.53", 53))
            for address in ("192.0.2.1", "2001:db9::1"):
                try:
                    socket.create_connection((address, 25), 2)
                except OSError as error:
                    seen[address] = errno.errorcode[error.errno]
            seen["ids"] = [os.getuid() == before[1], os.getgid() == before[2], changed()]
        """,
    )
    assert seen == {
        "203.0.113.200": "203.0.113.2",
        "2001:db8::25": "2001:db8::25",
        "127.0.0.1": "127.0.0.1",
        "192.0.2.1": "ENETUNREACH",
        "2001:db9::1": "ENETUNREACH",
        "ids": [True, True, True],
    }


def test_an_executed_program_is_inside_and_may_bind_low_ports(run: Run, user: str) -> None:
    seen = run(
        user,
        """
        seen["error"] = attempt()
        code = "import os, socket; socket.create_server(('203.0.113.9', 25)); print(os.getuid(), 'bound')"
        for python in (sys.executable, "/usr/bin/python3"):
            try:
                done = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True)
            except OSError:
                continue  # Not to be read by this user.
            seen["said"] = done.stdout.split() or done.stderr
            seen["expected"] = [str(before[1]), "bound"]
            break
        """,
    )
    if "said" not in seen:
        pytest.skip("no Python here that this user can execute")
    assert seen["said"] == seen["expected"]


def test_a_process_with_threads_is_refused_and_stays_where_it_is(run: Run, user: str) -> None:
    seen = run(
        user,
        """
        threading.Thread(target=time.sleep, args=(0.5,), daemon=True).start()
        seen["reason"] = attempt()
        seen["changed"] = changed()
        """,
    )
    assert "2 threads" in str(seen["reason"])
    assert seen["changed"] is False


def test_a_network_that_cannot_be_made_changes_nothing(run: Run, user: str) -> None:
    seen = run(
        user,
        """
        twice = Network(network.networks * 2, network.addresses, network.source)
        seen["reason"] = attempt(twice)
        seen["changed"] = changed()
        seen["error"] = attempt()
        """,
    )
    assert "File exists" in str(seen["reason"])
    assert seen["changed"] is False


def test_a_refusal_of_the_kernel_is_passed_on_with_its_reason(run: Run) -> None:
    # The limit is set in a user namespace of the test's own, which root does not make.
    seen = run(
        "nobody" if os.getuid() == 0 else "self",
        """
        seen["error"] = attempt()
        if not seen["error"]:
            Path("/proc/sys/user/max_net_namespaces").write_text("0")
            seen["reason"] = attempt()
        """,
    )
    assert seen["reason"] == (
        "user and network namespaces are refused: No space left on device"
        " (user.max_user_namespaces or user.max_net_namespaces is used up)"
    )
