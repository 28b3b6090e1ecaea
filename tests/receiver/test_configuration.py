"""The files of a receiver that runs as a service, and what systemd hands to it."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from conformance.receiver import activation
from conformance.receiver.configuration import Configuration, ConfigurationError, load, load_clients
from conformance.receiver.routes import DEAD, ROUTES
from conformance.receiver.sts import DOMAINS

EXAMPLES = Path(__file__).parents[2] / "docs" / "receiver"
SMALL = """
domain = "conform.example.net"
clients = "clients"
[[exchange]]
addresses = ["198.51.100.25", "2001:DB8::25"]
[tls]
certificate = "$CREDENTIALS_DIRECTORY/certificate.pem"
key = "key.pem"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "receiver.toml"
    path.write_text(text)
    return path


def test_little_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials/x")
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/x")
    read = load(written(tmp_path, SMALL))
    assert read.site.domain == "conform.example.net"
    assert [exchange.addresses for exchange in read.site.exchanges] == [("198.51.100.25", "2001:db8::25")]
    assert read.site.dead == DEAD
    assert read.https_files == (Path("/run/credentials/x/certificate.pem"), Path("key.pem"))
    assert read.database == Path("/var/lib/x/receiver.db")
    assert read.ports.smtp == 25
    assert read.bounds.octets == read.message_octets


def test_the_example_can_do_everything() -> None:
    read = load(EXAMPLES / "receiver.toml")
    assert {name for name, route in ROUTES.items() if read.site.lacks(route)} == set(DOMAINS)
    assert len(read.site.exchanges) == 3


