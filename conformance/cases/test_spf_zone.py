"""SPF records in the DNS around them, RFC 7208. Findings speak to mail engineers: PYTEST_DONT_REWRITE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.check import NotApplicable, check, findings, listed, seen
from conformance.reading import remedy
from conformance.reading.excerpt import quoted

if TYPE_CHECKING:
    from conformance.facts.greeting import HeloName
    from conformance.facts.spf import SpfPaths, SpfRecords
    from conformance.facts.spfcheck import SpfResult
    from conformance.facts.spfzone import Explanation, HostRecords, Owner, Reliances
    from conformance.fleet.model import Fleet

MOST_OCTETS = 512
MOST_SECONDS = 20


@check(
    "RFC7208 3.1, 14.1: must",
    fix="Publish SPF of {domain.mail_from} as TXT, and remove the record of type SPF (99).",
)
def test_spf_txt_type(spf_owners: tuple[Owner, ...]) -> None:
    """SPF is published as TXT, and no record of type SPF is left.

    Receivers stopped asking for type SPF (99): what stands there alone counts for nobody.
    """
    relied = findings(spf_owners, lambda owner: owner if owner.relies_on_type else None)
    assert not relied, seen(
        "; ".join(f"{one.typed.question} answered {quoted(one.relies_on_type)}, {one.node.absence}" for one in relied),
        fix="; ".join(remedy.publish(one.node.owner, one.relies_on_type) for one in relied),
    )
    left = findings(spf_owners, lambda owner: owner if owner.copies else None)
    assert not left, seen(
        "; ".join(f"{one.typed.question} answered {quoted(one.copies[0])} beside the TXT record" for one in left),
        at_most="info",
    )
    if hidden := findings(spf_owners, lambda owner: owner.hidden):
        raise NotApplicable("; ".join(hidden))


@check(
    "RFC1034 3.6.2: should",
    "RFC7208 3.5: info",
    fix="Publish SPF of {domain.mail_from} at that very name, with no CNAME beside it.",
)
def test_spf_not_cname_broken(spf_owners: tuple[Owner, ...]) -> None:
    """SPF stands at its own name: no CNAME beside it, no wildcard in its place.

    With a CNAME it depends on the resolver which of the two is seen; a wildcard ends where any record is added.
    """
    conflicts = findings(spf_owners, lambda owner: owner.conflict)
    assert not conflicts, seen("; ".join(conflicts))
    synthesized = findings(spf_owners, lambda owner: owner.synthesized)
    assert not synthesized, seen("; ".join(synthesized), at_most="info")


@check(
    "RFC7208 11: should",
    fix="Take the term out of SPF of {domain.mail_from}, unless somebody you know registers that domain.",
)
def test_spf_no_dangling(spf_reliances: Reliances) -> None:
    """Every domain that SPF relies on is registered.

    Whoever registers a domain that nobody has can send as everyone whose SPF leads there.
    """
    dangling = findings(spf_reliances.each, lambda one: one.dangling)
    assert not dangling, seen("; ".join(dangling))
    spf_reliances.complete()


@check(
    "RFC7208 2.3, 10.1.2: info",
    "M3: info",
    fix='Publish: {address.helo}. IN TXT "v=spf1 {address.spf_mechanism} -all"',
)
def test_spf_helo(spf_helo: SpfResult, speakers: tuple[str, ...]) -> None:
    """The HELO name passes SPF, or has no record.

    Bounces have no envelope sender: for them the greeting is what receivers evaluate.
    """
    says = spf_helo.known()
    assert says.result != "permerror", seen(
        f"{says.helo}: {says.describe()}", fix=f"Repair SPF of {says.helo}: it cannot be evaluated."
    )
    # One record for all who greet so: several would contradict each other.
    repaired = remedy.spf_authorising(says.record, speakers, first=not says.by_default)
    assert says.result in ("pass", "none"), seen(
        f"{says.helo}: {says.describe()}", fix=remedy.publish(says.owner, repaired)
    )


@check(
    "RFC7208 10.1.2: info",
    fix='Publish: {address.helo}. IN TXT "v=spf1 {address.spf_mechanism} -all"',
)
def test_spf_host_record(spf_helo: SpfResult, helo: HeloName, speakers: tuple[str, ...], fleet: Fleet) -> None:
    """The name that a host greets with has an SPF record of its own.

    Without one anybody can greet with that name, and bounces have nothing that speaks for them.
    """
    if not helo.forward.exists:
        raise NotApplicable(f"{helo.name} does not exist, see helo.exists")
    says = spf_helo.known()
    if says.result == "none" and says.helo.lower() in fleet.sending_names:
        raise NotApplicable(f"mail is sent for {says.helo} too, see spf.exists")
    assert says.result != "none", seen(
        f"{says.helo} has no SPF record",
        fix=remedy.publish_at(says.helo, says.owner, remedy.spf_of(speakers, "-all")),
    )


@check(
    "RFC7208 3.5, 10.1.2: info",
    "NCSC: info",
    "M3: info",
    fix="Publish v=spf1 -all at each name of {domain.name} that has an address and never sends.",
)
def test_spf_subdomains(spf_hosts: HostRecords) -> None:
    """Host names that do not send say so in an SPF record.

    The record of the domain above is not inherited: mail can be forged from any name that has an address.
    """
    bare = spf_hosts.bare
    assert not bare, seen(
        listed([host.bare for host in bare], joint="; "),
        fix=listed([remedy.publish(host.name, remedy.spf_of((), "-all")) for host in bare], joint="; "),
    )


@check(
    "RFC7208 3.4: should",
    fix="Shorten SPF of {domain.mail_from}, and move TXT records of no use there to names of their own.",
)
def test_spf_size(spf: SpfRecords) -> None:
    """The answer that holds SPF fits into a datagram of 512 octets, or comes over TCP.

    A longer one is lost where neither EDNS nor TCP gets through.
    """
    long = findings(spf.roots, lambda root: root.beyond_octets(MOST_OCTETS))
    alone = any(by_itself for _, by_itself in long)
    assert not long, seen("; ".join(text for text, _ in long), at_most=None if alone else "info")


@check(
    "RFC7208 6.2: should",
    fix="Let exp= of {domain.mail_from} lead to one TXT record of plain ASCII text, or remove it.",
)
def test_spf_exp(spf_explanations: tuple[Explanation, ...]) -> None:
    """The explanation of SPF is one TXT record that can be read.

    Receivers leave out what they cannot read, and say nothing of whom to ask.
    """
    faults = findings(spf_explanations, lambda one: one.fault)
    assert not faults, seen("; ".join(faults))


@check(
    "RFC7208 4.6.4: should",
    fix="Take the slowest includes out of SPF of {domain.mail_from}, or have their name servers mended.",
)
def test_spf_time(spf: SpfRecords, spf_paths: SpfPaths) -> None:
    """SPF can be evaluated within twenty seconds.

    Receivers may stop then with a temporary error, and mail is late or lost without a pattern.
    """
    if not findings(spf.roots, lambda root: root.texts):
        raise NotApplicable(f"{spf.domain.mail_from} has no SPF record, see spf.exists")
    slow = spf_paths.slow(MOST_SECONDS)
    assert not slow, seen(f"for {slow[0].ip} the look-ups took {slow[0].ms / 1000:.1f} s, one after the other")
    spf_paths.known()
