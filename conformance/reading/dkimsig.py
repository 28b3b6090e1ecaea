"""DKIM signatures: what their tags say, and whether they hold for a message (RFC 6376, RFC 8301, RFC 8463)."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from conformance.reading.dkim import Key
from conformance.reading.message import Field, Message
from conformance.reading.orgdomain import to_ascii
from conformance.reading.taglist import Problem, Tag, read

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.hashes import SHA1, SHA256

_BLANKS = re.compile(r"[ \t\r\n]+")
_WSP = re.compile(rb"[ \t]+")
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?")
_FIELD_NAME = re.compile(r"[\x21-\x39\x3c-\x7e]+")
_LABELS = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?)*")
_B_TAG = re.compile(rb"((?:\A|;)[ \t\r\n]*b[ \t\r\n]*=)[^;]*")
_NEEDED: Final = ("v", "a", "b", "bh", "d", "h", "s")
_ALGORITHMS: Final = ("rsa-sha256", "ed25519-sha256", "rsa-sha1")
NO_FROM: Final = "h= does not name From"
"""The fault that a rule of its own is about."""
LEAST_RSA_BITS: Final = 1024
"""Verifiers take no shorter key (RFC 8301 section 3.2)."""


@dataclass(frozen=True, slots=True)
class Signature:
    """The tags of one DKIM-Signature field; what cannot be read is empty or None, and told in ``faults``.

    ``signed`` are the names of ``h=`` in lower case, in order. ``at`` and ``expires`` are seconds since 1970.
    """

    field: Field
    tags: tuple[Tag, ...]
    faults: tuple[str, ...]
    algorithm: str = ""
    domain: str = ""
    """``d=`` as A-labels in lower case."""
    selector: str = ""
    identity: str = ""
    """``i=`` as written; empty: it is ``@`` and ``d=``."""
    signed: tuple[str, ...] = ()
    canon: tuple[str, str] = ("simple", "simple")
    """Canonicalisation of header and body."""
    value: bytes = b""
    body_hash: bytes = b""
    length: int | None = None
    at: int | None = None
    expires: int | None = None

    @property
    def key_name(self) -> str:
        """Where its key stands (RFC 6376 section 3.6.2.1), without final dot; empty where that cannot be told."""
        return f"{self.selector}._domainkey.{self.domain}" if self.selector and self.domain else ""

    @property
    def identity_domain(self) -> str:
        """The domain of ``i=`` in lower case, that of ``d=`` where there is none."""
        return self.identity.rpartition("@")[2].lower() if self.identity else self.domain

    @property
    def key_type(self) -> str:
        """The key type that ``a=`` asks for: rsa or ed25519."""
        return self.algorithm.partition("-")[0]

    @property
    def hash_name(self) -> str:
        """The hash algorithm of ``a=``: sha256 or sha1."""
        return self.algorithm.partition("-")[2]

    def describe(self) -> str:
        """Return what tells it from others of a message, for a sentence."""
        return f"d={self.domain or '?'} s={self.selector or '?'}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a verifier says of a signature: ``result`` in the words of RFC 8601 section 2.7.1, and why.

    ``body_holds`` says whether ``bh=`` is that of the body, where it came to that; ``key_fits`` whether ``b=`` was
    made with the published key, though of other header fields, where that can be told.
    """

    result: str
    reason: str = ""
    body_holds: bool | None = None
    key_fits: bool | None = None

    @property
    def passes(self) -> bool:
        """Whether the signature counts."""
        return self.result == "pass"


def read_signature(field: Field) -> Signature:
    """Read a DKIM-Signature field. Raises nothing: what is wrong with it is in ``faults``."""
    tags, problems = read(field.body.decode("latin-1"))
    values = {tag.name: tag.value for tag in tags}
    bare = {name: _BLANKS.sub("", value) for name, value in values.items()}
    identity = bare.get("i", "")
    made = Signature(
        field=field,
        tags=tags,
        faults=(),
        algorithm=bare.get("a", "").lower(),
        domain=_domain(bare.get("d", "")),
        selector=bare.get("s", "").lower() if _LABELS.fullmatch(bare.get("s", "")) else "",
        identity=identity,
        signed=tuple(name.lower() for name in bare.get("h", "").split(":") if name),
        canon=_canon(bare.get("c", "simple/simple").lower()),
        value=_octets(bare.get("b", "")),
        body_hash=_octets(bare.get("bh", "")),
        length=_number(bare.get("l")),
        at=_number(bare.get("t")),
        expires=_number(bare.get("x")),
    )
    return replace(made, faults=tuple(_faults(made, bare, problems)))


