"""What came of making a host send: the letters it was given, and the sessions that the receiver saw for them."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from conformance.outcome import NotApplicable, Undetermined
from conformance.receiver.capture import Capture, Recipient, Transaction


class State(StrEnum):
    """How far a trial came."""

    WATCHED = "watched"
    """The letters were handed over, and the receiver watched until ``until``."""
    UNSENT = "unsent"
    """The host took none of the letters, or could not be asked to."""
    SKIPPED = "skipped"
    """This run makes nobody send."""
    UNAVAILABLE = "unavailable"
    """The receiver cannot play this part."""
    UNREACHED = "unreached"
    """The receiver could not be asked what it saw."""
    UNASKED = "unasked"
    """A replay without this trial."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One message that a host was given to send. Times are ISO 8601 in UTC.

    ``recipients`` are addresses at the receiver, ``tokens`` stand in them in the same order.
    """

    handed: str
    sender: str
    """The envelope sender that was asked for; empty for the null sender."""
    recipients: tuple[str, ...]
    tokens: tuple[str, ...]
    taken: bool = True
    """Whether the host took it for delivery."""
    reply: str = ""
    """What it said to that: an SMTP reply, the output of a command."""
    message: str = ""
    """The message as it was handed over, as Latin-1; empty where the host wrote it itself."""
    queue: str = ""
    """What the host's queue said of it at the end, where it was asked."""
    lacking: str = ""
    """The SMTP extension that it needs, and that the host does not offer to those who submit."""
    return_token: str = ""
    """The token in ``sender`` where that is an address at the receiver, to which bounces come."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One stream, sent in one way to a receiver that behaved in one way.

    ``name`` is that of the recipe (:mod:`conformance.facts.trials`), ``source`` the address that was asked for, if any.
    Times of a receiver that hurries (``pace`` above 1) count ``pace`` times as long.
    """

    stream: str
    name: str
    source: str = ""
    state: State = State.WATCHED
    letters: tuple[Letter, ...] = ()
    captures: tuple[Capture, ...] = ()
    """Sessions that concern the recipients, in the order in which they began."""
    returns: tuple[Capture, ...] = ()
    """Sessions that concern the letters' senders: bounces, and those who ask about them."""
    until: str = ""
    pace: float = 1.0
    error: str = ""
    cause: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells trials of a run apart."""
        return self.stream, self.name, self.source

    @property
    def ref(self) -> str:
        """How evidence names it: ``STREAM TRIAL`` or ``STREAM@SOURCE TRIAL``."""
        return f"{self.stream}@{self.source} {self.name}" if self.source else f"{self.stream} {self.name}"

    def watched(self) -> Trial:
        """Return the trial itself where it says something. Raises NotApplicable and Undetermined where not."""
        if self.state is State.WATCHED:
            return self
        if self.state is State.SKIPPED:
            raise NotApplicable(self.error or "this run makes no host send (--probe send)")
        text = self.error or "not among the gathered facts"
        raise Undetermined(f"{self.ref}: {text}", cause=self.cause or f"{self.stream}: {text}")

    @property
    def waited(self) -> float:
        """Seconds from the last letter to the end of the watch, as they count at the receiver's pace."""
        if not self.letters or not self.until:
            return 0.0
        return seconds_between(max(letter.handed for letter in self.letters), self.until) * self.pace

    @property
    def tokens(self) -> frozenset[str]:
        """The tokens of all recipients."""
        return frozenset(token for letter in self.letters for token in letter.tokens)

    @property
    def transactions(self) -> Iterator[tuple[Capture, Transaction]]:
        """Every mail transaction with its session, in order of time, without those that are for others alone."""
        ours = self.tokens
        return (
            (capture, transaction)
            for capture in self.captures
            for transaction in capture.transactions
            if not transaction.recipients or any(one.token in ours for one in transaction.recipients)
        )

    @property
    def recipients(self) -> Iterator[tuple[Capture, Transaction, Recipient]]:
        """Every RCPT of one of ours with its session and transaction, in order of time."""
        ours = self.tokens
        return (
            (capture, transaction, recipient)
            for capture, transaction in self.transactions
            for recipient in transaction.recipients
            if recipient.token in ours
        )

    @property
    def accepted(self) -> tuple[tuple[Capture, Transaction], ...]:
        """The deliveries that the receiver took responsibility for."""
        return tuple((capture, transaction) for capture, transaction in self.transactions if transaction.accepted)


def parse_time(text: str) -> datetime.datetime:
    """Return a time as written in captures and letters. Raises ValueError."""
    return datetime.datetime.fromisoformat(text)


def seconds_between(earlier: str, later: str) -> float:
    """Return the seconds from one time to another."""
    return (parse_time(later) - parse_time(earlier)).total_seconds()
