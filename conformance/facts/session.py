"""One SMTP session with a listener of the fleet, as it went."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from enum import StrEnum

from conformance.fleet.model import Listener, listener_id
from conformance.outcome import Undetermined


class End(StrEnum):
    """How a session ended. Everything but COMPLETE and BAD_GREETING leaves its later steps undetermined."""

    COMPLETE = "complete"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    RESET = "reset"
    UNREACHABLE = "unreachable"
    BAD_GREETING = "bad-greeting"
    CLOSED = "closed"
    TLS_ERROR = "tls-error"
    UNRESOLVED = "unresolved"
    SKIPPED = "skipped"
    """The run was told to open no session."""
    UNASKED = "unasked"
    """A replay without this session."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line on the wire: ``at`` in milliseconds since the connection began, ``side`` ``C``, ``S`` or ``*`` (note).

    ``text`` is the octets decoded as Latin-1, without the line end, cut at 4 KiB.
    """

    at: float
    side: str
    text: str


@dataclass(frozen=True, slots=True)
class Reply:
    """An SMTP reply: code and its lines of text (RFC 5321 section 4.2)."""

    code: int
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Digests:
    """Digests of a certificate and of its public key (DER of SubjectPublicKeyInfo), in hex."""

    sha256: str
    sha512: str
    key_sha256: str
    key_sha512: str

    @property
    def sums(self) -> tuple[tuple[int, int, str], ...]:
        """The digests with the selector and matching type that TLSA records have for each (RFC 6698 section 2.1)."""
        return (0, 1, self.sha256), (0, 2, self.sha512), (1, 1, self.key_sha256), (1, 2, self.key_sha512)


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate that the server sent behind its own and that has signed the one before it."""

    subject: str
    digests: Digests
    not_before: str
    not_after: str
    """Times are ISO 8601 in UTC."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """The server's leaf certificate. ``names`` are its DNS subjectAltNames (or common names when it has none)."""

    subject: str
    issuer: str
    names: tuple[str, ...]
    addresses: tuple[str, ...]
    not_before: str
    not_after: str
    """Times are ISO 8601 in UTC."""
    sha256: str
    verified: bool
    verify_error: str = ""
    chain: tuple[str, ...] = ()
    """Subjects of the certificates after the leaf."""
    digests: Digests | None = None
    path: tuple[Authority, ...] | None = None
    """Authorities among them that lead on from the leaf, the nearest first; None where Python offers no chain."""

    def lapsed(self, moment: str) -> str:
        """Return why the certificate is not valid at a moment, in ISO 8601; empty when it is."""
        return lapsed(self.not_before, self.not_after, moment)


def lapsed(not_before: str, not_after: str, moment: str) -> str:
    """Return why what is valid between two times is not so at a moment; empty when it is. All are ISO 8601."""
    begins, ends, now = (datetime.datetime.fromisoformat(text) for text in (not_before, not_after, moment))
    if now < begins:
        return f"it is not valid before {begins:%Y-%m-%d %H:%M} UTC"
    return f"it expired on {ends:%Y-%m-%d %H:%M} UTC" if now > ends else ""


@dataclass(frozen=True, slots=True)
class Session:
    """What one listener did when it was dialled.

    ``old_tls`` says what a second session that offered only TLS 1.0 and 1.1 came to: ``accepted``, ``refused``,
    or empty when it was not tried or failed for another reason (``old_tls_error``).
    """

    host: str
    port: int
    tls: str
    target: str
    """Address that was dialled."""
    end: End
    stage: str = ""
    """Step at which a session that did not complete stopped: connect, greeting, ehlo, starttls, handshake, ehlo-tls."""
    error: str = ""
    cause: str = ""
    """Set where the session failed for a reason that others share: the text that is the same for all of them."""
    started: str = ""
    ms: float = 0.0
    greeting: Reply | None = None
    ehlo: Reply | None = None
    helo: Reply | None = None
    """Reply to HELO, sent only after EHLO was refused."""
    starttls: Reply | None = None
    ehlo_tls: Reply | None = None
    """Reply to EHLO inside TLS; with implicit TLS it is the same as ``ehlo``."""
    tls_version: str = ""
    cipher: str = ""
    certificate: Certificate | None = None
    old_tls: str = ""
    old_tls_error: str = ""
    lines: tuple[Line, ...] = ()
    truncated: bool = False
    sni: str = ""
    """Name that the server was asked for, where that was not the host's own."""

    @classmethod
    def begun(cls, listener: Listener, end: End, *, target: str = "", stage: str = "", error: str = "") -> Session:
        """Return a session with a listener that has come to nothing yet."""
        sni, to = listener.sni, target or listener.connect_to
        return cls(listener.host, listener.port, listener.tls, to, end, stage=stage, error=error, sni=sni)

    @property
    def id(self) -> str:
        """The id of the listener."""
        return listener_id(self.host, self.port, self.sni)

    def undetermined(self, what: str) -> Undetermined:
        """Return the exception that says ``what`` could not be observed, and why."""
        why = self.error or self.end.value
        return Undetermined(
            f"{what} of {self.id} was not seen: {self.end.value} at {self.stage or 'connect'} ({why})",
            cause=self.cause or f"{self.id} ({self.target}): {self.end.value} at {self.stage or 'connect'} ({why})",
        )

    def need(self, reply: Reply | None, what: str) -> Reply:
        """Return the reply, or raise Undetermined when the session did not get that far."""
        if reply is None:
            raise self.undetermined(what)
        return reply

    @property
    def extensions(self) -> tuple[str, ...]:
        """EHLO keywords before STARTTLS, in upper case (RFC 5321 section 4.1.1.1). Raises Undetermined.

        A server that takes HELO alone has none; one that refused both greetings did not say.
        """
        reply = self.need(self.ehlo, "the EHLO reply")
        if reply.code // 100 != 2:
            if self.helo is None or self.helo.code // 100 != 2:
                raise self.undetermined("the EHLO reply")
            return ()
        return tuple(line.split(" ", 1)[0].upper() for line in reply.lines[1:] if line)
