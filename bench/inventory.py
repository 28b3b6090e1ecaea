"""How long reading an inventory takes, and how much memory: seconds and MB, and their ratio to a plain parse.

    python bench/inventory.py [--hosts 100 1000 10000] [--layout ini host_vars]

The baseline is a C-speed YAML and JSON parse of data of the same size in the same run, so that a slow machine does not
count. ``busy`` is processor time, which a loaded machine does not stretch: bounds and ratio are on it. The child is the
process in which Ansible runs. Exit status 1 when a bound is broken.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BOUNDS = {("ini", 1_000): (3.0, 250), ("ini", 10_000): (20.0, 250)}
"""Seconds of processor time, and MB of the child, that must not be exceeded."""

CATALOGUE = "mailconform_domains:\n" + "".join(
    f"  d{number}.example:\n"
    f"    envelope: bounce.d{number}.example\n"
    f"    dkim: [{{selector: s1}}, {{selector: s2, state: published}}, {{selector: s0, state: retired}}]\n"
    f"    spf: {{all: ['-all', '~all']}}\n"
    f'    dmarc: {{p: [quarantine, reject], rua: "{{{{ reports }}}}"}}\n'
    for number in range(20)
)
GROUP = """\
mailconform_listen: [{port: 25, tls: starttls}]
mailconform_helo: "{{ inventory_hostname }}"
mailconform_sends_for: ["*"]
"""


def addresses(number: int) -> str:
    """Return the source addresses of a host as a JSON list."""
    high, low = divmod(number, 250)
    return f'["198.18.{high}.{low + 1}", "2001:db8:{high:x}::{low + 1:x}"]'


def write(folder: Path, layout: str, hosts: int) -> Path:
    """Write a fleet and return its inventory."""
    (folder / "group_vars").mkdir(parents=True)
    (folder / "group_vars/all.yml").write_text(f"reports: mailto:dmarc@d0.example\n{CATALOGUE}")
    (folder / "group_vars/mta_out.yml").write_text(GROUP)
    names = [f"mx{number:05}.example.net" for number in range(hosts)]
    inline = layout == "ini"
    lines = [
        f"{name} ansible_host=192.0.2.1" + (f" mailconform_send_from='{addresses(number)}'" if inline else "")
        for number, name in enumerate(names)
    ]
    sites = "".join(f"[site{site}]\n" + "\n".join(names[site::10]) + "\n" for site in range(10))
    (folder / "hosts.ini").write_text("[mta_out]\n" + "\n".join(lines) + "\n" + sites)
    if not inline:
        (folder / "host_vars").mkdir()
        for number, name in enumerate(names):
            (folder / f"host_vars/{name}.yml").write_text(f"mailconform_send_from: {addresses(number)}\n")
    return folder / "hosts.ini"


def baseline(hosts: int) -> float:
    """Return the seconds that a plain parse of as much data takes: YAML for the catalogue, JSON for the hosts."""
    import yaml

    text = json.dumps({str(number): {"mailconform_send_from": addresses(number)} for number in range(hosts)})
    start = time.process_time()
    for _ in range(10):
        yaml.load(CATALOGUE, yaml.CSafeLoader)
        json.loads(text)
    return (time.process_time() - start) / 10


def one(inventory: str) -> None:
    """Load one inventory and print what it took, as JSON."""
    sys.path.insert(0, str(ROOT))
    from conformance.fleet.ansible import load

    start = time.perf_counter()
    fleet = load([inventory])
    took = time.perf_counter() - start
    used = [resource.getrusage(who) for who in (resource.RUSAGE_CHILDREN, resource.RUSAGE_SELF)]
    child, own = (usage.ru_maxrss // 1024 for usage in used)
    busy = sum(usage.ru_utime + usage.ru_stime for usage in used)
    print(json.dumps({"hosts": len(fleet.mtas), "seconds": took, "busy": busy, "child": child, "own": own}))


def main() -> int:
    """Print a table and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, nargs="+", default=[100, 1_000, 10_000])
    parser.add_argument("--layout", nargs="+", choices=("ini", "host_vars"), default=["ini", "host_vars"])
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        one(options.one)
        return 0
    broken = False
    print(f"{'layout':<10}{'hosts':>7}{'seconds':>9}{'busy':>8}{'/ plain parse':>15}{'child MB':>10}{'own MB':>8}")
    for layout in options.layout:
        for hosts in options.hosts:
            with tempfile.TemporaryDirectory() as folder:
                inventory = write(Path(folder) / "inventory", layout, hosts)
                plain = baseline(hosts)
                command = [sys.executable, __file__, "--one", str(inventory)]
                took = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=600).stdout)
            seconds, busy, child = took["seconds"], took["busy"], took["child"]
            most_seconds, most_memory = BOUNDS.get((layout, hosts), (600.0, 1024))
            over = busy > most_seconds or child > most_memory or took["hosts"] != hosts
            broken = broken or over
            row = f"{layout:<10}{hosts:>7}{seconds:>9.2f}{busy:>8.2f}{busy / plain:>15.1f}{child:>10}{took['own']:>8}"
            print(row + ("  over the bound" if over else ""), flush=True)
    return int(broken)


if __name__ == "__main__":
    sys.exit(main())