def test_each_line_that_is_commented_out_in_the_example_may_be_used(tmp_path: Path) -> None:
    text = (EXAMPLES / "receiver.toml").read_text()
    used = re.sub(r"(?m)^# (?=\[[a-z]+\]$|[a-z_]+ = )", "", text)
    # Keys of the file itself come before its tables.
    read = load(written(tmp_path, used))
    assert read.acme == "conform.acme.example.net"
    assert read.dead == ("198.51.100.24", "2001:db8:25::24")
    assert len(read.https.listen) == 2
    kept = {
        name: field.default for name, field in Configuration.model_fields.items() if name in ("limits", "retention")
    }
    assert {"limits": read.limits, "retention": read.retention} == kept, "the example shows the defaults"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('domain = "conform.example.net"', "", "domain: is needed"),
        ('"conform.example.net"', '"localhost"', "domain: 'localhost' is no domain"),
        ('"198.51.100.25"', '"198.51.100.256"', "exchange[1].addresses[1]: expected an IP address"),
        ("[[exchange]]", '[[exchange]]\nlisten = ["10.0.0.1"]', "exchange[1]: listen has to name one address"),
        ("[tls]", "[[exchange]]\naddresses = ['198.51.100.25']\n[tls]", "two exchanges have an address in common"),
        ("[tls]", "[ports]\nsmtp = 70000\n[tls]", "ports.smtp: "),
        ("[tls]", "[https]\nlisten = ['2001:db8::25:443']\n[tls]", "https.listen[1]: expected ADDRESS:PORT"),
        ("[tls]", "[https]\nlisten = ['127.0.0.1']\n[tls]", "https.listen[1]: expected"),
        ("[tls]", "[tsl]\n[tls]", "tsl: no such key"),
        ("[tls]", "[limits]\nmessages = 1\n[tls]", "limits.messages: no such key"),
        ("[tls]", "[limits]\nsessions = 0\n[tls]", "limits.sessions: "),
        ("clients =", 'dead = ["198.51.100.25"]\nclients =', "dead: 198.51.100.25 is an address of an exchange"),
        ("[tls]", "[tls", "receiver.toml: Expected"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_key(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = written(tmp_path, SMALL.replace(old, new, 1))
    with pytest.raises(ConfigurationError) as caught:
        load(path)
    assert all(line.startswith(f"{path}: ") for line in str(caught.value).splitlines())
    assert said in str(caught.value)


def test_everything_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    path = written(tmp_path, "domain = 7\nttl = -1\n")
    with pytest.raises(ConfigurationError) as caught:
        load(path)
    assert len(str(caught.value).splitlines()) == 5


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load(tmp_path / "nowhere.toml")
    (tmp_path / "latin").write_bytes(b"\xff")
    with pytest.raises(ConfigurationError, match="UTF-8"):
        load(tmp_path / "latin")


def test_clients_are_names_and_digests(tmp_path: Path) -> None:
    path = tmp_path / "clients"
    path.write_text(f"# who may ask\nci {'0' * 64}\n\nnightly-1\t{'a' * 64} # the cron job\n")
    assert load_clients(path) == {"ci": "0" * 64, "nightly-1": "a" * 64}
    path.write_text(f"ci {'0' * 64}\nci {'1' * 64}\nsecret-token-itself\nx {'A' * 64}\n")
    with pytest.raises(ConfigurationError) as caught:
        load_clients(path)
    assert [line.partition(": ")[0] for line in str(caught.value).splitlines()] == [
        f"{path}:2",
        f"{path}:3",
        f"{path}:4",
    ]
    assert "secret-token" not in str(caught.value)


CHILD = """
import os, sys
from conformance.receiver import activation
environ = dict(os.environ, LISTEN_PID=str(os.getpid()))
try:
    found = activation.sockets(environ)
except activation.ActivationError as error:
    print(error)
    sys.exit()
print({name: [one.getsockname()[1] for one in given] for name, given in found.items()})
print(sorted(name for name in environ if name.startswith("LISTEN_")))
print([one.get_inheritable() for given in found.values() for one in given])
"""


def _activated(names: str, count: str, *given: socket.socket) -> list[str]:
    def hand_over() -> None:
        # Out of the way first: one of them may be 3 already.
        moved = [os.dup(one.fileno()) for one in given]
        high = [os.dup2(descriptor, 100 + number) for number, descriptor in enumerate(moved)]
        for number, descriptor in enumerate(high):
            os.dup2(descriptor, 3 + number, inheritable=True)

    done = subprocess.run(
        [sys.executable, "-c", CHILD],
        env=os.environ | {"LISTEN_FDS": count, "LISTEN_FDNAMES": names},
        preexec_fn=hand_over,
        close_fds=False,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def test_sockets_are_taken_over_by_name() -> None:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    ports = [one.getsockname()[1] for one in sockets]
    said = _activated("smtp:dns:smtp", "3", *sockets)
    assert said == [str({"smtp": [ports[0], ports[2]], "dns": [ports[1]]}), "[]", "[False, False, False]"]
    for one in sockets:
        one.close()


def test_what_was_handed_over_wrongly_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as one:
        assert _activated("smtp", "2", one) == ["2 sockets were handed over under 1 names"]
        assert _activated("smtp", "0", one) == ["0 sockets were handed over under 1 names"]
        assert _activated("smtp", "x", one)[0] == "{}"


def test_sockets_for_another_process_are_left_alone() -> None:
    assert activation.sockets({"LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "smtp"}) == {}
    assert activation.sockets({}) == {}


def test_the_manager_is_told(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "n"))
        activation.notify("READY=1", {"NOTIFY_SOCKET": str(tmp_path / "n")})
        assert manager.recv(100) == b"READY=1"
    activation.notify("READY=1", {})
    activation.notify("READY=1", {"NOTIFY_SOCKET": "/nowhere/at/all"})


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    for unit in sorted([*EXAMPLES.glob("*.service"), *EXAMPLES.glob("*.socket")]):
        text = unit.read_text().replace("/opt/mailconform/bin/mailconform", "/bin/true")
        (tmp_path / unit.name).write_text(text)
    units = [str(path) for path in sorted(tmp_path.iterdir())]
    assert len(units) == 4
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *units],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], "SYSTEMD_UNIT_PATH": f"{tmp_path}:", "SYSTEMD_LOG_LEVEL": "warning"},
    )
    ours = [line for line in done.stderr.splitlines() if "mailconform" in line]
    assert (done.returncode, ours) == (0, []), done.stderr
