"""Knot DNS of the machine with zones on loopback, for measurements against a real name server."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

_SECONDS = 60.0
"""Until it has to answer."""

_CONF = """\
server:
    rundir: "{folder}"
    listen: 127.0.0.1@{port}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
database:
    storage: "{folder}"
zone:
"""
_ZONE = """\
  - domain: {origin}
    file: "{file}"
    semantic-checks: off
    zonefile-load: whole
    journal-content: none
"""
_HEAD = """\
$TTL 300
@ SOA ns.invalid. hostmaster.invalid. 1 7200 3600 86400 300
@ NS ns.invalid.
"""


def missing(*programs: str) -> list[str]:
    """Return which of the programs this machine does not have; ``apt-get install dnsperf knot`` gives them."""
    return [program for program in programs if _found(program) is None]


def _found(program: str) -> str | None:
    return shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin")


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def knot(zones: Mapping[str, Iterable[str]], probe: str) -> Iterator[int]:
    """Serve zones, given as their origins with lines of zone files, and yield the port.

    ``probe`` is a name of one of them that has an A record.
    """
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), _free_port()
        conf = _CONF.format(folder=folder, port=port)
        for number, (origin, lines) in enumerate(zones.items()):
            file = folder / f"{number}.zone"
            file.write_text(f"$ORIGIN {origin}\n{_HEAD}" + "\n".join(lines) + "\n")
            conf += _ZONE.format(origin=origin, file=file)
        (folder / "knot.conf").write_text(conf)
        command = [str(_found("knotd")), "--config", str(folder / "knot.conf")]
        with (folder / "log").open("w") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            _wait(process, port, probe, folder / "log")
            yield port
        finally:
            process.terminate()
            process.wait(30)


def _wait(process: subprocess.Popen[bytes], port: int, probe: str, log: Path) -> None:
    import dns.exception
    import dns.message
    import dns.query

    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(dns.exception.DNSException, OSError):
            if dns.query.udp(dns.message.make_query(probe, "A"), "127.0.0.1", port=port, timeout=0.5).answer:
                return
        time.sleep(0.1)
    raise RuntimeError(f"knotd does not answer: {log.read_text()[-2000:]}")
