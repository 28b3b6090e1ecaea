"""Commands on hosts, over the connections that Ansible has for them."""

from __future__ import annotations

import asyncio
import stat
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conformance.facts.redaction import Redactor
from conformance.facts.shell import LARGEST_COMMAND, SHOWN, Output, ShellError, Shells
from conformance.fleet.model import Mta

LONG = 60.0


@pytest.fixture
def shells() -> Iterator[Shells]:
    made = Shells((), Redactor(["s3cr3t-word"]))
    yield made
    made.close()


def mta(**connection: Any) -> Mta:
    given = {"ansible_connection": "local", **connection}
    return Mta("mx1.example.com", connection=given)


def run(shells: Shells, script: str, host: Mta | None = None, timeout: float = LONG) -> Output:
    return asyncio.run(shells.run(host or mta(), script, timeout))


def test_a_script_runs_as_it_is_written(shells: Shells) -> None:
    script = "printf '%s' \"it's \\$HOME\" | tr a-z A-Z\nprintf ' 50%%'; exit 3"
    assert run(shells, script) == Output(3, "IT'S $HOME 50%")


def test_output_is_bounded_and_holds_no_secret(shells: Shells) -> None:
    done = run(shells, "echo begin s3cr3t-word; yes | head -c 5000000; echo czNjcjN0LXdvcmQ= >&2")
    assert done.text.startswith("begin [secret]\ny\n")
    assert len(done.text) <= SHOWN + 10
    assert "s3cr3t" not in done.text


def test_octets_that_are_no_text_are_shown(shells: Shells) -> None:
    assert run(shells, r"printf '\377\303\274'").text == "�ü"


def test_what_does_not_end_is_ended_with_all_that_it_started(shells: Shells, tmp_path: Path) -> None:
    script = f"(sleep 2; touch {tmp_path}/late) & sleep 600"
    with pytest.raises(ShellError, match="did not end in time"):
        run(shells, script, timeout=0.5)
    time.sleep(3)
    assert not (tmp_path / "late").exists()


def test_nothing_runs_on_after_the_end() -> None:
    shells = Shells((), Redactor())

    async def interrupted() -> None:
        task = asyncio.create_task(shells.run(mta(), "sleep 600", LONG))
        await asyncio.sleep(0.5)
        await asyncio.to_thread(shells.close)
        assert (await task).status == -9

    began = time.monotonic()
    asyncio.run(interrupted())
    assert time.monotonic() - began < LONG


def test_a_command_has_no_terminal_to_ask_at(shells: Shells) -> None:
    assert run(shells, "cat; cat /dev/tty").status != 0


def test_a_command_that_is_too_long_is_refused(shells: Shells) -> None:
    with pytest.raises(ShellError, match="longer than"):
        run(shells, "x" * (LARGEST_COMMAND + 1))


@pytest.mark.parametrize(
    ("connection", "said"),
    [
        ({"ansible_host": "-oProxyCommand=touch x"}, "ansible_host is '-oProxyCommand=touch x'"),
        ({"ansible_user": "a b"}, "ansible_user is 'a b'"),
    ],
)
def test_ssh_takes_no_name_for_an_option(shells: Shells, connection: dict[str, Any], said: str) -> None:
    with pytest.raises(ShellError, match=said):
        run(shells, "true", mta(ansible_connection="ssh", **connection))


FAKE_SSH = """\
#!/bin/sh
printf '%s\\n' "$@" > "$HERE/arguments"
for last; do :; done
exec /bin/sh -c "$last"
"""
FAKE_SSHPASS = """\
#!/bin/sh
[ "$1" = -d ] || exit 9
head -n 1 "/dev/fd/$2" > "$HERE/password"
shift 2
exec "$@"
"""


@pytest.fixture
def fake_ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in (("ssh", FAKE_SSH), ("sshpass", FAKE_SSHPASS)):
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("HERE", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    return tmp_path


def test_ssh_is_called_as_the_inventory_has_it(shells: Shells, fake_ssh: Path) -> None:
    host = mta(
        ansible_connection="ansible.builtin.ssh", ansible_host="10.0.0.1", ansible_user="deploy", ansible_port=2222
    )
    assert run(shells, "echo it works", host) == Output(0, "it works")
    arguments = (fake_ssh / "arguments").read_text().splitlines()
    assert {"User=deploy", "Port=2222", "10.0.0.1"} <= set(arguments)


def test_an_ssh_password_is_no_argument(shells: Shells, fake_ssh: Path) -> None:
    host = mta(ansible_connection="ssh", ansible_user="deploy", ansible_password="s3cr3t-word")
    assert run(shells, "echo in", host) == Output(0, "in")
    assert (fake_ssh / "password").read_text() == "s3cr3t-word\n"
    assert "s3cr3t" not in (fake_ssh / "arguments").read_text()


def test_a_host_that_cannot_be_reached_says_why(shells: Shells, fake_ssh: Path) -> None:
    (fake_ssh / "bin/ssh").write_text("#!/bin/sh\necho 'ssh: connect to host mx1: refused s3cr3t-word' >&2; exit 255\n")
    with pytest.raises(ShellError) as caught:
        run(shells, "true", mta(ansible_connection="ssh"))
    assert str(caught.value) == "ssh: connect to host mx1: refused [secret]"


def test_other_connections_are_ansibles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ANSIBLE_INVENTORY", "ANSIBLE_TASK_TIMEOUT", "ANSIBLE_TIMEOUT"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    plugin = """\
        from ansible.plugins.connection.local import DOCUMENTATION, Connection as Local
        DOCUMENTATION = DOCUMENTATION.replace("name: local", "name: mine")

        class Connection(Local):
            transport = "mine"
        """
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "mine.py").write_text(textwrap.dedent(plugin))
    monkeypatch.setenv("ANSIBLE_CONNECTION_PLUGINS", str(tmp_path / "plugins"))
    inventory = tmp_path / "hosts.yml"
    inventory.write_text("all: {hosts: {mx1.example.com: {ansible_connection: mine}, mx2.example.com: {}}}\n")
    shells = Shells((str(inventory),), Redactor())
    try:
        done = run(shells, "printf '%s' \"it's {{ fine }}\"; exit 4", mta(ansible_connection="mine"))
        with pytest.raises(ShellError, match="No hosts matched"):
            run(shells, "true", Mta("mx3.example.com", connection={"ansible_connection": "mine"}))
    finally:
        shells.close()
    assert done == Output(4, "it's {{ fine }}")
