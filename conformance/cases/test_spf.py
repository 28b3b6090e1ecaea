"""SPF of the sending domains, RFC 7208. Findings speak to mail engineers: PYTEST_DONT_REWRITE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.check import NotApplicable, check, findings, listed, seen
from conformance.reading import mending, remedy
from conformance.reading.excerpt import quoted
from conformance.reading.spf import MOST_EXCHANGES, MOST_LOOKUPS, MOST_VOID

if TYPE_CHECKING:
    from conformance.facts.spf import SpfPaths, SpfRecords
    from conformance.facts.spfcheck import SpfResult
    from conformance.facts.spftree import Node
    from conformance.fleet.model import Domain, Sender


@check(
    "MS: must",
    "AP: must",
    "OR: must",
    "LP: must",
    "QQ: must",
    "NE MI SPF: must",
    "NCSC: must",
    "Z SPF: should",
    "GMX: should",
    "IN: should",
    "G SPF or DKIM, bulk both, 5.7.26 and 5.7.27: info",
    "Y SPF or DKIM, bulk both: info",
    fix='Publish: {domain.mail_from}. IN TXT "v=spf1 ... ~all" with the addresses that send.',
)
def test_spf_exists(spf: SpfRecords, domain: Domain) -> None:
    """Every domain used in MAIL FROM or From has an SPF record.

    Without one nobody can tell the domain's own mail from forged mail.
    """
    missing = findings(spf.roots, lambda root: root if root.absence else None)
    assert not missing, seen(
        "; ".join(root.absence for root in missing),
        fix="; ".join(_record_for(root, spf.mechanisms) for root in missing),
        at_most=None if missing[0].name == domain.mail_from else "should",
    )


def _record_for(root: Node, mechanisms: tuple[str, ...]) -> str:
    meant = root.near_misses[0][0] if root.near_misses else ""
    text, lost = mending.spf_instead(meant, mechanisms)
    left_out = f", and in it what was meant by {listed(map(quoted, lost))}" if lost else ""
    return f"{remedy.publish_at(root.name, root.owner, text)}{left_out}"


@check(
    "RFC7208 3.2, 4.5: must",
    fix="Merge the SPF records of {domain.mail_from} into one.",
)
def test_spf_single(spf: SpfRecords) -> None:
    """A domain has exactly one SPF record.

    With two, receivers take neither: the result is a permanent error for every message.
    """
    several = findings(spf.roots, lambda root: root if len(_texts(root)) > 1 else None)
    assert not several, seen(
        "; ".join(f"{root.name}: {listed([quoted(text) for text in root.texts], joint=' and ')}" for root in several),
        fix="; ".join(remedy.publish_spf(root.owner, remedy.spf_merged(root.texts)) for root in several),
    )


def _texts(root: Node) -> tuple[str, ...]:
    if root.absence:
        raise NotApplicable(f"{root.name} has no SPF record, see spf.exists")
    return root.texts


@check(
    "RFC7208 4.6, 4.6.1: must",
    "LP: must",
    "Z SPF: should",
    fix=(
        "Repair the terms named here: one TXT record at {domain.mail_from}. that begins with v=spf1 and a space, then "
        "terms with one space between them."
    ),
)
def test_spf_syntax(spf: SpfRecords) -> None:
    """The SPF record is well-formed to its end.

    One bad term anywhere makes the whole record a permanent error.
    """
    slips = findings(spf.roots, lambda root: root.slips)
    assert not slips, seen("; ".join(slips))
    strays = findings(spf.roots, lambda root: root.strays)
    assert not strays, seen(f"beside a record: {'; '.join(strays)}", at_most="info")
    mistaken = findings(spf.roots, lambda root: root.at(root.judged().published.mistaken))
    assert not mistaken, seen(
        f"receivers ignore {'; '.join(mistaken)}: with = it is a modifier that nobody knows", at_most="should"
    )


@check(
    "RFC7208 4.6.4: must",
    "MS FAQ 7: must",
    "IN: should",
    "M3: should",
    "DORG: should",
    fix=(
        "Replace terms of {domain.mail_from} by the addresses they stand for (ip4, ip6), and drop includes of services "
        "that no longer send."
    ),
)
def test_spf_lookups(spf: SpfRecords, spf_paths: SpfPaths, domain: Domain) -> None:
    """SPF of a domain needs no more than ten look-ups.

    Receivers stop at the eleventh with a permanent error; how many are needed depends on the sending address.
    """
    asking = "terms that make receivers ask"
    stopped = spf_paths.hits("dns lookups")
    if stopped and spf.circular:
        raise NotApplicable(f"SPF of {domain.mail_from} leads back to itself, see spf.no-loop")
    assert not stopped, seen(f"{_errors(stopped)}; {asking}: {spf.roots[0].beyond(-1)}")
    most = min(MOST_LOOKUPS, domain.spf_max_lookups)
    over = findings(spf.roots, lambda root: root.beyond(most))
    word = "allowed" if most == MOST_LOOKUPS else "declared as the most"
    assert not over, seen(f"{asking}: {'; '.join(over)}; {most} are {word}", at_most="should")
    spf_paths.known()


def _errors(results: tuple[SpfResult, ...]) -> str:
    return listed((f"for {one.ip}: {one.describe()}" for one in results), joint="; ")


@check(
    "RFC7208 4.6.4, 11.1: should",
    fix="Remove the terms of {domain.mail_from} whose names have no records, or publish the records.",
)
def test_spf_void(spf: SpfRecords, spf_paths: SpfPaths) -> None:
    """No more than two look-ups of SPF find nothing.

    Receivers stop at the third with a permanent error; what is found depends on the family of the sending address.
    """
    stopped = spf_paths.hits("void lookup")
    terms = dict.fromkeys(term for one in stopped for term in spf.roots[0].voids(one.ip.version, 0))
    nothing = f"nothing is found for {listed(terms or [f'a name of {term}' for term in spf.roots[0].further])}"
    assert not stopped, seen(f"{_errors(stopped)}; {nothing}")
    empty = findings(
        [(root, version) for root in spf.roots for version in spf.versions or (4,)],
        lambda one: listed(one[0].voids(one[1], MOST_VOID + 1)),
    )
    assert not empty, seen(f"nothing is found for {'; '.join(dict.fromkeys(empty))}", at_most="info")
    spf_paths.known()


@check(
    "RFC7208 4.6.4: must",
    fix="Replace mx in SPF of {domain.mail_from} by the addresses of the hosts that send (ip4, ip6).",
)
def test_spf_mx_limit(spf: SpfRecords, spf_paths: SpfPaths) -> None:
    """No mx term of SPF stands for more than ten mail exchangers.

    Receivers answer an eleventh with a permanent error, unless an earlier term decides.
    """
    crowded = findings(spf.nodes, lambda node: _crowded(node.judged()))
    assert not crowded, seen("; ".join(crowded), at_most=spf_paths.gravity)


def _crowded(node: Node) -> str:
    found = findings(
        node.looks, lambda look: (look.term, look.exchangers) if look.exchangers > MOST_EXCHANGES else None
    )
    return "; ".join(f"{node.at([term])} stands for {count} exchangers" for term, count in found)


@check(
    "RFC7208 5.5, 7.2: should",
    "M3: should",
    fix="Replace ptr in SPF of {domain.mail_from} by the addresses of the hosts that send (ip4, ip6).",
)
def test_spf_no_ptr(spf: SpfRecords) -> None:
    """SPF uses neither the ptr mechanism nor the p macro.

    Both are slow and depend on the reverse zone of whoever sends; receivers may skip them.
    """
    own = findings(spf.roots, _reverse)
    assert not own, seen("; ".join(own))
    included = findings(spf.nodes, _reverse)
    assert not included, seen("; ".join(included), at_most="info")


def _reverse(node: Node) -> str:
    return node.at(term for term in node.published.terms if term.name == "ptr" or "%{p" in term.value.lower())


@check(
    "G-err 4.7.24, 5.7.24: must",
    "RFC7208 11.1: should",
    "RSP R_SPF_PLUSALL: should",
    fix="Let SPF of {domain.mail_from} authorise the hosts that send and nobody else, and end it in ~all.",
)
def test_spf_no_plus_all(spf: SpfRecords) -> None:
    """SPF does not authorise everybody.

    A record that any address passes protects nothing, and receivers count it against the domain.
    """
    doors = findings(spf.roots, lambda root: root.open_doors)
    assert not doors, seen(listed([door for one in doors for door in one]))


@check(
    "IN: must",
    "RFC7208 4.7, 5.1: should",
    fix="End SPF of {domain.mail_from} in ~all.",
)
def test_spf_has_end(spf: SpfRecords, spf_paths: SpfPaths) -> None:
    """SPF ends in all or in redirect.

    A record without an end says nothing of addresses that it does not name.
    """
    open_ended = findings(spf.roots, lambda root: root if _open_ended(root) else None)
    assert not open_ended, seen(
        "; ".join(f"{root.name} ends in neither: {quoted(root.texts[0])}" for root in open_ended),
        fix=_ending(open_ended, "~all", spf, spf_paths),
    )


def _open_ended(root: Node) -> bool:
    return root.ending.all is None and root.ending.redirect is None


def _ending(roots: list[Node], end: str, spf: SpfRecords, paths: SpfPaths) -> str:
    return "; ".join(
        f"End the record that redirect= of {root.name} leads to in {end}"
        if root.redirects
        else remedy.publish(root.owner, _ended(root, end, spf, paths))
        for root in roots
    )


def _ended(root: Node, end: str, spf: SpfRecords, paths: SpfPaths) -> str:
    """Return the record with another end that shuts none of the fleet's own addresses out."""
    own = paths.unnamed
    if root.name != spf.domain.mail_from:
        # The record of the envelope domain may include this one: whom all passed here passed there.
        own = spf.mechanisms if root.end == "+all" else ()
    return remedy.spf_authorising(remedy.spf_ending(root.texts[0], end), own)


