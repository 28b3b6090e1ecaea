"""What DNS says of the name a host greets with, and of the mail exchangers of the domains it sends for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from conformance.facts.answer import Answer
from conformance.facts.reverse import Forward, forward_of, forward_to
from conformance.facts.session import End, Reply, Session
from conformance.facts.store import Asker
from conformance.fleet.model import Address, Listener, Mta
from conformance.outcome import NotApplicable, findings
from conformance.reading.hostname import check_syntax, is_ip_text, is_qualified, looks_like_literal


@dataclass(frozen=True, slots=True)
class HeloName:
    """The HELO name of one sending address with its addresses in DNS."""

    address: Address
    forward: Forward

    @property
    def name(self) -> str:
        """The name as declared."""
        return self.address.helo


@dataclass(frozen=True, slots=True)
class Exchanges:
    """The MX records of every domain that a host sends for."""

    answers: tuple[Answer, ...]

    @property
    def targets(self) -> tuple[str, ...]:
        """All exchanges, without null MX. Raises Undetermined when one domain's answer is unknown."""
        return tuple(dict.fromkeys(target for answer in self.answers for target in _hosts(answer)))

    def having(self, test: Callable[[str], bool]) -> bool:
        """Whether an exchange passes a test for sure. Raises Undetermined when none does and for some it is open."""
        return bool(findings(self.answers, lambda answer: any(test(target) for target in _hosts(answer))))


def _hosts(answer: Answer) -> list[str]:
    """Return the exchanges of one answer, without null MX (RFC 7505). Raises Undetermined."""
    return [target for _, target in answer.exchanges if target != "."]


@dataclass(frozen=True, slots=True)
class ServerNames:
    """The names that a listener calls itself by: ``said`` as (where, name), ``forward`` those that DNS could hold."""

    said: tuple[tuple[str, str], ...]
    forward: tuple[Forward, ...]


def require_name(helo: str) -> str:
    """Return a HELO argument that is a name DNS could hold. Raises NotApplicable for all others, with the reason."""
    if looks_like_literal(helo):
        raise NotApplicable("the greeting is an address literal, see helo.literal-valid")
    if is_ip_text(helo):
        raise NotApplicable("the greeting is a bare IP address, see helo.not-bare-ip")
    if not is_qualified(helo):
        raise NotApplicable("the greeting is not a qualified name, see helo.fqdn")
    if check_syntax(helo):
        raise NotApplicable("the greeting is not a host name, see helo.syntax")
    return helo


async def helo_name(ask: Asker, address: Address) -> HeloName:
    """Look the HELO name of an address up. Raises NotApplicable when it is no name."""
    return HeloName(address, await forward_to(ask, require_name(address.helo), address.ip))


async def server_names(ask: Asker, listener: Listener) -> ServerNames:
    """Take the first word of banner and EHLO reply (RFC 5321 section 4.2) and look it up.

    A server that refuses EHLO names itself in the reply to HELO. Raises Undetermined, and NotApplicable for a server
    that offers no service.
    """
    session = await held_session(ask, listener)
    banner = session.need(session.greeting, "the banner")
    if banner.code != 220:
        raise NotApplicable(f"the server greets with {banner.code}, see srv.esmtp-ok")
    hello = session.need(session.ehlo, "the EHLO reply")
    replies = [("the banner", banner), ("the EHLO reply", hello)]
    if hello.code // 100 != 2:
        replies[1] = "the HELO reply", session.need(session.helo, "the HELO reply")
    said = [(where, _first_word(reply)) for where, reply in replies if reply.code // 100 == 2]
    names = [name for name in dict.fromkeys(name for _, name in said) if is_qualified(name) and not check_syntax(name)]
    return ServerNames(tuple(said), tuple(await asyncio.gather(*(forward_of(ask, name) for name in names))))


def _first_word(reply: Reply) -> str:
    return next(iter((reply.lines[0] if reply.lines else "").split()), "")


async def held_session(ask: Asker, listener: Listener) -> Session:
    """Hold the session with a listener. Raises NotApplicable when the run opens none."""
    held = await ask.smtp(listener)
    if held.end is End.SKIPPED:
        raise NotApplicable(held.error)
    return held


async def exchanges(ask: Asker, mta: Mta) -> Exchanges:
    """Look the MX records of all domains of a host up."""
    return Exchanges(tuple(await asyncio.gather(*(ask.dns(domain, "MX") for domain in mta.sends_for))))
