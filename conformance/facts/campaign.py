"""Everything that a run needs to make hosts send: which receiver, how long to wait, where to note what is under way."""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from conformance.facts.ledger import Ledger
from conformance.facts.letter import Order
from conformance.facts.redaction import Redactor
from conformance.facts.sending import Sender
from conformance.facts.shell import Shells
from conformance.facts.store import Store, key_of
from conformance.facts.submission import Resolve, Submitter
from conformance.facts.trial import State, Trial
from conformance.facts.trying import Clock, Collecting, Tries, new_run
from conformance.fleet.model import Fleet
from conformance.fleet.sending import Probe
from conformance.receiver.announcement import Denied, Foreign, ReceiverError, probe_domain
from conformance.receiver.client import Receiver

if TYPE_CHECKING:
    import ssl

    from conformance.receiver.certificates import Certificates
    from conformance.receiver.zonekey import ZoneKey

EMBEDDED = "embedded"
FASTEST = 1000
"""The highest pace of a receiver."""
_FORM = "a URL, embedded, embedded:ADDRESS, embedded:ADDRESS:PORT or one of these with /PACE"


@dataclass(frozen=True, slots=True)
class Where:
    """Where a receiver is: at a URL, or inside this process at an address. ``pace`` divides its pauses."""

    url: str = ""
    address: str = "127.0.0.1"
    port: int = 25
    pace: float = 1.0

    @classmethod
    def parse(cls, text: str) -> Where:
        """Read what ``--receiver`` may say. Raises ValueError."""
        kind, _, rest = text.partition(":")
        kind, _, early = kind.partition("/")
        if kind != EMBEDDED:
            if "://" not in text:
                raise ValueError(f"{text!r} is no receiver: it is {_FORM}")
            return cls(url=text)
        place, _, pace = rest.partition("/") if rest else ("", "", early)
        try:
            parts = urlsplit(f"//{place}" if place.count(":") < 2 or place.startswith("[") else f"//[{place}]")
            found = cls(
                address=str(ipaddress.ip_address(parts.hostname or "127.0.0.1")),
                port=parts.port if parts.port is not None else 25,
                pace=float(pace or 1),
            )
        except ValueError:
            raise ValueError(f"{text!r} is no receiver: it is {_FORM}") from None
        if not 1 <= found.pace <= FASTEST:
            raise ValueError(f"{text!r}: a pace lies between 1 and {FASTEST}")
        return found


@dataclass(frozen=True, slots=True)
class Campaign:
    """What a run was asked to do. ``by_hand`` is told what people are to send themselves."""

    receiver: Where
    bearer: str = field(default="", repr=False)
    domain: str = ""
    """The probe domain, where it is named: no other one is sent to."""
    certificate: str = ""
    """File with certificate chain and key of an embedded receiver, where it has one that hosts trust."""
    zone_key: str = ""
    """File with the key that an embedded receiver signs its zone with; empty: it makes one for itself."""
    wait: float = 600.0
    """Seconds that are waited for one trial at most."""
    collect: bool = False
    """Whether nothing is sent, and what was sent before is collected."""
    ledger: Path | None = None
    sources: tuple[str, ...] = ()
    """Sources of the inventory, for Ansible."""
    vault_password_file: str = ""
    by_hand: Callable[[Order], None] = field(default=lambda order: None, repr=False)


class Trier(Protocol):
    """Makes trials, or finds them: ``begun`` of them so far, ``ended`` of these are over."""

    begun: int
    ended: int

    async def trial(self, probe: Probe, name: str) -> Trial:
        """Return one trial. Raises nothing for what hosts, network and receiver do."""
        ...


class _Absent:
    """Stands for a receiver that cannot be asked."""

    def __init__(self, why: str) -> None:
        self.begun = self.ended = 0
        self._why = f"the receiver: {why}"

    async def trial(self, probe: Probe, name: str) -> Trial:
        """Return a trial that was not made."""
        return Trial(*key_of(probe, name), state=State.UNREACHED, error=self._why, cause=self._why)


