"""The Ansible role that makes a host the one that judges the fleet: linted, and run on this machine below a folder."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from conformance import __version__
from conformance.receiver import configuration

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
COLLECTION = EXAMPLES / "ansible_collections" / "example" / "mailconform"
RECAP = re.compile(r"^here +: ok=(?P<ok>\d+) +changed=(?P<changed>\d+) +unreachable=0 +failed=0 ", re.MULTILINE)

Play = Callable[..., int]


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
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "MAILCONFORM_"))}
    environ |= {
        "ANSIBLE_COLLECTIONS_PATH": str(EXAMPLES),
        "ANSIBLE_HOME": str(tmp_path / "ansible"),
        "ANSIBLE_LOCALHOST_WARNING": "0",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_PIPELINING": "1",
        "LC_ALL": "C.UTF-8",
    }

    def run(*options: str, **more: object) -> int:
        command = [sys.executable, "-m", "ansible", "playbook", f"--inventory={tmp_path / 'hosts.yml'}", *options]
        command += [f"--extra-vars={json.dumps(values | more)}", "example.mailconform.control"]
        done = subprocess.run(
            command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False, timeout=300
        )
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
    changed = {"control_on_calendar": "*-*-* 04:00", "control_source": "another.whl", "control_make_user": True}
    assert play("--check", **changed) >= 3


def same_as_the_examples(host: Path) -> None:
    """What the role writes is what the examples and the page about the receiver have."""
    usual = {"opt": "/opt/mailconform", "etc": "/etc/mailconform", "receiver": "/etc/mailconform-receiver"}
    units = [EXAMPLES / "systemd" / f"mailconform.{kind}" for kind in ("service", "timer")]
    units += (ROOT / "docs" / "receiver").glob("*.s*")
    assert len(units) == 6
    for unit in units:
        written = (host / "units" / unit.name).read_text()
        for name, path in usual.items():
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
