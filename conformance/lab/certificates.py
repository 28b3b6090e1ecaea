"""Certificates of the simulated hosts: one authority that the run trusts, and what can be wrong with a leaf."""

from __future__ import annotations

import ssl
import warnings
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from typing import Literal

import trustme

Kind = Literal["good", "expired", "wrong-name", "self-signed", "unknown-ca"]
Version = Literal["1.0", "1.1", "1.2", "1.3"]

_VERSIONS = {
    "1.0": ssl.TLSVersion.TLSv1,
    "1.1": ssl.TLSVersion.TLSv1_1,
    "1.2": ssl.TLSVersion.TLSv1_2,
    "1.3": ssl.TLSVersion.TLSv1_3,
}


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
        if kind == "self-signed":
            return _self_signed(names)
        if kind == "wrong-name":
            return self._ca.issue_cert("somewhere.else.example")
        if kind == "unknown-ca":
            return self._unknown_ca.issue_cert(*names)
        if kind == "expired":
            now = datetime.now(UTC)
            return self._ca.issue_cert(*names, not_before=now - timedelta(days=100), not_after=now - timedelta(days=10))
        return self._ca.issue_cert(*names)


def _self_signed(names: tuple[str, ...]) -> trustme.LeafCert:
    """Return a certificate that is its own issuer, as installers of mail servers make them."""
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    def general(name: str) -> x509.GeneralName:
        try:
            return x509.IPAddress(ipaddress.ip_address(name))
        except ValueError:
            return x509.DNSName(name)

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0][:64])])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365))
        .add_extension(x509.SubjectAlternativeName([general(name) for name in names]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return trustme.LeafCert(private, certificate.public_bytes(pem), [])
