"""What a message's header looks like on the wire. Findings speak to mail engineers: PYTEST_DONT_REWRITE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.check import NotApplicable, check, listed, seen
from conformance.reading import clock, headersyntax, messageid
from conformance.reading.excerpt import quoted
from conformance.reading.hostname import is_qualified
from conformance.reading.maildate import DateError, read_date
from conformance.reading.message import header_of, line_ends, read
from conformance.reading.received import read_received

if TYPE_CHECKING:
    from conformance.facts.delivery import Delivery
    from conformance.facts.message import SeenIds
    from conformance.reading.message import Message

ENCODE = "Let the software that writes the header use a mail library, and write other characters as encoded-words."
MOST_HOPS = 25
TOO_MANY_HOPS = 50
LARGEST_FIELD = 8 * 1024
LARGEST_HEADER = 64 * 1024
LARGEST_MESSAGE = 25 * 1024 * 1024


@check(
    "RFC5322 3.6.1, 3.3: must", "Y-err: must", "GMX: must", "SA DATE_IN_PAST: info",
    fix="Let the software write Date when it writes the message, with a numeric zone, on a host whose clock is set by "
    "NTP (timedatectl set-ntp true).",
)  # fmt: skip
def test_msg_date(message: Message, delivery: Delivery) -> None:
    """A message has one Date field with a lawful date that is right.

    Mail from yesterday or tomorrow sorts where nobody looks, and filters take a wrong clock for a forger's.
    """
    found = message.named("Date")
    assert len(found) == 1, seen(f"{len(found)} Date fields" if found else "there is no Date field")
    text = found[0].text
    date = headersyntax.attempt(read_date, DateError, text)
    assert not isinstance(date, str), seen(f"Date: {quoted(text)}: {date}")
    off = clock.distance(date.moment, delivery.letter.handed, delivery.capture.started)
    which = "after the message came" if off > 0 else "before the host was given the message"
    assert abs(off) <= clock.HOUR, seen(
        f"Date: {quoted(text)} lies {clock.told(off)} {which}", at_most=None if abs(off) > 24 * clock.HOUR else "should"
    )
    assert not date.obsolete, seen(f"Date: {quoted(text)}: {listed(date.obsolete)}", at_most="should")


@check(
    "RFC5322 3.6.4: should", "G: must", "G-err 550 5.7.1, 4.7.28: must",
    fix="Let the software write one Message-ID: <something that is never used again@{stream.domain}>, or leave it to "
    "the mail server (Postfix always_add_missing_headers, Exim control = submission).",
)  # fmt: skip
def test_msg_message_id(message_ids: SeenIds) -> None:
    """A message has exactly one Message-ID, and no other message has the same.

    Gmail refuses mail without one; two messages of one id count as one, and the second is never shown.
    """
    for found in message_ids.fields:
        assert len(found) == 1, seen(f"{len(found)} Message-ID fields" if found else "there is no Message-ID field")
    for (text,) in message_ids.fields:
        wrong = messageid.fault(text)
        assert not wrong, seen(f"Message-ID: {quoted(text)}: {wrong}")
    repeated = headersyntax.repeated(text for (text,) in message_ids.fields)
    assert not repeated, seen(f"two messages have the Message-ID {quoted(repeated)}")
    for (text,) in message_ids.fields:
        slips = messageid.slips(text)
        assert not slips, seen(f"Message-ID: {quoted(text)}: {listed(slips)}", at_most="should")
    if message_ids.unseen:
        raise message_ids.unseen


@check(
    "RFC5321 4.4: should", "RFC8314 4.3: info", "RFC5321 7.6: info",
    fix="Let the mail server write its own Received field as it comes (Exim received_header_text, Postfix "
    "header_checks), or none in place of a wrong one.",
)  # fmt: skip
def test_msg_received(message: Message, delivery: Delivery) -> None:
    """The sending host's Received field says from whom, by whom and when.

    It is what people follow a message's way by; what cannot be read there, or lies in the future, looks forged.
    """
    if not (found := message.named("Received")):
        raise NotApplicable("there is no Received field: the software that sends may have written the message itself")
    # What qmail writes of its own queue is a comment and a date, as RFC 5322 section 3.6.7 has it.
    traces = (trace for field in found if (trace := read_received(field.text)).clauses or not trace.date)
    if (first := next(traces, None)) is None:
        raise NotApplicable("Received tells of the host's own queue alone: no mail server took the message over")
    shown = quoted(first.text, 160)
    assert not first.faults, seen(f"Received: {shown}: {listed(first.faults)}")
    name = first.clauses["by"]
    assert is_qualified(name), seen(f"Received: {shown}: by {quoted(name)}, which is no fully qualified name")
    off = clock.distance(first.date.moment, "", delivery.capture.started) if first.date else 0.0
    assert off <= clock.HOUR, seen(f"Received: {shown} lies {clock.told(off)} after the message came")


@check(
    "RFC5321 6.3: should", "G-err 554 5.4.6: must",
    fix="Find what hands the message round in circles, or through more hosts than are needed.",
)  # fmt: skip
def test_msg_hops(message: Message) -> None:
    """A message has come through few hosts when it leaves.

    Many Received fields mean a loop; receivers stop at fifty or a hundred.
    """
    count = len(message.named("Received"))
    assert count < MOST_HOPS, seen(f"{count} Received fields", at_most=None if count >= TOO_MANY_HOPS else "should")


@check(
    "RFC5322 2.1.1: must", "RFC5321 4.5.3.1.6: must", "EX message_linelength_limit: must",
    fix="Encode bodies with long lines as quoted-printable or base64, and fold long header fields.",
)  # fmt: skip
def test_msg_line_998(delivery: Delivery) -> None:
    """No line is longer than 998 octets.

    Hosts on the way may refuse longer ones, or break them, which breaks signatures.
    """
    lines = line_ends(delivery.whole.message)
    assert not lines.over, seen(f"line {lines.longest_at} has {lines.longest} octets; {lines.over} lines are too long")


@check(
    "RFC5322 2.1.1: info",
    fix="Fold header fields at blanks so that no line is longer than 78 characters.",
)  # fmt: skip
def test_msg_line_78(message: Message) -> None:
    """Header lines that can be folded have at most 78 characters.

    A host that folds them itself changes what a simple signature covers.
    """
    long = [field for field in message.fields if headersyntax.foldable(field)]
    assert not long, seen(
        listed(f"{field.name} has a line of {headersyntax.longest_line(field)} characters" for field in long)
    )


@check(
    "RFC5321 2.3.8, 4.1.1.4: must", "RFC5322 2.3: must", "SMUG: must",
    fix="End every line with CRLF on the wire, and CR and LF nowhere else: let a mail library or the mail server's "
    "sendmail command do it.",
)  # fmt: skip
def test_msg_no_bare_lf(delivery: Delivery) -> None:
    """CR and LF stand together only, on the wire.

    Receivers refuse a bare LF since it was used to smuggle messages.
    """
    lines = line_ends(delivery.observed.whole.message)
    assert not (lines.bare_cr or lines.bare_lf), seen(
        f"{lines.bare_lf} bare LF and {lines.bare_cr} bare CR, the first in line {lines.first_bare}"
    )


@check(
    "RFC5322 2.2: must", "G-err unicode in a header: must", "RFC6532 3.2: info",
    fix=ENCODE,
)  # fmt: skip
def test_msg_ascii_header(message: Message, delivery: Delivery) -> None:
    """Every line of the header is a field of printable US-ASCII, unless SMTPUTF8 was asked for.

    Other octets mean another thing to each reader; a control character or a NUL is junk to all.
    """
    controls = [f"{one.name} has the octet 0x{one.control:02X}" for one in message.fields if one.control is not None]
    assert not controls, seen(listed(controls), aspect="control characters")
    broken = [fault for fault in message.faults if not fault.obsolete]
    assert not broken, seen(listed(f"line {one.line}: {one.text}" for one in broken), aspect="no field")
    obsolete = [f"line {one.line}: {one.text}" for one in message.faults if one.obsolete]
    foreign = [one for one in message.fields if not one.is_ascii]
    assert not foreign or delivery.smtputf8, seen(
        f"octets above 127 without SMTPUTF8 in {listed(f'{one.name}: {quoted(one.text, 60)}' for one in foreign)}"
    )
    assert not obsolete, seen(listed(obsolete), at_most="should", aspect="obsolete syntax")


@check(
    "RFC2047 5: must", "G-err encoded-word not permitted: must",
    fix="Encode display names and subjects only: never an address, a Message-ID, a date or what stands in quotes.",
)  # fmt: skip
def test_msg_no_encoded_addr(message: Message) -> None:
    """Encoded-words stand only where they may.

    In an address they are taken for the address itself, and nobody can be reached at it.
    """
    wrong, slips = headersyntax.misplaced_words(message)
    assert not wrong, seen(listed(wrong))
    assert not slips, seen(listed(slips), at_most="should")


@check(
    "RFC2047 2: must", "Y-err: must",
    fix=ENCODE,
)  # fmt: skip
def test_msg_encoded_valid(message: Message) -> None:
    """Every encoded-word can be decoded and is at most 75 characters long.

    What cannot be decoded is shown as it is written.
    """
    wrong, slips = headersyntax.broken_words(message)
    assert not wrong, seen(listed(wrong))
    assert not slips, seen(listed(slips), at_most="should")


@check(
    "G-err 552 5.3.4: should", "Y-err: should",
    fix="Find what adds to the header, and let it add less: long reference lists, traces, tracking fields.",
)  # fmt: skip
def test_msg_size_headers(delivery: Delivery) -> None:
    """The header is of sane size.

    Big receivers refuse a header that is too large, without saying how large that is: 64 KiB in all, 8 KiB a field.
    """
    size = len(header_of(delivery.whole.message)[0])
    assert size <= LARGEST_HEADER, seen(f"the header has {size} octets, more than {LARGEST_HEADER}")
    big = [one for one in read(delivery.message).fields if len(one.raw) > LARGEST_FIELD]
    assert not big, seen(listed(f"{one.name} has {len(one.raw)} octets, more than {LARGEST_FIELD}" for one in big))


@check(
    "G-err 552 5.3.4: must", "Y-faq: should", "OR: info",
    fix="Send links to large files in place of the files, or set a limit (Postfix message_size_limit, Exim "
    "message_size_limit).",
)  # fmt: skip
def test_msg_size(delivery: Delivery) -> None:
    """A message has at most 25 MB after encoding.

    Large receivers take no more.
    """
    size = delivery.transaction.size
    assert size <= LARGEST_MESSAGE, seen(f"{size} octets, more than {LARGEST_MESSAGE}")
