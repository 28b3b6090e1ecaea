"""What DMARC records ask for, and where it takes effect, RFC 9989. For mail engineers: PYTEST_DONT_REWRITE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.check import NotApplicable, check, findings, listed, seen
from conformance.reading import remedy
from conformance.reading.excerpt import quoted

if TYPE_CHECKING:
    from conformance.facts.dmarc import DmarcWalk
    from conformance.facts.dmarcaround import ReportMailboxes, SkippedParents
    from conformance.fleet.model import Domain

_STRICTNESS = ("none", "quarantine", "reject")


def _publish(dmarc: DmarcWalk, name: str, text: str) -> str:
    owner = dmarc.answers[name].owner
    return remedy.publish(owner, text) if dmarc.record_texts(name) else remedy.publish_at(f"_dmarc.{name}", owner, text)


def _milder(policy: str | None, other: str | None) -> bool:
    return bool(policy and other) and _STRICTNESS.index(policy or "") < _STRICTNESS.index(other or "")


@check(
    "IN: must",
    "MS-pol: info",
    "NCSC: info",
    fix=(
        "When reports show that all mail of the domain passes: "
        '_dmarc.{domain.name}. IN TXT "v=DMARC1; p=quarantine; ...", later p=reject'
    ),
)
def test_dmarc_enforced(dmarc: DmarcWalk, domain: Domain) -> None:
    """Forged mail of the domain is to be quarantined or rejected.

    With p=none, or p=quarantine in test mode, receivers deliver mail that fails DMARC as if it had passed.
    """
    source = dmarc.applied
    if garbled := source.record.unusable:
        raise NotApplicable(f"the record of {source.domain} has no valid {garbled}=, see the rule for it")
    harder = next((wish for wish in domain.dmarc_p if wish != "none"), "quarantine")
    assert dmarc.mildened != "none", seen(
        f"the policy for {domain.name} comes to none: {quoted(source.record.text)}",
        fix=f"When reports show that all mail of the domain passes: "
        f"{_publish(dmarc, domain.name, dmarc.asking(harder, t=None))}",
    )


@check(
    "RFC9989 4.7: should",
    fix="Let sp= be none, quarantine or reject, not milder than p=, or leave it out.",
)
def test_dmarc_sp(dmarc: DmarcWalk) -> None:
    """The policy for subdomains is a valid one, and no milder than that for the domain.

    Without a valid value receivers take p=; a milder one leaves subdomains to forgers.
    """
    source = dmarc.applied
    wrong = dmarc.wrong("sp")
    assert not wrong, seen(f"record of {source.domain}: {listed(wrong)}")
    assert not _milder(source.record.sp, source.record.p), seen(
        f"record of {source.domain}: sp={source.record.sp} beside p={source.record.p}",
        fix=_publish(dmarc, source.domain, dmarc.amended(sp=None)),
        at_most="info",
    )


@check(
    "RFC9989 4.7: should",
    fix="Let np= be none, quarantine or reject, not milder than the policy for subdomains, or leave it out.",
)
def test_dmarc_np(dmarc: DmarcWalk) -> None:
    """The policy for subdomains that do not exist is a valid one, and no milder than that for those that do.

    Nobody sends genuine mail from a name that does not exist. Receivers by RFC 7489 do not know np= and use sp= or p=.
    """
    source = dmarc.applied
    wrong = dmarc.wrong("np")
    assert not wrong, seen(f"record of {source.domain}: {listed(wrong)}")
    others = source.record.sp or source.record.p
    assert not _milder(source.record.np, others), seen(
        f"record of {source.domain}: np={source.record.np} is milder than {others}, which holds for other subdomains",
        fix=_publish(dmarc, source.domain, dmarc.amended(np=None)),
        at_most="info",
    )


@check(
    "RFC9989 4.7, 4.10: should",
    fix="Remove psd= from the record, unless it says n to make the domain an organization of its own.",
)
def test_dmarc_psd(dmarc: DmarcWalk) -> None:
    """The DMARC record does not call the domain a public suffix.

    With psd=y its subdomains are organizations of their own: they lose its policy and no longer align with it.
    """
    source = dmarc.applied
    wrong = dmarc.wrong("psd")
    assert not wrong, seen(f"record of {source.domain}: {listed(wrong)}")
    assert source.record.psd != "y" or dmarc.is_suffix(source.domain), seen(
        f"record of {source.domain}: psd=y, and the public suffix list does not have {source.domain}",
        fix=f"Unless others register names below {source.domain}: "
        f"{_publish(dmarc, source.domain, dmarc.amended(psd=None))}",
    )


@check(
    "RFC9989 5.1.3, 8: must",
    "RFC7505 3: must",
    fix="Let rua= name a mailbox whose domain has an MX record: dmarc-reports@{domain.name}, for one.",
)
def test_dmarc_rua_accepts(dmarc_mailboxes: ReportMailboxes) -> None:
    """The domain of each mailbox for aggregate reports takes mail.

    Reports to any other are lost. Nobody is dialled: MX and address records tell.
    """
    source = dmarc_mailboxes.walk.applied
    if not dmarc_mailboxes.domains:
        raise NotApplicable(f"the record of {source.domain} names no mailbox, see dmarc.rua")
    lost = findings(dmarc_mailboxes.domains, dmarc_mailboxes.refusal)
    assert not lost, seen(f"reports of {source.domain} reach nobody where {listed(lost)}")
    dmarc_mailboxes.all_asked()


@check(
    "RFC9991 2: should",
    fix="Let ruf= list mailto: URIs, or leave it out.",
)
def test_dmarc_ruf(dmarc: DmarcWalk, domain: Domain) -> None:
    """Failure reports go only where the inventory says, if anywhere.

    They carry header fields and sometimes whole messages of real people; few receivers send any.
    """
    source = dmarc.applied
    wrong = dmarc.wrong("ruf")
    assert not wrong, seen(f"record of {source.domain}: {listed(wrong, joint='; ')}")
    if not source.record.ruf:
        raise NotApplicable(f"the record of {source.domain} asks for no failure reports")
    declared = domain.dmarc_ruf
    others = [uri.text for uri in source.record.ruf if uri.address.lower() not in declared]
    assert not others, seen(
        f"failure reports go to {listed(quoted(one) for one in others)}; declared: {listed(declared) or 'none'}",
        fix=f"Declare it as dmarc: {{ruf: ...}} of {domain.name} in the inventory, or: "
        f"{_publish(dmarc, source.domain, dmarc.amended(ruf=None, fo=None))}",
        at_most="info",
    )


@check(
    "RFC9989 4.10: must",
    fix="Publish the record at {domain.name} itself, or at a parent of at most 7 labels.",
)
def test_dmarc_walk_depth(dmarc_skipped: SkippedParents) -> None:
    """The tree walk comes to each DMARC record above the domain.

    From a name of more than eight labels it goes straight to the last seven: what stands between is never read.
    """
    dmarc_skipped.require()
    unread = findings(dmarc_skipped.answers, dmarc_skipped.record_at)
    assert not unread, seen(f"nobody reads what stands at {listed(f'_dmarc.{name}' for name in unread)}")


@check(
    "RFC9989 7.4: should",
    fix='Publish: _dmarc.{domain.name}. IN TXT "v=DMARC1; p=quarantine; ...", after a month of none',
)
def test_dmarc_lists(dmarc: DmarcWalk, domain: Domain) -> None:
    """A domain whose people write to mailing lists does not ask to reject.

    Lists change messages, so that signatures break: p=reject makes members' servers refuse, and lists drop members.
    """
    if not domain.lists:
        raise NotApplicable(f"the inventory does not say that people write to mailing lists from {domain.name} (lists)")
    source = dmarc.applied
    assert dmarc.mildened != "reject", seen(
        f"the policy for {domain.name} is reject: {quoted(source.record.text)}",
        fix=_publish(dmarc, domain.name, dmarc.asking("quarantine")),
    )


@check(
    "NCSC: info",
    "RFC9989 4.7: info",
    fix='Add np=reject: _dmarc.{domain.name}. IN TXT "v=DMARC1; ...; np=reject"',
)
def test_dmarc_nonexistent(dmarc: DmarcWalk) -> None:
    """Mail in the name of subdomains that do not exist is to be rejected.

    None of it is genuine. Receivers by RFC 7489 take sp=, or p=, for such names.
    """
    name = dmarc.registered
    if (record := dmarc.record_at(name)) is None:
        raise NotApplicable(f"_dmarc.{name} has no one DMARC record, see dmarc.direct")
    if record.unusable:
        raise NotApplicable(f"the record of {name} has no valid {record.unusable}=, see the rule for it")
    policy = record.policy(subdomain=True, exists=False)
    assert policy == "reject", seen(
        f"for names below {name} that do not exist, its record comes to {policy or 'nothing'}: {quoted(record.text)}",
        fix=_publish(dmarc, name, remedy.dmarc_with(record.text, np="reject")),
    )


@check(
    "RFC9989 4.10: info",
    "RFC1034 3.6.2: info",
    fix="Let the CNAME at _dmarc.{domain.name} lead to one DMARC record, or publish the record there instead.",
)
def test_dmarc_cname(dmarc: DmarcWalk) -> None:
    """Where the place of the DMARC record is an alias, it leads to a record.

    An alias to a vendor is common; when the vendor's name goes, so does the policy.
    """
    if not dmarc.own.known().aliases:
        raise NotApplicable(f"_dmarc.{dmarc.domain.name} is no alias")
    if len(dmarc.own_records) > 1:
        raise NotApplicable(f"{dmarc.own.owner} has several records, see dmarc.single")
    assert dmarc.own_records, seen(f"{dmarc.own.question} answered {dmarc.own.describe()}")


@check(
    "RFC9989 4.7: info",
    fix="Move sp= and np= to the record of the organizational domain, or leave them out.",
)
def test_dmarc_sp_placement(dmarc: DmarcWalk) -> None:
    """Policies for subdomains stand where they take effect: at the organizational domain.

    In a record below it nobody reads them.
    """
    if (record := dmarc.own_record) is None:
        raise NotApplicable(f"_dmarc.{dmarc.domain.name} has no one DMARC record, see dmarc.exists")
    idle = [f"{name}={value}" for name, value in (("sp", record.sp), ("np", record.np)) if value]
    if idle and dmarc.organizational_domain not in dmarc.below_suffix:
        raise NotApplicable(f"{dmarc.organizational_domain} is no organization, see dmarc.org-consistent")
    assert not idle or dmarc.organizational_domain == dmarc.domain.name, seen(
        f"{listed(idle)} in the record of {dmarc.domain.name}; receivers take that of {dmarc.organizational_domain} "
        "for names below it",
        fix=_publish(dmarc, dmarc.domain.name, remedy.dmarc_with(record.text, sp=None, np=None)),
    )
