"""Enter a private network without root: a Linux user and network namespace, by ctypes and netlink alone.

Inside, the given networks are the machine's own, the ports 25 and 53 may be bound by anybody, and no route leads
out. A process cannot leave again, and whatever it starts afterwards lives there too. The user keeps its own id:
a process that believes to be root trips over files that are not root's (pytest's ``tmp_path`` among others).
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address
from pathlib import Path

_ROUTE_SECONDS = 2.0

_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000

_NLM_F_REQUEST_ACK = 0x1 | 0x4
_NLM_F_CREATE_EXCL = 0x400 | 0x200
_RTM_NEWLINK, _RTM_NEWADDR, _RTM_NEWROUTE = 16, 20, 24
_IFF_UP = 1
_IFA_ADDRESS, _IFA_LOCAL, _IFA_F_NODAD = 1, 2, 0x02
_RTA_DST, _RTA_OIF, _RTA_PREFSRC = 1, 4, 7
_RT_TABLE_LOCAL, _RTPROT_STATIC, _RT_SCOPE_HOST, _RTN_LOCAL = 255, 4, 254, 2


class NamespaceError(RuntimeError):
    """No private network is to be had here; the message says why."""


@dataclass(frozen=True, slots=True)
class Network:
    """What exists inside: whole IPv4 networks, single IPv6 addresses, and who the IPv4 side speaks as."""

    networks: tuple[IPv4Network, ...]
    addresses: tuple[IPv6Address, ...] = ()
    source: IPv4Address | None = None
    """Source address of connections that do not choose one; without it each comes from its own target."""


def enter(network: Network) -> None:
    """Move this process into a private network. Raises NamespaceError, and then nothing has changed.

    The process must have one thread only: the kernel moves threads, not processes.
    """
    if not sys.platform.startswith("linux"):
        raise NamespaceError("network namespaces exist on Linux only")
    if (threads := len(list(Path("/proc/self/task").iterdir()))) > 1:
        raise NamespaceError(f"this process has {threads} threads already; a namespace is entered with one")
    if reason := _rehearse(lambda: _enter_and_try(network)):
        raise NamespaceError(reason)
    _enter(network)


def _rehearse(act: Callable[[], None]) -> str:
    """Do it in a child first, since it cannot be undone; return the reason why it failed, or nothing."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        reason = "the rehearsal broke off"
        try:
            act()
            reason = ""
        except NamespaceError as error:
            reason = str(error)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
        finally:
            os.write(writing, reason.encode())
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as report:
        reason = report.read()
    _, status = os.waitpid(child, 0)
    return reason or (f"the rehearsal died with status {status}" if status else "")


def _enter_and_try(network: Network) -> None:
    _enter(network)
    first: list[IPv4Address | IPv6Address] = [*(net[1] for net in network.networks[:1]), *network.addresses[:1]]
    for address in first:
        try:
            with socket.create_server((str(address), 25), family=_family(address)) as server:
                socket.create_connection(server.getsockname()[:2], timeout=2).close()
        except OSError as error:
            raise NamespaceError(f"port 25 of {address} is of no use in the namespace: {error}") from error


def _enter(network: Network) -> None:
    _unshare()
    try:
        _permit_low_ports()
        with _Netlink() as netlink:
            netlink.raise_loopback()
            for address in network.addresses:
                netlink.add_address(address)
            if network.source:
                netlink.add_address(network.source)
            for net in network.networks:
                netlink.add_local_network(net, network.source)
        _await_routes(network.addresses)
    except PermissionError as error:
        hint = "see kernel.apparmor_restrict_unprivileged_userns"
        raise NamespaceError(f"a namespace was made but gives no rights: {error.strerror} ({hint})") from error
    except OSError as error:
        raise NamespaceError(f"a namespace was made but cannot be set up: {error.strerror}") from error


def _await_routes(addresses: tuple[IPv6Address, ...]) -> None:
    """Wait until new IPv6 addresses take packets: the kernel adds their local routes in the background.

    Before that connecting succeeds and the packet is lost, so each address sends one to itself.
    """
    deadline = time.monotonic() + _ROUTE_SECONDS
    for address in addresses:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.settimeout(0.002)
            probe.bind((str(address), 0))
            while True:
                with suppress(OSError):
                    probe.sendto(b"?", probe.getsockname())
                    probe.recv(1)
                    break
                if time.monotonic() > deadline:
                    raise OSError(errno.ENETUNREACH, f"{address} takes no packets")
                time.sleep(0.001)


