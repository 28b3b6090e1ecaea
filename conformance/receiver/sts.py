"""MTA-STS policies of domains of ours (RFC 8461): what DNS and the policy hosts say of them, and who asked.

The domains are the same for every opening, so that a certificate can be had for their policy hosts.
"""

from __future__ import annotations

import hashlib
import ssl
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Literal

from conformance.receiver.capture import Visit
from conformance.receiver.http import Request, Response
from conformance.receiver.turns import address_of

PATH = "/.well-known/mta-sts.txt"
MAX_AGE = 86400
"""Seconds for which a policy may be remembered (RFC 8461 section 3.2)."""
PLAIN, MISMATCH, DANE = "mx-plain", "mx1.mismatch", "mx-dane"
"""Labels of exchanges: one never offers STARTTLS, one has a certificate for another name, one TLSA records for another
key.

A wildcard certificate of the probe domain covers one label alone (RFC 9525 section 6.3).
"""
ELSEWHERE = "elsewhere.mismatch"
"""Label of an exchange that nobody has, and that the certificate does not cover: some hosts, such as Postfix, compare
the names in the certificate with the policy, and not that of the exchange.
"""
_KEPT = 16
_MOST_HOST = 253


@dataclass(frozen=True, slots=True)
class PolicyDomain:
    """A domain with a policy. ``exchange`` is the label of its MX host, ``listed`` that of the host in the policy."""

    about: str
    mode: Literal["enforce", "testing"] = "enforce"
    exchange: str = ""
    """Empty: the main exchange."""
    listed: str = ""
    """Empty: the same as the MX host."""
    status: HTTPStatus = HTTPStatus.OK
    """How its policy host answers."""

    @property
    def needs_signed_zone(self) -> bool:
        """Whether it comes to nothing where the zone is not signed."""
        return self.exchange == DANE


DOMAINS: Mapping[str, PolicyDomain] = {
    "sts-enforce": PolicyDomain("an enforced policy that all agrees with"),
    "sts-unlisted": PolicyDomain("an enforced policy that lists another exchange", listed=ELSEWHERE),
    "sts-mismatch": PolicyDomain("an enforced policy with a certificate for another name", exchange=MISMATCH),
    "sts-plain": PolicyDomain("an enforced policy without STARTTLS", exchange=PLAIN),
    "sts-dane": PolicyDomain("an enforced policy, and TLSA records for another key", exchange=DANE),
    "sts-testing": PolicyDomain("a policy in testing that lists another exchange", "testing", listed=ELSEWHERE),
    "sts-missing": PolicyDomain("a TXT record without a policy", listed=ELSEWHERE, status=HTTPStatus.NOT_FOUND),
    "sts-redirect": PolicyDomain("a policy behind a redirect", listed=ELSEWHERE, status=HTTPStatus.FOUND),
}
"""Policy domains by their label below the probe domain, which is the name of their route too."""


class Policies:
    """The policies below a probe domain. ``main`` is the label of its main exchange."""

    def __init__(self, domain: str, main: str) -> None:
        self._domain = domain
        self._main = main
        self._failed = dict.fromkeys(DOMAINS, 0)
        """Handshakes that began, less the requests that came."""
        self._visits: dict[str, deque[Visit]] = {label: deque(maxlen=_KEPT) for label in DOMAINS}

    def hosts(self) -> Iterator[str]:
        """Yield the names that a certificate for the policy hosts has to cover."""
        yield from (f"mta-sts.{label}.{self._domain}" for label in DOMAINS)

    def exchange(self, label: str) -> str:
        """Return the name of the MX host of a policy domain."""
        return f"{DOMAINS[label].exchange or self._main}.{self._domain}"

    def record(self, label: str) -> str:
        """Return the data of a policy domain's TXT record (RFC 8461 section 3.1)."""
        name = hashlib.sha256(self.text(label).encode()).hexdigest()[:20]
        return f'"v=STSv1; id={name};"'

    def text(self, label: str) -> str:
        """Return the policy of a domain (RFC 8461 section 3.2)."""
        policy = DOMAINS[label]
        listed = f"{policy.listed}.{self._domain}" if policy.listed else self.exchange(label)
        return f"version: STSv1\r\nmode: {policy.mode}\r\nmx: {listed}\r\nmax_age: {MAX_AGE}\r\n"

    def label(self, host: str) -> str:
        """Return the label of the domain that a host serves the policy of; empty where it is no policy host."""
        name = host[:_MOST_HOST].lower().removesuffix(".")
        label = name.removeprefix("mta-sts.").removesuffix(f".{self._domain}")
        return label if label in DOMAINS and name == f"mta-sts.{label}.{self._domain}" else ""

    def asked(self, name: str | None) -> None:
        """Note that a TLS handshake for a host began."""
        if label := self.label(name or ""):
            self._failed[label] += 1

    def context(self, tls: ssl.SSLContext, other: ssl.SSLContext | None = None) -> ssl.SSLContext:
        """Return what HTTPS begins with: ``tls`` at policy hosts, ``other`` elsewhere; handshakes are noted."""

        def named(connection: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
            self.asked(name)
            if other is not None and self.label(name or ""):
                connection.context = tls

        first = other or tls
        first.sni_callback = named
        return first

    async def __call__(self, request: Request) -> Response:
        """Answer a request to a policy host."""
        host = request.headers.get("host", "").partition(":")[0]
        label = self.label(host)
        if not label or request.path != PATH or request.method not in ("GET", "HEAD"):
            return _plain(HTTPStatus.NOT_FOUND, "")
        status = DOMAINS[label].status
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._visits[label].append(Visit(now, address_of(request.peer), int(status)))
        # Each fetch is a connection of its own, so that handshakes can be told from requests.
        self._failed[label] -= 1
        if status is HTTPStatus.FOUND:
            where = f"https://mta-sts.sts-unlisted.{self._domain}{PATH}"
            return _plain(status, "", {"location": where})
        return _plain(status, self.text(label) if status is HTTPStatus.OK else "no policy\r\n")

    def visits(self, label: str) -> tuple[Visit, ...]:
        """Return the fetches of a domain's policy, and one of status 0 where handshakes came to none."""
        fetched = tuple(self._visits[label])
        return (*fetched, Visit("", "", 0)) if self._failed[label] > 0 else fetched


def _plain(status: HTTPStatus, text: str, headers: Mapping[str, str] | None = None) -> Response:
    fixed = {"content-type": "text/plain; charset=utf-8", "connection": "close"}
    return Response(status, text.encode(), fixed | dict(headers or {}))
