"""Certificates and TLS contexts of the receiver: what is in order, and what a scenario wants to be wrong."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID
from OpenSSL import SSL

from conformance.receiver.scenario import Version
from conformance.receiver.tls import told

_USES = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
    *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)


class Certificates:
    """The receiver's certificate, or an authority of its own that makes them; and bad ones, which it makes always.

    ``chain`` and ``key`` are PEM of a certificate chain, leaf first, and of its private key. Raises ValueError when
    they cannot be read or do not belong together. Keys are RSA, which every client knows.
    """

    def __init__(self, chain: bytes = b"", key: bytes = b"") -> None:
        self._key = rsa.generate_private_key(65537, 2048)
        self._authority = rsa.generate_private_key(65537, 2048)
        self._root = _issue("mailconform receiver", self._authority, self._authority, authority=True)
        self._given = _given(chain, key) if chain else None
        self.context = lru_cache(maxsize=256)(self._context)

    @property
    def bundle(self) -> bytes:
        """The root of the certificates that it makes itself, in PEM."""
        return self._root.public_bytes(serialization.Encoding.PEM)

    @property
    def bad_key_digest(self) -> str:
        """The SHA-256 of the public key of bad certificates, in hexadecimal (a TLSA record's, RFC 6698 section 2.1)."""
        public = self._key.public_key()
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return hashlib.sha256(public.public_bytes(serialization.Encoding.DER, form)).hexdigest()

    def _context(self, kind: str, name: str, oldest: Version, newest: Version, ask: bool) -> SSL.Context:
        """Return the context of a server called ``name``.

        ``kind`` is ``good``, ``expired`` or ``self-signed``. ``ask`` asks the client for a certificate; any is taken,
        and none is.
        """
        context = SSL.Context(SSL.TLS_METHOD)
        context.set_min_proto_version(oldest)
        context.set_max_proto_version(newest)
        # The receiver observes: it takes whatever a host does, and the rules judge it. TLS 1.0 needs level 0.
        context.set_cipher_list(b"DEFAULT:@SECLEVEL=0")
        # A session that is resumed shows no full handshake.
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        context.set_options(SSL.OP_NO_TICKET | SSL.OP_NO_RENEGOTIATION)
        context.set_info_callback(told)
        leaf, key, above = self._leaf(kind, name)
        context.use_certificate(leaf)
        context.use_privatekey(key)  # type: ignore[arg-type]  # any kind of key that SSL knows
        for one in above:
            context.add_extra_chain_cert(one)
        context.check_privatekey()
        if ask:
            context.set_verify(SSL.VERIFY_PEER, lambda *_: True)
        return context

    def _leaf(self, kind: str, name: str) -> tuple[x509.Certificate, PrivateKeyTypes, Iterable[x509.Certificate]]:
        if kind == "self-signed":
            return _issue(name, self._key, self._key), self._key, ()
        if kind == "expired":
            return _issue(name, self._key, self._authority, self._root, age=100, days=90), self._key, ()
        if self._given is not None:
            return self._given
        return _issue(name, self._key, self._authority, self._root), self._key, ()


def _given(chain: bytes, key: bytes) -> tuple[x509.Certificate, PrivateKeyTypes, Iterable[x509.Certificate]]:
    leaf, *above = x509.load_pem_x509_certificates(chain)
    private = serialization.load_pem_private_key(key, None)
    if private.public_key() != leaf.public_key():
        raise ValueError("the private key does not belong to the first certificate")
    return leaf, private, above


def _issue(
    name: str,
    key: rsa.RSAPrivateKey,
    signer: rsa.RSAPrivateKey,
    issuer: x509.Certificate | None = None,
    *,
    authority: bool = False,
    age: int = 1,
    days: int = 397,
) -> x509.Certificate:
    """Return a certificate that was made ``age`` days ago for so many ``days``; without an issuer it is its own."""
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name[:64])])
    made = datetime.now(UTC) - timedelta(days=age)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(made)
        .not_valid_after(made + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if authority:
        builder = builder.add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
    else:
        server = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        builder = (
            builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .add_extension(_usage(digital_signature=True, key_encipherment=True), critical=True)
            .add_extension(server, critical=False)
        )
    return builder.sign(signer, hashes.SHA256())


def _usage(**uses: bool) -> x509.KeyUsage:
    """Return what a key is for (RFC 5280 section 4.2.1.3); clients that are strict ask."""
    return x509.KeyUsage(**(dict.fromkeys(_USES, False) | uses))
