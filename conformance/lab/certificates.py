"""Certificates of the simulated hosts: one authority that the run trusts, and what can be wrong with a leaf."""

from __future__ import annotations

import hashlib
import ipaddress
import re
import ssl
import warnings
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Literal

import trustme

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

Kind = Literal["good", "expired", "wrong-name", "self-signed", "unknown-ca"]
Version = Literal["1.0", "1.1", "1.2", "1.3"]

_VERSIONS = {
    "1.0": ssl.TLSVersion.TLSv1,
    "1.1": ssl.TLSVersion.TLSv1_1,
    "1.2": ssl.TLSVersion.TLSv1_2,
    "1.3": ssl.TLSVersion.TLSv1_3,
}
_DAY = timedelta(days=1)
_ORDER = 2**255
"""Below that of the curve."""


class Certificates:
    """Makes certificates when they are first shown, and keeps them."""

    def __init__(self) -> None:
        self._ca = trustme.CA(organization_name="mailconform lab")
        self.context = lru_cache(maxsize=1024)(self._context)

    @property
    def bundle(self) -> bytes:
        """The trusted root, in PEM: content of SSL_CERT_FILE."""
        return self._ca.cert_pem.bytes()

    def shown(self, *names: str) -> bytes:
        """Return a certificate for some names with its chain, and its RSA key, which every client knows, in PEM."""
        leaf = self._ca.issue_cert(*names, key_type=trustme.KeyType.RSA)
        return b"".join(blob.bytes() for blob in (*leaf.cert_chain_pems, leaf.private_key_pem))

    @cached_property
    def _unknown_ca(self) -> trustme.CA:
        return trustme.CA(organization_name="nobody knows")

    def _context(self, kind: Kind, names: tuple[str, ...], oldest: Version, newest: Version) -> ssl.SSLContext:
        """Return a server's TLS context. ``names`` are DNS names or addresses."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if oldest in {"1.0", "1.1"}:
            # OpenSSL's default level has no signature that these versions know.
            context.set_ciphers("DEFAULT:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = _VERSIONS[oldest]
            context.maximum_version = _VERSIONS[newest]
        self._leaf(kind, names).configure_cert(context)
        return context

    def _leaf(self, kind: Kind, names: tuple[str, ...]) -> trustme.LeafCert:
        now = datetime.now(UTC)
        match kind:
            case "self-signed":
                return _leaf(names, names[0], None, now - _DAY)
            case "wrong-name":
                return _leaf(("somewhere.else.example",), names[0], self._ca, now - _DAY)
            case "unknown-ca":
                return _leaf(names, names[0], self._unknown_ca, now - _DAY)
            case "expired":
                return _leaf(names, names[0], self._ca, now - 400 * _DAY)
            case _:
                return _leaf(names, names[0], self._ca, now - _DAY)


def _leaf(names: tuple[str, ...], owner: str, authority: trustme.CA | None, begins: datetime) -> trustme.LeafCert:
    """Return a certificate for a year; without an authority it is its own issuer, as installers make them."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization

    key = signer = _key(owner)
    subject = issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0][:64])])
    builder = x509.CertificateBuilder()
    if authority:
        above = x509.load_pem_x509_certificate(authority.cert_pem.bytes())
        issuer = above.subject
        signer = serialization.load_pem_private_key(authority.private_key_pem.bytes(), None)  # type: ignore[assignment]
        identifier = above.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        known_by = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
        builder = builder.add_extension(known_by, critical=False)
    certificate = (
        builder.subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + 366 * _DAY)
        .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
        .sign(signer, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return trustme.LeafCert(private, certificate.public_bytes(pem), [])


def _general(name: str) -> x509.GeneralName:
    from cryptography import x509

    with suppress(ValueError):
        return x509.IPAddress(ipaddress.ip_address(name))
    return x509.DNSName(name)


def _key(owner: str) -> ec.EllipticCurvePrivateKey:
    """Return the key of a host, always the same, so that zones can name it: it keeps no secret."""
    from cryptography.hazmat.primitives.asymmetric import ec

    number = int.from_bytes(hashlib.sha256(f"mailconform lab {owner}".encode()).digest())
    return ec.derive_private_key(number % _ORDER + 1, ec.SECP256R1())


def key_digest(owner: str) -> str:
    """Return SHA-256 of a host's public key, as it stands in TLSA records with selector 1 and matching type 1."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    public = _key(owner).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(public).hexdigest()


def with_digests(text: str) -> str:
    """Put SHA-256 of the public key of a host wherever a zone says ``@tlsa HOST@``."""
    return re.sub(r"@tlsa ([\w.-]+)@", lambda found: key_digest(found[1]), text)
