"""What the options say about making hosts send: checked before anything starts, then handed to those who do it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from conformance.facts.campaign import Campaign, Where, kept_key, shown
from conformance.facts.captured import CapturedError, load
from conformance.facts.letter import Order
from conformance.facts.submission import context_of, password_of
from conformance.fleet.model import Fleet, Mta
from conformance.options import Settings
from conformance.receiver.announcement import probe_domain
from conformance.report.text import printable

LEDGER = "probes.json"
BY_HAND = "send-by-hand.txt"
SENDING = ("send", "collect")
_LONGEST_TOKEN = 4096


def problems(settings: Settings, fleet: Fleet) -> Iterator[str]:
    """Say what keeps hosts from being made to send as asked, and where that was asked."""
    yield from _captured(fleet)
    if settings["probe"] not in SENDING or settings["replay"]:
        return
    where = settings.where
    if not settings["receiver"]:
        yield f"{where['probe']}: {settings['probe']} needs a receiver: --receiver"
    else:
        yield from _receiver(settings)
    if settings["receiver-domain"]:
        try:
            probe_domain(settings["receiver-domain"])
        except ValueError as error:
            yield f"{where['receiver-domain']}: {error}"
    if settings["probe"] == "send":
        for mta in fleet.mtas:
            yield from _submission(mta)


def hints(settings: Settings, fleet: Fleet) -> Iterator[str]:
    """Say why a run that was to make hosts send will make none send."""
    if settings["probe"] == "send" and not settings["replay"]:
        streams = [stream for stream in fleet.streams if stream.how != "file"]
        if not streams:
            yield "no host has a stream in mailconform_streams, so that none is made to send"
        elif all(fleet.by_name[stream.host].probe.level != "send" for stream in streams):
            yield "no host with a stream has mailconform_probe: {level: send}, so that none is made to send"


def _receiver(settings: Settings) -> Iterator[str]:
    where = settings.where["receiver"]
    try:
        found = Where.parse(settings["receiver"])
    except ValueError as error:
        yield f"{where}: {error}"
        return
    if not found.url:
        if settings["probe"] == "collect":
            yield f"{where}: an embedded receiver ends with its run, so that there is nothing to collect later"
        if settings["receiver-certificate"]:
            yield from _certificate(settings)
        if settings["receiver-zone-key"]:
            yield from _zone_key(settings)
        return
    try:
        from conformance.receiver.remote import Remote

        Remote(found.url, bearer(settings))
    except ValueError as error:
        yield f"{where}: {error}"


def _certificate(settings: Settings) -> Iterator[str]:
    try:
        shown(Path(settings["receiver-certificate"]).expanduser())
    except ValueError as error:
        yield f"{settings.where['receiver-certificate']}: {error}"


def _zone_key(settings: Settings) -> Iterator[str]:
    try:
        kept_key(Path(settings["receiver-zone-key"]).expanduser())
    except ValueError as error:
        yield f"{settings.where['receiver-zone-key']}: {error}"


def bearer(settings: Settings) -> str:
    """Return the token for the receiver. Raises ValueError; what it says holds no secret."""
    path = settings["receiver-token-file"]
    if not path:
        raise ValueError("a receiver elsewhere asks for a token: --receiver-token-file")
    try:
        with Path(path).expanduser().open(encoding="ascii") as file:
            return file.read(_LONGEST_TOKEN).strip()
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} holds no token") from None


def _captured(fleet: Fleet) -> Iterator[str]:
    for stream in fleet.streams:
        if stream.how == "file":
            try:
                load(stream.settings["file"])
            except CapturedError as error:
                yield f"{stream.origin or stream.id}: {error}"


def _submission(mta: Mta) -> Iterator[str]:
    """Say what is wrong with the account of a host that is to be made to send by it."""
    submits = any(stream.how == "submission" for stream in mta.streams)
    if mta.probe.level != "send" or not submits or mta.submission is None:
        return
    place = mta.submission.origin or f"mailconform_submission of {mta.name}"
    try:
        context_of(mta.submission)
        if mta.submission.username:
            password_of(mta.submission)
    except ValueError as error:
        yield f"{place}: {error}"


def campaign(settings: Settings) -> Campaign | None:
    """Return what this run is to do; None where nobody is made to send. Raises ValueError."""
    if settings["probe"] not in SENDING or settings["replay"]:
        return None
    top = Path(settings["report-dir"] or settings["reports"])
    where = Where.parse(settings["receiver"])
    return Campaign(
        receiver=where,
        bearer=bearer(settings) if where.url else "",
        domain=settings["receiver-domain"] or "",
        certificate=settings["receiver-certificate"] or "",
        zone_key=settings["receiver-zone-key"] or "",
        wait=settings["probe-wait"],
        collect=settings["probe"] == "collect",
        ledger=top / LEDGER,
        sources=tuple(settings["inventory"]),
        vault_password_file=settings["vault-password-file"] or "",
        by_hand=_asking(top / BY_HAND),
    )


def _asking(path: Path) -> Callable[[Order], None]:
    """Return what asks people to send a message: on standard error, and in a file that only its owner reads."""
    asked: list[str] = []

    def ask(order: Order) -> None:
        text = f"{order.stream.id} ({order.recipe.about}): send one message to {', '.join(order.recipients)}"
        asked.append(printable(text))
        sys.stderr.write(f"\nto be sent by hand: {asked[-1]}\n")
        sys.stderr.flush()
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write("".join(f"{line}\n" for line in asked))

    return ask
