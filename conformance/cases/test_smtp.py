"""How a host behaves in its own SMTP sessions. Findings speak to mail engineers: PYTEST_DONT_REWRITE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.check import check, first_seen, listed, seen
from conformance.reading.orgdomain import known_tld

if TYPE_CHECKING:
    from conformance.facts.greeted import MailFrom
    from conformance.facts.manners import Manners
    from conformance.facts.outcomes import Outcomes
    from conformance.facts.required import Required
    from conformance.fleet.sending import Probe

ENVELOPE = "Postfix: myorigin or smtp_generic_maps, Exim: qualify_domain or return_path on the transport"


@check(
    "RFC5321 3.1, 4.3.1: must",
    "EX: info",
    fix="Let the client send nothing before the last line of the banner, however late it comes; Postfix and Exim wait.",
)
def test_smtp_waits_banner(openings: Manners) -> None:
    """The client sends nothing before the banner.

    Receivers hold the banner back to catch early talkers, and refuse them.
    """
    early = openings.before_banner
    assert not early, seen(listed(early, 3))


@check(
    "RFC5321 4.3.1: must",
    "RFC2920 3.1: must",
    "MS-pol: should",
    fix=(
        "Let the client wait for each reply unless PIPELINING is offered, and after EHLO, DATA, STARTTLS and QUIT "
        "always (Postfix: smtp_discard_ehlo_keywords = pipelining, Exim: hosts_pipe_connect and "
        "hosts_avoid_pipelining)."
    ),
)
def test_smtp_sync(dialogues: Manners) -> None:
    """The client waits for every reply that it has to wait for.

    Commands that come too early make receivers drop the session or lose step.
    """
    early = dialogues.before_reply
    assert not early, seen(listed(early, 3))


@check(
    "RFC3207 4: must",
    "G-err 523 5.7.10: must",
    fix="Update the software of {stream.host}: nothing may follow STARTTLS before its reply.",
)
def test_smtp_no_pipeline_starttls(dialogues: Manners) -> None:
    """The client sends nothing behind STARTTLS before the reply.

    What comes in clear text there is thrown away or taken for an attack.
    """
    behind = dialogues.after_starttls
    assert not behind, seen(listed(behind, 3))


@check(
    "RFC5321 2.3.8, 4.1.1.4: must",
    "SMUG: must",
    fix=(
        "Let lines end with CRLF alone, and refuse or mend bare CR and LF at submission (Postfix: "
        "smtpd_forbid_bare_newline = normalize and cleanup_replace_stray_cr_lf = yes, Exim 4.98 or later)."
    ),
)
def test_smtp_crlf(line_ends: Manners, smuggled: Manners) -> None:
    """Lines end with CRLF alone, and nothing in a message looks like its end.

    Receivers that take a bare LF for a line end can be made to read a second, forged message.
    """
    wrong = first_seen(
        (
            lambda: smuggled.false_ends,
            lambda ends: seen(f"left as it was handed over: {listed(ends, 3)}", aspect="smuggling"),
        ),
        (lambda: line_ends.bare_line_ends, lambda bare: seen(listed(bare, 3))),
    )
    assert not wrong, wrong


@check(
    "RFC5321 4.5.2: must",
    fix="Double the dot that begins a line; use an SMTP library or a mail server where a script talks SMTP itself.",
)
def test_smtp_dot_stuffing(dots: Outcomes) -> None:
    """Lines that begin with a dot arrive as they were written.

    A dot alone ends the message: without doubling it, the rest is lost or read as commands.
    """
    changed = dots.undotted
    assert not changed, seen(listed(changed, 3))


@check(
    "RFC5321 3.3, 4.1.2: must",
    "G-err 555 5.5.2: must",
    "NE: info",
    fix=(
        "Write MAIL FROM:<address> and RCPT TO:<address>: no blank after the colon, brackets always, and only "
        "parameters that the EHLO reply offers."
    ),
)
def test_smtp_cmd_syntax(dialogues: Manners) -> None:
    """MAIL and RCPT are written as the grammar has them, with offered parameters only.

    Strict receivers answer anything else with a syntax error.
    """
    faults = dialogues.syntax_faults
    assert not faults, seen(listed(dict.fromkeys(faults), 3))


@check(
    "RFC5321 4.5.3.1: should",
    fix="Shorten the envelope sender: a local part of at most 64 octets, an address of at most 254.",
)
def test_smtp_cmd_length(dialogues: Manners) -> None:
    """Commands, paths and local parts keep within the limits of SMTP.

    Return addresses that carry the recipient's grow too long; longer ones may be sent, and receivers may refuse them.
    """
    faults = dialogues.length_faults
    assert not faults, seen(listed(dict.fromkeys(faults), 3))


@check(
    "RFC5321 4.1.4: must",
    "G-err 503 5.5.1: must",
    fix="Let the client send EHLO, MAIL, RCPT and DATA in this order, with RSET after a transaction that it gives up.",
)
def test_smtp_order(closings: Manners) -> None:
    """Commands come in the order that SMTP has.

    A receiver answers 503 and the mail is late or lost.
    """
    wrong = closings.out_of_order
    assert not wrong, seen(listed(wrong, 3))


@check(
    "RFC5321 4.1.1.10, 3.8: must",
    fix="Let the client send QUIT and wait for the reply before it closes (Postfix: smtp_skip_quit_response = no).",
)
def test_smtp_quit(closings: Manners) -> None:
    """The client ends its sessions with QUIT.

    A connection that just closes looks like an error, and holds a place at the receiver until it is noticed.
    """
    left = closings.left_without_quit
    assert not left, seen(f"{left[0]}, without QUIT")
    hasty = closings.left_before_221
    assert not hasty, seen(f"{hasty[0]}, after QUIT and before its reply", at_most="should")


@check(
    "MS-pol: must",
    "Y: should",
    "G: should",
    fix=(
        "Ask no other server whether an address exists (Postfix: no reject_unverified_recipient for foreign domains, "
        "Exim: no verify = recipient/callout)."
    ),
)
def test_smtp_no_vrfy_mining(questions: Manners) -> None:
    """The host does not ask whether addresses exist.

    Receivers take VRFY, and recipients without a message, for address harvesting.
    """
    asked = questions.questions
    assert not asked, seen(listed(asked, 3))


@check(
    "MS-pol: must",
    fix="Verify no senders by call-out (Postfix: no reject_unverified_sender, Exim: no verify = sender/callout).",
)
def test_smtp_no_callout(callouts: Manners) -> None:
    """The host does not call servers back about the senders of its mail.

    Call-outs hit those whose addresses are forged, and are listed for it.
    """
    asked = callouts.questions_about_senders
    assert not asked, seen(listed(asked, 3))


@check(
    "Y-err: must",
    "LP: info",
    "G-err 553 5.1.7: must",
    "CC: info",
    fix="Publish an MX record for {stream.mail_from} that leads to a server which takes bounces.",
)
def test_smtp_mailfrom_valid(mail_from: MailFrom, probe: Probe) -> None:
    """MAIL FROM is empty or an address in a domain that takes mail.

    Receivers look the domain up: bounces have to go somewhere.
    """
    assert not mail_from.fault, seen(mail_from.fault, fix=_returning(mail_from, probe.stream.mail_from))


def _returning(mail_from: MailFrom, declared: str) -> str | None:
    """Return the remedy for an envelope sender outside the domain that is declared; None for one in it."""
    name = mail_from.domain.name if mail_from.domain else ""
    if name == declared:
        return None
    send = f"end with MAIL FROM in {declared} ({ENVELOPE})."
    return f"Publish an MX record for {name}, or s{send}" if name and known_tld(name) else f"S{send}"


@check(
    "RFC5321 4.5.3.2: should",
    fix=(
        "Let the client wait 5 min for the banner and 10 min after the end of the message (Postfix: "
        "smtp_helo_timeout, smtp_data_done_timeout, Exim: command_timeout, final_timeout)."
    ),
)
def test_smtp_timeouts(slow_replies: Outcomes) -> None:
    """The client waits for slow replies.

    A receiver that scans a message before it answers takes its time.
    """
    left = slow_replies.impatient
    assert not left, seen(listed(left, 3))


@check(
    "RFC5321 4.5.3.2.6: should",
    "RFC1047: should",
    fix=(
        "Let the client wait 10 min for the reply to the end of the message (Postfix: smtp_data_done_timeout = 600s, "
        "Exim: final_timeout = 10m)."
    ),
)
def test_smtp_no_dup_on_slow_dot(slow_end: Outcomes) -> None:
    """A slow reply to the end of the message leads to no second copy.

    The receiver may have taken the message already; a client that gives up early sends it twice.
    """
    copies = slow_end.copies
    assert not copies, seen(listed(copies, 3))


@check(
    "RFC8689 4.2: must",
    fix=(
        "Send a message with REQUIRETLS inside TLS and with the parameter alone, and bounce it with 5.7.30 where the "
        "receiver does not offer it; or offer no REQUIRETLS, and leave requiretls out of mailconform_tls_policies."
    ),
)
def test_smtp_requiretls(required_tls: Required, optional_tls: Required) -> None:
    """REQUIRETLS is honoured by a host that claims it, and so is TLS-Required: No.

    Whoever asks for it would rather have the message back than have it read on the way.
    """
    # Whether the host claims to handle it at all is known by these trials alone: they come first.
    exposed = required_tls.exposed
    assert not exposed, seen(listed(exposed, 2))
    withheld = optional_tls.withheld
    assert not withheld, seen(
        listed(withheld, 2),
        fix="Leave policies that ask for TLS aside where the header says TLS-Required: No.",
        aspect="optional",
    )
