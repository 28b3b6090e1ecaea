"""The receiver's end of TLS over plain octets, so that the ClientHello, alerts and certificates of clients are seen.

The ssl module of the standard library hides alerts and refuses client certificates that it cannot verify; pyOpenSSL
over memory does neither.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from OpenSSL import SSL

from conformance.receiver.capture import Tls
from conformance.receiver.clienthello import LARGEST, ClientHelloError, chosen_cipher, read_client_hello

ALERTS = {
    10: "unexpected_message",
    20: "bad_record_mac",
    21: "decryption_failed",
    22: "record_overflow",
    30: "decompression_failure",
    40: "handshake_failure",
    41: "no_certificate",
    42: "bad_certificate",
    43: "unsupported_certificate",
    44: "certificate_revoked",
    45: "certificate_expired",
    46: "certificate_unknown",
    47: "illegal_parameter",
    48: "unknown_ca",
    49: "access_denied",
    50: "decode_error",
    51: "decrypt_error",
    60: "export_restriction",
    70: "protocol_version",
    71: "insufficient_security",
    80: "internal_error",
    86: "inappropriate_fallback",
    90: "user_canceled",
    100: "no_renegotiation",
    109: "missing_extension",
    110: "unsupported_extension",
    111: "certificate_unobtainable",
    112: "unrecognized_name",
    113: "bad_certificate_status_response",
    114: "bad_certificate_hash_value",
    115: "unknown_psk_identity",
    116: "certificate_required",
    120: "no_application_protocol",
}
"""Names of alerts (RFC 8446 section 6, RFC 5246 section 7.2 and the registry); 0, close_notify, is no complaint."""

_AT_ONCE = 64 * 1024


class TlsError(Exception):
    """The handshake failed, or what came after it is no TLS; says why in OpenSSL's words."""


class Channel:
    """One TLS connection. ``write`` takes what is to go out; ``seen`` is what was seen of the client.

    The context has :func:`told` as its info callback.
    """

    def __init__(self, context: SSL.Context, write: Callable[[bytes], None], at: float) -> None:
        self.seen = Tls(at)
        self.established = False
        self.closed = False
        """Whether the client has said that it sends no more (close_notify)."""
        self._write = write
        self._first = b""
        self._answer = b""
        self._connection = SSL.Connection(context, None)
        self._connection.set_app_data(self)
        self._connection.set_accept_state()

    def feed(self, octets: bytes) -> bytes:
        """Take what came in, answer what the protocol wants answered, return what the client said. Raises TlsError."""
        self._look(octets)
        said = b""
        for start in range(0, len(octets), _AT_ONCE):
            self._connection.bio_write(octets[start : start + _AT_ONCE])
            said += self._work()
        return said

    def send(self, octets: bytes) -> None:
        """Say something. Raises TlsError."""
        try:
            self._connection.sendall(octets)
        except SSL.Error as error:
            raise TlsError(_text(error)) from None
        finally:
            self._flush()

    def close(self) -> None:
        """Say that no more will be said."""
        try:
            self._connection.shutdown()
        except SSL.Error:
            pass  # A connection that failed says no farewell.
        finally:
            self._flush()

    def fail(self, error: str) -> None:
        """Note why the handshake failed."""
        self.seen = replace(self.seen, error=error)

    def alerted(self, alert: int) -> None:
        """Note an alert of the client."""
        if alert:
            self.seen = replace(self.seen, alert=ALERTS.get(alert, str(alert)))

    def _look(self, octets: bytes) -> None:
        """Read the ClientHello once it is whole."""
        if self.seen.hello is None and len(self._first) < LARGEST:
            self._first += octets
            try:
                self.seen = replace(self.seen, hello=read_client_hello(self._first))
            except ClientHelloError:
                self._first = b"".ljust(LARGEST)

    def _work(self) -> bytes:
        said = b""
        try:
            if not self.established:
                self._connection.do_handshake()
                self._note()
            while True:
                said += self._connection.recv(_AT_ONCE)
        except SSL.WantReadError:
            pass
        except SSL.ZeroReturnError:
            self.closed = True
        except SSL.Error as error:
            raise TlsError(_text(error)) from None
        finally:
            self._flush()
        return said

    def _note(self) -> None:
        self.established = True
        certificate = self._connection.get_peer_certificate(as_cryptography=True)
        self.seen = replace(
            self.seen,
            version=self._connection.get_protocol_version_name(),
            cipher=chosen_cipher(self._answer) or self._connection.get_cipher_name() or "",
            client_certificate=certificate.subject.rfc4514_string() if certificate else "",
        )

    def _flush(self) -> None:
        while True:
            try:
                octets = self._connection.bio_read(_AT_ONCE)
            except SSL.Error:
                return
            self._answer = self._answer or octets
            self._write(octets)


def told(connection: SSL.Connection, where: int, value: int) -> None:
    """Tell the channel of a connection that the client sent an alert."""
    if where & SSL.SSL_CB_READ_ALERT == SSL.SSL_CB_READ_ALERT:
        connection.get_app_data().alerted(value & 0xFF)


def _text(error: SSL.Error) -> str:
    """Return OpenSSL's reasons."""
    reasons = [reason for _, _, reason in (error.args[0] if error.args and isinstance(error.args[0], list) else [])]
    return "; ".join(reasons) or "the connection ended in the middle of TLS"
