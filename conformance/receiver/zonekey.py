"""The key that the probe domain's zone is signed with, and the file that it is kept in."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

import dns.dnssec
import dns.dnssectypes
import dns.name
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from dns.rdtypes.ANY.DNSKEY import DNSKEY
from dns.rdtypes.dnskeybase import Flag

LARGEST = 64 * 1024


class ZoneKeyError(Exception):
    """The file of a key cannot be used; the message says which and why."""


class ZoneKey:
    """One key that signs everything in the zone: ECDSA P-256 with SHA-256 (RFC 8624 section 3.1, RFC 6605)."""

    def __init__(self, private: ec.EllipticCurvePrivateKey | None = None) -> None:
        self.private = private or ec.generate_private_key(ec.SECP256R1())
        flags = Flag.ZONE | Flag.SEP
        self.record: DNSKEY = dns.dnssec.make_dnskey(
            self.private.public_key(), dns.dnssectypes.Algorithm.ECDSAP256SHA256, flags
        )

    @property
    def pem(self) -> bytes:
        """The private key in PEM (PKCS #8, without a password)."""
        return self.private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def ds(self, domain: str) -> str:
        """Return the data of the DS record that the zone above needs (RFC 4034 section 5)."""
        name = dns.name.from_text(domain)
        return dns.dnssec.make_ds(name, self.record, dns.dnssectypes.DSDigest.SHA256).to_text()

    @classmethod
    def read(cls, path: Path) -> ZoneKey:
        """Read a key from its file. Raises ZoneKeyError."""
        try:
            with path.open("rb") as file:
                private = serialization.load_pem_private_key(file.read(LARGEST), None)
        except OSError as error:
            raise ZoneKeyError(f"{path}: cannot be read: {error.strerror}") from None
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise ZoneKeyError(f"{path}: holds no private key in PEM without a password") from None
        if not isinstance(private, ec.EllipticCurvePrivateKey) or not isinstance(private.curve, ec.SECP256R1):
            raise ZoneKeyError(f"{path}: holds a key of another kind than ECDSA P-256")
        return cls(private)

    @classmethod
    def kept(cls, path: Path) -> ZoneKey:
        """Return the key of a file, which is made first where there is none. Raises ZoneKeyError.

        Of several who make it at once all get the same.
        """
        if not path.exists():
            _write(path, cls().pem)
        return cls.read(path)


def _write(path: Path, pem: bytes) -> None:
    """Write a file that its owner alone reads, whole or not at all, unless somebody else has. Raises ZoneKeyError."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    except OSError as error:
        raise ZoneKeyError(f"{path}: cannot be written: {error.strerror}") from None
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
