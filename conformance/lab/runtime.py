"""Start and stop what the lab serves: in a namespace of its own for a run, on loopback for a world.

A lab's folder holds ``hosts.toml`` (see LabSpec) and ``zones/ORIGIN.zone`` (see nameserver)::

    networks = ["203.0.113.0/24"]
    nameserver = "203.0.113.53"
    prober = "203.0.113.2"
    prober_name = "probe.example.net"

    [[host]]
    name = "mx1.example.net"
    addresses = ["203.0.113.11", "2001:db8::11"]

    [[host.smtp]]
    port = 25
    certificate = "expired"
"""

from __future__ import annotations

import asyncio
import atexit
import ctypes
import os
import select
import shutil
import signal
import socket
import tempfile
import time
import tomllib
from collections import deque
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO, TypeVar

from conformance.lab import namespace
from conformance.lab.sending.letters import Signer
from conformance.lab.sending.mta import Lookup, Mta, resolver
from conformance.lab.sending.submission import serve as serve_submission
from conformance.lab.smtpd import MAX_CONTACTS, Contact, Running, deaf
from conformance.lab.smtpd import serve as serve_listener
from conformance.lab.spec import HostSpec, LabSpec, ListenerSpec, PolicySpec, SpecError, parse_lab
from conformance.receiver.sts import Policies

if TYPE_CHECKING:
    pass

START_SECONDS = 20.0
STOP_SECONDS = 2.0
RECEIVER_FILE = "receiver.pem"
"""Certificate and key of the run's receiver, in a folder that its owner alone may read."""

_READY = "ready"
_NICE = 5
"""By how much sending gives way to everything else."""
_PR_SET_PDEATHSIG = 1
_T = TypeVar("_T")


class LabError(RuntimeError):
    """The lab's files are wrong, or it does not come up; the message says why."""


@dataclass
class Lab:
    """A lab that is up. ``environ`` is what a run needs to see it; setting it is the caller's part."""

    spec: LabSpec
    environ: Mapping[str, str]
    pid: int
    _directory: Path
    _alive: int
    _owner: int = field(default_factory=os.getpid)
    _stopped: bool = False

    def stop(self) -> None:
        """End the server process and wait for it. Safe to call again, and from forks, where it does nothing."""
        if self._stopped or os.getpid() != self._owner:
            return
        self._stopped = True
        os.close(self._alive)
        with suppress(ChildProcessError, ProcessLookupError):
            _end(self.pid)
        shutil.rmtree(self._directory, ignore_errors=True)


def _end(pid: int) -> None:
    """Terminate a child of ours and reap it. Raises ChildProcessError when somebody else did."""
    deadline = time.monotonic() + STOP_SECONDS
    os.kill(pid, signal.SIGTERM)
    while os.waitpid(pid, os.WNOHANG) == (0, 0):
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return
        time.sleep(0.005)


def read_lab(lab_dir: Path) -> LabSpec:
    """Read hosts.toml. Raises LabError."""
    path = lab_dir / "hosts.toml"
    try:
        return parse_lab(tomllib.loads(path.read_text(encoding="utf-8")), path.name)
    except SpecError as error:
        raise LabError(str(error)) from error
    except (OSError, ValueError) as error:
        raise LabError(f"{path.name}: {error}") from error


