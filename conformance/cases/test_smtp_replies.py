"""What a host makes of replies and of what is offered. Findings speak to mail engineers: PYTEST_DONT_REWRITE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.check import check, first_seen, listed, seen

if TYPE_CHECKING:
    from conformance.facts.outcomes import Outcomes
    from conformance.facts.patience import Patience

UPDATE = "Act on the first digit of a reply and nothing else: use a mail server or an SMTP library that does."


@check(
    "RFC5321 4.2, 4.3.2: must",
    fix=UPDATE,
)
def test_smtp_reply_code(odd_replies: Outcomes) -> None:
    """The client acts on reply codes alone, whatever the text says.

    Texts differ from server to server, and lines may be many.
    """
    failed = odd_replies.undelivered
    assert not failed, seen(listed(failed, 3))


@check(
    "RFC5321 4.2.1, 4.3.2: must",
    fix=UPDATE,
)
def test_smtp_unknown_xyz(unknown_success: Outcomes, unknown_deferral: Patience, unknown_refusal: Patience) -> None:
    """An unknown reply code counts by its first digit.

    New codes appear; a client that knows a fixed list loses mail or repeats it.
    """
    wrong = first_seen(
        (lambda: unknown_success.undelivered, lambda failed: seen(f"259: {failed[0]}", aspect="2yz")),
        (lambda: unknown_deferral.unretried, lambda lost: seen(lost[0], aspect="4yz")),
        (lambda: unknown_refusal.repeated, lambda again: seen(again[0], aspect="5yz")),
    )
    assert not wrong, wrong


@check(
    "RFC5321 3.8, 4.5.4.1: must",
    fix="Keep mail in a queue until a server has taken it with 250; hand mail of scripts to a mail server on the host.",
)
def test_smtp_server_errors_closed(broken_sessions: Outcomes) -> None:
    """Mail survives 421 and lost connections at every step, once and not twice.

    Receivers close sessions when they are busy or restart.
    """
    wrong = broken_sessions.lost_or_doubled
    assert not wrong, seen(listed(wrong, 3))


@check(
    "RFC6152 3: must",
    "RFC5321 2.4: must",
    fix=(
        "Recode to quoted-printable or base64 where 8BITMIME is not offered (Postfix: disable_mime_output_conversion = "
        "no). Exim never recodes: let it not offer 8BITMIME itself (accept_8bitmime = no), so that clients encode."
    ),
)
def test_smtp_8bit_downgrade(seven_bit: Outcomes) -> None:
    """Octets above 127 go only to receivers that offer 8BITMIME.

    Others may refuse the message, or clear the eighth bit and break signature and text.
    """
    sent = seven_bit.eight_bit
    assert not sent, seen(f"8BITMIME was not offered: {sent[0]}")


@check(
    "RFC6531 3.2, 3.5: must",
    fix=(
        "Return the message with 5.6.7 where SMTPUTF8 is not offered (Postfix: smtputf8_enable = yes). Exim looks at "
        "addresses of the envelope alone: smtputf8_advertise_hosts = : keeps such header fields out."
    ),
)
def test_smtp_smtputf8(ascii_only: Outcomes) -> None:
    """Addresses beyond ASCII go only to receivers that offer SMTPUTF8.

    Others cannot read them, and may break the session off.
    """
    sent = ascii_only.utf8
    assert not sent, seen(f"SMTPUTF8 was not offered: {listed(sent, 3)}")


@check(
    "RFC1870 6: should",
    fix="Heed SIZE in the EHLO reply: return a larger message at once (Postfix and Exim do).",
)
def test_smtp_size_decl(size_limit: Outcomes) -> None:
    """A message that is larger than the receiver takes is not sent.

    It would be refused after all of it has gone over the line, again and again.
    """
    sent = size_limit.oversized
    assert not sent, seen(sent[0])
    silent = size_limit.undeclared_sizes
    assert not silent, seen(silent[0], at_most="info")


@check(
    "G-err 451 4.3.0: must",
    fix="Send one transaction per domain (Exim: multi_domain = false in the smtp transport; Postfix does).",
)
def test_smtp_one_domain(two_domains: Outcomes) -> None:
    """One transaction has recipients of one domain.

    Receivers of many domains, Google for one, defer the others.
    """
    mixed = two_domains.mixed_domains
    assert not mixed, seen(mixed[0], at_most="should")


@check(
    "RFC5321 4.5.4.1, 4.5.3.1.10: should",
    "G-err 452 4.5.3: should",
    "OR: info",
    "CC: info",
    "NE: info",
    fix=(
        "Send one copy for all recipients of a domain, and those beyond the limit (452) in the next transaction "
        "(Postfix: smtp_destination_recipient_limit = 50, Exim: max_rcpt)."
    ),
)
def test_smtp_rcpt_grouping(copies: Outcomes, recipient_limit: Patience) -> None:
    """Recipients of one domain share a transaction, and those beyond a limit follow.

    Many copies count as many messages; a recipient that got 452 has to be tried again.
    """
    wrong = first_seen(
        (
            lambda: recipient_limit.spilled,
            lambda lost: seen(f"after 452 beyond two recipients: {lost[0]}", aspect="limit"),
        ),
        (lambda: copies.separate_copies, lambda separate: seen(separate[0], aspect="copies")),
    )
    assert not wrong, wrong
