"""The sending domains themselves: do they exist, do they take mail. For mail engineers: PYTEST_DONT_REWRITE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.check import NotApplicable, check, findings, listed, seen
from conformance.reading.excerpt import quoted
from conformance.reading.freemail import provider_of
from conformance.reading.mailbox import read_addresses
from conformance.reading.orgdomain import is_within

if TYPE_CHECKING:
    from conformance.facts.domain import MailDomain, MailDomains
    from conformance.facts.impostor import Impostor
    from conformance.reading.message import Message

PUBLISH = "Publish: {domain.name}. IN MX 10 <host that takes its mail>"


@check(
    "Z From: must",
    "Y-err 451, 554: must",
    "G-err: must",
    "SA: should",
    fix=PUBLISH,
)
def test_dom_from_resolves(mail_domains: MailDomains) -> None:
    """The domains in From and in the envelope exist.

    Receivers refuse mail whose sender nobody could answer.
    """
    gone = findings(mail_domains.names, lambda one: None if one.exists else one)
    assert not gone, seen(f"does not exist (NXDOMAIN): {_listed(gone)}", fix=_publish(gone))


def _listed(domains: list[MailDomain]) -> str:
    return listed(f"{one.name} (a CNAME to {one.mx.owner})" if one.mx.aliases else one.name for one in domains)


def _publish(domains: list[MailDomain]) -> str:
    return "; ".join(
        f"Let the CNAME at {one.name} lead to a domain that takes mail, or replace it by records of its own"
        if one.mx.aliases
        else f"Publish: {one.name}. IN MX 10 <host that takes its mail>"
        for one in domains
    )


@check(
    "CC: must",
    "GMX: must",
    "OR: must",
    "Y-err: must",
    "RFC9989 3.2.13: should",
    fix=PUBLISH,
)
def test_dom_mx_or_a(mail_domains: MailDomains) -> None:
    """The domains in From and in the envelope have an MX record or an address.

    Without either no bounce and no answer has anywhere to go.
    """
    mute = findings(mail_domains.names, lambda one: None if one.reachable else one)
    assert not mute, seen(f"neither MX nor A nor AAAA: {_listed(mute)}", fix=_publish(mute))


@check(
    "RFC2181 10.3: must",
    "RFC5321 5.1: must",
    "RFC1912 2.5: should",
    fix="Let each MX record named here lead to a host that has addresses of its own in public space.",
)
def test_dom_mx_valid(mail_domains: MailDomains) -> None:
    """Every mail exchanger is a name with addresses that the world can reach.

    An alias, an address in place of the name, or a private address makes mail bounce at some senders only.
    """
    bad = findings(mail_domains.names, lambda one: f"{one.name}: {listed(one.bad_targets)}" if one.bad_targets else "")
    assert not bad, seen("; ".join(bad))


@check(
    "Y-err: must",
    "RFC7505 4.2: should",
    fix="Replace the null MX by a host that takes mail, or let {domain.name} not send.",
)
def test_dom_no_null_mx(mail_domains: MailDomains) -> None:
    """No domain that sends has a null MX.

    It says that the domain takes no mail; receivers refuse mail that cannot be answered.
    """
    null = findings(mail_domains.names, lambda one: one if one.null_mx else None)
    assert not null, seen(f"null MX: {_listed(null)}", fix=_publish(null))


@check(
    "G: must",
    "Z: should",
    "CSA: info",
    "RFC6409 6.1: should",
    fix=(
        "Let submission refuse or rewrite a From that is not the sender's (Postfix: smtpd_sender_login_maps with "
        "reject_sender_login_mismatch for the envelope and a milter or header_checks for From; Exim: an ACL on "
        "$sender_address and $h_from:)."
    ),
)
def test_dom_not_spoofing(impostor: Impostor, own_domains: frozenset[str]) -> None:
    """The host sends no mail with a From outside the fleet's domains.

    Whoever may submit to it could write in anybody's name.
    """
    if not own_domains:
        raise NotApplicable("the catalogue of domains is empty")
    foreign = [domain for domain in impostor.domains if not is_within(domain, own_domains)]
    assert not foreign, seen(f"a message with {listed(foreign, 2)} in From was taken and sent")


@check(
    "SA FREEMAIL_FORGED_REPLYTO: should",
    fix="Let answers come to an address in a domain of your own: Reply-To: <{stream.author}>, or no Reply-To.",
)
def test_dom_no_freemail_reply(bulk_mail: Message) -> None:
    """Answers to bulk mail go to no address at a free mailbox provider.

    Swindlers write in the name of a company and have the answers come to a mailbox that anybody can get.
    """
    if not bulk_mail.named("Reply-To"):
        raise NotApplicable("there is no Reply-To field")
    authors = {provider_of(one.domain) for one in read_addresses(bulk_mail.text("From")).valid}
    answered = [one for field in bulk_mail.named("Reply-To") for one in read_addresses(field.text).valid]
    free = [one.spec for one in answered if provider_of(one.domain) and provider_of(one.domain) not in authors]
    assert not free, seen(f"Reply-To names {listed(map(quoted, free), 2)}, and From does not")
