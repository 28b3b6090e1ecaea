"""What the receiver plays: where it does something else than a plain receiver, and what it offers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Literal

from conformance.receiver.reply import Reply

EXTENSIONS = (
    "PIPELINING",
    "SIZE",
    "STARTTLS",
    "8BITMIME",
    "ENHANCEDSTATUSCODES",
    "DSN",
    "CHUNKING",
    "SMTPUTF8",
)
"""EHLO keywords of a plain receiver; REQUIRETLS, where a scenario has it, is offered inside TLS (RFC 8689)."""

FOR_EVER = 1_000_000_000


class Version(IntEnum):
    """Versions of TLS, by their numbers on the wire."""

    TLS_1_0 = 0x0301
    TLS_1_2 = 0x0303
    TLS_1_3 = 0x0304


class Step(StrEnum):
    """Where a scenario may do something else. BDAT counts as DATA, and its end as the final dot."""

    BANNER = "banner"
    EHLO = "ehlo"
    HELO = "helo"
    STARTTLS = "starttls"
    HANDSHAKE = "handshake"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    BODY = "body"
    """In the middle of a message."""
    DOT = "dot"
    """After the end of a message."""


@dataclass(frozen=True, slots=True)
class Act:
    """What is done at a step: a reply, or none and the connection is closed without a word."""

    reply: Reply | None = None
    close: bool = False
    """Whether the connection is closed after the reply, too."""
    times: int = 0
    """How many sessions of a token meet it, the next ones do not; 0: as many as its grant says."""
    by_network: bool = False
    """Whether sessions count for each network of peers, as a greylist does (RFC 6647)."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One way to behave. What acts before RCPT is played by a local address, the rest by recipients' tokens.

    Pauses are in seconds at pace 1.
    """

    name: str
    about: str
    acts: Mapping[Step, tuple[Act | None, ...]] = field(default_factory=dict)
    """By step; several are for recipients by their place among those opened together, over and over."""
    withheld: frozenset[str] = frozenset()
    """EHLO keywords that are not offered."""
    requiretls: bool = False
    size: int | None = None
    """What SIZE says, where it is less than the receiver's own limit."""
    recipients: int | None = None
    """How many of its recipients one transaction may have; the next are told 452."""
    certificate: Literal["good", "expired", "self-signed"] = "good"
    versions: tuple[Version, Version] = (Version.TLS_1_0, Version.TLS_1_3)
    client_certificate: bool = False
    """Whether the client is asked for a certificate."""
    banner: tuple[float, ...] = (0.0,)
    """The pause before each line of the banner."""
    dot_pause: float = 0.0
    odd: bool = False
    """Whether texts of replies are odd and enhanced codes wrong."""

    def act(self, step: Step, place: int = 1) -> Act | None:
        """Return what is done at a step for a token of this place."""
        acts = self.acts.get(step, ())
        return acts[(place - 1) % len(acts)] if acts else None

    @property
    def before_rcpt(self) -> bool:
        """Whether a local address has to play it, because no recipient is known when it acts."""
        early = {Step.BANNER, Step.EHLO, Step.HELO, Step.STARTTLS, Step.HANDSHAKE, Step.MAIL}
        return bool(early & self.acts.keys()) or self != Scenario(
            self.name, self.about, self.acts, recipients=self.recipients, dot_pause=self.dot_pause
        )


_STEPS = (Step.BANNER, Step.EHLO, Step.MAIL, Step.RCPT, Step.DATA, Step.DOT)
_PUT_OFF = {
    Step.BANNER: Reply.of(451, "4.3.2", "no service for the time being"),
    Step.EHLO: Reply.of(451, "4.3.2", "not now, come again"),
    Step.MAIL: Reply.of(452, "4.3.1", "no room for the time being"),
    Step.RCPT: Reply.of(450, "4.2.1", "mailbox not available for the time being"),
    Step.DATA: Reply.of(451, "4.3.0", "no message for the time being"),
    Step.DOT: Reply.of(451, "4.3.0", "message not taken for the time being"),
}
_BUSY = Reply.of(421, "4.3.2", "too busy, closing the connection")
_REFUSED = {
    Step.BANNER: Reply.of(554, "5.3.2", "no mail is taken here"),
    Step.EHLO: Reply.of(550, "5.7.1", "this name is not welcome"),
    Step.MAIL: Reply.of(550, "5.7.1", "this sender is not welcome"),
    Step.RCPT: Reply.of(550, "5.1.1", "no such mailbox"),
    Step.DATA: Reply.of(550, "5.7.1", "no message from you"),
    Step.DOT: Reply.of(550, "5.7.1", "this message is not welcome"),
}
_GREYLISTED = Reply.of(451, "4.7.1", "greylisted, come again later")


def _at(step: Step, act: Act) -> dict[Step, tuple[Act | None, ...]]:
    """Return an act at a step; what concerns EHLO concerns HELO too."""
    return {Step.EHLO: (act,), Step.HELO: (act,)} if step is Step.EHLO else {step: (act,)}


