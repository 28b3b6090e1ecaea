"""The tree walk of RFC 9989 by a table of trees: what is asked, whose domain it is, which record applies, who aligns.

Each name is judged by the rule, too, that compares the walk with the public suffix list.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from verdicts import FINDING, NOT_APPLICABLE, PASS, built, domain, verdict

from conformance.cases.test_dmarc import test_dmarc_org_consistent as org_consistent
from conformance.facts.dmarc import dmarc_walk
from conformance.reading import dmarc
from conformance.reading.orgdomain import registrable

TREES: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parent.parent / "data" / "dmarc_trees.yml").read_text("utf-8")
)
NAMES = [pytest.param(tree, name, id=f"{number}-{name}") for number, tree in enumerate(TREES) for name in tree["names"]]


def records(tree: dict[str, Any], name: str) -> dict[str, dmarc.Record | None]:
    published = {owner: dmarc.parse(f"v=DMARC1; {text}") for owner, text in tree["records"].items()}
    return {domain: published.get(domain) for domain in dmarc.walk(name)}


def asked(tree: dict[str, Any], name: str) -> list[str]:
    """Return what a walk asks that stops as soon as it may."""
    names = []
    for found, record in records(tree, name).items():
        names.append(found)
        if record and record.psd != "u":
            break
    return names


def organization(tree: dict[str, Any], name: str) -> str:
    return dmarc.organizational_domain(name, records(tree, name))


@pytest.mark.parametrize(("tree", "name"), NAMES)
def test_a_name_of_a_tree(tree: dict[str, Any], name: str) -> None:
    said = tree["names"][name]
    assert asked(tree, name) == said["asks"]
    assert len(said["asks"]) <= 8
    assert organization(tree, name) == said["walk"]
    assert (registrable(name, private=True) or name) == said["list"]
    source = dmarc.policy_source(name, records(tree, name))
    assert (source.domain if source else "-") == said["policy"]


@pytest.mark.parametrize("tree", TREES, ids=lambda tree: tree["about"][:20])
def test_who_is_aligned_in_a_tree(tree: dict[str, Any]) -> None:
    pairs = [(pair, True) for pair in tree.get("aligned", ())] + [(pair, False) for pair in tree.get("apart", ())]
    for (one, other), together in pairs:
        for author, identifier in ((one, other), (other, one)):
            found = dmarc.aligned(author, identifier, "r", lambda name: organization(tree, name))
            assert found is together, f"{author} and {identifier}"
            assert not dmarc.aligned(author, identifier, "s", lambda name: organization(tree, name))


@pytest.mark.parametrize(("tree", "name"), NAMES)
def test_the_rule_compares_walk_and_list(tree: dict[str, Any], name: str) -> None:
    said = tree["names"][name]
    owned = domain(name.rstrip(".").lower())
    zone = {f"_dmarc.{owner} TXT": [f"v=DMARC1; {text}"] for owner, text in tree["records"].items()}
    found = verdict(org_consistent, built(dmarc_walk, zone, owned))
    above = said["policy"] not in dmarc.walk(said["list"])[:1] and not said["policy"].endswith(f".{said['list']}")
    if said["policy"] == "-" or above:
        assert found.said == NOT_APPLICABLE
    else:
        assert found.said == (PASS if said["walk"] == said["list"] else FINDING)
    if found.said == FINDING:
        assert f"{said['walk']} by tree walk, {said['list']} by public suffix list" in found.text
