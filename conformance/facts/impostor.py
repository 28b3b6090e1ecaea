"""What becomes of mail with an author that is not the fleet's."""

from __future__ import annotations

from dataclasses import dataclass

from conformance.facts.delivery import nothing_came
from conformance.facts.store import Asker
from conformance.facts.trial import Trial
from conformance.facts.tried import made
from conformance.fleet.sending import Stream
from conformance.outcome import NotApplicable
from conformance.reading import message
from conformance.reading.mailbox import read_addresses


@dataclass(frozen=True, slots=True)
class Impostor:
    """The trial, and the domains in From of what came of it: none where the host did not take the letter."""

    trial: Trial
    domains: tuple[str, ...]


async def impostor(ask: Asker, stream: Stream) -> Impostor:
    """Try mail with a strange author. Raises Undetermined where it was taken and did not come.

    Raises NotApplicable where the host is given its mail by sendmail: its own users may write whom they like.
    """
    if stream.how == "sendmail":
        raise NotApplicable("only submission is judged (how: submission): users of the host itself may write any From")
    trial = await made(ask, stream, "undeclared-author")
    if trial.letters and not any(letter.taken for letter in trial.letters):
        return Impostor(trial, ())
    if not trial.accepted:
        raise nothing_came(trial)
    fields = [field for _, one in trial.accepted for field in message.read(one.message).named("From")]
    boxes = [box for field in fields for box in read_addresses(field.text).valid]
    return Impostor(trial, tuple(dict.fromkeys(box.domain.lower() for box in boxes)))