def _domain(text: str) -> str:
    name = to_ascii(text) or ""
    return name if _LABELS.fullmatch(name) and "." in name else ""


def _canon(text: str) -> tuple[str, str]:
    header, _, body = text.partition("/")
    return header, body or "simple"


def _octets(text: str) -> bytes:
    if not _BASE64.fullmatch(text):
        return b""
    return base64.b64decode(text + "=" * (-len(text) % 4))


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdecimal() and len(text) <= 18 else None


def _faults(made: Signature, bare: dict[str, str], problems: Sequence[Problem]) -> Iterator[str]:
    """Say what makes verifiers ignore the signature, whatever the message (RFC 6376 sections 3.2, 3.5 and 6.1.1)."""
    yield from (problem.why for problem in problems)
    if missing := [f"{name}=" for name in _NEEDED if not bare.get(name)]:
        yield f"{', '.join(missing)} missing or empty"
    if bare.get("v", "1") != "1":
        yield f"v= is {bare['v'][:20]!r} and not 1"
    if made.algorithm and made.algorithm not in _ALGORITHMS:
        yield f"a= is {made.algorithm[:40]!r}, which no verifier knows"
    for name, read_as in (("d", made.domain), ("s", made.selector), ("b", made.value), ("bh", made.body_hash)):
        if bare.get(name) and not read_as:
            yield f"{name}= is no {'base64' if name in ('b', 'bh') else 'name'}"
    if unknown := [word for word in made.canon if word not in ("simple", "relaxed")]:
        yield f"c= names {unknown[0][:20]!r}, which no verifier knows"
    for name, number in (("l", made.length), ("t", made.at), ("x", made.expires)):
        if name in bare and number is None:
            yield f"{name}= is no number"
    if "q" in bare and "dns/txt" not in bare["q"].lower().split(":"):
        yield "q= does not name dns/txt"
    if not all(_FIELD_NAME.fullmatch(name) for name in made.signed):
        yield "h= names what is no header field"
    if made.signed and "from" not in made.signed:
        yield NO_FROM
    if made.domain and not _within(made.identity_domain, made.domain):
        yield f"i= is {made.identity[:80]!r}, which is not within d={made.domain}"
    if made.at is not None and made.expires is not None and made.expires <= made.at:
        yield f"x={made.expires} is not after t={made.at}"


def _within(name: str, domain: str) -> bool:
    return (to_ascii(name) or name) == domain or (to_ascii(name) or name).endswith(f".{domain}")


def canonical_field(field: Field, how: str) -> bytes:
    """Return a header field as it is signed, line end included (RFC 6376 sections 3.4.1 and 3.4.2)."""
    if how == "simple":
        return field.raw + b"\r\n"
    return field.key.encode() + b":" + _WSP.sub(b" ", field.body).strip(b" \t\r\n") + b"\r\n"


def canonical_body(body: bytes, how: str) -> bytes:
    """Return a body as it is hashed (RFC 6376 sections 3.4.3 and 3.4.4). Lines end in CRLF only."""
    lines = body.split(b"\r\n")
    if how == "relaxed":
        lines = [_WSP.sub(b" ", line).rstrip(b" ") for line in lines]
    while lines and not lines[-1]:
        lines.pop()
    if not lines:
        return b"" if how == "relaxed" else b"\r\n"
    return b"\r\n".join(lines) + b"\r\n"


def signed_fields(message: Message, names: Sequence[str]) -> Iterator[Field]:
    """Yield the fields that ``h=`` names: each time the next one of a name from below, none when used up."""
    left: dict[str, list[Field]] = {}
    for field in message.fields:
        left.setdefault(field.key, []).append(field)
    for name in names:
        if rest := left.get(name):
            yield rest.pop()


def oversigned(message: Message, signature: Signature) -> frozenset[str]:
    """Return the fields that nobody can add without breaking the signature (RFC 6376 section 8.15)."""
    there = Counter(field.key for field in message.fields)
    return frozenset(name for name, times in Counter(signature.signed).items() if times > there[name])


def covered(message: Message, signature: Signature) -> frozenset[str]:
    """Return the fields of which every instance in the message is signed."""
    there = Counter(field.key for field in message.fields)
    return frozenset(name for name, times in Counter(signature.signed).items() if there[name] and times >= there[name])


def body_hash(message: Message, signature: Signature) -> bytes:
    """Return what ``bh=`` should be."""
    body = canonical_body(message.body, signature.canon[1])
    return hashlib.new(signature.hash_name, body[: signature.length]).digest()


