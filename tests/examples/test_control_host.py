"""The Ansible role that makes a host the one that judges the fleet: linted, and run on this machine below a folder."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from conformance import __version__
from conformance.receiver import configuration

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
COLLECTION = EXAMPLES / "ansible_collections" / "example" / "mailconform"
ROLE = COLLECTION / "roles" / "control"
USUAL = {"opt": "/opt/mailconform", "etc": "/etc/mailconform", "receiver": "/etc/mailconform-receiver"}
RECAP = re.compile(r"^here +: ok=(?P<ok>\d+) +changed=(?P<changed>\d+) +unreachable=0 +failed=0 ", re.MULTILINE)

Play = Callable[..., int]

SYSTEMCTL = """\
#!/bin/sh
case "$1" in
  show)
    grep -q "^start $2" "$SYSTEMCTL_LOG" 2>/dev/null && state=active || state=inactive
    printf 'Id=%s\\nLoadState=loaded\\nActiveState=%s\\nFragmentPath=/unit\\n' "$2" "$state" ;;
  is-enabled) echo disabled; exit 1 ;;
  list-*) ;;
  *) echo "$*" >> "$SYSTEMCTL_LOG" ;;
esac
"""
"""A systemd that has every unit, none of them enabled or active, and writes down what it is told to do."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as pip takes it, made without what builds wheels (PyPA binary distribution format)."""
    path = tmp_path_factory.mktemp("wheel") / f"mailconform-{__version__}-py3-none-any.whl"
    about = f"mailconform-{__version__}.dist-info"
    texts = {
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: mailconform\nVersion: {__version__}\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{about}/entry_points.txt": "[console_scripts]\nmailconform = conformance.cli:main\n",
    }
    files = {name: text.encode() for name, text in texts.items()}
    files |= {
        str(file.relative_to(ROOT)): file.read_bytes()
        for file in sorted((ROOT / "conformance").rglob("*"))
        if file.is_file() and "__pycache__" not in file.parts
    }
    with zipfile.ZipFile(path, "w") as archive:
        record = "".join(f"{name},{_digest(content)},{len(content)}\n" for name, content in files.items())
        for name, content in {**files, f"{about}/RECORD": f"{record}{about}/RECORD,,\n".encode()}.items():
            archive.writestr(name, content)
    return path


def _digest(content: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """The folder below which everything of the control host lies."""
    (tmp_path / "host" / "units").mkdir(parents=True)
    return tmp_path / "host"


@pytest.fixture
def play(tmp_path: Path, host: Path, wheel: Path) -> Play:
    """A function that plays the role on this machine and returns how many tasks changed something."""
    inventory = {"mailconform_control": {"hosts": {"here": {"ansible_connection": "local"}}}}
    (tmp_path / "hosts.yml").write_text(json.dumps(inventory))
    values = {
        "ansible_become": False,
        "ansible_python_interpreter": sys.executable,
        "control_python": sys.executable,
        "control_source": str(wheel),
        "control_pip_arguments": "--no-deps --no-index",
        "control_prefix": str(host / "opt"),
        "control_configuration": str(host / "etc"),
        "control_units": str(host / "units"),
        "control_receiver": True,
        "control_receiver_configuration": str(host / "receiver"),
        "control_inventory": f"{ROOT / 'inventories' / 'example'}/",
        "control_ehlo": "probe.example.com",
        "control_environment": {"MAILCONFORM_PROBE": "none"},
        "control_make_user": False,
        "control_start": False,
    }
    stub = tmp_path / "bin" / "systemctl"
    stub.parent.mkdir()
    stub.write_text(SYSTEMCTL)
    stub.chmod(0o755)
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "MAILCONFORM_"))}
    environ |= {
        "ANSIBLE_COLLECTIONS_PATH": str(EXAMPLES),
        "ANSIBLE_HOME": str(tmp_path / "ansible"),
        "ANSIBLE_LOCALHOST_WARNING": "0",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_PIPELINING": "1",
        "LC_ALL": "C.UTF-8",
        "PATH": f"{stub.parent}:{environ['PATH']}",
        "SYSTEMCTL_LOG": str(tmp_path / "systemctl.log"),
    }

    def run(*options: str, fails: str = "", **more: object) -> int:
        command = [sys.executable, "-m", "ansible", "playbook", f"--inventory={tmp_path / 'hosts.yml'}", *options]
        given = {name: value for name, value in (values | more).items() if value is not None}
        command += [f"--extra-vars={json.dumps(given)}", "example.mailconform.control"]
        done = subprocess.run(
            command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False, timeout=300
        )
        if fails:
            assert done.returncode != 0
            assert fails in done.stdout
            return 0
        found = RECAP.search(done.stdout)
        assert done.returncode == 0, done.stdout + done.stderr
        assert found, done.stdout
        return int(found["changed"])

    return run


