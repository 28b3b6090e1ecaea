"""Whether mail got through to a receiver that is odd, slow or breaks off, once and no more than once."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from conformance.facts.attempts import SURE, course, first_course, spelled
from conformance.facts.delivery import nothing_came
from conformance.facts.manners import in_content, offered
from conformance.facts.patience import heed_own_refusal, unsettled
from conformance.facts.trial import Trial
from conformance.facts.tried import Tried
from conformance.outcome import NotApplicable, Undetermined
from conformance.receiver.capture import Capture, Ended, Transaction

_LEFT = (Ended.CLOSED, Ended.QUIT)
_AFTER_DOT = 600.0
_BEFORE_BANNER = 300.0
"""Seconds for which a client has to wait (RFC 5321 section 4.5.3.2.6 and 4.5.3.2.1)."""

_KNOWS_HELO_ALONE = "ehlo-502"
"""The trial in which 5yz is the receiver's part."""

_LAST_CHUNK = re.compile(r"BDAT [0-9]+ LAST", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Outcomes(Tried):
    """What is to be said against how mail fared in some trials; every list is empty where nothing is."""

    @property
    def undelivered(self) -> list[str]:
        """Mail that a receiver which takes it did not get."""
        return self.find(undelivered)

    @property
    def lost_or_doubled(self) -> list[str]:
        """Mail that came twice or not at all after a session broke off."""
        return self.find(_lost_or_doubled)

    @property
    def copies(self) -> list[str]:
        """Messages that came again though the receiver had taken them."""
        return self.find(_copies)

    @property
    def impatient(self) -> list[str]:
        """Sessions that the client closed while a reply was on its way."""
        return self.find(_impatient)

    @property
    def eight_bit(self) -> list[str]:
        """Messages with octets above 127 though 8BITMIME was not offered."""
        return self.find(lambda trial: _sent_or_returned(trial, _eight_bit(trial)))

    @property
    def utf8(self) -> list[str]:
        """Addresses and header fields beyond ASCII though SMTPUTF8 was not offered."""
        return self.find(lambda trial: _sent_or_returned(trial, _utf8(trial)))

    @property
    def oversized(self) -> list[str]:
        """Messages that were sent though they are larger than the receiver says it takes."""
        return self.find(_oversized)

    @property
    def undeclared_sizes(self) -> list[str]:
        """MAIL commands without SIZE though it was offered."""
        return self.find(_undeclared_sizes)

    @property
    def undotted(self) -> list[str]:
        """Lines that begin with a dot and did not come as they were handed over."""
        return self.find(_undotted)

    @property
    def mixed_domains(self) -> list[str]:
        """Transactions with recipients of several domains."""
        return self.find(_mixed_domains)

    @property
    def separate_copies(self) -> list[str]:
        """Messages that were sent once for each recipient of one domain."""
        return self.find(_separate_copies)


def undelivered(trial: Trial) -> Iterator[str]:
    """Yield how a message failed at a receiver that would have taken it. Raises Undetermined when it may yet come."""
    way = first_course(trial)
    if way.taken:
        return
    if trial.name != _KNOWS_HELO_ALONE:
        heed_own_refusal(way)
    if way.given_up:
        yield f"{way.refused or 'no session'}, then {way.given_up}"
    elif len(way.rounds) > 1:
        yield f"{len(way.rounds)} attempts failed alike: {way.refused}"
    elif not way.attempts:
        raise nothing_came(trial)
    elif way.waited >= SURE:
        yield f"{way.refused}, and no other attempt in {spelled(way.waited)}"
    else:
        raise unsettled(way)


def _lost_or_doubled(trial: Trial) -> Iterator[str]:
    way = first_course(trial)
    if way.taken > 1:
        yield f"{trial.name}: the message came {way.taken} times"
    elif not way.taken:
        heed_own_refusal(way)
    if not way.taken and way.given_up:
        yield f"{trial.name}: {way.refused}, then {way.given_up}"
    elif not way.taken and way.waited >= SURE:
        yield f"{trial.name}: {way.refused}, and no other attempt in {spelled(way.waited)}"
    elif not way.taken:
        raise unsettled(way) if way.attempts else nothing_came(trial)


def _complete(capture: Capture, transaction: Transaction) -> bool:
    """Whether the whole message came, whatever was answered."""
    if transaction.accepted or transaction.how != "BDAT":
        return transaction.accepted or transaction.wire.endswith("\r\n.\r\n")
    last = next((line.text for line in reversed(capture.lines) if line.side == "C"), "")
    return transaction is capture.transactions[-1] and bool(_LAST_CHUNK.fullmatch(last.strip()))


def _copies(trial: Trial) -> Iterator[str]:
    every = [(capture, one) for capture, one in trial.transactions if _complete(capture, one)]
    # What was refused at its end is due again.
    whole = list(itertools.dropwhile(lambda each: each[1].final_code // 100 in (4, 5), every))
    if not whole:
        raise nothing_came(trial)
    capture, first = whole[0]
    if not first.final_code and capture.ended.by_receiver:
        raise Undetermined(f"{trial.ref}: the receiver ended the session before it replied")
    if len(whole) > 1:
        yield f"the message came {len(whole)} times, the second time though the first one was on its way to be taken"
    elif not first.final_code and (waited := first_course(trial).waited) < SURE:
        raise Undetermined(f"{trial.ref}: the client left before the reply; no second copy in {spelled(waited)}")


def _impatient(trial: Trial) -> list[str]:
    """Return how the client left too early. A reset may be the network's, so alone it leaves the matter open."""
    left = [text for capture in trial.captures if capture.ended in _LEFT for text in _leaving(trial, capture)]
    reset = [text for one in trial.captures if one.ended is Ended.RESET for text in _leaving(trial, one)]
    if reset and not left:
        raise Undetermined(f"{trial.ref}: {reset[0]}; the session was reset by the client or the network")
    return left


def _leaving(trial: Trial, capture: Capture) -> Iterator[str]:
    if capture.banner_at is None and (waited := capture.ms * trial.pace / 1000) < _BEFORE_BANNER:
        yield f"the client left after {spelled(waited)} without a banner; {_BEFORE_BANNER:.0f} s are asked for"
    for one in capture.transactions:
        if _complete(capture, one) and not one.final_code:
            waited = (capture.ms - (one.chunks[-1].at if one.chunks else one.at)) * trial.pace / 1000
            if waited < _AFTER_DOT:
                yield (
                    f"the client left {spelled(waited)} after the end of the message, before the reply; "
                    f"{_AFTER_DOT:.0f} s are asked for"
                )


def _has(keywords: tuple[str, ...], keyword: str) -> bool:
    return any(one.partition(" ")[0].upper() == keyword for one in keywords)


def _sent_or_returned(trial: Trial, found: Iterable[str]) -> list[str]:
    """Return what was found in a trial; a bounce instead of the message is right. Raises as :func:`in_content`."""
    texts = list(found)
    return texts if first_course(trial).bounces else in_content(trial, texts)


def _eight_bit(trial: Trial) -> Iterator[str]:
    for capture, one in trial.transactions:
        if not one.wire.isascii() and not _has(offered(capture, one), "8BITMIME"):
            first = next(number for number, octet in enumerate(one.wire, 1) if octet > "\x7f")
            yield f"octet {first} of the message is 0x{ord(one.wire[first - 1]):02x}"
            return
    if trial.letters[0].message.isascii():
        raise NotApplicable("the message that was to be sent is in ASCII")


def _utf8(trial: Trial) -> Iterator[str]:
    for capture, one in trial.transactions:
        if _has(offered(capture, one), "SMTPUTF8"):
            continue
        paths = [f"MAIL FROM:{one.argument}", *(f"RCPT TO:{recipient.argument}" for recipient in one.recipients)]
        yield from (f"{path!a} was sent" for path in paths if not path.isascii())
        if not (header := one.wire.partition("\r\n\r\n")[0]).isascii():
            field = next(line for line in header.split("\r\n") if not line.isascii())
            yield f"the header field {field[:80]!a} was sent"


def _limit(capture: Capture) -> int:
    """Return the SIZE that a session was offered; 0: none."""
    keywords = (*capture.extensions, *capture.extensions_tls)
    found = (re.fullmatch(r"SIZE ([0-9]{1,20})", keyword, re.IGNORECASE) for keyword in keywords)
    return next((int(match[1]) for match in found if match), 0)


def _too_large(trial: Trial) -> int:
    """Return the limit that the message is over. Raises NotApplicable where it is within it, or nobody knows."""
    limit = max(map(_limit, trial.captures), default=0)
    size = len(trial.letters[0].message)
    if not limit or size <= limit:
        known = f"{size} octets" if size else "the host's own message"
        raise NotApplicable(f"no message over the receiver's limit of {limit} octets was tried: {known}")
    return limit


def _oversized(trial: Trial) -> Iterator[str]:
    limit = _too_large(trial)
    for _, one in trial.transactions:
        if one.how and one.size > limit:
            yield f"{one.size} octets were sent to a receiver that takes {limit}"
    if len((way := first_course(trial)).rounds) > 1:
        yield f"tried again after {spelled(way.pause or 0.0)}, though the receiver takes {limit} octets"


def _undeclared_sizes(trial: Trial) -> Iterator[str]:
    _too_large(trial)
    for capture, one in trial.transactions:
        declared = any(parameter.upper().startswith("SIZE=") for parameter in one.parameters)
        if not declared and _has(offered(capture, one), "SIZE"):
            yield f"MAIL FROM:{one.argument} has no SIZE"


def _undotted(trial: Trial) -> Iterator[str]:
    from conformance.reading.bodylines import dotted_lines

    wanted = dotted_lines(trial.letters[0].message.encode("latin-1"))
    if not wanted:
        raise NotApplicable("the message that was to be sent has no line that begins with a dot")
    if not trial.accepted:
        raise nothing_came(trial)
    came = dotted_lines(trial.accepted[0][1].message)
    # The host may have added lines of its own: a footer, the text once more as HTML.
    left = iter(came)
    if not all(line in left for line in wanted):
        yield f"the lines {', '.join(map(ascii, wanted[:5]))} came as {', '.join(map(ascii, came[:5])) or 'none'}"


def _mixed_domains(trial: Trial) -> Iterator[str]:
    named = [{one.address.rpartition("@")[2].lower() for one in one.recipients} for _, one in trial.transactions]
    for domains in named:
        if len(domains) > 1:
            yield f"one transaction had recipients of {' and '.join(sorted(domains))}"
    if len(set().union(*named)) < 2:
        raise Undetermined(f"{trial.ref}: recipients of two domains were not seen")


def _separate_copies(trial: Trial) -> Iterator[str]:
    letter = trial.letters[0]
    ways = [course(trial, letter, token) for token in letter.tokens]
    if not all(way.taken for way in ways):
        raise nothing_came(trial)
    at_once = _taken_at_once(trial)
    times = sum(any(one.token in at_once for one in transaction.recipients) for _, transaction in trial.accepted)
    if times > 1:
        yield f"{len(at_once)} recipients of one domain got the message in {times} transactions"


def _taken_at_once(trial: Trial) -> frozenset[str]:
    """Return the tokens of recipients that were not put off: those have to come by themselves later."""
    first: dict[str, int] = {}
    for _, _, recipient in trial.recipients:
        first.setdefault(recipient.token, recipient.code)
    return frozenset(token for token, code in first.items() if code // 100 == 2)