def _unshare() -> None:
    """Leave the network; together with a new user namespace unless this process may do it without."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET) == 0:
        return
    uid, gid = os.geteuid(), os.getegid()
    if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) != 0:
        code = ctypes.get_errno()
        hints = {
            errno.ENOSPC: " (user.max_user_namespaces or user.max_net_namespaces is used up)",
            errno.EPERM: " (forbidden by seccomp, as in a default container, or by kernel.unprivileged_userns_clone)",
        }
        raise NamespaceError(f"user and network namespaces are refused: {os.strerror(code)}{hints.get(code, '')}")
    try:
        Path("/proc/self/setgroups").write_bytes(b"deny")
        Path("/proc/self/uid_map").write_bytes(b"%d %d 1" % (uid, uid))
        Path("/proc/self/gid_map").write_bytes(b"%d %d 1" % (gid, gid))
    except OSError as error:
        raise NamespaceError(f"a user namespace was made but ids cannot be mapped: {error}") from error


def _permit_low_ports() -> None:
    """Let programs bind 25 and 53 that lost their rights by being executed.

    Where /proc/sys is read-only, this process and its forks still can.
    """
    with suppress(OSError):
        Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").write_bytes(b"0")
    with suppress(OSError):
        Path("/proc/sys/net/ipv6/conf/lo/disable_ipv6").write_bytes(b"0")


def _family(address: IPv4Address | IPv6Address) -> socket.AddressFamily:
    return socket.AF_INET if address.version == 4 else socket.AF_INET6


def _attribute(kind: int, data: bytes) -> bytes:
    """Return a netlink attribute: length, kind and data, padded to four octets."""
    return struct.pack("=HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)


class _Netlink:
    """A route netlink socket of the namespace. Methods raise OSError."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._loopback = socket.if_nametoindex("lo")

    def __enter__(self) -> _Netlink:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def raise_loopback(self) -> None:
        """Bring ``lo`` up; 127.0.0.1 and ::1 come with it."""
        self._request(_RTM_NEWLINK, 0, struct.pack("=BxHiII", 0, 0, self._loopback, _IFF_UP, _IFF_UP))

    def add_address(self, address: IPv4Address | IPv6Address) -> None:
        """Give ``lo`` an address; IPv6 without duplicate detection, which would keep it unusable for a second."""
        header = struct.pack("=BBBBI", _family(address), address.max_prefixlen, _IFA_F_NODAD, 0, self._loopback)
        attributes = _attribute(_IFA_LOCAL, address.packed) + _attribute(_IFA_ADDRESS, address.packed)
        self._request(_RTM_NEWADDR, _NLM_F_CREATE_EXCL, header + attributes)

    def add_local_network(self, net: IPv4Network, source: IPv4Address | None) -> None:
        """Make every address of an IPv4 network this machine's own."""
        header = struct.pack(
            "=BBBBBBBBI",
            socket.AF_INET,
            net.prefixlen,
            0,
            0,
            _RT_TABLE_LOCAL,
            _RTPROT_STATIC,
            _RT_SCOPE_HOST,
            _RTN_LOCAL,
            0,
        )
        attributes = _attribute(_RTA_DST, net.network_address.packed)
        attributes += _attribute(_RTA_OIF, struct.pack("=i", self._loopback))
        attributes += _attribute(_RTA_PREFSRC, source.packed) if source else b""
        self._request(_RTM_NEWROUTE, _NLM_F_CREATE_EXCL, header + attributes)

    def _request(self, kind: int, flags: int, body: bytes) -> None:
        self._socket.send(struct.pack("=IHHII", 16 + len(body), kind, flags | _NLM_F_REQUEST_ACK, 1, 0) + body)
        (code,) = struct.unpack_from("=i", self._socket.recv(65536), 16)
        if code:
            raise OSError(-code, os.strerror(-code))