def test_a_control_host_is_made_once(play: Play, host: Path) -> None:
    assert play("--check") > 0
    assert [path.name for path in host.iterdir()] == ["units"], "--check changed something"
    assert not list((host / "units").iterdir())
    assert play() > 0
    assert play() == 0, "the second run changed something"
    # Its dependencies are those of this process: nothing is downloaded here.
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": sysconfig.get_path("purelib")}
    environ |= {"MAILCONFORM_ANSIBLE_PYTHON": sys.executable}
    words = (host / "etc" / "environment").read_text().splitlines()
    environ |= dict(line.split("=", 1) for line in words if not line.startswith("#"))
    assert environ["MAILCONFORM_EHLO"] == "probe.example.com"
    for arguments, said in (("--version", __version__), ("inventory validate", "valid: 3 mail hosts")):
        done = subprocess.run(
            [str(host / "opt" / "bin" / "mailconform"), *arguments.split()],
            cwd=host,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert said in done.stdout, done.stderr
    same_as_the_examples(host)
    assert (host / "opt" / "pyvenv.cfg").exists()
    modes = {path.relative_to(host): path.stat().st_mode & 0o777 for path in host.rglob("*") if "opt" not in path.parts}
    made = {path for path in modes if not path.is_relative_to("etc/inventory")} - {Path("units")}
    assert {modes[path] for path in made if (host / path).is_dir()} == {0o755}
    assert {modes[path] for path in made if (host / path).is_file()} == {0o644}
    own = ROOT / "inventories" / "example" / "hosts.yml"
    assert modes[Path("etc/inventory/hosts.yml")] == own.stat().st_mode & 0o777
    changed = {"control_on_calendar": "*-*-* 04:00", "control_source": "another.whl", "control_make_user": True}
    assert play("--check", **changed) >= 3


@pytest.fixture
def installed(host: Path, wheel: Path) -> Path:
    """What the role leaves where pip has installed the wheel."""
    (host / "opt").mkdir()
    (host / "opt" / "source").write_text(f"{wheel}\n")
    return host


def told(log: Path) -> list[str]:
    """Return what systemctl was told since it was asked last."""
    lines = log.read_text().splitlines() if log.exists() else []
    log.write_text("")
    return lines


def test_systemd_is_told_what_changed(play: Play, installed: Path, tmp_path: Path) -> None:
    log, timer = tmp_path / "systemctl.log", ["enable mailconform.timer", "start mailconform.timer"]
    secrets = installed / "receiver"
    secrets.mkdir(mode=0o755)
    for name in ("certificate.pem", "key.pem"):
        (secrets / name).write_text("")
    play(control_start=True)
    # Without clients, as without a certificate, there is no receiver to start, or to start again.
    assert told(log) == ["daemon-reload", *timer, "daemon-reload"]
    assert not list((installed / "opt").glob("bin"))
    (secrets / "clients").write_text("")
    play(control_start=True, control_receiver_domain="probe.example.org")
    service = [f"{word} mailconform-receiver.service" for word in ("enable", "start", "restart")]
    assert told(log) == ["daemon-reload", *timer, "daemon-reload", *service]
    play(control_start=True, control_on_calendar="*-*-* 04:00", control_receiver=False)
    assert told(log) == ["daemon-reload", *timer, "daemon-reload"]
    assert "OnCalendar=*-*-* 04:00\n" in (installed / "units" / "mailconform.timer").read_text()
    play(control_budget="5m", control_receiver_domain="probe.example.com")
    assert told(log) == []


def test_what_is_left_out_is_not_made(play: Play, installed: Path) -> None:
    more = {"MAILCONFORM_EHLO": "other.example.com", "MAILCONFORM_INVENTORY": "/srv/inventory"}
    play(control_receiver=False, control_inventory="", control_environment=more)
    assert sorted(path.name for path in (installed / "units").iterdir()) == ["mailconform.service", "mailconform.timer"]
    assert sorted(path.name for path in (installed / "etc").iterdir()) == ["environment"]
    assert not (installed / "receiver").exists()
    words = (installed / "etc" / "environment").read_text().splitlines()
    assert words[1:] == [f"{name}={value}" for name, value in sorted(more.items())]


@pytest.mark.parametrize("name", ["control_source", "control_ehlo"])
def test_what_nobody_else_can_know_is_asked_for(play: Play, name: str) -> None:
    play(fails=f"missing required arguments: {name}", **{name: None})


def test_defaults_are_those_of_the_examples() -> None:
    defaults = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text())
    paths = {name: defaults[f"control_{name}"] for name in ("prefix", "configuration", "units")}
    assert paths == {"prefix": USUAL["opt"], "configuration": USUAL["etc"], "units": "/etc/systemd/system"}
    assert defaults["control_receiver_configuration"] == USUAL["receiver"]
    assert (defaults["control_python"], defaults["control_pip_arguments"]) == ("python3", "")
    assert (defaults["control_inventory"], defaults["control_environment"]) == ("", {})
    switches = {name: defaults[f"control_{name}"] for name in ("make_user", "start", "receiver")}
    assert switches == {"make_user": True, "start": True, "receiver": False}
    specified = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    assert {name for name, one in specified.items() if one.get("required")} == specified.keys() - defaults.keys()
    assert defaults.keys() <= specified.keys()


