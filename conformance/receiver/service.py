"""The receiver as a service: sockets, certificates, signals, and the interface over HTTPS."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from cryptography import x509
from OpenSSL import SSL

from conformance.receiver import activation, http
from conformance.receiver.api import Api, Bearers
from conformance.receiver.archive import Archive
from conformance.receiver.certificates import Certificates
from conformance.receiver.configuration import MIB, Configuration, ConfigurationError, PoliciesPart, load_clients
from conformance.receiver.dnswire import bind as bind_names
from conformance.receiver.limits import Limits
from conformance.receiver.scenario import PLAIN
from conformance.receiver.station import Station, bind
from conformance.receiver.sts import Policies
from conformance.receiver.zonekey import ZoneKey, ZoneKeyError

_LOG = logging.getLogger("mailconform.receiver")
_KINDS = ("smtp", "dns", "https")

Pair = tuple[socket.socket, socket.socket]
_T = TypeVar("_T")


class ServiceError(Exception):
    """The service cannot start; the message says why."""


class Service:
    """A receiver as configured. Raises ConfigurationError when files that it names cannot be used."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        limits = configuration.limits
        octets = configuration.message_octets
        self._station = Station(
            configuration.site,
            Archive(configuration.database, configuration.retained),
            smtp_certificates(configuration),
            limits=Limits(
                sessions=limits.sessions,
                session_seconds=limits.session_minutes * 60,
                message=octets,
                session_octets=max(64 * MIB, 2 * octets),
            ),
            bounds=configuration.bounds,
            pace=configuration.pace,
            key=zone_key(configuration),
        )
        self._policies = self._station.desk.policies
        self._tls = https_context(configuration)
        if configuration.policies:
            self._tls = self._policies.context(policies_context(configuration.policies), self._tls)
        self._api = Api(self._station.desk, bearers(configuration), lambda: self._station.trouble)
        self._https: list[http.Running] = []

    async def run(self, given: Mapping[str, Sequence[socket.socket]]) -> None:
        """Serve until SIGTERM or SIGINT; SIGHUP reads the clients anew.

        ``given`` are sockets that are open already. Raises ServiceError, DatabaseError and OSError.
        """
        over = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, over.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        smtp, names, https = self._sockets(given)
        await self._station.start(smtp, names)
        try:
            for listening in https:
                self._https.append(await http.serve(self._asked, listening, self._tls))
            for kind, sockets in (("smtp", smtp), ("dns", [udp for udp, _ in names]), ("https", https)):
                for one in sockets:
                    _LOG.info("%s at %s port %d", kind, *one.getsockname()[:2])
            activation.notify("READY=1")
            await over.wait()
            activation.notify("STOPPING=1")
            _LOG.info("stopping")
        finally:
            for running in self._https:
                running.close()
            await self._station.stop()

    async def _asked(self, request: http.Request) -> http.Response:
        """Answer a request: at a policy host its policy, elsewhere those who collect."""
        host = request.headers.get("host", "").partition(":")[0]
        serves = self._configuration.policies is not None and self._policies.label(host)
        return await (self._policies(request) if serves else self._api(request))

    def _sockets(
        self, given: Mapping[str, Sequence[socket.socket]]
    ) -> tuple[Sequence[socket.socket], Sequence[Pair], Sequence[socket.socket]]:
        """Return sockets for SMTP, DNS and HTTPS: those that were given, and bound ones of a kind without any."""
        if unknown := sorted(set(given) - set(_KINDS)):
            raise ServiceError(f"sockets are named {', '.join(unknown)}; expected {', '.join(_KINDS)}")
        wanted = self._configuration
        smtp = list(given.get("smtp", ()))
        if not smtp:
            local = [address for exchange in wanted.site.listening for address in exchange.listening]
            smtp = [_bound(bind, address, wanted.ports.smtp) for address in local]
        if "dns" in given:
            names = _pairs(given["dns"])
        else:
            names = [_bound(bind_names, address, wanted.ports.dns) for address in wanted.site.exchanges[0].listening]
        https = list(given.get("https", ()))
        if not https:
            ends = [end.rpartition(":") for end in wanted.https.listen]
            https = [_bound(bind, host.strip("[]"), int(port)) for host, _, port in ends]
        if not https:
            raise ServiceError("nobody could collect: neither https.listen nor a socket named https")
        return smtp, names, https

    def _reload(self) -> None:
        """Read the clients anew; a file that cannot be used leaves the old ones in place."""
        activation.notify("RELOADING=1")
        try:
            self._api.bearers = bearers(self._configuration)
            _LOG.info("clients were read anew")
        except ConfigurationError as error:
            _LOG.error("clients were not read anew: %s", error)
        activation.notify("READY=1")


def bearers(configuration: Configuration) -> Bearers:
    """Return those who may ask. Raises ConfigurationError."""
    return Bearers(load_clients(configuration.clients))


def zone_key(configuration: Configuration) -> ZoneKey:
    """Return the key that signs the zone; it is made where there is none. Raises ConfigurationError."""
    try:
        return ZoneKey.kept(configuration.zone_key_file)
    except ZoneKeyError as error:
        raise ConfigurationError(f"zone_key: {error}") from None