def start(lab_dir: Path) -> Lab:
    """Enter a private network for good and fork the process that serves the lab there.

    Raises NamespaceError when there can be no such network (nothing has changed then), and LabError. Ends with
    this process, however that ends.
    """
    spec = read_lab(lab_dir)
    v6 = tuple(address for address in spec.addresses if isinstance(address, IPv6Address))
    namespace.enter(namespace.Network(spec.networks, v6, spec.prober))
    directory = Path(tempfile.mkdtemp(prefix="mailconform-lab-"))
    ca_file = directory / "ca.pem"
    ready, report = os.pipe()
    alive, hold = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        os.close(ready)
        os.close(hold)
        with os.fdopen(report, "w", encoding="utf-8") as said:
            services = Services()
            news = _fork_senders(services, spec, said) if any(host.sends for host in spec.host) else _READY
            work = _serve_lab(services, spec, lab_dir / "zones", ca_file, said, alive, news)
            _be_the_lab(work, directory, parent, said)
    os.close(report)
    os.close(alive)
    environ = {"MAILCONFORM_RESOLVER": str(spec.nameserver), "SSL_CERT_FILE": str(ca_file)}
    if spec.prober_name:
        environ["MAILCONFORM_EHLO"] = spec.prober_name
    if spec.receiver:
        environ["MAILCONFORM_RECEIVER"] = f"embedded:{spec.receiver}/{spec.pace:g}"
        environ["MAILCONFORM_RECEIVER_CERTIFICATE"] = str(directory / RECEIVER_FILE)
    lab = Lab(spec, environ, pid, directory, hold)
    atexit.register(lab.stop)
    if (news := _news(ready)) != _READY:
        lab.stop()
        raise LabError(f"the lab did not start: {news}")
    return lab


def _fork_senders(services: Services, spec: LabSpec, other: TextIO) -> str:
    """Fork the process in which hosts send, so that what they do keeps no answer waiting. Returns its news.

    It ends with this one. ``other`` is where this process reports: nobody would see it closed if both held it.
    """
    ready, report = os.pipe()
    parent = os.getpid()
    if os.fork() == 0:
        os.close(ready)
        other.close()
        with os.fdopen(report, "w", encoding="utf-8") as said, suppress(OSError):
            os.nice(_NICE)
            _be_the_lab(_serve_senders(services, spec, said), None, parent, said)
    os.close(report)
    return _news(ready)


def _news(ready: int) -> str:
    """Return what the forked process says of itself when it has started, or could not."""
    with os.fdopen(ready, encoding="utf-8") as pipe:
        if not select.select([pipe], [], [], START_SECONDS)[0]:
            return f"it was not up within {START_SECONDS:g} seconds"
        return pipe.read() or "its process ended"


def _be_the_lab(work: Coroutine[Any, Any, None], directory: Path | None, parent: int, report: TextIO) -> NoReturn:
    """Serve until told to stop; the life of the forked process."""
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.setsid()
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        # The parent may have gone before the kernel was told to look after it.
        if os.getppid() == parent:
            null = os.open(os.devnull, os.O_RDWR)
            for stream in range(3):
                os.dup2(null, stream)
            asyncio.run(work)
    except Exception as error:
        with suppress(OSError, ValueError):
            report.write(str(error) or type(error).__name__)
            report.close()
    finally:
        if directory is not None:
            shutil.rmtree(directory, ignore_errors=True)
        os._exit(0)


async def _serve_lab(
    services: Services, spec: LabSpec, zones: Path, ca_file: Path, report: TextIO, alive: int, senders: str
) -> None:
    """Serve names and listeners, and say that all is up where the senders are: ``senders`` is their news."""
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, over.set)
    loop.add_reader(alive, over.set)
    if senders != _READY:
        raise LabError(senders)
    if not (files := sorted(zones.glob("*.zone"))):
        raise LabError(f"no zone files in {zones}")
    for path in files:
        services.load_zone(path)
    ca_file.write_bytes(services.certificates.bundle)
    if spec.receiver:
        hosts = Policies(spec.probe_domain, "mx1").hosts()
        shown = services.certificates.shown(f"*.{spec.probe_domain}", *hosts)
        (ca_file.parent / RECEIVER_FILE).write_bytes(shown)
    for address in (spec.nameserver, *spec.more_nameservers):
        await services.add_nameserver(str(address), 53)
    for address in spec.silent_nameservers:
        services.add_silence(str(address))
    if spec.receiver:
        # The zone is signed with a key that is as old as the run: that it is the right one is the lab's word.
        services.authority.stubs.add(spec.probe_domain, str(spec.receiver), authentic=True)
    for listener in (listener for host in spec.host for listener in host.listeners):
        for address in () if listener.submission else listener.addresses:
            await services.add_listener(listener, str(address), listener.port)
    if spec.policy_server:
        await services.add_policies(spec.policy, str(spec.policy_server), 443)
    report.write(_READY)
    report.close()
    await over.wait()


