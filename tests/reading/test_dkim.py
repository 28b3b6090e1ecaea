"""The DKIM key reader against RFC 6376 section 3.6.1 and RFC 8463."""

import base64
import time
from functools import cache

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from conformance.reading import dkim


@cache
def rsa_key(bits: int) -> rsa.RSAPublicKey:
    return rsa.generate_private_key(65537, bits).public_key()


def spki(key) -> str:
    return base64.b64encode(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


def ed25519_key() -> str:
    key = ed25519.Ed25519PrivateKey.generate().public_key()
    return base64.b64encode(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()


def test_a_full_record_is_read():
    text = f"v=DKIM1; h=sha1 : sha256; k=rsa; n=a=20note; s=email:*; t=y:s; x=new; p={spki(rsa_key(2048))};"
    key = dkim.parse_key(text)
    assert (key.version, key.key_type, key.bits, key.known_type) == ("DKIM1", "rsa", 2048, True)
    assert (key.hashes, key.services, key.flags, key.notes) == (
        ("sha1", "sha256"),
        ("email", "*"),
        ("y", "s"),
        "a=20note",
    )
    assert key.testing
    assert key.strict
    assert not key.revoked
    assert [tag.name for tag in key.tags] == ["v", "h", "k", "n", "s", "t", "x", "p"]
    assert text[key.tags[1].position :].startswith("h=")
    assert text[key.tags[1].value_position :].startswith("sha1 :")


def test_defaults():
    key = dkim.parse_key(f"p={spki(rsa_key(1024))}")
    assert (key.version, key.key_type, key.bits, key.services, key.flags) == (None, "rsa", 1024, ("*",), ())
    assert key.allows_hash("sha256")
    assert key.serves("email")


def test_restrictions():
    key = dkim.parse_key(f"k=ed25519; h=sha512; s=tlsrpt; p={ed25519_key()}")
    assert key.bits == 256
    assert not key.allows_hash("sha256")
    assert not key.serves("email")


def test_a_bare_rsa_public_key_is_as_good_as_spki():
    der = rsa_key(1024).public_bytes(Encoding.DER, PublicFormat.PKCS1)
    key = dkim.parse_key(f"v=DKIM1; p={base64.b64encode(der).decode()}")
    assert (key.bits, key.public) == (1024, der)


def test_short_and_long_keys_are_measured():
    def der(bits: int) -> str:
        modulus = ((1 << bits) - 1).to_bytes(bits // 8 + 1, "big")
        number = b"\x02\x82" + len(modulus).to_bytes(2, "big") + modulus + b"\x02\x03\x01\x00\x01"
        return base64.b64encode(b"\x30\x82" + len(number).to_bytes(2, "big") + number).decode()

    assert [dkim.parse_key(f"p={der(bits)}").bits for bits in (2056, 4096, 8192)] == [2056, 4096, 8192]


@pytest.mark.parametrize("text", ["v=DKIM1; p=", "p=", "k=rsa; p= ;", "v=DKIM1;k=ed25519;p="])
def test_an_empty_key_is_revoked(text):
    key = dkim.parse_key(text)
    assert key.revoked
    assert key.bits is None


def test_blanks_and_folds_may_stand_in_the_key():
    text = spki(rsa_key(1024))
    folded = f"  v =\tDKIM1 ; p = {text[:40]} {text[40:80]}\r\n\t{text[80:]} ; "
    assert dkim.parse_key(folded).bits == 1024
    assert dkim.parse_key(f"p={text.rstrip('=')}").bits == 1024


def test_an_unknown_key_type_is_told_apart():
    key = dkim.parse_key("v=DKIM1; k=dilithium; p=AAAA")
    assert (key.known_type, key.bits, key.public) == (False, None, b"\0\0\0")


@pytest.mark.parametrize(
    ("text", "position"),
    [("", 0), ("v=DKIM1", 7), ("v=DKIM2; p=", 2), ("v=dkim1; p=", 2), ("k=rsa; v=DKIM1; p=", 7), ("p=; p=", 4),
     ("v=DKIM1;; p=", 8), ("v=DKIM1; p=; x", 13), ("v=DKIM1; 1x=2; p=", 9), ("v=DKIM1; p=AB*D", 13), ("p=AB=CD", 4),
     ("p=A", 3), ("p==", 2), ("p====", 2), ("p=AAAA", 2), ("k=ed25519; p=AAAA", 13), ("h=; p=", 2), ("h=sha1:; p=", 7),
     ("s=a b; p=", 2), ("t=y:-; p=", 4), ("k=; p=", 2), ("n=caf\xe9; p=", 5), ("p=A\x00AA", 3), ("v=DKIM1\\; p=", 2),
     ("v=DKIM1; k=rsa; p=\u201d", 18), ("p=A\r\nAAA", 3)]
)  # fmt: skip
def test_every_error_has_its_place(text, position):
    with pytest.raises(dkim.DkimSyntaxError) as error:
        dkim.parse_key(text)
    assert (error.value.position, bool(error.value.why)) == (position, True)


def test_a_key_of_another_type_is_refused():
    key = spki(ec.generate_private_key(ec.SECP256R1()).public_key())
    with pytest.raises(dkim.DkimSyntaxError, match="another type"):
        dkim.parse_key(f"p={key}")


def test_a_lost_plus_sign_is_suspected():
    text = spki(rsa_key(2048))
    damaged = text[:100] + " " + text[101:]
    with pytest.raises(dkim.DkimSyntaxError, match=r"perhaps where \+ stood"):
        dkim.parse_key(f"v=DKIM1; p={damaged}")


def test_near_misses_are_explained():
    key = spki(rsa_key(1024))
    told = {
        f"v=DKIM1\\; k=rsa\\; p={key}": "escaped",
        f"\u201cv=DKIM1; k=rsa; p={key}\u201d": "typographic",
        f"\xe2\x80\x9cv=DKIM1; p={key}\xe2\x80\x9d": "typographic",
        f'"v=DKIM1; p={key}"': "before its first tag",
        "v=DKIM1; k=rsa": "p= is missing",
        f"v=DKIM1; p={key[:-20]}": "cut off",
        f"v=DKIM1 k=rsa p={key}": "no semicolons",
        f"v=DKIM1; p={key[:50]} {key[51:]}": "where + stood",
        f"v=dkim1; p={key}": "and not DKIM1",
        key: "name=value",
    }
    for text, words in told.items():
        reason = dkim.near_miss(text)
        assert reason is not None, text
        assert words in reason


@pytest.mark.parametrize(
    "text", ["v=DKIM1; p=", "", "v=spf1 -all", "hello", "v=DMARC1; p=none", "MS=ms123", "a=b; c=d"]
)
def test_good_keys_and_other_texts_are_not_near_misses(text):
    assert dkim.near_miss(text) is None


ANY_TEXT = st.binary(max_size=300).map(lambda octets: octets.decode("latin-1"))
PIECES = ["v=DKIM1", ";", " ", "k=", "rsa", "ed25519", "p=", "h=", "sha256", ":", "s=", "*", "t=y", "=", "AAAA",
          "MIGf", "+", "/", "\r\n", "\t", "\x00", "\xe2", "n=x", "x", "\\"]  # fmt: skip
KEY_LIKE = st.lists(st.sampled_from(PIECES), max_size=25).map("".join)
DER_LIKE = st.binary(max_size=200).map(lambda octets: f"p={base64.b64encode(octets).decode()}")


def error_of(text: str) -> dkim.DkimSyntaxError | None:
    """Return why a text is no key; a key is checked to be one that can be used."""
    try:
        key = dkim.parse_key(text)
    except dkim.DkimSyntaxError as error:
        return error
    assert key.revoked or key.bits or not key.known_type
    return None


@given(ANY_TEXT | KEY_LIKE | DER_LIKE)
def test_any_text_gives_a_key_or_an_error_with_a_place(text):
    assert isinstance(dkim.near_miss(text), str | None)
    error = error_of(text)
    assert error is None or 0 <= error.position <= len(text)


@given(st.integers(0, 200), st.binary(min_size=1, max_size=3))
def test_a_damaged_key_never_raises_anything_else(place, octets):
    der = bytearray(rsa_key(1024).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    der[place : place + len(octets)] = octets
    error = error_of(f"p={base64.b64encode(der).decode()}")
    assert error is None or error.position == 2


@pytest.mark.parametrize(
    "piece", ["a", ";", "a=b;", "p=", "=", ":", "a:", "-", " ", "\r\n ", "AAAA", "A A ", "MIGf", "\x00", "\xe2"]
)
def test_time_is_linear_in_the_text(piece):
    began = time.process_time()
    for start in ("", "p=", "k=ed25519; p=", "h=", "t=", "n=", "v=DKIM1; x="):
        text = (start + piece * 65536)[:65536]
        dkim.near_miss(text)
        error = error_of(text)
        assert error is None or error.position <= len(text)
    assert time.process_time() - began < 6


def _numbers(exponent: int, modulus: int) -> dkim.Key:
    public = rsa.RSAPublicNumbers(exponent, modulus).public_key()
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return dkim.parse_key(f"p={base64.b64encode(der).decode()}")


def test_unsound_numbers() -> None:
    one, other, far = 2**521 - 1, 2**607 - 1, 2**1279 - 1
    assert dkim.weakness(_numbers(65537, one * other)) is None
    assert dkim.weakness(_numbers(65539, other * far)) is None
    assert dkim.weakness(_numbers(3, one * other)) == "its exponent is 3"
    assert dkim.weakness(_numbers(65537, 641 * far)) == "its modulus is divisible by 641"
    assert "close" in (dkim.weakness(_numbers(65537, one * one)) or "")
    assert dkim.weakness(dkim.parse_key("p=")) is None
