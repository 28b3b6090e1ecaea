"""DKIM key records as text (RFC 6376 section 3.6.1, RFC 8463 section 4)."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from math import isqrt
from typing import Final

from conformance.reading.taglist import Tag, read
from conformance.reading.typography import DECORATION, has_typographic_quotes, plain

__all__ = ["DkimSyntaxError", "Key", "Tag", "near_miss", "parse_key", "parse_tags", "spki", "weakness"]

_WORD = re.compile(r"[A-Za-z](?:[A-Za-z0-9\-]*[A-Za-z0-9])?")
_NOT_BASE64 = re.compile(r"[^A-Za-z0-9+/= \t\r\n]")
_BLANKS = re.compile(r"[ \t\r\n]+")
_MEANT = re.compile(
    r"dkim1?|\bk\s*=\s*(?:rsa|ed25519)|\bp\s*=\s*(?:mi[gi]|\Z)|\bv\s*=\s*dk|\A\W*mi[gi][a-z0-9+/]{20}", re.IGNORECASE
)
_SECOND_TAG = re.compile(r"=[^=]*[ ,][kp] ?=")
_SMALL_FACTORS: Final = 1000
_FERMAT_STEPS: Final = 64
_LISTED: Final = {"h": "hash algorithm", "s": "service type", "t": "flag"}


class DkimSyntaxError(ValueError):
    """A key record cannot be used: ``position`` is the offset from 0 of what is wrong."""

    def __init__(self, position: int, why: str) -> None:
        super().__init__(f"{why} (at position {position})")
        self.position = position
        self.why = why


@dataclass(frozen=True, slots=True)
class Key:
    """A key record. Empty ``hashes`` admits every hash algorithm; ``services`` is ``("*",)`` unless restricted.

    ``public`` is what ``p=`` encodes: DER for rsa, 32 octets for ed25519, empty when the key is revoked. ``bits`` is
    the size of the modulus, 256 for ed25519, None for a revoked key and for a key type that is not known.
    """

    tags: tuple[Tag, ...]
    key_type: str
    public: bytes
    bits: int | None
    version: str | None = None
    hashes: tuple[str, ...] = ()
    services: tuple[str, ...] = ("*",)
    flags: tuple[str, ...] = ()
    notes: str = ""

    @property
    def revoked(self) -> bool:
        """Whether ``p=`` is empty."""
        return not self.public

    @property
    def known_type(self) -> bool:
        """Whether verifiers know the key type; they ignore the record when they do not."""
        return self.key_type in ("rsa", "ed25519")

    @property
    def testing(self) -> bool:
        """Whether ``t=y`` asks verifiers to treat signed mail as unsigned."""
        return "y" in self.flags

    @property
    def strict(self) -> bool:
        """Whether ``t=s`` forbids that ``i=`` names a subdomain."""
        return "s" in self.flags

    def allows_hash(self, name: str) -> bool:
        """Say whether signatures may use a hash algorithm (``sha256``) with this key."""
        return not self.hashes or name in self.hashes

    def serves(self, service: str) -> bool:
        """Say whether the key is for a service (``email``)."""
        return "*" in self.services or service in self.services


def parse_tags(text: str) -> tuple[Tag, ...]:
    """Read a tag list (RFC 6376 section 3.2). Raises DkimSyntaxError for the first fault, also for a repeated tag."""
    tags, problems = read(text)
    if problems:
        raise DkimSyntaxError(problems[0].position, problems[0].why)
    return tags


def parse_key(text: str) -> Key:
    """Read a key record. Raises DkimSyntaxError.

    A record of an unknown key type is well-formed (``known_type`` is false); unknown tags, hash algorithms, services
    and flags are kept or ignored as the RFC asks. ``p=`` may hold SubjectPublicKeyInfo or a bare RSAPublicKey.
    """
    tags = parse_tags(text)
    by_name = {tag.name: tag for tag in tags}
    version = by_name.get("v")
    if version and tags[0] is not version:
        raise DkimSyntaxError(version.position, "v= is not the first tag")
    if version and version.value != "DKIM1":
        raise DkimSyntaxError(version.value_position, f"the version is {version.value[:40]!r} and not DKIM1")
    lists = {name: _words(by_name[name]) for name in _LISTED if name in by_name}
    key_type = by_name["k"].value if "k" in by_name else "rsa"
    if not _WORD.fullmatch(key_type):
        raise DkimSyntaxError(by_name["k"].value_position, f"{key_type[:40]!r} is not a key type")
    if "p" not in by_name:
        raise DkimSyntaxError(len(text), "p= is missing")
    public = _decode(by_name["p"])
    return Key(
        tags=tags,
        key_type=key_type,
        public=public,
        bits=_bits(key_type, public, by_name["p"]),
        version=version.value if version else None,
        hashes=lists.get("h", ()),
        services=lists.get("s", ("*",)),
        flags=lists.get("t", ()),
        notes=by_name["n"].value if "n" in by_name else "",
    )


def _words(tag: Tag) -> tuple[str, ...]:
    """Read a list with colons, blanks around them allowed."""
    words = []
    at = tag.value_position
    for piece in tag.value.split(":"):
        word = piece.strip(" \t\r\n")
        if not _WORD.fullmatch(word) and not (tag.name == "s" and word == "*"):
            raise DkimSyntaxError(at, f"{word[:40]!r} in {tag.name}= is not a {_LISTED[tag.name]}")
        words.append(word)
        at += len(piece) + 1
    return tuple(words)


def _decode(tag: Tag) -> bytes:
    """Decode ``p=``: base64 with blanks anywhere, padding may be left out."""
    if bad := _NOT_BASE64.search(tag.value):
        raise DkimSyntaxError(tag.value_position + bad.start(), f"{bad[0]!r} in p= is not base64")
    joined = _BLANKS.sub("", tag.value)
    digits = joined.rstrip("=")
    if "=" in digits or len(joined) - len(digits) > 2 or (joined and not digits):
        raise DkimSyntaxError(tag.value_position + tag.value.index("="), "the padding of p= does not end base64")
    if len(digits) % 4 == 1:
        raise DkimSyntaxError(tag.value_position + len(tag.value), "the base64 of p= is cut off")
    return base64.b64decode(digits + "=" * (-len(digits) % 4))


def _bits(key_type: str, public: bytes, tag: Tag) -> int | None:
    """Return the size of a key. Raises DkimSyntaxError when it is no key of its type."""
    if not public:
        return None
    if key_type == "ed25519":
        if len(public) != 32:
            why = f"p= holds {len(public)} octets; an ed25519 key is the bare 32 (RFC 8463 section 4)"
            raise DkimSyntaxError(tag.value_position, why)
        return 256
    if key_type != "rsa":
        return None
    hint = "; blanks stand in it, perhaps where + stood" if _BLANKS.search(tag.value) else ""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    try:
        key = load_der_public_key(public)
    except (ValueError, UnsupportedAlgorithm):
        raise DkimSyntaxError(tag.value_position, f"p= is no RSA public key or is cut off{hint}") from None
    if not isinstance(key, RSAPublicKey):
        raise DkimSyntaxError(tag.value_position, f"p= holds a key of another type than k={key_type}")
    return key.key_size


def spki(key: Key) -> bytes:
    """Return a public key as SubjectPublicKeyInfo, in whichever form it is published; empty for what is no key."""
    if not key.public or not key.known_type:
        return b""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

    is_rsa = key.key_type == "rsa"
    public = load_der_public_key(key.public) if is_rsa else Ed25519PublicKey.from_public_bytes(key.public)
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def weakness(key: Key) -> str | None:
    """Say what is unsound about the numbers of an RSA key (FIPS 186-5 A.1.1); None for a sound one and other keys.

    What is found without factoring: an exponent below 65537, a modulus with a small factor or of two close ones.
    """
    if key.key_type != "rsa" or not key.public:
        return None
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    numbers = load_der_public_key(key.public).public_numbers()  # type: ignore[union-attr]
    exponent, modulus = numbers.e, numbers.n  # type: ignore[union-attr]
    if exponent <= 2**16 or exponent % 2 == 0:
        return f"its exponent is {exponent if exponent < 2**64 else 'even'}"
    factor = next((small for small in range(2, _SMALL_FACTORS) if modulus % small == 0), None)
    if factor:
        return f"its modulus is divisible by {factor}"
    return "its modulus is the product of two numbers that are close" if _factors_by_fermat(modulus) else None


def _factors_by_fermat(modulus: int) -> bool:
    root = isqrt(modulus)
    roots = range(root, root + _FERMAT_STEPS)
    return any((rest := one * one - modulus) >= 0 and isqrt(rest) ** 2 == rest for one in roots)


def near_miss(text: str) -> str | None:
    """Say why a text that was meant as a key record cannot be used as one; None for a good key and anything else."""
    try:
        parse_key(text)
    except DkimSyntaxError as error:
        problem = error.why
    else:
        return None
    seen = plain(text)
    stray = seen[: len(seen) - len(seen.lstrip(DECORATION))].strip()
    if not _MEANT.search(seen):
        return None
    if has_typographic_quotes(text):
        return "typographic quotation marks stand in it"
    if "\\;" in seen:
        return "its semicolons are escaped: \\; is zone file syntax that became part of the text"
    if stray:
        return f"{stray!r} stands before its first tag"
    if ";" not in seen and _SECOND_TAG.search(seen):
        return "no semicolons stand between its tags"
    return problem
