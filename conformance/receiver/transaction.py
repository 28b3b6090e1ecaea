"""Mail transactions: MAIL, RCPT, DATA and BDAT (RFC 5321 section 3.3, RFC 3030)."""

from __future__ import annotations

import logging
import re
from typing import Literal

from conformance.receiver.capture import Recipient, Transaction
from conformance.receiver.command import CommandSyntaxError, Path, argument_after, is_mailbox, read_path
from conformance.receiver.message import Body, read_chunk, read_data
from conformance.receiver.parameters import MAIL, RCPT, unfit, value_of
from conformance.receiver.policy import Grant
from conformance.receiver.reply import Reply
from conformance.receiver.scenario import Act, Step
from conformance.receiver.talk import END_OF_DATA, Talk
from conformance.receiver.turns import PolicyError, scenario_of
from conformance.receiver.wire import Over

_LOG = logging.getLogger(__name__)

NO_HELLO = Reply.of(503, "5.5.1", "EHLO comes first")
NO_MAIL = Reply.of(503, "5.5.1", "MAIL comes first")
_NESTED = Reply.of(503, "5.5.1", "a transaction is open")
_BEGUN = Reply.of(503, "5.5.1", "the message came with BDAT")
_NOBODY = Reply.of(554, "5.5.1", "no valid recipients")
_NO_SENDER = Reply.of(501, "5.1.7", "the sender is no mailbox")
_NO_RECIPIENT = Reply.of(501, "5.1.3", "the recipient is no mailbox")
_NOT_OURS = Reply.of(550, "5.7.1", "no such recipient; nothing is relayed")
_NOT_ASCII = Reply.of(553, "5.6.7", "an address beyond ASCII needs SMTPUTF8")
_TOO_MANY = Reply.of(452, "4.5.3", "too many recipients")
_TOO_LARGE = Reply.of(552, "5.3.4", "the message is too large")
_NO_ROOM = Reply.of(452, "4.3.1", "no room for the time being")
_NO_CHUNKS = Reply.of(502, "5.5.1", "BDAT is not offered")
TROUBLE = Reply.of(451, "4.3.0", "trouble here, come again")


