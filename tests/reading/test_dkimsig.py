"""DKIM signatures against RFC 6376, RFC 8301 and RFC 8463; what is signed here is signed by dkimpy."""

import base64
import time
from dataclasses import replace
from functools import cache

import dkim as dkimpy
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from conformance.reading import dkimsig
from conformance.reading.dkim import parse_key
from conformance.reading.message import read

MESSAGE = (
    b"From: Joe <joe@example.com>\r\nTo: a@example.net\r\nSubject:  Is  dinner\r\n\tready?  \r\n"
    b"To: b@example.net\r\n\r\n"
    b"Hi.  \r\n\r\nWe lost\tthe  game.\r\n..\r\n\r\n\r\n"
)
NOW = time.time()


@cache
def private(bits):
    return rsa.generate_private_key(65537, bits)


def record(more="", bits=1024):
    der = private(bits).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"v=DKIM1;{more} p={base64.b64encode(der).decode()}"


def sign(message=MESSAGE, *, canon=(b"relaxed", b"relaxed"), headers=(b"from", b"to", b"subject"), **options):
    pem = private(1024).private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return (
        dkimpy.sign(message, b"s1", b"example.com", pem, canonicalize=canon, include_headers=headers, **options)
        + message
    )


def verified(octets, text=None, now=NOW):
    message = read(octets)
    signature = dkimsig.read_signature(message.named("dkim-signature")[0])
    return dkimsig.verify(message, signature, parse_key(text or record()), now)


@pytest.mark.parametrize("body", [b"", b"\r\n", b"\r\n\r\n", b"a", b" \t\r\na \t b \r\n\r\n", b".\r\n..\r\n"])
@pytest.mark.parametrize("canon", [(b"simple", b"simple"), (b"relaxed", b"simple"), (b"simple", b"relaxed")])
def test_what_dkimpy_signs_holds(canon, body):
    octets = MESSAGE.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" + body
    assert verified(sign(octets, canon=canon)) == dkimsig.Verdict("pass", "", True)


def test_changes_are_told_apart():
    signed = sign()
    assert verified(signed.replace(b"We lost", b"We won")).body_holds is False
    changed = verified(signed.replace(b"joe@", b"jim@"))
    assert (changed.result, changed.body_holds, changed.key_fits) == ("fail", True, True)
    assert verified(signed, record(bits=2048)).key_fits is False
    assert verified(signed.replace(b"Subject:  Is  dinner", b"SUBJECT: Is dinner")).passes
    assert not verified(sign(canon=(b"simple", b"simple")).replace(b"Subject:  Is", b"Subject: Is")).passes


def test_fields_are_taken_from_below():
    message = read(MESSAGE)
    texts = [field.text for field in dkimsig.signed_fields(message, ["to", "to", "to", "cc", "from"])]
    assert texts == ["b@example.net", "a@example.net", "Joe <joe@example.com>"]


def test_oversigning_and_coverage():
    signed = read(sign(headers=(b"from", b"from", b"to", b"reply-to")))
    signature = dkimsig.read_signature(signed.fields[0])
    assert dkimsig.oversigned(signed, signature) == {"from", "reply-to"}
    assert dkimsig.covered(signed, signature) == {"from"}


def test_length_leaves_the_rest_open():
    signed = sign(length=True)
    assert verified(signed + b"More.\r\n").passes
    message = read(signed)
    assert dkimsig.read_signature(message.fields[0]).length == len(b"Hi.\r\n\r\nWe lost the game.\r\n..\r\n")
    short = MESSAGE.partition(b"\r\n\r\n")[0] + b"\r\n\r\nHi."
    tags = signed[: signed.index(MESSAGE)]
    assert "more than the body has" in verified(tags + short).reason


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("v=DKIM1; p=", "revoked"),
        ("k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", "k=ed25519"),
        (" h=sha1;", "h=sha1"),
        (" s=tlsrpt;", "s=tlsrpt"),
        (" t=s;", "t=s"),
    ],
)
def test_keys_that_forbid(key, said):
    text = key if "p=" in key else record(key)
    verdict = verified(sign(identity=b"joe@mail.example.com"), text)
    assert verdict.result == "permerror"
    assert said in verdict.reason


def test_a_test_key_verifies():
    assert verified(sign(), record(" t=y;")).passes


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ((b"v=1; ", b""), "v="),
        ((b"v=1", b"v=2"), "not 1"),
        ((b"a=rsa-sha256", b"a=rsa-md5"), "no verifier knows"),
        ((b"d=example.com", b"d=example.org"), "not within d=example.org"),
        ((b"d=example.com", b"d=com"), "d= is no name"),
        ((b"h=from", b"h=sender"), "From"),
        ((b"c=relaxed/relaxed", b"c=relaxed/nofws"), "no verifier knows"),
        ((b"q=dns/txt", b"q=http"), "dns/txt"),
        ((b"; t=", b"; x=10; t="), "is not after"),
        ((b"; t=", b"; l=ten; t="), "no number"),
        ((b"; t=", b"; s=s2; t="), "given twice"),
        ((b"bh=", b"bh=*"), "bh= is no base64"),
    ],
)
def test_faults(change, fault):
    octets = sign().replace(*change, 1)
    assert change[1] in octets
    verdict = verified(octets)
    assert verdict.result == "permerror"
    assert fault in verdict.reason


def test_expiry_counts_when_the_message_came():
    octets = sign()
    signature = dkimsig.read_signature(read(octets).fields[0])
    assert signature.at == pytest.approx(time.time(), abs=60)
    late = replace(signature, expires=5)
    assert "expired 5 s" in dkimsig.verify(read(octets), late, parse_key(record()), 10).reason
    assert dkimsig.verify(read(octets), late, parse_key(record()), 4).passes


def test_bare_line_feeds_of_the_header_are_folds():
    octets = sign().replace(b"\r\n", b"\n")
    signature = dkimsig.read_signature(read(octets).fields[0])
    assert signature.faults == ()
    assert signature.key_name == "s1._domainkey.example.com"


@given(st.binary(max_size=300) | st.text("vabdhsixtlqc=;:/ \r\n\t1ZrsaA-.@", max_size=200).map(str.encode))
def test_any_octets_are_read(octets):
    message = read(b"DKIM-Signature:" + octets)
    field = message.fields[0]
    signature = dkimsig.read_signature(field)
    assert dkimsig.verify(message, signature, parse_key(record()), NOW).result in ("permerror", "fail", "policy")
    for how in ("simple", "relaxed"):
        assert isinstance(dkimsig.canonical_field(field, how), bytes)
        once = dkimsig.canonical_body(octets, how)
        assert dkimsig.canonical_body(once, how) == once


def test_time_is_linear():
    start = time.process_time()
    for octets in (b" " * 1_000_000, b"\r\n" * 300_000, b"a \r\n" * 200_000, b" \t" * 300_000 + b"x"):
        dkimsig.canonical_body(octets, "relaxed")
        signature = dkimsig.read_signature(read(b"DKIM-Signature: v=1; h=" + octets).fields[0])
        dkimsig.signed_octets(read(b"A:" + octets), signature)
    assert time.process_time() - start < 10


@pytest.mark.parametrize("bits", [512, 768, 1023])
def test_short_keys_hold_and_are_not_taken(bits):
    message = read(sign())
    signature = dkimsig.read_signature(message.fields[0])
    verdict = dkimsig.verify(message, signature, replace(parse_key(record()), bits=bits), NOW)
    assert (verdict.result, verdict.body_holds) == ("policy", True)
    assert f"{bits} bits" in verdict.reason
