"""What is said of messages that ask for TLS themselves (RFC 8689)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from conformance.facts.required import Required
from conformance.facts.tried import made
from conformance.fleet.sending import Probe, Stream
from conformance.outcome import NotApplicable, Undetermined
from tests.facts.tries import said, trial, view

CAME = "a message that needs REQUIRETLS came "
LACKING = {
    "state": "unsent",
    "letter": {"taken": False, "reply": "port 587 does not offer REQUIRETLS", "lacking": "REQUIRETLS"},
    "sessions": [],
    "returns": [],
}


def exposed(**changes: Any) -> str:
    names = ("accept", "requiretls", "requiretls-missing", "requiretls-clear")
    keys = {name.replace("-", "_"): name for name in names}
    given = {keys[key]: value for key, value in changes.items()}
    held = view(Required, *(trial(name, **given.get(name, {})) for name in names))
    return said(lambda: held.exposed)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ""),
        (
            {"requiretls": {"sessions": [{}]}},
            CAME + "inside TLS, without the parameter REQUIRETLS, to a receiver that of",
        ),
        ({"requiretls": {"sessions": []}}, ""),
        (
            {"requiretls_missing": {"sessions": [{}]}},
            CAME + "inside TLS, without the parameter REQUIRETLS, to a receiver",
        ),
        (
            {"requiretls_clear": {"sessions": [{"tls": False}]}},
            CAME + "in clear text, to a receiver that does not offer",
        ),
        ({"requiretls_clear": {"until": -590}}, "undetermined: mx1/news requiretls-clear: 1 sessions came and none"),
        ({"accept": {"sessions": []}}, "undetermined: mx1/news accept: nothing came"),
        (
            {"requiretls_missing": LACKING},
            "undetermined: mx1/news requiretls-missing: the host did not take it: port 587",
        ),
        (
            {
                "requiretls_missing": {
                    **LACKING,
                    "state": "watched",
                    "letter": {"taken": False, "reply": "550 5.7.30 no"},
                }
            },
            "",
        ),
    ],
)
def test_messages_that_need_tls(changes: dict[str, Any], expected: str) -> None:
    text = exposed(**changes)
    assert text.startswith(expected), text
    assert bool(text) is bool(expected), text


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ""),
        ({"sessions": [{"transactions": []}], "until": 20}, "undetermined: "),
        ({"sessions": [{"transactions": []}], "returns": [{}]}, "1 attempts, none of which brought"),
    ],
)
def test_messages_that_need_none(changes: dict[str, Any], expected: str) -> None:
    text = said(lambda: view(Required, trial("tls-optional", **changes)).withheld)
    assert bool(text) is bool(expected), text
    assert expected in text or "undetermined" not in text, text


class Asked:
    """Has one trial."""

    def __init__(self, **changes: Any) -> None:
        self.changes = changes

    async def trial(self, _probe: Probe, name: str) -> Any:
        return trial(name, **self.changes)


@pytest.mark.parametrize("how", ["sendmail", "command", "file"])
def test_only_a_submission_can_claim_it_for_a_host_that_does_not(how: str) -> None:
    stream = Stream("mx1", "news", "news@example.com", "example.com", "example.com", how=how)
    with pytest.raises(NotApplicable, match="mailconform_tls_policies of mx1 does not name requiretls"):
        asyncio.run(made(Asked(), stream, "requiretls"))  # type: ignore[arg-type]


def test_what_the_submission_offers_is_claimed() -> None:
    stream = Stream("mx1", "news", "news@example.com", "example.com", "example.com", how="submission")
    assert asyncio.run(made(Asked(), stream, "requiretls")).captures  # type: ignore[arg-type]
    with pytest.raises(NotApplicable, match="and its submission offers no REQUIRETLS"):
        asyncio.run(made(Asked(**LACKING), stream, "requiretls"))  # type: ignore[arg-type]
    declared = Stream(
        "mx1", "news", "news@example.com", "example.com", "example.com", how="submission", claims=("requiretls",)
    )
    missed = asyncio.run(made(Asked(**LACKING), declared, "requiretls"))  # type: ignore[arg-type]
    with pytest.raises(Undetermined, match="does not offer REQUIRETLS"):
        view(Required, missed).seen("requiretls")
