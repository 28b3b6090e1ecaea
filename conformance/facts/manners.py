"""How a host behaves in a session, whatever becomes of the mail: whether it waits its turn, and how it writes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from conformance.facts.attempts import first_course
from conformance.facts.delivery import nothing_came
from conformance.facts.trial import Trial
from conformance.facts.tried import Tried
from conformance.outcome import NotApplicable, Undetermined
from conformance.reading.excerpt import quoted
from conformance.reading.lineends import bare, false_end
from conformance.reading.smtpcommand import length_fault, syntax_fault
from conformance.receiver.capture import Capture, Ended, Line, Transaction

_FOLLOWING_MAIL = ("RCPT", "DATA", "BDAT")


@dataclass(frozen=True, slots=True)
class Manners(Tried):
    """What is to be said against sessions of some trials; every list is empty where nothing is."""

    @property
    def before_banner(self) -> list[str]:
        """What came before the banner."""
        return self.find(lambda trial: _early(_opened(trial), "banner"))

    @property
    def before_reply(self) -> list[str]:
        """What came before the reply that had to be waited for. A session without MAIL shows too little of that."""
        return self.find(lambda trial: _in_commands(trial, _early(trial)))

    @property
    def after_starttls(self) -> list[str]:
        """What came in clear text behind STARTTLS. Raises NotApplicable when no session asked for TLS."""
        return self.find(lambda trial: _early(_asking_for_tls(trial), "STARTTLS"))

    @property
    def bare_line_ends(self) -> list[str]:
        """Lines, of commands or messages, that do not end with CRLF."""
        return self.find(lambda trial: in_content(trial, _bare(trial)))

    @property
    def false_ends(self) -> list[str]:
        """Sequences in messages that some receivers take for the end."""
        return self.find(lambda trial: in_content(trial, _false_ends(trial)))

    @property
    def syntax_faults(self) -> list[str]:
        """MAIL and RCPT commands that are written wrongly."""
        return self.find(lambda trial: _in_commands(trial, _syntax_faults(trial)))

    @property
    def length_faults(self) -> list[str]:
        """Commands that are too long."""
        return self.find(lambda trial: _in_commands(trial, _length_faults(trial)))

    @property
    def out_of_order(self) -> list[str]:
        """Commands that were answered 503. A session without MAIL has no order to keep."""
        return self.find(lambda trial: _in_commands(trial, _out_of_order(trial)))

    @property
    def left_without_quit(self) -> list[str]:
        """Sessions that the client closed without QUIT."""
        return self.find(lambda trial: _closed(trial, said_quit=False))

    @property
    def left_before_221(self) -> list[str]:
        """Sessions that the client closed after QUIT, without the reply."""
        return self.find(lambda trial: _closed(trial, said_quit=True))

    @property
    def questions(self) -> list[str]:
        """Commands that ask whether an address exists, without mail for it."""
        return self.find(lambda trial: [*_verifying(trial), *_unused(trial.captures, trial.tokens)])

    @property
    def questions_about_senders(self) -> list[str]:
        """Sessions that asked for the sender of a letter and brought no bounce.

        Raises NotApplicable where no sender was at the receiver.
        """
        return self.find(_callouts)


def _early(trial: Trial, before: str = "") -> Iterator[str]:
    """Yield octets that came too early: before one reply, or before any but the banner and that to STARTTLS."""
    for capture in trial.captures:
        for one in capture.early:
            if one.before == before if before else one.before not in ("banner", "STARTTLS"):
                what = "the banner" if one.before == "banner" else f"the reply to {one.before}"
                yield f"{quoted(one.text)} came before {what}, {one.at:.0f} ms after the connection"


def _opened(trial: Trial) -> Trial:
    """Return the trial. Raises Undetermined when the receiver ended every session before it had sent a banner."""
    if all(one.banner_at is None and one.ended.by_receiver and not one.early for one in trial.captures):
        raise Undetermined(f"{trial.ref}: the receiver ended every session before its banner")
    return trial


def _asking_for_tls(trial: Trial) -> Trial:
    """Return the trial. Raises NotApplicable when no session of it sent STARTTLS."""
    if not any(capture.tls or any(one.before == "STARTTLS" for one in capture.early) for capture in trial.captures):
        raise NotApplicable("no session asked for TLS, see tls.out-used")
    return trial


def commands(capture: Capture) -> Iterator[tuple[str, str]]:
    """Yield every command line, without its line end, with the first line of what was said next ('' for nothing)."""
    for number, line in enumerate(capture.lines):
        if line.side == "C":
            reply = next((one.text for one in capture.lines[number + 1 :] if one.side == "S"), "")
            yield from ((text.rstrip("\r"), reply) for text in line.text.removesuffix("\n").split("\n"))


def in_content(trial: Trial, found: Iterable[str]) -> list[str]:
    """Return what was found in a trial.

    Where that is nothing and no content came to look at, raises NotApplicable when the host gave the message up, and
    Undetermined when it may yet come.
    """
    return _looked_at(trial, found, any(transaction.how for _, transaction in trial.transactions))


def _in_commands(trial: Trial, found: Iterable[str]) -> list[str]:
    """Return what was found in a trial. Raises as :func:`in_content` where no MAIL came to look at."""
    return _looked_at(trial, found, any(True for _ in trial.transactions))


def _looked_at(trial: Trial, found: Iterable[str], came: bool) -> list[str]:
    texts = list(found)
    if texts or came:
        return texts
    if trial.letters and (given_up := first_course(trial).given_up):
        raise NotApplicable(f"no message came: {given_up}")
    raise nothing_came(trial)


def _bare(trial: Trial) -> Iterator[str]:
    for capture in trial.captures:
        for line in capture.lines:
            if line.side == "C" and (where := bare(line.text, cut=True)):
                yield f"{where} of the command {quoted(line.text, 40)}"
    for _, transaction in trial.transactions:
        if not _is_binary(transaction) and (where := bare(transaction.wire, cut=transaction.truncated)):
            yield f"{where} of the message"


def _is_binary(transaction: Transaction) -> bool:
    """Whether the content may hold any octets (RFC 3030 section 3)."""
    return any(parameter.upper() == "BODY=BINARYMIME" for parameter in transaction.parameters)


def _false_ends(trial: Trial) -> Iterator[str]:
    for _, transaction in trial.transactions:
        if transaction.how == "DATA" and (where := false_end(transaction.wire)):
            yield f"{where} of the message"


def offered(capture: Capture, transaction: Transaction) -> tuple[str, ...]:
    """Return the EHLO keywords that held for a transaction; none after HELO (RFC 5321 section 3.2)."""
    last = max((one for one in capture.hellos if one.at <= transaction.at), key=lambda one: one.at, default=None)
    if last is None or last.verb.upper() != "EHLO" or last.code // 100 != 2:
        return ()
    return capture.extensions_tls if last.tls else capture.extensions


def _syntax_faults(trial: Trial) -> Iterator[str]:
    for capture, transaction in trial.transactions:
        keywords = offered(capture, transaction)
        if fault := syntax_fault(transaction.argument, keywords):
            yield f"MAIL FROM: has {fault}"
        for recipient in transaction.recipients:
            if fault := syntax_fault(recipient.argument, keywords):
                yield f"RCPT TO: has {fault}"


def _length_faults(trial: Trial) -> Iterator[str]:
    for capture in trial.captures:
        for command, _ in commands(capture):
            if fault := length_fault(command):
                yield f"{quoted(command, 40)} has {fault}"


def _out_of_order(trial: Trial) -> Iterator[str]:
    for capture in trial.captures:
        # What was sent in one group with a MAIL or a chunk that is refused has nothing to follow (RFC 2920 section 3.1,
        # RFC 3030 section 4.2).
        grouped = False
        for command, reply in commands(capture):
            verb = command.split(" ", 1)[0].upper()
            if verb not in _FOLLOWING_MAIL:
                grouped = verb == "MAIL" and reply[:1] in ("4", "5")
            if reply.startswith("503") and not (grouped and verb in _FOLLOWING_MAIL):
                yield f"{quoted(command, 80)} was answered {quoted(reply.strip(), 80)}"
            grouped = grouped or (verb == "BDAT" and reply[:1] in ("4", "5"))


def _closed(trial: Trial, *, said_quit: bool) -> list[str]:
    """Return the sessions that the client closed. A reset may be the network's, so alone it leaves the matter open."""
    left = [one for one in trial.captures if said_quit is _says_quit(one.lines) and not one.ended.by_receiver]
    closed = [one for one in left if one.ended is Ended.CLOSED]
    if not closed and (reset := next((one for one in left if one.ended is Ended.RESET), None)):
        raise Undetermined(f"{trial.ref}: the session of {reset.started} was reset by the client or the network")
    return [f"the session of {one.started} was closed by the client after {one.ms / 1000:.1f} s" for one in closed]


