"""The lab in a namespace, run as a subprocess since a process cannot leave it, and worlds on loopback."""

from __future__ import annotations

import json
import os
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import dns.message
import dns.query
import dns.rcode
import pytest

from conformance.lab.runtime import LabError, read_lab
from conformance.lab.spec import Behaviour, ListenerSpec
from conformance.lab.world import serve_world
from conformance.lab.zone import ZoneError

Inside = Callable[[str], dict[str, object]]

HOSTS = """
networks = ["203.0.113.0/24"]
nameserver = "203.0.113.53"
silent_nameservers = ["203.0.113.54"]
prober = "203.0.113.2"

[[host]]
name = "mx1.good.example"
addresses = ["203.0.113.11", "2001:db8::11"]
[[host.smtp]]

[[host]]
name = "mx2.bad.example"
addresses = ["203.0.113.12"]
hostname = "localhost"
[[host.smtp]]
certificate = "expired"
[[host.smtp]]
port = 26
behaviour = "deaf"
"""

ZONES = {
    "good.example": "mx1 A 203.0.113.11\nmx1 AAAA 2001:db8::11\n",
    "113.0.203.in-addr.arpa": "11 PTR mx1.good.example.\n",
}

# What runs inside: start the lab, do what the test says, stop it and say what was seen.
PREAMBLE = """
import json, os, signal, smtplib, socket, ssl, subprocess, sys, time
from pathlib import Path
import dns.message, dns.query, dns.rcode
from conformance.lab.namespace import NamespaceError
from conformance.lab.runtime import LabError, start

began = time.perf_counter()
try:
    lab = start(Path(sys.argv[1]))
except (NamespaceError, LabError) as error:
    print(json.dumps({type(error).__name__: str(error)}))
    sys.exit()
seen = {"seconds": time.perf_counter() - began}
"""
EPILOGUE = """
lab.stop()
print(json.dumps(seen), flush=True)
"""


@pytest.fixture
def lab_dir(tmp_path: Path) -> Path:
    (tmp_path / "zones").mkdir()
    (tmp_path / "hosts.toml").write_text(HOSTS)
    for origin, text in ZONES.items():
        (tmp_path / "zones" / f"{origin}.zone").write_text(text)
    return tmp_path


