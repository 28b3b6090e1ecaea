"""Runs that make a host send: to a receiver in the run, to one elsewhere, by hand; and runs that must not."""

from __future__ import annotations

import base64
import json
import re
import shlex
import signal
import smtplib
import socket
import stat
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from conformance.lab.world import World
from tests.plugin import fleet
from tests.receiver.test_service import Receiver
from tests.receiver.test_service import receiver as service  # noqa: F401
from tests.worlds.conduct import TLS_REPORT

DELIVER = Path(fleet.__file__).parents[1] / "deliver.py"
RULES = ("--rules=ip.declared", "--rules=queue.first-retry", "--rules=msg.date")
PATIENCE = 60.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def inventory(folder: Path, stream: dict[str, Any], **more: Any) -> Path:
    """Write the inventory of a host that is this machine."""
    given: dict[str, Any] = {"probe": {"level": "send", "rate": 50}, "send_from": ["127.0.0.1", "127.0.0.7"], **more}
    given |= {"streams": {"news": {"from": "news@example.com", **stream}}}
    host = fleet.host(1, None, **given) | {"ansible_connection": "local"}
    return fleet.inventory(folder / "hosts.yml", {"mx1.example.com": host}, treat_as_public=["127.0.0.0/8"])


def command(port: int, log: Path, *more: str) -> list[str]:
    """Return a command that delivers to a port, and leaves a line in a log each time."""
    words = [sys.executable, str(DELIVER), "--server", f"127.0.0.1:{port}", "--to", "{recipient}", *more]
    line = shlex.join(words).replace("'{recipient}'", '"$1"')
    return ["/bin/sh", "-c", f"{line}; echo sent >> {log}", "sh", "{recipient}"]


class Runs:
    """Runs over one world in one folder."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world, self.folder, self.log = world, folder, folder / "log"

    @property
    def sent(self) -> int:
        return len(self.log.read_text().splitlines()) if self.log.exists() else 0

    def arguments(self, *options: str) -> tuple[str, ...]:
        given = (f"--inventory={self.folder / 'hosts.yml'}", "--report-dir=told", *RULES)
        return (*fleet.COMMAND, "run", *given, *options)

    def environ(self, **variables: str) -> dict[str, str]:
        return fleet.environment(self.world, **variables)

    def run(self, *options: str, **variables: str) -> fleet.Ran:
        return fleet.run(
            *self.arguments(*options), cwd=self.folder, environ=self.environ(**variables), folder="told", timeout=120
        )


@pytest.fixture
def runs(world: World, tmp_path: Path) -> Runs:
    return Runs(world, tmp_path)


@pytest.fixture
def port(runs: Runs) -> int:
    found = free_port()
    stream = {"how": "command", "command": command(found, runs.log, "--tries=9", "--pause=0.3")}
    inventory(runs.folder, stream | {"trials": ["accept", "greylist"]})
    return found


def test_a_host_sends_to_the_receiver_of_the_run_and_is_judged(runs: Runs, port: int) -> None:
    ran = runs.run("--probe=send", f"--receiver=embedded:127.0.0.1:{port}/20", "--probe-wait=40")
    assert runs.sent == 2
    assert ran.outcomes["ip.declared mx1.example.com/news"] == "pass"
    assert ran.outcomes["queue.first-retry mx1.example.com/news"] == "advice"
    run = ran.document["run"]
    assert run["unobserved"] == ["mx1.example.com/127.0.0.7"]
    assert "not observed: no mail of mx1.example.com came from 127.0.0.7" in run["notes"]
    assert any("hosts were made to send 2 messages to conform.example.net" in note for note in run["notes"])
    again = runs.run(f"--replay={ran.folder / 'facts.json'}", "--report-dir=again")
    assert runs.sent == 2
    document = json.loads((runs.folder / "again" / "results.json").read_text())
    assert again.status == ran.status
    assert {(one["check"], one["outcome"], one["seen"]) for one in document["results"]} == {
        (one["check"], one["outcome"], one["seen"]) for one in ran.results
    }
    assert document["run"]["unobserved"] == run["unobserved"]


def test_workers_make_a_host_send_once(runs: Runs, port: int) -> None:
    pytest.importorskip("xdist")
    ran = runs.run(
        "--probe=send", f"--receiver=embedded:127.0.0.1:{port}/20", "--", "-n", "2", "-p", "no:cacheprovider"
    )
    assert ran.outcomes["ip.declared mx1.example.com/news"] == "pass", ran.said
    assert runs.sent == 2


@pytest.mark.parametrize(
    ("level", "options"),
    [("send", ()), ("send", ("--probe=none",)), ("connect", ("--probe=send", "--receiver=embedded:127.0.0.1:0"))],
)
def test_nobody_sends_unless_run_and_inventory_ask_for_it(runs: Runs, level: str, options: tuple[str, ...]) -> None:
    inventory(runs.folder, {"how": "command", "command": command(1, runs.log)}, probe={"level": level})
    ran = runs.run(*options)
    assert ran.outcomes["ip.declared mx1.example.com/news"] == "not-applicable"
    assert runs.sent == 0
    hint = "no host with a stream has mailconform_probe: {level: send}, so that none is made to send"
    assert (hint in ran.document["run"]["notes"]) is (level == "connect")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--probe=send",), "--probe: send needs a receiver: --receiver"),
        (("--probe=send", "--receiver=mx.example.net"), "--receiver: 'mx.example.net' is no receiver"),
        (("--probe=collect", "--receiver=embedded"), "there is nothing to collect later"),
        (("--probe=send", "--receiver=https://r.example.net"), "asks for a token: --receiver-token-file"),
        (
            ("--probe=send", "--receiver=https://r.example.net", "--receiver-token-file=none"),
            "none cannot be read: No such file",
        ),
        (("--probe=send", "--receiver=http://r.example.net", "--receiver-token-file=hosts.yml"), "bearer token"),
        (("--probe=send", "--receiver=embedded", "--receiver-zone-key=hosts.yml"), "hosts.yml: holds no private key"),
        (("--probe=send", "--receiver=embedded", "--receiver-domain=net"), "'net' is no domain"),
        (("--probe=send", "--receiver=embedded:127.0.0.1:{taken}"), "the embedded receiver cannot listen"),
        (("--probe=send", "--probe-wait=0"), "--probe-wait: 0 is not a number of 1 or more"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_sent(runs: Runs, options: tuple[str, ...], said: str) -> None:
    inventory(runs.folder, {"how": "command", "command": command(1, runs.log)})
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ran = runs.run(*(option.format(taken=taken.getsockname()[1]) for option in options))
    assert ran.status == 4, ran.said
    assert said in ran.said
    assert runs.sent == 0


INVENTORY = """\
all:
  vars: {mailconform_domains: {example.com: {}}}
  hosts:
    mx1.example.com:
      mailconform_role: mta_out
      mailconform_helo: mx1.example.com
      mailconform_send_from: 203.0.113.1
      mailconform_streams:
        news: {from: news@example.com, how: file, file: captured.json}
