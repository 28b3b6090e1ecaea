"""Key records of the test data of an independent verifier: each is a lawful key, and what it restricts is seen."""

import json
from pathlib import Path

from conformance.reading import dkim

REVOKED = "Revoked key"
NO_SHA256 = "Hash algorithm is not in the allowed list of the DKIM key"
NO_EMAIL = "DKIM key with other service tag"
NAME = "brisbane._domainkey.example.com"


def cases(root: Path) -> list[tuple[str, dict]]:
    every = json.loads((root / "dkim" / "dkim_verifier_cases.json").read_text("utf-8"))
    return [(case["name"], case) for case in every]


def test_all_cases_are_read(corpora: Path) -> None:
    every = dict(cases(corpora))
    assert len(every) == 32
    assert {REVOKED, NO_SHA256, NO_EMAIL} < every.keys()


def test_keys(case: dict) -> None:
    texts = {name: text for name, text in case["rec"].items() if "._domainkey." in name}
    keys = {name: dkim.parse_key(text) for name, text in texts.items()}
    assert all(key.bits in (256, 1024, 2048) for key in keys.values() if not key.revoked)
    key = keys[NAME]
    assert key.revoked is (case["name"] == REVOKED)
    assert key.allows_hash("sha256") is (case["name"] != NO_SHA256)
    assert key.serves("email") is (case["name"] != NO_EMAIL)
    assert [name for name, found in keys.items() if found.strict] == ["s.flags._domainkey.example.com"]
    assert not [text for text in case["rec"].values() if dkim.near_miss(text)]
