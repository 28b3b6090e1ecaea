"""A Postfix of its own: its configuration, its queue, its key, in the mount namespace that this process lives in."""

from __future__ import annotations

import base64
import os
import pwd
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

HOST = "pf1.example.com"
ADDRESSES = ("203.0.113.10", "2001:db8::10")
NAMESERVER = "203.0.113.53"
RECEIVER = "203.0.113.160"
PROBE_DOMAIN = "conform.example.net"

MAIN = """\
compatibility_level = 3.6
myhostname = {host}
mydomain = example.com
myorigin = $mydomain
mydestination =
local_recipient_maps =
alias_maps =
alias_database =
inet_interfaces = {addresses} 127.0.0.1
inet_protocols = all
mynetworks = 127.0.0.0/8 203.0.113.0/24
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
smtpd_tls_security_level = may
smtpd_tls_protocols = >=TLSv1.2
smtpd_tls_chain_files = {folder}/server.pem
biff = no
smtp_bind_address = {v4}
smtp_bind_address6 = {v6}
smtp_tls_security_level = may
queue_directory = {folder}/spool
data_directory = {folder}/data
maillog_file = {folder}/mail.log
maillog_file_prefixes = {folder}
minimal_backoff_time = 2s
maximal_backoff_time = 10s
queue_run_delay = 2s
maximal_queue_lifetime = 5m
bounce_queue_lifetime = 5m
milter_default_action = tempfail
smtpd_milters = inet:127.0.0.1:8891
non_smtpd_milters = $smtpd_milters
"""

SERVICES = """\
smtp      inet  n - n - - smtpd
587       inet  n - n - - smtpd
pickup    unix  n - n 1 1 pickup
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 1 1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
verify    unix  - - n - 1 verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n - - proxymap
smtp      unix  - - n - - smtp
relay     unix  - - n - - smtp
showq     unix  n - n - - showq
error     unix  - - n - - error
retry     unix  - - n - - error
discard   unix  - - n - - discard
local     unix  - n n - - local
anvil     unix  - - n - 1 anvil
scache    unix  - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
"""

SIGNING = """\
Syslog no
RequireSafeKeys no
UserID opendkim
Mode s
Canonicalization relaxed/simple
Domain example.com
Selector pf
KeyFile {folder}/dkim.pem
Socket inet:8891@127.0.0.1
PidFile {folder}/opendkim.pid
InternalHosts {folder}/internal
ExternalIgnoreList {folder}/internal
OversignHeaders From
"""


def missing(*more: str) -> str:
    """Return why no Postfix can be tried here, and no other programs; nothing when all can."""
    if os.geteuid():
        return "only root can start a Postfix of its own"
    lacking = [name for name in ("postfix", "opendkim", "unshare", "mount", "ip", *more) if not shutil.which(name)]
    return f"not installed: {', '.join(lacking)}" if lacking else ""


def key(folder: Path) -> str:
    """Make the key that signs. Returns its public half in base64."""
    made = generate_private_key(65537, 2048)
    private = made.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    (folder / "dkim.pem").write_bytes(private)
    public = made.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(public).decode()


def write(folder: Path, more: str = "", nameserver: str = NAMESERVER) -> None:
    """Write the configuration, and have programs that look into /etc find it there and nowhere else.

    ``more`` is what is added to main.cf, ``nameserver`` what resolves names, and may say that it has validated them.
    """
    (folder / "etc").mkdir()
    for name in ("spool", "data"):
        (folder / name).mkdir()
    v4, v6 = ADDRESSES
    text = MAIN.format(host=HOST, addresses=" ".join(ADDRESSES), folder=folder, v4=v4, v6=v6)
    (folder / "etc" / "main.cf").write_text(text + more)
    (folder / "etc" / "master.cf").write_text(SERVICES)
    for name in ("dynamicmaps.cf", "postfix-files"):
        if (shipped := Path("/etc/postfix") / name).exists():
            shutil.copy(shipped, folder / "etc" / name)
    (folder / "resolv.conf").write_text(f"nameserver {nameserver}\noptions timeout:2 attempts:2 trust-ad\n")
    (folder / "hosts").write_text("127.0.0.1 localhost\n")
    (folder / "opendkim.conf").write_text(SIGNING.format(folder=folder))
    (folder / "internal").write_text("0.0.0.0/0\n::/0\n")
    user = pwd.getpwnam("postfix")
    os.chown(folder / "data", user.pw_uid, user.pw_gid)
    signer = pwd.getpwnam("opendkim")
    os.chown(folder / "dkim.pem", signer.pw_uid, signer.pw_gid)
    (folder / "dkim.pem").chmod(0o600)
    Path("/etc/postfix").mkdir(exist_ok=True)
    for ours, theirs in (("etc", "/etc/postfix"), ("resolv.conf", "/etc/resolv.conf"), ("hosts", "/etc/hosts")):
        subprocess.run(["mount", "--bind", folder / ours, theirs], check=True)


@contextmanager
def running(folder: Path) -> Iterator[None]:
    """Run Postfix and what signs for it."""
    signer = subprocess.Popen(["opendkim", "-f", "-x", folder / "opendkim.conf"])
    started = False
    try:
        _await_port("127.0.0.1", 8891)
        started = _postfix("start")
        _await_port(ADDRESSES[0], 587)
        yield
    finally:
        if started:
            _postfix("stop")
        signer.terminate()
        signer.wait(10)


def _await_port(host: str, port: int) -> None:
    for _ in range(200):
        try:
            socket.create_connection((host, port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(f"nothing listens at {host}:{port}")


def _postfix(command: str) -> bool:
    done = subprocess.run(["postfix", command], check=False, timeout=60, capture_output=True, text=True)
    if done.returncode:
        sys.stderr.write(done.stdout + done.stderr)
    return not done.returncode
