"""``mailconform explain RULE``: what a rule says, who asks for it and how hard, and what to do."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping

from conformance.check import Check, Citation, sources
from conformance.report.text import place_address

_WIDTH = 88
_PLACEHOLDER = re.compile(r"\{([a-z_]+)(?:\.([a-z_.]+))?[^{}]*\}")


def explain(check: Check, levels: Mapping[str, str | None]) -> list[str]:
    """Return the lines that explain a rule; ``levels`` is its level by profile, None where it is not selected."""
    return [
        f"{check.id}: {check.title}",
        "",
        *_paragraphs(check.reason),
        "",
        *_weights(levels),
        "Asked by",
        *(line for citation in check.citations for line in _source(citation)),
        "",
        "How to fix",
        *(f"  {line}" for line in blanks(check.fix).splitlines()),
    ]


def blanks(fix: str) -> str:
    """Return the template of a fix as a reader fills it in: ``{address.reverse_name}`` becomes ``<reverse name>``."""
    return _PLACEHOLDER.sub(lambda m: f"<{(m[2] or m[1]).replace('_', ' ').replace('.', ' ')}>", fix)


def _paragraphs(reason: str) -> list[str]:
    lines: list[str] = []
    for paragraph in reason.split("\n\n"):
        lines += ["", *textwrap.wrap(paragraph, _WIDTH)] if lines else textwrap.wrap(paragraph, _WIDTH)
    return lines


def _weights(levels: Mapping[str, str | None]) -> list[str]:
    if not levels:
        return []
    width = max(len(profile) for profile in levels)
    return ["Weighs", *(f"  {profile:<{width}}  {level or 'not part of it'}" for profile, level in levels.items()), ""]


def _source(citation: Citation) -> list[str]:
    source = sources()[citation.key]
    lines = [f"  {citation.level or 'explains':<8}  {citation}, {source.title}"]
    if address := place_address(source.address, str(citation)):
        lines.append(f"            {address}")
    return lines