@check(
    "IN: must",
    "NCSC: must",
    "Z SPF: should",
    "M3: info",
    fix="End SPF of {domain.mail_from} in ~all.",
)
def test_spf_all_strict(spf: SpfRecords, spf_paths: SpfPaths, domain: Domain) -> None:
    """SPF ends in ~all or -all.

    Anything weaker leaves forged mail as good as unjudged; of the two, ~all lets DKIM be judged too.
    """
    weak = findings(spf.roots, lambda root: root if root.end not in ("~all", "-all") else None)
    wish = next((end for end in domain.spf_all if end in ("~all", "-all")), "~all")
    assert not weak, seen(_ends(weak), fix=_ending(weak, wish, spf, spf_paths))
    unlike = findings(spf.roots, lambda root: root if domain.spf_all and root.end not in domain.spf_all else None)
    assert not unlike, seen(
        f"{_ends(unlike)}; declared: {' or '.join(domain.spf_all)}",
        fix=_ending(unlike, domain.spf_all[0] if domain.spf_all else "~all", spf, spf_paths),
    )


def _ends(roots: list[Node]) -> str:
    return "; ".join(f"{root.name} ends in {root.end}" if root.end else f"{root.name} has no all" for root in roots)


@check(
    "IN: must",
    "RFC7208 8.2: should",
    fix="End SPF of {domain.mail_from} in ~all.",
)
def test_spf_no_neutral(spf: SpfRecords, spf_paths: SpfPaths) -> None:
    """SPF does not end neutral.

    With ?all, or with no end at all, unknown addresses are treated as if there were no record.
    """
    neutral = findings(spf.roots, lambda root: root if root.end in ("", "?all") else None)
    assert not neutral, seen(_ends(neutral), fix=_ending(neutral, "~all", spf, spf_paths))


