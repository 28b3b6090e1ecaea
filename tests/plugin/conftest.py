"""The fleet that most runs judge."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from conformance.fleet import ansible
from conformance.fleet.model import Fleet
from conformance.lab.world import World
from conformance.report import page
from tests.plugin import fleet


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    with fleet.served() as world:
        yield world


@pytest.fixture(scope="session")
def inventories(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with inventories: ``good``, one with what is ``broken`` too, one with what is ``dark`` too."""
    folder = tmp_path_factory.mktemp("inventories")
    fleet.inventory(folder / "good.yml", fleet.numbered(1, world=world))
    fleet.inventory(folder / "broken.yml", fleet.numbered(1, 2, world=world))
    fleet.inventory(folder / "dark.yml", fleet.numbered(1, 3, world=world))
    return folder


# What a run imports late would be imported anew by every run inside this process.
for late in (
    "asked",
    "fixtures",
    "reporting",
    "report.page",
    "report.terminal",
    "facts.dns",
    "facts.smtp",
    "facts.live",
):
    importlib.import_module(f"conformance.{late}")


@pytest.fixture
def inside(pytester: pytest.Pytester, world: World, monkeypatch: pytest.MonkeyPatch) -> Callable[..., fleet.Ran]:
    """Return a function that judges an inventory inside this process, with the options that it is given.

    The page takes longer than the rest of such a run; runs in processes of their own write it.
    """
    for name, value in fleet.environment(world).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(ansible, "load", _cached_load)
    monkeypatch.setattr(page, "render", lambda results, facts: f"{len(results)} and {len(facts)} parts")

    def run(inventory: Path, *arguments: str, **more: Any) -> fleet.Ran:
        return fleet.inside(pytester, f"--inventory={inventory}", *arguments, **more)

    return run


_read = ansible.load


@cache
def _read_text(_content: str, sources: tuple[str, ...], more: tuple[tuple[str, Any], ...]) -> Fleet:
    return _read(sources, **dict(more))


def _cached_load(sources: list[str], **more: Any) -> Fleet:
    """Read each inventory once: Ansible takes a second."""
    return _read_text("".join(Path(one).read_text() for one in sources), tuple(sources), tuple(more.items()))
