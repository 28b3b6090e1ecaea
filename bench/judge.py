"""How long judging takes when all facts are there: processor seconds, peak memory, and the size of each output.

    python -m bench.judge [--hosts 100 1000] [--most-seconds 60] [--most-memory 500]

A fleet of hosts that each send for a domain of their own is judged from facts that are made up: no network. Most of it
conforms; every twentieth host has no PTR record, every fiftieth domain no DMARC. Seconds are processor time, which a
loaded machine does not stretch; they and the memory are those of the process that judges, with all that it writes and
without Ansible, which reads the inventory in a process of its own. The bounds are for 1,000 hosts and grow with them;
a larger fleet may take no more time a check than a smaller one, but for a fifth. Exit status 1 when one is broken.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from bench import fleetzones
from conformance.facts.answer import Answer, Record, Status
from conformance.facts.page import Fetched, Page, Place
from conformance.facts.plan import NAMES, want
from conformance.facts.session import Certificate, End, Line, Reply, Session
from conformance.facts.snapshot import Gathering, dump
from conformance.facts.store import Recorded, Store, canonical
from conformance.fleet.model import Fleet, Listener
from conformance.outcome import NotApplicable, Undetermined
from conformance.report.formats import FORMATS
from conformance.subjects import KINDS, subject_of

MOST_GROWTH = 1.2
"""How many times the processor time of a check of a smaller fleet one of a larger fleet may take."""
ROOT = Path(__file__).resolve().parents[1]
AT = "2026-11-24T02:00:00.000+00:00"
METER = """
import atexit, json, os, pathlib, resource

@atexit.register
def tell():
    used = resource.getrusage(resource.RUSAGE_SELF)
    peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
    took = {"seconds": used.ru_utime + used.ru_stime, "memory": int(peak.split()[1]) // 1024}
    pathlib.Path(os.environ["BENCH_TOOK"]).write_text(json.dumps(took))
"""
"""A plugin that says what its process took: what the system tells of a child counts Ansible's process too."""
SEEN_BY_MAIL = ("stream", "probe")
"""Kinds of which this fleet has none."""
DIALOGUE = ("220 {host} ESMTP", "250-{host}", "250-PIPELINING", "250-SIZE 10485760", "250-8BITMIME", "250 STARTTLS")


@cache
def key() -> str:
    """Return a DKIM key as its record has it."""
    import base64

    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    public = rsa.generate_private_key(65537, 2048).public_key()
    return base64.b64encode(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


def records(hosts: int) -> dict[tuple[str, str], tuple[Record, ...]]:
    """Return all that DNS has of the fleet."""
    found: dict[tuple[str, str], tuple[Record, ...]] = {}
    for number in range(hosts):
        name, own, ip = fleetzones.host(number), fleetzones.domain(number), fleetzones.ip(number)
        found[name, "A"] = (str(ip),)
        found[name, "TXT"] = (("v=spf1 a -all",),)
        if number % 20:
            found[ip.reverse_pointer, "PTR"] = (name,)
        found[own, "MX"] = ((10, name),)
        found[own, "TXT"] = ((f"v=spf1 ip4:{ip} include:{fleetzones.include(number)} -all",),)
        if number % 50:
            found[f"_dmarc.{own}", "TXT"] = ((f"v=DMARC1; p=reject; rua=mailto:dmarc@{own}",),)
        text = f"v=DKIM1; k=rsa; t=s; p={key()}"
        found[f"s1._domainkey.{own}", "TXT"] = ((text[:250], text[250:]),)
    for number in range(fleetzones.HOSTS_OF_INCLUDE):
        found[fleetzones.include(number), "TXT"] = ((f"v=spf1 ip4:192.0.2.{number} -all",),)
    return found


class MadeUp(Recorded):
    """An asker that answers everything at once, and keeps what it said."""

    def __init__(self, hosts: int) -> None:
        super().__init__(Store())
        self._records = records(hosts)
        self._names = {name for name, _ in self._records}

    async def dns(self, name: str, rdtype: str) -> Answer:
        asked = canonical(name), rdtype
        if asked in self.store.answers:
            return self.store.answers[asked]
        found = self._records.get(asked, ())
        status = Status.FOUND if found else Status.ABSENT
        rcode = "NOERROR" if asked[0] in self._names else "NXDOMAIN"
        known = {"ttl": 3600, "server": "192.0.2.53:53", "transport": "udp", "ms": 1.5, "at": AT}
        return self.store.add(Answer(*asked, status, rcode, found, **known, authenticated=True))

    async def smtp(self, listener: Listener) -> Session:
        texts = [line.format(host=listener.host) for line in DIALOGUE]
        reply = Reply(250, tuple(text[4:] for text in texts[1:]))
        certificate = Certificate(
            f"CN={listener.host}", "CN=ca", (listener.host,), (), "2026-01-01T00:00:00+00:00",
            "2030-01-01T00:00:00+00:00", "0" * 64, True,
        )  # fmt: skip
        session = Session(
            listener.host,
            listener.port,
            listener.tls,
            listener.connect_to,
            End.COMPLETE,
            started=AT,
            ms=120.5,
            greeting=Reply(220, (texts[0][4:],)),
            ehlo=reply,
            starttls=Reply(220, ("go ahead",)),
            ehlo_tls=Reply(250, reply.lines[:-1]),
            tls_version="TLSv1.3",
            cipher="TLS_AES_256_GCM_SHA384",
            certificate=certificate,
            old_tls="refused",
            lines=tuple(Line(float(at), "S", text) for at, text in enumerate(texts * 3)),
        )
        return self.store.sessions.setdefault(listener.id, session)

    async def web(self, place: Place) -> Page:
        return self.store.pages.setdefault(place.host, Page(place.host, Fetched.NO_ADDRESS))


async def make_up(fleet: Fleet, ask: MadeUp) -> None:
    """Ask for everything that any rule could want to know of the fleet."""
    for name in sorted(NAMES):
        kind = subject_of(name)
        if kind is None or kind in SEEN_BY_MAIL:
            continue
        for subject in KINDS[kind].all(fleet):
            try:
                await want(name, subject).build(ask, fleet)
            except (NotApplicable, Undetermined):
                continue


def write(folder: Path, hosts: int) -> tuple[Path, Path]:
    """Write inventory and facts of a fleet, and return both."""
    from conformance.fleet.ansible import load

    inventory = folder / "hosts.ini"
    lines = [
        f"{fleetzones.host(number)} mailconform_send_from='[\"{fleetzones.ip(number)}\"]' "
        f"mailconform_host_sends_for='[\"{fleetzones.domain(number)}\"]'"
        for number in range(hosts)
    ]
    inventory.write_text("[mta_out]\n" + "\n".join(lines) + "\n")
    (folder / "group_vars").mkdir()
    catalogue = {fleetzones.domain(number): {"dkim": [{"selector": "s1"}]} for number in range(hosts)}
    shared = {
        "mailconform_domains": catalogue,
        "mailconform_treat_as_public": ["198.18.0.0/15"],
        "mailconform_helo": "{{ inventory_hostname }}",
        "mailconform_listen": [{"port": 25, "tls": "starttls"}],
        "mailconform_ipv6": "none",
    }
    (folder / "group_vars" / "all.json").write_text(json.dumps(shared))
    fleet = load([str(inventory)])
    ask = MadeUp(hosts)
    asyncio.run(make_up(fleet, ask))
    ask.store.sort()
    facts = folder / "facts.json"
    facts.write_text(dump(ask.store, Gathering(AT, ("192.0.2.53:53",))))
    return inventory, facts


def judge(folder: Path, inventory: Path, facts: Path) -> dict[str, Any]:
    """Judge a fleet with every output in a process of its own; return what that took."""
    out = folder / "told"
    (folder / "meter.py").write_text(METER)
    formats = [f"--format={name}" for name in FORMATS if name not in ("html", "github")]
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("MAILCONFORM_", "GITHUB_"))}
    environ |= {"PYTHONPATH": f"{ROOT}{os.pathsep}{folder}", "BENCH_TOOK": str(folder / "took.json")}
    # Left out: a plugin of this project's tests, and what pytest keeps for --lf.
    environ |= {"PYTEST_ADDOPTS": "-p no:hypothesispytest -p no:cacheprovider -p meter"}
    command = [*shlex.split(environ.pop("BENCH_UNDER", sys.executable)), "-m", "conformance.cli", "run", "-q"]
    command += [f"--inventory={inventory}", f"--replay={facts}", f"--report-dir={out}", "--gate=none", *formats]
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stdout[-3000:] + done.stderr[-3000:])
    document = json.loads((out / "results.json").read_text("utf-8"))
    return {
        **json.loads((folder / "took.json").read_text("utf-8")),
        "checks": len(document["results"]),
        "rules": len({one["check"] for one in document["results"] if one["outcome"] != "not-applicable"}),
        "counts": document["counts"],
        "sizes": {path.name: path.stat().st_size for path in sorted(out.iterdir()) if path.is_file()},
    }


