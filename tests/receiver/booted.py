"""``unshare --net --mount python -m tests.receiver.booted FOLDER``: a systemd of its own starts the units that we ship.

The units and the configuration are used as they are shipped; their addresses of documentation are the namespace's own.
Prints as JSON what was seen.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import smtplib
import ssl
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import dns.message
import dns.query
import trustme

from conformance.receiver.announcement import token_of
from conformance.receiver.remote import Remote
from tests.receiver.test_service import deliver, subjects

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "docs/receiver"
DOMAIN = "conform.example.net"
MAIN, SPARE = "198.51.100.25", "198.51.100.26"
ADDRESSES = [f"198.51.100.{last}" for last in (25, 26, 27)] + [f"2001:db8:25::{last}" for last in (25, 26, 27)]
UNIT = "mailconform-receiver.service"
TARGETS = ("basic", "multi-user", "network", "shutdown", "sockets", "sysinit")
PATIENCE = 60.0
TOOLS = ("systemctl", "unshare", "nsenter", "mount", "ip")
SYSTEMD = "/lib/systemd/systemd"

PROGRAM = """\
#!/bin/sh
export PYTHONHOME=/opt/mailconform/python PYTHONPATH=/opt/mailconform/project:/opt/mailconform/site
export LD_LIBRARY_PATH=/opt/mailconform/python/lib PYTHONDONTWRITEBYTECODE=1
exec /opt/mailconform/python/bin/{python} -m conformance.cli "$@"
"""

# systemd hands over credentials by mounts that have to spread, as they do on a machine that it started itself.
MOUNTS = """\
set -e
mount --make-rshared /
for part in python site project; do mount --bind "$(cat {folder}/$part)" {folder}/opt/mailconform/$part; done
mount --rbind {folder}/opt /opt
mount --bind {folder}/etc /etc
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/lib
mount --bind /dev/null /dev/kmsg
mount -t cgroup2 cgroup2 /sys/fs/cgroup
exec env -i PATH=/usr/bin:/bin container=test SYSTEMD_UNIT_PATH=/etc/systemd/system {systemd} --system
"""

T = TypeVar("T")


def group() -> Path | None:
    """Return a folder for a control group of our own, if there are any of version 2."""
    for line in Path("/proc/mounts").read_text().splitlines():
        _, where, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(where) / f"mailconform-{os.getpid()}"
    return None


def missing() -> str:
    """Return why the units cannot be started here; nothing when they can."""
    if os.geteuid():
        return "only root can start a systemd of its own"
    lacking = [name for name in (*TOOLS, SYSTEMD) if not shutil.which(name)]
    if not lacking and group() is None:
        return "no control groups of version 2"
    return f"not installed: {', '.join(lacking)}" if lacking else ""


def write(folder: Path) -> ssl.SSLContext:
    """Lay out /etc and /opt as docs/receiver.md has an operator do it. Returns what trusts the certificate."""
    shutil.copytree("/etc", folder / "etc", symlinks=True, ignore=shutil.ignore_patterns("systemd"))
    units = folder / "etc/systemd/system"
    wanted = units / "multi-user.target.wants"
    wanted.mkdir(parents=True)
    for unit in SHIPPED.glob("mailconform-receiver*.s*"):
        shutil.copy(unit, units)
    (wanted / UNIT).symlink_to(f"../{UNIT}")
    for target in TARGETS:
        (units / f"{target}.target").write_text("[Unit]\nDefaultDependencies=no\n")
    (units / "default.target").symlink_to("multi-user.target")
    ours = folder / "etc/mailconform-receiver"
    ours.mkdir()
    shutil.copy(SHIPPED / "receiver.toml", ours)
    authority = trustme.CA()
    leaf = authority.issue_cert(DOMAIN, f"*.{DOMAIN}")
    (ours / "certificate.pem").write_bytes(b"".join(part.bytes() for part in leaf.cert_chain_pems))
    leaf.private_key_pem.write_to_path(str(ours / "key.pem"))
    home = folder / "opt/mailconform"
    for part, source in (("python", sys.base_prefix), ("site", sysconfig.get_path("purelib")), ("project", str(ROOT))):
        (home / part).mkdir(parents=True)
        (folder / part).write_text(source)
    (home / "bin").mkdir()
    program = home / "bin/mailconform"
    program.write_text(PROGRAM.format(python=f"python{sysconfig.get_python_version()}"))
    program.chmod(0o755)
    tls = ssl.create_default_context()
    authority.configure_trust(tls)
    return tls


@contextmanager
def booted(folder: Path) -> Iterator[tuple[Callable[..., str], Path]]:
    """Start systemd in namespaces and a control group of its own.

    Gives ``systemctl``, which returns what it prints, and the group's folder.
    """
    (folder / "boot").write_text(MOUNTS.format(folder=folder, systemd=SYSTEMD))
    held = group()
    assert held
    held.mkdir()
    enter = ["sh", "-c", f'echo $$ > {held}/cgroup.procs; exec "$@"', "enter"]
    boxed = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--uts", "--ipc", "--cgroup", "--mount-proc"]
    process = subprocess.Popen(
        [*enter, *boxed, "sh", str(folder / "boot")], stdin=subprocess.DEVNULL, start_new_session=True
    )
    try:
        (first,) = until(lambda: Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split())

        def systemctl(*arguments: str) -> str:
            inside = ["nsenter", "--target", first, "--mount", "--pid", "systemctl", *arguments]
            return subprocess.run(inside, capture_output=True, text=True, check=False, timeout=PATIENCE).stdout.strip()

        until(lambda: Path(f"/proc/{first}/comm").read_text() == "systemd\n")
        yield systemctl, held
    finally:
        process.kill()
        process.wait()
        until(lambda: not (held / "cgroup.events").read_text().startswith("populated 1"))
        for path in sorted(held.rglob("*/"), reverse=True):
            path.rmdir()
        held.rmdir()


def until(look: Callable[[], T]) -> T:
    """Return what a look gives once that is something. Raises TimeoutError."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with contextlib.suppress(OSError, smtplib.SMTPException):
            if found := look():
                return found
        time.sleep(0.1)
    raise TimeoutError