@contextlib.asynccontextmanager
async def begin(
    campaign: Campaign,
    fleet: Fleet,
    store: Store,
    notes: list[str],
    *,
    ehlo: str,
    timeout: float,
    resolve: Resolve,
) -> AsyncIterator[Trier]:
    """Give what makes the trials of a run; end all that it started. What is worth knowing is added to ``notes``.

    Raises ValueError where it was asked for in vain: a receiver that cannot be had, a token that is not accepted.
    """
    async with _receiver(campaign, notes) as receiver:
        try:
            said = await receiver.announce()
            said = replace(said, domain=probe_domain(said.domain))
        except (Denied, Foreign) as error:
            raise ValueError(f"the receiver: {error}") from None
        except ReceiverError as error:
            yield _Absent(str(error))
            return
        if not 1 <= said.pace <= FASTEST:
            raise ValueError(f"the receiver announces a pace of {said.pace:g}, which none can have")
        clock, ledger = Clock.of(said.time), _ledger(campaign)
        notes += filter(None, (clock.told(),))
        if campaign.collect:
            assert ledger is not None
            yield Collecting(receiver, said, clock, ledger)
            return
        redact = Redactor((campaign.bearer, *secrets_of(fleet)))
        shells = Shells(campaign.sources, redact, campaign.vault_password_file)
        try:
            submitter = Submitter(ehlo=ehlo, timeout=timeout, resolve=resolve, redact=redact)
            sender = Sender(fleet, said.domain, submitter, shells, redact, campaign.by_hand, clock.now)
            run = new_run()
            yield Tries(receiver, said, clock, sender, fleet, store, run=run, wait=campaign.wait, ledger=ledger)
        finally:
            shells.close()
            if ledger is not None:
                ledger.save()
                notes += filter(None, (ledger.trouble,))
        notes.append(
            f"hosts were made to send {sender.handed} messages to {said.domain}, marked Mailconform-Run: {run}"
        )


@contextlib.asynccontextmanager
async def _receiver(campaign: Campaign, notes: list[str]) -> AsyncIterator[Receiver]:
    """Give the receiver. Raises ValueError."""
    where = campaign.receiver
    if where.url:
        from conformance.receiver.remote import Remote

        async with Remote(where.url, campaign.bearer, domain=campaign.domain) as remote:
            yield remote
        return
    from conformance.receiver.ephemeral import DOMAIN, Ephemeral

    certificates, policies = shown(Path(campaign.certificate).expanduser()) if campaign.certificate else (None, None)
    key = kept_key(Path(campaign.zone_key).expanduser()) if campaign.zone_key else None
    embedded = Ephemeral(
        where.address,
        key=key,
        certificates=certificates,
        policies=policies,
        domain=campaign.domain or DOMAIN,
        pace=where.pace,
        smtp_port=where.port,
        dns_port=53 if where.port == 25 else 0,
    )
    try:
        await embedded.start()
    except ReceiverError as error:
        raise ValueError(f"the embedded receiver cannot listen: {error}") from None
    try:
        place = f"{embedded.nameserver} port {embedded.dns_port}"
        notes.append(f"the receiver was a part of this run; {embedded.domain} was answered for at {place}")
        if key:
            notes.append(
                f"its zone is signed; the zone above needs: {embedded.domain}. IN DS {key.ds(embedded.domain)}"
            )
        yield embedded
    finally:
        await embedded.stop()


def shown(path: Path) -> tuple[Certificates, ssl.SSLContext]:
    """Return what a receiver shows a certificate with, chain and key in one file. Raises ValueError."""
    import ssl

    from conformance.receiver.certificates import Certificates

    try:
        octets = path.read_bytes()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(path, password="")
        return Certificates(octets, octets), context
    except OSError as error:
        # An error of TLS is one of these, too.
        raise ValueError(f"{path} cannot be used: {error.strerror or error}") from None
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} cannot be used: {error}") from None


def kept_key(path: Path) -> ZoneKey:
    """Return the key of a zone, which is made where there is no file of it. Raises ValueError."""
    from conformance.receiver.zonekey import ZoneKey, ZoneKeyError

    try:
        return ZoneKey.kept(path)
    except ZoneKeyError as error:
        raise ValueError(str(error)) from None


def _ledger(campaign: Campaign) -> Ledger | None:
    return Ledger(campaign.ledger, campaign.receiver.url) if campaign.ledger and campaign.receiver.url else None


def secrets_of(fleet: Fleet) -> tuple[str, ...]:
    """Return the secrets that the inventory holds."""
    passwords = [mta.submission.password for mta in fleet.mtas if mta.submission]
    connections = [str(value) for mta in fleet.mtas for name, value in mta.connection.items() if "pass" in name]
    return tuple(filter(None, (*passwords, *connections)))
