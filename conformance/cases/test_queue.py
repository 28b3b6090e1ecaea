"""What a host does with mail that is refused. Findings speak to mail engineers: PYTEST_DONT_REWRITE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.check import check, first_seen, listed, seen

if TYPE_CHECKING:
    from conformance.facts.patience import Patience
    from conformance.facts.returned import Returned

QUEUE = "Keep mail in a queue and try again after 4yz: hand mail of scripts to a mail server on the host."
SIGN = (
    "Sign bounces too (Postfix: internal_mail_filter_classes = bounce with non_smtpd_milters; Exim: dkim_domain in the "
    "transport), and publish SPF for the name that the host greets with."
)
SLOWER = (
    "Wait some minutes between attempts (Postfix: minimal_backoff_time = 300s, queue_run_delay = 300s; Exim: a retry "
    "rule such as * * F,2h,15m; G,16h,1h,1.5; F,4d,6h)."
)


@check(
    "RFC5321 4.5.4.1: must",
    "Z: must",
    "Y-err: must",
    "G-err: must",
    "NE: info",
    "RFC6647: should",
    fix=QUEUE,
)
def test_queue_retries(deferrals: Patience) -> None:
    """A reply of class 4 leads to another attempt.

    Greylisting and load make receivers put mail off; what is not sent again is lost.
    """
    lost = deferrals.unretried
    assert not lost, seen(listed(lost, 3))


@check(
    "RFC5321 4.5.4.1: should",
    "RFC6647 5: should",
    "G: should",
    "NE: info",
    fix=SLOWER,
)
def test_queue_first_retry(greylisted: Patience) -> None:
    """The second attempt comes between a minute and an hour after the first.

    Sooner looks abusive, later makes mail late and may miss the greylist's window.
    """
    hasty = greylisted.hasty
    assert not hasty, seen(hasty[0], aspect="hasty")
    late = greylisted.late
    assert not late, seen(late[0], aspect="late")


@check(
    "RFC6647 4, 5: info",
    "G: info",
    "AP: info",
    fix="Let a message be tried again from the same address or network (Postfix: one smtp_bind_address a transport).",
)
def test_queue_same_ip(greylisted_twice: Patience) -> None:
    """Further attempts come from the network of the first.

    A greylist knows the sender by its network; a pool that spreads over many begins anew each time.
    """
    strays = greylisted_twice.strays
    assert not strays, seen(strays[0])


@check(
    "RFC5321 4.2.1, 4.2.5: must",
    "MS-pol: must",
    "Y-err: must",
    fix="Give a message up after 5yz and tell its sender (Postfix: soft_bounce = no, no smtp_reply_filter to 4yz).",
)
def test_queue_no_retry_5xx(refusals: Patience, early_refusals: Patience) -> None:
    """A recipient that was refused for good is not offered again.

    Receivers count such attempts against the sender's reputation.
    """
    wrong = first_seen(
        (lambda: refusals.repeated, lambda again: seen(listed(again, 3))),
        (
            lambda: early_refusals.repeated_if_seen,
            lambda early: seen(
                listed(early, 3),
                aspect="greeting",
                at_most="info",
                fix="Take 5yz to the greeting as final (Postfix: smtp_skip_5xx_greeting = no) where no other is left.",
            ),
        ),
    )
    assert not wrong, wrong


@check(
    "RFC5321 5.1, 4.5.4.1: must",
    fix="Take 5yz to MAIL, RCPT or DATA as final: no other exchange may be asked (Postfix and Exim do).",
)
def test_queue_5xx_not_next_mx(refused_exchange: Patience) -> None:
    """A refusal for good by one exchange is not taken to the next.

    All exchanges of a domain speak for it; asking around is what spammers do.
    """
    shopped = refused_exchange.next_exchange
    assert not shopped, seen(listed(shopped, 2))


@check(
    "RFC5321 4.5.4.1: info",
    fix="Forget a refusal with the message that it was for.",
)
def test_queue_5xx_mail_not_cached(refused_mail: Patience) -> None:
    """A refusal of MAIL is not held against the next message.

    It was about one sender at one time; the next message has to be offered.
    """
    unasked = refused_mail.refused_unseen
    assert not unasked, seen(unasked[0])


@check(
    "G: must",
    "MS-pol: should",
    "NE: info",
    fix=SLOWER,
)
def test_queue_backoff(pushed_back: Patience) -> None:
    """After 421 the host lets a receiver alone for a while.

    A receiver that is busy says so; connecting again at once makes it block the address.
    """
    hasty = pushed_back.hasty
    assert not hasty, seen(listed(hasty, 3), at_most="should")


@check(
    "RFC5321 3.3, 4.2.5: must",
    fix="Heed the reply to each recipient: send to those with 250, try again those with 4yz, return those with 5yz.",
)
def test_queue_partial(mixed_replies: Patience) -> None:
    """Of several recipients each is treated by its own reply.

    Otherwise some get the message twice, and some never.
    """
    wrong = mixed_replies.mixed
    assert not wrong, seen(listed(wrong, 3))


@check(
    "RFC5321 6.1: must",
    "RFC3464: should",
    fix="Return undeliverable mail to its sender, once, with MAIL FROM:<> (Postfix and Exim do).",
)
def test_queue_bounce_sent(bounces: Patience) -> None:
    """Undeliverable mail leads to one notification to its sender, with the null sender.

    Nobody else can know that the mail was lost; a sender in the notification makes loops.
    """
    faults = bounces.bounce_faults
    assert not faults, seen(listed(faults, 3))
    silence = bounces.silence
    assert not silence, seen(silence[0], aspect="silence", at_most="should")


@check(
    "RFC3464 2: must",
    "G: must",
    fix="Send notifications as multipart/report with a part message/delivery-status (Postfix and Exim do).",
)
def test_queue_bounce_format(bounces: Patience, returned: Returned) -> None:
    """Notifications of failure have the form that programs read, and pass DMARC.

    Address lists are cleaned by them; one that nobody vouches for is refused like any other mail.
    """
    faults = bounces.bounce_form_faults
    assert not faults, seen(f"of the bounce: {listed(faults, 3)}")
    failure = returned.failure
    assert not failure, seen(f"of the bounce: {failure}", fix=SIGN, aspect="authentication", at_most="should")
