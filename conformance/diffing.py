"""The command ``diff``: what a change of DNS makes appear or vanish."""

from __future__ import annotations

from typing import Any, NoReturn

import click

from conformance.given import as_typed, fail, options, settled
from conformance.options import OPTIONS, UsageError

NOT_OF_A_DIFF = frozenset(
    {
        *("replay", "reports", "report-dir", "keep", "resume", "quiet-ok", "notify", "confirm", "format", "gate"),
        *("strict-waivers", "against", "baseline", "update-baseline", "accept-new"),
    }
)
"""Options of a run that are not those of two."""


@click.command()
@click.option("--before", default="live", show_default=True, metavar="SIDE", help="What stands now.")
@click.option("--after", default="overlay", show_default=True, metavar="SIDE", help="What will stand.")
@click.option("--folder", default="reports/diff", show_default=True, metavar="DIR", help="Folder for both runs.")
@click.option("--json", "as_json", is_flag=True, help="Say it as JSON.")
@options(option.name for option in OPTIONS if option.name not in NOT_OF_A_DIFF)
def diff(before: str, after: str, folder: str, as_json: bool, **given: Any) -> NoReturn:
    """Say what a change makes appear or vanish, and what to mind.

    A SIDE is live (DNS as it is), overlay (DNS as --overlay and --overlay-plan have it) or the results.json of a run,
    or its folder. Exit status: 0 nothing that gates appears; 1 something does; 6 something that gates is known no
    longer; 2, 3, 4 and 5 as those of a run.
    """
    from conformance import compare

    try:
        sides = compare.Sides(before, after, folder, _arguments(given), settled(given))
        raise SystemExit(compare.diff(sides, as_json))
    except (UsageError, compare.SideError) as error:
        fail(str(error))


def _arguments(given: dict[str, Any]) -> tuple[str, ...]:
    """Return options as they stand on a command line."""
    told: list[str] = []
    for option in OPTIONS:
        value = given.get(option.dest)
        if option.flag:
            told += [option.switch] if value else []
        else:
            values = value or () if option.many else [] if value is None else [value]
            told += [f"{option.switch}={as_typed(one)}" for one in values]
    return tuple(told)
