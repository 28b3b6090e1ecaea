"""How a host goes on with one recipient after it was refused: its attempts, the rounds they make, and how it ended."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass

from conformance.facts.delivery import nothing_came
from conformance.facts.trial import Letter, Trial, seconds_between
from conformance.reading import dsn
from conformance.receiver.capture import Capture, Recipient, Transaction

SURE = 4 * 3600.0
"""Seconds after which a host that has not tried again does not: RFC 5321 section 4.5.4.1 has two attempts in the first
hour, and then one every two or three."""

_AT_ONCE = 60.0
"""Seconds within which a host goes on to the next address, or without TLS, where it does not wait for its queue."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to deliver to one recipient. Times are seconds since the letter was handed over, at the host's pace.

    ``step`` is the command that ``code`` answered last; code 0 stands for no reply, or none that is known.
    """

    capture: Capture
    begun: float
    ended: float
    step: str
    code: int

    @property
    def is_final(self) -> bool:
        """Whether it was refused for good."""
        return self.code // 100 == 5

    @property
    def is_taken(self) -> bool:
        """Whether the receiver took the message."""
        return self.step == "the end of the message" and self.code // 100 == 2

    @property
    def names_recipient(self) -> bool:
        """Whether RCPT named the recipient; else the session ended before."""
        return self.step in ("RCPT", "DATA", "the end of the message")

    def goes_on(self, before: Attempt) -> bool:
        """Whether it is the one before in clear text, at once, after TLS had failed at the same address."""
        soon = self.begun - before.ended < _AT_ONCE
        return before.step == "TLS" and self.capture.tls is None and self.capture.local == before.capture.local and soon

    def __str__(self) -> str:
        if self.step == "TLS":
            failed = self.capture.tls and (self.capture.tls.alert or self.capture.tls.error)
            return f"the TLS handshake failed ({failed})" if failed else "the client left after STARTTLS"
        if self.step == "the banner":
            return f"{self.code} as banner" if self.code else "no banner"
        return f"{self.code or 'no reply'} to {self.step}"


Round = tuple[Attempt, ...]
"""Attempts at different addresses, one after the other: one try of RFC 5321 section 5.1."""


@dataclass(frozen=True, slots=True)
class Course:
    """How one recipient of a letter fared."""

    trial: Trial
    letter: Letter
    attempts: tuple[Attempt, ...]
    bounces: tuple[Transaction, ...]

    @property
    def rounds(self) -> tuple[Round, ...]:
        """The attempts, parted where an address of the receiver is tried again.

        To go on in clear text where TLS has failed is no new round.
        """
        made: list[list[Attempt]] = []
        for attempt in self.attempts:
            known = bool(made) and any(attempt.capture.local == other.capture.local for other in made[-1])
            if not made or (known and not attempt.goes_on(made[-1][-1])):
                made.append([])
            made[-1].append(attempt)
        return tuple(map(tuple, made))

    @property
    def refused(self) -> Attempt | None:
        """The first attempt that was refused or cut off, None where the first one succeeded or there is none."""
        first = next(iter(self.attempts), None)
        return None if first is None or first.is_taken else first

    @property
    def taken(self) -> int:
        """How often the receiver took the message."""
        return sum(attempt.is_taken for attempt in self.attempts)

    @property
    def pause(self) -> float | None:
        """Seconds from the end of the first round to the beginning of the second; None where there is no second."""
        if len(self.rounds) < 2:
            return None
        return max(0.0, self.rounds[1][0].begun - max(attempt.ended for attempt in self.rounds[0]))

    @property
    def came_later(self) -> bool:
        """Whether some attempt came so long after the first that it was no other address of the same round."""
        return any(one.begun - self.attempts[0].ended >= _AT_ONCE for one in self.attempts[1:])

    @property
    def waited(self) -> float:
        """Seconds from the last attempt, or from the hand-over where there is none, to the end of the watch."""
        whole = seconds_between(self.letter.handed, self.trial.until) * self.trial.pace if self.trial.until else 0.0
        return max(0.0, whole - (self.attempts[-1].ended if self.attempts else 0.0))

    @property
    def given_up(self) -> str:
        """How the host was seen to give the recipient up; empty where it was not."""
        if self.bounces:
            return "the host sent a bounce"
        if not self.letter.taken:
            return f"the host gave the message back: {self.letter.reply[:200] or 'no reason said'}"
        return ""


def course(trial: Trial, letter: Letter, token: str) -> Course:
    """Return how a recipient of a letter fared."""
    attempts = sorted((*_named(trial, letter, token), *_nameless(trial, letter)), key=lambda one: one.begun)
    return Course(trial, letter, tuple(attempts), bounces(trial, letter))


def first_course(trial: Trial) -> Course:
    """Return how the first recipient of the first letter fared."""
    return course(trial, trial.letters[0], trial.letters[0].tokens[0])


def bounces(trial: Trial, letter: Letter) -> tuple[Transaction, ...]:
    """Return what was delivered to the sender of a letter, where that is at the receiver; no warnings of delay."""
    return tuple(
        transaction
        for capture in trial.returns
        for transaction in capture.transactions
        if transaction.accepted and any(one.token == letter.return_token for one in transaction.recipients if one.token)
        if not dsn.tells_no_failure(transaction.message)
    )


def arrival(trial: Trial) -> float:
    """Return the seconds in which a letter came. Raises Undetermined when it did not."""
    if not trial.accepted:
        raise nothing_came(trial)
    return max(0.0, first_course(trial).attempts[0].begun)


def _named(trial: Trial, letter: Letter, token: str) -> Iterator[Attempt]:
    """Yield the attempts in which the recipient was named."""
    for capture, transaction, recipient in trial.recipients:
        if recipient.token == token:
            at, step, code = _outcome(capture, transaction, recipient)
            begun = _seconds(trial, letter, capture, 0.0 if transaction is capture.transactions[0] else transaction.at)
            yield Attempt(capture, begun, _seconds(trial, letter, capture, at), step, code)


def _outcome(capture: Capture, transaction: Transaction, recipient: Recipient) -> tuple[float, str, int]:
    """Return when, at which step and with which code it was decided what becomes of a recipient."""
    if recipient.code // 100 != 2:
        return recipient.at, "RCPT", recipient.code
    if transaction.how != "BDAT" and transaction.data_code // 100 != 3:
        return capture.ms, "DATA", transaction.data_code
    return transaction.final_at or capture.ms, "the end of the message", transaction.final_code


def _nameless(trial: Trial, letter: Letter) -> Iterator[Attempt]:
    """Yield the attempts that ended before a recipient was named; of several letters, to the one handed over last."""
    later = [seconds_between(letter.handed, one.handed) * trial.pace for one in trial.letters]
    following = min((one for one in later if one > 0), default=None)
    for capture in trial.captures:
        begun = _seconds(trial, letter, capture, 0.0)
        named = any(transaction.recipients for transaction in capture.transactions)
        of_another = following is not None and begun >= following
        too_early = letter is not trial.letters[0] and begun < 0
        if not (named or of_another or too_early):
            step, code = _before_recipients(capture)
            yield Attempt(capture, begun, _seconds(trial, letter, capture, capture.ms), step, code)


def _before_recipients(capture: Capture) -> tuple[str, int]:
    """Return the step at which a session without recipients ended, and the code there."""
    if capture.transactions:
        return "MAIL", capture.transactions[-1].code
    if capture.tls and (capture.tls.error or not any(hello.tls for hello in capture.hellos)):
        return "TLS", 0
    if capture.hellos:
        return capture.hellos[-1].verb.upper(), capture.hellos[-1].code
    banner = next((line.text for line in capture.lines if line.side == "S"), "")
    code = re.match(r"[2-5][0-9][0-9]", banner)
    return "the banner", int(code[0]) if code else 0


def _seconds(trial: Trial, letter: Letter, capture: Capture, at: float) -> float:
    return (seconds_between(letter.handed, capture.started) + at / 1000) * trial.pace


def network(capture: Capture) -> str:
    """Return the /24 or /64 network from which a session came; what is no address stands for itself."""
    try:
        address = ipaddress.ip_address(capture.peer)
    except ValueError:
        return capture.peer
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    prefix = 64 if address.version == 6 and not mapped else 24
    return str(ipaddress.ip_network(f"{mapped or address}/{prefix}", strict=False))


def spelled(seconds: float) -> str:
    """Return a span of time for a sentence: ``0.4 s``, ``85 s``, ``12 min``, ``4 h``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
