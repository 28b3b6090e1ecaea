"""A user's repository, as pipelines find it."""

from __future__ import annotations

import os
import shlex
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.lab.world import World
from tests.plugin import fleet


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with fleet.served() as served:
        yield served


def mailconform(folder: Path) -> Path:
    """Put the command, and a pip that has nothing to do, into a folder for PATH."""
    folder.mkdir()
    texts = {
        "mailconform": f'exec {shlex.quote(sys.executable)} -m conformance.cli "$@"',
        "pip": "exit 0",
        "pipx": "exit 0",
    }
    for name, text in texts.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod((folder / name).stat().st_mode | stat.S_IXUSR)
    return folder


@pytest.fixture
def repository(tmp_path: Path, world: World) -> tuple[Path, dict[str, str]]:
    """A user's repository with an inventory, waivers and a zone, and the environment of its pipeline."""
    top = tmp_path / "repository"
    (top / "inventories").mkdir(parents=True)
    fleet.inventory(top / "inventories" / "production", fleet.numbered(1, 2, world=world))
    (top / "zones").mkdir()
    (top / "zones" / "example.com.zone").write_text(ZONE)
    (top / "conformance").mkdir()
    (top / "conformance" / "waivers.yml").write_text(WAIVERS)
    environ = fleet.environment(world, MAILCONFORM_RULES="ptr.*\nspf.exists", MAILCONFORM_NOW="2026-11-24")
    environ["PATH"] = f"{mailconform(tmp_path / 'bin')}:{os.environ['PATH']}"
    return top, environ


ZONE = """
$TTL 300
@      SOA  ns1 hostmaster 1 3600 600 86400 300
@      NS   ns1
@      MX   10 mx1
@      TXT  "v=spf1 ip4:203.0.113.0/29 -all"
ns1    A    203.0.113.53
mx1    A    203.0.113.1
mx2    A    203.0.113.2
"""
WAIVERS = """
version: 1
waivers:
  - rules: [ptr.exists]
    hosts: mx2.example.com
    reason: it is told to the provider
    owner: ops
    issued: 2026-11-20
    expires: 2026-12-20
"""
