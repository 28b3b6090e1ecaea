"""What a host does with mail that was refused: whether and when it tries again, and whom it tells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from conformance.facts.attempts import SURE, Attempt, Course, arrival, course, first_course, network, spelled
from conformance.facts.delivery import nothing_came
from conformance.facts.trial import Trial
from conformance.facts.tried import Tried
from conformance.outcome import NotApplicable, Undetermined, findings
from conformance.reading import dsn

SOON = 60.0
"""Seconds within which a second attempt comes too early (RFC 6647 section 5)."""
_HOUR = 3600.0
_SILENT = 240.0
"""Seconds after a refusal for good in which a host whose other mail comes at once has sent its bounce."""


@dataclass(frozen=True, slots=True)
class Patience(Tried):
    """What is to be said against a host's queue in some trials; every list is empty where nothing is."""

    @property
    def unretried(self) -> list[str]:
        """Recipients that were deferred and not tried again. Raises Undetermined when that may still come."""
        return self.find(_unretried)

    @property
    def hasty(self) -> list[str]:
        """Attempts that came within a minute of a refusal."""
        return self.find(_hasty)

    @property
    def late(self) -> list[str]:
        """Attempts that did not come within an hour of a refusal."""
        return self.find(_late)

    @property
    def strays(self) -> list[str]:
        """Attempts that came from another network than the first."""
        return self.find(_strays)

    @property
    def repeated(self) -> list[str]:
        """Recipients that were offered again after 5yz. Raises Undetermined where that may still come.

        A host that has deferred mail before shows how long it waits; twice that time is taken for an answer.
        """
        patience = self._usual_pause()
        names = [name for name in self.trials if name != "greylist"]
        return findings(names, lambda name: _repeated(self.seen(name), patience))

    @property
    def repeated_if_seen(self) -> list[str]:
        """What is known of recipients that were offered again after 5yz; what may still come is left aside."""
        return [text for trial in self.known() if (text := _offered_again(first_course(trial)))]

    @property
    def next_exchange(self) -> list[str]:
        """Recipients that were refused for good and taken to another address of the receiver."""
        return self.find(_next_exchange)

    @property
    def mixed(self) -> list[str]:
        """What went wrong where one recipient was taken, one deferred and one refused."""
        return self.find(_mixed)

    @property
    def spilled(self) -> list[str]:
        """Recipients that were beyond a receiver's limit, and not sent later."""
        return self.find(_spilled)

    @property
    def refused_unseen(self) -> list[str]:
        """Second letters that were given up for what the first one was told."""
        return self.find(_refused_unseen)

    @property
    def bounce_faults(self) -> list[str]:
        """What is wrong with how a sender is told that a recipient was refused for good."""
        return list(_bounce_faults(self.seen("refuse-rcpt")))

    @property
    def silence(self) -> list[str]:
        """Refusals for good that were followed by no bounce, while other mail of the host came."""
        trial = self.seen("refuse-rcpt")
        way = first_course(trial)
        if way.bounces or _unreturnable(way):
            return []
        text = f"{_refusal(way)}, and no bounce in {spelled(way.waited)}"
        if way.waited < max(_SILENT, 2 * arrival(self.seen("accept"))):
            raise Undetermined(f"{trial.ref}: {text}: it may come later")
        return [text]

    @property
    def bounce_form_faults(self) -> list[str]:
        """What is wrong with the form of bounces. Raises NotApplicable where none came."""
        return list(_bounce_form_faults(self.seen("refuse-rcpt")))

    def _usual_pause(self) -> float:
        trial = self.trials.get("greylist")
        pause = first_course(trial).pause if isinstance(trial, Trial) and trial.letters else None
        return SURE if pause is None else 2 * max(pause, SOON)


def _refusal(way: Course) -> Attempt:
    """Return the first attempt of a course, which was refused. Raises Undetermined when the first one succeeded."""
    if way.refused is None:
        raise Undetermined(f"{way.trial.ref}: the receiver refused nothing, so that nothing was to be seen")
    return way.refused


