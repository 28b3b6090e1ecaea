"""What systemd hands to a service: sockets that are open already, and where to say that it is ready."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, MutableMapping
from contextlib import suppress

FIRST = 3
"""The first descriptor that is handed over (sd_listen_fds(3))."""
MOST = 1000


class ActivationError(Exception):
    """What was handed over is of no use; the message says why."""


def sockets(environ: MutableMapping[str, str]) -> Mapping[str, tuple[socket.socket, ...]]:
    """Return the sockets that were handed over, by the names that their units give them, and forget about them.

    The environment is that of the process; what speaks of the sockets is taken out, so that no child believes to have
    them. Raises ActivationError.
    """
    owner, count = environ.pop("LISTEN_PID", ""), environ.pop("LISTEN_FDS", "")
    names = environ.pop("LISTEN_FDNAMES", "").split(":")
    if owner != str(os.getpid()) or not count.isdigit():
        return {}
    if not 0 < int(count) <= MOST or len(names) != int(count):
        raise ActivationError(f"{count} sockets were handed over under {len(names)} names")
    found: dict[str, list[socket.socket]] = {}
    for descriptor, name in enumerate(names, FIRST):
        try:
            os.set_inheritable(descriptor, False)
            found.setdefault(name, []).append(socket.socket(fileno=descriptor))
        except OSError as error:
            raise ActivationError(f"what was handed over as {name} is no socket: {error.strerror}") from None
    return {name: tuple(given) for name, given in found.items()}


def notify(state: str, environ: Mapping[str, str] = os.environ) -> None:
    """Tell the service manager something such as ``READY=1``, where there is one (sd_notify(3))."""
    path = environ.get("NOTIFY_SOCKET", "")
    if path[:1] not in ("/", "@"):
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as manager:
        manager.connect(f"\0{path[1:]}" if path[0] == "@" else path)
        manager.sendall(state.encode())