def rows(took: dict[str, Any]) -> Iterator[str]:
    """Yield what a measurement found, for people."""
    told = ", ".join(f"{count:,} {outcome}" for outcome, count in took["counts"].items() if count)
    yield f"  {took['rules']} rules, {took['checks']:,} checks: {told}"
    yield f"  {took['seconds']:.1f} s of processor time, {took['seconds'] * 1000 / took['checks']:.2f} ms a check"
    yield f"  {took['memory']} MB at most, {took['memory'] * 1024 / took['checks']:.2f} kB a check"
    yield "  " + ", ".join(f"{name} {size / 1e6:.2f} MB" for name, size in took["sizes"].items())


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the measurements and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, nargs="+", default=[100, 1_000])
    parser.add_argument("--most-seconds", type=float, default=60.0, help="for 1,000 hosts")
    parser.add_argument("--most-memory", type=int, default=500, help="MB, for 1,000 hosts")
    options = parser.parse_args(arguments)
    broken, before = False, 0.0
    for hosts in sorted(options.hosts):
        with tempfile.TemporaryDirectory() as name:
            took = judge(Path(name), *write(Path(name), hosts))
        share = max(hosts, 1_000) / 1_000
        over = took["seconds"] > options.most_seconds * share or took["memory"] > options.most_memory * share
        each = took["seconds"] / took["checks"]
        over |= bool(before) and each > before * MOST_GROWTH
        broken, before = broken | over, each
        print(f"{hosts:,} hosts{': over the bound' if over else ''}", *rows(took), sep="\n", flush=True)
    return int(broken)


if __name__ == "__main__":
    sys.exit(main())
