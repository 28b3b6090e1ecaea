"""Where a host takes mail for a domain: what it makes of MX records and addresses (RFC 5321 section 5.1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from conformance.facts.attempts import SURE, arrival, course, first_course, spelled
from conformance.facts.delivery import nothing_came
from conformance.facts.outcomes import undelivered
from conformance.facts.trial import Trial, parse_time
from conformance.facts.tried import Tried
from conformance.outcome import Undetermined

_NEXT_ADDRESS = 600.0
"""Seconds in which a host has given up two addresses that do not answer, and gone on to the next."""
_NEEDED = {"mx-implicit": SURE, "mx-v6-dead": _NEXT_ADDRESS / 2}
"""Seconds, where a host is not expected to need those: one address alone is dead, or none."""
_MEANWHILE = 60.0
"""Seconds in which a host that wants to send somewhere has connected, where its other mail came as fast."""
_SHUFFLED = 8
"""Sessions that all go to one of two hosts by chance once in 128 times."""


@dataclass(frozen=True, slots=True)
class Routes(Tried):
    """What is to be said against a host's way to domains of some kinds; every list is empty where nothing is."""

    def not_reached(self, *names: str) -> list[str]:
        """Return how mail failed to reach the domains of some trials."""
        return [text for name in names for text in self._reaching(name)]

    def reached(self, *names: str) -> list[str]:
        """Return the visits to domains that get no mail. Raises Undetermined when one may still come."""
        return [text for name in names for text in self._avoiding(name)]

    @property
    def kept_to_old_exchange(self) -> list[str]:
        """Mail that went where the MX led before it was moved."""
        return list(_stale(self.seen("mx-moved")))

    @property
    def not_shuffled(self) -> list[str]:
        """Exchanges of one preference of which only one was used."""
        return list(_unshuffled(self.seen("mx-two")))

    def _reaching(self, name: str) -> list[str]:
        trial = self[name]
        if not trial.captures and not trial.returns and all(letter.taken for letter in trial.letters):
            waited = first_course(trial).waited
            if waited >= _NEEDED.get(name, _NEXT_ADDRESS) + self._arrival():
                return [f"nothing came in {spelled(waited)}, while mail for an ordinary domain came"]
            raise nothing_came(trial)
        return list(undelivered(trial))

    def _avoiding(self, name: str) -> list[str]:
        trial = self[name]
        if trial.captures:
            one = trial.captures[0]
            return [f"the host came to {one.local}, which is no exchange of the domain"]
        way = first_course(trial)
        # Where the exchange is dead, nobody goes on before it has been given up.
        least = _NEXT_ADDRESS if name == "mx-not-a" else _MEANWHILE
        if not way.given_up and way.waited < max(least, 2 * self._arrival()):
            raise nothing_came(trial)
        return []

    def _arrival(self) -> float:
        """Seconds in which ordinary mail of the host came. Raises Undetermined when it did not."""
        return arrival(self.seen("accept"))


def _stale(trial: Trial) -> Iterator[str]:
    if len(trial.letters) < 2:
        raise Undetermined(f"{trial.ref}: there was no second letter")
    first, second = (course(trial, letter, letter.tokens[0]) for letter in trial.letters[:2])
    if not first.taken or not second.attempts:
        raise nothing_came(trial)
    old = first.attempts[-1].capture
    new = second.attempts[0].capture
    if new.local == old.local and new.exchange == old.exchange:
        if parse_time(new.started) < parse_time(second.letter.handed):
            raise Undetermined(f"{trial.ref}: the second letter came in a session that was open before the MX moved")
        yield f"both messages went to {old.exchange or old.local}, the second after the MX had moved"


def _unshuffled(trial: Trial) -> Iterator[str]:
    hosts = {capture.exchange or capture.local for capture in trial.captures}
    if len(hosts) > 1:
        return
    if len(trial.captures) < _SHUFFLED:
        count = f"{len(trial.letters)} messages came in {len(trial.captures)} sessions"
        raise Undetermined(f"{trial.ref}: {count}, too few to tell chance from choice")
    yield f"all {len(trial.captures)} sessions went to {hosts.pop()}, though two exchanges have the same preference"