@check(
    "RFC7208 5.1, 6.1: must",
    fix="Move the terms before all in SPF of {domain.mail_from}.",
)
def test_spf_after_all(spf: SpfRecords) -> None:
    """Nothing in SPF stands after all, and redirect not beside it.

    Receivers ignore such terms, which usually are what somebody meant to add.
    """
    ignored = findings(spf.roots, lambda root: root if root.published.unreachable else None)
    assert not ignored, seen(
        f"ignored: {'; '.join(root.at(root.published.unreachable) for root in ignored)}",
        fix="; ".join(map(_counting, ignored)),
    )


def _counting(root: Node) -> str:
    """Return the record in which the terms count, and the one without them if that is another: they may be no good."""
    moved = remedy.spf_reordered(root.texts[0])
    bare = remedy.spf_without(root.texts[0], (term.position for term in root.published.unreachable))
    other = "" if moved == bare else f", where these terms are meant and valid, else: {remedy.txt_data(bare)}"
    return f"{remedy.publish_spf(root.owner, moved)}{other}"


@check(
    "RFC7208 5.2, 6.1: should",
    fix=(
        "Remove the include or redirect named here from SPF of {domain.mail_from}, or have its owner publish one valid "
        "record."
    ),
)
def test_spf_include_ok(spf: SpfRecords) -> None:
    """Every include and redirect of SPF leads to exactly one valid record.

    A target without one makes the whole result a permanent error.
    """
    bad = findings(spf.nodes, lambda node: listed(node.dead_ends, joint="; "))
    assert not bad, seen("; ".join(bad))