def heed_own_refusal(way: Course) -> None:
    """Pass a course without 5yz. Raises Undetermined for one with it, in a trial in which that is not the part played.

    The receiver refused what the host said then, and to give up is right.
    """
    if final := next((one for one in way.attempts if one.is_final), None):
        raise Undetermined(f"{way.trial.ref}: {final}, for what the host said itself")


def unsettled(way: Course) -> Undetermined:
    """Return the exception that says what was waited for in vain."""
    later = "it may come later (--probe-wait, and wait of the stream, show more)"
    what = f"{way.refused}, and no other attempt in {spelled(way.waited)}: {later}"
    cause = f"{way.trial.stream}: deferred mail is not seen again in time"
    return Undetermined(f"{way.trial.ref}: {what}", cause=cause)


def _unretried(trial: Trial) -> Iterator[str]:
    way = first_course(trial)
    first = _refusal(way)
    if not first.is_final and (way.taken or len(way.rounds) > 1 or way.came_later):
        return
    heed_own_refusal(way)
    if way.given_up:
        yield f"{first}, then {way.given_up}"
    elif way.waited >= SURE:
        yield f"{first}, and no other attempt in {spelled(way.waited)}"
    else:
        raise unsettled(way)


def _paused(trial: Trial) -> tuple[Course, Attempt]:
    """Return a course with its first refusal. Raises NotApplicable where another address was enough."""
    way = first_course(trial)
    first = _refusal(way)
    if len(way.rounds) == 1 and way.taken:
        raise NotApplicable("another address of the receiver took the message at once")
    if way.pause is None and way.given_up:
        raise NotApplicable(f"{way.given_up}, see queue.retries")
    return way, first


def _hasty(trial: Trial) -> Iterator[str]:
    way, first = _paused(trial)
    if way.pause is None:
        if way.waited < SOON:
            raise unsettled(way)
    elif way.pause < SOON:
        yield f"{first}, tried again after {spelled(way.pause)}"


def _late(trial: Trial) -> Iterator[str]:
    way, first = _paused(trial)
    waited = way.waited if way.pause is None else way.pause
    if waited > _HOUR:
        yield f"{first}, not tried again in {spelled(waited)}"
    elif way.pause is None:
        raise unsettled(way)


def _strays(trial: Trial) -> Iterator[str]:
    way = first_course(trial)
    _refusal(way)
    if len(way.attempts) < 2:
        raise NotApplicable(f"{way.given_up}, see queue.retries") if way.given_up else unsettled(way)
    firsts: dict[bool, Attempt] = {}
    for attempt in way.attempts:
        # The other family leads to another address of the exchange, and has a greylist of its own.
        first = firsts.setdefault(":" in network(attempt.capture), attempt)
        known, found = network(first.capture), network(attempt.capture)
        if found != known:
            yield f"first came {first.capture.peer} ({known}), then {attempt.capture.peer} ({found})"


def _offered_again(way: Course) -> str:
    """Say how a recipient came in a later round than that in which it was refused for good; empty where it did not."""
    final: Attempt | None = None
    ended = 0.0
    for attempts in way.rounds:
        # A session that names nobody was for those recipients of the letter that are still to be tried.
        mine = [one for one in attempts if len(way.letter.tokens) == 1 or one.names_recipient]
        if final is not None and mine:
            return f"{final}, offered again after {spelled(max(0.0, mine[0].begun - ended))}"
        if final is None and (final := next((one for one in mine if one.is_final), None)):
            ended = max(one.ended for one in mine)
    return ""


def _repeated(trial: Trial, patience: float) -> str:
    way = first_course(trial)
    first = _refusal(way)
    if not first.is_final:
        raise Undetermined(f"{trial.ref}: {first}, which is no refusal for good")
    if not (text := _offered_again(way)) and not way.given_up and way.waited < patience:
        why = f"{first}; not offered again in {spelled(way.waited)}, which may be too short a time to see it"
        raise Undetermined(f"{trial.ref}: {why}", cause=f"{trial.stream}: what follows 5yz is not seen in time")
    return text


