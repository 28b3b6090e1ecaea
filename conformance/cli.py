"""The command: ``run`` hands over to pytest; the rest is what is not a test."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import click

from conformance import __version__, night, telling, verifying, waiving
from conformance.diffing import diff
from conformance.given import INVENTORY, as_typed, fail, options, read_fleet
from conformance.options import OPTIONS
from conformance.receiver.cli import receiver
from conformance.recordsof import records
from conformance.spfshow import spf

_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


class _Door(click.Group):
    """Ends with the exit statuses of a run: wrong usage is 4, an interrupt 2."""

    def make_context(self, *args: Any, **more: Any) -> click.Context:
        with _statuses():
            return super().make_context(*args, **more)

    def invoke(self, ctx: click.Context) -> Any:
        with _statuses():
            return super().invoke(ctx)


@contextmanager
def _statuses() -> Iterator[None]:
    try:
        yield
    except click.UsageError as error:
        error.show()
        raise SystemExit(4) from None
    except KeyboardInterrupt:
        click.echo("interrupted", err=True)
        raise SystemExit(2) from None


@click.group(cls=_Door, context_settings=_CONTEXT)
@click.version_option(__version__, prog_name="mailconform")
def main() -> None:
    """Check an outbound mail fleet: PTR, HELO, SPF, DKIM, DMARC and SMTP, declared in an Ansible inventory."""


@main.command(context_settings=_CONTEXT | {"ignore_unknown_options": False})
@options(option.name for option in OPTIONS)
@click.option("-q", "--quiet", count=True, help="One line, and one for each finding.")
@click.option("--print-command", is_flag=True, help="Say which pytest command is run, and do not run it.")
@click.argument("pytest_arguments", nargs=-1, type=click.UNPROCESSED)
def run(pytest_arguments: tuple[str, ...], quiet: int, print_command: bool, **given: Any) -> NoReturn:
    """Judge a fleet and write reports. What follows after -- goes to pytest (-k, -x, -n 2, --lf ...).

    Exit status: 0 conforms; 1 something that gates is broken; 2 interrupted; 3 internal error; 4 wrong usage or an
    unreadable inventory; 5 nothing to check; 6 nothing broken seen, but something could not be determined.
    """
    command = ["--pyargs", "conformance.cases", "-p", "conformance.plugin"]
    for option in OPTIONS:
        value = given[option.dest]
        if option.flag:
            command += [option.switch] if value else []
        else:
            values = value if option.many else [] if value is None else [value]
            command += [f"{option.switch}={as_typed(one)}" for one in values]
    command += ["-q"] * quiet
    command += pytest_arguments
    if print_command:
        import shlex

        click.echo(shlex.join([sys.executable, "-m", "pytest", *command]))
        raise SystemExit(0)
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "conformance.door", *command])


@main.group(context_settings=_CONTEXT)
def inventory() -> None:
    """Read an inventory: what is effective, and whether it is valid."""


@inventory.command()
@options(INVENTORY)
@click.argument("host", required=False)
def show(host: str | None, **given: Any) -> None:
    """Print what is effective for a host, or for all, and from where."""
    from conformance.fleet.errors import InventoryError
    from conformance.fleet.show import describe

    fleet = read_fleet(given)
    try:
        for line in describe(fleet, host):
            click.echo(line)
    except InventoryError as error:
        fail(str(error))


@inventory.command()
@options(INVENTORY)
def validate(**given: Any) -> None:
    """Say everything that is wrong with an inventory. Exit status 4 when something is."""
    from conformance.problems import declared_problems
    from conformance.report.text import plural

    fleet = read_fleet(given)
    if problems := dict.fromkeys(declared_problems(fleet)):
        fail("\n".join(problems))
    for warning in fleet.warnings:
        click.echo(f"warning: {warning}", err=True)
    counted = ((fleet.mtas, "mail host"), (fleet.addresses, "sending address"), (fleet.domains, "domain"))
    click.echo(f"valid: {', '.join(plural(len(found), noun) for found, noun in counted)}")


@inventory.command()
def schema() -> None:
    """Print the JSON Schema of mailconform_ variables, for editors."""
    import json

    from conformance.fleet.schema import json_schema

    click.echo(json.dumps(json_schema(), indent=2))


@main.command()
@click.argument("rule")
def explain(rule: str) -> None:
    """Say what a rule asks, who asks it, how hard, and how to comply."""
    from conformance import profiles
    from conformance.catalogue import checks
    from conformance.report.explain import explain as words

    if rule not in checks():
        from conformance.reading.excerpt import did_you_mean

        fail(f"no rule {rule!r}; {did_you_mean(rule, checks(), most=3) or 'see: mailconform list rules'}")
    levels = {name: profiles.load(name).level(checks()[rule]) for name in profiles.names()}
    for line in words(checks()[rule], levels):
        click.echo(line)


@main.command()
@click.argument("rule", metavar="AREA.RULE")
@click.option("--subject", metavar="KIND", required=True, help="What it judges: address, domain, listener, mta ...")
def scaffold(rule: str, subject: str) -> None:
    """Begin a new check in a checkout. Writes its function and its world, and says what to do next."""
    from conformance.scaffold import ScaffoldError
    from conformance.scaffold import scaffold as begin

    try:
        for line in begin(rule, subject):
            click.echo(line)
    except ScaffoldError as error:
        fail(str(error))


@main.command(hidden=True)
@click.argument("folder")
def docs(folder: str) -> None:
    """Write a page for each check into FOLDER, and the tables of the pages beside it and of the README above."""
    from pathlib import Path

    from conformance.docs import write

    for path in write(Path(folder)):
        click.echo(f"written: {path}")


main.add_command(telling.report)
main.add_command(telling.merge)
main.add_command(verifying.verify)
main.add_command(diff)
main.add_command(spf)
main.add_command(records)
main.add_command(night.status)
main.add_command(night.history)
main.add_command(receiver)
main.add_command(waiving.waivers)


@main.group("list", context_settings=_CONTEXT)
def listing() -> None:
    """List rules, profiles, hosts or domains."""


@listing.command()
@click.option("--profile", default="common", show_default=True, help="Whose levels to show; several with commas.")
def rules(profile: str) -> None:
    """Every rule with its level under a profile. A dash: the profile does not select it."""
    from conformance import profiles as known
    from conformance.catalogue import checks

    try:
        for check in checks().values():
            click.echo(f"{known.level(check, profile.split(',')) or '-':<7} {check.id:<26} {check.title}")
    except known.UnknownProfile as error:
        fail(str(error))


@listing.command("profiles")
def list_profiles() -> None:
    """Every profile, and how many rules it selects at each level. And which of them the default takes less hard."""
    from collections import Counter

    from conformance import profiles as known
    from conformance.catalogue import checks
    from conformance.check import Level

    for name in known.names():
        counted = Counter(found for check in checks().values() if (found := known.load(name).level(check)))
        numbers = ", ".join(f"{counted[level]} {level}" for level in Level)
        stricter = ", ".join(known.beyond(name, checks().values()))
        more = f"; harder than common: {stricter}" if stricter else ""
        click.echo(f"{name:<10} {numbers:<32} {known.load(name).title}{more}")


@listing.command()
@options(INVENTORY)
def hosts(**given: Any) -> None:
    """Every mail host with its addresses, HELO names and listeners."""
    from conformance.reading.scripts import in_both_forms

    for mta in read_fleet(given).mtas:
        sending = ", ".join(f"{address.ip} as {address.helo}" for address in mta.addresses)
        ports = ", ".join(str(listener.port) for listener in mta.listeners)
        listens = f"; listens on {ports}" if ports else ""
        click.echo(f"{in_both_forms(mta.name):<32} {sending or 'sends nothing'}{listens}")


@listing.command()
@options(INVENTORY)
def domains(**given: Any) -> None:
    """Every domain of the catalogue with its selectors and hosts."""
    from conformance.reading.scripts import in_both_forms

    for domain in read_fleet(given).domains:
        selectors = ", ".join(f"{selector.name} ({selector.state})" for selector in domain.selectors)
        what = (
            "sends no mail"
            if domain.no_mail
            else f"selectors: {selectors or 'none'}; sent by: {len(domain.hosts)} hosts"
        )
        click.echo(f"{in_both_forms(domain.name):<32} {what}")


if __name__ == "__main__":
    main()
