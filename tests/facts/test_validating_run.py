"""A run that validates DNS answers itself, behind a resolver that does not."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dns.rdata
import pytest
from dns_server import NameServer, serving
from signed_zones import DAY, Tree

MAIL = "@ MX 10 mail\nmail A 203.0.113.1"
FORGED = {
    "SOA": "ns.forged.test. hostmaster.forged.test. 9 7200 3600 86400 300",
    "MX": "5 mail.example.test.",
    "TXT": '"v=spf1 +all"',
}
DOMAINS = ("example.test", "late.test", "forged.test", "plain.test", "gone.test")


def tree() -> Tree:
    """Return zones of which example.test alone is signed and whole; there is no gone.test.

    Signatures of late.test are old, those of forged.test are of other records; plain.test has none.
    """
    spf = f'{MAIL}\n@ TXT "v=spf1 ip4:203.0.113.1 -all"'
    found = Tree(test="", example__test=MAIL, late__test=MAIL, forged__test=spf, plain__test=MAIL)
    found["plain.test."].keys = []
    found["late.test."].valid = (-3 * DAY, -DAY)
    forged = found.sign()["forged.test."].zone
    for rdtype, text in FORGED.items():
        forged.find_rdataset("forged.test.", rdtype).add(dns.rdata.from_text("IN", rdtype, text))
    return found


@contextmanager
def served(zones: Tree) -> Iterator[NameServer]:
    """Serve zones from a thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    context = serving(zones)
    server = asyncio.run_coroutine_threadsafe(context.__aenter__(), loop).result(10)
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(context.__aexit__(None, None, None), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def run(folder: Path, *options: str, **variables: Any) -> tuple[dict[str, str], list[str], str]:
    """Return the outcomes by ``RULE DOMAIN``, the notes of a run, and what it printed."""
    zones = tree()
    anchor = folder / "root.key"
    anchor.write_text("".join(f". IN DS {one.to_text()}\n" for one in zones.zones[zones["."].origin].ds_records))
    host = {"mailconform_send_from": "203.0.113.1", "mailconform_helo": "mail.example.test"}
    declared = {"mailconform_role": "mta_out", "mailconform_domains": {name: {} for name in DOMAINS}}
    declared |= {f"mailconform_{name}": value for name, value in variables.items()}
    ini = folder / "pytest.ini"
    ini.write_text(f"[pytest]\nmailconform_trust_anchor = {anchor}\n")
    hosts = {"mail.example.test": {**host, "mailconform_sends_for": "*.test"}}
    (folder / "hosts.yml").write_text(json.dumps({"all": {"vars": declared, "hosts": hosts}}))
    command = [sys.executable, "-m", "conformance.cli", "run", f"--inventory={folder / 'hosts.yml'}", "--probe=none"]
    command += ["--rules=dom.dnssec", "--rules=dom.mx-or-a", "--rules=spf.exists", "--rules=dane.tlsa", "--gate=none"]
    command += ["--dns-timeout=1", "--confirm=0", "--dns-paranoid", f"--report-dir={folder / 'report'}"]
    with served(zones) as server:
        command += [f"--resolver={server}", *options]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=90)
    if not (folder / "report" / "results.json").exists():
        return {}, [], done.stdout + done.stderr
    document = json.loads((folder / "report" / "results.json").read_text())
    told = {f"{one['check']} {one['subject']}": one["outcome"] for one in document["results"]}
    return told, document["run"]["notes"], done.stdout + done.stderr


@pytest.mark.parametrize("declared", [True, False])
def test_a_run_that_validates(tmp_path: Path, declared: bool) -> None:
    variables = {"dnssec": "validate"} if declared else {}
    told, notes, printed = run(tmp_path, *(() if declared else ("--dnssec=validate",)), **variables)
    assert told == {
        "dane.tlsa example.test": "advice",
        "dane.tlsa forged.test": "undetermined",
        "dane.tlsa gone.test": "not-applicable",
        "dane.tlsa late.test": "undetermined",
        "dane.tlsa plain.test": "not-applicable",
        "dom.dnssec example.test": "pass",
        "dom.dnssec forged.test": "advice",
        "dom.dnssec gone.test": "pass",
        "dom.dnssec late.test": "advice",
        "dom.dnssec plain.test": "advice",
        "dom.mx-or-a example.test": "pass",
        "dom.mx-or-a forged.test": "undetermined",
        "dom.mx-or-a gone.test": "not-applicable",
        "dom.mx-or-a late.test": "undetermined",
        "dom.mx-or-a plain.test": "pass",
        "spf.exists example.test": "fail",
        "spf.exists forged.test": "undetermined",
        "spf.exists gone.test": "fail",
        "spf.exists late.test": "undetermined",
        "spf.exists plain.test": "fail",
    }, printed
    assert "this run validated DNS answers itself, from trust anchors of ." in notes


def test_the_option_counts_before_the_inventory(tmp_path: Path) -> None:
    told, notes, _ = run(tmp_path, "--dnssec=resolver", dnssec="validate")
    assert not [note for note in notes if "validated" in note]
    assert told["dom.mx-or-a late.test"] == "pass"
    assert told["dane.tlsa example.test"] == "undetermined"
