"""``results.json`` read again, from wherever it came: it is what it says, or an error says what is wrong with it."""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conformance.report import schema
from conformance.report.results import OUTCOMES

if TYPE_CHECKING:
    from jsonschema_rs import Draft202012Validator

VERSION = 1
_DIGITS = 39
"""Of a number: as many as all of IPv6 has addresses."""


class ResultsError(ValueError):
    """A file holds no results that this version can read."""


def load(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the content of a ``results.json``, or of the one in a folder, after checking it against its schema.

    Raises ResultsError with what is wrong with the file.
    """
    file = place(path)
    try:
        document = json.loads(file.read_bytes(), parse_int=_whole, parse_float=_finite, parse_constant=_finite)
    except OSError as error:
        raise ResultsError(f"{file}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise ResultsError(f"{file}: is no results.json of mailconform: {error}") from None
    if wrong := _wrong(document):
        raise ResultsError(f"{file}: {wrong}")
    whole: dict[str, Any] = document
    for outcome in OUTCOMES:
        # Results of before there was an outcome have none of it.
        whole["counts"].setdefault(outcome, 0)
    return whole


def place(path: str | os.PathLike[str]) -> Path:
    """Return the file that is meant: ``results.json`` where a folder is named."""
    return Path(path) / "results.json" if Path(path).is_dir() else Path(path)


def _wrong(document: Any) -> str:
    """Return what is wrong with a document; empty when nothing is."""
    version = document.get("schema") if isinstance(document, dict) else None
    if isinstance(version, int) and version != VERSION:
        return f"has schema {version}, this version reads {VERSION}"
    try:
        for error in _validator().iter_errors(document):
            where = ".".join(str(part) for part in error.instance_path) or "the whole"
            return f"is no results.json of mailconform: {where}: {error.message}"
    except ValueError as error:
        # What is wrong cannot even be told: a lone surrogate where none may stand, too many levels.
        return f"is no results.json of mailconform: {error}"
    counted = Counter(result["outcome"] for result in document["results"])
    if any(document["counts"].get(outcome, 0) != counted[outcome] for outcome in OUTCOMES):
        return "is damaged: its counts are not those of its results"
    return ""


def _whole(text: str) -> int:
    """Return a number that every output can write."""
    if len(text) > _DIGITS:
        raise ValueError(f"a number of {len(text):,} digits")
    return int(text)


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text[:_DIGITS]} is no number")
    return number


@cache
def _validator() -> Draft202012Validator:
    """Return what checks a document; the one in Python would take minutes for a large fleet."""
    from jsonschema_rs import Draft202012Validator

    return Draft202012Validator(schema())
