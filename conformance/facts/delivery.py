"""One captured delivery of a stream: the session, the transaction and the message that the receiver took."""

from __future__ import annotations

from dataclasses import dataclass

from conformance.facts.observed import peer_address
from conformance.facts.store import Asker
from conformance.facts.trial import Letter, Trial
from conformance.fleet.origin import IPAddress
from conformance.fleet.sending import Probe
from conformance.outcome import NotApplicable, Undetermined
from conformance.receiver.capture import Capture, Transaction


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message that was accepted, with the session that brought it."""

    probe: Probe
    trial: Trial
    letter: Letter
    capture: Capture
    transaction: Transaction

    @property
    def observed(self) -> Delivery:
        """The delivery itself. Raises NotApplicable where its session was not seen, but told."""
        if self.capture.banner_at is None:
            raise NotApplicable("the session that brought the message was not seen")
        return self

    @property
    def whole(self) -> Delivery:
        """The delivery itself. Raises Undetermined where not all octets of the message were kept."""
        if self.transaction.truncated:
            raise Undetermined(f"{self.trial.ref}: only the first octets of {self.transaction.size} were kept")
        return self

    @property
    def peer(self) -> IPAddress:
        """The address it came from; an IPv4-mapped one counts as IPv4."""
        return peer_address(self.capture.peer)

    @property
    def helo(self) -> str:
        """The name it greeted with, the last one that was answered (RFC 7208 section 2.3)."""
        hello = self.capture.hello
        return hello.argument if hello else ""

    @property
    def sender(self) -> str:
        """The envelope sender, read as UTF-8 where it is that (RFC 6531); empty for the null sender."""
        try:
            return self.transaction.sender.encode("latin-1").decode("utf-8")
        except UnicodeError:
            return self.transaction.sender

    @property
    def smtputf8(self) -> bool:
        """Whether the client asked for SMTPUTF8 (RFC 6531 section 3.4). Raises NotApplicable without a session."""
        return any(one.upper() == "SMTPUTF8" for one in self.observed.transaction.parameters)

    @property
    def body(self) -> str:
        """The BODY parameter of MAIL (RFC 6152 section 3), 7BIT where there was none. Raises NotApplicable."""
        given = self.observed.transaction.parameters
        return next((one[5:].upper() for one in given if one.upper().startswith("BODY=")), "7BIT")

    def offers(self, extension: str) -> bool:
        """Whether the receiver offered an EHLO keyword where the transaction was made. Raises NotApplicable."""
        greeted = self.capture.hello
        session = self.observed.capture
        offered = session.extensions_tls if greeted and greeted.tls else session.extensions
        return any(one.upper().partition(" ")[0] == extension for one in offered)

    @property
    def message(self) -> bytes:
        """The message, octet for octet."""
        return self.transaction.message


async def delivery(ask: Asker, probe: Probe) -> Delivery:
    """Return the first delivery of a stream. Raises Undetermined when none came, NotApplicable when nobody sends."""
    return first_of(probe, (await ask.trial(probe, "accept")).watched())


def first_of(probe: Probe, trial: Trial) -> Delivery:
    """Return the first delivery of a trial. Raises Undetermined when none came, with what is known of why."""
    if not trial.accepted:
        raise nothing_came(trial)
    capture, transaction = trial.accepted[0]
    tokens = {recipient.token for recipient in transaction.recipients}
    letter = next((one for one in trial.letters if tokens.intersection(one.tokens)), trial.letters[0])
    return Delivery(probe, trial, letter, capture, transaction)


def nothing_came(trial: Trial) -> Undetermined:
    """Return the exception that says that no message of a trial arrived, and how far it came."""
    refused = [letter.reply for letter in trial.letters if not letter.taken]
    if trial.letters and len(refused) == len(trial.letters):
        why = cause = f"the host did not take it: {refused[0] or 'no reply'}"
    elif trial.captures:
        why, cause = (
            f"{len(trial.captures)} sessions came and none of them brought it",
            "sessions came without the mail",
        )
    else:
        why, cause = f"nothing came in {trial.waited:.0f} s: {_queue(trial)}", f"nothing came: {_queue(trial)}"
    return Undetermined(f"{trial.ref}: {why}", cause=f"{trial.stream}: {cause}")


def _queue(trial: Trial) -> str:
    said = next((letter.queue for letter in trial.letters if letter.queue), "")
    return f"the host's queue says {said}" if said else "it may still be in the host's queue"
