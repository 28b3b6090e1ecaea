"""Domains that never send, and say so. Findings speak to mail engineers: PYTEST_DONT_REWRITE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.check import check, listed, seen
from conformance.reading import remedy
from conformance.reading.excerpt import quoted
from conformance.reading.mailbox import read_addresses
from conformance.reading.orgdomain import to_ascii

if TYPE_CHECKING:
    from conformance.facts.delivery import Delivery
    from conformance.facts.dkim import KeyRecord
    from conformance.facts.dmarc import DmarcWalk
    from conformance.facts.domain import MailDomains
    from conformance.facts.spf import SpfRecords
    from conformance.reading.message import Message

_ELSE = "else let records of its own stand in place of the CNAME at"


def _publish(name: str, owner: str, text: str) -> str:
    """Return what to publish for a name; where a CNAME leads on, mail of others may hang on what stands there."""
    if name == owner:
        return remedy.publish(name, text)
    return f"Only if nothing that sends mail uses {owner}: {owner}. IN TXT {remedy.txt_data(text)}; {_ELSE} {name}"


@check(
    "MS-ts: must",
    "NCSC: must",
    "IN: should",
    "M3: should",
    "RFC7208 10.1.2: info",
    fix='Publish: {domain.name}. IN TXT "v=spf1 -all"',
)
def test_parked_spf(parked_spf: SpfRecords) -> None:
    """SPF of a domain that never sends is v=spf1 -all and nothing else.

    Forgers prefer domains that nobody looks after.
    """
    root = parked_spf.at_domain
    fix = _publish(root.name, root.owner, "v=spf1 -all")
    assert not root.absence, seen(root.absence, fix=fix)
    terms = [text.lower().split()[1:] for text in root.texts]
    assert terms == [["-all"]], seen(
        f"{root.name}: {listed((quoted(text) for text in root.texts), joint=' and ')}",
        fix=fix,
        at_most="info" if root.denies_all else None,
    )


@check(
    "NCSC: must",
    "IN: should",
    "M3: should",
    fix='Publish: _dmarc.{domain.name}. IN TXT "v=DMARC1; p=reject"',
)
def test_parked_dmarc(parked_dmarc: DmarcWalk) -> None:
    """DMARC of a domain that never sends asks to reject, for its subdomains too.

    No mail in its name is genuine, so that nothing is lost.
    """
    own = parked_dmarc.own
    fix = _publish(own.name, own.owner, "v=DMARC1; p=reject")
    assert parked_dmarc.own_source is not None, seen(parked_dmarc.absence, fix=fix)
    source = parked_dmarc.applied
    assert parked_dmarc.mildened == "reject", seen(
        f"the record of {source.domain} comes to {parked_dmarc.mildened or 'no policy'}: {quoted(source.record.text)}",
        fix=fix,
    )
    count = len(parked_dmarc.own_records)
    assert count < 2, seen(
        f"{own.question} has {count} records, which discard each other; only receivers by RFC 9989 take that of "
        f"{source.domain} then",
        fix=fix,
        at_most="should",
    )
    mild = {"sp": source.record.sp, "np": source.record.np} if source.kind == "author" else {}
    weaker = {name: value for name, value in mild.items() if value not in (None, "reject")}
    assert not weaker, seen(
        f"the record of {source.domain} says {listed(f'{name}={value}' for name, value in weaker.items())}",
        fix=_publish(own.name, own.owner, remedy.dmarc_with(source.record.text, **dict.fromkeys(weaker))),
    )


@check(
    "RFC7505 3: must",
    "NCSC: should",
    "IN: should",
    fix="Publish: {domain.name}. IN MX 0 . as its only MX record",
)
def test_parked_null_mx(parked_mail: MailDomains) -> None:
    """A domain that never sends has a null MX, if anything leads mail there.

    Without one, mail to the domain waits in queues for days before it comes back.
    """
    one = next(name for name in parked_mail.names if name.name == parked_mail.domain.name)
    exchanges = one.mx.exchanges
    null = [preference for preference, target in exchanges if target == "."]
    shown = listed(f"{preference} {target}" for preference, target in exchanges)
    fix = f"Publish: {one.name}. IN MX 0 . as its only MX record"
    if one.mx.aliases:
        fix = (
            f"Only if {one.mx.owner} takes no mail: {one.mx.owner}. IN MX 0 . as its only MX record; {_ELSE} {one.name}"
        )
    assert not null or exchanges == ((0, "."),), seen(f"a null MX is 0 . and stands alone; seen: {shown}", fix=fix)
    assert null or not exchanges, seen(
        f"the domain takes mail: MX {shown}",
        fix=f"Only if {one.name} shall take no mail either: {fix.removeprefix('Publish: ').removeprefix('Only ')}",
        at_most="info",
    )
    assert null or not one.forward.resolves, seen(
        f"no MX, but an address, where mail is delivered: {one.forward.describe()}", fix=fix, at_most="should"
    )


@check(
    "NCSC: must",
    "RFC6376 3.6.1: info",
    fix='Publish: *._domainkey.{domain.name}. IN TXT "v=DKIM1; p="',
)
def test_parked_dkim(parked_key: KeyRecord) -> None:
    """A domain that never sends says of every DKIM selector that its key is revoked.

    So no signature in its name can be valid, whatever selector it names.
    """
    question = parked_key.answer.question
    texts = parked_key.texts
    assert texts, seen(f"{question} answered {parked_key.answer.describe()}")
    assert parked_key.revoked, seen(f"{question}: {listed((quoted(text) for text in texts), 3, joint=' and ')}")


@check(
    "NCSC: must",
    "RFC7505 4.2: should",
    fix="Let {stream.name} send in the name of another domain, or take no_mail from the domain in mailconform_domains.",
)
def test_parked_silent(parked_names: frozenset[str], delivery: Delivery, message: Message) -> None:
    """Mail comes from no domain that is declared never to send.

    Such a domain asks receivers to refuse all mail in its name, and they do.
    """
    named = [("MAIL FROM", delivery.sender.rpartition("@")[2])]
    for field in message.named("From") + message.named("Sender"):
        named += [(field.name, one.domain) for one in read_addresses(field.text).valid]
    parked = [f"{name} in {where}" for where, domain in named if (name := to_ascii(domain)) in parked_names]
    assert not parked, seen(f"the mail names {listed(dict.fromkeys(parked), 3)}, declared with no_mail")
