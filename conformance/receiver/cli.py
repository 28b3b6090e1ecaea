"""``mailconform receiver``: the capturing receiver as a service."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

if TYPE_CHECKING:
    from conformance.receiver.configuration import Configuration

_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}
_config = click.option(
    "--config",
    "path",
    metavar="FILE",
    default="/etc/mailconform-receiver/receiver.toml",
    show_default=True,
    help="The configuration, in TOML.",
)


@click.group(context_settings=_CONTEXT)
def receiver() -> None:
    """Stand in for a mail receiver. Takes what hosts send to a probe domain, and lets runs collect it."""


@receiver.command()
@_config
@click.option("--as-root", is_flag=True, help="Run as root all the same.")
def serve(path: str, as_root: bool) -> None:
    """Serve SMTP, DNS and HTTPS until SIGTERM. Exit status 4: the configuration, or a port, cannot be used.

    It wants no privileges: ports below 1024 come from systemd (sockets named smtp, dns and https) or from the
    capability CAP_NET_BIND_SERVICE. SIGHUP reads the file of clients anew.
    """
    if os.geteuid() == 0 and not as_root:
        _fail("the receiver talks to strangers: run it as a user of its own (or say --as-root)")
    from conformance.receiver.activation import ActivationError
    from conformance.receiver.configuration import ConfigurationError
    from conformance.receiver.database import DatabaseError
    from conformance.receiver.service import ServiceError
    from conformance.receiver.service import serve as run

    configuration = _read(path)
    try:
        run(configuration)
    except (ActivationError, ConfigurationError, DatabaseError, ServiceError) as error:
        _fail(str(error))


@receiver.command("check-config")
@_config
def check_config(path: str) -> None:
    """Say everything that is wrong with the configuration. Also with the files that it names; exit status 4 then."""
    from conformance.receiver.configuration import ConfigurationError
    from conformance.receiver.routes import ROUTES
    from conformance.receiver.service import check_everything

    configuration = _read(path)
    try:
        for doubt in check_everything(configuration):
            click.echo(f"warning: {doubt}", err=True)
    except ConfigurationError as error:
        _fail(str(error))
    site = configuration.site
    click.echo(f"valid: {site.domain}, {len(site.exchanges)} exchanges, archive {configuration.database}")
    for name, route in ROUTES.items():
        if lacking := site.lacks(route):
            click.echo(f"route {name} cannot be played: it needs {lacking}")
    if len(site.exchanges) == 1:
        click.echo("what begins before RCPT (banner, EHLO, STARTTLS, MAIL) cannot be played: it needs a spare exchange")


@receiver.command()
@_config
def dns(path: str) -> None:
    """Print the records that the zone above the probe domain needs. NS, addresses, and DS for DNSSEC.

    Without the DS record nothing is wrong, and trials of DANE are undetermined. The service makes the key when it first
    starts, and keeps it beside its archive; who makes a new one has to replace the DS record.
    """
    from conformance.receiver.configuration import ConfigurationError
    from conformance.receiver.service import parent_records

    configuration = _read(path)
    try:
        lines = list(parent_records(configuration))
    except ConfigurationError as error:
        _fail(str(error))
    click.echo("\n".join(lines))
    if " IN DS " not in lines[-1]:
        _fail(f"{configuration.zone_key_file} is not there: start the service once, and its DS record can be printed")


@receiver.command()
@click.argument("name")
@click.option("--clients", "path", metavar="FILE", help="Add the client to this file; else its line goes to stderr.")
def token(name: str, path: str | None) -> None:
    """Make a bearer token for the client NAME, and print it. It is shown once, the file keeps its SHA-256 alone."""
    import hashlib

    from conformance.receiver.configuration import ConfigurationError, is_client, load_clients
    from conformance.receiver.tokens import bearer

    secret = bearer()
    line = f"{name} {hashlib.sha256(secret.encode()).hexdigest()}"
    if not is_client(line):
        _fail(f"{name!r} is no name of at most 64 letters, digits, '.', '_' and '-'")
    if path is None:
        click.echo(line, err=True)
    else:
        try:
            if Path(path).exists() and name in load_clients(Path(path)):
                _fail(f"{path}: has a line for {name} already: delete it first")
            _append(Path(path), line)
        except ConfigurationError as error:
            _fail(str(error))
        except OSError as error:
            _fail(f"{path}: cannot be written: {error.strerror}")
    click.echo(secret)


def _append(path: Path, line: str) -> None:
    """Add a line to a file; after one that does not end, on a new one. Raises OSError."""
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    with path.open("a", encoding="utf-8") as file:
        file.write(("\n" if old and not old.endswith("\n") else "") + line + "\n")


def _read(path: str) -> Configuration:
    from conformance.receiver.configuration import ConfigurationError, load

    try:
        return load(Path(path))
    except ConfigurationError as error:
        _fail(str(error))


def _fail(text: str) -> NoReturn:
    for line in text.splitlines():
        click.echo("".join(one if one.isprintable() else "�" for one in line), err=True)
    raise SystemExit(4)