def test_the_user_is_that_of_sysusers() -> None:
    tasks = yaml.safe_load((ROLE / "tasks" / "nightly.yml").read_text())
    (user,) = [task for task in tasks if "ansible.builtin.user" in task]
    (line,) = re.findall(r"^u .+", (EXAMPLES / "systemd" / "mailconform.sysusers").read_text(), re.MULTILINE)
    _, name, _, _, home = shlex.split(line)
    assert yaml.safe_load((ROLE / "defaults" / "main.yml").read_text())["control_user"] == name
    assert user["when"] == "control_make_user"
    asked = dict(user["ansible.builtin.user"])
    assert asked.pop("name") == "{{ control_user }}"
    # As sysusers makes one: of the system, without a folder and without a shell to log in with.
    assert asked == {"system": True, "home": home, "create_home": False, "shell": "/usr/sbin/nologin"}


def test_the_playbook_becomes_root_on_the_control_hosts() -> None:
    (play,) = yaml.safe_load((COLLECTION / "playbooks" / "control.yml").read_text())
    assert (play["hosts"], play["become"]) == ("mailconform_control", True)


def same_as_the_examples(host: Path) -> None:
    """What the role writes is what the examples and the page about the receiver have."""
    units = [EXAMPLES / "systemd" / f"mailconform.{kind}" for kind in ("service", "timer")]
    units += (ROOT / "docs" / "receiver").glob("*.s*")
    assert len(units) == 6
    for unit in units:
        written = (host / "units" / unit.name).read_text()
        for name, path in USUAL.items():
            written = written.replace(str(host / name), path)
        shown = unit.read_text().replace("# systemd-sysusers makes the user: mailconform.sysusers. People", "# People")
        # Addresses stand in another order: each exchange has all of its own together.
        assert sorted(written.splitlines()) == sorted(shown.splitlines())
    ours, theirs = (
        configuration.load(folder / "receiver.toml") for folder in (host / "receiver", ROOT / "docs" / "receiver")
    )
    assert ours.site == theirs.site


@pytest.mark.skipif(not shutil.which("ansible-lint"), reason="ansible-lint is not installed")
def test_ansible_lint_finds_nothing(tmp_path: Path) -> None:
    copy = tmp_path / "ansible_collections" / "example" / "mailconform"
    shutil.copytree(COLLECTION, copy)
    environ = os.environ | {"ANSIBLE_COLLECTIONS_PATH": str(tmp_path), "ANSIBLE_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        ["ansible-lint", "--offline", "--nocolor", "--profile=production"],
        cwd=copy,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Passed: 0 failure(s)" in done.stdout + done.stderr