async def _serve_senders(services: Services, spec: LabSpec, report: TextIO) -> None:
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    lookup = resolver(str(spec.nameserver))
    for host in (host for host in spec.host if host.sends):
        mta = services.add_sender(host, lookup, spec.pace)
        for listener in (listener for listener in host.listeners if listener.submission):
            for address in listener.addresses:
                await services.add_listener(listener, str(address), listener.port, mta)
    report.write(_READY)
    report.close()
    await over.wait()


class Services:
    """All that serves in one event loop."""

    def __init__(self) -> None:
        from conformance.lab.certificates import Certificates
        from conformance.lab.nameserver import Authority

        self.authority = Authority()
        self.certificates = Certificates()
        self.contacts: deque[Contact] = deque(maxlen=MAX_CONTACTS)
        self.signer = Signer.of_the_lab()
        self._running: list[Running] = []
        self._senders: list[Mta] = []

    async def add_nameserver(self, host: str, port: int) -> int:
        """Serve the zones at an address and return the port."""
        from conformance.receiver import dnswire

        running = await dnswire.serve(self.authority.answer, host, port)
        self._running.append(running)
        return running.port

    async def add_authority(self, host: str, port: int, zones: Mapping[str, str], faults: Sequence[str]) -> None:
        """Serve zones of its own at an address, from a port that is known."""
        from conformance.lab.nameserver import Authority
        from conformance.receiver import dnswire

        authority = Authority()
        for origin, text in zones.items():
            authority.load(origin, text)
        for line in faults:
            authority.fault_line(line)
        self._running.append(await dnswire.serve(authority.answer, host, port))

    def add_silence(self, host: str) -> None:
        """Have a name server that never answers."""
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            self._running.append(deaf(host, 53, kind))

    def load_zone(self, path: Path) -> None:
        """Load ``ORIGIN.zone``, with the key that hosts sign with where it says ``@key@``. Raises ZoneError.

        ``@tlsa HOST@`` stands for SHA-256 of the public key in the certificates of a host.
        """
        from conformance.lab.certificates import with_digests

        key = self.signer.record
        halves = f'{key[:200]}" "{key[200:]}'
        self.authority.load_file(path, lambda text: with_digests(text.replace("@key@", halves)))

    def add_sender(self, host: HostSpec, lookup: Lookup, pace: float) -> Mta:
        """Have a host that sends what it is given at its listeners for submission."""
        assert host.sends is not None
        sources = tuple(map(str, host.sends.sources or host.addresses))
        trusted = self.certificates.bundle
        mta = Mta(host.hostname or host.name, sources, host.sends, self.signer, lookup, pace, trusted=trusted)
        self._senders.append(mta)
        return mta

    async def add_listener(self, spec: ListenerSpec, host: str, port: int, mta: Mta | None = None) -> int:
        """Serve a listener at an address and return the port. Raises LabError."""
        try:
            if spec.submission and mta:
                running: Running = await serve_submission(spec, mta, self.certificates, host, port)
            else:
                running = await serve_listener(spec, self.certificates, host, port, self.contacts)
        except OSError as error:
            raise LabError(f"listener {spec.host}:{spec.port} at {host}: {error}") from error
        self._running.append(running)
        return running.port

    async def add_policies(self, policies: Sequence[PolicySpec], host: str, port: int) -> int:
        """Serve MTA-STS policies at an address and return the port. Raises OSError."""
        from conformance.lab.policies import PolicyServer

        server = PolicyServer(policies, self.certificates)
        opened = await server.listen(host, port)
        self._running.append(server)
        return opened

    async def close(self) -> None:
        """Stop serving and wait until every session has ended."""
        for running in (*self._running, *self._senders):
            running.close()
        # In rounds: a connection that was being accepted becomes a session only now.
        while sessions := asyncio.all_tasks() - {asyncio.current_task()}:
            for session in sessions:
                session.cancel()
            await asyncio.gather(*sessions, return_exceptions=True)
