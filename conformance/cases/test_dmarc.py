"""DMARC of the domains in From, RFC 9989. Findings speak to mail engineers: PYTEST_DONT_REWRITE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.check import NotApplicable, check, findings, listed, seen
from conformance.reading import remedy
from conformance.reading.excerpt import quoted

if TYPE_CHECKING:
    from conformance.facts.dmarc import DmarcWalk, ReportDestinations
    from conformance.fleet.model import Domain

_PCT = " (older receivers then apply the policy to all mail: let p= be one that is meant)"
PUBLISH = 'Publish: _dmarc.{domain.name}. IN TXT "v=DMARC1; p=none; rua=mailto:dmarc-reports@{domain.name}"'


def _publish(dmarc: DmarcWalk, name: str, text: str) -> str:
    owner = dmarc.answers[name].owner
    return remedy.publish(owner, text) if dmarc.record_texts(name) else remedy.publish_at(f"_dmarc.{name}", owner, text)


@check(
    "MS: must",
    "AP: must",
    "OR: must",
    "LP LPN007_517: must",
    "QQ: must",
    "NCSC: must",
    "GMX: should",
    "IN: should",
    "RFC9989 5.1.4: should",
    "Z DMARC: info",
    "G bulk, 5.7.40: info",
    "Y bulk: info",
    fix=PUBLISH,
)
def test_dmarc_exists(dmarc: DmarcWalk) -> None:
    """Every domain in From has a DMARC record, of its own or of a parent up to the domain that was registered.

    Large receivers refuse or defer mail of domains that say nothing about forged mail.
    """
    found = findings(dmarc.names, dmarc.record_at)
    assert found or len(dmarc.own_records) < 2, seen(
        dmarc.absence, fix=f"Keep one record at _dmarc.{dmarc.domain.name}"
    )
    assert found, seen(
        dmarc.absence, fix=remedy.publish_at(f"_dmarc.{dmarc.domain.name}", dmarc.own.owner, dmarc.suggestion)
    )


@check(
    "RFC9989 5.1.4, 8, C.3: info",
    fix=PUBLISH,
)
def test_dmarc_direct(dmarc: DmarcWalk) -> None:
    """The domain and its organizational domain have a DMARC record each.

    Then it does not matter whether a receiver walks the tree or reads the public suffix list.
    """
    source = dmarc.applied
    names = list(dict.fromkeys((dmarc.domain.name, dmarc.registered)))
    bare = findings(names, lambda name: None if dmarc.record_texts(name) else name)
    assert not bare, seen(
        f"no record at {listed(f'_dmarc.{name}' for name in bare)}; that of {source.domain} applies",
        fix="; ".join(_publish(dmarc, name, _of_its_own(dmarc, name)) for name in bare),
    )
    if several := [name for name in names if len(dmarc.record_texts(name)) > 1]:
        raise NotApplicable(f"_dmarc.{several[0]} has several records, see dmarc.single")


def _of_its_own(dmarc: DmarcWalk, name: str) -> str:
    """Return a record that changes no policy: the one that applies to the domain, or none for its other subdomains.

    A policy that was declared takes the place of another.
    """
    wishes = dmarc.domain.dmarc_p
    policy = dmarc.policy if not wishes or dmarc.policy in wishes else wishes[0]
    return dmarc.amended(p=policy or "none" if name == dmarc.domain.name else "none", sp=None, np=None)


@check(
    "RFC9989 4.7, 4.10: must",
    fix="Keep one TXT record that begins with v=DMARC1 at _dmarc.{domain.name}",
)
def test_dmarc_single(dmarc: DmarcWalk) -> None:
    """A domain has exactly one DMARC record.

    Two discard each other, and a parent's record applies, or none.
    """
    several = findings(dmarc.names, lambda name: name if len(_records(dmarc, name)) > 1 else None)
    assert not several, seen(
        "; ".join(
            f"_dmarc.{name}: {listed((quoted(text) for text in dmarc.record_texts(name)), joint=' and ')}"
            for name in several
        )
    )


def _records(dmarc: DmarcWalk, name: str) -> tuple[str, ...]:
    if not (texts := dmarc.record_texts(name)):
        raise NotApplicable(f"_dmarc.{name} has no DMARC record, see dmarc.exists")
    return texts


@check(
    "RFC9989 4.7, 4.8: must",
    fix=(
        'Repair the record: it begins with "v=DMARC1;", then tags as name=value with a semicolon between them: '
        '_dmarc.{domain.name}. IN TXT "v=DMARC1; p=...; rua=mailto:..."'
    ),
)
def test_dmarc_syntax(dmarc: DmarcWalk) -> None:
    """The DMARC record is well-formed to its end.

    Some receivers drop the bad part, others the whole record.
    """
    slips = findings(dmarc.names, dmarc.slips)
    assert not slips, seen(listed((slip for one in slips for slip in one), joint="; "))
    odd = findings(dmarc.names, dmarc.oddities)
    assert not odd, seen(listed((oddity for one in odd for oddity in one), joint="; "), at_most="info")


@check(
    "G-err 5.7.40: must",
    "RFC9989 4.7: should",
    "RFC7489 6.3",
    fix='Let the record say a policy: _dmarc.{domain.name}. IN TXT "v=DMARC1; p=none; ..."',
)
def test_dmarc_p_valid(dmarc: DmarcWalk, domain: Domain) -> None:
    """The DMARC record that applies says a policy: none, quarantine or reject.

    Without a valid p= receivers take the record for p=none, or for no record.
    """
    source = dmarc.applied
    assert source.record.p is not None, seen(
        f"record of {source.domain}: {listed(dmarc.wrong('p')) or 'p= is missing'}",
        fix=_publish(dmarc, source.domain, dmarc.amended()),
    )
    assert not domain.dmarc_p or dmarc.policy in domain.dmarc_p, seen(
        f"the record of {source.domain} asks for {dmarc.policy or 'nothing'}; declared: {' or '.join(domain.dmarc_p)}",
        fix=_publish(dmarc, domain.name, dmarc.asking(next(iter(domain.dmarc_p)))),
    )


@check(
    "RFC9989 4.7: should",
    fix="Let every tag of the record have a value of RFC 9989 section 4.7, or leave the tag out.",
)
def test_dmarc_values(dmarc: DmarcWalk, domain: Domain) -> None:
    """Every tag of the DMARC record has a value that it may have.

    A tag with another value counts as if it were not there.
    """
    source = dmarc.applied
    wrong = dmarc.wrong("adkim", "aspf", "fo")
    assert not wrong, seen(f"record of {source.domain}: {listed(wrong, joint='; ')}")
    wishes = {"adkim": domain.dmarc_adkim, "aspf": domain.dmarc_aspf}
    found = {"adkim": source.record.adkim, "aspf": source.record.aspf}
    unlike = {name: wish for name, wish in wishes.items() if wish and wish != found[name]}
    assert not unlike, seen(
        "; ".join(f"{name}={found[name]} applies; declared: {wish}" for name, wish in unlike.items()),
        fix=_publish(dmarc, source.domain, dmarc.amended()),
    )
    unknown = listed(quoted(tag.name, 40) for tag in source.record.unknown)
    assert not unknown, seen(f"no version of DMARC knows {unknown} in the record of {source.domain}", at_most="info")


@check(
    "LP: must",
    "Y: should",
    "IN: should",
    "MS: should",
    "RFC9989 5.1.3, 8: info",
    "G DMARC: info",
    fix='Add an address for reports: _dmarc.{domain.name}. IN TXT "...; rua=mailto:dmarc-reports@{domain.name}"',
)
def test_dmarc_rua(dmarc: DmarcWalk) -> None:
    """The DMARC record names a mail address for aggregate reports.

    Reports are how the owner learns who sends in the domain's name, rightly or not.
    """
    source = dmarc.applied
    addresses = [uri.address.lower() for uri in source.record.rua if uri.scheme == "mailto"]
    wish = dmarc.report_address
    fix = _publish(dmarc, source.domain, dmarc.amended())
    wrong = listed(dmarc.wrong("rua"), joint="; ")
    assert addresses, seen(f"record of {source.domain}: {wrong or 'there is no rua= with a mailto: address'}", fix=fix)
    assert not wrong, seen(f"record of {source.domain}: {wrong}")
    assert not dmarc.declares_address or wish.lower() in addresses, seen(
        f"reports go to {listed(quoted(address) for address in addresses)}; declared: {wish}", fix=fix
    )


@check(
    "RFC9990 4: must",
    "IN: must",
    "RFC7489 7.1",
    fix="Have each foreign destination of reports publish its consent, or send reports to an address of your own.",
)
def test_dmarc_rua_external(dmarc_reports: ReportDestinations) -> None:
    """Every report destination outside the organization consents in DNS.

    Without consent receivers send no reports there.
    """
    source = dmarc_reports.walk.applied
    if not dmarc_reports.foreign:
        raise NotApplicable(f"the record of {source.domain} names no destination outside its organization")
    silent = findings(dmarc_reports.foreign, lambda one: None if one.consents else one)
    assert not silent, seen(
        "; ".join(f"{one.uri.host} does not consent: {one.answer.question} holds no v=DMARC1" for one in silent),
        fix="; ".join(f"{one.uri.host}: {remedy.publish(one.record_name, 'v=DMARC1')}" for one in silent),
    )
    dmarc_reports.all_asked()


@check(
    "RFC9989 C: should",
    "RFC7489 6.3",
    fix="Remove the tags named here from the record.",
)
def test_dmarc_removed_tags(dmarc: DmarcWalk) -> None:
    """The DMARC record has no tags that RFC 9989 removed.

    Receivers that follow it ignore pct, rf, ri and size limits; older ones still spare mail from the policy by pct.
    """
    source = dmarc.applied
    record = source.record
    found = [f"{tag.name}={quoted(tag.value, 20)}" for tag in record.removed]
    found += [f"{quoted(uri.size)} after {quoted(uri.text)}" for uri in (*record.rua, *record.ruf) if uri.size]
    assert not found, seen(
        f"record of {source.domain}: {listed(found)}",
        fix=_publish(dmarc, source.domain, dmarc.amended(pct=None)) + (_PCT if dmarc.partial else ""),
        at_most=None if dmarc.partial else "info",
    )


@check(
    "RFC9989 4.7: should",
    fix="When the test is over, remove t=y from the record.",
)
def test_dmarc_t(dmarc: DmarcWalk) -> None:
    """The DMARC record is not in test mode.

    With t=y receivers apply a policy one level milder than the one that stands there.
    """
    source = dmarc.applied
    wrong = dmarc.wrong("t")
    assert not wrong, seen(f"record of {source.domain}: {listed(wrong)}")
    assert not source.record.testing, seen(
        f"record of {source.domain}: t=y, so that {dmarc.policy} is applied as {dmarc.mildened}",
        fix=_publish(dmarc, source.domain, dmarc.amended(t=None)),
    )


@check(
    "RFC9989 4.10, C.3: should",
    "RFC7489 3.2",
    fix="Publish a DMARC record without psd= at {domain.name} and at the domain that was registered.",
)
def test_dmarc_org_consistent(dmarc: DmarcWalk) -> None:
    """The organizational domain is the same by tree walk and by public suffix list.

    Receivers use one or the other for years to come; where they differ, alignment and policy differ too.
    """
    source = dmarc.applied
    by_walk, by_list = dmarc.organizational_domain, dmarc.registered
    assert by_walk == by_list, seen(
        f"{by_walk} by tree walk, {by_list} by public suffix list; the record of {source.domain} applies",
        fix=_publish(dmarc, by_list, _an_organization(dmarc, by_list)) if by_walk not in dmarc.below_suffix else None,
    )


def _an_organization(dmarc: DmarcWalk, name: str) -> str:
    """Return a record that ends the tree walk below the record of a public suffix that does not call itself one."""
    there = dmarc.record_texts(name)
    return remedy.dmarc_with(there[0], psd="n") if there else dmarc.amended(p="none", sp=None, np=None, psd="n")