class Mail:
    """The transactions of one session, one after the other."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._wire = talk.wire
        self._recorder = talk.recorder
        self.held = 0
        """Octets taken from the receiver's budget."""
        self._body: Body | None = None
        self._forget()

    def reset(self) -> None:
        """Forget the transaction (RFC 5321 section 4.1.1.5); what was written down stays."""
        self._close_body()
        self._forget()

    def _forget(self) -> None:
        self._open = False
        self._refused = False
        self._parameters: tuple[str, ...] = ()
        self._grants: list[Grant] = []

    async def mail(self, argument: str) -> None:
        """Answer MAIL."""
        if not self._talk.greeted or self._open:
            await self._talk.reply(NO_HELLO if not self._talk.greeted else _NESTED, "MAIL")
            return
        try:
            path = read_path(argument_after("FROM:", argument))
        except CommandSyntaxError:
            self._recorder.begin(Transaction(self._wire.now, argument.partition(":")[2], ""))
            await self._answer_mail(_syntax("MAIL FROM"))
            return
        self._recorder.begin(Transaction(self._wire.now, path.argument, path.address, path.parameters))
        refusal = self._unfit_sender(path)
        act = None if refusal else self._talk.turns.bound_act(Step.MAIL)
        if act:
            await self._talk.play(act, "MAIL", lambda reply: self._recorder.transaction(code=reply.code))
            self._open = _positive(act)
        else:
            await self._answer_mail(refusal or Reply.of(250, "2.1.0", "sender noted"))
            self._open = refusal is None
        self._parameters = path.parameters

    async def rcpt(self, argument: str) -> None:
        """Answer RCPT."""
        if not self._open:
            await self._talk.reply(NO_MAIL, "RCPT")
            return
        try:
            path = read_path(argument_after("TO:", argument))
        except CommandSyntaxError:
            self._recorder.recipient(Recipient(self._wire.now, argument.partition(":")[2], ""))
            await self._answer_rcpt(_syntax("RCPT TO"))
            return
        self._recorder.recipient(Recipient(self._wire.now, path.argument, path.address, path.parameters))
        await self._judge_recipient(path)

    async def data(self, argument: str) -> None:
        """Answer DATA, and take the message."""
        refusal = self._not_ready("DATA", argument)
        if refusal:
            await self._talk.reply(refusal, "DATA")
            return
        if act := self._act(Step.DATA):
            await self._talk.play(act, "DATA", lambda reply: self._recorder.transaction(data_code=reply.code))
            return
        await self._talk.reply(Reply.of(354, "", "go ahead, end with a line that holds a dot alone"), "DATA")
        self._recorder.transaction(how="DATA", data_code=354)
        body = self._begin()
        try:
            await self._break_in_body(body)
            await read_data(self._wire, body)
        finally:
            self._close_body()
        await self._finish(body, "DATA")

    async def bdat(self, argument: str) -> None:
        """Take a chunk, and answer it."""
        read = re.fullmatch(r" *([0-9]{1,15})( +LAST)? *", argument, re.IGNORECASE)
        if not read:
            await self._talk.reply(Reply.of(501, "5.5.4", "syntax: BDAT size [LAST]"), "BDAT")
            return
        size, last = int(read[1]), bool(read[2])
        refusal = self._not_ready("BDAT", "")
        act = self._act(Step.DATA) if not refusal and self._body is None else None
        if refusal or act:
            await self._refuse_chunk(size, refusal, act)
        else:
            await self._chunk(self._body or self._begin(), size, last)

    async def _refuse_chunk(self, size: int, refusal: Reply | None, act: Act | None) -> None:
        """Pass over a chunk, which must not be taken for commands, and say why."""
        self._refused = True
        await read_chunk(self._wire, Body(0, self._talk.settings.limits, self._talk.settings.budget), size)
        if refusal:
            await self._talk.reply(refusal, "BDAT")
        elif act:
            await self._talk.play(act, "BDAT", lambda reply: self._recorder.transaction(data_code=reply.code))

    async def _chunk(self, body: Body, size: int, last: bool) -> None:
        self._recorder.transaction(how="BDAT")
        try:
            await self._break_in_body(body)
            await read_chunk(self._wire, body, size)
        except Over:
            self._close_body()
            raise
        if last:
            self._close_body()
            await self._finish(body, "BDAT")
        else:
            await self._talk.reply(Reply.of(250, "2.0.0", f"{size} octets"), "BDAT")

    def _unfit_sender(self, path: Path) -> Reply | None:
        """Return the refusal of a sender; None: it is fit."""
        refusal = unfit(path.parameters, MAIL, self._talk.offered)
        if refusal:
            return refusal
        if not path.address.isascii() and value_of("SMTPUTF8", path.parameters) is None:
            return _NOT_ASCII
        if path.address and not is_mailbox(path.address):
            return _NO_SENDER
        return _TOO_LARGE if int(value_of("SIZE", path.parameters) or 0) > self._limit else None

    async def _judge_recipient(self, path: Path) -> None:
        """Answer RCPT for a path that can be read."""
        refusal = self._unfit_recipient(path)
        grant = None if refusal else self._talk.turns.recipient(path.address)
        if grant is None:
            await self._answer_rcpt(refusal or _NOT_OURS)
            return
        scenario = scenario_of(grant)
        self._recorder.token(grant.token, scenario.name)
        self._recorder.last_recipient(token=grant.token)
        self._talk.odd = self._talk.odd or scenario.odd
        most = self._talk.settings.limits.recipients if scenario.recipients is None else scenario.recipients
        if len(self._grants) >= most:
            await self._answer_rcpt(_TOO_MANY)
            return
        act = self._talk.turns.act(grant, Step.RCPT)
        if act is None or _positive(act):
            self._grants.append(grant)
        if act:
            await self._talk.play(act, "RCPT", self._note_recipient)
        else:
            await self._answer_rcpt(Reply.of(250, "2.1.5", "recipient noted"))

    def _unfit_recipient(self, path: Path) -> Reply | None:
        refusal = unfit(path.parameters, RCPT, self._talk.offered)
        if refusal:
            return refusal
        if not path.address.isascii() and value_of("SMTPUTF8", self._parameters) is None:
            return _NOT_ASCII
        if path.address.lower() == "postmaster":
            return _NOT_OURS
        return None if is_mailbox(path.address) else _NO_RECIPIENT

    def _not_ready(self, verb: str, argument: str) -> Reply | None:
        """Return the refusal of a message; None: it may come."""
        if verb == "DATA" and argument.strip():
            return Reply.of(501, "5.5.4", "DATA has no argument")
        if verb == "BDAT" and "CHUNKING" not in self._talk.offered:
            return _NO_CHUNKS
        if not self._open or self._refused:
            return NO_MAIL
        if verb == "DATA" and self._body is not None:
            return _BEGUN
        return None if self._grants else _NOBODY

    def _act(self, step: Step) -> Act | None:
        """Return what is done at a step for any of the recipients."""
        try:
            acts = [self._talk.turns.act(grant, step) for grant in self._grants]
        except PolicyError:
            return None if step is Step.BODY else Act(TROUBLE)
        return next((act for act in acts if act), None)

    def _begin(self) -> Body:
        settings = self._talk.settings
        self._body = Body(self._limit, settings.limits, settings.budget)
        return self._body

    async def _break_in_body(self, body: Body) -> None:
        """Close the connection when the message has begun, where a scenario wants that. Raises Over."""
        act = self._act(Step.BODY)
        if act:
            piece = await self._wire.piece()
            body.add(piece.at, piece.octets)
            await self._talk.play(act, END_OF_DATA)

    def _close_body(self) -> None:
        """Write down what came of a message."""
        body, self._body = self._body, None
        if body is None:
            return
        self.held += len(body.octets)
        wire = body.octets.decode("latin-1")
        self._recorder.note(self._wire.now, f"{body.size} octets of message")
        self._recorder.transaction(wire=wire, chunks=tuple(body.chunks), size=body.size, truncated=body.truncated)

    async def _finish(self, body: Body, how: str) -> None:
        """Answer the end of a message: 250 once it is kept durably, and never else."""
        await self._talk.pause(max(scenario_of(grant).dot_pause for grant in self._grants))
        act = self._act(Step.DOT)
        if body.starved or body.too_large(how):
            await self._answer_end(_NO_ROOM if body.starved else _TOO_LARGE)
        elif act:
            await self._talk.play(act, END_OF_DATA, self._note_end)
        else:
            await self._answer_end(await self._keep())
        self.reset()

    async def _keep(self) -> Reply:
        """Keep the session as it will be once this message is answered 250, and return what can be answered."""
        reply = Reply.of(250, "2.0.0", f"kept as {self._recorder.id}")
        self._note_end(reply)
        try:
            await self._talk.turns.policy.keep(self._recorder.capture(self._wire.now))
        except Exception:
            _LOG.exception("a session could not be kept")
            reply = TROUBLE
        finally:
            self._recorder.transaction(final_at=0.0, final_code=0, final_reply="")
        return reply

    async def trouble(self, verb: Literal["MAIL", "RCPT"]) -> None:
        """Answer a command that the policy could not judge."""
        await (self._answer_mail(TROUBLE) if verb == "MAIL" else self._answer_rcpt(TROUBLE))

    async def _answer_mail(self, reply: Reply) -> None:
        await self._talk.reply(reply, "MAIL")
        self._recorder.transaction(code=reply.code)

    async def _answer_rcpt(self, reply: Reply) -> None:
        await self._talk.reply(reply, "RCPT")
        self._note_recipient(reply)

    async def _answer_end(self, reply: Reply) -> None:
        await self._talk.reply(reply, END_OF_DATA)
        self._note_end(reply)

    def _note_recipient(self, reply: Reply) -> None:
        self._recorder.last_recipient(code=reply.code, reply=reply.text)

    def _note_end(self, reply: Reply) -> None:
        self._recorder.transaction(final_at=self._wire.now, final_code=reply.code, final_reply=reply.text)

    @property
    def _limit(self) -> int:
        """The size that SIZE offers."""
        size = self._talk.scenario.size
        return self._talk.settings.limits.message if size is None else size


def _positive(act: Act) -> bool:
    return act.reply is not None and act.reply.code // 100 == 2


def _syntax(command: str) -> Reply:
    return Reply.of(501, "5.5.4", f"syntax: {command}:<address>")
