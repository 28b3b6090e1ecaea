"""The command ``records``: everything that a domain should publish, and what of it is right, wrong or missing."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NoReturn

import click

from conformance.given import INVENTORY, fail, options, read_fleet, settled

if TYPE_CHECKING:
    from conformance.facts.store import Store
    from conformance.fleet.model import Domain, Fleet
    from conformance.options import Settings
    from conformance.records.formats import Report
    from conformance.records.survey import Gather

FORMATS = ("text", "zone", "json", "octodns", "terraform")
_LOOKING = ("resolver", "overlay", "overlay-plan", "dns-timeout", "dns-retries", "dns-rate", "replay", "profile")


@click.command()
@click.argument("domain")
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True, help="What to print.")
@click.option(
    "--level",
    "threshold",
    type=click.Choice(("must", "should", "info")),
    default="should",
    show_default=True,
    help="A record that breaks a rule of this level or a stricter one is wrong; milder findings change nothing.",
)
@options((*INVENTORY, *_LOOKING))
def records(domain: str, form: str, threshold: str, **given: Any) -> NoReturn:
    """Print every record that a DOMAIN should publish. Each is right, wrong, missing, or not to be seen.

    What is right stays as it is; what is wrong is changed by no more than the rules ask for. What nobody can know
    from the inventory and DNS, the public key of a signer above all, is not made up: it says where to take it from.

    Exit status: 0 all is right; 1 something is wrong or missing; 4 wrong usage or an unreadable inventory; 6 nothing
    wrong seen, but something could not be looked at.
    """
    fleet = read_fleet(given)
    found = fleet.domain(domain)
    if found is None:
        fail(f"{domain} is not a domain of the inventory; see: mailconform list domains")
    with ExitStack() as held:
        report = _report(fleet, found, settled(given), threshold, held)
    from conformance.records import formats

    for line in formats.FORMATS[form](report):
        click.echo(line)
    raise SystemExit(report.status)


def _report(fleet: Fleet, domain: Domain, settings: Settings, threshold: str, held: ExitStack) -> Report:
    from conformance.check import Level
    from conformance.facts.snapshot import SnapshotError
    from conformance.options import UsageError
    from conformance.problems import split
    from conformance.profiles import UnknownProfile
    from conformance.records.bench import Bench
    from conformance.records.formats import Report
    from conformance.records.survey import Survey

    given = split(settings["profile"]) if "profile" in settings.given else ()
    bench = Bench(fleet, given, split(settings["profile"]) or ("common",))
    try:
        store, gather, dns = _facts(fleet, settings, held)
        with bench:
            entries = Survey(domain, bench, gather, store, Level(threshold)).entries()
    except (SnapshotError, UnknownProfile, UsageError, ValueError) as error:
        fail(str(error))
    return Report(domain.name, dns, entries)


def _facts(fleet: Fleet, settings: Settings, held: ExitStack) -> tuple[Store, Gather, str]:
    """Return what is known, what asks for more, and what DNS that is. Raises SnapshotError, UsageError, ValueError."""
    from conformance.facts.gather import Limits, gather
    from conformance.facts.snapshot import Gathering, load
    from conformance.facts.store import Store
    from conformance.proposed import overlays, problems

    if wrong := list(problems(settings)):
        fail("\n".join(wrong))
    if fleet.lab and not settings["replay"]:
        from conformance.start import enter_lab

        notes: list[str] = []
        settings = enter_lab(fleet, settings, held, notes)
        for note in notes:
            click.echo(note, err=True)
    if settings["replay"]:
        snapshot = load(settings["replay"])
        return snapshot.store(), lambda _store, _wanted: None, "proposed" if snapshot.overlays else "replayed"
    limits = Limits(
        resolvers=tuple(settings["resolver"]),
        probe="none",
        dns_timeout=settings["dns-timeout"],
        dns_retries=int(settings["dns-retries"]),
        dns_rate=settings["dns-rate"],
        overlays=overlays(settings),
    )

    def asked(store: Store, wanted: Any) -> None:
        gather(wanted, fleet, store, limits, Gathering(), lambda _progress: None)

    return Store(), asked, "proposed" if limits.overlays else "live"
