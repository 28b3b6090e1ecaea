"""How a host greets in its own sessions: EHLO before HELO, one name, and again inside TLS."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from conformance.facts.outcomes import undelivered
from conformance.facts.trial import Trial
from conformance.facts.tried import Tried
from conformance.outcome import NotApplicable, Undetermined
from conformance.reading.excerpt import quoted
from conformance.receiver.capture import Capture, Hello

_FEW = 3
"""Sessions that have to greet alike before a host is said to."""


@dataclass(frozen=True, slots=True)
class Greetings(Tried):
    """What is to be said against the greetings in some trials; every list is empty where nothing is."""

    @property
    def not_ehlo(self) -> list[str]:
        """Sessions that begin with HELO."""
        return self.find(_not_ehlo)

    @property
    def no_fallback(self) -> list[str]:
        """Mail that failed at a receiver that does not know EHLO."""
        return self.find(undelivered)

    @property
    def malformed(self) -> list[str]:
        """Greetings without exactly one argument, and mail without a greeting."""
        return self.find(_malformed)

    @property
    def names(self) -> list[str]:
        """Addresses that greet with several names. Raises NotApplicable when too few sessions were seen."""
        used: dict[str, dict[str, None]] = {}
        sessions = self._sessions()
        for capture in sessions:
            if capture.hello:
                used.setdefault(capture.peer, {})[capture.hello.argument.lower()] = None
        several = [
            f"{peer} greets with {' and '.join(map(quoted, names))}" for peer, names in used.items() if len(names) > 1
        ]
        if not several and len(sessions) < _FEW:
            raise NotApplicable(f"{len(sessions)} sessions were seen, too few to say whether all greet alike")
        return several

    @property
    def receivers(self) -> list[str]:
        """Greetings with the receiver's own name or address."""
        return self.find(_receivers)

    @property
    def lost_in_tls(self) -> list[str]:
        """Mail inside TLS without a greeting there. Raises NotApplicable when no session came to TLS."""
        return self.find(_lost_in_tls)

    @property
    def changed_in_tls(self) -> list[str]:
        """Greetings inside TLS with another name than before. Raises NotApplicable when no session came to TLS."""
        return self.find(_changed_in_tls)

    def _sessions(self) -> list[Capture]:
        """Return all sessions. Raises what kept a trial from being made where none came at all."""
        self.find(lambda trial: [trial.name])
        return [capture for trial in self.known() for capture in trial.captures]


def _greeted(trial: Trial) -> list[tuple[Capture, Hello]]:
    """Return every greeting. Raises Undetermined where no session came as far."""
    greetings = [(capture, hello) for capture in trial.captures for hello in capture.hellos]
    if not greetings and not any(capture.transactions for capture in trial.captures):
        raise Undetermined(f"{trial.ref}: no session came to a greeting")
    return greetings


def _not_ehlo(trial: Trial) -> Iterator[str]:
    _greeted(trial)
    for capture in trial.captures:
        if capture.hellos and capture.hellos[0].verb.upper() != "EHLO":
            yield f"a session begins with {quoted(f'{capture.hellos[0].verb} {capture.hellos[0].argument}')}"


def _malformed(trial: Trial) -> Iterator[str]:
    for _, hello in _greeted(trial):
        if not hello.argument.strip():
            yield f"{hello.verb.upper()} has no argument"
        elif len(hello.argument.split()) > 1:
            yield f"{hello.verb.upper()} has more than one argument: {quoted(hello.argument)}"
    for capture, transaction in trial.transactions:
        if not any(hello.at <= transaction.at for hello in capture.hellos):
            yield f"MAIL FROM:{transaction.argument} comes before a greeting"


def _receivers(trial: Trial) -> Iterator[str]:
    for capture, hello in _greeted(trial):
        name = hello.argument.rstrip(".").lower()
        own = {capture.exchange.rstrip(".").lower(), capture.local, f"[{capture.local}]", f"[ipv6:{capture.local}]"}
        own |= {one.address.rpartition("@")[2].lower() for each in capture.transactions for one in each.recipients}
        own |= {_banner_name(capture)}
        if name and name in own:
            yield f"{hello.verb.upper()} {quoted(hello.argument)} is the receiver's own"


def _banner_name(capture: Capture) -> str:
    """Return the name in the banner, in lower case (RFC 5321 section 4.2); empty where none was seen."""
    banner = next((line.text for line in capture.lines if line.side == "S"), "")
    return next(iter(banner[4:].split()), "").rstrip(".").lower()


def _encrypted(trial: Trial) -> list[Capture]:
    """Return the sessions that came to TLS and to mail in it. Raises NotApplicable when none did."""
    held = [one for one in trial.captures if one.tls and one.tls.version and one.transactions]
    if not held:
        raise NotApplicable("no session came to TLS, see tls.out-used")
    return held


def _lost_in_tls(trial: Trial) -> Iterator[str]:
    for capture in _encrypted(trial):
        begun = min(transaction.at for transaction in capture.transactions)
        if not any(hello.tls and hello.at <= begun for hello in capture.hellos):
            yield "MAIL is the first command after the TLS handshake"


def _changed_in_tls(trial: Trial) -> Iterator[str]:
    for capture in _encrypted(trial):
        names = {inside: [one.argument for one in capture.hellos if one.tls is inside] for inside in (False, True)}
        if names[False] and names[True] and names[False][-1].lower() != names[True][-1].lower():
            yield f"EHLO {quoted(names[False][-1])} before TLS, EHLO {quoted(names[True][-1])} inside"
