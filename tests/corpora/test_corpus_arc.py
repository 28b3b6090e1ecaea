"""The chain validation tests of the ARC working group (draft-ietf-dmarc-arc-protocol), judged by RFC 8617."""

from pathlib import Path
from typing import Any

import yaml

from conformance.reading.arcchain import validate

# A chain whose newest seal says cv=fail: the suite names no status, as nothing is to be sealed any more. RFC 8617
# section 5.2, step 2, says fail.
ENDED = {"cv_fail_i1_as_cv_fail", "cv_fail_i2_as2_fail", "cv_fail_i2_as1_fail"}
RECEIVED = 1_500_000_000.0


def cases(root: Path) -> list[tuple[str, dict[str, Any]]]:
    text = (root / "arc" / "arc-draft-validation-tests.yml").read_text("utf-8")
    suites = list(yaml.safe_load_all(text))
    return [
        (name, test | {"name": name, "records": suite["txt-records"] or {}})
        for suite in suites
        for name, test in suite["tests"].items()
    ]


def test_all_cases_are_read(corpora: Path) -> None:
    every = dict(cases(corpora))
    assert len(every) == 171
    assert {name for name, case in every.items() if not case["cv"]} == ENDED


def test_chains(case: dict[str, Any]) -> None:
    octets = case["message"].replace("\n", "\r\n").encode()
    expected = "fail" if case["name"] in ENDED else case["cv"].lower()
    assert validate(octets, case["records"], RECEIVED).status == expected