"""


def test_a_file_of_captured_mail_is_read_at_the_start(runs: Runs) -> None:
    (runs.folder / "hosts.yml").write_text(INVENTORY)
    ran = runs.run()
    assert ran.status == 4
    assert re.search(r"hosts\.yml:9: captured\.json: cannot be read: No such file", ran.said), ran.said


def test_an_interrupt_keeps_what_came(runs: Runs) -> None:
    port = free_port()
    stream = {"how": "command", "command": command(port, runs.log)}
    inventory(runs.folder, stream)
    options = ("--probe=send", f"--receiver=embedded:127.0.0.1:{port}", "--rules=queue.*", "--probe-wait=600")
    process = fleet.start(runs.arguments(*options), runs.folder, runs.environ())
    end = time.monotonic() + PATIENCE
    while runs.sent < 8 and time.monotonic() < end and process.poll() is None:
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    ran = fleet.ended(process, runs.folder / "told", timeout=PATIENCE)
    assert ran.status == 2, ran.said
    assert not ran.document["run"]["complete"]
    trials = json.loads((ran.folder / "facts.json").read_text())["trials"]
    unfinished = [trial for trial in trials if trial.get("error") == "the run ended before its watch was over"]
    assert any(trial.get("captures") for trial in unfinished)
    assert {trial["state"] for trial in unfinished} == {"unreached"}


class Door:
    """A submission server in a thread that takes nothing, repeats what it was told and looks at the process list."""

    WORD = "s3cr3t-w0rd"

    def __init__(self) -> None:
        self.logins: list[bytes] = []
        self.seen_in_processes = False
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Door:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rwb") as lines:

            def say(text: str) -> None:
                lines.write(f"{text}\r\n".encode())
                lines.flush()

            say("220 door.example.com ESMTP")
            for line in lines:
                verb = line[:4].upper()
                if verb == b"EHLO":
                    say("250-door.example.com\r\n250-8BITMIME\r\n250 AUTH PLAIN")
                elif verb == b"AUTH":
                    self.logins.append(base64.b64decode(line.split()[2]))
                    self._look()
                    say("235 2.7.0 in")
                elif verb == b"MAIL":
                    shown = base64.b64encode(f"\0probe\0{self.WORD}".encode()).decode()
                    say(f"550 5.7.1 {self.WORD} {shown} is weak")
                elif verb == b"QUIT":
                    say("221 2.0.0 bye")
                    return
                else:
                    say("250 2.0.0 fine")

    def _look(self) -> None:
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes()
            except OSError:
                continue
            self.seen_in_processes |= self.WORD.encode() in words


def test_no_credential_leaves_the_run(runs: Runs) -> None:
    with Door() as door:
        (runs.folder / "word").write_text(f"{door.WORD}\n")
        inventory(
            runs.folder,
            {"how": "submission"},
            connect_to="127.0.0.1",
            listen=[{"port": 587, "dial_port": door.port, "tls": "none", "auth": "required"}],
            submission={"username": "probe", "password_file": "word"},
        )
        options = ("--probe=send", "--receiver=embedded:127.0.0.1:0/50", "--rules=msg.*", "--rules=smtp.*")
        ran = runs.run(*options, "--format=markdown", "--", "--log-level=DEBUG", "-v")
    assert set(door.logins) == {f"\0probe\0{door.WORD}".encode()}
    assert not door.seen_in_processes
    assert ran.outcomes["ip.declared mx1.example.com/news"] == "undetermined"
    written = [path for path in ran.folder.rglob("*") if path.is_file()]
    told = ran.said + "".join(path.read_text("utf-8", "replace") for path in written)
    assert "[secret]" in told
    for form in (door.WORD, base64.b64encode(door.WORD.encode()).decode()[:12], "MzY3IzdC13MHJk"):
        assert form not in told


def test_what_is_sent_by_hand_is_collected_later(
    runs: Runs,
    service: Receiver,  # noqa: F811
) -> None:
    secret = service.client()
    token = runs.folder / "token"
    token.write_text(f"{secret}\n")
    inventory(runs.folder, {"how": "manual"}, send_from="127.0.0.1")
    with service.running():
        (runs.folder / "ca.pem").write_bytes((service.folder / "ca.pem").read_bytes())
        options = [f"--receiver=https://127.0.0.1:{service.ports['https'][0][1]}", f"--receiver-token-file={token}"]
        options += ["--receiver-domain=conform.example.net", "--probe-wait=1"]
        trusted = {"SSL_CERT_FILE": str(runs.folder / "ca.pem")}
        first = runs.run("--probe=send", *options, **trusted)
        assert first.outcomes["ip.declared mx1.example.com/news"] == "undetermined", first.said
        assert stat.S_IMODE((first.folder / "probes.json").stat().st_mode) == 0o600
        (asked,) = (first.folder / "send-by-hand.txt").read_text().splitlines()
        assert f"to be sent by hand: {asked}" in first.said
        address = asked.rpartition(" ")[2]
        with smtplib.SMTP(*service.ports["smtp"][0], "mx1.example.com", timeout=PATIENCE) as client:
            client.sendmail("news@example.com", [address], "Subject: by hand\r\n\r\nHello.\r\n")
        second = runs.run("--probe=collect", *options, **trusted)
        assert second.outcomes["ip.declared mx1.example.com/news"] == "pass", second.said
        token.write_text("not-the-token-of-any-client\n")
        third = runs.run("--probe=collect", *options, **trusted)
        assert third.status == 4
        assert "401" in third.said
        assert "not-the-token" not in third.said
    for ran in (first, second):
        told = ran.said + "".join(path.read_text("utf-8", "replace") for path in ran.folder.iterdir())
        assert secret not in told


def test_a_tls_report_that_comes_later_is_judged(
    runs: Runs,
    service: Receiver,  # noqa: F811
) -> None:
    token = runs.folder / "token"
    token.write_text(f"{service.client()}\n")
    inventory(runs.folder, {"how": "manual", "trials": ["accept", "tls-report"]}, send_from="127.0.0.1")
    rule = "tls.out-tlsrpt-sent mx1.example.com/news"
    with service.running():
        (runs.folder / "ca.pem").write_bytes((service.folder / "ca.pem").read_bytes())
        options = [f"--receiver=https://127.0.0.1:{service.ports['https'][0][1]}", f"--receiver-token-file={token}"]
        options += ["--receiver-domain=conform.example.net", "--probe-wait=1", "--rules=tls.out-tlsrpt-sent"]
        trusted = {"SSL_CERT_FILE": str(runs.folder / "ca.pem")}
        first = runs.run("--probe=send", *options, **trusted)
        assert first.outcomes[rule] == "not-applicable", first.said
        lines = (first.folder / "send-by-hand.txt").read_text().splitlines()
        (asked,) = (line for line in lines if "asks for TLS reports" in line)
        address = asked.rpartition(" ")[2]
        with smtplib.SMTP(*service.ports["smtp"][0], "mx1.example.com", timeout=PATIENCE) as client:
            client.sendmail("news@example.com", [address], "Subject: by hand\r\n\r\nHello.\r\n")
            client.sendmail("tls@example.com", [address], TLS_REPORT.replace("\n", "\r\n"))
        second = runs.run("--probe=collect", *options, **trusted)
    assert second.outcomes[rule] == "fail", second.said
    assert "a TLS report came without a signature that holds: it is not signed" in second.said
