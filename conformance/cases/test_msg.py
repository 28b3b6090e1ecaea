"""The messages themselves: addresses, header, body. Findings speak to mail engineers: PYTEST_DONT_REWRITE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.check import NotApplicable, Undetermined, check, findings, listed, seen
from conformance.reading import displayname, scripts, stdlibview
from conformance.reading.encodedword import decode
from conformance.reading.excerpt import quoted
from conformance.reading.freemail import provider_of
from conformance.reading.hostname import is_ip_text, is_qualified
from conformance.reading.mailbox import Mailbox, read_addresses
from conformance.reading.orgdomain import known_tld, registrable

if TYPE_CHECKING:
    from conformance.facts.delivery import Delivery
    from conformance.facts.message import Author, Copies, HeaderDomain
    from conformance.reading.message import Message
    from conformance.reading.mime import Structure

WRITE_FROM = "Let the software that writes the mail of {stream.name} set one field: From: <name> <{stream.author}>"
ONCE = ("Sender", "Reply-To", "To", "Cc", "Bcc", "Subject", "In-Reply-To", "References")
EXOTIC = "$%?{}<>"


def _mailboxes(message: Message, *names: str) -> list[tuple[str, Mailbox]]:
    fields = [(name, field) for name in names for field in message.named(name)]
    return [(name, mailbox) for name, field in fields for mailbox in read_addresses(field.text).mailboxes]


def _problems(message: Message, name: str) -> list[str]:
    found = [read_addresses(field.text) for field in message.named(name)]
    if any(one.cut for one in found) and not any(one.problems for one in found):
        raise Undetermined(f"{name} holds more addresses than are read")
    return list(dict.fromkeys(problem for one in found for problem in one.problems))


@check(
    "RFC5322 3.6: must", "G-err 550 5.7.1: must", "GMX: must", "Y-err: must", "NE: should", "RFC9989 11.5: should",
    fix=WRITE_FROM,
)  # fmt: skip
def test_msg_from_one(message: Message) -> None:
    """A message has exactly one From field.

    Receivers refuse a message without one, and one with two: nobody knows which of them DMARC is about.
    """
    found = message.named("From")
    assert len(found) == 1, seen(
        f"{len(found)} From fields: {listed(quoted(one.text) for one in found)}" if found else "there is no From field"
    )


@check(
    "G: must", "G-err 550 5.7.1: must", "RFC9989 5.3.1: should", "RFC5322 3.6.2: info",
    fix="Name one address in From: {stream.author}. The other authors can stand in Reply-To.",
)  # fmt: skip
def test_msg_from_single(message: Message) -> None:
    """From holds exactly one address.

    Several are lawful with a Sender field; Gmail refuses them, and DMARC knows no result for them.
    """
    if len(message.named("From")) != 1:
        raise NotApplicable("there is not one From field, see msg.from-one")
    found = read_addresses(message.text("From")).mailboxes
    if not found:
        raise NotApplicable("From holds no address, see msg.from-valid")
    assert len(found) == 1, seen(f"{len(found)} addresses: {listed(quoted(one.spec) for one in found)}")


@check(
    "RFC5322 3.4, 3.6.2: must", "G-err non-compliant domain name: must", "Z From: must", "Y-err: must",
    fix=WRITE_FROM,
)  # fmt: skip
def test_msg_from_valid(message: Message) -> None:
    """From holds a valid address in a fully qualified domain.

    What is no address cannot be answered, and no receiver can authenticate its domain.
    """
    if not message.named("From"):
        raise NotApplicable("there is no From field, see msg.from-one")
    for field in message.named("From"):
        found = read_addresses(field.text)
        assert not found.problems, seen(f"From: {quoted(field.text)}: {listed(found.problems)}")
        assert found.mailboxes, seen(f"From: {quoted(field.text)} holds no address")
        for domain in (one.domain for one in found.mailboxes):
            assert not is_ip_text(domain), seen(f"{quoted(domain)} is an address and no domain name")
            assert is_qualified(domain) and known_tld(domain), seen(
                f"{quoted(domain)} is no fully qualified domain in a delegated top-level domain"
            )
        opinions = [why for one in found.mailboxes if (why := stdlibview.address_fault(one.spec))]
        assert not opinions, seen(f"From: {quoted(field.text)}: {opinions[0]}", at_most="should")
        assert not found.groups, seen(f"From: {quoted(field.text)} is a group", at_most="should")


@check(
    "G: must", "MR: must", "IRM: info",
    fix="Write from a domain of your own, such as {stream.author}; the person's address can stand in Reply-To.",
)  # fmt: skip
def test_msg_from_not_freemail(author: Author, delivery: Delivery) -> None:
    """From is in no mailbox provider's domain unless that provider sends the message.

    gmail.com, yahoo.com and others ask receivers to refuse mail in their name that they did not send.
    """
    hosts = provider_of(author.domain)
    if hosts:
        assert registrable(delivery.helo) in hosts, seen(
            f"From is in {author.domain}, the host that sends it calls itself {quoted(delivery.helo)}"
        )


@check(
    "RFC5322 3.6: must", "G: must", "GMX: must", "Y-err: must",
    fix="Let one program alone set each field; a filter or a list that changes one must replace it.",
)  # fmt: skip
def test_msg_single_fields(message: Message) -> None:
    """Sender, Reply-To, To, Cc, Bcc, Subject, In-Reply-To and References stand at most once.

    Of two fields each reader believes another one; big receivers refuse such mail.
    """
    doubled = [(name, count) for name in ONCE if (count := len(message.named(name))) > 1]
    assert not doubled, seen(", ".join(f"{count} {name} fields" for name, count in doubled))


@check(
    "Z form mail: must", "GMX To: must", "RFC5322 3.6: info",
    fix="Set To to the address that the message is sent to.",
)  # fmt: skip
def test_msg_to_present(composed: Message) -> None:
    """A To or Cc field names a valid address.

    The standard does not ask for one; help desks and receivers that want to see whom a message is meant for do.
    """
    fields = [field for name in ("To", "Cc") for field in composed.named(name)]
    assert fields, seen("there is neither a To nor a Cc field")
    found = [read_addresses(field.text) for field in fields]
    if any(one.valid for one in found):
        return
    if any(one.cut for one in found):
        raise Undetermined("To and Cc hold more than is read, and no valid address in what is")
    problems = [problem for one in found for problem in one.problems]
    assert not problems, seen(f"{quoted(fields[0].text)}: {listed(problems)}")
    assert False, seen(f"{quoted(fields[0].text)} names nobody", at_most="should")


@check(
    "Z form mail: must", "RFC5322 3.6.5: info",
    fix="Give the mail of {stream.name} a subject that says what it is about.",
)  # fmt: skip
def test_msg_subject(composed: Message) -> None:
    """A message has a subject that is not empty.

    A help desk makes the title of a ticket from it; mail without one looks like junk.
    """
    found = composed.first("Subject")
    assert found, seen("there is no Subject field")
    assert decode(found.text).strip(), seen(f"Subject: {quoted(found.text)} is empty")


@check(
    "G: must",
    fix="Begin a subject with Re: or Fwd: only where the message answers or forwards one, with In-Reply-To set.",
)  # fmt: skip
def test_msg_subject_honest(composed: Message, parts: Structure, delivery: Delivery) -> None:
    """A subject begins with Re: or Fwd: only in a reply or a forward.

    A conversation that never was is a trick of those who send junk.
    """
    prefix = displayname.unanswered_reply(composed, parts)
    assert not prefix, seen(
        f"Subject: {quoted(composed.text('Subject'))} begins with {prefix}, and there is neither In-Reply-To nor "
        "References nor a forwarded message",
        at_most=None if delivery.probe.stream.kind == "bulk" else "should",
    )


@check(
    "Z Reply-To: must", "MS: info",
    fix="Name in Reply-To one mailbox that is read, in a domain with an MX record.",
)  # fmt: skip
def test_msg_reply_to(message: Message, header_domains: tuple[HeaderDomain, ...]) -> None:
    """Reply-To holds valid addresses in domains that take mail.

    An answer that cannot be delivered is a customer who hears nothing.
    """
    if not message.named("Reply-To"):
        raise NotApplicable("there is no Reply-To field")
    problems = _problems(message, "Reply-To")
    assert not problems, seen(f"Reply-To: {quoted(message.text('Reply-To'))}: {listed(problems)}")
    assert _mailboxes(message, "Reply-To"), seen(f"Reply-To: {quoted(message.text('Reply-To'))} names nobody")
    named = [one for one in header_domains if "Reply-To" in one.fields]
    mute = findings(named, lambda one: one if one.domain.null_mx or not one.domain.reachable else None)
    assert not mute, seen(f"takes no mail: {listed(one.where for one in mute)}")


@check(
    "RFC5322 3.6.2: must", "GMX: must",
    fix="Set Sender to the one address of the program or person that sends the message, or leave it out.",
)  # fmt: skip
def test_msg_sender(message: Message) -> None:
    """Sender is there when From names several, and holds exactly one valid address.

    Without it nobody is answerable for a message of several authors.
    """
    several = len({mailbox.spec.lower() for _, mailbox in _mailboxes(message, "From")}) > 1
    if not several and not message.named("Sender"):
        raise NotApplicable("From names one address, and there is no Sender field")
    assert message.named("Sender"), seen("From names several addresses, and there is no Sender field")
    problems = _problems(message, "Sender")
    assert not problems, seen(f"Sender: {quoted(message.text('Sender'))}: {listed(problems)}")
    for field in message.named("Sender"):
        count = len(read_addresses(field.text).mailboxes)
        assert count == 1, seen(f"Sender: {quoted(field.text)} holds {count} addresses")


@check(
    "Z sender and recipient headers: must",
    fix="Publish the domain named here with an MX record, or write another one in the field.",
)  # fmt: skip
def test_msg_header_domains_resolve(header_domains: tuple[HeaderDomain, ...]) -> None:
    """The domains in From, Sender and Reply-To exist.

    Mail that names domains which nobody registered is not trusted.
    """
    gone = findings(header_domains, lambda one: None if one.domain.exists else one)
    assert not gone, seen(f"does not exist (NXDOMAIN): {listed(one.where for one in gone)}")


@check(
    "RFC5321 4.4: should", "RFC6376 5.4: should",
    fix="Let nothing set Return-Path: the receiver writes it (Postfix message_drop_headers, Exim "
    "return_path_remove).",
)  # fmt: skip
def test_msg_no_return_path(message: Message) -> None:
    """A message leaves without a Return-Path field.

    The receiver's own is the place where the envelope sender stands; a second one misleads bounces.
    """
    found = message.named("Return-Path")
    assert not found, seen(f"Return-Path: {quoted(found[0].text)}" if found else "")


@check(
    "RFC5322 3.6.3: should",
    fix="Remove Bcc before a message leaves (Postfix message_drop_headers has it by default; Exim: headers_remove = "
    "bcc in the transport).",
)  # fmt: skip
def test_msg_no_bcc(bcc_copies: Copies) -> None:
    """Nobody is told who got a blind copy.

    A Bcc field that leaves the fleet shows the others what was meant to be kept from them.
    """
    for copy in bcc_copies.found:
        names = [mailbox.spec.lower() for _, mailbox in _mailboxes(copy.message, "Bcc")]
        own = {one.lower() for one in copy.recipients}
        assert not names or (len(own) == 1 and own.issuperset(names)), seen(
            f"Bcc: {listed(map(quoted, names))} reached {listed(map(quoted, sorted(own)))}"
        )
    if bcc_copies.unseen:
        raise bcc_copies.unseen


@check(
    "G: must", "RFC9989 11.4: should",
    fix="Let the display name in From say who writes, and nothing else: From: <name> <{stream.author}>",
)  # fmt: skip
def test_msg_display_name(composed: Message, delivery: Delivery) -> None:
    """The display name in From pretends nothing.

    People see the name and not the address: another one's address there is how they are deceived.
    """
    said = [what for _, mailbox in _mailboxes(composed, "From") for what in displayname.pretences(mailbox)]
    bulk = delivery.probe.stream.kind == "bulk"
    assert not said, seen(f"From: {quoted(composed.text('From'))}: {listed(said)}", at_most=None if bulk else "info")


@check(
    "G: must", "RFC8616 4: info",
    fix="Use a domain name whose labels are each of one script, or of Latin with Japanese, Chinese or Korean.",
)  # fmt: skip
def test_msg_idn(domains_named: tuple[tuple[str, str], ...]) -> None:
    """No domain in the message mixes scripts as forgers do.

    Names that look alike and are not are kept out by the highly restrictive level of UTS #39.
    """
    mixed = [(where, domain, found) for where, domain in domains_named if (found := scripts.mixed_label(domain))]
    assert not mixed, seen(
        "; ".join(
            f"{domain} in {where}: the label {quoted(label)} mixes {', '.join(names)}"
            for where, domain, (label, names) in mixed[:5]
        )
    )


@check(
    "Y-err: must", "RFC5322 3.2.3: info",
    fix="Use letters, digits and . _ + - = in the addresses that the fleet writes in From, Reply-To and MAIL FROM.",
)  # fmt: skip
def test_msg_charset_addr(message: Message, delivery: Delivery) -> None:
    """Local parts of the sender's addresses have none of $ % ? { } < >.

    Most of them are lawful there; Yahoo refuses them.
    """
    named = [(name, one.local) for name, one in _mailboxes(message, "From", "Sender", "Reply-To")]
    named.append(("MAIL FROM", delivery.sender.rpartition("@")[0]))
    exotic = [(name, local) for name, local in named if any(one in EXOTIC for one in local)]
    assert not exotic, seen(listed(f"{quoted(local)} in {name}" for name, local in exotic))
