"""``unshare --mount python -m tests.real_mta.inside FOLDER [OPTION ...]``: judge a real Postfix, alone in a network.

The process enters a network namespace with documentation addresses, starts a name server and Postfix there, and runs
mailconform with the options given. Reports go to FOLDER/report.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Network, IPv6Address
from pathlib import Path

import trustme

from conformance.lab import namespace
from tests.real_mta import postfix

ROOT = Path(__file__).parents[2]

ZONES = {
    "example.com": """\
@              MX   10 pf1
@              A    203.0.113.80
@              TXT  "v=spf1 mx -all"
pf1            A    203.0.113.10
pf1            AAAA 2001:db8::10
pf1            TXT  "v=spf1 a -all"
pf._domainkey  TXT  "v=DKIM1; k=rsa; p={half}" "{rest}"
_dmarc         TXT  "v=DMARC1; p=reject; rua=mailto:dmarc@example.com"
""",
    "example.net": '@ MX 0 .\n@ TXT "v=spf1 -all"\n',
    "113.0.203.in-addr.arpa": "10 PTR pf1.example.com.\n",
    "8.b.d.0.1.0.0.2.ip6.arpa": "0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0 PTR pf1.example.com.\n",
    "com": "",
    "net": "",
}

INVENTORY = """\
all:
  vars:
    mailconform_role: mta_out
    mailconform_domains:
      example.com:
        dkim: [{selector: pf}]
        dmarc: {p: reject}
    mailconform_treat_as_public: [203.0.113.0/24, "2001:db8::/32"]
    mailconform_probe: {level: send, rate: 20}
  hosts:
    pf1.example.com:
      ansible_host: 203.0.113.10
      ansible_connection: local
      mailconform_helo: pf1.example.com
      mailconform_send_from: [203.0.113.10, "2001:db8::10"]
      mailconform_sends_for: example.com
      mailconform_listen: [{port: 25}, {port: 587}]
      mailconform_submission: {auth: no}
      mailconform_streams:
        news: {from: news@example.com, how: submission}
        system: {from: root@example.com, how: sendmail}
"""


def main(folder: Path, options: list[str]) -> int:
    """Judge. Returns mailconform's exit status."""
    with standing(folder), postfix.running(folder):
        return judge(folder, options)


@contextmanager
def standing(
    folder: Path, more: str = "", nameserver: str = postfix.NAMESERVER, inventory: str = INVENTORY
) -> Iterator[trustme.CA]:
    """Enter the network, with a name server in it and a configuration of Postfix; see :func:`postfix.write`.

    Gives the authority whose certificates are trusted in it.
    """
    public = postfix.key(folder)
    postfix.write(folder, more, nameserver)
    zones = folder / "zones"
    zones.mkdir()
    for origin, text in ZONES.items():
        (zones / f"{origin}.zone").write_text(text.replace("{half}", public[:200]).replace("{rest}", public[200:]))
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    authority.issue_cert(postfix.HOST).private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    (folder / "hosts.yml").write_text(inventory)
    v6 = tuple(IPv6Address(one) for one in postfix.ADDRESSES if ":" in one)
    namespace.enter(namespace.Network((IPv4Network("203.0.113.0/24"),), v6))
    # Postfix takes for its own only what an interface has.
    subprocess.run(["ip", "address", "add", f"{postfix.ADDRESSES[0]}/32", "dev", "lo"], check=True)
    serve = [sys.executable, "-m", "conformance.lab.nameserver", "--listen", f"{postfix.NAMESERVER}:53"]
    stub = f"--stub={postfix.PROBE_DOMAIN}={postfix.RECEIVER}"
    names = subprocess.Popen([*serve, stub, *map(str, sorted(zones.glob("*.zone")))])
    try:
        time.sleep(0.5)
        yield authority
    finally:
        names.terminate()
        names.wait(10)


def judge(folder: Path, options: list[str], nameserver: str = postfix.NAMESERVER) -> int:
    """Run mailconform against the Postfix that runs."""
    command = [sys.executable, "-m", "conformance.cli", "run", f"--inventory={folder / 'hosts.yml'}"]
    command += [f"--resolver={nameserver}", f"--report-dir={folder / 'report'}", *options]
    environ = {**os.environ, "SSL_CERT_FILE": str(folder / "ca.pem")}
    return subprocess.run(command, check=False, timeout=300, env=environ).returncode


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve(), sys.argv[2:]))