def _says_quit(lines: tuple[Line, ...]) -> bool:
    said = [line.text for line in lines if line.side == "C"]
    return bool(said) and said[-1].strip().upper().endswith("QUIT")


def _verifying(trial: Trial) -> Iterator[str]:
    for capture in trial.captures:
        for command, _ in commands(capture):
            if command.split(" ", 1)[0].upper() in ("VRFY", "EXPN"):
                yield quoted(command)


def _unused(captures: tuple[Capture, ...], tokens: frozenset[str]) -> Iterator[str]:
    """Yield recipients that were accepted and given no message, though the client could have."""
    for capture in captures:
        for transaction in capture.transactions:
            given = transaction.how or transaction.data_code
            taken = [one for one in transaction.recipients if one.token in tokens and one.code // 100 == 2]
            quit_early = capture.ended is Ended.CLOSED and _says_quit(capture.lines)
            went_on = capture.ended is Ended.QUIT or quit_early or transaction is not capture.transactions[-1]
            if taken and not given and went_on:
                yield f"MAIL FROM:<{transaction.sender}>, RCPT TO:<{taken[0].address}>, and no message"


def _callouts(trial: Trial) -> Iterator[str]:
    senders = frozenset(letter.return_token for letter in trial.letters if letter.return_token)
    if not senders:
        raise NotApplicable("the host sends with no sender at the receiver, so that nobody can be seen to ask for it")
    return _unused(trial.returns, senders)