@check(
    "RFC7208 4.6.4: must",
    fix="Remove the include or redirect named here: it leads back to a record that is already being read.",
)
def test_spf_no_loop(spf: SpfRecords, spf_paths: SpfPaths) -> None:
    """No include or redirect of SPF leads back to itself.

    A circle ends at the limit of ten look-ups in a permanent error, unless an earlier term decides.
    """
    circles = findings(spf.nodes, lambda node: node.at(look.term for look in node.judged().looks if look.loop))
    assert not circles, seen("; ".join(circles), at_most=spf_paths.gravity)


@check(
    "Z SPF: must",
    "G SPF: must",
    "Y SPF: should",
    "RFC7208 10.1: should",
    fix="Add {address.spf_mechanism} to SPF of {domain.mail_from}.",
)
def test_spf_all_inventory(spf_sender: SpfResult, spf_siblings: SpfPaths, sender: Sender) -> None:
    """Every declared address passes SPF of every domain it sends for.

    Standby hosts and IPv6 addresses are the ones forgotten, until the day they send.
    """
    name, says = sender.domain.mail_from, spf_sender.known()
    if says.result == "none":
        raise NotApplicable(f"{name} has no SPF record, see spf.exists")
    assert says.result != "permerror", seen(
        f"{sender.address.ip} for {name}: {says.describe()}",
        fix=f"Repair SPF of {name} first: it cannot be evaluated, see spf.syntax, spf.include-ok and spf.lookups.",
    )
    # One record for all addresses that are forgotten: several would contradict each other.
    repaired = remedy.spf_authorising(says.record, spf_siblings.forgotten, first=spf_siblings.denied)
    assert says.result == "pass", seen(
        f"{sender.address.ip} for {name}: {says.describe()}", fix=remedy.publish(says.owner, repaired)
    )


@check(
    "RFC7208 3.3: must",
    fix="Put a space at the end of each string of SPF of {domain.mail_from} that ends with a whole term.",
)
def test_spf_strings(spf: SpfRecords) -> None:
    """The strings of an SPF record join without losing or adding a space.

    Receivers join them as they are: two terms become one, or one becomes two.
    """
    broken = findings(spf.roots, lambda root: [(root.name, *pair) for pair in root.respaced])
    pairs = [pair for found in broken for pair in found]
    assert not pairs, seen(
        "; ".join(f"{name}: {strings}" for name, strings, _ in pairs),
        fix="; ".join(remedy.publish(name, text) for name, _, text in pairs),
    )