def parent_records(configuration: Configuration) -> Iterator[str]:
    """Yield the records that the zone above the probe domain needs, in presentation format. Raises ConfigurationError.

    That of the key comes last, and is left out where the key has not been made yet.
    """
    site = configuration.site
    yield from (f"{site.domain}. IN NS {name}." for name in site.servers)
    for name in site.servers:
        if name.endswith(f".{site.domain}"):
            for address in site.exchanges[0].addresses:
                yield f"{name}. IN {'AAAA' if ':' in address else 'A'} {address}"
    path = configuration.zone_key_file
    try:
        if path.exists():
            yield f"{site.domain}. IN DS {ZoneKey.read(path).ds(site.domain)}"
    except (OSError, ZoneKeyError) as error:
        raise ConfigurationError(f"zone_key: {error}") from None


def smtp_certificates(configuration: Configuration) -> Certificates:
    """Return the certificates of the exchanges. Raises ConfigurationError."""
    part = configuration.tls
    chain, key = _octets(part.certificate), _octets(part.key)
    try:
        made = Certificates(chain, key)
        # Whatever keeps TLS from beginning is to be said now, and not to the first host that says STARTTLS.
        made.context("good", configuration.domain, *PLAIN.versions, PLAIN.client_certificate)
    except (ValueError, TypeError, MemoryError, SSL.Error) as error:
        raise ConfigurationError(f"tls: {part.certificate} and {part.key} cannot be used: {error}") from None
    return made


def https_context(configuration: Configuration) -> ssl.SSLContext:
    """Return what HTTPS is served with. Raises ConfigurationError."""
    return _server_context("https", *configuration.https_files)


def policies_context(part: PoliciesPart) -> ssl.SSLContext:
    """Return what policies are served with. Raises ConfigurationError."""
    return _server_context("policies", part.certificate, part.key)


def _server_context(what: str, certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    _octets(certificate)
    _octets(key)
    try:
        context.load_cert_chain(certificate, key, password="")
    except (OSError, ssl.SSLError, ValueError) as error:
        raise ConfigurationError(f"{what}: {certificate} and {key} cannot be used: {error}") from None
    return context


def check_everything(configuration: Configuration) -> Iterator[str]:
    """Try all files that a configuration names, without serving; yield what is doubtful. Raises ConfigurationError."""
    if not bearers(configuration).names:
        yield f"{configuration.clients} names no client: nobody can collect"
    smtp_certificates(configuration)
    https_context(configuration)
    if not any(" IN DS " in line for line in parent_records(configuration)):
        yield f"{configuration.zone_key_file} is not there yet: the service makes the zone's key when it starts"
    site = configuration.site
    exchanges = {site.name(exchange) for exchange in site.listening}
    wanted = [(configuration.tls.certificate, exchanges), (configuration.https_files[0], {site.domain})]
    if configuration.policies:
        policies_context(configuration.policies)
        hosts = Policies(site.domain, site.exchanges[0].label).hosts()
        wanted.append((configuration.policies.certificate, set(hosts)))
    for path, names in wanted:
        leaf = x509.load_pem_x509_certificates(_octets(path))[0]
        if uncovered := sorted(name for name in names if not _covers(leaf, name)):
            yield f"{path} does not cover {', '.join(uncovered)}"
        if leaf.not_valid_after_utc < datetime.now(UTC):
            yield f"{path} expired on {leaf.not_valid_after_utc:%Y-%m-%d}"


def _covers(leaf: x509.Certificate, name: str) -> bool:
    """Return whether a certificate holds for a host name (RFC 9525 section 6.3)."""
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    known = {one.lower() for one in names.get_values_for_type(x509.DNSName)}
    return name in known or f"*.{name.partition('.')[2]}" in known


def _octets(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from None


def _bound(make: Callable[[str, int], _T], address: str, port: int) -> _T:
    try:
        return make(address, port)
    except OSError as error:
        raise ServiceError(f"{address} port {port}: {error.strerror}") from None


def _pairs(given: Sequence[socket.socket]) -> list[Pair]:
    """Return UDP and TCP sockets of each address together. Raises ServiceError where one lacks the other."""
    by_end: dict[tuple[str, int], dict[int, socket.socket]] = {}
    for one in given:
        by_end.setdefault(one.getsockname()[:2], {})[one.type] = one
    for (address, port), pair in by_end.items():
        if set(pair) != {socket.SOCK_DGRAM, socket.SOCK_STREAM}:
            raise ServiceError(f"DNS at {address} port {port} needs a UDP and a TCP socket")
    return [(pair[socket.SOCK_DGRAM], pair[socket.SOCK_STREAM]) for pair in by_end.values()]


def serve(configuration: Configuration) -> None:
    """Be the service, until it is told to stop. Raises ConfigurationError, ServiceError, DatabaseError and OSError."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    os.umask(0o077)
    given = activation.sockets(os.environ)
    asyncio.run(Service(configuration).run(given))
