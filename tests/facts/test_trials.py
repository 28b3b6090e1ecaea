"""When a trial has shown enough, and whose mail counts in it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from conformance.facts.trial import Letter, Trial
from conformance.facts.trials import MANY, TRIALS, enough, fixture_name
from conformance.receiver.capture import Capture, Ended, Recipient, Transaction

LETTER = Letter("2026-03-02T09:00:00+00:00", "", ("a@x.conform.example.net", "b@x.conform.example.net"), ("a", "b"))


def session(*tokens: str, code: int = 250, ended: Ended = Ended.QUIT) -> Capture:
    recipients = tuple(Recipient(1.0, f"<{token}>", token, (), token, code) for token in tokens)
    transaction = Transaction(1.0, "<>", "", recipients=recipients, final_code=250 if code == 250 else 0)
    return Capture("1", LETTER.handed, "203.0.113.1", 1, "198.51.100.1", 25, transactions=(transaction,), ended=ended)


@pytest.mark.parametrize(
    ("sessions", "expected"),
    [
        ([], False),
        ([session("a")], False),
        ([session("a"), session("b")], True),
        ([session("a", "b")], True),
        ([session("a", "b", ended=Ended.OPEN)], False),
        ([session("a"), session("c")], False),
        ([session("a", "b", code=451)] * (MANY - 1), False),
        ([session("a", "b", code=451)] * MANY, True),
    ],
)
def test_enough_is_all_taken_or_many_sessions(sessions: list[Capture], expected: bool) -> None:
    assert enough(Trial("mx1/news", "recipients", letters=(LETTER,), captures=tuple(sessions))) is expected


def test_mail_of_other_trials_in_the_same_session_does_not_count() -> None:
    own, other = session("a"), session("z")
    shared = replace(own, transactions=own.transactions + other.transactions)
    trial = Trial("mx1/news", "accept", letters=(LETTER,), captures=(shared,))
    assert [one.token for _, _, one in trial.recipients] == ["a"]
    assert len(trial.accepted) == 1


def test_a_transaction_without_recipients_counts() -> None:
    trial = Trial("mx1/news", "refuse-mail", letters=(LETTER,), captures=(session(),))
    assert len(list(trial.transactions)) == 1


def test_fixtures_of_trials_are_identifiers() -> None:
    assert all(fixture_name(name).isidentifier() for name in TRIALS)
