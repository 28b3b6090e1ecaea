"""``report.html``: one file that is read offline and without a script."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from conformance.reading.scripts import id_in_both_forms
from conformance.report.base import sentences as base_sentences
from conformance.report.deliveries import Deliveries
from conformance.report.evidence import Evidence
from conformance.report.findings import Link, rule_link, sources
from conformance.report.grouping import LETTERS, WORDS, WORST, Result, Results, causes, groups, sentence, verdict
from conformance.report.matrix import anchor, domains_table, hosts_matrix
from conformance.report.sections import Judged
from conformance.report.spf import CELLS, Spf
from conformance.report.text import plural, printable
from conformance.report.todo import Block, blocks, cause_block, waivers
from conformance.report.waived import by_need, came_of, sentence_of

if TYPE_CHECKING:
    from jinja2 import Environment

_LONGEST = 4000
"""Characters of one value that are shown."""
_ROOM = 1_600_000
"""Characters that hosts and domains may take in a page of a large fleet, with their findings and evidence."""
_PLACE = 1_000
"""Characters that a host or domain takes without findings and evidence."""
_FINDING = 16
"""Characters that a finding takes of which only the rule is named."""
_LEAST = 400_000
_CAUSES = 300
_NAMES = 500


def render(results: Results, facts: Mapping[str, Any] | None = None) -> str:
    """Return the page for the content of ``results.json`` and ``facts.json``.

    Everything that came from outside is written out by :func:`printable` and escaped by the templates.
    """
    judged = Judged(results)
    found = groups(results)
    room = _room(results)
    deliveries = Deliveries(results, facts, room // 4)
    evidence = Evidence(results, facts, deliveries.refs)
    judged.shorten(room // 2)
    evidence.write(list(judged.sections), room // 2)
    reasons = [cause_block(number, cause) for number, cause in enumerate(causes(results), 1)]
    rules = blocks(found, evidence)
    columns, rows = hosts_matrix(results, judged.hosts)
    areas, domain_rows = domains_table(judged.domains)
    run, counts = results["run"], results["counts"]
    return (
        _environment()
        .get_template("report.html")
        .render(
            results=results,
            run=run,
            counts=counts,
            total=sum(counts.values()),
            verdict=verdict(results),
            tone=_tone(results, judged),
            sentence=sentence(results),
            scores=[(level, *judged.score(level)) for level in ("must", "should")],
            broken=[b for b in rules if b.outcome == "fail"],
            known=[b for b in rules if b.outcome == "known"],
            based=base_sentences(results),
            advice=[b for b in rules if b.outcome == "advice"],
            causes=reasons[:_CAUSES],
            more_causes=len(reasons) - min(len(reasons), _CAUSES),
            gating=judged.gating_undetermined(),
            columns=columns,
            rows=rows,
            areas=areas,
            domain_rows=domain_rows,
            hosts=judged.host_details(evidence),
            domains=judged.domain_details(evidence),
            evidence=evidence,
            deliveries=deliveries,
            spf=Spf(results),
            cell_letters=CELLS,
            has_facts=facts is not None,
            waived=waivers(r for r in results["results"] if r["outcome"] == "waived"),
            idle=waivers(r for r in results["results"] if r["outcome"] == "pass" and r["waiver"]),
            register=[(one, came_of(one)) for one in by_need(results)[:_NAMES]],
            waivers_sentence=sentence_of(results),
            more_waivers=max(len(results.get("waivers", [])) - _NAMES, 0),
            reasons=_not_applicable(results),
            rules=_rules(results, rules),
            names=_NAMES,
            style=_asset("page.css"),
            script=_asset("page.js"),
            policy=_policy(),
        )
    )


def _room(results: Results) -> int:
    """Return how many characters findings and evidence may take in the sections of hosts and domains."""
    run, counts = results["run"], results["counts"]
    findings: int = counts["fail"] + counts["known"] + counts["advice"] + counts["waived"]
    places: int = run["hosts"] + run["domains"]
    return max(_ROOM - _PLACE * places - _FINDING * findings, _LEAST)


def _tone(results: Results, judged: Judged) -> str:
    """Return the outcome whose colour the verdict has."""
    if results["counts"]["fail"] or results["run"]["exit"] in (3, 4):
        return "fail"
    if judged.gating_undetermined() or not results["run"]["complete"] or not results["counts"]["pass"]:
        return "undetermined"
    return "known" if results["counts"]["known"] else "pass"


def _not_applicable(results: Results) -> list[tuple[str, int, list[Link]]]:
    """Return why rules did not apply: reason, number of results, rules; most frequent first."""
    found: dict[str, list[Result]] = {}
    for result in results["results"]:
        if result["outcome"] == "not-applicable":
            found.setdefault(result["why"], []).append(result)
    ordered = sorted(found.items(), key=lambda pair: (-len(pair[1]), pair[0]))[:_NAMES]
    return [
        (why, len(own), [rule_link(check) for check in dict.fromkeys(result["check"] for result in own)])
        for why, own in ordered
    ]


def _rules(results: Results, told: list[Block]) -> list[dict[str, Any]]:
    """Return every rule with its sources and counts; its anchor is here unless *what to do* has it."""
    taken = {block.check for block in told}
    counted: dict[str, dict[str, int]] = {check: dict.fromkeys(WORST, 0) for check in results["checks"]}
    for result in results["results"]:
        counted.setdefault(result["check"], dict.fromkeys(WORST, 0))[result["outcome"]] += 1
    nothing = {"title": "", "level": "", "sources": []}
    return [
        {
            "id": check,
            "anchor": f"rule-{check}" if check in taken else anchor("r", check),
            "to_do": f"#{anchor('r', check)}" if check in taken else "",
            "title": results["checks"].get(check, nothing)["title"],
            "level": results["checks"].get(check, nothing)["level"],
            "sources": sources(results["checks"].get(check, nothing)["sources"]),
            "counts": [(outcome, number) for outcome, number in counts.items() if number],
        }
        for check, counts in counted.items()
    ]


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("conformance.report"),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["both"] = id_in_both_forms
    environment.globals.update(letters=LETTERS, words=WORDS, plural=plural)
    return environment


def _shown(value: object) -> object:
    """Write out what is not visible in every text that a template puts on the page."""
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return printable(value, _LONGEST, newlines=True)
    return value


@cache
def _asset(name: str) -> Markup:
    loader = _environment().loader
    assert loader is not None
    return Markup(loader.get_source(_environment(), name)[0].strip())  # noqa: S704 - a file of this package


@cache
def _policy() -> str:
    """Return the page's Content-Security-Policy: nothing is loaded, only its own script runs."""
    digest = base64.b64encode(hashlib.sha256(_asset("page.js").encode()).digest()).decode()
    return (
        "default-src 'none'; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
