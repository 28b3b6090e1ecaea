"""The door through which a simulated host takes mail to send: message submission (RFC 6409) over aiosmtpd."""

from __future__ import annotations

import asyncio
import hmac
import ssl
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword
from aiosmtpd.smtp import Session as Submission

from conformance.lab.sending.mta import Mta

if TYPE_CHECKING:
    from conformance.lab.certificates import Certificates
    from conformance.lab.spec import ListenerSpec

MAX_OCTETS = 10 * 1024 * 1024
MAX_SECONDS = 60.0


REQUIRETLS = "REQUIRETLS"


class _Lenient(SMTP):
    line_length_limit = 65536
    """Octets of a line that is taken: too long ones are folded before they leave."""
    requiretls = False
    """Whether the parameter of RFC 8689 is known; the envelope keeps it."""

    def _getparams(self, params: Sequence[str]) -> dict[str, str | bool] | None:
        known = [one for one in params if not (self.requiretls and one.upper() == REQUIRETLS)]
        return super()._getparams(known)


class _Door:
    """What aiosmtpd asks at each step."""

    def __init__(self, mta: Mta) -> None:
        self._mta = mta

    async def handle_DATA(self, server: Any, session: Submission, envelope: Envelope) -> str:  # noqa: N802
        """Hand a message to the queue."""
        content = envelope.original_content or b""
        client = f"{session.host_name or 'unknown'} ([{session.peer[0] if session.peer else '?'}])"
        if cipher := server.transport.get_extra_info("cipher"):
            client += f"\r\n\t(using {cipher[1]} with cipher {cipher[0]} ({cipher[2]}/{cipher[2]} bits))"
        sender = "" if envelope.mail_from in (None, "<>") else str(envelope.mail_from)
        needs_tls = REQUIRETLS in envelope.mail_options
        why = self._mta.take(sender, envelope.rcpt_tos, content, client, needs_tls=needs_tls)
        return why or "250 2.0.0 taken"

    async def handle_EHLO(  # noqa: N802
        self, server: Any, session: Submission, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        """Offer REQUIRETLS inside TLS, where the host has it."""
        session.host_name = hostname
        offers = server.requiretls and session.ssl is not None
        return [*responses[:-1], f"250-{REQUIRETLS}", responses[-1]] if offers else responses


def submission(mta: Mta, context: ssl.SSLContext | None) -> Callable[[], SMTP]:
    """Return what makes the protocol of each connection; ``context`` serves STARTTLS."""
    conduct = mta.conduct
    closed = bool(conduct.user)

    def authenticate(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        given = data if isinstance(data, LoginPassword) else LoginPassword(b"", b"")
        named = hmac.compare_digest(given.login, conduct.user.encode())
        same = hmac.compare_digest(given.password, conduct.password.encode())
        return AuthResult(success=named & same, handled=False)

    def protocol() -> SMTP:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            made = _Lenient(
                _Door(mta),
                data_size_limit=MAX_OCTETS,
                enable_SMTPUTF8=True,
                hostname=mta.name,
                ident="ESMTP",
                tls_context=context,
                require_starttls=context is not None and closed,
                timeout=MAX_SECONDS,
                auth_required=closed,
                auth_require_tls=context is not None,
                authenticator=authenticate,
                loop=asyncio.get_running_loop(),
            )
            made.requiretls = conduct.requiretls
            return made

    return protocol


@dataclass(slots=True)
class _Server:
    port: int
    _server: asyncio.Server

    def close(self) -> None:
        self._server.close()


async def serve(spec: ListenerSpec, mta: Mta, certificates: Certificates, host: str, port: int) -> _Server:
    """Put the door of a host at an address; port 0 takes a free one. Raises OSError when it cannot be bound."""
    names = spec.certificate_names or (spec.host,)
    context = certificates.context(spec.certificate, names, spec.tls_min, spec.tls_max) if spec.tls != "none" else None
    implicit = context if spec.tls == "implicit" else None
    factory = submission(mta, context if spec.tls == "starttls" else None)
    server = await asyncio.get_running_loop().create_server(factory, host, port, ssl=implicit)
    return _Server(server.sockets[0].getsockname()[1], server)
