"""The policy in memory."""

import asyncio

import pytest
from memory import MemoryPolicy

from conformance.receiver.capture import Capture
from conformance.receiver.policy import Grant, Policy


@pytest.fixture
def policy() -> MemoryPolicy:
    made = MemoryPolicy("conform.example.net")
    made.grant(Grant("abc", "greylist-1"))
    return made


@pytest.mark.parametrize("address", ["abc@conform.example.net", "ABC@Plain.Conform.Example.Net"])
def test_recipients_with_a_token_are_ours(policy: MemoryPolicy, address: str) -> None:
    assert policy.at_recipient(address, "127.0.0.1") == Grant("abc", "greylist-1")


@pytest.mark.parametrize(
    "address",
    ["xyz@conform.example.net", "abc@example.net", "abc@notconform.example.net", "abc%conform.example.net@example.org"],
)
def test_others_are_not(policy: MemoryPolicy, address: str) -> None:
    assert policy.at_recipient(address, "127.0.0.1") is None


def test_tallies_count_for_each_token_and_matter(policy: MemoryPolicy) -> None:
    protocol: Policy = policy
    assert [protocol.tally("abc", "rcpt"), protocol.tally("abc", "rcpt"), protocol.tally("abc", "dot")] == [1, 2, 1]


def test_a_session_kept_again_replaces_itself(policy: MemoryPolicy) -> None:
    for ms in (1.0, 2.0):
        asyncio.run(policy.keep(Capture("one", "2026-03-02T09:00:00.000+00:00", "::1", 1, "::1", 25, ms=ms)))
    assert [capture.ms for capture in policy.captures.values()] == [2.0]
