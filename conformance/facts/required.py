"""What a host makes of what a message itself asks of TLS: REQUIRETLS, and TLS-Required: No (RFC 8689)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from conformance.facts.attempts import arrival
from conformance.facts.delivery import nothing_came
from conformance.facts.outcomes import undelivered
from conformance.facts.policies import await_none
from conformance.facts.trial import Trial
from conformance.facts.tried import Tried, refused_as_such
from conformance.outcome import findings

_NOT_OFFERED = ("requiretls-missing", "requiretls-clear")


@dataclass(frozen=True, slots=True)
class Required(Tried):
    """What is to be said against how a host handles both; every list is empty where nothing is."""

    @property
    def exposed(self) -> list[str]:
        """Messages that needed REQUIRETLS and went on without it. Raises Undetermined when some may still come."""
        names = ("requiretls", *_NOT_OFFERED)
        return [text for texts in findings(names, self._exposed) for text in texts]

    @property
    def withheld(self) -> list[str]:
        """Messages that need no TLS and were given up for want of it. Raises Undetermined when they may still come."""
        return self.find(lambda trial: list(undelivered(trial)) if trial.name == "tls-optional" else ())

    def _exposed(self, name: str) -> list[str]:
        trial = self[name]
        if trial.accepted:
            return list(_bare(trial))
        if refused := refused_as_such(trial):
            raise refused
        if not any(letter.taken for letter in trial.letters):
            raise nothing_came(trial)
        # Where it is offered, a host may still want to know the exchange by DNSSEC or MTA-STS (section 4.2).
        await_none(trial, arrival(self.seen("accept")))
        return []


def _bare(trial: Trial) -> Iterator[str]:
    for capture, transaction in trial.accepted:
        if any(one.upper() == "REQUIRETLS" for one in transaction.parameters):
            continue
        inside = capture.tls and capture.tls.version and capture.tls.at <= transaction.at
        how = "inside TLS, without the parameter REQUIRETLS" if inside else "in clear text"
        offers = "offers REQUIRETLS" if trial.name == "requiretls" else "does not offer REQUIRETLS"
        yield f"a message that needs REQUIRETLS came {how}, to a receiver that {offers}"