def signed_octets(message: Message, signature: Signature) -> bytes:
    """Return the octets that ``b=`` signs (RFC 6376 section 3.7)."""
    how = signature.canon[0]
    fields = b"".join(canonical_field(field, how) for field in signed_fields(message, signature.signed))
    name, colon, value = signature.field.raw.partition(b":")
    emptied = replace(signature.field, raw=name + colon + _B_TAG.sub(rb"\1", value, count=1))
    return fields + canonical_field(emptied, how).removesuffix(b"\r\n")


def verify(message: Message, signature: Signature, key: Key, now: float) -> Verdict:
    """Say whether a signature holds, by a key. ``now`` is when the message came, in seconds since 1970.

    Whether the key is in test mode (``t=y``) is not asked: such a signature passes, and counts for nothing.
    """
    if signature.faults:
        return Verdict("permerror", "; ".join(signature.faults))
    if why := _unfit(signature, key):
        return Verdict("permerror", why)
    if signature.length is not None and signature.length > len(canonical_body(message.body, signature.canon[1])):
        return Verdict("permerror", f"l={signature.length} is more than the body has")
    holds = body_hash(message, signature) == signature.body_hash
    if not holds:
        return Verdict("fail", "the body is not what bh= was made of", False)
    if not _holds(signature, key, signed_octets(message, signature)):
        return _mismatch(_made_with(signature, key))
    if why := _not_taken(signature, key, now):
        return Verdict("policy", why, True)
    return Verdict("pass", "", True)


def _mismatch(made_with: bool | None) -> Verdict:
    if made_with is None:
        return Verdict("fail", "b= is no signature of this header by the published key", True)
    if made_with:
        return Verdict("fail", "b= was made with the published key, but of other header fields than these", True, True)
    return Verdict("fail", "b= was not made with the published key", True, False)


def _unfit(signature: Signature, key: Key) -> str:
    """Say what of a key forbids it to verify a signature (RFC 6376 sections 3.6.1 and 6.1.2)."""
    if key.revoked:
        return "the key is revoked: p= is empty"
    if key.key_type != signature.key_type:
        return f"a={signature.algorithm} needs a key of type {signature.key_type}, and the key has k={key.key_type}"
    if not key.allows_hash(signature.hash_name):
        return f"the key's h={':'.join(key.hashes)} does not admit {signature.hash_name}"
    if not key.serves("email"):
        return f"the key's s={':'.join(key.services)} does not admit mail"
    if key.strict and (to_ascii(signature.identity_domain) or signature.identity_domain) != signature.domain:
        return f"the key's t=s forbids that i= names the subdomain {signature.identity_domain[:80]}"
    return ""


def _not_taken(signature: Signature, key: Key, now: float) -> str:
    """Say why verifiers do not take a signature though it holds."""
    if signature.hash_name == "sha1":
        return "rsa-sha1 is obsolete (RFC 8301)"
    if key.key_type == "rsa" and (key.bits or 0) < LEAST_RSA_BITS:
        return f"the RSA key has {key.bits} bits (RFC 8301)"
    if signature.expires is not None and signature.expires < now:
        return f"it expired {now - signature.expires:.0f} s before the message came (x=)"
    return ""


def _holds(signature: Signature, key: Key, octets: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

    try:
        if key.key_type == "ed25519":
            # RFC 8463 section 3: the hash of the octets is what is signed.
            Ed25519PublicKey.from_public_bytes(key.public).verify(signature.value, hashlib.sha256(octets).digest())
        else:
            _rsa(key).verify(signature.value, octets, PKCS1v15(), _algorithm(signature))
    except (InvalidSignature, ValueError):
        return False
    return True


def _made_with(signature: Signature, key: Key) -> bool | None:
    """Say whether ``b=`` was made with a key, of whatever octets; None where that cannot be told."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

    if key.key_type != "rsa":
        return None
    try:
        _rsa(key).recover_data_from_signature(signature.value, PKCS1v15(), _algorithm(signature))
    except (InvalidSignature, ValueError):
        return False
    return True


def _rsa(key: Key) -> RSAPublicKey:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    public = load_der_public_key(key.public)
    assert isinstance(public, RSAPublicKey)
    return public


def _algorithm(signature: Signature) -> SHA1 | SHA256:
    from cryptography.hazmat.primitives.hashes import SHA1, SHA256

    return SHA256() if signature.hash_name == "sha256" else SHA1()  # noqa: S303 - to see whether it holds
