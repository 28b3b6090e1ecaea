"""The DKIM signatures of a delivery: each with its key, and what two verifiers say of it."""

from __future__ import annotations

import asyncio
import copy
from dataclasses import dataclass, replace

from conformance.facts.answer import Answer, Status
from conformance.facts.dkimcheck import second_opinion
from conformance.facts.store import Asker
from conformance.outcome import Undetermined
from conformance.reading import dkimsig
from conformance.reading.dkim import DkimSyntaxError, Key, near_miss, parse_key
from conformance.reading.dkimsig import Signature, Verdict
from conformance.reading.excerpt import quoted
from conformance.reading.message import Message

MOST_SIGNATURES = 10
"""Signatures of one message that are verified."""
_LONGEST_NAME = 253


@dataclass(frozen=True, slots=True)
class Checked:
    """One signature as it was verified: ``own`` by the RFCs, ``other`` by dkimpy (None: it was not asked)."""

    signature: Signature
    own: Verdict
    other: Verdict | None = None
    answer: Answer | None = None
    """What stands at its selector; None where the signature names none."""
    key: Key | None = None
    unknown: Undetermined | None = None
    """Why its key is not known."""

    def known(self) -> Checked:
        """Return this signature, or raise Undetermined when its key could not be fetched."""
        if self.unknown:
            raise copy.copy(self.unknown)
        return self

    @property
    def passes(self) -> bool:
        """Whether it holds for every verifier that was asked. Raises Undetermined."""
        self.known()
        return self.own.passes and (self.other is None or self.other.passes)

    @property
    def counts(self) -> bool:
        """Whether it holds, and its key is not in test mode. Raises Undetermined."""
        return self.passes and not (self.key and self.key.testing)

    @property
    def disputed(self) -> bool:
        """Whether the two verifiers say different things. Raises Undetermined."""
        self.known()
        return self.other is not None and self.other.passes is not self.own.passes

    @property
    def doubtful(self) -> bool:
        """Whether one verifier takes it, and no rule of the key forbids that. Raises Undetermined."""
        return self.disputed and self.own.result in ("pass", "fail")

    @property
    def edited(self) -> str:
        """What was changed after it was made, with the words of both verifiers; else empty. Raises Undetermined."""
        self.known()
        return self.describe() if self.own.body_holds is False or self.own.key_fits else ""

    def describe(self) -> str:
        """Return the signature with what is wrong with it, for a sentence; what dkimpy says where it differs."""
        said = f"{self.signature.describe()}: {self.own.result}"
        said += f" ({self.own.reason})" if self.own.reason else ""
        return "; ".join(filter(None, (said, self.dispute)))

    @property
    def dispute(self) -> str:
        """What dkimpy says where it says something else; empty where it does not."""
        if self.unknown or self.other is None or not self.disputed:
            return ""
        reason = f" ({quoted(self.other.reason, 120)})" if self.other.reason else ""
        return f"dkimpy says {self.other.result}{reason}"


async def checked(
    ask: Asker, message: Message, now: float, *, whole: Undetermined | None = None
) -> tuple[tuple[Checked, ...], int]:
    """Verify the signatures of a message that came at a time; also returns how many were left out.

    ``whole`` says why the message is not all there, so that nothing can be said of its signatures.
    """
    fields = message.named("dkim-signature")
    found = [dkimsig.read_signature(field) for field in fields[:MOST_SIGNATURES]]
    answers = await asyncio.gather(*(_key_answer(ask, one) for one in found))
    made = (
        _check(message, place, one, answer, now, whole)
        for place, (one, answer) in enumerate(zip(found, answers, strict=True))
    )
    return tuple(made), len(fields) - len(found)


async def _key_answer(ask: Asker, signature: Signature) -> Answer | None:
    name = signature.key_name
    return await ask.dns(name, "TXT") if name and len(name) <= _LONGEST_NAME else None


def _check(
    message: Message,
    place: int,
    signature: Signature,
    answer: Answer | None,
    now: float,
    whole: Undetermined | None,
) -> Checked:
    if answer is None:
        why = "; ".join(signature.faults) or "the name of its key is too long"
        return Checked(signature, Verdict("permerror", why))
    if whole or answer.status is Status.UNDETERMINED:
        why = f"DKIM key of {signature.describe()}: {answer.error or answer.rcode}"
        unknown = whole or Undetermined(why, cause=answer.cause or why)
        return Checked(signature, Verdict("temperror", unknown.text), answer=answer, unknown=unknown)
    texts = answer.joined
    if not texts:
        return Checked(signature, Verdict("permerror", f"no key: {answer.question} {answer.describe()}"), answer=answer)
    verdicts = [(*_by_record(message, signature, text, now), text) for text in texts]
    own, key, text = min(verdicts, key=lambda one: one[0].passes)
    if len(texts) > 1:
        passing = sum(verdict.passes for verdict, _, _ in verdicts)
        own = replace(own, reason=f"{own.reason or 'it holds'}; it holds by {passing} of {len(texts)} records")
    other = second_opinion(message.octets, place, signature.field.raw, text, now)
    return Checked(signature, own, other, answer, key)


def _by_record(message: Message, signature: Signature, text: str, now: float) -> tuple[Verdict, Key | None]:
    try:
        key = parse_key(text)
    except DkimSyntaxError as error:
        return Verdict("permerror", f"no verifier can use the key record: {near_miss(text) or error.why}"), None
    return dkimsig.verify(message, signature, key, now), key
