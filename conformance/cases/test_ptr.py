"""Reverse DNS of the sending addresses. Findings speak to mail engineers: PYTEST_DONT_REWRITE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.check import NotApplicable, check, findings, listed, seen
from conformance.reading.hostname import check_syntax, is_ip_text, is_localhost, is_qualified, zone_suffix
from conformance.reading.orgdomain import is_within, known_tld, registrable, special_use, to_ascii

if TYPE_CHECKING:
    from conformance.facts.reverse import ForwardNames, ReverseName, ReverseZone
    from conformance.facts.survey import Survey
    from conformance.facts.validity import Validity
    from conformance.fleet.model import Address

_RESIGN = (
    "Ask the operator of the reverse zone of {address.ip} to renew its signatures, or to let the DS record at the "
    "parent match a key of the zone."
)
RENAME = "Publish a name of your own: {address.reverse_name} IN PTR {address.proper_name}."


def at_alias(ptr: ReverseName, change: str = "Publish") -> str | None:
    """Return the remedy for a reverse name that is an alias, as RFC 2317 has it: the record stands where that leads."""
    answer, name = ptr.answer, ptr.address.proper_name
    return f"{change} where the CNAME leads: {answer.owner}. IN PTR {name}." if answer.aliases else None


@check(
    "Z PTR: must",
    "G IP addresses: must",
    "Y: must",
    "MS-pol 3: must",
    "AP: must",
    "CC: must",
    "GMX: must",
    "TO 4.1: must",
    "OR 107: must",
    "LP: must",
    "YX: must",
    "IL: must",
    "RFC1912 2.1: should",
    "SR NoPtr: should",
    fix="Publish: {address.reverse_name} IN PTR {address.proper_name}.",
)
def test_ptr_exists(ptr: ReverseName) -> None:
    """Every sending address has a PTR record.

    Receivers refuse or distrust mail from an address that has no name.
    """
    assert ptr.names, seen(f"{ptr.question} answered {ptr.rcode}", fix=at_alias(ptr))


@check(
    "G-err 421 4.7.0, 451 4.7.23: must",
    "RFC8601 2.7.3: info",
    fix=(
        "Ask the operator of the reverse zone of {address.ip} to repair its name servers: they answer "
        "{address.reverse_name} with an error."
    ),
)
def test_ptr_answers(reverse_zone: ReverseZone, reverse_survey: Survey | None, address: Address) -> None:
    """The reverse zone of every sending address answers.

    While its name servers answer with an error, receivers defer mail from the address.
    """
    assert not reverse_zone.broken, seen(
        f"{reverse_zone.answer.question}: {reverse_zone.answer.error or reverse_zone.answer.rcode}",
        fix=_RESIGN.format(address=address) if reverse_zone.bogus else None,
    )
    if reverse_survey is None:
        return
    lame = reverse_survey.lame
    assert not lame, seen("; ".join(lame), aspect="lame")
    differing = reverse_survey.differing
    assert not differing, seen(differing, at_most="should", aspect="stale")


@check(
    "CC: must",
    "G: info",
    fix=(
        "If the change was meant, declare the new name (mailconform_helo of {address.host}), or run once more; if not, "
        "publish what was there: {address.reverse_name} IN PTR {address.proper_name}."
    ),
)
def test_ptr_stable(ptr_before: tuple[str, ...], ptr_names: tuple[str, ...], address: Address) -> None:
    """The PTR name of the address is the one of the last run, or one that the inventory declares.

    Some receivers hold a changed name against the address: it looks as if somebody else had it now.
    """
    now, then = ({name.lower() for name in names} for names in (ptr_names, ptr_before))
    declared = {name.lower() for name in address.fit_names}
    strange = sorted(now - then - declared)
    assert not strange, seen(f"{listed(strange)}; the last run saw {listed(sorted(then)) or 'no PTR record'}")


@check(
    "IN: info",
    "RFC8601 3: info",
    fix=_RESIGN,
)
def test_ptr_dnssec_ok(reverse_validity: Validity) -> None:
    """The PTR records of the address validate where the reverse zone is signed.

    Receivers that validate defer mail from an address whose reverse zone fails.
    """
    assert not reverse_validity.bogus, seen(reverse_validity.describe_bogus())
    if not reverse_validity.signed:
        raise NotApplicable(f"the reverse zone is not signed ({reverse_validity.describe()})")


@check(
    "G IP addresses: must",
    "Y: must",
    "GMX: must",
    "OR 107: must",
    "CC: must",
    "TO 4.1: must",
    "Z PTR: should",
    "RFC1912 2.1: should",
    "RFC8501 5.1: should",
    "RFC8601 3: should",
    "RSP: should",
    "SA: should",
    fix=(
        "Let the PTR name lead back: publish {address.proper_name}. IN {address.forward_type} {address.ip}, and "
        "{address.reverse_name} IN PTR {address.proper_name}."
    ),
)
def test_ptr_forward_confirms(ptr_names: tuple[str, ...], forward: ForwardNames, address: Address) -> None:
    """A PTR name of the address leads back to the address.

    Anyone can write any name into a reverse zone; only the forward zone proves whose name it is.
    """
    assert forward.confirmed, seen(forward.describe(), fix=_by_alias(forward, address))


def _by_alias(forward: ForwardNames, address: Address) -> str | None:
    """Return the remedy where the name to publish is an alias: no record can stand beside a CNAME."""
    name = address.proper_name.lower()
    targets = (one.aliases[-1] for one in forward.names if one.name.lower() == name and one.aliases)
    canonical = next(targets, None)
    return canonical and (
        f"{address.proper_name} is a CNAME: put an address in its place ({address.proper_name}. IN "
        f"{address.forward_type} {address.ip}), or let the PTR name the host itself, {canonical}, and that lead back."
    )


@check(
    "SEPP: must",
    "RFC8601 3: info",
    fix=(
        "Remove the PTR records of {address.reverse_name} that do not lead back, or give each name the "
        "address {address.ip}."
    ),
)
def test_ptr_all_forward_confirm(ptr_names: tuple[str, ...], forward: ForwardNames, address: Address) -> None:
    """Every PTR name of the address leads back to the address.

    A stale second name is the usual slip; some receivers look at one name only, and any may come first.
    """
    stray = findings(forward.names, lambda name: None if name.leads_to(address.ip) else name.name)
    assert not stray, seen(f"not back to {address.ip}: {listed(stray)}")
    forward.all_followed()


@check(
    "FILTERS: info",
    "RFC2181 10.2: info",
    fix="Keep one PTR record at {address.reverse_name}, the one that names the host: {address.proper_name}.",
)
def test_ptr_single(ptr_names: tuple[str, ...], ptr: ReverseName) -> None:
    """The address has exactly one PTR record.

    Several are lawful, but receivers pick an arbitrary one, so that comparison with the greeting flaps.
    """
    assert len(ptr_names) == 1, seen(
        f"{len(ptr_names)} PTR records: {listed(ptr_names)}", fix=at_alias(ptr, "Keep one PTR record")
    )


@check(
    "G IP addresses: must",
    "EXO: must",
    fix="Publish: {address.proper_name}. IN {address.forward_type} {address.ip}",
)
def test_ptr_forward_family(ptr_names: tuple[str, ...], forward: ForwardNames, address: Address) -> None:
    """A PTR name of the address has a record of the address's own family: A for IPv4, AAAA for IPv6.

    Only the family of the connection is compared; a name with the other family alone confirms nothing.
    """
    if not findings(forward.names, lambda name: name.family(address.ip)):
        other = findings(forward.names, lambda name: name.name if name.resolves else None)
        assert not other, seen(
            f"no {address.forward_type} record at {listed(other)}, only the other family",
            fix=_by_alias(forward, address),
        )
        raise NotApplicable("no PTR name has an address, see ptr.forward-confirms")


@check(
    "G-err 550 5.7.1: must",
    "EXO 450 4.7.25: must",
    "CC: must",
    fix=(
        "Publish {address.reverse_name} IN PTR {address.proper_name}. and {address.proper_name}. IN AAAA {address.ip}, "
        "or stop sending over IPv6 (Postfix: inet_protocols = ipv4)."
    ),
)
def test_ptr_ipv6(ptr: ReverseName, forward: ForwardNames, address: Address) -> None:
    """An IPv6 sender has a PTR name that leads back to it.

    Receivers are stricter over IPv6 than over IPv4, and hosts often choose IPv6 unnoticed.
    """
    if address.ip.version == 4:
        raise NotApplicable("the address is IPv4")
    assert ptr.names, seen(f"{ptr.question} answered {ptr.rcode}")
    assert forward.confirmed, seen(forward.describe(), fix=_by_alias(forward, address))


@check(
    "GMX: must",
    "RFC1123 2.1: must",
    "RFC5321 2.3.5: must",
    "Y-faq: should",
    "RSP: should",
    fix=RENAME,
)
def test_ptr_syntax(ptr_names: tuple[str, ...], ptr: ReverseName) -> None:
    """Every PTR name is a qualified host name of letters, digits and hyphens.

    DNS allows any octets, mail does not: receivers discard a name that is no host name.
    """
    bad = [f"{name}: {why}" for name in ptr_names if (why := check_syntax(name))]
    bad += [f"{name}: it has one label only" for name in ptr_names if not check_syntax(name) and not is_qualified(name)]
    assert not bad, seen(listed(bad), fix=at_alias(ptr))


@check(
    "FILTERS: info",
    "RFC1912 2.1: info",
    fix="Put a dot after the name in the zone file: {address.reverse_name} IN PTR {address.proper_name}.",
)
def test_ptr_no_zone_suffix(ptr_names: tuple[str, ...], ptr: ReverseName) -> None:
    """No PTR name ends in the reverse zone itself.

    A forgotten final dot in the zone file appends the zone's own name.
    """
    bad = [name for name in ptr_names if zone_suffix(name)]
    assert not bad, seen(listed(bad), fix=at_alias(ptr, "Put a dot after the name in the zone file,"))


@check(
    "GMX: must",
    "FILTERS: info",
    fix=RENAME,
)
def test_ptr_not_ip(ptr_names: tuple[str, ...], ptr: ReverseName) -> None:
    """No PTR name is an IP address in text.

    An address is no name, and filters count it as forged.
    """
    bad = [name for name in ptr_names if is_ip_text(name)]
    assert not bad, seen(listed(bad), fix=at_alias(ptr))


@check(
    "Z HELO: should",
    "SA RDNS_LOCALHOST: info",
    "RSP: info",
    fix=RENAME,
)
def test_ptr_not_localhost(ptr_names: tuple[str, ...], ptr: ReverseName) -> None:
    """No PTR name is localhost or ends in a special-use suffix.

    Such names mean the receiver's own machine or nothing at all outside your network.
    """
    bad = [name for name in ptr_names if is_localhost(name) or special_use(name)]
    assert not bad, seen(listed(bad), fix=at_alias(ptr))


@check(
    "Z HELO: should",
    "HK valid_hostname: info",
    fix=RENAME,
)
def test_ptr_public_suffix(ptr_names: tuple[str, ...], ptr: ReverseName) -> None:
    """Every PTR name lies below a public suffix.

    A name below a made-up top-level domain belongs to nobody.
    """
    public = [name for name in ptr_names if not (is_localhost(name) or special_use(name) or zone_suffix(name))]
    if not public:
        raise NotApplicable("no name is a public one, see ptr.not-localhost and ptr.no-zone-suffix")
    bad = [name for name in public if not (known_tld(name) and registrable(name))]
    assert not bad, seen(listed(bad), fix=at_alias(ptr))


@check(
    "RFC1912 2.4: should",
    "RFC1034 3.6.2: should",
    fix=(
        "Let the PTR record name the canonical host, not an alias: {address.reverse_name} IN PTR {address.proper_name}."
    ),
)
def test_ptr_target_not_cname(ptr_names: tuple[str, ...], ptr: ReverseName, forward: ForwardNames) -> None:
    """No PTR name is an alias.

    A PTR record names the host itself; an alias makes some verifiers give up.
    """
    bad = findings(forward.names, lambda one: f"{one.name} is a CNAME to {one.aliases[0]}" if one.aliases else None)
    assert not bad, seen(listed(bad), fix=at_alias(ptr))
    forward.all_followed()


@check(
    "AP: must",
    "Z PTR: should",
    "Y: info",
    "GMX: should",
    "TO 4.1: must",
    "G IP addresses: should",
    fix="Name the host in a domain of your own: {address.reverse_name} IN PTR {address.proper_name}.",
)
def test_ptr_own_domain(
    ptr_names: tuple[str, ...], ptr: ReverseName, address: Address, own_domains: frozenset[str], own_name: str
) -> None:
    """A PTR name of the address lies in a domain of the fleet.

    The name should lead receivers to whoever is responsible for the mail.
    """
    if not own_domains:
        raise NotApplicable("the catalogue of domains is empty")
    assert any(is_within(name, own_domains) for name in ptr_names), seen(
        f"{listed(ptr_names)}: outside the fleet's domains ({listed(sorted(own_domains), 3)})",
        fix=f"Publish {ptr.answer.owner}. IN PTR {own_name}. and {own_name}. IN {address.forward_type} {address.ip}",
    )


@check(
    "MUR: must",
    "FILTERS: info",
    "SH: should",
    "RFC5321 4.1.4: info",
    fix="Let greeting and PTR be one name, in a domain of your own, that leads to {address.ip}.",
)
def test_ptr_matches_helo(ptr_names: tuple[str, ...], address: Address) -> None:
    """A PTR name equals the HELO name.

    Receivers must not refuse mail for this alone, yet some distrust a host that calls itself by another name.
    """
    helo = to_ascii(address.helo)
    same = helo is not None and helo in [to_ascii(name) for name in ptr_names]
    assert same, seen(f"the host greets as {address.helo!r}, its PTR says {listed(ptr_names)}")
