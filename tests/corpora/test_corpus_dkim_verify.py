"""Signatures of the test data of an independent verifier: RFC 6376 A.2, RFC 8463 A.3, what keys restrict.

Eight of its cases are of its policy: a signature that holds, while somebody added a field above those that it signs.
"""

import base64
import json
from pathlib import Path

from conformance.reading import dkim, dkimsig
from conformance.reading.message import read

RECEIVED = 1_600_000_000.0
SHOWN = {"from", "to", "subject", "date"}
"""Fields of which the verifier's policy wants each instance signed."""


def cases(root: Path) -> list[tuple[str, dict]]:
    every = json.loads((root / "dkim" / "dkim_verifier_cases.json").read_text("utf-8"))
    return [(case["name"], case) for case in every]


def test_all_cases_are_read(corpora: Path) -> None:
    every = [case for _, case in cases(corpora)]
    assert [sum(case["cls"] == kind for case in every) for kind in ("std", "policy")] == [24, 8]


def test_signatures(case: dict) -> None:
    message = read(base64.b64decode(case["msg"]))
    found = [dkimsig.read_signature(field) for field in message.named("dkim-signature")]
    records = [(one, case["rec"].get(one.key_name)) for one in found]
    verdicts = [dkimsig.verify(message, one, dkim.parse_key(text), RECEIVED) for one, text in records if text]
    holds = bool(verdicts) and all(verdict.passes for verdict in verdicts)
    if case["cls"] == "policy":
        assert holds, verdicts
        holds = all(dkimsig.covered(message, one) >= SHOWN for one in found)
    assert holds is (case["exp"] == "pass"), verdicts
