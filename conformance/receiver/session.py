"""One SMTP session of the receiver: greeting, commands, STARTTLS, the end (RFC 5321, RFC 3207)."""

from __future__ import annotations

import contextlib
import datetime
import logging
import secrets
from typing import Literal

from conformance.receiver.capture import Capture, Ended, Hello, Tls
from conformance.receiver.clienthello import LARGEST, ClientHelloError, read_client_hello
from conformance.receiver.command import Command, read_command
from conformance.receiver.recorder import Recorder
from conformance.receiver.reply import Reply
from conformance.receiver.scenario import EXTENSIONS, Step
from conformance.receiver.talk import BANNER, Settings, Talk
from conformance.receiver.tls import Channel
from conformance.receiver.transaction import TROUBLE, Mail
from conformance.receiver.turns import PolicyError, Turns
from conformance.receiver.wire import Over, Wire

_LOG = logging.getLogger(__name__)

_FAREWELLS = {
    Ended.TIMEOUT: Reply.of(421, "4.4.2", "nothing came for too long"),
    Ended.LIMIT: Reply.of(421, "4.7.0", "too much for one session"),
    Ended.OPEN: Reply.of(421, "4.3.2", "the receiver stops"),
    Ended.ERROR: Reply.of(421, "4.3.0", "an error in the receiver"),
}
_SIMPLE = {
    "NOOP": Reply.of(250, "2.0.0", "nothing done"),
    "HELP": Reply.of(214, "2.0.0", "EHLO HELO STARTTLS MAIL RCPT DATA BDAT RSET NOOP VRFY QUIT"),
    "VRFY": Reply.of(252, "2.1.5", "send it and see"),
}
_NOT_IMPLEMENTED = Reply.of(502, "5.5.1", "command not implemented")
_KNOWN_BY_NAME = frozenset({"AUTH", "ETRN", "EXPN", "SAML", "SEND", "SOML", "TURN"})
_UNKNOWN = Reply.of(500, "5.5.2", "command not known")
_TOO_LONG = Reply.of(500, "5.5.2", "line too long")
_NO_SERVICE = Reply.of(503, "5.5.1", "no service, say QUIT")


