"""A small fleet on loopback and runs that judge it: in a process of their own, or inside pytest."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest

from conformance.lab.spec import parse_listener
from conformance.lab.world import World, serve_world
from conformance.report import schema

ROOT = Path(__file__).parents[2]

ZONES = {
    "example.com.": """
@       MX   10 mx1
@       TXT  "v=spf1 ip4:203.0.113.0/29 -all"
mx1     A    203.0.113.1
mx1     TXT  "v=spf1 a -all"
mx2     A    203.0.113.2
mx3     A    203.0.113.3
_dmarc  TXT  "v=DMARC1; p=reject"
""",
    "113.0.203.in-addr.arpa.": """
1       PTR  mx1.example.com.
3       PTR  mx3.example.com.
""",
}
"""mx1 has everything, the address of mx2 has no PTR record, what is asked about mx3 is never answered."""

FAULTS = ("3.113.0.203.in-addr.arpa. drop", "mx3.example.com. drop")
LISTENER = {"host": "mx1.example.com", "port": 25}


@contextmanager
def served(zones: Mapping[str, str] = ZONES, faults: Sequence[str] = FAULTS, **listener: Any) -> Iterator[World]:
    """Serve the fleet; ``listener`` changes the one that mx1 has."""
    with serve_world(zones, [parse_listener(LISTENER | listener)], faults) as world:
        yield world


def host(number: int, world: World | None = None, **variables: Any) -> dict[str, Any]:
    """Return the variables of one host, without prefix. The first has a listener when there is a world."""
    name = f"mx{number}.example.com"
    values: dict[str, Any] = {"helo": name, "send_from": [f"203.0.113.{number}"], "sends_for": ["example.com"]}
    if world is not None and number == 1:
        values |= {"connect_to": "127.0.0.1"}
        values |= {"listen": [{"port": 25, "tls": "starttls", "dial_port": world.ports["mx1.example.com", 25]}]}
    return {f"mailconform_{key}": value for key, value in (values | variables).items() if value is not None}


def inventory(path: Path, hosts: Mapping[str, Mapping[str, Any]], **variables: Any) -> Path:
    """Write an inventory and return its path. JSON is YAML."""
    shared: dict[str, Any] = {
        "domains": {"example.com": {}},
        "role": "mta_out",
        "treat_as_public": ["203.0.113.0/24"],
    } | variables
    prefixed = {f"mailconform_{key}": value for key, value in shared.items()}
    path.write_text(json.dumps({"all": {"vars": prefixed, "hosts": hosts}}, indent=1))
    return path


def numbered(*numbers: int, world: World | None = None, **variables: Any) -> dict[str, dict[str, Any]]:
    """Return hosts by name."""
    return {f"mx{number}.example.com": host(number, world, **variables) for number in numbers}


@dataclass(frozen=True)
class Ran:
    """A run that ended. ``folder`` is where its reports went."""

    status: int
    out: str
    err: str
    folder: Path

    @property
    def said(self) -> str:
        """All that it printed."""
        return self.out + self.err

    @cached_property
    def document(self) -> dict[str, Any]:
        """results.json, as its schema has it."""
        text = self.folder / "results.json"
        assert text.exists(), self.said
        document: dict[str, Any] = json.loads(text.read_text("utf-8"))
        jsonschema.validate(document, schema(), format_checker=jsonschema.FormatChecker())
        assert document["run"]["exit"] == self.status or not document["run"]["complete"], self.said
        return document

    @property
    def results(self) -> list[dict[str, Any]]:
        """All results."""
        found: list[dict[str, Any]] = self.document["results"]
        return found

    @property
    def outcomes(self) -> dict[str, str]:
        """Outcome by check and subject."""
        return {f"{one['check']} {one['subject']}": one["outcome"] for one in self.results}

    @property
    def weights(self) -> dict[str, str]:
        """Level by check id."""
        return {name: check["level"] for name, check in self.document["checks"].items()}

    @property
    def cases(self) -> dict[tuple[str, str], ElementTree.Element]:
        """Test cases of junit.xml by class name and name."""
        tree = ElementTree.parse(self.folder / "junit.xml")
        return {(case.attrib["classname"], case.attrib["name"]): case for case in tree.iter("testcase")}


def environment(world: World | None = None, **variables: str) -> dict[str, str]:
    """Return the environment of a run: nothing of ours but what is given, and the checkout as if it were installed."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("MAILCONFORM_", "PYTEST_"))}
    kept |= {"PYTHONPATH": str(ROOT), "MAILCONFORM_DNS_TIMEOUT": "0.3", "MAILCONFORM_DNS_RETRIES": "0"}
    kept |= {"MAILCONFORM_EHLO": "probe.example.com", "MAILCONFORM_SMTP_TIMEOUT": "2", "MAILCONFORM_CONFIRM": "0.1"}
    # Its plugin imports all of hypothesis when a run ends.
    kept |= {"PYTEST_ADDOPTS": "-p no:hypothesispytest"}
    if world is not None:
        kept |= {"MAILCONFORM_RESOLVER": world.resolver, "SSL_CERT_FILE": str(world.ca_file)}
    return kept | variables


_LAUNCH = """
import os, signal, sys
signal.signal(signal.SIGINT, getattr(signal, sys.argv[1]))
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""
"""What SIGINT does is inherited, and not the same in a script's background job as elsewhere."""


def start(
    arguments: Sequence[str], cwd: Path, environ: Mapping[str, str], *, background: bool = False
) -> subprocess.Popen[str]:
    """Start Python with some arguments; ``background``: as a script's background job, which ignores SIGINT."""
    disposition = "SIG_IGN" if background else "SIG_DFL"
    return subprocess.Popen(
        [sys.executable, "-c", _LAUNCH, disposition, *arguments],
        cwd=cwd,
        env=environ,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def ended(process: subprocess.Popen[str], folder: Path, timeout: float = 90) -> Ran:
    """Wait for the end of a run."""
    try:
        out, err = process.communicate(timeout=timeout)
    finally:
        process.kill()
    return Ran(process.returncode, out, err, folder)


def run(
    *arguments: str, cwd: Path, environ: Mapping[str, str], folder: str = "reports/latest", timeout: float = 90
) -> Ran:
    """Run Python with some arguments and wait. ``folder`` is where the run's reports go, seen from ``cwd``."""
    return ended(start(arguments, cwd, environ), cwd / folder, timeout)


def inside(pytester: pytest.Pytester, *arguments: str, folder: str = "reports/latest") -> Ran:
    """Run the checks inside this process, in the folder of ``pytester``."""
    done = pytester.runpytest_inprocess("-p", "conformance.plugin", "--pyargs", "conformance.cases", *arguments)
    return Ran(int(done.ret), done.stdout.str(), done.stderr.str(), pytester.path / folder)


def told(document: dict[str, Any]) -> dict[str, Any]:
    """Return results.json without times and without what says how it came about."""
    passing = ("started", "ended", "seconds", "facts", "notes", "dns", "replay")
    return document | {"run": {key: value for key, value in document["run"].items() if key not in passing}}


COMMAND = ("-m", "conformance.cli")
