"""Signatures of record sets, and which keys a parent vouches for.

All is bounded: hostile zones have many of each (CVE-2023-50387, KeyTrap).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import dns.dnssec
import dns.dnssecalgs
import dns.exception
import dns.rdataset
from cryptography.exceptions import UnsupportedAlgorithm
from dns.name import Name
from dns.rdata import Rdata
from dns.rdataclass import RdataClass
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.DNSKEY import DNSKEY
from dns.rdtypes.ANY.DS import DS
from dns.rdtypes.ANY.RRSIG import RRSIG
from dns.rrset import RRset

MOST_KEYS = 32
"""Keys of a zone."""
MOST_DS = 16
MOST_SIGNATURES = 8
"""Signatures of one record set that are tried."""
MOST_ALIKE = 2
"""Keys of one zone with the same tag."""

_ZONE_KEY = 0x100
_REVOKED = 0x80
_PROTOCOL = 3
_REASONS = {
    "expired": "has expired",
    "not yet valid": "is not valid yet",
    "verify failure": "is not that of the key",
}


class BogusError(Exception):
    """What a zone says is not what it has signed (RFC 4033 section 5)."""


class UnprovedError(Exception):
    """Nothing is known of whether an answer holds; ``cause`` is what others failed for as well."""

    def __init__(self, text: str, cause: str = "") -> None:
        super().__init__(text)
        self.cause = cause or text


def verify(records: RRset, signatures: RRset, zone: Name, keys: Sequence[Rdata]) -> RRSIG:
    """Return the signature of a zone by which a record set holds. Raises BogusError and UnprovedError."""
    what = f"{records.name} {RdataType.to_text(records.rdtype)}"
    doubt = f"{zone} has not signed it"
    own = [one for one in signatures if isinstance(one, RRSIG) and one.signer == zone]
    for signature in own[:MOST_SIGNATURES]:
        fitting = [key for key in keys if isinstance(key, DNSKEY) and _made(signature, key)]
        if len(fitting) > MOST_ALIKE:
            raise UnprovedError(f"{what}: {zone} has more than {MOST_ALIKE} keys with the tag {signature.key_tag}")
        if not fitting:
            doubt = f"the key {signature.key_tag} of its signature is not a key of {zone}"
        for key in fitting:
            try:
                dns.dnssec.validate_rrsig(records, signature, {zone: dns.rdataset.from_rdata(0, key)})
            except (dns.exception.DNSException, UnsupportedAlgorithm, ValueError) as error:
                doubt = f"its signature {_REASONS.get(str(error), f'does not hold: {error}')}"
            else:
                return signature
    if len(own) > MOST_SIGNATURES:
        raise UnprovedError(f"{what} has more than {MOST_SIGNATURES} signatures")
    raise BogusError(f"{what}: {doubt}")


def _made(signature: RRSIG, key: DNSKEY) -> bool:
    """Say whether a key can have made a signature (RFC 4035 section 5.3.1)."""
    fit = key.flags & _ZONE_KEY and not key.flags & _REVOKED and key.protocol == _PROTOCOL
    return bool(fit and key.algorithm == signature.algorithm and dns.dnssec.key_id(key) == signature.key_tag)


def vouched(zone: Name, keys: Iterable[Rdata], trusted: Sequence[Rdata]) -> list[Rdata]:
    """Return the keys of a zone that DS or DNSKEY records elsewhere vouch for (RFC 4035 section 5.2)."""
    return [key for key in keys if isinstance(key, DNSKEY) and any(_is(zone, key, one) for one in trusted)]


def _is(zone: Name, key: DNSKEY, trusted: Rdata) -> bool:
    if not isinstance(trusted, DS):
        return bool(key == trusted)
    if (trusted.key_tag, trusted.algorithm) != (dns.dnssec.key_id(key), key.algorithm):
        return False
    try:
        made = dns.dnssec.make_ds(zone, key, trusted.digest_type, validating=True)
    except (dns.exception.DNSException, ValueError):
        return False
    return bool(made == trusted)


def understood(trusted: Iterable[Rdata]) -> list[Rdata]:
    """Return the DS records whose algorithm and digest are known here; without one, a zone is taken for unsigned."""
    return [one for one in trusted if isinstance(one, DS) and _speaks(one)]


def _speaks(ds: DS) -> bool:
    policy = dns.dnssec.default_policy
    key = DNSKEY(RdataClass.IN, RdataType.DNSKEY, _ZONE_KEY, _PROTOCOL, ds.algorithm, b"")  # type: ignore[no-untyped-call]
    try:
        dns.dnssecalgs.get_algorithm_cls(ds.algorithm)
    except dns.exception.DNSException:
        return False
    known = ds.digest_type in (1, 2, 4)
    return known and policy.ok_to_validate_ds(ds.digest_type) and policy.ok_to_validate(key)
