"""Makes a host send one message: by submission, its ``sendmail``, a command, or by hand. Never to strangers."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import datetime
import re
import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from conformance.facts.letter import Order, compose
from conformance.facts.redaction import Redactor
from conformance.facts.shell import ShellError, Shells
from conformance.facts.submission import Handed, Submitter, Taken
from conformance.fleet.model import Fleet, Mta
from conformance.fleet.sending import Stream
from conformance.receiver.announcement import checked

RATE = 1.0
"""Messages a second that a host is given to send, unless its inventory says otherwise."""
COMMAND_SECONDS = 120.0
SENDMAIL_SECONDS = 60.0
QUEUE_SECONDS = 30.0

_PLACE = re.compile(r"\{(recipient|sender|source|token)\}")
_REFUSALS = frozenset({65, 67, 68, 77})
"""Exit statuses of sendmail that are about the message or its addresses (sysexits.h), not about the host."""
_PATH = "PATH=$PATH:/usr/sbin:/usr/lib:/usr/local/sbin:/sbin; export PATH"
_NEEDED = "command -v base64 >/dev/null || { echo 'base64 is not installed' >&2; exit 69; }"


@dataclass(frozen=True, slots=True)
class Sent:
    """An order with what became of it, and the message where mailconform wrote it."""

    order: Order
    handed: Handed
    message: bytes = b""


class Sender:
    """Makes the hosts of a fleet send to one probe domain, each at its own rate.

    ``by_hand`` is told what people are to send themselves; ``clock`` gives the time that messages are dated by.
    """

    def __init__(
        self,
        fleet: Fleet,
        domain: str,
        submitter: Submitter,
        shells: Shells,
        redact: Redactor,
        by_hand: Callable[[Order], None],
        clock: Callable[[], datetime.datetime],
    ) -> None:
        self.handed = 0
        """Messages that were handed over so far."""
        self._fleet = fleet
        self._domain = domain
        self._submitter = submitter
        self._shells = shells
        self._redact = redact
        self._by_hand = by_hand
        self._clock = clock
        self._gates: dict[str, _Gate] = {}

    async def send(self, order: Order, returns: str = "", *, urgent: bool = False) -> Sent:
        """Make a host send a message. ``returns`` is an address at the receiver that stands in MAIL FROM, if any.

        What is ``urgent`` goes before all else that waits for the same host. Raises Foreign for an address that is none
        of the receiver's: nothing is sent then.
        """
        mta = self._fleet.by_name[order.stream.host]
        every = (*order.recipients, *filter(None, (returns,)))
        checked(every, self._domain, len(every))
        if mta.probe.level != "send":
            return Sent(order, Handed(Taken.FAILED, f"mailconform_probe.level of {mta.name} is {mta.probe.level}"))
        gate = self._gates.setdefault(mta.name, _Gate(mta.probe.rate or RATE, mta.probe.messages))
        if not await gate.opens(urgent=urgent):
            return Sent(order, Handed(Taken.FAILED, f"{mta.name} was given its {gate.most} messages of this run"))
        self.handed += 1
        order = replace(order, written=self._clock())
        match order.stream.how:
            case "submission":
                message = compose(order)
                return Sent(order, await self._submit(mta, order, message), message)
            case "sendmail":
                message = compose(order)
                return Sent(order, await self._sendmail(mta, order, message), message)
            case "command":
                return Sent(order, await self._command(mta, order))
            case _:
                self._by_hand(order)
                return Sent(order, Handed(Taken.YES, "to be sent by hand"))

    async def queued(self, stream: Stream, tokens: Iterable[str]) -> str:
        """Return what the queue of a host says of recipients; empty where it says nothing or cannot be asked."""
        if stream.how not in ("sendmail", "command"):
            return ""
        script = f"{_PATH}\n{_listing(tokens)}"
        try:
            done = await self._shells.run(self._fleet.by_name[stream.host], script, QUEUE_SECONDS)
        except ShellError:
            return ""
        return " ".join(done.text.split()) if done.status == 0 else ""

    async def _submit(self, mta: Mta, order: Order, message: bytes) -> Handed:
        if mta.submission is None:
            return Handed(Taken.FAILED, f"nothing says where messages of {mta.name} are submitted")
        return await self._submitter.submit(mta.submission, order, message, mta.probe.source_address)

    async def _sendmail(self, mta: Mta, order: Order, message: bytes) -> Handed:
        program = str(order.stream.settings.get("sendmail", "sendmail"))
        words = (program, "-i", "-f", order.sender or "<>", "--", *order.recipients)
        encoded = base64.b64encode(message.replace(b"\r\n", b"\n")).decode()
        script = f"{_PATH}\n{_NEEDED}\nprintf %s '{encoded}' | base64 -d | {shlex.join(words)}"
        return await self._run(mta, script, SENDMAIL_SECONDS, _REFUSALS)

    async def _command(self, mta: Mta, order: Order) -> Handed:
        try:
            line = filled(order.stream.settings["command"], order)
        except ValueError as error:
            return Handed(Taken.FAILED, str(error))
        return await self._run(mta, line, COMMAND_SECONDS)

    async def _run(self, mta: Mta, script: str, timeout: float, refusals: frozenset[int] = frozenset()) -> Handed:
        try:
            done = await self._shells.run(mta, script, timeout)
        except ShellError as error:
            return Handed(Taken.FAILED, str(error))
        if done.status == 0:
            return Handed(Taken.YES, done.text)
        text = f"exit status {done.status}{': ' if done.text else ''}{done.text}"
        if done.status in refusals:
            return Handed(Taken.NO, text, sender_refused=True)
        return Handed(Taken.FAILED, text)


def filled(command: list[str], order: Order) -> str:
    """Return a declared command as a line for the shell, with what stands in braces filled in.

    One text is a command line, several are words. Raises ValueError for a value that a command line cannot hold.
    """
    values = {
        "recipient": order.recipients[0],
        "sender": order.sender,
        "source": str(order.probe.source or ""),
        "token": order.tokens[0],
    }
    if len(command) > 1:
        return shlex.join(_PLACE.sub(lambda place: values[place[1]], word) for word in command)
    for place in _PLACE.findall(command[0]):
        # Its quotes would end those that people put around the place.
        if shlex.quote(values[place]) != values[place]:
            raise ValueError(
                f"{values[place]!r} cannot stand in a command line: declare the command as a list of words"
            )
    return _PLACE.sub(lambda place: values[place[1]], command[0])


def uses_sender(stream: Stream) -> bool:
    """Whether a stream leaves by the envelope sender that it is told."""
    if stream.how == "command":
        return any("{sender}" in word for word in stream.settings["command"])
    return stream.how in ("submission", "sendmail")


def _listing(tokens: Iterable[str]) -> str:
    """Return a script that prints what a queue holds for recipients: the entry, with the reason that it waits for."""
    listing = f"mailq 2>/dev/null | awk -v RS= '/{'|'.join(tokens)}/' | head -c 800"
    return f"command -v mailq >/dev/null && {listing}"


class _Gate:
    """Lets messages through to a host, one at a time and so many a second; ``most`` in all."""

    def __init__(self, rate: float, most: int) -> None:
        self.most = most
        self._gap = 1.0 / rate
        self._left = most
        self._queue, self._turn = asyncio.Lock(), asyncio.Lock()
        self._next = 0.0

    async def opens(self, *, urgent: bool = False) -> bool:
        """Wait for one's turn. False: no more messages may go to this host."""
        if not self._left:
            return False
        self._left -= 1
        # Only the first of the queue waits beside those that need not queue.
        async with contextlib.nullcontext() if urgent else self._queue, self._turn:
            loop = asyncio.get_running_loop()
            await asyncio.sleep(max(0.0, self._next - loop.time()))
            self._next = loop.time() + self._gap
        return True
