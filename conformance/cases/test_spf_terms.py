"""What the terms of an SPF record say, RFC 7208. Findings speak to mail engineers: PYTEST_DONT_REWRITE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.check import NotApplicable, check, findings, listed, seen
from conformance.reading import remedy, spfterms
from conformance.reading.orgdomain import registrable

if TYPE_CHECKING:
    from conformance.facts.spf import SpfRecords
    from conformance.facts.spftree import Node
    from conformance.reading.spf import Mechanism
    from conformance.reading.spfterms import Network

OWN_WIDTH = {4: 20, 6: 31}
OTHERS_WIDTH = {4: 15, 6: 31}
OPEN_WIDTH = {4: 8, 6: 16}


@check(
    "RFC7208 11.4: info",
    "DORG: info",
    fix="Name the addresses that send in SPF of {domain.mail_from} (ip4, ip6) instead of whole networks.",
)
def test_spf_breadth(spf: SpfRecords) -> None:
    """SPF authorises no more addresses than it needs to.

    Whoever comes to hold any address of a wide network passes as the domain.
    """
    if findings(spf.roots, lambda root: root.open_doors):
        raise NotApplicable("SPF authorises everybody, see spf.no-plus-all")
    own = findings(spf.roots, lambda root: root.at(spfterms.wide(root.published, OWN_WIDTH)))
    assert not own, seen(
        f"wide: {'; '.join(own)}", fix=f"Replace what is wide by what sends: {' '.join(spf.mechanisms)}"
    )
    others = findings(spf.included, lambda node: node.at(spfterms.wide(node.published, OTHERS_WIDTH)))
    assert not others, seen(f"wide: {listed(others, joint='; ')}", aspect="include")


@check(
    "RFC7208 5.6: info",
    fix="Name the networks in SPF of {domain.mail_from} as the Internet sees them, by their first address.",
)
def test_spf_ip4_form(spf: SpfRecords, public_networks: tuple[Network, ...]) -> None:
    """Networks in SPF are public, and written by their first address.

    A private network passes nobody; one with other bits set is taken wider than it reads.
    """
    private = findings(spf.roots, lambda root: _secluded(root, public_networks))
    assert not private, seen("; ".join(private), aspect="private")
    blurred = findings(spf.roots, _blurred)
    assert not blurred, seen("; ".join(blurred), aspect="host-bits")


def _secluded(root: Node, public: tuple[Network, ...]) -> str:
    found = spfterms.secluded(root.published, public)
    return listed([f"{root.at([term])} ({why})" for term, why in found], joint="; ")


def _blurred(root: Node) -> str:
    found = spfterms.with_host_bits(root.published)
    return listed([f"{root.at([term])} is taken as {network}" for term, network in found], joint="; ")


@check(
    "RFC7208 11.5.3, 11.6: info",
    fix="Take the macros s and l out of the terms of {domain.mail_from} that lead to other organizations.",
)
def test_spf_macro(spf: SpfRecords) -> None:
    """No look-up of SPF tells others who writes.

    Macros s and l put the sender's address into a question, which the servers of that domain get to see.
    """
    told = findings([(root, node) for root in spf.roots for node in root.nodes()], lambda pair: _telling(*pair))
    assert not told, seen("; ".join(told))


def _telling(root: Node, node: Node) -> str:
    own = registrable(root.name)
    places = ((term, name or node.name) for term, name in spfterms.telling(node.judged().published))
    return node.at(term for term, name in places if registrable(name) not in (None, own))


@check(
    "RFC7208 4.6.4: info",
    "M3: info",
    "DORG: info",
    fix="Take the terms named here out of SPF of {domain.mail_from}: others say the same.",
)
def test_spf_redundant(spf: SpfRecords) -> None:
    """No term of SPF says what another one says.

    Superfluous terms hide what counts, and some cost look-ups.
    """
    superfluous = findings(spf.roots, lambda root: root if _superfluous(root) else None)
    assert not superfluous, seen(
        "; ".join(_covered(root) for root in superfluous),
        fix="; ".join(
            remedy.publish(
                root.owner, remedy.spf_without(root.texts[0], (term.position for term, _ in _superfluous(root)))
            )
            for root in superfluous
        ),
    )


def _covered(root: Node) -> str:
    pairs = _superfluous(root)
    return listed([f"{root.at([term])} says no more than {root.at([by])}" for term, by in pairs], joint="; ")


def _superfluous(root: Node) -> list[tuple[Mechanism, Mechanism]]:
    """Return what can go; not what lies in a network so wide that it is this one which has to go."""
    wide = spfterms.wide(root.published, OPEN_WIDTH)
    return [(term, by) for term, by in spfterms.superfluous(root.published) if by not in wide]
