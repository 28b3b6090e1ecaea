"""What the DKIM rules say of key records."""

from __future__ import annotations

import base64
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from verdicts import FINDING, NOT_APPLICABLE, PASS, UNDETERMINED, Verdict, built, selector, verdict

from conformance.cases import test_dkim as rules
from conformance.facts import dkim

NAME = "s1._domainkey.example.com TXT"
RULES = [name.removeprefix("test_dkim_") for name, rule in vars(rules).items() if hasattr(rule, "check")]


@cache
def key(bits: int, form: PublicFormat = PublicFormat.SubjectPublicKeyInfo) -> str:
    """Return a public RSA key in base64."""
    public = rsa.generate_private_key(65537, bits).public_key()
    return base64.b64encode(public.public_bytes(Encoding.DER, form)).decode()


@cache
def edwards() -> str:
    """Return a public Ed25519 key in base64."""
    public = ed25519.Ed25519PrivateKey.generate().public_key()
    return base64.b64encode(public.public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()


@cache
def long_key() -> str:
    """Return a public key with a modulus of 4104 bits without small factors."""
    public = rsa.RSAPublicNumbers(65537, 2**4103 + 15).public_key()
    return base64.b64encode(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


def judged(name: str, texts: Any, state: str = "signing", **wishes: Any) -> Verdict:
    """Return what a rule says of the TXT records at a selector."""
    one = selector(state, **wishes)
    facts = {
        "dkim_key": built(dkim.key_record, texts if isinstance(texts, dict) else {NAME: texts}, one),
        "selector": one,
    }
    rule = getattr(rules, f"test_dkim_{name}")
    return verdict(rule, *(facts[fact] for fact in rule.check.subjects))


def said(texts: Any, state: str = "signing", **wishes: Any) -> dict[str, str]:
    """Return the rules that do not pass, with what they say."""
    outcomes = {name: judged(name, texts, state, **wishes).said for name in RULES}
    return {name: outcome for name, outcome in outcomes.items() if outcome != PASS}


def findings(texts: Any, state: str = "signing", **wishes: Any) -> list[str]:
    """Return the rules that have a finding."""
    return [name for name, outcome in said(texts, state, **wishes).items() if outcome == FINDING]


@pytest.mark.parametrize("state", ["signing", "published"])
def test_good_keys(state: str) -> None:
    for text in (
        f"v=DKIM1; k=rsa; p={key(2048)}",
        f"p={key(2048, PublicFormat.PKCS1)}",
        f"v=DKIM1; h=sha1:sha256; s=email:x; t=s; p={key(2048)};",
    ):
        assert said([text], state) == {"retired": NOT_APPLICABLE}
    sizes = {"key_exponent", "key_1024", "key_2048", "key_4096max", "retired"}
    assert said([f"v=DKIM1; k=ed25519; p={edwards()}"], state) == dict.fromkeys(sizes, NOT_APPLICABLE)


def test_an_alias_to_a_provider_is_as_good() -> None:
    zone = {NAME: "-> s1.provider.example.net", "s1.provider.example.net TXT": [f"v=DKIM1; p={key(2048)}"]}
    assert findings(zone) == []


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("key_not_test", lambda: [f"t=y; p={key(2048)}"]),
        ("key_hash", lambda: [f"h=sha1; p={key(2048)}"]),
        ("key_service", lambda: [f"s=tlsrpt; p={key(2048)}"]),
        ("key_single", lambda: [f"p={key(2048)}", "old notes"]),
        ("key_not_revoked", lambda: ["v=DKIM1; p="]),
    ],
)
def test_a_record_behind_an_alias_is_to_be_changed_where_it_stands(name: str, texts: Any) -> None:
    zone = {NAME: "-> s1.provider.example.net", "s1.provider.example.net TXT": texts()}
    assert "s1.provider.example.net, where" in (judged(name, zone).fix or "")
    assert judged(name, texts()).fix is None


@pytest.mark.parametrize("state", ["signing", "published", "retired"])
def test_a_silent_server_is_undetermined(state: str) -> None:
    outcomes = said({NAME: None}, state)
    assert FINDING not in outcomes.values()
    assert outcomes["retired" if state == "retired" else "key_exists"] == UNDETERMINED


@pytest.mark.parametrize(
    ("texts", "broken"),
    [
        (lambda: [], ["key_exists"]),
        (lambda: ["v=spf1 -all"], ["key_exists"]),
        (lambda: [f"p={key(2048)}", f"p={key(1024)}"], ["key_single"]),
        (lambda: [f"v=DKIM1\\; k=rsa\\; p={key(2048)}"], ["key_syntax"]),
        (lambda: [f"v=DKIM2; p={key(2048)}"], ["key_syntax"]),
        (lambda: [f"v=DKIM1; p={key(2048)[:200]}"], ["key_syntax"]),
        (lambda: [f"k=dsa; p={key(2048)}"], ["key_syntax"]),
        (lambda: ["v=DKIM1; p="], ["key_not_revoked"]),
        (lambda: ["v=DKIM1; t=y; h=sha1; s=tlsrpt; p="], ["key_not_revoked"]),
        (lambda: [f"p={key(1024)}"], ["key_2048"]),
        (lambda: [f"p={long_key()}"], ["key_4096max"]),
        (lambda: [f"t=y:s; p={key(2048)}"], ["key_not_test"]),
        (lambda: [f"h=sha1; p={key(2048)}"], ["key_hash"]),
        (lambda: [f"s=tlsrpt; p={key(2048)}"], ["key_service"]),
    ],
)
def test_each_fault_is_found_once(texts: Any, broken: list[str]) -> None:
    assert findings(texts()) == broken


def test_short_keys() -> None:
    # Libraries of today make no key this short; its numbers can still be written down.
    public = rsa.RSAPublicNumbers(65537, 2**767 + 5).public_key()
    text = base64.b64encode(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()
    assert findings([f"p={text}"]) == ["key_1024", "key_2048"]
    assert judged("key_1024", [f"p={text}"]).text == "the key has 768 bits"


def test_the_declared_size() -> None:
    assert findings([f"p={key(2048)}"], min_bits=3072) == ["key_2048"]
    assert "declared are at least 3072" in judged("key_2048", [f"p={key(2048)}"], min_bits=3072).text
    assert findings([f"p={key(2048)}"], min_bits=1024) == []


@pytest.mark.parametrize(
    ("texts", "outcome"),
    [
        (lambda: [], PASS),
        (lambda: ["v=DKIM1; p="], PASS),
        (lambda: ["old notes"], PASS),
        (lambda: [f"p={key(1024)}"], FINDING),
    ],
)
def test_retired_selectors_are_judged_by_one_rule(texts: Any, outcome: str) -> None:
    outcomes = {name: judged(name, texts(), "retired").said for name in RULES}
    assert outcomes.pop("retired") == outcome
    assert set(outcomes.values()) == {NOT_APPLICABLE}


def test_near_misses_show_their_text() -> None:
    assert "v=DKIM1\\\\; p=" in judged("key_syntax", [f"v=DKIM1\\; p={key(2048)}"]).text
    assert "holds no key but 'v=spf1 -all'" in judged("key_exists", ["v=spf1 -all"]).text
