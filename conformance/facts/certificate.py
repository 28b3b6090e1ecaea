"""TLS as an observer speaks it: what to offer, why a handshake failed, what the server's certificate says."""

from __future__ import annotations

import hashlib
import re
import ssl
import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from conformance.facts.session import Authority, Certificate, Digests

if TYPE_CHECKING:
    from cryptography import x509

# Reasons of OpenSSL for "not this version": the server's alert, or an answer in a version that was not offered.
_VERSION_REFUSED = {"TLSV1_ALERT_PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL", "WRONG_SSL_VERSION"}
_NOT_OURS = "NO_PROTOCOLS_AVAILABLE"
_HASHES = hashlib.sha256, hashlib.sha512
_LONGEST = 10
"""Certificates behind the leaf that are looked at."""
_DER = 2
"""ENCODING_DER of the module below ssl."""


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
        return _certificate(x509.load_der_x509_certificate(der), verify_error, _behind(peer))
    except (x509.DuplicateExtension, x509.InvalidVersion, x509.UnsupportedGeneralNameType) as error:
        raise ValueError(str(error)) from error


def _certificate(
    leaf: x509.Certificate, verify_error: str, behind: tuple[x509.Certificate | None, ...] | None
) -> Certificate:
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
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
    digests: Digests | None = None
    with suppress(UnsupportedAlgorithm, ValueError):
        digests = _digests(leaf)
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
        chain=tuple(one.subject.rfc4514_string() if one else "(unreadable)" for one in behind or ()),
        digests=digests,
        path=None if behind is None else _path(leaf, [one for one in behind if one]),
    )


def _digests(certificate: x509.Certificate) -> Digests:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    whole = certificate.public_bytes(Encoding.DER)
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Digests(*(hash_of(octets).hexdigest() for octets in (whole, key) for hash_of in _HASHES))


def _behind(peer: ssl.SSLObject) -> tuple[x509.Certificate | None, ...] | None:
    """Return what the peer sent after its leaf, None for what cannot be read; None where Python does not tell."""
    from cryptography import x509

    if (chain := _chain(peer)) is None:
        return None
    found: list[x509.Certificate | None] = []
    for der in chain[1 : 1 + _LONGEST]:
        try:
            found.append(x509.load_der_x509_certificate(der))
        except (ValueError, x509.InvalidVersion):
            found.append(None)
    return tuple(found)


def _chain(peer: ssl.SSLObject) -> list[bytes] | None:
    """Return all that the peer sent, in DER. Public since Python 3.13; before, the object below has it."""
    if hasattr(peer, "get_unverified_chain"):
        return list(peer.get_unverified_chain())
    below = getattr(getattr(peer, "_sslobj", None), "get_unverified_chain", None)
    chain = below() if below else None
    return None if chain is None else [one.public_bytes(_DER) for one in chain]


def _path(leaf: x509.Certificate, sent: list[x509.Certificate]) -> tuple[Authority, ...]:
    """Return those that signed the leaf, its issuer and so on, in whatever order they were sent."""
    path: list[Authority] = []
    at, left = leaf, list(sent)
    while issuer := next((one for one in left if _issued(at, one)), None):
        left.remove(issuer)
        times = issuer.not_valid_before_utc.isoformat(), issuer.not_valid_after_utc.isoformat()
        path.append(Authority(issuer.subject.rfc4514_string(), _digests(issuer), *times))
        at = issuer
    return tuple(path)


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Say whether an authority has signed a certificate (RFC 5280 section 6.1.3, 6.1.4)."""
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    try:
        if not issuer.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            return False
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError, x509.ExtensionNotFound):
        return False
    except (x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return False
    return True


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")
