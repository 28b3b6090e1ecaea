"""``unshare --mount python -m tests.real_mta.validating FOLDER SETTING [OPTION ...]``: a Postfix that obeys policies.

As :mod:`tests.real_mta.inside`; beside it Unbound resolves and validates for Postfix and for mailconform alike, with
the DS record of the receiver's own key as trust anchor. SETTING is one of :data:`SETTINGS`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme

from conformance.receiver.sts import Policies
from conformance.receiver.zonekey import ZoneKey
from tests.real_mta import inside, postfix

RESOLVER = "203.0.113.54"
DAEMON = "mta-sts-daemon"
"""Of postfix-mta-sts-resolver, by which Postfix knows MTA-STS."""

_DANE = """\
smtp_tls_security_level = dane
smtp_dns_support_level = dnssec
"""
_MAP = "socketmap:inet:127.0.0.1:8461:postfix"
_STS = """\
smtp_tls_CAfile = {folder}/ca.pem
smtp_tls_policy_maps = {maps}
"""


@dataclass(frozen=True, slots=True)
class Setting:
    """How Postfix is set up: what it is said to enforce, and what main.cf has for that."""

    claims: tuple[str, ...]
    main: str

    @property
    def has_daemon(self) -> bool:
        """Whether MTA-STS policies are fetched for it."""
        return "mta-sts" in self.claims


SETTINGS = {
    "dane": Setting(("dane",), _DANE),
    "ignorant": Setting(("dane",), ""),
    "sts": Setting(("mta-sts", "dane"), _DANE + _STS.replace("{maps}", _MAP)),
    "dane-first": Setting(
        ("mta-sts", "dane"),
        _DANE + _STS.replace("{maps}", f"inline:{{{{sts-dane.{postfix.PROBE_DOMAIN}=dane-only}}}}, {_MAP}"),
    ),
}

UNBOUND = """\
server:
  directory: "{folder}"
  chroot: ""
  username: ""
  pidfile: "{folder}/unbound.pid"
  logfile: "{folder}/unbound.log"
  use-syslog: no
  val-log-level: 2
  interface: {resolver}
  access-control: 0.0.0.0/0 allow
  module-config: "validator iterator"
  trust-anchor: "{domain}. DS {ds}"
  local-zone: "113.0.203.in-addr.arpa." nodefault
  local-zone: "8.b.d.0.1.0.0.2.ip6.arpa." nodefault
stub-zone:
  name: "{domain}"
  stub-addr: {receiver}
forward-zone:
  name: "."
  forward-addr: {nameserver}
"""

FETCHING = """\
host: 127.0.0.1
port: 8461
cache: {type: internal, options: {cache_size: 100}}
default_zone: {strict_testing: false, timeout: 4}
"""


def main(folder: Path, name: str, options: list[str]) -> int:
    """Judge. Returns mailconform's exit status."""
    setting = SETTINGS[name]
    key = ZoneKey.kept(folder / "zone-key.pem")
    claims = f"      mailconform_tls_policies: [{', '.join(setting.claims)}]\n"
    inventory = inside.INVENTORY.replace("      mailconform_send_from:", f"{claims}      mailconform_send_from:")
    options = [f"--receiver-zone-key={folder / 'zone-key.pem'}", *options]
    with ExitStack() as stack:
        authority = stack.enter_context(
            inside.standing(folder, setting.main.format(folder=folder), RESOLVER, inventory)
        )
        if setting.has_daemon:
            show(folder, authority)
            options = [f"--receiver-certificate={folder / 'receiver.pem'}", *options]
            stack.enter_context(fetching(folder))
        stack.enter_context(resolving(folder, key))
        stack.enter_context(postfix.running(folder))
        return inside.judge(folder, options, RESOLVER)


def show(folder: Path, authority: trustme.CA) -> None:
    """Write what the receiver shows: a certificate of its exchanges and of the policy hosts, with its key."""
    domain = postfix.PROBE_DOMAIN
    leaf = authority.issue_cert(f"*.{domain}", *Policies(domain, "mx1").hosts(), key_type=trustme.KeyType.RSA)
    leaf.private_key_and_cert_chain_pem.write_to_path(folder / "receiver.pem")


@contextmanager
def fetching(folder: Path) -> Iterator[None]:
    """Run what fetches MTA-STS policies for Postfix."""
    (folder / "sts.yml").write_text(FETCHING)
    environ = {**os.environ, "SSL_CERT_FILE": str(folder / "ca.pem")}
    with _beside([DAEMON, "-c", str(folder / "sts.yml")], environ):
        yield


@contextmanager
def resolving(folder: Path, key: ZoneKey) -> Iterator[None]:
    """Run Unbound."""
    text = UNBOUND.format(
        folder=folder,
        resolver=RESOLVER,
        domain=postfix.PROBE_DOMAIN,
        ds=key.ds(postfix.PROBE_DOMAIN),
        receiver=postfix.RECEIVER,
        nameserver=postfix.NAMESERVER,
    )
    (folder / "unbound.conf").write_text(text)
    with _beside(["unbound", "-d", "-c", str(folder / "unbound.conf")], dict(os.environ)):
        yield


@contextmanager
def _beside(command: list[str], environ: dict[str, str]) -> Iterator[None]:
    running = subprocess.Popen(command, env=environ)
    try:
        time.sleep(1)
        yield
    finally:
        running.terminate()
        try:
            running.wait(10)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait(10)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve(), sys.argv[2], sys.argv[3:]))