class Session:
    """One session from the banner to the end; what was seen is kept by the policy."""

    def __init__(self, wire: Wire, turns: Turns, settings: Settings) -> None:
        limits = settings.limits
        started = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        capture = Capture(secrets.token_hex(16), started, turns.peer, wire.peer[1], turns.local, wire.local[1])
        self._recorder = Recorder(capture, limits)
        self._talk = Talk(wire, turns, self._recorder, settings)
        self._mail = Mail(self._talk)
        self._wire = wire
        self._turns = turns
        self._settings = settings
        self._channel: Channel | None = None
        self._name = settings.name
        self.over = False
        """Whether all is kept, and the client alone has to close."""

    async def run(self, *, crowded: bool = False) -> None:
        """Hold the session, and keep what was seen. ``crowded``: there are too many, it is ended at once."""
        try:
            await self._converse(crowded)
        except Over as over:
            end = over
        except PolicyError:
            end = Over(Ended.ERROR, "the policy failed")
        except Exception:
            _LOG.exception("an error in a session")
            end = Over(Ended.ERROR, "an error in the receiver")
        await self._end(end)

    async def _converse(self, crowded: bool) -> None:
        """Greet and obey until the session is over. Raises Over, always."""
        self._name = self._turns.begin() or self._name
        self._recorder.set(exchange=self._name)
        self._talk.odd = self._talk.scenario.odd
        if self._turns.bound and self._turns.bound.token:
            self._recorder.token(self._turns.bound.token, self._talk.scenario.name)
        if crowded:
            self._talk.say(self._talk.octets(_FAREWELLS[Ended.LIMIT]))
            raise Over(Ended.LIMIT, "too many sessions", silent=True)
        refusal = await self._greet()
        for _ in range(self._settings.limits.commands):
            command, fits = await self._command()
            if command.verb == "QUIT":
                await self._talk.reply(Reply.of(221, "2.0.0", f"{self._name} closes"), "QUIT")
                raise Over(Ended.CLOSED if await self._wire.deserted() else Ended.QUIT)
            if refusal or not fits:
                await self._talk.reply(refusal or _TOO_LONG, command.verb)
                continue
            try:
                await self._obey(command)
            except PolicyError:
                await self._trouble(command.verb)
        raise Over(Ended.LIMIT, f"more than {self._settings.limits.commands} commands")

    async def _command(self) -> tuple[Command, bool]:
        """Return the next command, and whether its line was no longer than lines may be."""
        piece, longer = await self._wire.line(self._settings.limits.command)
        self._recorder.line(piece.at, "C", piece.octets)
        return read_command(piece.octets), not longer

    async def _greet(self) -> Reply | None:
        """Send the banner. Returns what is said to everything but QUIT, where the banner was no welcome."""
        act = self._turns.bound_act(Step.BANNER)
        if act:
            await self._talk.play(act, BANNER)
            return _NO_SERVICE if act.reply and act.reply.code // 100 == 5 else act.reply
        pauses = self._talk.scenario.banner
        for pause in pauses[:-1]:
            await self._talk.pause(pause)
            await self._talk.note_early(BANNER)
            self._talk.say(f"220-{self._name} ESMTP, more lines follow\r\n".encode("latin-1", "replace"))
        await self._talk.pause(pauses[-1])
        await self._talk.reply(Reply.of(220, "", f"{self._name} ESMTP mailconform"), BANNER)
        self._recorder.set(banner_at=self._wire.now)
        return None

    async def _obey(self, command: Command) -> None:
        """Answer a command. Raises Over and PolicyError."""
        verb, argument = command.verb, command.argument
        match verb:
            case "EHLO" | "HELO":
                await self._hello(verb, argument)
            case "STARTTLS":
                await self._start_tls(argument)
            case "MAIL":
                await self._mail.mail(argument)
            case "RCPT":
                await self._mail.rcpt(argument)
            case "DATA":
                await self._mail.data(argument)
            case "BDAT":
                await self._mail.bdat(argument)
            case "RSET":
                self._mail.reset()
                await self._talk.reply(Reply.of(250, "2.0.0", "forgotten"), verb)
            case "VRFY" if not argument.strip():
                await self._talk.reply(Reply.of(501, "5.5.4", "syntax: VRFY address"), verb)
            case _:
                default = _NOT_IMPLEMENTED if verb in _KNOWN_BY_NAME else _UNKNOWN
                await self._talk.reply(_SIMPLE.get(verb, default), verb)

    async def _hello(self, verb: Literal["EHLO", "HELO"], argument: str) -> None:
        """Answer a greeting."""
        hello = Hello(self._wire.now, verb, argument, self._wire.encrypted)
        self._recorder.hello(hello)
        act = self._turns.bound_act(Step.EHLO if verb == "EHLO" else Step.HELO)
        if not argument.strip():
            await self._answer_hello(Reply.of(501, "5.5.4", f"syntax: {verb} name"), verb)
        elif act:
            await self._talk.play(act, verb, lambda reply: self._recorder.last_hello(code=reply.code))
        else:
            keywords = self._keywords() if verb == "EHLO" else ()
            odd = ("550 5.7.1 go away", "XODD-1 2=3") if self._talk.odd and verb == "EHLO" else ()
            await self._answer_hello(Reply.of(250, "", self._name, *odd, *keywords), verb)
            self._talk.greeted = True
            self._talk.offered = frozenset(keyword.partition(" ")[0] for keyword in keywords)
            self._mail.reset()
            if verb == "EHLO":
                self._recorder.set(**{"extensions_tls" if self._wire.encrypted else "extensions": keywords})

    async def _trouble(self, verb: str) -> None:
        """Answer a command that the policy could not judge."""
        match verb:
            case "EHLO" | "HELO":
                await self._answer_hello(TROUBLE, verb)
            case "MAIL" | "RCPT":
                await self._mail.trouble(verb)
            case _:
                await self._talk.reply(TROUBLE, verb)

    async def _answer_hello(self, reply: Reply, verb: str) -> None:
        await self._talk.reply(reply, verb)
        self._recorder.last_hello(code=reply.code)

    def _keywords(self) -> tuple[str, ...]:
        """Return what EHLO offers, now."""
        scenario, encrypted = self._talk.scenario, self._wire.encrypted
        size = self._settings.limits.message if scenario.size is None else scenario.size
        words = {"SIZE": f"SIZE {size}", "STARTTLS": "" if encrypted else "STARTTLS"}
        offered = [words.get(word, word) for word in EXTENSIONS if word not in scenario.withheld]
        if scenario.requiretls and encrypted:
            offered.append("REQUIRETLS")
        return tuple(filter(None, offered))

    async def _start_tls(self, argument: str) -> None:
        """Answer STARTTLS, and begin TLS (RFC 3207 section 4)."""
        if "STARTTLS" not in self._talk.offered:
            known = "STARTTLS" not in self._talk.scenario.withheld
            reply = Reply.of(503, "5.5.1", "EHLO comes first, and TLS once") if known else _NOT_IMPLEMENTED
            await self._talk.reply(reply, "STARTTLS")
        elif argument.strip():
            await self._talk.reply(Reply.of(501, "5.5.4", "STARTTLS has no argument"), "STARTTLS")
        elif act := self._turns.bound_act(Step.STARTTLS):
            await self._talk.play(act, "STARTTLS")
        else:
            await self._handshake()

    async def _handshake(self) -> None:
        breaks = self._turns.bound_act(Step.HANDSHAKE)
        await self._talk.note_early("STARTTLS")
        # What was sent in clear text must not be obeyed as if it had come inside TLS.
        self._wire.discard()
        self._talk.say(self._talk.octets(Reply.of(220, "2.0.0", "go ahead")))
        if breaks:
            await self._break_handshake()
        scenario = self._talk.scenario
        context = self._settings.certificates.context(
            scenario.certificate, self._name, *scenario.versions, scenario.client_certificate
        )
        self._channel = Channel(context, self._wire.write_raw, self._wire.now)
        self._wire.start_tls(self._channel)
        await self._wire.handshake()
        self._recorder.note(self._wire.encrypted_at, f"TLS: {self._channel.seen.version} {self._channel.seen.cipher}")
        self._recorder.tls(self._channel.seen)
        self._talk.greeted = False
        self._talk.offered = frozenset()
        self._mail.reset()

    async def _break_handshake(self) -> None:
        """Take the ClientHello and reset the connection. Raises Over."""
        octets, at = b"", self._wire.now
        hello = None
        try:
            while not hello and len(octets) < LARGEST:
                octets += (await self._wire.piece()).octets
                hello = read_client_hello(octets)
        except ClientHelloError:
            pass
        self._recorder.tls(Tls(at, hello, error="reset by the receiver"))
        self._wire.reset()
        raise Over(Ended.DROPPED, silent=True)

    async def _end(self, over: Over) -> None:
        """Say farewell where that is due, close, and keep the session."""
        at = self._wire.ended_at or self._wire.now
        if self._wire.unfinished:
            self._recorder.line(at, "C", self._wire.unfinished)
        farewell = None if over.silent else _FAREWELLS.get(over.ended)
        if farewell:
            with contextlib.suppress(Over):
                self._talk.say(self._talk.octets(farewell))
        if self._channel:
            self._recorder.tls(self._channel.seen)
        self._mail.reset()
        self._recorder.note(at, ": ".join(filter(None, (over.ended, over.error))))
        try:
            await self._turns.policy.keep(self._recorder.capture(at, over.ended, over.error))
        except Exception:
            _LOG.exception("a session could not be kept")
        self._settings.budget.give(self._mail.held)
        self.over = True
        spoken = farewell is not None or over.ended in (Ended.QUIT, Ended.DROPPED, Ended.HANDSHAKE)
        await self._wire.close(linger=spoken and not over.silent)
