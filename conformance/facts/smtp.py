"""SMTP sessions with the listeners of a fleet, as many at once as is polite."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
import ssl
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import cached_property

from conformance.facts import certificate
from conformance.facts.dialogue import Call, Dialogue
from conformance.facts.session import End, Session
from conformance.facts.transcript import Transcript
from conformance.fleet.model import Listener
from conformance.outcome import Undetermined

Resolve = Callable[[str], Awaitable[Sequence[str]]]

MAX_TARGETS = 4
"""Addresses of one name that are tried in turn."""
STEPS = 6
"""All connections to one listener together may take this many time-outs."""
PAUSE = 0.5
"""Seconds before a second try."""

_RETRIED = {End.TIMEOUT, End.RESET, End.CLOSED}


async def system_addresses(name: str) -> Sequence[str]:
    """Return the addresses of a name as this machine sees them. Raises OSError."""
    infos = await asyncio.get_running_loop().getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return [str(info[4][0]) for info in infos]


class Prober:
    """Holds sessions with listeners, politely: bounded at once, by address, in time and in tries.

    ``ehlo`` is the name to greet with, ``timeout`` seconds for each step (a listener may have its own); ``resolve``
    returns the addresses of a name, by default the system's. ``old_tls`` asks each server that speaks TLS whether
    it also takes 1.0 or 1.1. Raises ValueError for a name that cannot stand in a command.
    """

    def __init__(
        self,
        *,
        ehlo: str,
        timeout: float = 10.0,
        retries: int = 1,
        sessions: int = 20,
        per_host: int = 1,
        resolve: Resolve | None = None,
        old_tls: bool = True,
    ) -> None:
        if not re.fullmatch(r"[!-~]{1,255}", ehlo):
            raise ValueError(f"EHLO name {ehlo!r} is not 1 to 255 printable ASCII characters without spaces")
        self._ehlo = ehlo
        self._timeout = timeout
        self._retries = retries
        self._resolve = resolve or system_addresses
        self._old_tls = old_tls
        self._sessions = asyncio.Semaphore(sessions)
        self._hosts: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(per_host))

    @cached_property
    def _verifying(self) -> ssl.SSLContext:
        """One context for all sessions: reading the system's store takes longer than a session."""
        return certificate.verifying()

    async def session(self, listener: Listener) -> Session:
        """Dial a listener and return what it did, with a transcript. Raises nothing for what network or server do.

        A name's addresses are tried in turn until one takes the connection, as RFC 5321 section 5.1 has it.
        """
        transcript = Transcript()
        session = await self._session(listener, transcript)
        return replace(
            session,
            started=transcript.started,
            ms=transcript.milliseconds,
            lines=transcript.lines,
            truncated=transcript.truncated,
        )

    async def _session(self, listener: Listener, transcript: Transcript) -> Session:
        loop = asyncio.get_running_loop()
        timeout = listener.timeout or self._timeout
        session = Session.begun(listener, End.UNRESOLVED, stage="connect")
        try:
            targets = await self._targets(listener.connect_to, timeout)
        except (OSError, ValueError, Undetermined) as error:
            why = getattr(error, "strerror", None) or str(error) or "no answer in time"
            text = f"{listener.connect_to}: {why}"
            transcript.begin()
            transcript.note(text)
            return replace(session, error=text, cause=getattr(error, "cause", ""))
        left = STEPS * timeout
        for target in targets:
            for tries_left in range(self._retries, -1, -1):
                async with self._hosts[target], self._sessions:
                    transcript.begin()
                    began = loop.time()
                    session = await self._dial(Call(listener, target, self._ehlo, timeout, began + left, transcript))
                    left -= loop.time() - began
                again = session.end in _RETRIED or (session.end is End.REFUSED and session.stage == "connect")
                if not again or not tries_left or left <= PAUSE:
                    break
                # Outside the lock: who waits here must not keep others from the same address.
                await asyncio.sleep(PAUSE)
                left -= PAUSE
            if session.stage != "connect" or left <= 0:
                break
        return session

    async def _targets(self, name: str, timeout: float) -> list[str]:
        """Return the addresses to dial. Raises OSError, ValueError, Undetermined when there are none."""
        try:
            return [str(ipaddress.ip_address(name))]
        except ValueError:
            pass
        async with self._sessions, asyncio.timeout(timeout):
            found = await self._resolve(name)
        addresses = list(dict.fromkeys(str(ipaddress.ip_address(address)) for address in found))
        if not addresses:
            raise ValueError("no address")
        return addresses[:MAX_TARGETS]

    async def _dial(self, call: Call) -> Session:
        """Hold the session; then, where the certificate or the versions ask for it, further ones."""
        session, failure = await self._hold(call, self._verifying)
        if isinstance(failure, ssl.SSLCertVerificationError):
            session = await self._distrusting(call, session)
        shook_hands = session.tls_version or (session.stage == "handshake" and session.end is not End.TIMEOUT)
        if self._old_tls and shook_hands:
            verdict, error = await self._takes_old(call, bool(session.tls_version))
            session = replace(session, old_tls=verdict, old_tls_error=error)
        return session

    async def _hold(self, call: Call, context: ssl.SSLContext, distrust: str = "") -> tuple[Session, Exception | None]:
        dialogue = Dialogue(call, context, distrust)
        session = await dialogue.hold()
        return session, dialogue.failure

    async def _distrusting(self, call: Call, first: Session) -> Session:
        """Look at a certificate that was not verified: for names and dates, and for what comes after TLS."""
        call.transcript.note("connecting again without verification")
        second, _ = await self._hold(call, certificate.trusting(), first.error)
        if not second.tls_version:
            return replace(first, error=f"{first.error}; a second session ended: {second.end.value} ({second.error})")
        return second

    async def _takes_old(self, call: Call, takes_new: bool) -> tuple[str, str]:
        """Offer TLS 1.0 and 1.1 alone; return ``accepted`` or ``refused``, or nothing and why.

        A server that has just spoken a newer version and now hangs up refuses too: many send no alert.
        """
        call.transcript.note("connecting again to offer TLS 1.0 and 1.1 only")
        try:
            context = certificate.offering_old()
        except ValueError as error:
            return "", str(error)
        session, failure = await self._hold(call, context, "not asked for")
        if session.tls_version:
            return "accepted", ""
        hung_up = session.stage == "handshake" and session.end in (End.CLOSED, End.RESET)
        if certificate.refuses_version(failure) or (takes_new and hung_up):
            return "refused", ""
        return "", f"{session.end.value} at {session.stage or 'starttls'}: {session.error or 'not offered'}"
