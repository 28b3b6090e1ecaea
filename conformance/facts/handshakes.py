"""What TLS a host brings to a session: whether it asks for it, what it offers, what it does when it fails."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from conformance.facts.delivery import nothing_came
from conformance.facts.outcomes import undelivered
from conformance.facts.trial import Trial
from conformance.facts.tried import Tried
from conformance.outcome import NotApplicable, Undetermined
from conformance.reading.excerpt import listed, quoted
from conformance.receiver.capture import Capture, ClientHello, Tls, Transaction

_WEAK = re.compile(r"_NULL_|EXPORT|_RC4_|_RC2_|_DES_|_DES40_")
"""Suites that no client may offer (RFC 9325 section 4.1)."""
_AGEING = re.compile(r"_3DES_|_IDEA_")
"""Suites of 112 to 127 bits, or of a cipher with blocks of 64 bits, which a client should not offer."""
_ANONYMOUS = re.compile(r"_anon_")
_STRONG = re.compile(r"TLS_(?:(?:ECDHE|DHE)_.+_)?(?:AES_(?:128|256)_(?:GCM|CCM)|CHACHA20_POLY1305)")
"""AEAD with ephemeral keys (RFC 9325 section 4.2); suites of TLS 1.3 name no key exchange."""


@dataclass(frozen=True, slots=True)
class Handshakes(Tried):
    """What is to be said against a host's TLS in some trials; every list is empty where nothing is."""

    @property
    def unused(self) -> list[str]:
        """Messages that came in clear text though TLS was offered."""
        return self.find(_unused)

    def without(self, version: str) -> list[str]:
        """Return the handshakes that came to an older version, or failed for want of ``version`` in the ClientHello."""
        return self.find(lambda trial: _without(trial, version))

    @property
    def old(self) -> list[str]:
        """Handshakes that came to TLS 1.0 or 1.1."""
        return self.find(_old)

    @property
    def weak_ciphers(self) -> list[str]:
        """Cipher suites that were offered and must not be, or the lack of any good one."""
        return self.find(_weak)

    @property
    def ageing_ciphers(self) -> list[str]:
        """Cipher suites that were offered and should not be."""
        return self.find(_ageing)

    @property
    def anonymous_ciphers(self) -> list[str]:
        """Cipher suites without authentication that were offered."""
        return self.find(_anonymous)

    @property
    def no_server_names(self) -> list[str]:
        """ClientHellos without the server's name."""
        return self.find(_no_server_name)

    @property
    def wrong_server_names(self) -> list[str]:
        """ClientHellos with another name than that of the exchange."""
        return self.find(_wrong_server_name)

    @property
    def undelivered(self) -> list[str]:
        """Mail that did not come since TLS did not go as the client wanted."""
        return self.find(lambda trial: [f"{trial.name}: {text}" for text in undelivered(trial)])


def _offers(capture: Capture) -> bool:
    return any(one.upper() == "STARTTLS" for one in capture.extensions)


def _asked_for_nothing(capture: Capture) -> bool:
    """Whether a session never said EHLO, and so could not learn what is offered (RFC 5321 section 3.2)."""
    return bool(capture.hellos) and all(one.verb.upper() == "HELO" for one in capture.hellos)


def in_tls(capture: Capture, transaction: Transaction) -> bool:
    """Return whether a transaction was made inside TLS."""
    return bool(capture.tls and capture.tls.version and capture.tls.at <= transaction.at)


def _unused(trial: Trial) -> Iterator[str]:
    came = [(capture, one) for capture, one in trial.accepted if _offers(capture) or _asked_for_nothing(capture)]
    if not came:
        raise nothing_came(trial)
    for capture, one in came:
        if _asked_for_nothing(capture):
            yield "the message came in clear text: the session greets with HELO, which asks for no STARTTLS"
        elif not in_tls(capture, one):
            failed = f": the handshake failed ({capture.tls.error})" if capture.tls else ""
            yield f"the message came in clear text to a receiver that offers STARTTLS{failed}"


def _handshakes(trial: Trial) -> list[Tls]:
    """Return the handshakes of a trial. Raises Undetermined when there are none."""
    made = [capture.tls for capture in trial.captures if capture.tls]
    if not made:
        raise NotApplicable("no session asked for TLS, see tls.out-used")
    return made


def _hellos(trial: Trial) -> Iterator[tuple[Capture, ClientHello]]:
    """Yield what clients offered in handshakes. Raises Undetermined when none was seen."""
    _handshakes(trial)
    held = [(capture, capture.tls.hello) for capture in trial.captures if capture.tls and capture.tls.hello]
    if not held:
        raise Undetermined(f"{trial.ref}: no ClientHello was seen")
    yield from held


def _without(trial: Trial, version: str) -> Iterator[str]:
    made = _handshakes(trial)
    if any(one.version >= version for one in made if one.version):
        return
    for one in made:
        if one.version:
            yield f"the handshake came to {one.version}"
        elif one.hello and version not in one.hello.versions:
            yield f"the ClientHello offers {listed(one.hello.versions) or 'no version'}"
        else:
            seen = "though it is offered" if one.hello else "and no ClientHello was seen"
            raise Undetermined(f"{trial.ref}: the handshake failed ({one.error or 'no reason'}), {seen}")


def _old(trial: Trial) -> Iterator[str]:
    for one in _handshakes(trial):
        if one.version in ("TLSv1", "TLSv1.0", "TLSv1.1", "SSLv3"):
            yield f"the handshake came to {one.version}"


def _weak(trial: Trial) -> Iterator[str]:
    for _, hello in _hellos(trial):
        if weak := [cipher for cipher in hello.ciphers if _WEAK.search(cipher)]:
            yield f"the ClientHello offers {listed(weak, 3)}"
        elif not any(_STRONG.match(cipher) for cipher in hello.ciphers):
            yield f"the ClientHello offers no AEAD suite with ephemeral keys: {listed(hello.ciphers, 3)}"


def _ageing(trial: Trial) -> Iterator[str]:
    for _, hello in _hellos(trial):
        if found := [cipher for cipher in hello.ciphers if _AGEING.search(cipher)]:
            yield f"the ClientHello offers {listed(found, 3)}"


def _anonymous(trial: Trial) -> Iterator[str]:
    for _, hello in _hellos(trial):
        if found := [cipher for cipher in hello.ciphers if _ANONYMOUS.search(cipher)]:
            yield f"the ClientHello offers {listed(found, 3)}"


def _no_server_name(trial: Trial) -> Iterator[str]:
    for capture, hello in _hellos(trial):
        if not hello.sni:
            yield f"the ClientHello for {capture.exchange or capture.local} names no server"


def _wrong_server_name(trial: Trial) -> Iterator[str]:
    for capture, hello in _hellos(trial):
        if hello.sni and capture.exchange and hello.sni.rstrip(".").lower() != capture.exchange.rstrip(".").lower():
            yield f"the ClientHello for {capture.exchange} names {quoted(hello.sni)}"
