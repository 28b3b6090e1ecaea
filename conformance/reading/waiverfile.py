"""Changes to a file of waivers that leave all else as it is written: order, quotes, comments."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

import yaml

from conformance.reading.located import LocatedError, read

Row = Mapping[str, str | bool | datetime.date | list[str]]
"""A waiver as it is to be written."""

_Loader: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


class EditError(ValueError):
    """A file is written in a way that cannot be changed without changing more of it."""


@dataclass(frozen=True)
class _Layout:
    """Where a file has its waivers. Lines count from 0."""

    dashes: Sequence[int]
    """The line of each waiver's dash."""
    begins: Sequence[int]
    """The line on which the content of each begins."""
    end: int
    """The line after the last one's content: where another one fits."""
    column: int = 2
    has_key: bool = True


def added(text: str, row: Row) -> str:
    """Return a file with one more waiver at the end of its list. Raises EditError."""
    lines = _lines(text)
    layout = _layout(text, lines)
    indent = " " * layout.column
    written = yaml.safe_dump(dict(row), sort_keys=False, allow_unicode=True, width=10_000).splitlines()
    item = [f"{indent}{'  ' if number else '- '}{line}" for number, line in enumerate(written)]
    if not layout.has_key:
        item.insert(0, "waivers:")
    if layout.dashes and not lines[_above(lines, layout.dashes[-1]) - 1].strip():
        item.insert(0, "")
    changed = [*lines[: layout.end], *item, *lines[layout.end :]]
    return _checked(text, changed, lambda rows: [*rows, _as_read(row)])


def pruned(text: str, gone: Set[int]) -> str:
    """Return a file without the waivers that begin on some lines, each with the comment directly above it.

    Lines count from 1. Raises EditError.
    """
    lines = _lines(text)
    layout = _layout(text, lines)
    left = {number for number, line in enumerate(layout.begins) if line + 1 in gone}
    kept = list(lines)
    for number in sorted(left, reverse=True):
        below = layout.dashes[number + 1] if number + 1 < len(layout.dashes) else layout.end
        start, stop = _above(lines, layout.dashes[number]), _content_end(lines, layout.dashes[number], below)
        if stop < len(lines) and not lines[stop].strip():
            stop += 1
        del kept[start:stop]
    return _checked(text, kept, lambda rows: [row for number, row in enumerate(rows) if number not in left])


def _lines(text: str) -> list[str]:
    return text.replace("\r\n", "\n").split("\n")[: -1 if text.endswith("\n") else None] if text else []


def _layout(text: str, lines: list[str]) -> _Layout:
    """Return where a file has its waivers; an empty list in brackets is taken out of ``lines``. Raises EditError."""
    pair = next(((key, value) for key, value in _pairs(text) if key.value == "waivers"), None)
    if pair is None:
        return _Layout((), (), len(lines), has_key=False)
    key, node = pair
    below = key.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode) and node.flow_style and not node.value:
        lines[below - 1] = re.sub(r":\s*\[\s*\]", ":", lines[below - 1])
        return _Layout((), (), below)
    if isinstance(node, yaml.ScalarNode) and not node.value:
        return _Layout((), (), below)
    if not isinstance(node, yaml.SequenceNode) or node.flow_style:
        raise EditError("the waivers are not written as a list with a dash each")
    column, start, stop = node.start_mark.column, node.start_mark.line, node.end_mark.line
    dashes = [
        token.start_mark.line
        for token in yaml.scan(text, Loader=_Loader)
        if isinstance(token, yaml.BlockEntryToken)
        and token.start_mark.column == column
        and start <= token.start_mark.line <= stop
    ]
    begins = [one.start_mark.line for one in node.value]
    at_end = _content_end(lines, dashes[-1], stop if node.end_mark.column <= column else stop + 1)
    return _Layout(dashes, begins, at_end, column)


def _pairs(text: str) -> list[tuple[Any, Any]]:
    try:
        read(text)
        node = yaml.compose(text, Loader=_Loader)
    except LocatedError as error:
        raise EditError(str(error)) from None
    if node is None:
        return []
    if not isinstance(node, yaml.MappingNode) or node.flow_style:
        raise EditError("the file is not written as keys with a line each")
    return list(node.value)


def _above(lines: Sequence[str], start: int) -> int:
    """Return where the comment directly above a line begins."""
    while start and lines[start - 1].lstrip().startswith("#"):
        start -= 1
    return start


def _content_end(lines: Sequence[str], start: int, stop: int) -> int:
    """Return where the content that begins on a line ends: before blank lines and the comments of what follows."""
    stop = min(stop, len(lines))
    while stop - 1 > start and (not lines[stop - 1].strip() or lines[stop - 1].lstrip().startswith("#")):
        stop -= 1
    return stop


def _as_read(row: Row) -> dict[str, Any]:
    def plain(value: Any) -> Any:
        if isinstance(value, list):
            return [str(one) for one in value]
        return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)

    return {name: plain(value) for name, value in row.items()}


def _checked(before: str, lines: Sequence[str], wanted: Any) -> str:
    """Return a changed file, once it reads as it is meant to. Raises EditError."""
    newline = "\r\n" if "\r\n" in before else "\n"
    text = "".join(f"{line}{newline}" for line in lines)
    try:
        old, new = read(before).data or {}, read(text).data or {}
    except LocatedError as error:
        raise EditError(f"it could not be changed: {error}") from None
    rows = wanted(old.get("waivers") or [])
    if (new.get("waivers") or []) != rows or {**new, "waivers": 0} != {**old, "waivers": 0}:
        raise EditError("it is written in a way that cannot be changed here: change it by hand")
    return text
