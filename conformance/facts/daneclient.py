"""What a host makes of TLSA records: whether mail goes to a key that they do not name (RFC 7672 section 2.2)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, replace
from typing import Any, Self

from conformance.facts.answer import Status
from conformance.facts.attempts import first_course, spelled
from conformance.facts.handshakes import in_tls
from conformance.facts.outcomes import undelivered
from conformance.facts.policies import Policies
from conformance.facts.store import Asker
from conformance.facts.trial import Trial
from conformance.facts.trials import MANY, TRIALS
from conformance.facts.tried import Missing, Tried
from conformance.facts.validity import Validity, zone_validity
from conformance.fleet.sending import Stream
from conformance.outcome import NotApplicable, Undetermined, findings

CLAIM = "dane"
Look = Callable[[], list[str]]
"""Looks for something, like a property of :class:`Dane`."""

_ANOTHER_KEY, _OVER_STS, _UNKNOWN_KEY = "dane-another-key", "sts-dane", "dane-unknown-key"
_BAD_CERTIFICATE, _NO_TLS, _NO_TLS_BY_POLICY = "dane-bad-certificate", "dane-no-starttls", "sts-plain"
_MEANWHILE = 60.0
"""Seconds in which a host that goes on without verification has done so."""


@dataclass(frozen=True, slots=True)
class Dane(Tried):
    """What is to be said against how a host obeys TLSA records; every list is empty where nothing is.

    Trials count only where the run's resolver vouches for the receiver's zone: without that no host can.
    """

    @classmethod
    def of(cls, *names: str) -> Callable[[Asker, Stream], Coroutine[Any, Any, Self]]:
        """Return the builder of the fact that holds these trials."""
        make = super(Dane, cls).of(*names)

        async def build(ask: Asker, stream: Stream) -> Self:
            held = await make(ask, stream)
            vouched = await asyncio.gather(*(_vouched(ask, one) for one in held.trials.values()))
            return replace(held, trials=dict(zip(held.trials, vouched, strict=True)))

        return build

    @property
    def sent_against(self) -> list[str]:
        """Mail that came though TLSA records forbid it: to another key, or in clear text.

        Raises Undetermined when some may still come. Of records that cannot be looked up mail alone tells something:
        where none came, nobody knows whether it was on its way.
        """
        ways: tuple[Look, ...] = (
            lambda: _sent(self.seen(_ANOTHER_KEY)),
            lambda: _came(self[_UNKNOWN_KEY]),
            lambda: list(_clear(self.seen(_BAD_CERTIFICATE))),
        )
        return [text for texts in findings(ways, _looked) for text in texts]

    @property
    def stripped(self) -> list[str]:
        """Mail that came in clear text to an exchange without STARTTLS, though TLSA records or a policy forbid it."""
        ways: tuple[Look, ...] = (
            lambda: Policies(self.trials).sent_against(_NO_TLS_BY_POLICY),
            lambda: _sent(self.seen(_NO_TLS), offered=False),
        )
        return [text for texts in findings(ways, _looked) for text in texts]

    @property
    def overridden(self) -> list[str]:
        """Mail that came so, where an MTA-STS policy has nothing against it. Raises like ``sent_against``.

        Raises NotApplicable where it comes without such a policy, too.
        """
        sent = _sent(self.seen(_OVER_STS))
        if sent and self[_ANOTHER_KEY].accepted:
            raise NotApplicable("TLSA records are not obeyed without an MTA-STS policy either, see tls.out-dane")
        return sent

    @property
    def withheld(self) -> list[str]:
        """Mail that did not come though TLSA records name the key. Raises Undetermined when it may still come."""
        trial = self.seen(_BAD_CERTIFICATE)
        return [f"{TRIALS[trial.name].about}: {text}" for text in undelivered(trial)]


def _looked(look: Look) -> list[str]:
    return look()


async def _vouched(ask: Asker, one: Trial | Missing) -> Trial | Missing:
    """Return a trial where the receiver's zone was validated; else why it says nothing."""
    if not isinstance(one, Trial) or not one.letters or CLAIM not in TRIALS[one.name].claims:
        return one
    domain = one.letters[0].recipients[0].rpartition("@")[2].partition(".")[2]
    validity = await zone_validity(ask, domain)
    if validity.answer.authenticated and validity.answer.status is Status.FOUND:
        return one
    why = f"{domain} was not validated, so that its TLSA records bind nobody: {_unproved(validity)}"
    return Undetermined(f"{one.ref}: {why}", cause=f"the receiver's zone was not validated: {_unproved(validity)}")


def _unproved(validity: Validity) -> str:
    answer, ds = validity.answer, validity.ds
    if answer.status is Status.UNDETERMINED:
        return f"{answer.question}: {answer.error or answer.rcode}"
    if ds is None or ds.status is Status.UNDETERMINED:
        return f"{answer.question}: the answer lacks AD"
    if ds.status is Status.ABSENT:
        return f"{ds.question} is not there (mailconform receiver dns prints it)"
    return f"{ds.question} is there, but {answer.server or 'the resolver'} does not validate: its answers lack AD"


def _came(trial: Trial) -> list[str]:
    for capture, transaction in trial.accepted[:1]:
        how = "inside TLS" if in_tls(capture, transaction) else "in clear text"
        return [f"{TRIALS[trial.name].about}: the message was sent all the same, {how}"]
    return []


def _sent(trial: Trial, *, offered: bool = True) -> list[str]:
    """Return how mail came that must not come. Raises Undetermined where too little was seen; ``offered``: TLS was."""
    if sent := _came(trial):
        return sent
    if offered and not any(capture.tls for capture in trial.captures):
        raise Undetermined(f"{trial.ref}: sessions came without the mail, and none of them asked for TLS")
    way = first_course(trial)
    since = way.waited + way.attempts[-1].ended - way.attempts[0].ended
    if not way.given_up and since < _MEANWHILE and len(trial.captures) < MANY:
        raise Undetermined(f"{trial.ref}: {way.refused}; no other attempt in {spelled(since)}, and one may still come")
    return []


def _clear(trial: Trial) -> Iterator[str]:
    for capture, transaction in trial.accepted:
        if not in_tls(capture, transaction):
            yield f"{TRIALS[trial.name].about}: the message came in clear text"
