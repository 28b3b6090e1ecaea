"""TLS as an observer speaks it: what to offer, why a handshake failed, what the server's certificate says."""

from __future__ import annotations

import hashlib
import re
import ssl
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from conformance.facts.session import Certificate

if TYPE_CHECKING:
    from cryptography import x509

# Reasons of OpenSSL for "not this version": the server's alert, or an answer in a version that was not offered.
_VERSION_REFUSED = {"TLSV1_ALERT_PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL", "WRONG_SSL_VERSION"}
_NOT_OURS = "NO_PROTOCOLS_AVAILABLE"


def verifying() -> ssl.SSLContext:
    """Return a context that verifies the chain against OpenSSL's default store, and no names: checks judge those.

    SSL_CERT_FILE and SSL_CERT_DIR count as they are at the time of the call. Python 3.13 demands more of a chain
    than OpenSSL and the mail servers built on it do; that is turned off, so that every Python says the same.
    """
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_flags &= ~(ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN)
    return context


def knows_authorities(context: ssl.SSLContext) -> bool:
    """Say whether a context has any certificate authority to verify by: a folder of them is read only when needed."""
    folder = ssl.get_default_verify_paths().capath
    return bool(context.cert_store_stats()["x509_ca"]) or bool(folder and any(Path(folder).iterdir()))


def trusting() -> ssl.SSLContext:
    """Return a context that takes any certificate, to see what it says."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def offering_old() -> ssl.SSLContext:
    """Return a context that offers TLS 1.0 and 1.1 only (RFC 8996 says that servers refuse them).

    Raises ValueError when this OpenSSL was built without them.
    """
    if not (ssl.HAS_TLSv1 or ssl.HAS_TLSv1_1):
        raise ValueError("this OpenSSL was built without TLS 1.0 and 1.1")
    context = trusting()
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


def refuses_version(error: BaseException | None) -> bool:
    """Say whether a handshake failed because the server will not speak the versions offered."""
    return isinstance(error, ssl.SSLError) and error.reason in _VERSION_REFUSED


def explain(error: ssl.SSLError) -> str:
    """Return OpenSSL's words for a failed handshake, without its codes and our source lines."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return str(error.verify_message)
    if error.reason == _NOT_OURS:
        return "this OpenSSL is configured not to offer TLS 1.0 and 1.1"
    text = re.sub(r"^\[[^]]*\] | \(_ssl\.c:\d+\)$", "", str(error.args[-1] if error.args else error))
    return text or str(error.reason)


def presented(peer: ssl.SSLObject, verify_error: str) -> Certificate | None:
    """Return the certificate that a peer presented, None when it sent none.

    ``verify_error`` is why its chain was not verified, empty when it was. Raises ValueError for a certificate
    that cannot be read.
    """
    from cryptography import x509

    if not (der := peer.getpeercert(binary_form=True)):
        return None
    try:
        return _certificate(x509.load_der_x509_certificate(der), verify_error, _issuers(peer))
    except (x509.DuplicateExtension, x509.InvalidVersion, x509.UnsupportedGeneralNameType) as error:
        raise ValueError(str(error)) from error


def _certificate(leaf: x509.Certificate, verify_error: str, chain: tuple[str, ...]) -> Certificate:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    try:
        alternatives = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = tuple(alternatives.get_values_for_type(x509.DNSName))
        addresses = tuple(str(ip) for ip in alternatives.get_values_for_type(x509.IPAddress))
    except x509.ExtensionNotFound:
        pass
    common = leaf.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return Certificate(
        subject=leaf.subject.rfc4514_string(),
        issuer=leaf.issuer.rfc4514_string(),
        names=names or tuple(_text(name.value) for name in common),
        addresses=addresses,
        not_before=leaf.not_valid_before_utc.isoformat(),
        not_after=leaf.not_valid_after_utc.isoformat(),
        sha256=hashlib.sha256(leaf.public_bytes(Encoding.DER)).hexdigest(),
        verified=not verify_error,
        verify_error=verify_error,
        chain=chain,
    )


def _issuers(peer: ssl.SSLObject) -> tuple[str, ...]:
    """Return the subjects of what the peer sent after its leaf; Python tells since 3.13."""
    from cryptography import x509

    chain = peer.get_unverified_chain() if hasattr(peer, "get_unverified_chain") else []
    subjects = []
    for der in chain[1:]:
        try:
            subjects.append(x509.load_der_x509_certificate(der).subject.rfc4514_string())
        except (ValueError, x509.InvalidVersion):
            subjects.append("(unreadable)")
    return tuple(subjects)


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")
