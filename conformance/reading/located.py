"""YAML with the line of every part: plain mappings, lists and texts, from a file that people write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

Path = tuple[str | int, ...]

LONGEST = 1_000_000
"""Characters of a file that is read."""
_PARTS = 200_000
_LEVELS = 20
_Loader: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


class LocatedError(ValueError):
    """A text is no YAML that is read here; ``line`` counts from 1 and is None where the whole is meant."""

    def __init__(self, text: str, line: int | None = None) -> None:
        super().__init__(text)
        self.line = line


@dataclass(frozen=True)
class Located:
    """``data`` is made of mappings, lists and texts; ``lines`` says by path on which line each part begins."""

    data: Any
    lines: Mapping[Path, int]

    def line(self, path: Path) -> int | None:
        """Return the line of a part, or else of the nearest part around it."""
        upwards = (path[:length] for length in range(len(path), -1, -1))
        return next((self.lines[above] for above in upwards if above in self.lines), None)


def read(text: str) -> Located:
    """Return what a text holds; no scalar is taken for more than text, and an empty one is empty text.

    Aliases, tags and keys that are there twice are refused. Raises LocatedError.
    """
    if len(text) > LONGEST:
        raise LocatedError(f"it is longer than {LONGEST:,} characters")
    try:
        _check(text)
        node = yaml.compose(text, Loader=_Loader)
    except LocatedError:
        raise
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise LocatedError(f"is no YAML: {error.problem}", mark.line + 1 if mark else None) from None
    except yaml.reader.ReaderError as error:
        raise LocatedError(f"is no YAML: {error.reason}", text.count("\n", 0, error.position) + 1) from None
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        raise LocatedError(f"is no YAML: {type(error).__name__}") from None
    lines: dict[Path, int] = {}
    return Located(_plain(node, (), lines) if node is not None else "", lines)


def _check(text: str) -> None:
    """Refuse what could grow beyond the text, before anything is made of it."""
    depth = 0
    for number, event in enumerate(yaml.parse(text, Loader=_Loader)):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        line = event.start_mark.line + 1 if event.start_mark else None
        if isinstance(event, yaml.AliasEvent):
            raise LocatedError("an alias (*) is not taken: write the value again", line)
        if getattr(event, "tag", None) not in (None, "!"):
            raise LocatedError("a tag (!) is not taken", line)
        if number > _PARTS or depth > _LEVELS:
            raise LocatedError(f"more than {_PARTS:,} parts or {_LEVELS} levels", line)


def _plain(node: Any, path: Path, lines: dict[Path, int]) -> Any:
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, lines)
    if isinstance(node, yaml.SequenceNode):
        return [_plain(one, (*path, number), lines) for number, one in enumerate(node.value)]
    return node.value


def _mapping(node: Any, path: Path, lines: dict[Path, int]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise LocatedError("a key is text", line)
        if key.value in found:
            raise LocatedError(f"the key {key.value[:100]!r} is there twice", line)
        lines[(*path, key.value)] = line
        found[key.value] = _plain(value, (*path, key.value), lines)
    return found
