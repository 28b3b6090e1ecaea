"""What commands that are no run are given: options, the settings that follow, the fleet that is meant."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NoReturn

import click

from conformance.options import OPTIONS, Option, Settings, UsageError, settle

if TYPE_CHECKING:
    from conformance.fleet.model import Fleet


INVENTORY = ("inventory", "limit", "vault-password-file", "no-secrets", "ansible-python")
"""Options that say which fleet is meant."""


def options(names: Iterable[str]) -> Callable[[Any], Any]:
    """Return a decorator that gives a command some of the options of a run."""
    wanted = set(names)
    chosen = [option for option in OPTIONS if option.name in wanted]

    def declare(function: Any) -> Any:
        for option in reversed(chosen):
            function = _click(option)(function)
        return function

    return declare


def _click(option: Option) -> Callable[[Any], Any]:
    if option.flag:
        return click.option(option.switch, option.dest, is_flag=True, default=None, help=option.help)
    kind: Any = click.Choice(option.choices) if option.choices else float if option.number else str
    shown = f"{option.help} [default: {as_typed(option.default)}]" if option.default is not None else option.help
    metavar = None if option.choices else option.metavar
    return click.option(
        option.switch, option.dest, multiple=option.many, type=kind, metavar=metavar, default=None, help=shown
    )


def as_typed(value: object) -> str:
    """Return a value of an option as people type it."""
    return str(value).removesuffix(".0") if isinstance(value, float) else str(value)


def settled(given: dict[str, Any]) -> Settings:
    """Settle options without a run of pytest."""
    return settle(given.get, _ini())


def _ini() -> Callable[[str], Any]:
    """Return a function that gives the value of an ini key that pytest would read here."""
    from pathlib import Path

    import pytest
    from _pytest.config.findpaths import locate_config

    try:
        _, _, found, _ = locate_config(Path.cwd(), [])
    except pytest.UsageError as error:
        raise UsageError(str(error)) from None
    return lambda key: found[key].value if key in found else None


def read_fleet(given: dict[str, Any], patterns: tuple[str, ...] = ()) -> Fleet:
    """Return the fleet that the options of a command mean; where it cannot be read, say why and end."""
    from conformance import declared
    from conformance.fleet.errors import InventoryError

    try:
        return declared.read_fleet(settled(given), patterns)
    except UsageError as error:
        fail(str(error))
    except InventoryError as error:
        click.echo(str(error), err=True)
        raise SystemExit(error.exit_code) from None


def fail(text: str) -> NoReturn:
    """Say what is wrong with what was given, and end with status 4."""
    from conformance.report.text import printable

    for line in text.splitlines():
        click.echo(printable(line), err=True)
    raise SystemExit(4)
