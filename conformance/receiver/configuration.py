"""The configuration of a receiver that runs as a service: a TOML file, and the file of its clients."""

from __future__ import annotations

import ipaddress
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from conformance.receiver.announcement import probe_domain
from conformance.receiver.archive import Retention
from conformance.receiver.desk import Bounds
from conformance.receiver.routes import DEAD, Exchange, Site
from conformance.receiver.sts import PLAIN

LARGEST = 1024 * 1024
MIB = 1024 * 1024

_CLIENT = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]{0,63})\s+([0-9a-f]{64})")


class ConfigurationError(Exception):
    """A file cannot be used; the message has a line for all that is wrong with it, with file and key."""


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ValueError("expected an IP address") from None


def _endpoint(text: str) -> str:
    host, colon, port = text.rpartition(":")
    _address(host.strip("[]"))
    if not colon or not port.isdigit() or not 0 <= int(port) < 65536 or (":" in host) != host.startswith("["):
        raise ValueError("expected ADDRESS:PORT or [ADDRESS]:PORT")
    return text


def _host(text: str) -> str:
    return probe_domain(text)


def _path(value: Any) -> Any:
    """Return a path with variables filled in, such as ``$CREDENTIALS_DIRECTORY``."""
    return Path(os.path.expandvars(value)) if isinstance(value, str) and value else value


Address = Annotated[str, AfterValidator(_address)]
Addresses = Annotated[tuple[Address, ...], Field(max_length=64)]
Host = Annotated[str, AfterValidator(_host)]
Endpoint = Annotated[str, AfterValidator(_endpoint)]
File = Annotated[Path, BeforeValidator(_path)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ExchangePart(_Part):
    """A mail exchanger: addresses as DNS shows them, and those to listen at where they differ (NAT)."""

    addresses: Annotated[Addresses, Field(min_length=1)]
    listen: Addresses = ()

    @model_validator(mode="after")
    def _paired(self) -> ExchangePart:
        if self.listen and len(self.listen) != len(self.addresses):
            raise ValueError("listen has to name one address for each of addresses")
        return self


class TlsPart(_Part):
    """A certificate with its chain, and its key, in PEM: for STARTTLS and, unless it has others, for HTTPS."""

    certificate: File
    key: File


class HttpsPart(_Part):
    """Where runs collect."""

    listen: Annotated[tuple[Endpoint, ...], Field(max_length=16)] = ()
    certificate: File | None = None
    key: File | None = None


class PoliciesPart(_Part):
    """MTA-STS policies of the policy domains: a certificate for their policy hosts, served where runs collect.

    ``plain`` is an exchange more, which never offers STARTTLS to anybody.
    """

    certificate: File
    key: File
    plain: ExchangePart | None = None


class PortsPart(_Part):
    """Ports; others than 25 and 53 are for tries."""

    smtp: Annotated[int, Field(ge=0, le=65535)] = 25
    dns: Annotated[int, Field(ge=0, le=65535)] = 53


class LimitsPart(_Part):
    """Bounds of what is taken."""

    message_mebibytes: Annotated[float, Field(gt=0, le=512)] = 20
    sessions: Annotated[int, Field(gt=0, le=20_000)] = 250
    session_minutes: Annotated[float, Field(gt=0, le=240)] = 60
    opening_days: Annotated[float, Field(gt=0, le=90)] = 14
    lease_minutes: Annotated[float, Field(gt=0, le=1440)] = 60
    recipients: Annotated[int, Field(gt=0, le=1000)] = 100
    tokens: Annotated[int, Field(gt=0, le=1_000_000)] = 100_000


class RetentionPart(_Part):
    """What is kept."""

    days: Annotated[float, Field(gt=0, le=3650)] = 30
    captures: Annotated[int, Field(gt=0, le=10_000_000)] = 200_000
    mebibytes: Annotated[int, Field(ge=1, le=1_048_576)] = 4096


class Configuration(_Part):
    """All of it."""

    domain: Host
    exchange: Annotated[tuple[ExchangePart, ...], Field(min_length=1, max_length=256)]
    clients: File
    tls: TlsPart
    state: File | None = None
    https: HttpsPart = HttpsPart()
    policies: PoliciesPart | None = None
    ports: PortsPart = PortsPart()
    dead: Addresses = DEAD
    nameservers: Annotated[tuple[Host, ...], Field(max_length=16)] = ()
    acme: Host | None = None
    zone_key: File | None = None
    ttl: Annotated[int, Field(ge=0, le=3600)] = 5
    pace: Annotated[float, Field(ge=1, le=1000)] = 1
    limits: LimitsPart = LimitsPart()
    retention: RetentionPart = RetentionPart()

    @model_validator(mode="after")
    def _distinct(self) -> Configuration:
        for what in ("addresses", "listen"):
            known = [address for exchange in self.exchanges for address in getattr(exchange, what)]
            if len(set(known)) != len(known):
                raise ValueError(f"exchange: two exchanges have an address in common ({what})")
            if alive := set(known) & set(self.dead):
                raise ValueError(f"dead: {min(alive)} is an address of an exchange")
        return self

    @property
    def exchanges(self) -> tuple[ExchangePart, ...]:
        """All exchanges, that without STARTTLS last."""
        plain = self.policies.plain if self.policies else None
        return (*self.exchange, plain) if plain else self.exchange

    @property
    def site(self) -> Site:
        """The probe domain and what stands in it."""
        exchanges = tuple(
            Exchange(f"mx{number}", part.addresses, part.listen) for number, part in enumerate(self.exchange, 1)
        )
        plain = self.policies.plain if self.policies else None
        return Site(
            self.domain,
            exchanges,
            self.dead,
            self.nameservers,
            self.acme or "",
            self.ttl,
            policies=self.policies is not None,
            signed=True,
            plain=Exchange(PLAIN, plain.addresses, plain.listen) if plain else None,
        )

    @property
    def bounds(self) -> Bounds:
        """How much may be asked for."""
        limits = self.limits
        return Bounds(
            longest=limits.opening_days * 86400,
            lease=limits.lease_minutes * 60,
            recipients=limits.recipients,
            tokens=limits.tokens,
            octets=self.message_octets,
        )

    @property
    def message_octets(self) -> int:
        """The largest message that is taken."""
        return int(self.limits.message_mebibytes * MIB)

    @property
    def retained(self) -> Retention:
        """What is kept."""
        kept = self.retention
        return Retention(kept.days * 86400, kept.captures, kept.mebibytes * MIB)

    @property
    def database(self) -> Path:
        """The file of the archive."""
        return self._folder / "receiver.db"

    @property
    def zone_key_file(self) -> Path:
        """The file of the key that signs the zone; the receiver makes it where there is none."""
        return self.zone_key or self._folder / "zone-key.pem"

    @property
    def _folder(self) -> Path:
        """``state``, or the folder that systemd gives the service."""
        return self.state or Path(os.environ.get("STATE_DIRECTORY", "/var/lib/mailconform-receiver"))

    @property
    def https_files(self) -> tuple[Path, Path]:
        """Certificate and key for HTTPS."""
        return self.https.certificate or self.tls.certificate, self.https.key or self.tls.key


def load(path: Path) -> Configuration:
    """Read a configuration. Raises ConfigurationError with all that is wrong."""
    text = _text(path)
    try:
        return Configuration.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path}: {error}") from None
    except ValidationError as error:
        lines = (f"{path}: {_where(one['loc'])}{_said(one)}" for one in error.errors(include_url=False))
        raise ConfigurationError("\n".join(lines)) from None