def shown(systemctl: Callable[..., str], name: str) -> str:
    return systemctl("show", "--value", f"--property={name}", UNIT)


def main(folder: Path) -> None:
    """Boot, look, and print what was seen."""
    tls = write(folder)
    (folder / "hosts").write_text(f"{MAIN} {DOMAIN}\n")
    subprocess.run(["mount", "--bind", str(folder / "hosts"), "/etc/hosts"], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for address in ADDRESSES:
        subprocess.run(["ip", "address", "add", address, "dev", "lo"], check=True)
    clients = folder / "etc/mailconform-receiver/clients"
    command = [sys.executable, "-m", "conformance.cli", "receiver", "token", "nightly", "--clients", str(clients)]
    secret = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    with booted(folder) as (systemctl, held):
        until(lambda: shown(systemctl, "ActiveState") == "active")
        seen = asyncio.run(look(systemctl, held, Remote(f"https://{DOMAIN}", secret, tls=tls)))
    sys.stdout.write(json.dumps(seen))


async def look(systemctl: Callable[..., str], held: Path, remote: Remote) -> dict[str, Any]:
    """Use the service as hosts and runs do, kill it, and use it again."""
    seen: dict[str, Any] = {}
    async with remote as asked:
        (address,) = await asked.open("accept")
        query = dns.message.make_query(address.partition("@")[2], "MX")
        for name, ask in (("udp", dns.query.udp), ("tcp", dns.query.tcp)):
            answer = await asyncio.to_thread(ask, query, MAIN, PATIENCE)
            seen[name] = answer.answer[0][0].to_text()
        for end in (MAIN, SPARE, ADDRESSES[-1]):
            await asyncio.to_thread(deliver, (end, 25), [address], end)
        seen["process"] = process(held)
        seen["mounts"] = mounts(held)
        systemctl("kill", "--signal=KILL", "--kill-whom=main", UNIT)
        await asyncio.to_thread(until, lambda: shown(systemctl, "NRestarts") == "1")
        await asyncio.to_thread(deliver, (MAIN, 25), [address], "again")
        seen["subjects"] = subjects(await asked.collect([token_of(address)]))
    systemctl("stop", UNIT)
    seen["stopped"] = shown(systemctl, "Result"), shown(systemctl, "ActiveState")
    return seen


def of_process(held: Path, name: str) -> list[str]:
    """Return the lines of a file that the kernel has of the service's process."""
    (number,) = next(held.rglob(f"{UNIT}/cgroup.procs")).read_text().split()
    return Path(f"/proc/{number}/{name}").read_text().splitlines()


def mounts(held: Path) -> dict[str, list[str]]:
    """Return the options of each mount that the service's process sees."""
    return {words[1]: words[3].split(",") for words in map(str.split, of_process(held, "mounts"))}


def process(held: Path) -> dict[str, str]:
    """Return what the kernel says of the service's process."""
    lines = of_process(held, "status")
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