@pytest.fixture
def inside(lab_dir: Path, permitted: Callable[[object], None]) -> Inside:
    """Return a function that runs code with a started lab in a process of its own and returns what it saw."""

    def run(body: str) -> dict[str, object]:
        script = PREAMBLE + textwrap.dedent(body) + EPILOGUE
        command = [sys.executable, "-c", script, str(lab_dir)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        seen: dict[str, object] = json.loads(done.stdout)
        permitted(seen.pop("NamespaceError", None))
        return seen

    return run


def test_lab_answers_by_dns_and_smtp_on_real_ports(inside: Inside) -> None:
    seen = inside(
        """
        def ask(name, rdtype):
            question = dns.message.make_query(name, rdtype)
            answer = dns.query.udp(question, lab.environ["MAILCONFORM_RESOLVER"], timeout=3)
            return [rd.to_text() for rrset in answer.answer for rd in rrset]

        seen["ptr"] = ask("11.113.0.203.in-addr.arpa", "PTR")
        seen["aaaa"] = ask("mx1.good.example", "AAAA")
        context = ssl.create_default_context(cafile=lab.environ["SSL_CERT_FILE"])
        for address in ("203.0.113.11", "2001:db8::11"):
            with smtplib.SMTP(address, 25, timeout=3) as session:
                session._host = "mx1.good.example"
                seen[address] = [session.starttls(context=context)[0], session.ehlo()[0]]
        with smtplib.SMTP("203.0.113.12", 25, timeout=3) as session:
            seen["banner"] = session.ehlo()[1].decode().splitlines()[0]
            session._host = "mx2.bad.example"
            try:
                session.starttls(context=context)
            except ssl.SSLCertVerificationError as error:
                seen["expired"] = error.verify_message
        seen["peer"] = socket.create_connection(("203.0.113.11", 25)).getsockname()[0]
        targets = {"out": ("192.0.2.1", 53), "closed": ("203.0.113.99", 25), "deaf": ("203.0.113.12", 26)}
        for name, target in targets.items():
            try:
                socket.create_connection(target, timeout=0.2)
            except OSError as error:
                seen[name] = type(error).__name__
        try:
            dns.query.udp(dns.message.make_query("good.example", "NS"), "203.0.113.54", timeout=0.2)
        except Exception as error:
            seen["silent"] = type(error).__name__
        """,
    )
    assert seen.pop("seconds") < 3  # type: ignore[operator]
    assert seen == {
        "ptr": ["mx1.good.example."],
        "aaaa": ["2001:db8::11"],
        "203.0.113.11": [220, 250],
        "2001:db8::11": [220, 250],
        "banner": "localhost",
        "expired": "certificate has expired",
        "peer": "203.0.113.2",
        "out": "OSError",
        "closed": "ConnectionRefusedError",
        "deaf": "TimeoutError",
        "silent": "Timeout",
    }


def test_programs_started_later_are_inside_and_ids_stay(inside: Inside) -> None:
    seen = inside(
        """
        code = "import socket; print(socket.create_connection(('2001:db8::11', 25), 3).recv(99).decode().strip())"
        seen["greeting"] = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip()
        seen["uid"] = os.getuid()
        """,
    )
    assert seen["greeting"] == "220 mx1.good.example ESMTP ready"
    assert seen["uid"] == os.getuid()


def test_stop_ends_the_server_and_removes_its_files(inside: Inside) -> None:
    seen = inside(
        """
        lab.stop()
        lab.stop()
        try:
            os.kill(lab.pid, 0)
        except ProcessLookupError:
            seen["gone"] = True
        seen["files"] = os.path.exists(lab.environ["SSL_CERT_FILE"])
        """,
    )
    assert seen["gone"] is True
    assert seen["files"] is False


def test_a_fork_of_the_run_does_not_stop_the_lab(inside: Inside) -> None:
    seen = inside(
        """
        child = os.fork()
        if child == 0:
            lab.stop()
            os._exit(0)
        os.waitpid(child, 0)
        seen["greeting"] = socket.create_connection(("203.0.113.11", 25), 3).recv(3).decode()
        """,
    )
    assert seen["greeting"] == "220"


def test_the_server_dies_with_a_killed_run(lab_dir: Path, permitted: Callable[[object], None]) -> None:
    script = PREAMBLE + "print(json.dumps({'pid': lab.pid}), flush=True)\ntime.sleep(60)\n"
    run = subprocess.Popen([sys.executable, "-c", script, str(lab_dir)], stdout=subprocess.PIPE, text=True)
    assert run.stdout
    seen = json.loads(run.stdout.readline())
    run.send_signal(signal.SIGKILL)
    run.wait()
    run.stdout.close()
    permitted(seen.get("NamespaceError"))
    deadline = time.monotonic() + 3
    while alive(seen["pid"]):
        assert time.monotonic() < deadline, "the server outlived its run"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_a_broken_zone_is_named_with_its_line(lab_dir: Path, inside: Inside) -> None:
    (lab_dir / "zones" / "good.example.zone").write_text("mx1 A nonsense")
    assert "good.example.zone:1: " in str(inside("")["LabError"])


def test_a_lab_without_zones_does_not_start(lab_dir: Path, inside: Inside) -> None:
    for path in (lab_dir / "zones").iterdir():
        path.unlink()
    assert "no zone files" in str(inside("")["LabError"])


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("networks = [", "hosts.toml: "),
        ('networks = ["203.0.113.0/24"]', "hosts.toml: nameserver: Field required"),
        ('networks = ["203.0.113.0/24"]\nnameserver = "192.0.2.1"', "192.0.2.1 lies in none of the networks"),
        (HOSTS + "prot = 25\n", "hosts.toml: host.1.smtp.1.prot: "),
        (HOSTS.replace('"deaf"', '"dead"'), "hosts.toml: host.1.smtp.1.behaviour: "),
    ],
)
def test_mistakes_in_hosts_toml_are_named(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "hosts.toml").write_text(text)
    with pytest.raises(LabError) as raised:
        read_lab(tmp_path)
    assert complaint in str(raised.value)


def test_a_missing_lab_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LabError):
        read_lab(tmp_path / "nowhere")


def test_world_serves_zones_listeners_and_faults() -> None:
    listeners = [ListenerSpec("mx1.good.example"), ListenerSpec("mx1.good.example", 465, tls="implicit")]
    with serve_world(ZONES, listeners, ["slow.good.example TXT servfail"]) as world:
        host, port = world.resolver.split(":")
        question = dns.message.make_query("slow.good.example", "TXT")
        answer = dns.query.udp(question, host, port=int(port), timeout=3)
        assert answer.rcode() == dns.rcode.SERVFAIL
        assert [(q.name, q.rdtype, q.rcode) for q in world.queries()] == [("slow.good.example.", "TXT", "SERVFAIL")]

        context = ssl.create_default_context(cafile=world.ca_file)
        plain = socket.create_connection(("127.0.0.1", world.ports["mx1.good.example", 465]), 3)
        with context.wrap_socket(plain, server_hostname="mx1.good.example") as session:
            assert session.recv(3) == b"220"
        with smtplib.SMTP("127.0.0.1", world.ports["mx1.good.example", 25], timeout=3) as smtp:
            smtp.ehlo("prober.example")
        assert [(c.port, c.commands) for c in world.contacts()] == [(465, []), (25, ["ehlo prober.example", "QUIT"])]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", world.ports["mx1.good.example", 25]), 1)


def test_world_ends_at_once_with_sessions_open() -> None:
    began = time.perf_counter()
    with serve_world({}, [ListenerSpec("mx.example", behaviour=Behaviour.SILENT)]) as world:
        session = socket.create_connection(("127.0.0.1", world.ports["mx.example", 25]), 3)
        while not world.contacts():
            time.sleep(0.005)
    assert session.recv(1) == b""
    assert time.perf_counter() - began < 2
    session.close()


def test_world_complains_before_it_opens() -> None:
    with pytest.raises(ZoneError, match=r"good\.example:1"), serve_world({"good.example": "mx A nonsense"}):
        pass
    with pytest.raises(ZoneError, match="expected one of"), serve_world({}, faults=["mx.example burn"]):
        pass
