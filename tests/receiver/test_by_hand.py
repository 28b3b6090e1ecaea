"""The service as someone at a terminal meets it with swaks: replies of a real receiver, and no way to relay."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from test_service import DOMAIN, PATIENCE, Receiver, receiver

__all__ = ["receiver"]

SWAKS = shutil.which("swaks")
pytestmark = pytest.mark.skipif(SWAKS is None, reason="swaks is not installed")

FOREIGN = (
    "someone@example.org",
    f"someone%example.org@{DOMAIN}",
    f"@{DOMAIN}:someone@example.org",
    f'"someone@example.org"@{DOMAIN}',
    f"example.org!someone@{DOMAIN}",
    f"someone@example.org@{DOMAIN}",
    f"postmaster@{DOMAIN}",
    "postmaster",
    "someone@[127.0.0.1]",
    "<>",
)


def swaks(end: tuple[str, int], *options: str, to: str, sender: str = "a@example.com") -> tuple[int, str]:
    """Hold one session; return the exit status and what was said."""
    command = [str(SWAKS), "--server", end[0], "--port", str(end[1]), "--helo", "mx.example.com", "--timeout", "30s"]
    done = subprocess.run(
        [*command, "--from", sender, "--to", to, *options],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return done.returncode, done.stdout


def codes(said: str) -> list[str]:
    """Return the codes of the replies; a ``<~`` stands before those inside TLS."""
    return re.findall(r"(?m)^ ?<[-~*]+ +(\d{3}) ", said)


def speaks_tls() -> bool:
    """Whether swaks has what it speaks TLS with (Debian package libnet-ssleay-perl)."""
    done = subprocess.run([str(SWAKS), "--support"], capture_output=True, text=True, timeout=PATIENCE, check=False)
    return "TLS supported" in done.stdout


@pytest.mark.parametrize("tls", [False, True])
def test_a_delivery_in_clear_and_in_tls(receiver: Receiver, tls: bool) -> None:
    if tls and not speaks_tls():
        pytest.skip("swaks lacks Net::SSLeay")
    secret = receiver.client()
    with receiver.running():

        async def ask() -> str:
            async with receiver.remote(secret) as run:
                return (await run.open("accept", "plain", 1, 600.0))[0]

        address = asyncio.run(ask())
        end = receiver.ports["smtp"][0]
        status, said = swaks(end, *(["--tls"] if tls else []), to=address)
        assert status == 0, said
        again = ["220", "250"] if tls else []
        assert codes(said) == ["220", "250", *again, "250", "250", "354", "250", "221"]


@pytest.mark.parametrize(("scenario", "code", "status"), [("greylist-1", "451", 24), ("refuse-rcpt", "550", 24)])
def test_what_a_scenario_says(receiver: Receiver, scenario: str, code: str, status: int) -> None:
    secret = receiver.client()
    with receiver.running():

        async def ask() -> str:
            async with receiver.remote(secret) as run:
                return (await run.open(scenario, "plain", 1, 600.0))[0]

        found, said = swaks(receiver.ports["smtp"][0], to=asyncio.run(ask()))
        assert (found, codes(said)) == (status, ["220", "250", "250", code, "221"]), said


def test_nothing_is_relayed(receiver: Receiver, tmp_path: Path) -> None:
    with receiver.running():
        for address in FOREIGN:
            found, said = swaks(receiver.ports["smtp"][0], to=address)
            assert found == 24, (address, said)
            assert re.search(r"(?m)^<\*\* 5\d\d ", said), (address, said)
        found, said = swaks(receiver.ports["smtp"][0], "--auth", "LOGIN", "--au", "u", "--ap", "p", to=FOREIGN[0])
        assert found == 28, said
