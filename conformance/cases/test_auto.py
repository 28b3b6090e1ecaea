"""Mail that no person wrote. Findings speak to mail engineers: PYTEST_DONT_REWRITE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.check import NotApplicable, check, listed, seen
from conformance.reading import automatic
from conformance.reading.encodedword import decode
from conformance.reading.excerpt import quoted
from conformance.reading.hostname import is_qualified
from conformance.reading.mailbox import read_addresses
from conformance.reading.orgdomain import known_tld

if TYPE_CHECKING:
    from conformance.facts.authentication import Authentication
    from conformance.facts.delivery import Delivery
    from conformance.reading.message import Message
    from conformance.reading.mime import Structure


@check(
    "RFC3834 5, 3.1.7: must", "Z-susp: info",
    fix="Write Auto-Submitted: auto-replied into answers, Auto-Submitted: auto-generated into notices.",
)  # fmt: skip
def test_auto_submitted(auto_mail: Message, parts: Structure) -> None:
    """Mail that a program writes by itself says so in Auto-Submitted.

    Two programs that answer each other go on for ever, unless one of them sees that nobody is there.
    """
    found = auto_mail.first("Auto-Submitted")
    at_most = "should" if automatic.is_report(parts) else None
    assert found, seen("there is no Auto-Submitted field", at_most=at_most)
    assert automatic.keyword(auto_mail) in automatic.MARKS, seen(
        f"Auto-Submitted: {quoted(found.text)} is none of {listed(automatic.MARKS)}", at_most=at_most
    )


@check(
    "RFC3834 3.3: should",
    fix="Send automatic replies with MAIL FROM:<>, or with an address of their own that never answers.",
)  # fmt: skip
def test_auto_null_return(auto_reply: Message, delivery: Delivery) -> None:
    """An automatic reply has the null sender, or one of its own, in the envelope.

    A bounce of the reply would else reach a person, or the program that answers again.
    """
    authors = [one.spec.lower() for one in read_addresses(auto_reply.text("From")).valid]
    own = not delivery.sender or automatic.named_like_nobody(delivery.sender.rpartition("@")[0])
    assert own or delivery.sender.lower() not in authors, seen(
        f"MAIL FROM:{quoted(delivery.sender)} is the address that people write to"
    )


@check(
    "RFC3834 3.1.5, 3.1.6: should",
    fix="Copy the Message-ID of what is answered into In-Reply-To and References, and begin the subject with Auto:",
)  # fmt: skip
def test_auto_headers(auto_reply: Message) -> None:
    """An automatic reply says what it answers.

    People and programs find by In-Reply-To which of their messages was meant.
    """
    named = [name for name in ("In-Reply-To", "References") if auto_reply.named(name)]
    assert named, seen("there is neither In-Reply-To nor References")
    subject = decode(auto_reply.text("Subject"))
    assert subject.lower().lstrip().startswith(("auto", "re:")), seen(
        f"Subject: {quoted(subject)} begins neither with Auto: nor with Re:", at_most="info"
    )


@check(
    "Z-susp: must",
    fix="Send notices to a help desk from a mailbox that is read, such as {stream.author}.",
)  # fmt: skip
def test_auto_no_daemon_sender(auto_mail: Message, parts: Structure) -> None:
    """A notice comes from an address that is not a mail server's own.

    Help desks suspend what mailer-daemon and postmaster send, since most of it are bounces.
    """
    if automatic.is_report(parts):
        raise NotApplicable("it is a report of a mail server")
    locals_ = [one.local for name in ("From", "Sender") for one in read_addresses(auto_mail.text(name)).valid]
    daemons = [local for local in locals_ if automatic.named_like_a_daemon(local)]
    assert not daemons, seen(f"From or Sender is {listed(map(quoted, daemons))}")
    nobody = [local for local in locals_ if automatic.named_like_nobody(local)]
    assert not nobody or auto_mail.named("Reply-To"), seen(
        f"From or Sender is {listed(map(quoted, nobody))}, and there is no Reply-To", at_most="info"
    )


@check(
    "RFC3464 2: should", "RFC8098 3: should",
    fix="Send reports as multipart/report; report-type=delivery-status with message/delivery-status as second part "
    "(disposition-notification likewise).",
)  # fmt: skip
def test_auto_mdn(auto_mail: Message, parts: Structure) -> None:
    """A delivery report or a read receipt has the types of one.

    Programs tell bounces from mail by these types alone.
    """
    if not automatic.is_report(parts):
        raise NotApplicable("it is no report")
    fault = automatic.report_fault(parts)
    assert not fault, seen(fault)


@check(
    "G all mail: must", "Y all mail: must",
    fix="Let cron, bounces and vacation mail leave through the host that signs, from an address such as "
    "{stream.author} (Postfix: myorigin, generic; Exim: qualify_domain).",
)  # fmt: skip
def test_auto_authenticated(auto_mail: Message, authentication: Authentication) -> None:
    """Automatic mail comes from a qualified domain and is authenticated as any other.

    Mail of cron and of filters is what fleets forget: it leaves unsigned, in the name of a machine.
    """
    domains = [one.domain for one in read_addresses(auto_mail.text("From")).valid]
    local = [domain for domain in domains if not (is_qualified(domain) and known_tld(domain))]
    assert not local, seen(f"From is in {listed(map(quoted, local))}, which is no domain of the Internet")
    assert authentication.passes, seen(authentication.describe())
