"""What a host makes of policies that ask for TLS: whether mail goes where they forbid it (RFC 8461 section 5)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from conformance.facts.attempts import arrival, first_course, spelled
from conformance.facts.delivery import nothing_came
from conformance.facts.outcomes import undelivered
from conformance.facts.trial import Trial
from conformance.facts.tried import Tried
from conformance.outcome import Undetermined, findings
from conformance.receiver.capture import Capture
from conformance.receiver.routes import plain_address
from conformance.receiver.sts import DOMAINS

_CONTROL = "sts-enforce"
"""The trial that shows that mail goes where a policy allows it."""
_MEANWHILE = 60.0
"""Seconds in which a host that wants to send somewhere has sent, where its other mail came as fast."""
_FETCHED = 200


@dataclass(frozen=True, slots=True)
class Policies(Tried):
    """What is to be said against how a host obeys policies; every list is empty where nothing is."""

    def sent_against(self, *names: str) -> list[str]:
        """Return the mail that came though a policy forbids it. Raises Undetermined when some may still come."""
        return [text for texts in findings(names, self._against) for text in texts]

    def withheld(self, *names: str) -> list[str]:
        """Return the mail that was given up though no policy forbids it. Raises Undetermined when it may still come."""
        return [text for texts in findings(names, lambda name: list(_withheld(self.seen(name)))) for text in texts]

    def _against(self, name: str) -> list[str]:
        trial = self[name]
        if trial.accepted:
            return [_against(trial, trial.accepted[0][0])]
        await_none(trial, arrival(self.seen(_CONTROL)))
        return []


def await_none(trial: Trial, arrival: float) -> None:
    """Raise Undetermined where mail that did not come may still come; other mail came ``arrival`` seconds later."""
    way = first_course(trial)
    if not way.given_up and way.waited < max(_MEANWHILE, 2 * arrival):
        raise nothing_came(trial)


def _against(trial: Trial, capture: Capture) -> str:
    """Say how mail came that must not come. Raises Undetermined where the host may not have had the policy.

    A host that cannot verify the policy host's certificate has no policy to obey (RFC 8461 section 3.3).
    """
    peer = plain_address(capture.peer)
    own = [one for one in capture.visits if one.status == _FETCHED and plain_address(one.peer) == peer]
    if not own and any(not one.status for one in capture.visits):
        text = f"{trial.name}: mail came, and a client left the policy host without asking: is its certificate trusted?"
        raise Undetermined(
            f"{trial.ref}: {text}", cause=f"{trial.stream}: the policy host's certificate is not trusted"
        )
    fetched = next((one.peer for one in own or capture.visits if one.status == _FETCHED), "")
    policy = f"{fetched} fetched the policy" if fetched else "nobody fetched the policy"
    return f"{DOMAINS[trial.name].about}: {policy}, and the message was sent all the same"


def _withheld(trial: Trial) -> Iterator[str]:
    for text in undelivered(trial):
        waited = spelled(first_course(trial).waited)
        yield f"{DOMAINS[trial.name].about}: {text}; nothing else came in {waited}"