def load_clients(path: Path) -> Mapping[str, str]:
    """Return SHA-256 of bearer tokens by the name of the client. Raises ConfigurationError."""
    clients: dict[str, str] = {}
    wrong: list[str] = []
    for number, line in enumerate(_text(path).splitlines(), 1):
        if not (said := line.partition("#")[0].strip()):
            continue
        # A line that is wrong may hold a secret: it is not shown.
        if not (match := _CLIENT.fullmatch(said)):
            wrong.append(f"{path}:{number}: expected NAME and SHA-256 in hexadecimal")
        elif match[1] in clients:
            wrong.append(f"{path}:{number}: {match[1]} has a line already")
        else:
            clients[match[1]] = match[2]
    if wrong:
        raise ConfigurationError("\n".join(wrong))
    return clients


def is_client(line: str) -> bool:
    """Return whether a line of the file of clients is one that is read."""
    return bool(_CLIENT.fullmatch(line))


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST:
            raise ConfigurationError(f"{path}: is larger than {LARGEST >> 20} MiB")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path}: is not UTF-8") from None


def _where(loc: Sequence[int | str]) -> str:
    return "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in loc)[1:] + (": " if loc else "")


def _said(error: Any) -> str:
    message = {"extra_forbidden": "no such key", "missing": "is needed"}.get(error["type"], error["msg"])
    return str(message).removeprefix("Value error, ")