def _failing() -> Iterator[Scenario]:
    """Yield what fails at one step."""
    for step in (*_STEPS, Step.BODY):
        drop = Act(close=True)
        yield Scenario(f"drop-{step}", f"the connection is closed at {step}", _at(step, drop))
        if step is Step.BODY:
            continue
        put_off, refused = Act(_PUT_OFF[step]), Act(_REFUSED[step], times=FOR_EVER)
        yield Scenario(f"tempfail-{step}", f"refused for the time being at {step}", _at(step, put_off))
        yield Scenario(f"busy-{step}", f"421 at {step}", _at(step, Act(_BUSY, close=True)))
        yield Scenario(f"refuse-{step}", f"refused for good at {step}", _at(step, refused))


def _all() -> Iterator[Scenario]:
    yield Scenario("accept", "a plain receiver")
    for times in (1, 2, 3):
        act = Act(_GREYLISTED, times=times, by_network=True)
        yield Scenario(f"greylist-{times}", f"greylisted {times} times at RCPT", {Step.RCPT: (act,)})
    yield from _failing()
    yield from _codes()
    yield from _tls()
    yield Scenario("slow-banner", "the banner comes after 30 s", banner=(30.0,))
    yield Scenario("multiline-banner", "the banner has five lines in 20 s", banner=(0.0, 5.0, 5.0, 5.0, 5.0))
    yield Scenario("slow-dot", "the reply to the end of the message comes after 90 s", dot_pause=90.0)
    yield Scenario("no-8bitmime", "8BITMIME is not offered", withheld=frozenset({"8BITMIME", "SMTPUTF8"}))
    yield Scenario("no-extensions", "EHLO is answered with the name alone", withheld=frozenset(EXTENSIONS))
    yield Scenario("no-pipelining", "PIPELINING is not offered", withheld=frozenset({"PIPELINING"}))
    yield Scenario("no-smtputf8", "SMTPUTF8 is not offered", withheld=frozenset({"SMTPUTF8"}))
    yield Scenario("small-size", "messages of 1,000 octets at most", size=1000)


def _codes() -> Iterator[Scenario]:
    """Yield what is about codes and recipients."""
    good = Act(Reply.of(259, "2.9.9", "as you like it"), times=FOR_EVER)
    later = Act(Reply.of(477, "4.9.9", "250 is what I do not say yet"))
    never = Act(Reply.of(599, "5.9.9", "250 is what I shall never say"), times=FOR_EVER)
    yield Scenario("unknown-2yz", "259 at MAIL and RCPT", {Step.MAIL: (good,), Step.RCPT: (good,)})
    yield Scenario("unknown-4yz", "477 at RCPT", {Step.RCPT: (later,)})
    yield Scenario("unknown-5yz", "599 at RCPT", {Step.RCPT: (never,)})
    yield Scenario("fuzzy-replies", "right codes with odd texts", odd=True)
    yield Scenario("rcpt-limit", "452 after two recipients", recipients=2)
    mixed = (
        None,
        Act(Reply.of(450, "4.2.1", "mailbox busy, come again")),
        Act(_REFUSED[Step.RCPT], times=FOR_EVER),
    )
    yield Scenario("rcpt-mixed", "250, 450 at first, and 550, by recipient", {Step.RCPT: mixed})
    unknown = Act(Reply.of(502, "5.5.1", "command not implemented"), times=FOR_EVER)
    yield Scenario("ehlo-502", "HELO alone is known", {Step.EHLO: (unknown,)})


def _tls() -> Iterator[Scenario]:
    """Yield what is about STARTTLS."""
    not_now = Act(Reply.of(454, "4.7.0", "TLS not available for the time being"))
    yield Scenario("no-starttls", "STARTTLS is not offered", withheld=frozenset({"STARTTLS"}))
    yield Scenario("starttls-454", "454 to STARTTLS", {Step.STARTTLS: (not_now,)})
    yield Scenario("tls-10", "TLS 1.0 alone", versions=(Version.TLS_1_0, Version.TLS_1_0))
    yield Scenario("tls-12", "TLS 1.2 alone", versions=(Version.TLS_1_2, Version.TLS_1_2))
    yield Scenario("tls-13", "TLS 1.3 alone", versions=(Version.TLS_1_3, Version.TLS_1_3))
    yield Scenario("tls-expired", "an expired certificate", certificate="expired")
    yield Scenario("tls-selfsigned", "a self-signed certificate", certificate="self-signed")
    yield Scenario("tls-reset", "the handshake is broken off", {Step.HANDSHAKE: (Act(close=True),)})
    yield Scenario("tls-client-cert", "a client certificate is asked for, none is needed", client_certificate=True)
    yield Scenario("requiretls", "REQUIRETLS is offered inside TLS", requiretls=True)


SCENARIOS: Mapping[str, Scenario] = {scenario.name: scenario for scenario in _all()}
"""All scenarios by name. Names are for ever."""

PLAIN = SCENARIOS["accept"]