def _next_exchange(trial: Trial) -> Iterator[str]:
    way = first_course(trial)
    first = _refusal(way)
    if first.step not in ("MAIL", "RCPT", "DATA", "the end of the message"):
        raise NotApplicable(f"{first}: this is no answer to the message, and another exchange may be asked")
    if not first.is_final:
        raise Undetermined(f"{trial.ref}: {first}, which is no refusal for good")
    if len(way.rounds[0]) > 1:
        second = way.rounds[0][1].capture
        after = spelled(way.rounds[0][1].begun - first.ended)
        yield f"{first} by {_place(first)}, then offered to {second.exchange or second.local} after {after}"
    elif way.waited < SOON and not way.given_up:
        raise unsettled(way)


def _place(attempt: Attempt) -> str:
    return attempt.capture.exchange or attempt.capture.local


def _mixed(trial: Trial) -> Iterator[str]:
    letter = trial.letters[0]
    ways = [course(trial, letter, token) for token in letter.tokens]
    deferred = [way for way in ways if way.refused and way.refused.code // 100 == 4]
    classes = {way.attempts[0].code // 100 for way in ways if way.attempts}
    if not classes >= {2, 4, 5}:
        raise Undetermined(f"{trial.ref}: the recipients were not answered 250, 4yz and 5yz")
    for way in ways:
        if way.taken > 1:
            yield f"a recipient that was taken got the message {way.taken} times"
        if text := _offered_again(way):
            yield text
    for way in deferred:
        # A bounce came for the recipient that was refused for good; a second one would be for this one.
        if len(way.attempts) == 1 and (len(way.bounces) > 1 or way.waited >= SURE):
            yield f"{way.refused}, and no other attempt in {spelled(way.waited)}"
        elif len(way.attempts) == 1:
            raise unsettled(way)


def _spilled(trial: Trial) -> Iterator[str]:
    letter = trial.letters[0]
    ways = [course(trial, letter, token) for token in letter.tokens]
    if not any(way.refused for way in ways):
        raise NotApplicable("no transaction came to the receiver's limit of recipients")
    for way in ways:
        if way.taken > 1:
            yield f"a recipient got the message {way.taken} times"
        elif not way.taken and way.given_up:
            yield f"{way.refused}, then {way.given_up}"
        elif not way.taken and way.waited >= SURE:
            yield f"{way.refused}, and no other attempt in {spelled(way.waited)}"
    if lost := [way for way in ways if not way.taken and not way.given_up and way.waited < SURE]:
        raise unsettled(lost[0]) if lost[0].attempts else nothing_came(trial)


def _refused_unseen(trial: Trial) -> Iterator[str]:
    if len(trial.letters) < 2:
        raise Undetermined(f"{trial.ref}: there was no second letter")
    first, second = first_course(trial), course(trial, trial.letters[1], trial.letters[1].tokens[0])
    _refusal(first)
    if second.attempts:
        return
    if not second.given_up:
        raise Undetermined(f"{trial.ref}: the second letter did not come in {spelled(second.waited)}")
    yield f"{first.refused} for the first letter; {second.given_up} for the second, and did not ask for it"


def _unreturnable(way: Course) -> str:
    """Say why no bounce of a message can be seen; empty where one can."""
    if not way.letter.taken:
        return "the host told the sender at once: it did not take the message"
    if not way.letter.return_token:
        return "the host sends with no sender at the receiver, so that its bounces go elsewhere"
    return ""


def _bounce_faults(trial: Trial) -> Iterator[str]:
    way = first_course(trial)
    first = _refusal(way)
    if why := _unreturnable(way):
        raise NotApplicable(why)
    for one in way.bounces:
        if one.sender:
            yield f"{first}, then a bounce with MAIL FROM:<{one.sender}>"
    if len(way.bounces) > 1:
        yield f"{first}, then {len(way.bounces)} bounces"


def _bounce_form_faults(trial: Trial) -> Iterator[str]:
    way = first_course(trial)
    if not way.bounces:
        raise NotApplicable("no bounce was seen, see queue.bounce-sent")
    for one in way.bounces:
        yield from dsn.faults(one.message)
