"""The command ``verify``: one message in a file, judged by the rules of a run."""

from __future__ import annotations

from typing import Any, NoReturn

import click

from conformance.given import fail, options, settled
from conformance.options import UsageError

_WEIGHING = ("profile", "level", "rules", "skip-rules", "resolver", "dns-timeout", "report-dir", "format", "gate")
"""Options of a run that weigh for one message as well."""
_KINDS = ("transactional", "bulk", "list", "auto", "form")


@click.command()
@click.argument("file")
@click.option("--ip", required=True, metavar="ADDR", help="The address that sent the message.")
@click.option("--helo", required=True, metavar="NAME", help="The name that it greeted with.")
@click.option("--mail-from", required=True, metavar="ADDR", help="The envelope sender; <> for the null sender.")
@click.option("--kind", type=click.Choice(_KINDS), default=_KINDS[0], show_default=True, help="What it is.")
@click.option("--at", metavar="TIME", help="When it came; default: what its receiver's Received says, else now.")
@click.option("--dns", "zones", multiple=True, metavar="FILE", help="Zone file that answers before live DNS.")
@options(_WEIGHING)
@click.option("-q", "--quiet", count=True, help="One line, and one for each finding.")
def verify(file: str, zones: tuple[str, ...], quiet: int, **given: Any) -> NoReturn:
    """Judge one message by the rules of a run. FILE, - for standard input, holds it; options tell how it came.

    What a message alone cannot show (the session, the queue, retries) is not applicable. Exit status as of run.
    """
    from conformance import verify as one

    try:
        told = one.told_of(file, *(given.pop(name) for name in ("ip", "helo", "mail_from", "kind", "at")))
        chosen = settled(given)
        chosen = chosen.changed({"overlay": [*chosen["overlay"], *zones]})
        raise SystemExit(one.verify(told, one.load(file), chosen, quiet))
    except UsageError as error:
        fail(str(error))
