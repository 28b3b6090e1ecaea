"""The service as its unit has it: another opens the low ports, and it has no privilege at all."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from test_service import DOMAIN, Receiver, deliver, receiver, subjects

from conformance.receiver.announcement import token_of

__all__ = ["receiver"]

NOBODY = 65534
ADDRESS = "127.0.4.1"

SERVE = f"""
import encodings.idna, importlib, os, pkgutil, sys
from pathlib import Path
import pydantic, conformance.receiver as package

# What a folder holds that is closed to others is imported while that can be read.
for module in pkgutil.iter_modules(package.__path__):
    importlib.import_module(f"conformance.receiver.{{module.name}}")
from conformance.receiver import announcement, archive, configuration, service
archive._captures(), archive._openings()
os.dup2(int(sys.argv[1]), 3)
os.environ["LISTEN_PID"] = str(os.getpid())
os.setgroups([])
os.setresgid({NOBODY}, {NOBODY}, {NOBODY})
os.setresuid({NOBODY}, {NOBODY}, {NOBODY})
service.serve(configuration.load(Path(sys.argv[2])))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="all other tests run it unprivileged then")
def test_it_runs_unprivileged_with_sockets_that_it_is_given(receiver: Receiver) -> None:
    secret = receiver.client()
    folder = Path(tempfile.mkdtemp(prefix="mailconform-unprivileged-"))
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder)
        for path in receiver.folder.iterdir():
            shutil.copy(path, folder)
        text = receiver.config.read_text().replace(str(receiver.folder), str(folder))
        (folder / "receiver.toml").write_text(text)
        for path in (folder, *folder.iterdir()):
            os.chown(path, NOBODY, NOBODY)
        given = stack.enter_context(_low_port())
        process = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(given.fileno()), str(folder / "receiver.toml")],
            stderr=subprocess.PIPE,
            text=True,
            pass_fds=[given.fileno()],
            env=os.environ | {"LISTEN_FDS": "1", "LISTEN_FDNAMES": "smtp"},
        )
        stack.callback(process.wait)
        stack.callback(process.kill)
        assert process.stderr
        said = []
        for line in process.stderr:
            said.append(line)
            if match := re.fullmatch(r"INFO https at \S+ port (\d+)\n", line):
                receiver.ports["https"] = [("127.0.0.1", int(match[1]))]
                break
        assert "https" in receiver.ports, said
        status = Path(f"/proc/{process.pid}/status").read_text()
        assert re.search(rf"^Uid:(\s+{NOBODY}){{4}}$", status, re.MULTILINE), status
        assert re.search(r"^CapEff:\s+0+$", status, re.MULTILINE), status

        async def go() -> list[str]:
            async with receiver.remote(secret) as asked:
                (address,) = await asked.open("accept")
                assert address.endswith(f".{DOMAIN}")
                await asyncio.to_thread(deliver, given.getsockname(), [address], "low")
                return subjects(await asked.collect([token_of(address)]))

        assert asyncio.run(go()) == ["low"]
        assert (folder / "state").stat().st_uid == NOBODY
        assert not (folder / "state").stat().st_mode & 0o077


def _low_port() -> socket.socket:
    """Return a socket at a port that the privileged alone may open. Raises OSError."""
    for port in range(1023, 600, -1):
        with contextlib.suppress(OSError):
            return socket.create_server((ADDRESS, port))
    raise OSError("no low port is free")
